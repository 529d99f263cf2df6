/*
 * position_bias.h
 *	  T5's relative position bias: scores of attention by bucketed distance.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_POSITION_BIAS_H
#define TFM_NN_POSITION_BIAS_H

#include "nn/model.h"

typedef struct position_buckets
{
	int heads;
	int buckets;		/* rows of the table that are used */
	int max_distance;	/* farther tokens share the last bucket */
	bool bidirectional; /* half of the buckets are for tokens that come after */
} position_buckets;

/* One more than the largest distance of two tokens in a row of the batch. */
extern int64_t position_span(const nn_batch *batch);

/* The bucket of a key that comes distance tokens after its query. */
extern int position_bucket(int64_t distance, const position_buckets *b);

/*
 * The bias of "<name>.weight" [buckets or more, heads] for all distances within the batch's longest
 * row, or up to max_distance -> [heads, 2 * span - 1], entry span - 1 + (key's column - query's
 * column).
 * Follows T5's _relative_position_bucket.
 */
extern tensor position_bias(nn_model *m, const char *name, const position_buckets *b);

#endif
