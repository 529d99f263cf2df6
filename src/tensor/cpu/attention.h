/*
 * attention.h
 *	  Inner loops of attention: softmax of a block of scores, sums of values.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CPU_ATTENTION_H
#define TFM_TENSOR_CPU_ATTENTION_H

#include <math.h>

#include "tensor/cpu/functions.h"
#include "tensor/kernels.h"

/* Scores of row r, scaled, biased and masked, in place; their maximum. */
INLINE float
finish_scores(const softmax_block *b, int r)
{
	const vec none = vec_set1(-INFINITY), scale = vec_set1(b->scale);
	const vec limit = vec_set1((float) (b->limit + r * b->limit_step));
	float *row = b->scores + r * b->stride;
	vec greatest = none;

	for (int64_t j = 0; j < b->columns; j += VEC_WIDTH)
	{
		vec s = vec_load(row + j) * scale;

		if (b->bias != NULL)
			s += vec_load(b->bias + r * b->bias_stride + j);
		if (b->seen != NULL)
			s = vec_pick_greater(vec_load(b->seen + j), vec_set1(0.0f), s, none);
		s = vec_pick_greater(limit, vec_index() + vec_set1((float) j), s, none);
		greatest = vec_max(greatest, s);
		vec_store(row + j, s);
	}
	return vec_greatest(greatest);
}

/* x[i] = e^(x[i] - base); their sum.  Of whole vectors. */
INLINE float
exponentials(int64_t count, float base, float *x)
{
	vec sum = vec_set1(0.0f), from = vec_set1(base);

	for (int64_t i = 0; i < count; i += VEC_WIDTH)
	{
		vec e = vec_exp(vec_load(x + i) - from);

		sum += e;
		vec_store(x + i, e);
	}
	return vec_sum(sum);
}

/* Milakov and Gimelshein 2018, "Online normalizer calculation for softmax", a block at a time. */
static void
softmax(const softmax_block *b)
{
	float base[KERNEL_MAX_ROWS], correction[KERNEL_MAX_ROWS] = {0};

	for (int r = 0; r < b->rows; r++)
	{
		float before = b->maximum[r], greatest = finish_scores(b, r);

		if (!(greatest > before))
			greatest = before;
		b->maximum[r] = greatest;
		/* a row that has seen nothing yet has no maximum to subtract */
		base[r] = greatest == -INFINITY ? 0.0f : greatest;
		correction[r] = before - base[r];
	}
	exponentials(KERNEL_MAX_ROWS, 0.0f, correction);
	for (int r = 0; r < b->rows; r++)
	{
		float sum = exponentials(b->columns, base[r], b->scores + r * b->stride);

		b->correction[r] = correction[r];
		b->sum[r] = b->sum[r] * correction[r] + sum;
	}
}

static void
accumulate(int rows, const float *correction, const float *c, int64_t c_stride, float *o,
		   int64_t o_stride)
{
	for (int r = 0; r < rows; r++)
	{
		vec factor = vec_set1(correction[r]);

		for (int j = 0; j < KERNEL_COLUMNS; j += VEC_WIDTH)
		{
			float *to = o + r * o_stride + j;

			vec_store(to, vec_fma(vec_load(to), factor, vec_load(c + r * c_stride + j)));
		}
	}
}

#endif
