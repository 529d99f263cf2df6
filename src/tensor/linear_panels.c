/*
 * linear_panels.c
 *	  Products of linear layers: the result is cut into items of some rows by some panels, each panel
 *	  of an item into tiles that fit into registers.
 *
 * How it is cut follows the caches and the threads and does not touch the bits: the sum of an element
 * is cut into chunks of k by the length of k alone, and within a chunk it is one kernel call.
 *
 * An item first brings its rows of x into the form that the kernel takes, in its scratch; then it
 * goes from panel to panel.  A panel stays in the first level cache, or close to it, while all of
 * the item's rows meet it; weights that are kept in another type are unpacked there.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/linear_parts.h"

#include <stdatomic.h>
#include <string.h>

#include "base/size.h"
#include "base/threads.h"

/*
 * An item has so many rows at most, in whole tiles, and fewer for the sake of balance: threads that
 * do not run alike finish within an item of each other.  Rows are prepared once for each item, so
 * panels are shared out only where rows are few.
 */
#define ITEM_ROWS 56
#define ITEM_ROW_BYTES (256 * 1024) /* of prepared rows: they stay in the second level cache */
#define ROW_ITEMS_PER_THREAD 16		/* wanted, of one tile or more */
#define ITEMS_PER_THREAD 2			/* at least, where the result is large enough */
#define ITEM_PRODUCTS (1 << 28)		/* of elements, at most: between them interrupts are seen */

#define ROW_PADDING 64 /* bytes after a prepared row, so that rows do not collide */

/* Forms in which rows and panels are multiplied. */
typedef enum product
{
	PRODUCT_F32,
	PRODUCT_ROUNDED, /* in f32, of rows and weights that are rounded to bf16 */
	PRODUCT_BF16,
	PRODUCT_I8
} product;

static const struct
{
	int64_t chunk;		/* longest chunk of k; the results' bits depend on it */
	size_t element;		/* bytes of an element of rows and panels */
	tfm_dtype unpacked; /* panels of this type are multiplied as they are */
} products[] = {
	[PRODUCT_F32] = {384, sizeof(float), DTYPE_F32},
	[PRODUCT_ROUNDED] = {384, sizeof(float), 0},
	[PRODUCT_BF16] = {768, sizeof(uint16_t), DTYPE_BF16},
	[PRODUCT_I8] = {PACK_I8_MAX_K, sizeof(uint8_t), DTYPE_I8},
};

typedef struct linear_call
{
	const kernels *table;
	product product;
	size_t element;		 /* of the product */
	op_linear_options o; /* defaults filled in */
	int64_t panels;		 /* of all parts together */
	int64_t chunks;
	int64_t row_items;	 /* items in the direction of rows */
	int64_t panel_items; /* and of panels */
	int64_t item_rows;	 /* most rows of an item */
	bool prepare;		 /* rows of x are copied or rounded */
	bool unpack;		 /* panels are unpacked */
	norm_rows norm;
	_Atomic int64_t *unfinished; /* [row_items] items that the norm of their rows waits for */
	char *scratch;				 /* [threads][scratch_bytes] */
	size_t scratch_bytes;
} linear_call;

/* An item: its place, and what the thread that runs it works with. */
typedef struct linear_item
{
	const linear_call *call;
	int64_t row, last_row;
	int64_t panel, last_panel;
	char *rows; /* prepared, row_bytes apart */
	size_t row_bytes;
	float *scales; /* of rows of bytes [item_rows] */
	int32_t *zeros;
	float *sums;	/* of a panel: [item_rows][32] */
	float *plain;	/* a panel's chunk in f32, on its way to bf16 */
	void *unpacked; /* a panel's chunk as the kernel takes it */
} linear_item;

/* A range of k. */
typedef struct chunk
{
	int64_t first, count;
	bool last;
} chunk;

/* ---- Scratch ---- */

/* Lay out a thread's scratch at base; returns its bytes. */
static size_t
lay_out(linear_item *item, const linear_call *call, char *base)
{
	size_t rows = (size_t) call->item_rows, used = 0;
	/* the longest chunk: cut at multiples of 4, and filled up to an even number */
	size_t panel = (size_t) (call->o.k / call->chunks + 8) * PANEL_COLUMNS;
	bool by_way = call->unpack && call->product == PRODUCT_BF16;

	item->call = call;
	item->row_bytes = size_round_up((size_t) call->o.k * call->element, 8) + ROW_PADDING;
	item->rows = scratch_take(base, &used, call->prepare ? rows * item->row_bytes : 0);
	item->scales = scratch_take(base, &used, rows * sizeof(float));
	item->zeros = scratch_take(base, &used, rows * sizeof(int32_t));
	item->sums = scratch_take(base, &used, rows * PANEL_COLUMNS * sizeof(float));
	item->plain = scratch_take(base, &used, by_way ? panel * sizeof(float) : 0);
	item->unpacked = scratch_take(base, &used, call->unpack ? panel * call->element : 0);
	return used;
}

