/*
 * norm.c
 *	  Normalisation of rows, a few rows an item.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/norm.h"

#include <math.h>

#include "base/threads.h"
#include "tensor/kernels.h"

#define ITEM_ROWS 16

typedef struct norm_call
{
	void (*row)(const norm_rows *norm, const float *x, const float *residual, float *y);
	norm_rows norm;
	const op_norm_options *o;
} norm_call;

static void
norm_item(void *argument, int64_t item, int thread)
{
	const norm_call *call = argument;
	const op_norm_options *o = call->o;
	int64_t first = item * ITEM_ROWS;
	int64_t end = first + ITEM_ROWS < o->rows ? first + ITEM_ROWS : o->rows;

	(void) thread;
	for (int64_t row = first; row < end; row++)
	{
		norm_rows norm = call->norm;
		int64_t at =
			o->group == 0 ? row * o->n : row / o->group * o->stride + row % o->group * o->n;

		if (o->own_weights)
		{
			norm.weight += row % o->group * o->n;
			norm.bias = norm.bias == NULL ? NULL : norm.bias + row % o->group * o->n;
		}
		call->row(&norm, o->x + at, o->residual == NULL ? NULL : o->residual + at, o->y + at);
	}
}

static bool
check_rows(tfm_context *context, int64_t rows, int64_t n)
{
	int64_t count;

	if (rows < 0 || n < 1 || __builtin_mul_overflow(rows, n, &count))
		return tfm_fail(context, TFM_INTERNAL, "norm of %lld rows of %lld is impossible",
						(long long) rows, (long long) n);
	return true;
}

static bool
run_norm(tfm_context *context, const op_norm_options *o,
		 void (*row)(const norm_rows *, const float *, const float *, float *))
{
	norm_call call = {
		.row = row,
		.norm = {.n = o->n,
				 .weight = o->weight,
				 .bias = o->bias,
				 .weight_offset = o->weight_offset,
				 .eps = o->eps},
		.o = o,
	};

	if (tfm_failed(context) || !check_rows(context, o->rows, o->n))
		return false;
	if (o->group < 0 || (o->group > 0 && o->stride / o->group < o->n) ||
		(o->own_weights && (o->group == 0 || o->weight == NULL)))
		return tfm_fail(context, TFM_INTERNAL, "norm of %lld rows in groups of %lld is impossible",
						(long long) o->rows, (long long) o->group);
	return threads_run(context, norm_item, &call, (o->rows + ITEM_ROWS - 1) / ITEM_ROWS);
}

bool
op_layer_norm(tfm_context *context, const op_norm_options *options)
{
	return run_norm(context, options, cpu_kernels(context)->layer_norm);
}

bool
op_rms_norm(tfm_context *context, const op_norm_options *options)
{
	return run_norm(context, options, cpu_kernels(context)->rms_norm);
}

typedef struct normalize_call
{
	const float *x;
	float *y;
	int64_t n;
} normalize_call;

static void
normalize_row(void *argument, int64_t item, int thread)
{
	const normalize_call *call = argument;
	const float *x = call->x + item * call->n;
	float *y = call->y + item * call->n;
	double squares = 0.0, length;

	(void) thread;
	for (int64_t i = 0; i < call->n; i++)
		squares += (double) x[i] * (double) x[i];
	length = sqrt(squares);
	if (length < 1e-12)
		length = 1e-12;
	for (int64_t i = 0; i < call->n; i++)
		y[i] = (float) ((double) x[i] / length);
}

bool
op_normalize(tfm_context *context, const float *x, int64_t rows, int64_t n, float *y)
{
	normalize_call call = {x, y, n};

	if (tfm_failed(context) || !check_rows(context, rows, n))
		return false;
	return threads_run(context, normalize_row, &call, rows);
}
