/*
 * roberta.c
 *	  RoBERTa (Liu et al. 2019) and XLM-RoBERTa (Conneau et al. 2019): as BERT, but
 *	  positions count from padding_idx + 1 over the tokens that are not padding, and
 *	  the heads differ.
 *	  Follows transformers/models/roberta/modeling_roberta.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;
	int64_t padding_id = json_int(context, file, "pad_token_id", 1, 0, NN_MAX_SIZE);

	*c = (encoder_config) {
		.common = {.vocab_size = 50265, .pad_token_id = padding_id},
		.names = &encoder_bert_names,
		.embedding = {.words = "embeddings.word_embeddings",
					  .positions = "embeddings.position_embeddings",
					  .types = "embeddings.token_type_embeddings",
					  .norm = "embeddings.LayerNorm"},
		.lm_head = {.dense = "lm_head.dense",
					.norm = "lm_head.layer_norm",
					.decoder = "lm_head.decoder",
					.decoder_bias = "lm_head.bias",
					.activation = ACTIVATION_GELU},
		.hidden_states = encoder_hidden_states,
	};
	encoder_read_config(context, file, c, padding_id + 1);
}

static void
make_positions(const void *config, const int32_t *ids, const uint8_t *mask, int64_t count,
			   int32_t *positions)
{
	const encoder_config *c = config;

	(void) mask;
	encoder_positions_after_padding(c->common.pad_token_id, ids, count, positions);
}

static const nn_variant variants[] = {
	{"roberta", "Roberta", "roberta"},
	{"xlm-roberta", "XLMRoberta", "roberta"},
	{0},
};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForCausalLM", "text-generation", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_roberta = {
	.name = "roberta",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.make_positions = make_positions,
	.hidden_states = encoder_hidden_states,
};
