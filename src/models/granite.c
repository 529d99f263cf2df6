/*
 * granite.c
 *	  Granite (2024): as LLaMA, with multipliers.
 *	  Follows transformers/models/granite/modeling_granite.py.
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
	c->embedding_scale = json_double(context, file, "embedding_multiplier", 1);
	c->residual_scale = json_double(context, file, "residual_multiplier", 1);
	c->attention.scale = json_double(context, file, "attention_multiplier", 1);
	c->logit_scale = 1 / json_double(context, file, "logits_scaling", 1);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
}

static const nn_variant variants[] = {{"granite", "Granite", "model"}, {0}};

const nn_family family_granite = {
	.name = "granite",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
