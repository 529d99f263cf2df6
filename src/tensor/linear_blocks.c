/*
 * linear_blocks.c
 *	  Products of linear layers whose weights are ggml's blocks, with rows of x in whole numbers.
 *
 * First all rows are rounded in groups of 32: to 16 bits, which are multiplied as two bytes, or to 8
 * where the caller wants it coarse.  Then the panels are shared out; each meets all rows of an
 * item: few as it is, so that memory is read once and nothing is written in between; many with its
 * codes unpacked, a chunk of k at a time, which stays in the first level cache.  How the result is
 * cut does not touch the bits: a sum is one chain over k, wherever it is interrupted.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/linear_parts.h"

#include <string.h>

#include "base/size.h"
#include "base/threads.h"
#include "tensor/block_forms.h"

#define MOST_ROWS 512				/* rounded at a time */
#define ROUNDED_BYTES (1024 * 1024) /* wanted of them at most: they stay near */
#define FEW_ROWS 4					/* up to that many meet a panel as it is */
#define CHUNK 768					/* of k; whole blocks of 256 */
#define ITEM_ROWS 48				/* at least, where rows are shared out as well */
#define ITEMS_PER_THREAD 8			/* wanted: threads that do not run alike finish together */
#define ITEM_BYTES (256 * 1024)		/* of panels, at most */
#define ITEM_PRODUCTS (1 << 28)		/* at most: between them interrupts are seen */
#define ALONE_PRODUCTS (1 << 14)	/* elements of x that are rounded by one thread */
#define PREPARE_ROWS 4

typedef struct blocks_call
{
	const kernels *table;
	const op_linear_options *o;
	int64_t row, rows; /* rows of x at work */
	grouped_rows x;	   /* of them */
	int64_t panels;	   /* of all parts; with a gate of one */
	int64_t row_items, panel_items;
	int64_t item_rows; /* most of an item */
	char *scratch;	   /* [threads][scratch_bytes] */
	size_t scratch_bytes;
} blocks_call;

/* An item: its rows, and what its thread works with. */
typedef struct blocks_item
{
	const blocks_call *call;
	int64_t row, rows;
	float *sums[2]; /* of a panel, and of that of the gate's other part: [item_rows][32] */
	unpacked_blocks unpacked;
} blocks_item;

/* ---- Memory ---- */

/* Bytes of a row of x with its scales and sums. */
static size_t
rounded_row_size(int64_t k)
{
	size_t groups = (size_t) (k / BLOCK_STEP);

	return size_round_up(2 * (size_t) k + groups * (3 * sizeof(float) + 4 * sizeof(int32_t)), 64) +
		   64;
}

static grouped_rows
lay_out_rows(char *base, int64_t k, bool coarse)
{
	int64_t groups = k / BLOCK_STEP;
	float *numbers = (float *) (base + 2 * k);

	return (grouped_rows) {
		.high = (int8_t *) base,
		.low = coarse ? NULL : (int8_t *) base + k,
		.scales = numbers,
		.sums = (int32_t *) (numbers + groups),
		.scaled_sums = numbers + 2 * groups,
		.half_sums = (int32_t *) (numbers + 3 * groups),
		.scaled_half_sums = numbers + 5 * groups,
		.stride = (int64_t) rounded_row_size(k),
	};
}

/* The same, beginning with another row. */
static grouped_rows
rows_from(const grouped_rows *x, int64_t row)
{
	int64_t bytes = row * x->stride, words = bytes / (int64_t) sizeof(float);

	return (grouped_rows) {
		.high = x->high + bytes,
		.low = x->low == NULL ? NULL : x->low + bytes,
		.scales = x->scales + words,
		.sums = x->sums + words,
		.scaled_sums = x->scaled_sums + words,
		.half_sums = x->half_sums + words,
		.scaled_half_sums = x->scaled_half_sums + words,
		.stride = x->stride,
	};
}

/* From element first on. */
static grouped_rows
rows_after(const grouped_rows *x, int64_t first)
{
	int64_t group = first / BLOCK_STEP;

	return (grouped_rows) {
		.high = x->high + first,
		.low = x->low == NULL ? NULL : x->low + first,
		.scales = x->scales + group,
		.sums = x->sums + group,
		.scaled_sums = x->scaled_sums + group,
		.half_sums = x->half_sums + 2 * group,
		.scaled_half_sums = x->scaled_half_sums + 2 * group,
		.stride = x->stride,
	};
}

static bool
is_unpacked(const blocks_call *call)
{
	return call->item_rows > FEW_ROWS;
}

