/*
 * linear.h
 *	  y = activation(x W^T + bias) + residual, with W packed into panels.
 *
 * A panel holds 32 output columns: W[n, k] is stored as [ceil(n / 32)][k][32], the columns that are
 * missing in the last panel being zero.  This is LAYOUT_PANELS of an image and does not depend on the
 * instruction set.
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

#define PANEL_COLUMNS 32

/* Bytes of the packed form of W[n, k] with elements of dtype (DTYPE_F32); false if they overflow. */
extern bool op_linear_panels_size(tfm_dtype dtype, int64_t n, int64_t k, size_t *size);

/* Pack W[n, k], row-major f32, into panels (op_linear_panels_size bytes, aligned to 64). */
extern void op_pack_linear(const float *w, int64_t n, int64_t k, float *panels);

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
