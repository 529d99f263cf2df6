/*
 * encoder_heads.c
 *	  What stands on top of BERT's encoder, and of its kin.
 *	  Follows BertForMaskedLM, RobertaForSequenceClassification and the others in Transformers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/encoder.h"

/* LMHeadModel is the older name of ForCausalLM. */
const nn_head encoder_bert_heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"LMHeadModel", "text-generation", encoder_masked_lm},
	{"ForCausalLM", "text-generation", encoder_masked_lm},
	{"ForNextSentencePrediction", "next-sentence-prediction", encoder_next_sentence_prediction},
	{"ForPreTraining", "fill-mask", encoder_pre_training},
	{"ForSequenceClassification", "text-classification", encoder_sequence_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

const nn_head encoder_roberta_heads[] = {
	{"Model", "feature-extraction", encoder_base_model},
	{"ForMaskedLM", "fill-mask", encoder_masked_lm},
	{"ForCausalLM", "text-generation", encoder_masked_lm},
	{"ForSequenceClassification", "text-classification", encoder_first_token_classification},
	{"ForMultipleChoice", "multiple-choice", encoder_multiple_choice},
	{"ForTokenClassification", "token-classification", encoder_token_classification},
	{"ForQuestionAnswering", "question-answering", encoder_question_answering},
	{0},
};

/* ---- What heads are made of ---- */

tensor
encoder_pool(nn_model *m, tensor x)
{
	return linear(m, first_tokens(m, x), "pooler.dense", .activation = ACTIVATION_TANH);
}

tensor
encoder_pool_by(nn_model *m, const encoder_config *c, tensor x)
{
	op_activation activation = c->pooler_activation;

	x = first_tokens(m, x);
	if (c->pooler != NULL && c->pooler[0] == '\0')
		return x;
	return linear(m, x, c->pooler == NULL ? "pooler.dense" : c->pooler,
				  .activation = activation == ACTIVATION_NONE ? ACTIVATION_TANH : activation);
}

static tensor
pooled_states(nn_model *m, const encoder_config *c)
{
	return encoder_pool_by(m, c, c->hidden_states(m, c));
}

static tensor
classify(nn_model *m, const encoder_config *c, int64_t columns)
{
	return c->classify != NULL ? c->classify(m, c, columns)
							   : linear(m, pooled_states(m, c), "classifier", .columns = columns);
}

tensor
encoder_predict_words(nn_model *m, const encoder_config *c, tensor x)
{
	const lm_head *head = &c->lm_head;

	if (c->predict_words != NULL)
		return c->predict_words(m, c, x);
	if (head->dense != NULL)
	{
		x = linear(m, x, head->dense, .columns = head->columns, .activation = head->activation);
		x = layer_norm(m, x, head->norm, c->norm_eps);
	}
	return linear(m, x, head->decoder, .columns = c->common.vocab_size, .bias = head->decoder_bias,
				  .tied = c->common.tie_word_embeddings ? c->embedding.words : NULL);
}

/* Whether next sentences follow: pooled [sequences, hidden] -> [sequences, 2]. */
static tensor
predict_next(nn_model *m, tensor pooled)
{
	return linear(m, pooled, "cls.seq_relationship", .columns = 2);
}

/* ---- Heads ---- */

/* Saved without add_pooling_layer, as sentence encoders often are, there is none. */
static bool
has_pooler(nn_model *m, const encoder_config *c)
{
	char name[NN_NAME_MAX];
	size_t length = 0;

	nn_append_name(name, &length, c->pooler == NULL ? "pooler.dense" : c->pooler);
	nn_append_name(name, &length, ".weight");
	return (c->pooler != NULL && c->pooler[0] == '\0') || nn_has_weight(m, name);
}

void
encoder_base_model(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = c->hidden_states(m, config);

	nn_emit(m, "last_hidden_state", NN_PER_TOKEN, x);
	if (has_pooler(m, c))
		nn_emit(m, "pooler_output", NN_PER_SEQUENCE, encoder_pool_by(m, c, x));
}

void
encoder_masked_lm(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = c->hidden_states(m, config);

	if (m->batch->wanted != NULL)
		x = take_rows(m, x, m->batch->wanted, m->batch->wanted_count);
	nn_emit(m, "logits", NN_PER_TOKEN, encoder_predict_words(m, c, x));
}

void
encoder_next_sentence_prediction(nn_model *m, const void *config)
{
	nn_emit(m, "logits", NN_PER_SEQUENCE, predict_next(m, pooled_states(m, config)));
}

void
encoder_pre_training(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = c->hidden_states(m, config);

	nn_emit(m, "prediction_logits", NN_PER_TOKEN, encoder_predict_words(m, c, x));
	nn_emit(m, "seq_relationship_logits", NN_PER_SEQUENCE,
			predict_next(m, encoder_pool_by(m, c, x)));
}

void
encoder_sequence_classification(nn_model *m, const void *config)
{
	const encoder_config *c = config;

	nn_emit(m, "logits", NN_PER_SEQUENCE, classify(m, c, c->common.num_labels));
}

void
encoder_first_token_classification(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = first_tokens(m, c->hidden_states(m, config));

	x = linear(m, x, "classifier.dense",
			   .activation = c->classifier_activation == ACTIVATION_NONE
								 ? ACTIVATION_TANH
								 : c->classifier_activation);
	nn_emit(m, "logits", NN_PER_SEQUENCE,
			linear(m, x, "classifier.out_proj", .columns = c->common.num_labels));
}

void
encoder_multiple_choice(nn_model *m, const void *config)
{
	nn_emit(m, "logits", NN_PER_CHOICE, classify(m, config, 1));
}

void
encoder_token_classification(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = c->hidden_states(m, config);

	nn_emit(m, "logits", NN_PER_TOKEN, linear(m, x, "classifier", .columns = c->common.num_labels));
}

void
encoder_question_answering(nn_model *m, const void *config)
{
	const encoder_config *c = config;
	tensor x = c->hidden_states(m, config);
	tensor logits = linear(m, x, "qa_outputs", .columns = c->common.num_labels);

	emit_spans(m, NN_PER_TOKEN, logits);
}
