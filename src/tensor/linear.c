/*
 * linear.c
 *	  A linear layer: the result is cut into items of some rows by some panels, each item into tiles
 *	  that fit into registers.
 *
 * How it is cut follows the caches and the threads and does not touch the bits: the sum of an element
 * is cut into chunks of k by the length of k alone, and within a chunk it is one kernel call.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/linear.h"

#include <string.h>

#include "base/threads.h"
#include "tensor/kernels.h"
#include "tensor/pack.h"

#define CHUNK 384					  /* longest chunk of k; the results' bits depend on it */
#define ITEM_ROWS 56				  /* about so many, in whole tiles */
#define ITEM_PANEL_BYTES (256 * 1024) /* of panels' chunks: they stay in the second level cache */
#define ITEM_MAX_PANELS 16			  /* bounds the sums of an item */
#define ITEMS_PER_THREAD 4			  /* at least, where the result is large enough */

/*
 * Rows so many floats apart share a few sets of the first level cache and drive each other out; they
 * are copied to rows with padding between them.
 */
#define COLLIDING_STRIDE 1024
#define COPY_STRIDE (CHUNK + 16)

typedef struct linear_call
{
	const kernels *table;
	op_linear_options o; /* strides filled in */
	int64_t panels;
	int64_t chunks;
	int64_t item_rows;
	int64_t item_panels;
	int64_t row_items; /* items in the direction of rows */
	bool copy;		   /* rows of x collide */
	float *scratch;	   /* [threads][copy_floats + sum_floats] */
	size_t copy_floats;
	size_t sum_floats;
} linear_call;

/* An item: its place, and what the thread that runs it works with. */
typedef struct linear_item
{
	const linear_call *call;
	int64_t row, last_row;
	int64_t panel, last_panel;
	float *copy; /* [rows of a tile][COPY_STRIDE] */
	float *sums; /* [item_rows][item_panels][32], tile by tile */
} linear_item;

/* A chunk of rows of x for the kernel, and their stride. */
static const float *
chunk_rows(const linear_item *item, int64_t row, int rows, int64_t first, int64_t count,
		   int64_t *stride)
{
	const op_linear_options *o = &item->call->o;
	const float *x = o->x + row * o->x_stride + first;

	*stride = o->x_stride;
	if (!item->call->copy)
		return x;
	*stride = COPY_STRIDE;
	for (int r = 0; r < rows; r++)
		memcpy(item->copy + r * COPY_STRIDE, x + r * o->x_stride, (size_t) count * sizeof(float));
	return item->copy;
}

static void
finish_tile(const linear_call *call, int64_t row, int rows, int64_t panel, float *tile)
{
	const op_linear_options *o = &call->o;
	int64_t column = panel * PANEL_COLUMNS;
	int columns = o->n - column < PANEL_COLUMNS ? (int) (o->n - column) : PANEL_COLUMNS;
	linear_finish finish = {
		.bias = o->bias == NULL ? NULL : o->bias + column,
		.activation = o->activation,
		.residual = o->residual == NULL ? NULL : o->residual + row * o->residual_stride + column,
		.residual_stride = o->residual_stride,
		.y = o->y + row * o->y_stride + column,
		.y_stride = o->y_stride,
	};

	call->table->finish_linear(&finish, rows, columns, tile);
}

/* One chunk of k for some rows and all panels of the item. */
static void
run_rows(const linear_item *item, int64_t row, int rows, int64_t chunk)
{
	const linear_call *call = item->call;
	const float *panels = call->o.panels;
	int64_t first = call->o.k * chunk / call->chunks;
	int64_t count = call->o.k * (chunk + 1) / call->chunks - first, stride;
	const float *x = chunk_rows(item, row, rows, first, count, &stride);
	float *sums = item->sums + (row - item->row) * call->item_panels * PANEL_COLUMNS;

	for (int64_t p = item->panel; p < item->last_panel; p++, sums += rows * PANEL_COLUMNS)
	{
		call->table->multiply(rows, count, x, stride,
							  panels + (p * call->o.k + first) * PANEL_COLUMNS, chunk > 0, sums,
							  PANEL_COLUMNS);
		if (chunk == call->chunks - 1)
			finish_tile(call, row, rows, p, sums);
	}
}

