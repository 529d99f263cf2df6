/*
 * albert.c
 *	  ALBERT (Lan et al. 2019): as BERT, with narrower embeddings and layers that share
 *	  their weights in groups.
 *	  Follows transformers/models/albert/modeling_albert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

typedef struct albert_config
{
	encoder_config encoder;
	int groups;
	int inner; /* layers that a group runs one after the other */
} albert_config;

static const encoder_names names = {
	.layer = "encoder.albert_layer_groups.%d.albert_layers.%d",
	.query = "attention.query",
	.key = "attention.key",
	.value = "attention.value",
	.attention_output = "attention.dense",
	.attention_norm = "attention.LayerNorm",
	.intermediate = "ffn",
	.output = "ffn_output",
	.output_norm = "full_layer_layer_norm",
};

static tensor
hidden_states(nn_model *m, const void *config)
{
	const albert_config *c = config;
	const encoder_config *e = &c->encoder;
	tensor x = encoder_embed(m, e);

	for (int i = 0; i < e->layers * c->inner && !tfm_failed(m->context); i++)
	{
		int group = (int) (i / c->inner / (e->layers / (double) c->groups));
		nn_scope layer;

		nn_emit_hidden_state(m, i, x);
		layer = nn_enter(m, names.layer, group, i % c->inner);
		x = nn_leave(m, layer, x, encoder_layer(m, x, e, &e->attention));
	}
	nn_emit_hidden_state(m, e->layers * c->inner, x);
	return x;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	albert_config *c = config;
	encoder_config *e = &c->encoder;

	*e = encoder_bert;
	e->common.vocab_size = 30000;
	e->common.hidden_size = 4096;
	e->names = &names;
	e->intermediate_size = 16384;
	e->activation = ACTIVATION_GELU_TANH;
	e->attention.heads = 64;
	e->embedding.hidden_size = json_int(context, file, "embedding_size", 128, 1, NN_MAX_SIZE);
	e->projection = "encoder.embedding_hidden_mapping_in";
	e->lm_head = (lm_head) {.dense = "predictions.dense",
							.norm = "predictions.LayerNorm",
							.decoder = "predictions.decoder",
							.decoder_bias = "predictions.bias"};
	e->pooler = "pooler";
	e->hidden_states = hidden_states;
	encoder_read_config(context, file, e, 0);
	e->attention.causal = false; /* there is no decoder, whatever is_decoder says */
	c->groups = (int) json_int(context, file, "num_hidden_groups", 1, 1, NN_MAX_LAYERS);
	c->inner = (int) json_int(context, file, "inner_group_num", 1, 1, NN_MAX_LAYERS);
}

static void
pre_training(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = hidden_states(m, config);
	tensor pooled = encoder_pool_by(m, c, x);

	nn_emit(m, "prediction_logits", NN_PER_TOKEN, encoder_predict_words(m, c, x));
	nn_emit(m, "sop_logits", NN_PER_SEQUENCE,
			linear(m, pooled, "sop_classifier.classifier", .columns = c->common.num_labels));
}

static const nn_variant variants[] = {{"albert", "Albert", "albert"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForPreTraining", "fill-mask", pre_training},
	{"ForSequenceClassification", "text-classification", encoder_sequence_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_albert = {
	.name = "albert",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(albert_config),
	.read_config = read_config,
	.hidden_states = hidden_states,
};
