/*
 * electra.c
 *	  ELECTRA (Clark et al. 2020): as BERT, with narrower embeddings and no pooler; a
 *	  discriminator that tells replaced tokens, or the generator that replaces them.
 *	  Follows transformers/models/electra/modeling_electra.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/electra.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	static const summary_defaults summed = {.type = "first", .activation = "gelu"};
	electra_config *c = config;

	c->encoder = encoder_bert;
	c->encoder.common.hidden_size = 256;
	c->encoder.attention.heads = 4;
	c->encoder.intermediate_size = 1024;
	c->encoder.lm_head = electra_lm_head;
	c->encoder.classifier_activation = ACTIVATION_GELU;
	electra_read_config(context, file, 128, &summed, c);
}

/* For each token whether it was replaced. */
static void
pre_training(nn_model *m, const void *config)
{
	const encoder_config *c = config;

	electra_discriminate(m, encoder_hidden_states(m, config), c->activation);
}

static const nn_variant variants[] = {{"electra", "Electra", "electra"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForPreTraining", "feature-extraction", pre_training},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForCausalLM", "text-generation", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForMultipleChoice", "multiple-choice", electra_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_electra = {
	.name = "electra",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(electra_config),
	.read_config = read_config,
	.keeps_last = true, /* the summary may be of the last token */
	ENCODER_FUNCTIONS,
};
