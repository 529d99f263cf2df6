/*
 * electra.c
 *	  ELECTRA (Clark et al. 2020): as BERT, with narrower embeddings and no pooler; a
 *	  discriminator that tells replaced tokens, or the generator that replaces them.
 *	  Follows transformers/models/electra/modeling_electra.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"
#include "nn/summary.h"

typedef struct electra_config
{
	encoder_config encoder;
	summary summary; /* of the sequence, by which choices are scored */
} electra_config;

static void
read_config(tfm_context *context, json file, void *config)
{
	electra_config *c = config;
	encoder_config *e = &c->encoder;

	*e = encoder_bert;
	e->common.hidden_size = 256;
	e->attention.heads = 4;
	e->intermediate_size = 1024;
	e->embedding.hidden_size = json_int(context, file, "embedding_size", 128, 1, NN_MAX_SIZE);
	e->lm_head = (lm_head) {.dense = "generator_predictions.dense",
							.norm = "generator_predictions.LayerNorm",
							.decoder = "generator_lm_head",
							.activation = ACTIVATION_GELU};
	e->classifier_activation = ACTIVATION_GELU;
	encoder_read_config(context, file, e, 0);
	if (e->embedding.hidden_size != e->common.hidden_size)
		e->projection = "embeddings_project";
	summary_read_config(context, file, &e->common,
						&(summary_defaults) {.type = "first", .activation = "gelu"}, &c->summary);
}

static void
multiple_choice(nn_model *m, const void *config)
{
	const electra_config *c = config;

	choose_by_summary(m, encoder_hidden_states(m, config), &c->summary);
}

/* For each token whether it was replaced. */
static void
pre_training(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = encoder_hidden_states(m, config);

	x = linear(m, x, "discriminator_predictions.dense", .activation = c->activation);
	x = linear(m, x, "discriminator_predictions.dense_prediction", .columns = 1);
	nn_emit(m, "logits", NN_PER_TOKEN, take_column(m, x, 0));
}

static const nn_variant variants[] = {{"electra", "Electra", "electra"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForPreTraining", "feature-extraction", pre_training},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForCausalLM", "text-generation", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForMultipleChoice", "multiple-choice", multiple_choice},
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
