/*
 * nemotron.c
 *	  Nemotron-4 (Parmar et al. 2024): layer norms about 1, squared relu, partly turned heads.
 *	  Follows transformers/models/nemotron/modeling_nemotron.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const decoder_defaults defaults = {
	.norm_eps_key = "norm_eps",
	.vocab_size = 256000,
	.sizes = {.hidden = 6144, .intermediate = 24576, .layers = 32, .heads = 48},
	.max_positions = 4096,
	.activation = "relu2",
	.norm_eps = 1e-5,
	.pad_token_id = -1,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &decoder_ungated_names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.weight_offset = 1},
	};
	decoder_read_config(context, file, &defaults, c);
	decoder_read_rope(context, file, &(rope_defaults) {.partial_factor = 0.5}, c);
}

static const nn_variant variants[] = {{"nemotron", "Nemotron", "model"}, {0}};

const nn_family family_nemotron = {
	.name = "nemotron",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
