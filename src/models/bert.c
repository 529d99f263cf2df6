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

	*c = (encoder_config) {
		.common = {.vocab_size = 30522},
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
	};
	encoder_read_config(context, file, c, 0);
	c->lm_head.activation = c->activation;
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
