/*
 * mistral.c
 *	  Mistral (Jiang et al. 2023): as LLaMA, with a window.
 *	  Follows transformers/models/mistral/modeling_mistral.py.
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
											 .intermediate_size = 14336,
											 .layers = 32,
											 .heads = 32,
											 .kv_heads = 8,
											 .max_positions = 4096 * 32,
											 .activation = "silu",
											 .norm_eps = 1e-6,
											 .pad_token_id = -1},
						c);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	decoder_read_window(context, file, 4096, c);
}

static const nn_variant variants[] = {{"mistral", "Mistral", "model"}, {0}};

const nn_family family_mistral = {
	.name = "mistral",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
