/*
 * elementwise.c
 *	  What is done to results element by element, between the products.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/elementwise.h"

#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "tensor/kernels.h"

#define ITEM 16384 /* elements of one item */

static bool
check_sizes(tfm_context *context, int64_t rows, int64_t n)
{
	int64_t count;

	if (tfm_failed(context))
		return false;
	if (rows < 0 || n < 1 || __builtin_mul_overflow(rows, n, &count))
		return tfm_fail(context, TFM_INTERNAL, "%lld rows of %lld elements are impossible",
						(long long) rows, (long long) n);
	return true;
}

/* Rows that make about an item, and the items that rows are. */
static int64_t
item_rows(int64_t n)
{
	return n >= ITEM ? 1 : ITEM / n;
}

static int64_t
count_items(int64_t count, int64_t step)
{
	return count / step + (count % step != 0);
}

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* ---- Gate ---- */

typedef struct gate_call
{
	const kernels *table;
	op_gate_options o;
} gate_call;

static void
gate_item(void *argument, int64_t item, int thread)
{
	const gate_call *call = argument;
	const op_gate_options *o = &call->o;
	int64_t step = item_rows(o->n), first = item * step;

	(void) thread;
	for (int64_t row = first; row < smaller(first + step, o->rows); row++)
	{
		float *gate = o->gate + row * o->stride;
		const float *up = o->up + row * o->stride;

		call->table->activate(o->activation, gate, gate, o->n);
		for (int64_t i = 0; i < o->n; i++)
			gate[i] *= up[i];
	}
}

bool
op_gate(tfm_context *context, const op_gate_options *options)
{
	gate_call call = {.table = cpu_kernels(context), .o = *options};

	if (!check_sizes(context, options->rows, options->n))
		return false;
	if (call.o.stride == 0)
		call.o.stride = call.o.n;
	return threads_run(context, gate_item, &call,
					   count_items(options->rows, item_rows(options->n)));
}

/* ---- Sums, scales, limits ---- */

typedef struct elements_call
{
	float *x;
	const float *y;
	float scale, cap;
	int64_t count;			 /* elements, or rows */
	int64_t n, stride, step; /* of rows */
} elements_call;

static void
add_item(void *argument, int64_t item, int thread)
{
	const elements_call *call = argument;
	int64_t end = smaller((item + 1) * ITEM, call->count);

	(void) thread;
	for (int64_t i = item * ITEM; i < end; i++)
		call->x[i] += call->scale * call->y[i];
}

bool
op_add(tfm_context *context, float *x, const float *y, float scale, int64_t count)
{
	elements_call call = {.x = x, .y = y, .scale = scale, .count = count};

	return check_sizes(context, count, 1) &&
		   threads_run(context, add_item, &call, count_items(count, ITEM));
}

static void
scale_item(void *argument, int64_t item, int thread)
{
	const elements_call *call = argument;
	int64_t end = smaller((item + 1) * ITEM, call->count);

	(void) thread;
	for (int64_t i = item * ITEM; i < end; i++)
	{
		call->x[i] *= call->scale;
		if (call->cap != 0.0f)
			call->x[i] = call->cap * tanhf(call->x[i] / call->cap);
	}
}

bool
op_scale(tfm_context *context, float *x, float scale, float cap, int64_t count)
{
	elements_call call = {.x = x, .scale = scale, .cap = cap, .count = count};

	return check_sizes(context, count, 1) &&
		   threads_run(context, scale_item, &call, count_items(count, ITEM));
}

static void
clip_item(void *argument, int64_t item, int thread)
{
	const elements_call *call = argument;
	int64_t end = smaller((item + 1) * call->step, call->count);

	(void) thread;
	for (int64_t row = item * call->step; row < end; row++)
	{
		float *x = call->x + row * call->stride;

		for (int64_t i = 0; i < call->n; i++)
			x[i] = x[i] > call->cap ? call->cap : x[i] < -call->cap ? -call->cap : x[i];
	}
}

bool
op_clip(tfm_context *context, float *x, int64_t rows, int64_t n, int64_t stride, float limit)
{
	elements_call call = {.x = x, .cap = limit, .count = rows, .n = n, .stride = stride};

	if (!check_sizes(context, rows, n))
		return false;
	call.step = item_rows(n);
	return threads_run(context, clip_item, &call, count_items(rows, call.step));
}

/* ---- Mixtures of rows ---- */

static void
mix_item(void *argument, int64_t item, int thread)
{
	const op_mix_options *o = argument;
	int64_t step = item_rows(o->n), first = item * step;

	(void) thread;
	for (int64_t row = first; row < smaller(first + step, o->rows); row++)
	{
		float *y = o->y + row * o->n;

		memset(y, 0, (size_t) o->n * sizeof(float));
		for (int64_t j = row * o->ways; j < (row + 1) * o->ways; j++)
		{
			const float *x = o->x + o->places[j] * o->n;

			for (int64_t i = 0; i < o->n; i++)
				y[i] += o->weights[j] * x[i];
		}
	}
}

bool
op_mix(tfm_context *context, const op_mix_options *options)
{
	op_mix_options o = *options;

	if (!check_sizes(context, o.rows, o.n))
		return false;
	for (int64_t i = 0; i < o.rows * o.ways; i++)
		if (o.places[i] < 0 || o.places[i] >= o.rows * o.ways)
			return tfm_fail(context, TFM_INTERNAL, "row %d of a mixture is impossible",
							o.places[i]);
	return threads_run(context, mix_item, &o, count_items(o.rows, item_rows(o.n)));
}
