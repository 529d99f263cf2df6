/*
 * rows.h
 *	  Inner loops over rows: norms.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CPU_ROWS_H
#define TFM_TENSOR_CPU_ROWS_H

#include <math.h>

#include "tensor/cpu/vector.h"
#include "tensor/kernels.h"

/* y = x + residual; the sum of y. */
INLINE float
add_residual(int64_t n, const float *x, const float *residual, float *y)
{
	vec sum = vec_set1(0.0f);

	for (int64_t i = 0; i < n; i += VEC_WIDTH)
	{
		vec v = vec_load_up_to(x + i, n - i);

		if (residual != NULL)
			v += vec_load_up_to(residual + i, n - i);
		sum += v;
		vec_store_up_to(y + i, v, n - i);
	}
	return vec_sum(sum);
}

/* The sum of (x - mean)^2. */
INLINE float
sum_squares(int64_t n, const float *x, float mean)
{
	vec sum = vec_set1(0.0f), middle = vec_set1(mean);
	int64_t whole = n - n % VEC_WIDTH;

	for (int64_t i = 0; i < whole; i += VEC_WIDTH)
	{
		vec v = vec_load(x + i) - middle;

		sum = vec_fma(v, v, sum);
	}
	if (whole < n)
	{
		vec inside = vec_pick_greater(vec_set1((float) (n - whole)), vec_index(), vec_set1(1.0f),
									  vec_set1(0.0f));
		vec v = (vec_load_part(x + whole, n - whole) - middle) * inside;

		sum = vec_fma(v, v, sum);
	}
	return vec_sum(sum);
}

/* y = (y - mean) * factor * weight + bias */
INLINE void
scale_row(const norm_rows *norm, float mean, float factor, float *y)
{
	vec middle = vec_set1(mean), scale = vec_set1(factor);

	for (int64_t i = 0, n = norm->n; i < n; i += VEC_WIDTH)
	{
		vec v = (vec_load_up_to(y + i, n - i) - middle) * scale;
		vec gain = norm->weight != NULL ? vec_load_up_to(norm->weight + i, n - i) : vec_set1(1.0f);
		vec bias = norm->bias != NULL ? vec_load_up_to(norm->bias + i, n - i) : vec_set1(0.0f);

		vec_store_up_to(y + i, vec_fma(v, gain, bias), n - i);
	}
}

static void
layer_norm(const norm_rows *norm, const float *x, const float *residual, float *y)
{
	float n = (float) norm->n;
	float mean = add_residual(norm->n, x, residual, y) / n;
	float variance = sum_squares(norm->n, y, mean) / n;

	scale_row(norm, mean, 1.0f / sqrtf(variance + norm->eps), y);
}

static void
rms_norm(const norm_rows *norm, const float *x, const float *residual, float *y)
{
	float mean_square;

	add_residual(norm->n, x, residual, y);
	mean_square = sum_squares(norm->n, y, 0.0f) / (float) norm->n;
	scale_row(norm, 0.0f, 1.0f / sqrtf(mean_square + norm->eps), y);
}

static void
scale(float factor, const float *x, float *y, int64_t count)
{
	for (int64_t i = 0; i < count; i += VEC_WIDTH)
		vec_store_up_to(y + i, vec_load_up_to(x + i, count - i) * vec_set1(factor), count - i);
}

#endif
