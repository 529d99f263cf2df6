/*
 * deberta.h
 *	  DeBERTa (He et al. 2020): an encoder whose attention looks at what tokens hold and at how far apart
 *	  they are by vectors of their own, which all layers share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_DEBERTA_H
#define TFM_NN_DEBERTA_H

#include "nn/convolution.h"
#include "nn/encoder.h"
#include "nn/relative_attention.h"

typedef struct deberta_config
{
	encoder_config encoder;
	bool relative;			/* distances count at all */
	bool looks_at_position; /* "c2p": queries meet distances' keys */
	bool position_looks;	/* "p2c": keys meet distances' queries */
	int64_t span;			/* the table has 2 * span rows of distances */
	int64_t buckets;		/* farther than half of so many share rows; 0: none do */
	int64_t farthest;		/* distances share rows up to here */
	bool norms_distances;	/* their table is normed by "encoder.LayerNorm" */
	const char *position_keys, *position_queries; /* projections of distances */

	/* Queries, keys and values of x that are not made by three projections; NULL: they are. */
	void (*project)(nn_model *m, tensor x, const struct deberta_config *c, tensor qkv[3]);

	/* Of the embeddings, beside the first layer; width 0: there is none. */
	convolution convolution;
	op_activation convolution_activation;

	/* Of a pass: the rows of the table that it can reach, and which a distance has. */
	tensor distances;
	const int32_t *rows; /* [2 * reach - 1] */
	int64_t reach;
} deberta_config;

/* Read the keys that both versions have; the family has filled its own fields and defaults. */
extern void deberta_read_config(tfm_context *context, json file, deberta_config *c);

extern tensor deberta_hidden_states(nn_model *m, const void *config);

extern const nn_head deberta_heads[];

#endif
