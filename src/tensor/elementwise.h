/*
 * elementwise.h
 *	  What is done to results element by element, between the products.
 *
 * Each element's bits depend on its operands alone.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_ELEMENTWISE_H
#define TFM_TENSOR_ELEMENTWISE_H

#include "tensor/activation.h"

/* gate[i][j] = activation(gate[i][j]) * up[i][j]; rows of n elements, stride apart. */
typedef struct op_gate_options
{
	op_activation activation;
	float *gate;
	const float *up;
	int64_t rows;
	int64_t n;
	int64_t stride; /* elements from one row to the next, of both; 0: n */
} op_gate_options;

/* Errors, of this and those below: INTERNAL (sizes), CANCELLED. */
extern bool op_gate(tfm_context *context, const op_gate_options *options);

/* x[i] += scale * y[i] for count elements. */
extern bool op_add(tfm_context *context, float *x, const float *y, float scale, int64_t count);

/* x[i] = cap * tanh(scale * x[i] / cap), or scale * x[i] where cap is 0. */
extern bool op_scale(tfm_context *context, float *x, float scale, float cap, int64_t count);

/* Each of rows rows of n elements, stride apart, becomes at least -limit and at most limit. */
extern bool op_clip(tfm_context *context, float *x, int64_t rows, int64_t n, int64_t stride,
					float limit);

/*
 * y[i] = the sum of weights[i][j] * x[places[i][j]] over j of 0..ways-1, in that order: rows of n
 * elements.  A place must be a row of x, which has rows * ways of them.
 */
typedef struct op_mix_options
{
	const float *x;		   /* [rows * ways, n] */
	const int32_t *places; /* [rows, ways] */
	const float *weights;  /* [rows, ways] */
	int ways;
	int64_t rows;
	int64_t n;
	float *y; /* [rows, n] */
} op_mix_options;

extern bool op_mix(tfm_context *context, const op_mix_options *options);

#endif
