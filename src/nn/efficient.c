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
efficient_read_config(tfm_context *context, json file, const efficient_defaults *defaults,
					  encoder_config *c)
{
	*c = encoder_bert;
	c->common.vocab_size = defaults->vocab_size;
	c->embedding.position_count = defaults->positions;
	c->embedding.type_count = defaults->types;
	c->activation = defaults->activation;
	c->norm_eps = defaults->norm_eps;
	encoder_read_config(context, file, c, 0);
	c->embedding.position_count += FIRST_POSITION;
	c->classifier_activation = c->activation;
	c->attention.causal = false;
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
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForMultipleChoice", "multiple-choice", multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};