/* Lay out a thread's scratch at base; returns its bytes. */
static size_t
lay_out(blocks_item *item, const blocks_call *call, char *base)
{
	size_t used = 0, sums = (size_t) call->item_rows * PANEL_COLUMNS * sizeof(float);
	size_t codes = is_unpacked(call) ? CHUNK * PANEL_COLUMNS : 0;

	item->call = call;
	item->sums[0] = scratch_take(base, &used, sums);
	item->sums[1] = scratch_take(base, &used, call->o->gate ? sums : 0);
	item->unpacked.codes = scratch_take(base, &used, codes);
	/* of groups of 16 */
	item->unpacked.scales = scratch_take(base, &used, codes / 16 * sizeof(float));
	item->unpacked.minima = scratch_take(base, &used, codes / 16 * sizeof(float));
	return used;
}

/* ---- Rounding x ---- */

static void
prepare_item(void *argument, int64_t item, int thread)
{
	const blocks_call *call = argument;
	const op_linear_options *o = call->o;
	int64_t first = item * PREPARE_ROWS;
	int64_t end = first + PREPARE_ROWS < call->rows ? first + PREPARE_ROWS : call->rows;

	(void) thread;
	for (int64_t row = first; row < end; row++)
	{
		grouped_rows to = rows_from(&call->x, row);

		call->table->quantize_groups(o->x + (call->row + row) * o->x_stride, o->k, &to);
	}
}

static bool
prepare_rows(tfm_context *context, blocks_call *call)
{
	int64_t items = divide_up(call->rows, PREPARE_ROWS);

	if (call->rows * call->o->k > ALONE_PRODUCTS)
		return threads_run(context, prepare_item, call, items);
	for (int64_t item = 0; item < items; item++)
		prepare_item(call, item, 0);
	return true;
}

/* ---- Panels ---- */

static void
begin_sums(const panel_place *place, int64_t rows, float *sums)
{
	float bias[PANEL_COLUMNS] = {0};
	const float *start = panel_start(place, bias);

	for (int64_t r = 0; r < rows; r++)
		memcpy(sums + r * PANEL_COLUMNS, start == NULL ? bias : start, sizeof(bias));
}

/*
 * While a chunk is multiplied, what follows it in memory comes into the second level cache: the next
 * chunk, or the next panel's first.
 */
static void
fetch_next(blocks_item *item, const panel_place *place, int64_t first, int64_t count, int64_t tiles)
{
	int64_t k = item->call->o->k, next = first + count < k ? k - first - count : k;
	size_t block = place->size / (size_t) (k / BLOCK_STEP); /* of a step, nearly */
	size_t begin = block * (size_t) ((first + count) / BLOCK_STEP);
	size_t size = block * (size_t) ((next < CHUNK ? next : CHUNK) / BLOCK_STEP);

	item->unpacked.ahead = place->data + begin;
	item->unpacked.ahead_end = item->unpacked.ahead + size;
	item->unpacked.ahead_step = (int) (size / (size_t) (tiles * count / BLOCK_STEP));
}

static void
multiply_chunk(blocks_item *item, const panel_place *place, int64_t first, int64_t count,
			   float *sums)
{
	const kernels *table = item->call->table;
	tfm_dtype dtype = place->part->dtype;
	int64_t tiles = divide_up(item->rows, table->block_rows);
	grouped_rows x = rows_after(&item->call->x, first);

	table->unpack_blocks(dtype, place->data, first, count, &item->unpacked);
	fetch_next(item, place, first, count, tiles);
	for (int64_t tile = 0; tile < tiles; tile++)
	{
		int64_t r = item->rows * tile / tiles, end = item->rows * (tile + 1) / tiles;
		grouped_rows some = rows_from(&x, item->row + r);

		table->multiply_unpacked((int) (end - r), dtype, count, &some, &item->unpacked,
								 sums + r * PANEL_COLUMNS, PANEL_COLUMNS);
	}
}

/* sums[rows][32] of all rows of the item, with the bias. */
static void
multiply_panel(blocks_item *item, const panel_place *place, float *sums)
{
	const blocks_call *call = item->call;
	int64_t k = call->o->k;

	begin_sums(place, item->rows, sums);
	if (is_unpacked(call))
		for (int64_t first = 0; first < k; first += CHUNK)
			multiply_chunk(item, place, first, first + CHUNK < k ? CHUNK : k - first, sums);
	else
		for (int64_t r = 0; r < item->rows; r++)
		{
			grouped_rows x = rows_from(&call->x, item->row + r);

			call->table->multiply_blocks(place->part->dtype, k, &x, place->data,
										 sums + r * PANEL_COLUMNS);
		}
}

