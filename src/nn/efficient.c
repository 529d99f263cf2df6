/*
 * efficient.c
 *	  Configuration and heads of Nyströmformer, YOSO and MRA.
 *	  Follows transformers/models/nystromformer/modeling_nystromformer.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/efficient.h"

#define FIRST_POSITION 2

void
efficient_read_config(tfm_context *context, json file, const efficient_defaults *d,
					  efficient_config *c)
{
	*c = (encoder_config) {
		.common = {.vocab_size = d->vocab_size},
		.names = &encoder_bert_names,
		.embedding = {.words = "embeddings.word_embeddings",
					  .positions = "embeddings.position_embeddings",
					  .types = "embeddings.token_type_embeddings",
					  .norm = "embeddings.LayerNorm"},
		.lm_head = {.dense = "cls.predictions.transform.dense",
					.norm = "cls.predictions.transform.LayerNorm",
					.decoder = "cls.predictions.decoder",
					.decoder_bias = "cls.predictions.bias"},
		.hidden_states = encoder_hidden_states,
		.attend = d->attend,
	};
	encoder_read_config(context, file, c, 0);
	c->attention.causal = false;
	c->activation = nn_activation(context, json_string(context, file, "hidden_act", d->activation));
	c->lm_head.activation = c->activation;
	c->norm_eps = c->embedding.norm_eps = json_double(context, file, "layer_norm_eps", d->norm_eps);
	c->embedding.type_count = json_int(context, file, "type_vocab_size", d->types, 1, NN_MAX_SIZE);
	c->common.max_positions = json_int(context, file, "max_position_embeddings", d->max_positions,
									   1, NN_MAX_SIZE - FIRST_POSITION);
	c->embedding.position_count = c->common.max_positions + FIRST_POSITION;
}

void
efficient_positions(const void *config, const int32_t *ids, const uint8_t *mask, int64_t count,
					int32_t *positions)
{
	(void) config;
	(void) ids;
	(void) mask;
	for (int64_t i = 0; i < count; i++)
		positions[i] = (int32_t) i + FIRST_POSITION;
}

/* ---- Heads ---- */

static void
sequence_classification(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = first_tokens(m, c->hidden_states(m, config));

	x = linear(m, x, "classifier.dense", .activation = c->activation);
	nn_emit(m, "logits", NN_PER_SEQUENCE,
			linear(m, x, "classifier.out_proj", .columns = c->common.num_labels));
}

static void
multiple_choice(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = first_tokens(m, c->hidden_states(m, config));

	x = linear(m, x, "pre_classifier", .activation = ACTIVATION_RELU);
	nn_emit(m, "logits", NN_PER_CHOICE, linear(m, x, "classifier", .columns = 1));
}

const nn_head efficient_heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", sequence_classification},
	{"ForMultipleChoice", "multiple-choice", multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};
