/*
 * linear.h
 *	  y = norm(activation(x W^T + bias) + residual), with W packed into panels.
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

typedef struct op_linear_options
{
	const float *x;		/* [rows, k] */
	int64_t x_stride;	/* elements from one row of x to the next; 0: k */
	int64_t rows;		/* may be 0 */
	const void *panels; /* W[n, k], packed, aligned to 64 */
	tfm_dtype dtype;	/* of panels; 0: DTYPE_F32 */
	int64_t n;			/* columns of the result, >= 1 */
	int64_t k;			/* >= 1 */
	const float *bias;	/* [n] or NULL */
	op_activation activation;
	const float *residual;	 /* [rows, n], added last, or NULL; may be y */
	int64_t residual_stride; /* 0: n */
	float *y;				 /* [rows, n]; must not overlap x */
	int64_t y_stride;		 /* 0: n */
} op_linear_options;

/* Errors: UNSUPPORTED (dtype), INTERNAL (sizes), OUT_OF_MEMORY, CANCELLED. */
extern bool op_linear(tfm_context *context, const op_linear_options *options);

#endif
