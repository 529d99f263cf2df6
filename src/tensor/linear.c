/*
 * linear.c
 *	  A linear layer: the result is cut into items of some rows by some panels, each item into tiles
 *	  that fit into registers.
 *
 * How it is cut follows the caches and the threads and does not touch the bits: the sum of an element
 * is cut into chunks of k by the length of k alone, and within a chunk it is one kernel call.
 *
 * An item first brings what it multiplies into the form that the kernel takes, in its scratch: rows
 * of x tile by tile, weights that are kept in another type panel by panel.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/linear.h"

#include <stdatomic.h>
#include <string.h>

#include "base/size.h"
#include "base/threads.h"
#include "tensor/kernels.h"
#include "tensor/pack.h"

#define ITEM_ROWS 56				  /* about so many, in whole tiles */
#define ITEM_PANEL_BYTES (256 * 1024) /* of panels' chunks: they stay in the second level cache */
#define ITEM_MAX_PANELS 16			  /* with sums of several chunks: bounds them */
#define ITEMS_PER_THREAD 4			  /* at least, where the result is large enough */

/*
 * Rows so many floats apart share a few sets of the first level cache and drive each other out; they
 * are copied to rows with padding between them.
 */
#define COLLIDING_STRIDE 1024
#define ROW_PADDING 64 /* bytes */

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
	op_linear_options o; /* defaults filled in */
	int64_t panels;		 /* of all parts together */
	int64_t chunks;
	int64_t longest; /* chunk of k */
	int64_t item_rows;
	int64_t item_panels;
	int64_t row_items;	 /* items in the direction of rows */
	int64_t panel_items; /* and of panels */
	bool prepare;		 /* rows of x are copied or rounded */
	bool unpack;		 /* panels are unpacked */
	norm_rows norm;
	_Atomic int64_t *unfinished; /* [row_items] items that a norm of their rows waits for */
	char *scratch;				 /* [threads][scratch_bytes] */
	size_t scratch_bytes;
} linear_call;

/* An item: its place, and what the thread that runs it works with. */
typedef struct linear_item
{
	const linear_call *call;
	int64_t row, last_row;
	int64_t panel, last_panel;
	int64_t first, count; /* the chunk of k */
	bool last;			  /* it is the last one */
	char *rows;			  /* of a tile, prepared, row_bytes apart */
	size_t row_bytes;
	float *scales; /* of bytes [rows of a tile] */
	int32_t *zeros;
	float *sums;  /* of a tile, or of several chunks: [item_rows][item_panels][32] */
	float *plain; /* a panel's chunk in f32 on its way to bf16 */
	char *panels; /* the item's, unpacked: [item_panels][longest][32] */
} linear_item;

/* ---- Scratch ---- */

static void *
take_bytes(char *base, size_t *used, size_t bytes)
{
	char *p = base == NULL ? NULL : base + *used;

	*used += size_round_up(bytes, ARENA_ALIGNMENT);
	return p;
}

/* Lay out a thread's scratch at base; returns its bytes. */
static size_t
lay_out(linear_item *item, const linear_call *call, char *base)
{
	size_t tile = (size_t) call->table->rows, element = products[call->product].element, used = 0;
	size_t longest = size_round_up((size_t) call->longest, 4);
	size_t sums = call->chunks == 1 ? tile : (size_t) (call->item_rows * call->item_panels);

	item->call = call;
	item->row_bytes = longest * element + ROW_PADDING;
	item->rows = take_bytes(base, &used, call->prepare ? tile * item->row_bytes : 0);
	item->scales = take_bytes(base, &used, tile * sizeof(float));
	item->zeros = take_bytes(base, &used, tile * sizeof(int32_t));
	item->sums = take_bytes(base, &used, sums * PANEL_COLUMNS * sizeof(float));
	item->plain = take_bytes(base, &used,
							 call->unpack && call->product == PRODUCT_BF16
								 ? longest * PANEL_COLUMNS * sizeof(float)
								 : 0);
	item->panels = take_bytes(
		base, &used,
		call->unpack ? (size_t) call->item_panels * longest * PANEL_COLUMNS * element : 0);
	return used;
}

