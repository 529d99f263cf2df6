/*
 * chunks.h
 *	  Reformer's attention (Kitaev et al. 2020): chunks of tokens, in their own order or sorted by
 *	  hashes, see themselves and those beside them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_CHUNKS_H
#define TFM_NN_CHUNKS_H

#include "nn/heads.h"

#define CHUNKS_MAX_FACTORS 8

typedef struct chunks
{
	int heads;
	int64_t length;		   /* tokens of a chunk */
	int64_t before, after; /* chunks beside it that are seen, in a ring */
	int64_t padded_to;	   /* rows longer than unpadded become a multiple of this */
	int64_t unpadded;
	bool causal;

	/* Sorting: queries are keys, too, and a token sees itself only if there is nothing else. */
	bool hashed;
	int rounds;							 /* of hashes, whose results are mixed */
	int factors;						 /* of the number of buckets; 0: by the row's length */
	int64_t buckets[CHUNKS_MAX_FACTORS]; /* even */
	int64_t max_positions;				 /* longest padded row */
	uint64_t seed;						 /* of the rotations that make hashes */
} chunks;

/*
 * Attention of qkv [tokens, width], with the same of queries and keys where they are hashed ->
 * [tokens, width].  Chunks are of the row as it was given (nn_family.keeps_masked).
 */
extern tensor attend_in_chunks(nn_model *m, const tensor qkv[3], const chunks *c);

#endif
