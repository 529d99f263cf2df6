/*
 * bart.c
 *	  BART (Lewis et al. 2019), and those that are the same but for sizes: MVP (Tang et al. 2022)
 *	  without prompts, PLBart (Ahmad et al. 2021).
 *	  Follows transformers/models/bart/modeling_bart.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "nn/bart.h"

/* PLBart's defaults; its texts begin with a language. */
static void
set_plbart(bart_config *c)
{
	c->seq2seq.common.vocab_size = 50005;
	c->seq2seq.common.hidden_size = 768;
	c->seq2seq.common.num_labels = 0;
	c->seq2seq.decoder_start_token_id = -1;
	c->encoder = c->decoder = (bart_part) {.layers = 6, .heads = 12, .intermediate_size = 3072};
	c->scale_embedding = true;
	c->last_comes_first = true;
}

static void
set_mvp(tfm_context *context, json file, bart_config *c)
{
	c->seq2seq.common.vocab_size = 50267;
	c->seq2seq.common.num_labels = 0;
	if (json_bool(context, file, "use_prompt", false))
		tfm_fail(context, TFM_UNSUPPORTED, "\"%s\": MVP's prompts are not supported", file.source);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	bart_config *c = config;
	const char *type = json_string(context, file, "model_type", "bart");

	*c = (bart_config) {
		.seq2seq = {.common = {.vocab_size = 50265,
							   .hidden_size = 1024,
							   .max_positions = 1024,
							   .num_labels = 3,
							   .pad_token_id = 1},
					.eos_token_id = 2,
					.decoder_start_token_id = 2},
		.encoder = BART_PART,
		.decoder = BART_PART,
		.positions = BART_LEARNED,
		.position_offset = 2,
		.embedding_norm = true,
	};
	if (type != NULL && strcmp(type, "plbart") == 0)
		set_plbart(c);
	if (type != NULL && strcmp(type, "mvp") == 0)
		set_mvp(context, file, c);
	bart_read_config(context, file, "gelu", c);
}

static const nn_variant variants[] = {
	{"bart", "Bart", "model"},
	{"mvp", "Mvp", "model"},
	{"plbart", "PLBart", "model"},
	{0},
};

static const nn_head heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{"ForSequenceClassification", "text-classification", seq2seq_sequence_classification},
	{"ForQuestionAnswering", "question-answering", seq2seq_question_answering},
	{"ForCausalLM", "text-generation", seq2seq_causal_lm},
	{0},
};

const nn_family family_bart = {
	.name = "bart",
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
