/*
 * embed.c
 *	  Rows of tables, added and normalised while they are in the cache.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/embed.h"

#include <string.h>

#include "base/threads.h"
#include "tensor/kernels.h"
#include "tensor/pack.h"

#define ITEM_ROWS 16

typedef struct embed_call
{
	const kernels *table;
	const op_embed_options *o;
	norm_rows norm;
	float *rows; /* [threads][n], for rows that are taken apart first; or NULL */
} embed_call;

static tfm_dtype
type_of(const op_embed_table *table)
{
	return table->dtype == 0 ? DTYPE_F32 : table->dtype;
}

static weight_layout
layout_of(const op_embed_table *table)
{
	return table->layout == 0 ? LAYOUT_ROWS : table->layout;
}

/* Whether a row of the table does not lie as the kernel takes it. */
static bool
is_apart(const op_embed_table *table)
{
	return layout_of(table) != LAYOUT_ROWS || dtype_size(type_of(table)) == 0;
}

/* Add a token's row of a table to y, or begin with it. */
static void
take_table_row(const embed_call *call, int i, int64_t token, int thread, float *y)
{
	const op_embed_table *t = &call->o->tables[i];
	int64_t row = t->ids == NULL ? 0 : t->ids[token], n = call->o->n;
	tfm_dtype dtype = type_of(t);
	const void *from;

	if (is_apart(t))
	{
		float *apart = call->rows + thread * n;

		pack_read_row(dtype, layout_of(t), t->table, row, n, apart);
		dtype = DTYPE_F32;
		from = apart;
	}
	else
		from = (const char *) t->table + (size_t) row * pack_row_size(dtype, n);
	call->table->take_row(dtype, from, n, t->scale == 0.0f ? 1.0f : t->scale, i > 0, y);
}

static void
embed_item(void *argument, int64_t item, int thread)
{
	const embed_call *call = argument;
	const op_embed_options *o = call->o;
	int64_t first = item * ITEM_ROWS;
	int64_t end = first + ITEM_ROWS < o->tokens ? first + ITEM_ROWS : o->tokens;

	for (int64_t token = first; token < end; token++)
	{
		float *y = o->y + token * o->n;

		for (int i = 0; i < EMBED_MAX_TABLES && o->tables[i].table != NULL; i++)
			take_table_row(call, i, token, thread, y);
		if (o->norm_weight != NULL)
			call->table->layer_norm(&call->norm, y, NULL, y);
	}
}

/* Each of ids must be the number of one of count rows. */
static bool
check_ids(tfm_context *context, const int32_t *ids, int64_t ids_count, int64_t count)
{
	for (int64_t i = 0; i < ids_count; i++)
		if (ids[i] < 0 || ids[i] >= count)
			return tfm_fail(context, TFM_INVALID_ARGUMENT,
							"id %ld is out of range, the table has %lld rows", (long) ids[i],
							(long long) count);
	return true;
}

static bool
check_embed(tfm_context *context, const op_embed_options *o)
{
	int64_t count;
	size_t size;

	if (o->tokens < 0 || o->n < 1 || o->tables[0].table == NULL ||
		__builtin_mul_overflow(o->tokens, o->n, &count))
		return tfm_fail(context, TFM_INTERNAL, "embedding of %lld tokens in %lld is impossible",
						(long long) o->tokens, (long long) o->n);
	for (int i = 0; i < EMBED_MAX_TABLES && o->tables[i].table != NULL; i++)
	{
		const op_embed_table *t = &o->tables[i];

		if (!weight_size(type_of(t), layout_of(t), 2, (int64_t[]) {t->count, o->n}, &size))
			return tfm_fail(context, TFM_INTERNAL, "embedding table %d is impossible", i);
		if (t->ids != NULL && !check_ids(context, t->ids, o->tokens, t->count))
			return false;
	}
	return true;
}

bool
op_embed(tfm_context *context, const op_embed_options *o)
{
	embed_call call = {
		.table = cpu_kernels(context),
		.o = o,
		.norm = {.n = o->n, .weight = o->norm_weight, .bias = o->norm_bias, .eps = o->norm_eps},
	};

	int threads = cpu_threads(context);
	arena_mark mark;
	bool done;

	if (tfm_failed(context) || !check_embed(context, o))
		return false;
	mark = arena_save(context->arena);
	for (int i = 0; i < EMBED_MAX_TABLES && o->tables[i].table != NULL; i++)
		if (is_apart(&o->tables[i]) && call.rows == NULL)
			call.rows = tfm_alloc_array(context, (size_t) threads, (size_t) o->n * sizeof(float));
	done = threads_run(context, embed_item, &call, (o->tokens + ITEM_ROWS - 1) / ITEM_ROWS);
	arena_restore(context->arena, mark);
	return done;
}

bool
op_gather_rows(tfm_context *context, const float *x, int64_t x_rows, int64_t x_stride, int64_t n,
			   const int32_t *rows, int64_t count, float *y)
{
	if (tfm_failed(context) || !check_ids(context, rows, count, x_rows))
		return false;
	if (x_stride == 0)
		x_stride = n;
	for (int64_t i = 0; i < count; i++)
		memcpy(y + i * n, x + rows[i] * x_stride, (size_t) n * sizeof(float));
	return !tfm_stopped(context);
}
