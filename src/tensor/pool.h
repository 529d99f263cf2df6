/*
 * pool.h
 *	  One row per sequence from the rows of its tokens, as sentence-transformers' Pooling.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_POOL_H
#define TFM_TENSOR_POOL_H

#include "base/context.h"

typedef enum op_pooling
{
	POOLING_MEAN = 1,
	POOLING_CLS,				  /* the first token */
	POOLING_MAX,				  /* the largest value of each column */
	POOLING_MEAN_SQRT_LEN_TOKENS, /* the sum over the root of the count */
	POOLING_WEIGHTEDMEAN,		  /* the token at place i of the sequence weighs i + 1 */
	POOLING_LASTTOKEN
} op_pooling;

/* The pooling of a name as in sentence-transformers' pooling_mode ("mean", ...); false if unknown. */
extern bool op_pooling_from_name(const char *name, op_pooling *pooling);

typedef struct op_pool_options
{
	op_pooling pooling;
	const float *x;			/* [tokens, n], contiguous */
	int64_t n;				/* >= 1 */
	const int32_t *offsets; /* [batch + 1] */
	int64_t batch;
	const int32_t *skip; /* [batch] first tokens to leave out (a prompt's); NULL: none */
	float *y;			 /* [batch, n]; sequences pool into adjacent parts when y_stride > n */
	int64_t y_stride;	 /* elements from one row of y to the next; 0: n */
} op_pool_options;

/*
 * A sequence without tokens, or with all of them left out, gives zeros.
 * Errors: INTERNAL (sizes), CANCELLED.
 */
extern bool op_pool(tfm_context *context, const op_pool_options *options);

#endif
