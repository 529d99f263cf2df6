/*
 * blenderbot-small.c
 *	  BlenderbotSmall (Roller et al. 2020): as BART; its decoder norms words, not positions.
 *	  Follows transformers/models/blenderbot_small/modeling_blenderbot_small.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/bart.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	bart_config *c = config;

	*c = (bart_config) {
		.seq2seq = {.common = {.vocab_size = 50265,
							   .hidden_size = 512,
							   .max_positions = 512,
							   .pad_token_id = 0},
					.eos_token_id = 2,
					.decoder_start_token_id = 1},
		.encoder = {.layers = 8, .heads = 16, .intermediate_size = 2048},
		.decoder = {.layers = 8, .heads = 16, .intermediate_size = 2048},
		.positions = BART_LEARNED,
		.embedding_norm = true,
		.decoder_norms_words = true,
		.decoder_keeps_words = true,
	};
	bart_read_config(context, file, "gelu", c);
}

static const nn_variant variants[] = {{"blenderbot-small", "BlenderbotSmall", "model"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{"ForCausalLM", "text-generation", seq2seq_causal_lm},
	{0},
};

const nn_family family_blenderbot_small = {
	.name = "blenderbot-small",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(bart_config),
	.read_config = read_config,
	.cache_layers = bart_cache_layers,
	.memory_layers = bart_cache_layers,
	.remember = bart_remember,
	.hidden_states = seq2seq_hidden_states,
};