/* ---- Rows and panels in the kernel's form ---- */

/* A tile's rows of the item's chunk for the kernel; sets their stride in elements. */
static const void *
prepare_rows(const linear_item *item, int64_t row, int rows, int64_t *stride)
{
	const linear_call *call = item->call;
	const kernels *table = call->table;
	const float *x = call->o.x + row * call->o.x_stride + item->first;

	*stride = call->o.x_stride;
	if (!call->prepare)
		return x;
	*stride = (int64_t) (item->row_bytes / products[call->product].element);
	for (int r = 0; r < rows; r++, x += call->o.x_stride)
	{
		char *to = item->rows + (size_t) r * item->row_bytes;

		switch (call->product)
		{
			case PRODUCT_F32:
				memcpy(to, x, (size_t) item->count * sizeof(float));
				break;
			case PRODUCT_ROUNDED:
				table->round_bf16(x, (float *) to, item->count);
				break;
			case PRODUCT_BF16:
				table->to_bf16(x, (uint16_t *) to, item->count);
				if (item->count % 2 != 0)
					((uint16_t *) to)[item->count] = 0;
				break;
			case PRODUCT_I8:
				table->quantize(x, item->count, (uint8_t *) to, &item->scales[r], &item->zeros[r]);
		}
	}
	return item->rows;
}

/* A panel of all parts: its part, its number in it, and where it lies. */
typedef struct panel_place
{
	const op_linear_part *part;
	int64_t number;
	const char *data;
	size_t size;
} panel_place;

static int64_t
part_panels(const op_linear_part *part)
{
	return (part->n + PANEL_COLUMNS - 1) / PANEL_COLUMNS;
}

static panel_place
find_panel(const linear_call *call, int64_t panel)
{
	const op_linear_part *part = call->o.parts;
	panel_place place;

	for (; panel >= part_panels(part); part++)
		panel -= part_panels(part);
	place.part = part;
	place.number = panel;
	place.size = pack_panel_size(part->dtype, call->o.k);
	place.data = (const char *) part->panels + (size_t) panel * place.size;
	return place;
}

/* Unpack the chunk of all of the item's panels. */
static void
unpack_panels(const linear_item *item)
{
	const linear_call *call = item->call;
	const kernels *table = call->table;
	int64_t count = item->count;
	size_t bytes =
		size_round_up((size_t) call->longest, 4) * PANEL_COLUMNS * products[call->product].element;
	char *to = item->panels;

	for (int64_t p = item->panel; p < item->last_panel; p++, to += bytes)
	{
		panel_place from = find_panel(call, p);
		float *plain = call->product == PRODUCT_BF16 ? item->plain : (float *) to;

		table->unpack(from.part->dtype, from.data, call->o.k, item->first, count, plain);
		if (call->product == PRODUCT_ROUNDED)
			table->round_bf16(plain, plain, count * PANEL_COLUMNS);
		else if (call->product == PRODUCT_BF16)
		{
			if (count % 2 != 0)
				memset(plain + count * PANEL_COLUMNS, 0, PANEL_COLUMNS * sizeof(float));
			table->pack_bf16(count + count % 2, plain, (uint16_t *) to);
		}
	}
}

/* The item's chunk of a panel as the kernel takes it. */
static const void *
chunk_panel(const linear_item *item, int64_t panel, const panel_place *place)
{
	const linear_call *call = item->call;
	size_t element = products[call->product].element;
	size_t longest = size_round_up((size_t) call->longest, 4);

	if (call->unpack)
		return item->panels + (size_t) (panel - item->panel) * longest * PANEL_COLUMNS * element;
	return place->data + (size_t) item->first * PANEL_COLUMNS * element;
}

/* ---- Tiles and items ---- */

static void
finish_tile(const linear_item *item, int64_t row, int rows, const panel_place *place,
			const float *sums)
{
	const linear_call *call = item->call;
	const op_linear_options *o = &call->o;
	const op_linear_part *part = place->part;
	int64_t column = place->number * PANEL_COLUMNS;
	int columns = part->n - column < PANEL_COLUMNS ? (int) (part->n - column) : PANEL_COLUMNS;
	linear_finish finish = {
		.bias = part->bias == NULL ? NULL : part->bias + column,
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
		quantized_rows x = {item->scales, item->zeros};
		quantized_columns w = {trailer, (const int32_t *) (trailer + PANEL_COLUMNS)};

		call->table->finish_linear_i8(&finish, rows, columns, &x, &w, (const int32_t *) sums);
	}
	else
		call->table->finish_linear(&finish, rows, columns, sums);
}

