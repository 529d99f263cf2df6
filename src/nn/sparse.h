/*
 * sparse.h
 *	  Attention of which some queries that stand together see a list of keys: windows, blocks,
 *	  global tokens.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_SPARSE_H
#define TFM_NN_SPARSE_H

#include "nn/model.h"

#define SPARSE_QUERIES 32 /* at most, of a tile */

/* A score's bias that hides the key; finite, so that nothing is divided by 0. */
#define SPARSE_HIDDEN -1e30f

/* Queries that follow each other, of one sequence. */
typedef struct sparse_tile
{
	int64_t sequence;
	int64_t first; /* row of q */
	int queries;
} sparse_tile;

/* What they see. */
typedef struct sparse_view
{
	int64_t count;
	int32_t *keys; /* [most_keys] rows of k and v; one that is there twice counts twice */
	float *bias; /* [most_keys][SPARSE_QUERIES], to be filled in for the queries, if there is one */
} sparse_view;

typedef struct sparse_attention
{
	int heads;
	double scale;	/* of the scores; 0: 1 / sqrt(head size) */
	tensor q, k, v; /* rows of heads side by side; k and v may have other rows than q */
	const sparse_tile *tiles;
	int64_t tile_count;
	int64_t most_keys; /* that a tile sees */
	bool biased;	   /* something is added to the scores */
	bool by_head;	   /* heads see other keys, or have other biases; else look is of the first */
	const void *config;
	/* Fill in the keys of a tile for a head. */
	void (*look)(const void *config, const sparse_tile *tile, int head, sparse_view *view);
} sparse_attention;

/* -> [rows of q, columns of v]; rows that no tile has, and those that see nothing, are zeros. */
extern tensor attend_sparsely(nn_model *m, const sparse_attention *a);

/*
 * Cut the batch into tiles; with block > 0 none has columns of two blocks, the first of which
 * begins shift columns before the row.  *count is set; NULL in a dry run and after an error.
 */
extern const sparse_tile *cut_tiles(nn_model *m, int64_t block, int64_t shift, int64_t *count);

/* Tokens of the longest sequence. */
extern int64_t sparse_longest(const nn_batch *batch);

/* Append the tokens first .. end - 1 that are not hidden. */
extern void sparse_see(sparse_view *view, const uint8_t *hidden, int64_t first, int64_t end);

#endif