static void
run_item(void *argument, int64_t number, int thread)
{
	const linear_call *call = argument;
	linear_item item = {.call = call};

	item.row = number % call->row_items * call->item_rows;
	item.last_row = item.row + call->item_rows;
	if (item.last_row > call->o.rows)
		item.last_row = call->o.rows;
	item.panel = number / call->row_items * call->item_panels;
	item.last_panel = item.panel + call->item_panels;
	if (item.last_panel > call->panels)
		item.last_panel = call->panels;
	item.copy = call->scratch + (size_t) thread * (call->copy_floats + call->sum_floats);
	item.sums = item.copy + call->copy_floats;
	for (int64_t chunk = 0; chunk < call->chunks; chunk++)
		for (int64_t row = item.row; row < item.last_row; row += call->table->rows)
		{
			int64_t left = item.last_row - row;

			run_rows(&item, row, left < call->table->rows ? (int) left : call->table->rows, chunk);
		}
}

/* How the result is cut; returns the number of items. */
static int64_t
cut_items(linear_call *call, int threads)
{
	int64_t tile = call->table->rows, wanted = threads > 1 ? threads * ITEMS_PER_THREAD : 1;
	int64_t chunk_bytes;

	call->panels = (call->o.n + PANEL_COLUMNS - 1) / PANEL_COLUMNS;
	call->chunks = (call->o.k + CHUNK - 1) / CHUNK;
	chunk_bytes = call->o.k / call->chunks * PANEL_COLUMNS * (int64_t) sizeof(float);
	call->item_rows = (ITEM_ROWS + tile - 1) / tile * tile;
	call->row_items = (call->o.rows + call->item_rows - 1) / call->item_rows;
	call->item_panels = ITEM_PANEL_BYTES / chunk_bytes;
	if (call->item_panels > ITEM_MAX_PANELS)
		call->item_panels = ITEM_MAX_PANELS;
	if (call->item_panels > call->panels * call->row_items / wanted)
		call->item_panels = call->panels * call->row_items / wanted;
	if (call->item_panels < 1)
		call->item_panels = 1;
	call->copy = call->o.x_stride % COLLIDING_STRIDE == 0 && call->o.rows > 1;
	call->copy_floats = call->copy ? (size_t) tile * COPY_STRIDE : 0;
	call->sum_floats = (size_t) (call->item_rows * call->item_panels * PANEL_COLUMNS);
	return call->row_items * ((call->panels + call->item_panels - 1) / call->item_panels);
}

static bool
check_options(tfm_context *context, const op_linear_options *o)
{
	size_t size;

	if (o->dtype != DTYPE_F32)
		return tfm_fail(context, TFM_UNSUPPORTED, "linear layers with weights of type %d",
						(int) o->dtype);
	if (o->rows < 0 || !weight_size(o->dtype, LAYOUT_PANELS, 2, (int64_t[]) {o->n, o->k}, &size) ||
		o->x_stride < o->k || o->y_stride < o->n ||
		(o->residual != NULL && o->residual_stride < o->n))
		return tfm_fail(context, TFM_INTERNAL,
						"linear layer of %lld rows, %lld columns from %lld is impossible",
						(long long) o->rows, (long long) o->n, (long long) o->k);
	return true;
}

bool
op_linear(tfm_context *context, const op_linear_options *options)
{
	linear_call call = {.table = cpu_kernels(context), .o = *options};
	op_linear_options *o = &call.o;
	int threads = cpu_threads(context);
	arena_mark mark;
	int64_t items;
	bool done;

	if (tfm_failed(context))
		return false;
	o->dtype = o->dtype == 0 ? DTYPE_F32 : o->dtype;
	o->x_stride = o->x_stride == 0 ? o->k : o->x_stride;
	o->y_stride = o->y_stride == 0 ? o->n : o->y_stride;
	o->residual_stride = o->residual_stride == 0 ? o->n : o->residual_stride;
	if (!check_options(context, o))
		return false;

	items = cut_items(&call, threads);
	mark = arena_save(context->arena);
	call.scratch = tfm_alloc_array(context, (size_t) threads,
								   (call.copy_floats + call.sum_floats) * sizeof(float));
	done = call.scratch != NULL && threads_run(context, run_item, &call, items);
	arena_restore(context->arena, mark);
	return done;
}
