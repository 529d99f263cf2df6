/*
 * mbart.c
 *	  mBART (Liu et al. 2020): as BART, with norms before the parts of a layer.
 *	  Follows transformers/models/mbart/modeling_mbart.py.
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
							   .pad_token_id = 1},
					.eos_token_id = 2,
					.decoder_start_token_id = -1},
		.encoder = BART_PART,
		.decoder = BART_PART,
		.positions = BART_LEARNED,
		.position_offset = 2,
		.pre_norm = true,
		.embedding_norm = true,
		.last_comes_first = true,
	};
	bart_read_config(context, file, "gelu", c);
}

static const nn_variant variants[] = {{"mbart", "MBart", "model"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{"ForSequenceClassification", "text-classification", seq2seq_sequence_classification},
	{"ForQuestionAnswering", "question-answering", seq2seq_question_answering},
	{"ForCausalLM", "text-generation", seq2seq_causal_lm},
	{0},
};

const nn_family family_mbart = {
	.name = "mbart",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(bart_config),
	.read_config = read_config,
	.make_decoder_ids = bart_make_decoder_ids,
	.cache_layers = bart_cache_layers,
	.memory_layers = bart_cache_layers,
	.remember = bart_remember,
	.hidden_states = seq2seq_hidden_states,
};
