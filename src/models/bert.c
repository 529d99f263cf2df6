/*
 * bert.c
 *	  BERT (Devlin et al. 2018).
 *	  Follows transformers/models/bert/modeling_bert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

static void
read_config(tfm_context *context, json file, void *config)
{
	encoder_config *c = config;

	c->common = (nn_config) {
		.vocab_size = json_int(context, file, "vocab_size", 30522, 1, NN_MAX_SIZE),
		.hidden_size = json_int(context, file, "hidden_size", 768, 1, NN_MAX_SIZE),
		.max_positions = json_int(context, file, "max_position_embeddings", 512, 1, NN_MAX_SIZE),
		.num_labels = nn_read_num_labels(context, file),
		.tie_word_embeddings = json_bool(context, file, "tie_word_embeddings", true),
	};
	c->names = &encoder_bert_names;
	c->layers = (int) json_int(context, file, "num_hidden_layers", 12, 0, NN_MAX_LAYERS);
	c->intermediate_size = json_int(context, file, "intermediate_size", 3072, 1, NN_MAX_SIZE);
	c->activation = nn_activation(context, json_string(context, file, "hidden_act", "gelu"));
	c->norm_eps = json_double(context, file, "layer_norm_eps", 1e-12);
	c->attention = (attention) {
		.heads = (int) json_int(context, file, "num_attention_heads", 12, 1, NN_MAX_HEADS),
		.causal = json_bool(context, file, "is_decoder", false),
	};
	c->embedding = (embedding) {
		.hidden_size = c->common.hidden_size,
		.words = "embeddings.word_embeddings",
		.word_count = c->common.vocab_size,
		.positions = "embeddings.position_embeddings",
		.position_count = c->common.max_positions,
		.types = "embeddings.token_type_embeddings",
		.type_count = json_int(context, file, "type_vocab_size", 2, 0, NN_MAX_SIZE),
		.norm = "embeddings.LayerNorm",
		.norm_eps = c->norm_eps,
	};
	c->lm_head = (lm_head) {
		.dense = "cls.predictions.transform.dense",
		.norm = "cls.predictions.transform.LayerNorm",
		.decoder = "cls.predictions.decoder",
		.decoder_bias = "cls.predictions.bias",
		.activation = c->activation,
	};
	c->hidden_states = encoder_hidden_states;
}

static void
next_sentence_prediction(nn_model *m, const void *config)
{
	tensor pooled = encoder_pool(m, encoder_hidden_states(m, config));

	nn_emit(m, "logits", NN_PER_SEQUENCE, linear(m, pooled, "cls.seq_relationship", .columns = 2));
}

static void
pre_training(nn_model *m, const void *config)
{
	tensor x = encoder_hidden_states(m, config);
	tensor pooled = encoder_pool(m, x);

	nn_emit(m, "prediction_logits", NN_PER_TOKEN, encoder_predict_words(m, config, x));
	nn_emit(m, "seq_relationship_logits", NN_PER_SEQUENCE,
			linear(m, pooled, "cls.seq_relationship", .columns = 2));
}

static const nn_variant variants[] = {{"bert", "Bert", "bert"}, {0}};

static const nn_head heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"LMHeadModel", "text-generation", encoder_masked_lm},
	{"ForNextSentencePrediction", "next-sentence-prediction", next_sentence_prediction},
	{"ForPreTraining", "fill-mask", pre_training},
	{"ForSequenceClassification", "text-classification", encoder_sequence_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_family family_bert = {
	.name = "bert",
	.variants = variants,
	.heads = heads,
	.config_size = sizeof(encoder_config),
	.read_config = read_config,
	.hidden_states = encoder_hidden_states,
};
