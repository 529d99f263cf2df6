/*
 * blenderbot.c
 *	  Blenderbot (Roller et al. 2020): as mBART, without the norm of embeddings.
 *	  Follows transformers/models/blenderbot/modeling_blenderbot.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/bart.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	bart_config *c = config;

	*c = (bart_config) {
		.seq2seq = {.common = {.vocab_size = 8008,
							   .hidden_size = 2560,
							   .max_positions = 128,
							   .pad_token_id = 0},
					.eos_token_id = 2,
					.decoder_start_token_id = 1},
		.encoder = {.layers = 2, .heads = 32, .intermediate_size = 10240},
		.decoder = {.layers = 24, .heads = 32, .intermediate_size = 10240},
		.positions = BART_LEARNED,
		.pre_norm = true,
	};
	bart_read_config(context, file, "gelu", c);
}

static const nn_variant variants[] = {{"blenderbot", "Blenderbot", "model"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{"ForCausalLM", "text-generation", seq2seq_causal_lm},
	{0},
};

const nn_family family_blenderbot = {
	.name = "blenderbot",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(bart_config),
	.read_config = read_config,
	.cache_layers = bart_cache_layers,
	.memory_layers = bart_cache_layers,
	.remember = bart_remember,
	.hidden_states = seq2seq_hidden_states,
};