static void
multiply_tile(const linear_call *call, int rows, int64_t count, const void *x, int64_t stride,
			  const void *panel, bool add, float *sums)
{
	const kernels *table = call->table;

	switch (call->product)
	{
		case PRODUCT_F32:
		case PRODUCT_ROUNDED:
			table->multiply(rows, count, x, stride, panel, add, sums, PANEL_COLUMNS);
			break;
		case PRODUCT_BF16:
			table->multiply_bf16(rows, count + count % 2, x, stride, panel, add, sums,
								 PANEL_COLUMNS);
			break;
		case PRODUCT_I8:
			table->multiply_i8(rows, (count + 3) / 4 * 4, x, stride, panel, (int32_t *) sums,
							   PANEL_COLUMNS);
	}
}

/* The item's chunk of k for some rows and all of its panels. */
static void
run_rows(const linear_item *item, int64_t row, int rows)
{
	const linear_call *call = item->call;
	bool several = call->chunks > 1;
	float *sums = item->sums;
	int64_t stride;
	const void *x = prepare_rows(item, row, rows, &stride);

	if (several)
		sums += (row - item->row) * call->item_panels * PANEL_COLUMNS;
	for (int64_t p = item->panel; p < item->last_panel; p++)
	{
		panel_place place = find_panel(call, p);

		multiply_tile(call, rows, item->count, x, stride, chunk_panel(item, p, &place),
					  item->first > 0, sums);
		if (item->last)
			finish_tile(item, row, rows, &place, sums);
		if (several)
			sums += rows * PANEL_COLUMNS;
	}
}

