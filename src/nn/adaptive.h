/*
 * adaptive.h
 *	  A vocabulary in clusters: rarer words have smaller embeddings, and their probabilities are shares
 *	  of their cluster's (Grave et al. 2016; Baevski and Auli 2018).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_ADAPTIVE_H
#define TFM_NN_ADAPTIVE_H

#include "nn/family.h"
#include "nn/layers.h"

#define ADAPTIVE_MAX_CLUSTERS 16

typedef struct adaptive_words
{
	int64_t words, hidden_size;
	int64_t columns; /* of the first cluster's embeddings */
	bool tied, tied_projections;
	int clusters;
	int64_t
		ends[ADAPTIVE_MAX_CLUSTERS + 1]; /* cluster i has the words ends[i] .. ends[i + 1] - 1 */
	int64_t divisor; /* of a cluster's columns, for the next one; 1: all in one table */
} adaptive_words;

/* Read Transformer-XL's keys; common has the sizes. */
extern void adaptive_read_config(tfm_context *context, json file, const nn_config *common,
								 adaptive_words *c);

/*
 * The batch's words, projected and scaled, or the rows that the caller gives -> [tokens, hidden]; by
 * "word_emb.emb_layers.<cluster>" and "word_emb.emb_projs.<cluster>".
 */
extern tensor adaptive_embed(nn_model *m, const adaptive_words *c);

/* Logarithms of the words' probabilities, by "crit": x [rows, hidden] -> [rows, words]. */
extern tensor adaptive_predict(nn_model *m, const adaptive_words *c, tensor x);

#endif
