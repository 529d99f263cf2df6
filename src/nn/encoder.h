/*
 * encoder.h
 *	  The encoder of BERT and those that share its layout: embeddings, layers, and
 *	  the heads that they have in common.
 *
 * A family fills an encoder_config from its configuration, as the first member of
 * its own: it starts from encoder_bert or encoder_roberta and says what differs.
 * It has one of their tables of heads, or lists the heads below in its own.
 *
 * With is_decoder the same layers are a decoder's: each token sees those before it, and the memory
 * that the batch may have by cross attention, whose weights are called as those of the attention with
 * "cross" before.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_ENCODER_H
#define TFM_NN_ENCODER_H

#include "nn/family.h"
#include "nn/layers.h"
#include "nn/rope.h"

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
	const char *dense; /* NULL: the decoder alone, without dense and norm */
	int64_t columns;   /* of dense; 0: as the embeddings have */
	const char *norm;
	const char *decoder;
	const char *decoder_bias; /* other name of the decoder's bias */
	op_activation activation; /* none: as in the layers */
} lm_head;

typedef struct encoder_config
{
	nn_config common;
	embedding embedding;	/* of hidden_size columns, unless the family says how many */
	const char *projection; /* from the embeddings to hidden_size columns; NULL: none */
	const encoder_names *names;
	int layers;
	int64_t intermediate_size;
	op_activation activation; /* between intermediate and output */
	double norm_eps;
	const char *attention_norm; /* NULL: as names says */
	const char *output_norm;	/* the same */
	bool pre_norm;				/* a norm is of what goes into its part, not of what comes out */
	const char *final_norm;		/* of what the last layer gives; NULL: none */
	attention attention;
	rope rope;			 /* how queries and keys turn; kind ROPE_NONE: they do not */
	bool rotates_values; /* and values */
	bool crosses; /* a decoder that looks at what the caller may give in place of an encoder */
	lm_head lm_head;
	const char *pooler; /* NULL: "pooler.dense"; "": the first token's state is pooled as it is */
	op_activation pooler_activation;	 /* none: tanh */
	op_activation classifier_activation; /* of "classifier.dense"; none: tanh */
	tensor (*hidden_states)(nn_model *m, const void *config); /* the family's */

	/*
	 * Attention of a family's own, in the place of attend: of the layer's input x, its queries, keys
	 * and values, all [tokens, hidden] -> [tokens, hidden].  how->layer is the layer's number.
	 */
	tensor (*attend)(nn_model *m, const void *config, const attention *how, tensor x,
					 const tensor qkv[3]);
	const void *attends_by; /* what it has as its config; NULL: the family's */
	bool attends_alone;		/* it makes queries, keys and values itself; it is given none */

	/*
	 * The whole of a layer's first part, which is then without a cache: x [tokens, hidden] -> what it
	 * becomes; NULL: BERT's.
	 */
	tensor (*self_attention)(nn_model *m, tensor x, const void *config);

	/* The same of the part after it: x [tokens, hidden] -> what it becomes; NULL: BERT's. */
	tensor (*feed_forward)(nn_model *m, tensor x, const void *config);

	/* Scores of whole sequences -> [sequences, columns]; NULL: "classifier" of what is pooled. */
	tensor (*classify)(nn_model *m, const void *config, int64_t columns);

	/* The family's, of states [tokens, hidden] -> [tokens, vocabulary]; NULL: by lm_head. */
	tensor (*predict_words)(nn_model *m, const void *config, tensor x);
} encoder_config;

/* BERT's and RoBERTa's names and defaults, for families to begin with. */
extern const encoder_config encoder_bert;
extern const encoder_config encoder_roberta;

/*
 * Read BERT's keys of config.json, with what is in c as the defaults: sizes, layers, heads,
 * activation, epsilon, labels, ties.  Then fill what follows from them: the sizes of the embeddings,
 * the longest input if position_offset rows of the table of positions stand for no position.
 */
