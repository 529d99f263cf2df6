/*
 * gemma3_text.c
 *	  Gemma 3 (Kamath et al. 2025), the part for texts: other positions where layers have windows.
 *	  Follows transformers/models/gemma3/modeling_gemma3.py.
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
	.query_norm = "self_attn.q_norm",
	.key_norm = "self_attn.k_norm",
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
	return decoder_slides_by_pattern(context, file, layer, 6);
}

/* Layers with windows turn by ropes[1]; in old files it has a base of its own and no scaling. */
static void
read_ropes(tfm_context *context, json file, decoder_config *c)
{
	rope_defaults d = {
		.head_dim = c->head_dim, .theta = 1e6, .max_positions = c->common.max_positions};
	json sliding = json_member(json_member(file, "rope_parameters"), "sliding_attention");
	decoder_layer *each = (decoder_layer *) c->each;

	if (tfm_failed(context))
		return;
	rope_read(context, file, "full_attention", &d, &c->ropes[0]);
	d.theta = json_double(context, file, "rope_local_base_freq", 10000);
	rope_read_parameters(context, json_member(file, "rope_parameters"), sliding, &d, &c->ropes[1]);
	for (int i = 0; i < c->layers; i++)
		each[i].rope = each[i].window != 0;
	c->common.any_position = true;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true, .weight_offset = 1},
		.head_norm = {.rms = true, .weight_offset = 1},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.activation_key = "hidden_activation",
											 .vocab_size = 262208,
											 .hidden_size = 2304,
											 .intermediate_size = 9216,
											 .layers = 26,
											 .heads = 8,
											 .kv_heads = 4,
											 .head_dim = 256,
											 .max_positions = 131072,
											 .activation = "gelu_pytorch_tanh",
											 .norm_eps = 1e-6,
											 .pad_token_id = 0,
											 .tie_word_embeddings = true},
						c);
	c->embedding.word_scale = sqrt((double) c->common.hidden_size);
	c->attention.scale = 1 / sqrt(json_double(context, file, "query_pre_attn_scalar", 256));
	c->logit_soft_cap = read_cap(context, file, "final_logit_softcapping", 0);

	c->head_norm.eps = c->norm.eps;
	decoder_read_layer_types(context, file, 4096, is_sliding, c);
	read_ropes(context, file, c);
	c->bidirectional = json_bool(context, file, "use_bidirectional_attention", false);
	for (int i = 0; c->bidirectional && c->each != NULL && i < c->layers; i++)
		if (c->each[i].window > 0)
			((decoder_layer *) c->each)[i].window = c->each[i].window / 2 + 1;
}

static const nn_head heads[] = {
	{"TextModel", "feature-extraction", decoder_base_model},
	{"ForCausalLM", "text-generation", decoder_causal_lm},
	{"TextForSequenceClassification", "text-classification", decoder_sequence_classification},
	{0},
};

static const nn_variant variants[] = {{"gemma3_text", "Gemma3", "model"}, {0}};

const nn_family family_gemma3_text = {
	.name = "gemma3_text",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