/* ---- Rows and panels in the kernel's form ---- */

/* Row r of the item, whole. */
static void
prepare_row(const linear_item *item, int64_t r)
{
	const linear_call *call = item->call;
	const kernels *table = call->table;
	int64_t k = call->o.k;
	const float *x = call->o.x + (item->row + r) * call->o.x_stride;
	void *to = item->rows + (size_t) r * item->row_bytes;

	switch (call->product)
	{
		case PRODUCT_F32:
			memcpy(to, x, (size_t) k * sizeof(float));
			break;
		case PRODUCT_ROUNDED:
			table->round_bf16(x, to, k);
			break;
		case PRODUCT_BF16:
			table->to_bf16(x, to, k);
			if (k % 2 != 0)
				((uint16_t *) to)[k] = 0;
			break;
		case PRODUCT_I8:
			table->quantize(x, k, to, &item->scales[r], &item->zeros[r]);
	}
}

/* Chunks start at multiples of 4: what panels keep together is not cut. */
static chunk
find_chunk(const linear_call *call, int64_t number)
{
	int64_t first = call->o.k * number / call->chunks / 4 * 4;
	int64_t end = call->o.k * (number + 1) / call->chunks / 4 * 4;
	bool last = number == call->chunks - 1;

	return (chunk) {.first = first, .count = (last ? call->o.k : end) - first, .last = last};
}

/* Whether a part's panels are multiplied as they are: one row is all that unpacking would serve. */
static bool
is_halves(const linear_call *call, const op_linear_part *part)
{
	return call->o.rows == 1 && call->unpack &&
		   ((call->product == PRODUCT_F32 && part->dtype == DTYPE_F16) ||
			((call->product == PRODUCT_F32 || call->product == PRODUCT_ROUNDED) &&
			 part->dtype == DTYPE_BF16));
}

/* A chunk of a panel as the kernel takes it. */
static const void *
chunk_panel(const linear_item *item, const panel_place *place, const chunk *c)
{
	const linear_call *call = item->call;
	const kernels *table = call->table;
	float *plain = call->product == PRODUCT_BF16 ? item->plain : item->unpacked;

	if (is_halves(call, place->part))
		return place->data + (size_t) c->first * PANEL_COLUMNS * sizeof(uint16_t);
	if (!call->unpack)
		return place->data + (size_t) c->first * PANEL_COLUMNS * call->element;
	table->unpack(place->part->dtype, place->data, call->o.k, c->first, c->count, plain);
	if (call->product == PRODUCT_ROUNDED)
		table->round_bf16(plain, plain, c->count * PANEL_COLUMNS);
	else if (call->product == PRODUCT_BF16)
	{
		if (c->count % 2 != 0)
			memset(plain + c->count * PANEL_COLUMNS, 0, PANEL_COLUMNS * sizeof(float));
		table->pack_bf16(c->count + c->count % 2, plain, item->unpacked);
	}
	return item->unpacked;
}

/* ---- Tiles and items ---- */

/* The sums of rows r .. r + rows - 1 of the item become those of y. */
static void
finish_tile(const linear_item *item, int64_t r, int rows, const panel_place *place,
			const float *start, const float *sums)
{
	const linear_call *call = item->call;
	const op_linear_options *o = &call->o;
	const op_linear_part *part = place->part;
	int64_t row = item->row + r, column = place->number * PANEL_COLUMNS;
	int columns = part->n - column < PANEL_COLUMNS ? (int) (part->n - column) : PANEL_COLUMNS;
	linear_finish finish = {
		.activation = o->activation,
		.coarse = call->product != PRODUCT_F32,
		.residual = o->residual == NULL ? NULL : o->residual + row * o->residual_stride + column,
		.residual_stride = o->residual_stride,
		.y = part->y + row * part->y_stride + column,
		.y_stride = part->y_stride,
	};

	if (call->product == PRODUCT_I8)
	{
		const float *trailer = (const float *) (place->data + place->size) - 2 * PANEL_COLUMNS;
		quantized_rows x = {item->scales + r, item->zeros + r};
		quantized_columns w = {trailer, (const int32_t *) (trailer + PANEL_COLUMNS)};

		call->table->finish_linear_i8(&finish, rows, columns, &x, &w, start,
									  (const int32_t *) sums);
	}
	else
		call->table->finish_linear(&finish, rows, columns, sums);
}

