/*
 * gemma2.c
 *	  Gemma 2 (Riviere et al. 2024): windows in every other layer, soft caps, norms after the parts.
 *	  Follows transformers/models/gemma2/modeling_gemma2.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "nn/decoder.h"

static const decoder_names names = {
	.layer = "layers.%d",
	.attention_norm = "input_layernorm",
	.attention_post_norm = "post_attention_layernorm",
	.query = "self_attn.q_proj",
	.key = "self_attn.k_proj",
	.value = "self_attn.v_proj",
	.attention_output = "self_attn.o_proj",
	.mlp_norm = "pre_feedforward_layernorm",
	.mlp_post_norm = "post_feedforward_layernorm",
	.gate = "mlp.gate_proj",
	.up = "mlp.up_proj",
	.down = "mlp.down_proj",
	.final_norm = "norm",
	.lm_head = "lm_head",
};

/* A soft cap, which null turns off. */
static double
read_cap(tfm_context *context, json file, const char *key, double fallback)
{
	return nn_is_null(file, key) ? 0 : json_double(context, file, key, fallback);
}

static bool
is_sliding(tfm_context *context, json file, int layer)
{
	return decoder_slides_by_pattern(context, file, layer, 2);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true, .weight_offset = 1},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.activation_key = "hidden_activation",
											 .vocab_size = 256000,
											 .hidden_size = 2304,
											 .intermediate_size = 9216,
											 .layers = 26,
											 .heads = 8,
											 .kv_heads = 4,
											 .head_dim = 256,
											 .max_positions = 8192,
											 .activation = "gelu_pytorch_tanh",
											 .norm_eps = 1e-6,
											 .pad_token_id = 0,
											 .tie_word_embeddings = true},
						c);
	c->embedding.word_scale = sqrt((double) c->common.hidden_size);
	c->attention.scale = 1 / sqrt(json_double(context, file, "query_pre_attn_scalar", 256));
	c->attention.soft_cap = read_cap(context, file, "attn_logit_softcapping", 50);
	c->logit_soft_cap = read_cap(context, file, "final_logit_softcapping", 30);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	decoder_read_layer_types(context, file, 4096, is_sliding, c);
}

static const nn_variant variants[] = {{"gemma2", "Gemma2", "model"}, {0}};

const nn_family family_gemma2 = {
	.name = "gemma2",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
