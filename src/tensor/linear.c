/*
 * linear.c
 *	  A linear layer: the result is cut into items of some rows by some panels, each item into tiles
 *	  that fit into registers.
 *
 * How it is cut follows the caches and the threads and does not touch the bits: every element is
 * summed by one kernel call over all of k.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/linear.h"

#include <string.h>

#include "base/size.h"
#include "base/threads.h"
#include "tensor/kernels.h"

#define ITEM_ROWS 56				  /* about so many, in whole tiles */
#define ITEM_PANEL_BYTES (256 * 1024) /* of panels, which stay in the second level cache */
#define ITEMS_PER_THREAD 4			  /* at least, where the result is large enough */

/*
 * Rows so many floats apart share a few sets of the first level cache and drive each other out; they
 * are copied to rows with padding between them.
 */
#define COLLIDING_STRIDE 1024
#define COPY_PADDING 16

typedef struct linear_call
{
	const kernels *table;
	op_linear_options o; /* strides filled in */
	int64_t panels;
	int64_t item_rows;
	int64_t item_panels;
	int64_t row_items;	/* items in the direction of rows */
	float *copies;		/* [threads][rows of a tile][k + COPY_PADDING], or NULL */
	size_t copy_floats; /* of one thread */
} linear_call;

bool
op_linear_panels_size(tfm_dtype dtype, int64_t n, int64_t k, size_t *size)
{
	size_t columns;

	if (dtype != DTYPE_F32 || n < 1 || k < 1 || n > INT64_MAX / 2)
		return false;
	columns = size_round_up((size_t) n, PANEL_COLUMNS);
	return size_multiply(columns, (size_t) k, size) && size_multiply(*size, sizeof(float), size) &&
		   *size <= INT64_MAX;
}

void
op_pack_linear(const float *w, int64_t n, int64_t k, float *panels)
{
	for (int64_t first = 0; first < n; first += PANEL_COLUMNS)
	{
		int64_t columns = n - first < PANEL_COLUMNS ? n - first : PANEL_COLUMNS;
		float *panel = panels + first * k;

		if (columns < PANEL_COLUMNS)
			memset(panel, 0, (size_t) (k * PANEL_COLUMNS) * sizeof(float));
		for (int64_t j = 0; j < columns; j++)
			for (int64_t i = 0; i < k; i++)
				panel[i * PANEL_COLUMNS + j] = w[(first + j) * k + i];
	}
}

/* Rows first .. first + rows - 1 of x for the kernel, and their stride. */
static const float *
tile_rows(const linear_call *call, int64_t first, int rows, int thread, int64_t *stride)
{
	const float *x = call->o.x + first * call->o.x_stride;
	float *copy;

	*stride = call->o.x_stride;
	if (call->copies == NULL)
		return x;
	copy = call->copies + (size_t) thread * call->copy_floats;
	*stride = call->o.k + COPY_PADDING;
	for (int r = 0; r < rows; r++)
		memcpy(copy + r * *stride, x + r * call->o.x_stride, (size_t) call->o.k * sizeof(float));
	return copy;
}

static void
run_tile(const linear_call *call, const float *x, int64_t x_stride, int64_t row, int rows,
		 int64_t panel)
{
	const op_linear_options *o = &call->o;
	const float *panels = o->panels;
	int64_t column = panel * PANEL_COLUMNS;
	int columns = o->n - column < PANEL_COLUMNS ? (int) (o->n - column) : PANEL_COLUMNS;
	float tile[KERNEL_MAX_ROWS * PANEL_COLUMNS] __attribute__((aligned(64)));
	linear_finish finish = {
		.bias = o->bias == NULL ? NULL : o->bias + column,
		.activation = o->activation,
		.residual = o->residual == NULL ? NULL : o->residual + row * o->residual_stride + column,
		.residual_stride = o->residual_stride,
		.y = o->y + row * o->y_stride + column,
		.y_stride = o->y_stride,
	};

	call->table->multiply(rows, o->k, x, x_stride, panels + column * o->k, tile, PANEL_COLUMNS);
	call->table->finish_linear(&finish, rows, columns, tile);
}

static void
run_item(void *argument, int64_t item, int thread)
{
	const linear_call *call = argument;
	int64_t row = item % call->row_items * call->item_rows;
	int64_t last_row = row + call->item_rows < call->o.rows ? row + call->item_rows : call->o.rows;
	int64_t panel = item / call->row_items * call->item_panels;
	int64_t last_panel = panel + call->item_panels;

	if (last_panel > call->panels)
		last_panel = call->panels;
	for (int rows; row < last_row; row += rows)
	{
		const float *x;
		int64_t stride;

		rows = last_row - row < call->table->rows ? (int) (last_row - row) : call->table->rows;
		x = tile_rows(call, row, rows, thread, &stride);
		for (int64_t p = panel; p < last_panel; p++)
			run_tile(call, x, stride, row, rows, p);
	}
}

/* How the result is cut; returns the number of items. */
static int64_t
cut_items(linear_call *call, int threads)
{
	int64_t tile = call->table->rows, wanted = threads > 1 ? threads * ITEMS_PER_THREAD : 1;
	int64_t panel_bytes = call->o.k * PANEL_COLUMNS * (int64_t) sizeof(float);

	call->panels = (call->o.n + PANEL_COLUMNS - 1) / PANEL_COLUMNS;
	call->item_rows = (ITEM_ROWS + tile - 1) / tile * tile;
	call->row_items = (call->o.rows + call->item_rows - 1) / call->item_rows;
	call->item_panels = ITEM_PANEL_BYTES / panel_bytes;
	if (call->item_panels > call->panels * call->row_items / wanted)
		call->item_panels = call->panels * call->row_items / wanted;
	if (call->item_panels < 1)
		call->item_panels = 1;
	return call->row_items * ((call->panels + call->item_panels - 1) / call->item_panels);
}

static bool
check_options(tfm_context *context, const op_linear_options *o)
{
	size_t size;

	if (o->dtype != DTYPE_F32)
		return tfm_fail(context, TFM_UNSUPPORTED, "linear layers with weights of type %d",
						(int) o->dtype);
	if (o->rows < 0 || !op_linear_panels_size(o->dtype, o->n, o->k, &size) || o->x_stride < o->k ||
		o->y_stride < o->n || (o->residual != NULL && o->residual_stride < o->n))
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
	if (o->x_stride % COLLIDING_STRIDE == 0 && o->rows > 1)
	{
		call.copy_floats = (size_t) call.table->rows * (size_t) (o->k + COPY_PADDING);
		call.copies = tfm_alloc_array(context, (size_t) threads, call.copy_floats * sizeof(float));
		if (call.copies == NULL)
			return false;
	}
	done = threads_run(context, run_item, &call, items);
	arena_restore(context->arena, mark);
	return done;
}
