/*
 * norm.h
 *	  Normalisation of rows: layer norm, RMS norm, length 1.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_NORM_H
#define TFM_TENSOR_NORM_H

#include "base/context.h"

typedef struct op_norm_options
{
	const float *x;		   /* [rows, n] */
	const float *residual; /* [rows, n], added to x first; or NULL */
	int64_t rows;
	int64_t n;			 /* >= 1 */
	const float *weight; /* [n]; NULL: ones */
	const float *bias;	 /* [n]; NULL: zeros */
	float weight_offset; /* added to each weight: 1 for those that are kept about 0 */
	float eps;
	float *y; /* [rows, n]; may be x or residual */
	/*
	 * Rows that lie side by side, as a token's heads do, and elements from one such group to the
	 * next, of x, residual and y alike; 0: all rows lie side by side.
	 */
	int64_t group;
	int64_t stride;
	bool own_weights; /* weight and bias are [group, n]: each row of a group has its own */
} op_norm_options;

/* torch.nn.LayerNorm over the last dimension: biased variance, eps inside the root. */
extern bool op_layer_norm(tfm_context *context, const op_norm_options *options);

/* torch.nn.RMSNorm: x / sqrt(mean(x^2) + eps) * weight + bias. */
extern bool op_rms_norm(tfm_context *context, const op_norm_options *options);

/* torch.nn.functional.normalize of rows: x / max(|x|, 1e-12).  y[rows, n] may be x. */
extern bool op_normalize(tfm_context *context, const float *x, int64_t rows, int64_t n, float *y);

#endif
