/*
 * seq2seq.h
 *	  What encoder-decoders share: how the decoder is run after the encoder, and their heads.
 *
 * A family fills a seq2seq_config, as the first member of its own, with its encoder and its decoder,
 * and lists the heads below in its table.
 *
 * A head that is given the batch of the encoder, with that of the decoder in it, runs both.  One that
 * is given the batch of the decoder, with a memory, runs the decoder alone: that is a step of
 * generation.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_SEQ2SEQ_H
#define TFM_NN_SEQ2SEQ_H

#include "nn/family.h"
#include "nn/layers.h"

typedef struct seq2seq_config
{
	nn_config common;
	int32_t eos_token_id;			/* -1: none */
	int32_t decoder_start_token_id; /* -1: none */
	bool decoder_alone;				/* the class is ForCausalLM, which has no encoder */

	/* The family's.  Over the batch, emitting hidden states -> [tokens, hidden]. */
	tensor (*encode)(nn_model *m, const void *config);

	/* The same; of the decoder, which looks back at the batch's memory if it has one. */
	tensor (*decode)(nn_model *m, const void *config);

	/* Scores of the vocabulary: states of the decoder [rows, hidden] -> [rows, vocabulary]. */
	tensor (*predict_words)(nn_model *m, const void *config, tensor x);
} seq2seq_config;

/*
 * Read the ids of special tokens and the labels, with what is in c as the defaults, num_labels
 * among them (0: Transformers' own).
 */
extern void seq2seq_read_config(tfm_context *context, json file, seq2seq_config *c);

/* The first of some tables of words that is there, by name without ".weight"; names end with NULL. */
extern const char *seq2seq_find_words(nn_model *m, const char *const *names);

/* hidden_states of a family, as nn_family has it. */
extern tensor seq2seq_hidden_states(nn_model *m, const void *config);

/* decoder_start_token_id, then the row but for its last id: shift_tokens_right in Transformers. */
extern void seq2seq_shift_right(const void *config, const int32_t *ids, int64_t count,
								int32_t *decoder_ids);

/*
 * What heads are made of.  The decoder's states, after the encoder unless the batch is the decoder's
 * own; *encoded are the encoder's, empty where it has not run.  Their scores, after the tokens that
 * are wanted.  And the output of the encoder's states, where there are any.
 */
extern tensor seq2seq_run_parts(nn_model *m, const seq2seq_config *c, tensor *encoded);
extern tensor seq2seq_predict_wanted(nn_model *m, const seq2seq_config *c, tensor x);
extern void seq2seq_emit_encoded(nn_model *m, tensor encoded);

/*
 * Heads, for an nn_head's forward; config starts with a seq2seq_config.  What is emitted is named as
 * in Transformers' outputs.
 */
extern void seq2seq_base_model(nn_model *m, const void *config);
extern void seq2seq_conditional_generation(nn_model *m, const void *config);
extern void seq2seq_sequence_classification(nn_model *m, const void *config); /* of the last end */
extern void seq2seq_question_answering(nn_model *m, const void *config);
extern void seq2seq_causal_lm(nn_model *m, const void *config); /* the decoder alone */
extern void seq2seq_encoder_model(nn_model *m, const void *config);
extern void seq2seq_token_classification(nn_model *m, const void *config); /* of the encoder */

/* The model and its generation, for families that have nothing else. */
extern const nn_head seq2seq_heads[];

#endif
