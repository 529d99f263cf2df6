/*
 * encoder.h
 *	  The post-norm encoder of BERT and those that share its layout: embeddings,
 *	  layers, and the heads that they have in common.
 *
 * A family fills an encoder_config from its configuration, as the first member of
 * its own, and lists the heads below in its table.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_ENCODER_H
#define TFM_NN_ENCODER_H

#include "nn/family.h"
#include "nn/layers.h"

/* What the weights of a layer are called. */
typedef struct encoder_names
{
	const char *layer; /* printf format with the layer's number: "encoder.layer.%d" */
	const char *query;
	const char *key;
	const char *value;
	const char *attention_output;
	const char *attention_norm;
	const char *intermediate;
	const char *output;
	const char *output_norm;
} encoder_names;

/* BERT's names. */
extern const encoder_names encoder_bert_names;

/* The head of masked language models: dense, activation, norm, decoder. */
typedef struct lm_head
{
	const char *dense;
	const char *norm;
	const char *decoder;
	const char *decoder_bias; /* other name of the decoder's bias */
	op_activation activation;
} lm_head;

typedef struct encoder_config
{
	nn_config common;
	embedding embedding;
	const encoder_names *names;
	int layers;
	int64_t intermediate_size;
	op_activation activation; /* between intermediate and output */
	double norm_eps;
	attention attention;
	lm_head lm_head;
	tensor (*hidden_states)(nn_model *m, const void *config); /* the family's */
} encoder_config;

/*
 * Read BERT's keys of config.json, with what is in c as the defaults: sizes, layers, heads,
 * activation, epsilon, labels, ties.  Then fill what follows from them: the sizes of the embeddings,
 * the longest input if position_offset rows of the table of positions stand for no position.
 */
extern void encoder_read_config(tfm_context *context, json file, encoder_config *c,
								int64_t position_offset);

/* The last part of it, for families that read other keys. */
extern void encoder_finish_config(encoder_config *c, int64_t position_offset);

/* Embeddings and layers -> [tokens, hidden]; hidden_states of most families. */
extern tensor encoder_hidden_states(nn_model *m, const void *config);

/*
 * All layers over x [tokens, hidden], which is overwritten and returned.  Emits hidden_states.0 (x)
 * to hidden_states.<layers> if the caller wants them.
 */
extern tensor encode(nn_model *m, tensor x, const encoder_config *c, const attention *a);

/* The first token through "pooler.dense" and tanh: x [tokens, hidden] -> [sequences, hidden]. */
extern tensor encoder_pool(nn_model *m, tensor x);

/* Scores of the vocabulary by c->lm_head: x [tokens, hidden] -> [tokens, vocabulary]. */
extern tensor encoder_predict_words(nn_model *m, const encoder_config *c, tensor x);

/*
 * Heads, for an nn_head's forward; config starts with an encoder_config.  What is emitted is named
 * as in Transformers' outputs.
 */
extern void encoder_base_model(nn_model *m,
							   const void *config); /* the pooler only if it is there */
extern void encoder_masked_lm(nn_model *m, const void *config);
extern void encoder_sequence_classification(nn_model *m, const void *config); /* of the pooler */
extern void encoder_first_token_classification(nn_model *m,
											   const void *config); /* dense, out_proj */
extern void encoder_multiple_choice(nn_model *m, const void *config);
extern void encoder_token_classification(nn_model *m, const void *config);
extern void encoder_question_answering(nn_model *m, const void *config);

/*
 * Positions as fairseq counts them: padding_id + 1, + 2, ... over the ids that are not padding_id,
 * padding_id for those that are.  Without ids (NULL) none is.
 */
extern void encoder_positions_after_padding(int64_t padding_id, const int32_t *ids, int64_t count,
											int32_t *positions);

#endif
