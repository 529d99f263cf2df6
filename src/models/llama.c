/*
 * llama.c
 *	  LLaMA (Touvron et al. 2023).
 *	  Follows transformers/models/llama/modeling_llama.py.
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
		.norm = {.rms = true},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.vocab_size = 32000,
											 .hidden_size = 4096,
											 .intermediate_size = 11008,
											 .layers = 32,
											 .heads = 32,
											 .max_positions = 2048,
											 .activation = "silu",
											 .norm_eps = 1e-6,
											 .pad_token_id = -1},
						c);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
}

static const nn_variant variants[] = {{"llama", "Llama", "model"}, {0}};

const nn_family family_llama = {
	.name = "llama",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