static void
finish_panel(const blocks_item *item, const panel_place *place, op_activation activation)
{
	const op_linear_options *o = item->call->o;
	int64_t row = item->call->row + item->row, column = place->number * PANEL_COLUMNS;
	linear_finish finish = {
		.activation = activation,
		.coarse = true,
		.residual = o->residual == NULL ? NULL : o->residual + row * o->residual_stride + column,
		.residual_stride = o->residual_stride,
		.y = place->part->y + row * place->part->y_stride + column,
		.y_stride = place->part->y_stride,
	};

	item->call->table->finish_linear(&finish, (int) item->rows, panel_columns(place),
									 item->sums[0]);
}

static void
run_panel(blocks_item *item, int64_t panel)
{
	const op_linear_options *o = item->call->o;
	panel_place place = find_panel(o, panel);

	multiply_panel(item, &place, item->sums[0]);
	if (!o->gate)
	{
		finish_panel(item, &place, o->activation);
		return;
	}
	place = place_panel(&o->parts[1], panel, o->k);
	multiply_panel(item, &place, item->sums[1]);
	item->call->table->gate(o->activation, true, item->sums[0], item->sums[1], item->sums[0],
							item->rows * PANEL_COLUMNS);
	place = place_panel(&o->parts[0], panel, o->k);
	finish_panel(item, &place, ACTIVATION_NONE);
}

static void
run_item(void *argument, int64_t number, int thread)
{
	const blocks_call *call = argument;
	int64_t row_item = number % call->row_items, panel_item = number / call->row_items;
	int64_t panel = call->panels * panel_item / call->panel_items;
	int64_t last = call->panels * (panel_item + 1) / call->panel_items;
	blocks_item item;

	lay_out(&item, call, call->scratch + (size_t) thread * call->scratch_bytes);
	item.row = call->rows * row_item / call->row_items;
	item.rows = call->rows * (row_item + 1) / call->row_items - item.row;
	for (; panel < last; panel++)
		run_panel(&item, panel);
}

/* ---- The call ---- */

/* How the rows at work and the panels are cut into items. */
static void
cut_items(blocks_call *call, int threads)
{
	const op_linear_options *o = call->o;
	int64_t wanted = threads > 1 ? (int64_t) threads * ITEMS_PER_THREAD : 1;
	int64_t panel_size = (int64_t) pack_panel_size(o->parts[0].dtype, o->k), most;

	call->panels = o->gate ? part_panels(&o->parts[0]) : count_panels(o);
	call->row_items = threads > 1 ? divide_up(threads * 2, call->panels) : 1;
	if (call->row_items > call->rows / ITEM_ROWS)
		call->row_items = call->rows / ITEM_ROWS;
	if (call->row_items < 1)
		call->row_items = 1;
	call->item_rows = divide_up(call->rows, call->row_items);
	most = ITEM_PRODUCTS / (call->item_rows * o->k * PANEL_COLUMNS);
	if (most > ITEM_BYTES / panel_size)
		most = ITEM_BYTES / panel_size;
	call->panel_items = divide_up(call->panels, most < 1 ? 1 : most);
	if (call->panel_items < wanted)
		call->panel_items = wanted;
	if (call->panel_items > call->panels)
		call->panel_items = call->panels;
}

/* The rows from call->row on. */
static bool
run_rows(tfm_context *context, blocks_call *call)
{
	int threads = cpu_threads(context);
	size_t row_size = rounded_row_size(call->o->k);
	blocks_item layout;
	char *rows;

	cut_items(call, threads);
	call->scratch_bytes = lay_out(&layout, call, NULL);
	call->scratch = tfm_alloc_array(context, (size_t) threads, call->scratch_bytes);
	rows = tfm_alloc_array(context, (size_t) call->rows, row_size);
	if (tfm_failed(context))
		return false;
	call->x = lay_out_rows(rows, call->o->k, call->o->coarse);
	return prepare_rows(context, call) &&
		   threads_run(context, run_item, call, call->row_items * call->panel_items);
}

bool
linear_run_blocks(tfm_context *context, const op_linear_options *o)
{
	int64_t most = ROUNDED_BYTES / (int64_t) rounded_row_size(o->k);
	bool done = true;

	most = most > MOST_ROWS ? MOST_ROWS : most < 2 * ITEM_ROWS ? 2 * ITEM_ROWS : most;
	for (int64_t row = 0; row < o->rows && done; row += most)
	{
		blocks_call call = {.table = cpu_kernels(context), .o = o, .row = row};
		arena_mark mark = arena_save(context->arena);

		call.rows = o->rows - row < most ? o->rows - row : most;
		done = run_rows(context, &call);
		arena_restore(context->arena, mark);
	}
	return done;
}
