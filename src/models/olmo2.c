/*
 * olmo2.c
 *	  OLMo 2 (Walsh et al. 2024): norms after the parts of a layer, and of whole queries and keys.
 *	  Follows transformers/models/olmo2/modeling_olmo2.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const decoder_names names = {
	.layer = "layers.%d",
	.attention_post_norm = "post_attention_layernorm",
	.query = "self_attn.q_proj",
	.key = "self_attn.k_proj",
	.value = "self_attn.v_proj",
	.query_norm = "self_attn.q_norm",
	.key_norm = "self_attn.k_norm",
	.attention_output = "self_attn.o_proj",
	.mlp_post_norm = "post_feedforward_layernorm",
	.gate = "mlp.gate_proj",
	.up = "mlp.up_proj",
	.down = "mlp.down_proj",
	.final_norm = "norm",
	.lm_head = "lm_head",
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true},
		.head_norm_of = HEADS_WHOLE,
		.head_norm = {.rms = true},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.vocab_size = 50304,
											 .hidden_size = 4096,
											 .intermediate_size = 11008,
											 .layers = 32,
											 .heads = 32,
											 .max_positions = 2048,
											 .activation = "silu",
											 .norm_eps = 1e-5,
											 .pad_token_id = 1},
						c);
	c->head_norm.eps = c->norm.eps;
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
}

static const nn_variant variants[] = {{"olmo2", "Olmo2", "model"}, {0}};

const nn_family family_olmo2 = {
	.name = "olmo2",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