/*
 * Rows r .. r + rows - 1 of the item times a chunk of a panel.  A first chunk begins with start; what
 * is there already is added to the others, and where add says so.
 */
static void
multiply_tile(const linear_item *item, int64_t r, int rows, const chunk *c,
			  const op_linear_part *part, const void *panel, const float *start, bool add,
			  float *to, int64_t stride)
{
	const linear_call *call = item->call;
	const kernels *table = call->table;
	const char *prepared = item->rows + (size_t) r * item->row_bytes;
	const void *x = prepared + (size_t) c->first * call->element;
	int64_t x_stride = (int64_t) (item->row_bytes / call->element);

	if (!call->prepare)
	{
		x = call->o.x + (item->row + r) * call->o.x_stride + c->first;
		x_stride = call->o.x_stride;
	}
	if (c->first > 0)
	{
		start = NULL;
		add = true;
	}
	if (is_halves(call, part))
	{
		table->multiply_halves(part->dtype, c->count, x, panel, start, add, to);
		return;
	}
	switch (call->product)
	{
		case PRODUCT_F32:
		case PRODUCT_ROUNDED:
			table->multiply(rows, c->count, x, x_stride, panel, start, add, to, stride);
			break;
		case PRODUCT_BF16:
			table->multiply_bf16(rows, c->count + c->count % 2, x, x_stride, panel, start, add, to,
								 stride);
			break;
		case PRODUCT_I8:
			table->multiply_i8(rows, (c->count + 3) / 4 * 4, x, x_stride, panel, (int32_t *) to,
							   stride);
	}
}

/* Whether sums can be made where they belong: nothing is done to them but adding what is there. */
static bool
is_direct(const linear_call *call, const panel_place *place)
{
	const op_linear_options *o = &call->o;
	const op_linear_part *part = place->part;

	return call->product != PRODUCT_I8 && call->chunks == 1 && o->activation == ACTIVATION_NONE &&
		   (place->number + 1) * PANEL_COLUMNS <= part->n &&
		   (o->residual == NULL ||
			(o->residual == part->y && o->residual_stride == part->y_stride));
}

/* All rows of the item, in tiles of about the same number of rows, times one panel. */
static void
run_panel(const linear_item *item, int64_t panel)
{
	const linear_call *call = item->call;
	panel_place place = find_panel(&call->o, panel);
	const op_linear_part *part = place.part;
	int64_t rows = item->last_row - item->row, most = call->table->rows;
	int64_t tiles = (rows + most - 1) / most;
	bool direct = is_direct(call, &place);
	float bias[PANEL_COLUMNS];
	const float *start = panel_start(&place, bias);

	for (int64_t i = 0; i < call->chunks; i++)
	{
		chunk c = find_chunk(call, i);
		const void *data = chunk_panel(item, &place, &c);

		for (int64_t tile = 0; tile < tiles; tile++)
		{
			int64_t r = rows * tile / tiles;
			int count = (int) (rows * (tile + 1) / tiles - r);
			/* where there is one chunk, sums need not outlive the tile */
			float *sums = item->sums + (call->chunks > 1 ? r * PANEL_COLUMNS : 0);

			if (direct)
			{
				float *y =
					part->y + (item->row + r) * part->y_stride + place.number * PANEL_COLUMNS;

				multiply_tile(item, r, count, &c, part, data, start, call->o.residual != NULL, y,
							  part->y_stride);
				continue;
			}
			multiply_tile(item, r, count, &c, part, data, start, false, sums, PANEL_COLUMNS);
			if (c.last)
				finish_tile(item, r, count, &place, start, sums);
		}
	}
}

/* The last of the items that share these rows norms them, while they are in the cache. */
static void
norm_finished_rows(const linear_item *item, int64_t row_item)
{
	const linear_call *call = item->call;
	const op_linear_part *part = &call->o.parts[0];

	if (atomic_fetch_sub(&call->unfinished[row_item], 1) > 1)
		return;
	for (int64_t row = item->row; row < item->last_row; row++)
	{
		float *y = part->y + row * part->y_stride;

		call->table->layer_norm(&call->norm, y, NULL, y);
	}
}

