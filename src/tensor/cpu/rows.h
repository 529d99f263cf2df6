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

/* The next elements of a row of a type, of which count >= 1 are left. */
INLINE vec
load_elements(tfm_dtype dtype, const void *from, int64_t count)
{
	uint16_t halves[VEC_WIDTH] = {0};
	int8_t bytes[VEC_WIDTH] = {0};
	vec v = vec_set1(0.0f);

	if (dtype == DTYPE_F32)
		return vec_load_up_to(from, count);
	if (count > VEC_WIDTH)
		count = VEC_WIDTH;
	if (dtype == DTYPE_I8)
	{
		memcpy(bytes, from, (size_t) count);
		for (int i = 0; i < VEC_WIDTH; i++)
			v[i] = bytes[i];
		return v;
	}
	memcpy(halves, from, (size_t) count * sizeof(uint16_t));
	if (dtype == DTYPE_F16)
		return vec_load_f16(halves);
	for (int i = 0; i < VEC_WIDTH; i++)
		v[i] = bf16_to_f32(halves[i]);
	return v;
}

INLINE void
take_elements(tfm_dtype dtype, const char *from, int64_t n, float factor, bool add, float *y)
{
	for (int64_t i = 0; i < n; i += VEC_WIDTH)
	{
		vec v =
			load_elements(dtype, from + (size_t) i * dtype_size(dtype), n - i) * vec_set1(factor);

		if (add)
			v += vec_load_up_to(y + i, n - i);
		vec_store_up_to(y + i, v, n - i);
	}
}

static void
take_row(tfm_dtype dtype, const void *row, int64_t n, float factor, bool add, float *y)
{
	float scale;

	switch (dtype)
	{
		case DTYPE_F16:
			take_elements(DTYPE_F16, row, n, factor, add, y);
			break;
		case DTYPE_BF16:
			take_elements(DTYPE_BF16, row, n, factor, add, y);
			break;
		case DTYPE_I8:
			memcpy(&scale, row, sizeof(scale));
			take_elements(DTYPE_I8, (const char *) row + sizeof(scale), n, scale * factor, add, y);
			break;
		default:
			take_elements(DTYPE_F32, row, n, factor, add, y);
	}
}

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

/* y = (y - mean) * factor * (weight + weight_offset) + bias */
INLINE void
scale_row(const norm_rows *norm, float mean, float factor, float *y)
{
	vec middle = vec_set1(mean), scale = vec_set1(factor);

	for (int64_t i = 0, n = norm->n; i < n; i += VEC_WIDTH)
	{
		vec v = (vec_load_up_to(y + i, n - i) - middle) * scale;
		vec gain = norm->weight != NULL ? vec_load_up_to(norm->weight + i, n - i) : vec_set1(1.0f);
		vec bias = norm->bias != NULL ? vec_load_up_to(norm->bias + i, n - i) : vec_set1(0.0f);

		if (norm->weight != NULL)
			gain += vec_set1(norm->weight_offset);
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

#endif
