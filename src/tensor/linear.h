/*
 * linear.h
 *	  y = norm(activation(x W^T + bias) + residual), with W packed into panels; see pack.h.
 *
 * Weights of any type of LAYOUT_PANELS are multiplied in the arithmetic that the caller chooses:
 *
 *		F32		weights become f32, which is exact
 *		BF16	weights and x are rounded to bf16; sums are f32
 *		INT8	I8: each row of x is rounded to unsigned bytes of its own scale and zero, so that
 *				its least and greatest element (and 0) are met; sums are int32
 *				blocks: each 32 elements of a row are rounded to whole numbers of 16 bits and their own scale;
 *				sums of a scale's group are int32, sums of groups f32
 *				others: as in F32
 *
 * Parts may be of different types.  In BF16 and INT8 GELU is within 2e-4 of itself, which these round away anyway.
 *
 * Each element of y is summed over k in one order that nothing else touches, so that its bits do not
 * depend on the number of rows, on the row's place among them, or on the threads.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_LINEAR_H
#define TFM_TENSOR_LINEAR_H

#include "tensor/activation.h"
#include "tensor/tensor.h"

/* A weight that x is multiplied with, and where the result goes. */
typedef struct op_linear_part
{
	const void *panels; /* W[n, k], packed, aligned to 64 */
	tfm_dtype dtype;	/* of panels; 0: DTYPE_F32 */
	int64_t n;			/* columns of the result, >= 1 */
	const float *bias;	/* [n] or NULL */
	float *y;			/* [rows, n]; must not overlap x */
	int64_t y_stride;	/* 0: n */
} op_linear_part;

#define LINEAR_MAX_PARTS 4

typedef struct op_linear_options
{
	const float *x;							/* [rows, k] */
	int64_t x_stride;						/* elements from one row of x to the next; 0: k */
	int64_t rows;							/* may be 0 */
	int64_t k;								/* >= 1 */
	op_linear_part parts[LINEAR_MAX_PARTS]; /* up to the first without panels; the same x for all */
	tfm_compute compute;					/* 0: COMPUTE_F32 */
	bool coarse;							/* of blocks in INT8: x in 8 bits instead of 16 */
	op_activation activation;
	/*
	 * Two parts of the same n become one: y of the first is activation(x W0^T + bias) (x W1^T + bias),
	 * that of the second is working memory, which is taken from the arena where it is NULL.
	 */
	bool gate;
	/* Of the first part, which must be the only one. */
	const float *residual;	 /* [rows, n], added after the activation, or NULL; may be y */
	int64_t residual_stride; /* 0: n */
	/* A layer norm of the rows of y at the end, as in norm.h; norm_weight NULL: none. */
	const float *norm_weight;
	const float *norm_bias;
	float norm_eps;
} op_linear_options;

/* Errors: INTERNAL (sizes, types), OUT_OF_MEMORY, CANCELLED. */
extern bool op_linear(tfm_context *context, const op_linear_options *options);

#endif