extern void encoder_read_config(tfm_context *context, json file, encoder_config *c,
								int64_t position_offset);

/* The same of RoBERTa and its kin, whose positions begin after pad_token_id. */
extern void encoder_read_roberta_config(tfm_context *context, json file, encoder_config *c);

/* The last part of both, for families that read other keys. */
extern void encoder_finish_config(encoder_config *c, int64_t position_offset);

/* Embeddings and layers -> [tokens, hidden]; hidden_states of most families. */
extern tensor encoder_hidden_states(nn_model *m, const void *config);

/* The embeddings -> [tokens, hidden]. */
extern tensor encoder_embed(nn_model *m, const encoder_config *c);

/* The same of one with states [tokens, e->hidden_size] in place of the words' rows. */
extern tensor encoder_embed_states(nn_model *m, const embedding *e, tensor states);

/*
 * All layers over x [tokens, hidden], which is overwritten and returned.  Emits hidden_states.0 (x)
 * to hidden_states.<layers> if the caller wants them.
 */
extern tensor encode(nn_model *m, tensor x, const encoder_config *c, const attention *a);

/*
 * A layer, within whose scope m is, and its halves; a holds its number, if there is a cache.  x [tokens,
 * hidden] is overwritten and returned.  encoder_attend includes the cross attention.
 */
extern tensor encoder_layer(nn_model *m, tensor x, const encoder_config *c, const attention *a);
extern tensor encoder_attend(nn_model *m, tensor x, const encoder_config *c, const attention *a);
extern tensor encoder_feed_forward(nn_model *m, tensor x, const encoder_config *c);

/* The first token through "pooler.dense" and tanh: x [tokens, hidden] -> [sequences, hidden]. */
extern tensor encoder_pool(nn_model *m, tensor x);

/* The same through c->pooler. */
extern tensor encoder_pool_by(nn_model *m, const encoder_config *c, tensor x);

/* Scores of the vocabulary by c->predict_words or c->lm_head: x [tokens, hidden] -> [tokens, vocabulary]. */
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
extern void encoder_next_sentence_prediction(nn_model *m, const void *config);
extern void encoder_pre_training(nn_model *m, const void *config); /* of words and sentences */
extern void encoder_multiple_choice(nn_model *m, const void *config);
extern void encoder_token_classification(nn_model *m, const void *config);
extern void encoder_question_answering(nn_model *m, const void *config);

/* The heads that BERT's kin have, and those of RoBERTa's. */
extern const nn_head encoder_bert_heads[];
extern const nn_head encoder_roberta_heads[];

/*
 * What such a decoder is given, for nn_family.inputs; as a memory, if it is given, and in a dry run if
 * the checkpoint has the weights to look at one.
 */
extern const nn_input_kind encoder_memory_inputs[];
extern bool encoder_take_memory(nn_model *m, const encoder_config *c, nn_memory *memory);

/* Caches, as nn_family has them, of those that generate: cache_layers and remember. */
extern int encoder_cache_layers(const void *config, kv_layer *layers);
extern void encoder_remember(nn_model *m, const void *config);

/* What an nn_family has of its functions where they are BERT's. */
#define ENCODER_FUNCTIONS                                                                          \
	.inputs = encoder_memory_inputs, .cache_layers = encoder_cache_layers,                         \
	.remember = encoder_remember, .hidden_states = encoder_hidden_states

/* Positions after common.pad_token_id, for make_positions. */
extern void encoder_make_positions(const void *config, const int32_t *ids, const uint8_t *mask,
								   int64_t count, int32_t *positions);

/*
 * Positions as fairseq counts them: padding_id + 1, + 2, ... over the ids that are not padding_id,
 * padding_id for those that are.  Without ids (NULL) none is.
 */
extern void encoder_positions_after_padding(int64_t padding_id, const int32_t *ids, int64_t count,
											int32_t *positions);

#endif
