/*
 * embed.h
 *	  Rows of tables: embeddings, and rows picked from a result.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_EMBED_H
#define TFM_TENSOR_EMBED_H

#include "tensor/tensor.h"

#define EMBED_MAX_TABLES 4

typedef struct op_embed_table
{
	const void *table; /* [count, n] */
	tfm_dtype dtype;   /* of table, any that weight_size knows; 0: DTYPE_F32 */
	int64_t count;
	const int32_t *ids;	  /* [tokens], each of 0 .. count-1; NULL: row 0 for all */
	float scale;		  /* the row is multiplied by it; 0: 1 */
	weight_layout layout; /* 0: LAYOUT_ROWS; LAYOUT_PANELS: a table that op_linear takes, too */
} op_embed_table;

typedef struct op_embed_options
{
	op_embed_table
		tables[EMBED_MAX_TABLES]; /* added in this order, up to the first without table */
	int64_t tokens;
	int64_t n;
	/* A layer norm of the sum, as in norm.h; norm_weight NULL: none. */
	const float *norm_weight;
	const float *norm_bias;
	float norm_eps;
	float *y; /* [tokens, n] */
} op_embed_options;

/* Errors: INVALID_ARGUMENT (an id beyond its table), INTERNAL (sizes), OUT_OF_MEMORY, CANCELLED. */
extern bool op_embed(tfm_context *context, const op_embed_options *options);

/*
 * y[i] = x[rows[i]] for count rows of n elements; x has x_rows of them, x_stride elements apart
 * (0: n).  Errors: INVALID_ARGUMENT (a row beyond x), CANCELLED.
 */
extern bool op_gather_rows(tfm_context *context, const float *x, int64_t x_rows, int64_t x_stride,
						   int64_t n, const int32_t *rows, int64_t count, float *y);

#endif
