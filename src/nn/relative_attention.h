/*
 * relative_attention.h
 *	  Attention whose scores depend on what queries and keys hold together with how far apart they are,
 *	  or of which types: DeBERTa's (He et al. 2020), Transformer-XL's and XLNet's (Dai et al. 2019).
 *
 *		score(i, j) = scale * (q_i k_j + p_i K[r] + k_j Q[r] + t_i T[s])
 *
 * where r is the row of the distance from j to i, and s is 0 for tokens of the same type, else 1.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_RELATIVE_ATTENTION_H
#define TFM_NN_RELATIVE_ATTENTION_H

#include "nn/model.h"

/* Tokens of one side, where they are not the batch's. */
typedef struct relative_tokens
{
	const int32_t *offsets; /* [sequences + 1] */
	const int32_t *places;	/* [tokens], between which distances are */
	const int32_t *types;	/* [tokens], or NULL: all are of one */
	const uint8_t *hidden;	/* [tokens], of keys; NULL: none */
} relative_tokens;

typedef struct relative_attention
{
	int heads;
	double scale; /* 0: 1 / sqrt(head size) */
	bool causal;

	/* Rows of K and Q by distance, of -(span - 1) .. span - 1; those beyond take the ends'. */
	const int32_t *rows;
	int64_t span;

	tensor position_keys;	 /* K [rows, heads * head size]; or empty */
	tensor position_x;		 /* p [queries, heads * head size]; empty: q */
	tensor position_queries; /* Q [rows, heads * head size]; or empty */
	tensor type_keys;		 /* T [2, heads * head size]; or empty */
	tensor type_x;			 /* t [queries, heads * head size]; empty: q */
	int32_t any_type;		 /* tokens of this type are of each other's, too; -1: there is none */
	bool first_apart;		 /* scores with a sequence's first token are of what they hold alone */
	/* Adds what else there is to the scores of some queries and a key; NULL: nothing. */
	void (*more)(const void *argument, int64_t query, int queries, int64_t key, float *scores);
	const void *more_argument;
	relative_tokens queries; /* offsets NULL: the batch's */
	relative_tokens keys;	 /* the same */
} relative_attention;

/*
 * Attention within each sequence: q [queries, heads * head size], k and v [keys, heads * head size]
 * -> as q.  Nothing is kept of it: there is no cache.
 */
extern tensor attend_relative(nn_model *m, tensor q, tensor k, tensor v,
							  const relative_attention *how);

/* A copy of x [rows, heads * head size] with "<name>" [heads, head size] added to each row. */
extern tensor add_head_bias(nn_model *m, tensor x, const char *name, int heads);

#endif