/* The item's rows in tiles of about the same number of rows. */
static void
run_chunk(linear_item *item, int64_t chunk)
{
	const linear_call *call = item->call;
	int64_t rows = item->last_row - item->row, most = call->table->rows;
	int64_t tiles = (rows + most - 1) / most;
	/* chunks start at multiples of 4: what panels keep together is not cut */
	int64_t first = call->o.k * chunk / call->chunks / 4 * 4;
	int64_t end = call->o.k * (chunk + 1) / call->chunks / 4 * 4;

	item->last = chunk == call->chunks - 1;
	item->first = first;
	item->count = (item->last ? call->o.k : end) - first;
	if (call->unpack)
		unpack_panels(item);
	for (int64_t i = 0; i < tiles; i++)
	{
		int64_t from = rows * i / tiles, to = rows * (i + 1) / tiles;

		run_rows(item, item->row + from, (int) (to - from));
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
	int64_t row_item = number % call->row_items;
	linear_item item;

	lay_out(&item, call, call->scratch + (size_t) thread * call->scratch_bytes);
	item.row = call->o.rows * row_item / call->row_items;
	item.last_row = call->o.rows * (row_item + 1) / call->row_items;
	item.panel = call->panels * (number / call->row_items) / call->panel_items;
	item.last_panel = call->panels * (number / call->row_items + 1) / call->panel_items;
	for (int64_t chunk = 0; chunk < call->chunks; chunk++)
		run_chunk(&item, chunk);
	if (call->o.norm_weight != NULL)
		norm_finished_rows(&item, row_item);
}

/* ---- The call ---- */

/* How the result is cut; returns the number of items. */
static int64_t
cut_items(linear_call *call, int threads)
{
	int64_t tile = call->table->rows, wanted = threads > 1 ? threads * ITEMS_PER_THREAD : 1;
	int64_t most = products[call->product].chunk, chunk_bytes;

	call->panels = 0;
	for (int i = 0; i < LINEAR_MAX_PARTS && call->o.parts[i].panels != NULL; i++)
		call->panels += part_panels(&call->o.parts[i]);
	call->chunks = (call->o.k + most - 1) / most;
	call->longest = call->o.k / call->chunks + 4;
	if (call->longest > call->o.k)
		call->longest = call->o.k;
	chunk_bytes = call->longest * PANEL_COLUMNS * (int64_t) products[call->product].element;
	call->item_rows = (ITEM_ROWS + tile - 1) / tile * tile;
	call->row_items = (call->o.rows + call->item_rows - 1) / call->item_rows;
	call->item_panels = ITEM_PANEL_BYTES / chunk_bytes;
	if (call->chunks > 1 && call->item_panels > ITEM_MAX_PANELS)
		call->item_panels = ITEM_MAX_PANELS;
	if (call->item_panels > call->panels * call->row_items / wanted)
		call->item_panels = call->panels * call->row_items / wanted;
	if (call->item_panels > call->panels)
		call->item_panels = call->panels;
	if (call->item_panels < 1)
		call->item_panels = 1;
	call->panel_items = (call->panels + call->item_panels - 1) / call->item_panels;
	call->item_panels = (call->panels + call->panel_items - 1) / call->panel_items;
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
	call->prepare = call->product != PRODUCT_F32 ||
					(call->o.x_stride % COLLIDING_STRIDE == 0 && call->o.rows > 1);
	call->unpack = false;
	for (int i = 0; i < LINEAR_MAX_PARTS && call->o.parts[i].panels != NULL; i++)
		call->unpack |= call->o.parts[i].dtype != products[call->product].unpacked;
}

static void
fill_defaults(op_linear_options *o)
{
	o->x_stride = o->x_stride == 0 ? o->k : o->x_stride;
	for (int i = 0; i < LINEAR_MAX_PARTS && o->parts[i].panels != NULL; i++)
	{
		op_linear_part *part = &o->parts[i];

		part->dtype = part->dtype == 0 ? DTYPE_F32 : part->dtype;
		part->y_stride = part->y_stride == 0 ? part->n : part->y_stride;
	}
	o->residual_stride = o->residual_stride == 0 ? o->parts[0].n : o->residual_stride;
}

static bool
check_part(tfm_context *context, const op_linear_options *o, const op_linear_part *part)
{
	size_t size;

	if (o->compute == COMPUTE_INT8 && part->dtype != DTYPE_I8)
		return tfm_fail(context, TFM_UNSUPPORTED, "products of bytes with weights of type \"%s\"",
						dtype_name(part->dtype));
	if (!weight_size(part->dtype, LAYOUT_PANELS, 2, (int64_t[]) {part->n, o->k}, &size) ||
		part->y_stride < part->n)
		return tfm_fail(context, TFM_INTERNAL,
						"linear layer of type \"%s\" of %lld columns from %lld is impossible",
						dtype_name(part->dtype), (long long) part->n, (long long) o->k);
	return true;
}

static bool
check_options(tfm_context *context, const op_linear_options *o)
{
	bool single = o->parts[1].panels == NULL;

	if (o->rows < 0 || o->k < 1 || o->x_stride < o->k || o->parts[0].panels == NULL ||
		(!single && (o->residual != NULL || o->norm_weight != NULL)) ||
		(o->residual != NULL && o->residual_stride < o->parts[0].n))
		return tfm_fail(context, TFM_INTERNAL, "linear layer of %lld rows from %lld is impossible",
						(long long) o->rows, (long long) o->k);
	for (int i = 0; i < LINEAR_MAX_PARTS && o->parts[i].panels != NULL; i++)
		if (!check_part(context, o, &o->parts[i]))
			return false;
	return true;
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
op_linear(tfm_context *context, const op_linear_options *options)
{
	linear_call call = {.table = cpu_kernels(context), .o = *options};
	int threads = cpu_threads(context);
	arena_mark mark;
	int64_t items;
	bool done;

	if (tfm_failed(context))
		return false;
	fill_defaults(&call.o);
	if (!check_options(context, &call.o))
		return false;

	choose_product(&call);
	items = cut_items(&call, threads);
	mark = arena_save(context->arena);
	done =
		allocate_scratch(context, &call, threads) && threads_run(context, run_item, &call, items);
	arena_restore(context->arena, mark);
	return done;
}