static void
run_item(void *argument, int64_t number, int thread)
{
	const linear_call *call = argument;
	int64_t row_item = number / call->panel_items, panel_item = number % call->panel_items;
	linear_item item;

	lay_out(&item, call, call->scratch + (size_t) thread * call->scratch_bytes);
	item.row = call->o.rows * row_item / call->row_items;
	item.last_row = call->o.rows * (row_item + 1) / call->row_items;
	item.panel = call->panels * panel_item / call->panel_items;
	item.last_panel = call->panels * (panel_item + 1) / call->panel_items;
	for (int64_t r = 0; call->prepare && r < item.last_row - item.row; r++)
		prepare_row(&item, r);
	for (int64_t panel = item.panel; panel < item.last_panel; panel++)
		run_panel(&item, panel);
	if (call->o.norm_weight != NULL)
		norm_finished_rows(&item, row_item);
}

/* ---- The call ---- */

/* Products of elements that all columns of an item's rows take. */
static int64_t
products_of_rows(const linear_call *call)
{
	return call->item_rows * call->panels * PANEL_COLUMNS * call->o.k;
}

/* How the result is cut; returns the number of items. */
static int64_t
cut_items(linear_call *call, int threads)
{
	int64_t tile = call->table->rows, wanted = threads > 1 ? threads : 0;
	int64_t fitting = ITEM_ROW_BYTES / (call->o.k * (int64_t) call->element);

	call->panels = count_panels(&call->o);
	call->chunks = divide_up(call->o.k, products[call->product].chunk);
	call->item_rows = divide_up(ITEM_ROWS, tile) * tile;
	if (wanted > 0 && call->item_rows > call->o.rows / (wanted * ROW_ITEMS_PER_THREAD))
		call->item_rows = call->o.rows / (wanted * ROW_ITEMS_PER_THREAD);
	if (call->prepare && call->item_rows > fitting)
		call->item_rows = fitting;
	call->item_rows = call->item_rows < tile ? tile : call->item_rows / tile * tile;
	call->row_items = divide_up(call->o.rows, call->item_rows);
	call->panel_items = 1;
	if (call->row_items > 0 && call->row_items < wanted * ITEMS_PER_THREAD)
		call->panel_items = divide_up(wanted * ITEMS_PER_THREAD, call->row_items);
	if (call->panel_items < products_of_rows(call) / ITEM_PRODUCTS + 1)
		call->panel_items = products_of_rows(call) / ITEM_PRODUCTS + 1;
	if (call->panel_items > call->panels)
		call->panel_items = call->panels;
	return call->row_items * call->panel_items;
}

static void
choose_product(linear_call *call)
{
	switch (call->o.compute)
	{
		case COMPUTE_BF16:
			call->product = call->table->multiply_bf16 == NULL ? PRODUCT_ROUNDED : PRODUCT_BF16;
			break;
		case COMPUTE_INT8:
			call->product = PRODUCT_I8;
			break;
		default:
			call->product = PRODUCT_F32;
	}
	call->element = products[call->product].element;
	call->prepare = call->product != PRODUCT_F32 ||
					(call->o.x_stride % COLLIDING_STRIDE == 0 && call->o.rows > 1);
	call->unpack = false;
	for (int i = 0; i < LINEAR_MAX_PARTS && call->o.parts[i].panels != NULL; i++)
		call->unpack |= call->o.parts[i].dtype != products[call->product].unpacked;
}

/* Scratch for each thread, and what counts the items before a norm. */
static bool
allocate_scratch(tfm_context *context, linear_call *call, int threads)
{
	linear_item layout;

	call->scratch_bytes = lay_out(&layout, call, NULL);
	call->scratch = tfm_alloc_array(context, (size_t) threads, call->scratch_bytes);
	if (call->o.norm_weight == NULL || tfm_failed(context))
		return !tfm_failed(context);
	call->norm = (norm_rows) {
		.n = call->o.parts[0].n,
		.weight = call->o.norm_weight,
		.bias = call->o.norm_bias,
		.eps = call->o.norm_eps,
	};
	call->unfinished =
		tfm_alloc_array(context, (size_t) call->row_items, sizeof(*call->unfinished));
	for (int64_t i = 0; call->unfinished != NULL && i < call->row_items; i++)
		atomic_init(&call->unfinished[i], call->panel_items);
	return !tfm_failed(context);
}

bool
linear_run_panels(tfm_context *context, const op_linear_options *options)
{
	linear_call call = {.table = cpu_kernels(context), .o = *options};
	int threads = cpu_threads(context);
	arena_mark mark = arena_save(context->arena);
	int64_t items;
	bool done;

	choose_product(&call);
	items = cut_items(&call, threads);
	done =
		allocate_scratch(context, &call, threads) && threads_run(context, run_item, &call, items);
	arena_restore(context->arena, mark);
	return done;
}
