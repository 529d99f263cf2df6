/*
 * t5.c
 *	  T5 (Raffel et al. 2019) in all its versions, mT5 (Xue et al. 2020) and UMT5 (Chung et al. 2023).
 *	  Follows transformers/models/t5/modeling_t5.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/t5.h"

#include <string.h>

/*
 * Transformers reads T5's tie_word_embeddings as a mark of T5 1.1, and ties weights that the
 * checkpoint has not got in any case.
 */
static void
read_config(tfm_context *context, json file, void *config)
{
	t5_config *c = config;
	const char *type = json_string(context, file, "model_type", "t5");
	bool multilingual = type != NULL && strcmp(type, "t5") != 0;
	bool tied = json_bool(context, file, "tie_word_embeddings", true);

	*c = (t5_config) {
		.seq2seq = {.common = {.vocab_size = multilingual ? 250112 : 32128, .hidden_size = 512},
					.eos_token_id = 1,
					.decoder_start_token_id = 0},
		.layers = multilingual ? 8 : 6,
		.heads = multilingual ? 6 : 8,
		.intermediate_size = multilingual ? 1024 : 2048,
		.bias_in_each_layer = multilingual && strcmp(type, "umt5") == 0,
		.feed_forward = "DenseReluDense",
	};
	c->scale_outputs = multilingual ? c->bias_in_each_layer
									: json_bool(context, file, "scale_decoder_outputs", tied);
	t5_read_config(context, file, multilingual ? "gated-gelu" : "relu", c);
}

static const nn_variant variants[] = {
	{"t5", "T5", "transformer"},
	{"mt5", "MT5", "transformer"},
	{"umt5", "UMT5", "transformer"},
	{0},
};

static const nn_head heads[] = {
	{"Model", "feature-extraction", seq2seq_base_model},
	{"ForConditionalGeneration", "text2text-generation", seq2seq_conditional_generation},
	{"EncoderModel", "feature-extraction", seq2seq_encoder_model},
	{"ForSequenceClassification", "text-classification", seq2seq_sequence_classification},
	{"ForTokenClassification", "token-classification", seq2seq_token_classification},
	{"ForQuestionAnswering", "question-answering", seq2seq_question_answering},
	{0},
};

const nn_family family_t5 = {
	.name = "t5",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(t5_config),
	.read_config = read_config,
	T5_FUNCTIONS,
};
