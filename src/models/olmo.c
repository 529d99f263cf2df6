/*
 * olmo.c
 *	  OLMo (Groeneveld et al. 2024): as LLaMA, with layer norms that have no weights.
 *	  Follows transformers/models/olmo/modeling_olmo.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &decoder_llama_names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.bare = true},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.vocab_size = 50304,
											 .hidden_size = 4096,
											 .intermediate_size = 11008,
											 .layers = 32,
											 .heads = 32,
											 .max_positions = 2048,
											 .activation = "silu",
											 .norm_eps = 1e-6,
											 .pad_token_id = 1},
						c);
	c->norm.eps = 1e-5; /* fixed in OlmoLayerNorm */
	c->clip_qkv = json_double(context, file, "clip_qkv", 0);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
}

static const nn_variant variants[] = {{"olmo", "Olmo", "model"}, {0}};

const nn_family family_olmo = {
	.name = "olmo",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
