/*
 * pegasus.c
 *	  PEGASUS (Zhang et al. 2020): as mBART, with sinusoids for positions.
 *	  Follows transformers/models/pegasus/modeling_pegasus.py.
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
							   .hidden_size = 1024,
							   .max_positions = 1024,
							   .pad_token_id = 0},
					.eos_token_id = 1,
					.decoder_start_token_id = 0},
		.encoder = BART_PART,
		.decoder = BART_PART,
		.positions = BART_SINUSOIDS,
		.pre_norm = true,
		.decoder_scales_input = true,
	};
	bart_read_config(context, file, "gelu", c);
}

static const nn_variant variants[] = {{"pegasus", "Pegasus", "model"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{"ForCausalLM", "text-generation", seq2seq_causal_lm},
	{0},
};

const nn_family family_pegasus = {
	.name = "pegasus",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(bart_config),
	.read_config = read_config,
	.cache_layers = bart_cache_layers,
	.memory_layers = bart_cache_layers,
	.remember = bart_remember,
	.hidden_states = seq2seq_hidden_states,
};
