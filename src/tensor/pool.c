/*
 * pool.c
 *	  One row per sequence: sums in double, token after token, some columns an item.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/pool.h"

#include <math.h>
#include <string.h>

#include "base/threads.h"

#define ITEM_COLUMNS 256

bool
op_pooling_from_name(const char *name, op_pooling *pooling)
{
	static const struct
	{
		const char *name;
		op_pooling pooling;
	} names[] = {
		{"mean", POOLING_MEAN},
		{"cls", POOLING_CLS},
		{"max", POOLING_MAX},
		{"mean_sqrt_len_tokens", POOLING_MEAN_SQRT_LEN_TOKENS},
		{"weightedmean", POOLING_WEIGHTEDMEAN},
		{"lasttoken", POOLING_LASTTOKEN},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, name) == 0)
		{
			*pooling = names[i].pooling;
			return true;
		}
	return false;
}

/* Some columns of one sequence. */
typedef struct pool_part
{
	const float *x; /* first token of the sequence, first column */
	int64_t stride;
	int64_t columns; /* <= ITEM_COLUMNS */
	int64_t first;	 /* token that counts first */
	int64_t tokens;
	float *y;
} pool_part;

static void
pool_max(const pool_part *p)
{
	memcpy(p->y, p->x + p->first * p->stride, (size_t) p->columns * sizeof(float));
	for (int64_t token = p->first + 1; token < p->tokens; token++)
	{
		const float *x = p->x + token * p->stride;

		/* like torch, not-a-number wins */
		for (int64_t i = 0; i < p->columns; i++)
			if (!(x[i] <= p->y[i]) && p->y[i] == p->y[i])
				p->y[i] = x[i];
	}
}

/* The sum of the tokens, each with its weight, over divisor. */
static void
pool_sum(const pool_part *p, bool weighted, double divisor)
{
	double sum[ITEM_COLUMNS] = {0};

	for (int64_t token = p->first; token < p->tokens; token++)
	{
		const float *x = p->x + token * p->stride;
		double weight = weighted ? (double) (token + 1) : 1.0;

		for (int64_t i = 0; i < p->columns; i++)
			sum[i] += weight * (double) x[i];
	}
	for (int64_t i = 0; i < p->columns; i++)
		p->y[i] = (float) (sum[i] / divisor);
}

static void
pool_columns(op_pooling pooling, const pool_part *p)
{
	double count = (double) (p->tokens - p->first), first = (double) p->first;
	size_t bytes = (size_t) p->columns * sizeof(float);

	if (p->first >= p->tokens && (pooling != POOLING_CLS || p->tokens == 0))
	{
		memset(p->y, 0, bytes);
		return;
	}
	switch (pooling)
	{
		case POOLING_MEAN:
			pool_sum(p, false, count);
			break;
		case POOLING_MEAN_SQRT_LEN_TOKENS:
			pool_sum(p, false, sqrt(count));
			break;
		case POOLING_WEIGHTEDMEAN:
			/* (first + 1) + ... + tokens */
			pool_sum(p, true, count * (first + 1.0 + (double) p->tokens) / 2.0);
			break;
		case POOLING_MAX:
			pool_max(p);
			break;
		case POOLING_CLS:
			memcpy(p->y, p->x + (p->first < p->tokens ? p->first : 0) * p->stride, bytes);
			break;
		case POOLING_LASTTOKEN:
			memcpy(p->y, p->x + (p->tokens - 1) * p->stride, bytes);
			break;
	}
}

static void
pool_item(void *argument, int64_t item, int thread)
{
	const op_pool_options *o = argument;
	int64_t parts = (o->n + ITEM_COLUMNS - 1) / ITEM_COLUMNS;
	int64_t sequence = item / parts, column = item % parts * ITEM_COLUMNS;
	pool_part part = {
		.x = o->x + o->offsets[sequence] * o->n + column,
		.stride = o->n,
		.columns = o->n - column < ITEM_COLUMNS ? o->n - column : ITEM_COLUMNS,
		.first = o->skip == NULL ? 0 : o->skip[sequence],
		.tokens = o->offsets[sequence + 1] - o->offsets[sequence],
		.y = o->y + sequence * o->y_stride + column,
	};

	(void) thread;
	pool_columns(o->pooling, &part);
}

bool
op_pool(tfm_context *context, const op_pool_options *options)
{
	op_pool_options o = *options;

	if (tfm_failed(context))
		return false;
	if (o.y_stride == 0)
		o.y_stride = o.n;
	if (o.n < 1 || o.batch < 0 || o.y_stride < o.n)
		return tfm_fail(context, TFM_INTERNAL, "pooling of %lld columns is impossible",
						(long long) o.n);
	for (int64_t i = 0; i < o.batch; i++)
		if (o.offsets[i] < 0 || o.offsets[i + 1] < o.offsets[i] ||
			(o.skip != NULL && o.skip[i] < 0))
			return tfm_fail(context, TFM_INTERNAL, "sequence %lld of the pooling is impossible",
							(long long) i);
	return threads_run(context, pool_item, &o, o.batch * ((o.n + ITEM_COLUMNS - 1) / ITEM_COLUMNS));
}
