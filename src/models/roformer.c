/*
 * roformer.c
 *	  RoFormer (Su et al. 2021): BERT with queries and keys that turn with their places.
 *	  Follows transformers/models/roformer/modeling_roformer.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/electra.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	static const summary_defaults summed = {.type = "last", .bare = true};
	electra_config *c = config;
	encoder_config *e = &c->encoder;

	*e = encoder_bert;
	e->common.vocab_size = 50000;
	e->embedding.positions = NULL;
	e->embedding.position_count = 1536;
	electra_read_config(context, file, 0, &summed, c);
	e->rotates_values = json_bool(context, file, "rotary_value", false);
	rope_read(context, file, NULL,
			  &(rope_defaults) {.head_dim = e->common.hidden_size / e->attention.heads,
								.theta = 10000,
								.interleaved = true},
			  &e->rope);
}

static const nn_variant variants[] = {{"roformer", "RoFormer", "roformer"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForCausalLM", "text-generation", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForMultipleChoice", "multiple-choice", electra_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_roformer = {
	.name = "roformer",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(electra_config),
	.read_config = read_config,
	.keeps_last = true,
	.cache_layers = encoder_cache_layers,
	.hidden_states = encoder_hidden_states,
};
