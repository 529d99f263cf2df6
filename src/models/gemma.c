/*
 * gemma.c
 *	  Gemma (Mesnard et al. 2024): as LLaMA, with norms about 1 and scaled embeddings.
 *	  Follows transformers/models/gemma/modeling_gemma.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include <string.h>

#include "nn/decoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &decoder_llama_names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true, .weight_offset = 1},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.vocab_size = 256000,
											 .hidden_size = 3072,
											 .intermediate_size = 24576,
											 .layers = 28,
											 .heads = 16,
											 .kv_heads = 16,
											 .head_dim = 256,
											 .max_positions = 8192,
											 .activation = "gelu_pytorch_tanh",
											 .norm_eps = 1e-6,
											 .pad_token_id = 0,
											 .tie_word_embeddings = true},
						c);
	if (c->activation == ACTIVATION_GELU)
		c->activation = ACTIVATION_GELU_TANH; /* what old files mean by it */
	c->embedding.word_scale = sqrt((double) c->common.hidden_size);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
}

static const nn_variant variants[] = {{"gemma", "Gemma", "model"}, {0}};

const nn_family family_gemma = {
	.name = "gemma",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
