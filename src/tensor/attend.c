/*
 * attend.c
 *	  Attention in blocks: a unit is a block of queries of one head of one sequence; it goes over the
 *	  keys in blocks of a fixed size, counted from the sequence's start, and keeps for each query the
 *	  maximum, the sum and the weighted sum of values so far.
 *
 * The kernel takes a tile of a unit's queries and a block of keys through both products and the
 * softmax between them.  Whatever a query's row sees and in which order follows from its own
 * sequence.  Threads take some units at a time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/attend.h"

#include <math.h>

#include "base/size.h"
#include "base/threads.h"
#include "tensor/attend_plain.h"
#include "tensor/cache_pages.h"
#include "tensor/kernels.h"

#define TILE KERNEL_COLUMNS /* queries of a tile */

/*
 * Queries of a unit, for which keys and values are packed once, and keys of a block, on which the
 * results' bits depend: fewer for wide heads, so that what a thread works with stays small.
 */
#define MAX_BLOCK 256
#define MIN_BLOCK 64
#define BLOCK_ELEMENTS (MAX_BLOCK * 64) /* of a packed block, about, between these */

#define ITEMS_PER_THREAD 8 /* at least, where there are enough units */

/* Where q, k and v are larger, they are hardly in the caches, and fetching ahead is worth its time. */
#define AHEAD_BYTES (6 * 1024 * 1024)

typedef struct attend_call
{
	const kernels *table;
	op_attend_options o; /* defaults filled in */
	attend_form form;
	int64_t block;		   /* MIN_BLOCK .. MAX_BLOCK, in whole tiles */
	int64_t steps;		   /* elements of a packed row of q and k */
	int64_t padded_dim;	   /* head_dim in whole 16 */
	int64_t key_stride;	   /* of packed keys */
	const int64_t *blocks; /* [batch + 1] number of a sequence's first query block */
	int64_t group;		   /* units of an item */
	bool ahead;			   /* whether heads are fetched ahead */
	char *scratch;		   /* [threads][scratch_bytes] */
	size_t scratch_bytes;
} attend_call;

/* What a thread works with, all in its scratch. */
typedef struct attend_work
{
	const attend_call *call;
	int head;
	int64_t token;		   /* the sequence's first */
	int64_t length;		   /* of the sequence */
	int64_t query;		   /* first query of the block, in the sequence */
	int64_t queries;	   /* <= block */
	int64_t key;		   /* first key of the block, in the sequence */
	int64_t keys;		   /* <= block */
	float *packed_queries; /* [block / TILE][steps][TILE] */
	float *packed_keys;	   /* [block][key_stride] */
	float *packed_values;  /* [block][padded_dim] */
	float *bias;		   /* [block + 1][TILE] */
	float *maximum;		   /* [block] */
	float *sum;			   /* [block] */
	float *result;		   /* [block][padded_dim] */
	attend_tile tile;
} attend_work;

static float *
take_floats(char *base, size_t *used, int64_t count)
{
	return scratch_take(base, used, (size_t) count * sizeof(float));
}

/* Lay out the scratch at base; returns its bytes. */
static size_t
lay_out(attend_work *w, const attend_call *call, char *base)
{
	int64_t block = call->block;
	size_t used = 0;

	w->call = call;
	w->packed_queries = take_floats(base, &used, block * call->steps);
	w->packed_keys = take_floats(base, &used, block * call->key_stride);
	w->packed_values = take_floats(base, &used, block * call->padded_dim);
	w->tile.scores = take_floats(base, &used, block * TILE);
	w->bias = take_floats(base, &used, call->o.bias == NULL ? 0 : (block + 1) * TILE);
	w->maximum = take_floats(base, &used, block);
	w->sum = take_floats(base, &used, block);
	w->result = take_floats(base, &used, block * call->padded_dim);
	return used;
}

static int64_t
position_of(const attend_work *w, int64_t place)
{
	return w->call->o.positions == NULL ? place : w->call->o.positions[w->token + place];
}

static bool
consecutive(const attend_work *w, int64_t first, int64_t count)
{
	if (w->call->o.positions != NULL)
		for (int64_t i = 1; i < count; i++)
			if (position_of(w, first + i) != position_of(w, first) + i)
				return false;
	return true;
}

/* The kernel's scores are of base 2. */
static float
bias_of(const attend_work *w, int64_t difference)
{
	int64_t most = w->call->o.span - 1;

	difference = difference > most ? most : difference < -most ? -most : difference;
	return w->call->o.bias[w->head * (2 * most + 1) + difference + most] * (float) M_LOG2E;
}

/*
 * The bias of a tile's scores, a row for each key.  Where positions follow each other, a row is the
 * one before it moved by one: all lie in one array of falling differences.
 */
static void
set_bias(attend_work *w, int64_t query)
{
	attend_tile *tile = &w->tile;

	if (consecutive(w, query, tile->queries) && consecutive(w, w->key, tile->keys))
	{
		int64_t most = position_of(w, w->key) + tile->keys - 1 - position_of(w, query);

		for (int64_t i = 0; i < tile->keys + TILE - 1; i++)
			w->bias[i] = bias_of(w, most - i);
		tile->bias = w->bias + tile->keys - 1;
		tile->bias_stride = -1;
		return;
	}
	for (int64_t j = 0; j < tile->keys; j++)
		for (int i = 0; i < TILE; i++)
			w->bias[j * TILE + i] =
				i >= tile->queries
					? 0.0f
					: bias_of(w, position_of(w, w->key + j) - position_of(w, query + i));
	tile->bias = w->bias;
	tile->bias_stride = TILE;
}

/*
 * Keys and values of the block for the tiles of the unit.  A single tile of queries does without a
 * copy where the kernel can read them as they are.
 */
static void
set_keys(attend_work *w)
{
	attend_tile *tile = &w->tile;
	const attend_call *call = w->call;
	const op_attend_options *o = &call->o;
	int64_t column = w->head / (o->heads / o->kv_heads) * (int64_t) o->head_dim;
	bool in_place = call->form == ATTEND_F32 && w->queries <= TILE;

	tile->k = o->k + (w->token + w->key) * o->k_stride + column;
	tile->k_stride = o->k_stride;
	if (!in_place || o->k_stride % COLLIDING_STRIDE == 0)
	{
		call->table->pack_attend_keys(call->form, w->keys, o->head_dim, tile->k, o->k_stride,
									  w->packed_keys, call->key_stride);
		tile->k = w->packed_keys;
		tile->k_stride = call->key_stride;
	}
	tile->v = o->v + (w->token + w->key) * o->v_stride + column;
	tile->v_stride = o->v_stride;
	if (!in_place || o->v_stride % COLLIDING_STRIDE == 0 || o->head_dim != call->padded_dim)
	{
		call->table->pack_attend_values(call->form, w->keys, o->head_dim, tile->v, o->v_stride,
										w->packed_values, call->padded_dim);
		tile->v = w->packed_values;
		tile->v_stride = call->padded_dim;
	}
	tile->hidden = o->hidden == NULL ? NULL : o->hidden + w->token + w->key;
}

/*
 * While a head's tiles are computed, the next head's rows of the block come to the caches: for each
 * tile the part of them that it is of the queries.
 */
static void
set_ahead(attend_work *w, int64_t first, int64_t end)
{
	const op_attend_options *o = &w->call->o;
	attend_tile *tile = &w->tile;
	int head = w->head + 1, kv_head = head / (o->heads / o->kv_heads);
	int64_t row = w->keys * first / w->queries;

	tile->ahead_rows = w->keys * end / w->queries - row;
	row += w->token + w->key;
	tile->ahead[0] = o->q + row * o->q_stride + head * (int64_t) o->head_dim;
	tile->ahead[1] = o->k + row * o->k_stride + kv_head * (int64_t) o->head_dim;
	tile->ahead[2] = o->v + row * o->v_stride + kv_head * (int64_t) o->head_dim;
	tile->ahead_stride[0] = o->q_stride;
	tile->ahead_stride[1] = o->k_stride;
	tile->ahead_stride[2] = o->v_stride;
}

/* Queries first .. end - 1 of the block of queries against the block of keys. */
static void
run_tile(attend_work *w, int64_t first, int64_t end)
{
	const attend_call *call = w->call;
	const op_attend_options *o = &call->o;
	attend_tile *tile = &w->tile;
	int64_t query = w->query + first, seen = o->causal ? w->query + end : w->length;

	tile->queries = (int) (end - first);
	tile->keys = seen - w->key < w->keys ? seen - w->key : w->keys;
	tile->q = w->packed_queries + first * call->steps;
	tile->causal = o->causal && query - w->key + 1 < tile->keys;
	tile->diagonal = query - w->key;
	tile->maximum = w->maximum + first;
	tile->sum = w->sum + first;
	tile->result = w->result + first * call->padded_dim;
	tile->ahead_rows = 0;
	tile->y = NULL;
	if (w->key + call->block >= seen)
		tile->y = o->y + (w->token + query) * o->y_stride + w->head * (int64_t) o->head_dim;
	if (o->bias != NULL)
		set_bias(w, query);
	if (call->ahead && w->head + 1 < o->heads)
		set_ahead(w, first, end);
	call->table->attend(tile);
}

static void
pack_queries(attend_work *w)
{
	const attend_call *call = w->call;
	const op_attend_options *o = &call->o;
	const float *q = o->q + (w->token + w->query) * o->q_stride + w->head * (int64_t) o->head_dim;

	for (int64_t i = 0; i < w->queries; i += TILE)
		call->table->pack_attend_queries(
			call->form, w->queries - i < TILE ? (int) (w->queries - i) : TILE, o->head_dim,
			o->scale * (float) M_LOG2E, q + i * o->q_stride, o->q_stride,
			w->packed_queries + i * call->steps);
}

static void
run_unit(attend_work *w)
{
	const attend_call *call = w->call;
	int64_t end = call->o.causal ? w->query + w->queries : w->length;

	pack_queries(w);
	for (w->key = 0; w->key < end; w->key += call->block)
	{
		w->keys = end - w->key < call->block ? end - w->key : call->block;
		w->tile.first = w->key == 0;
		set_keys(w);
		for (int64_t i = 0; i < w->queries; i += TILE)
		{
			int64_t last = i + TILE < w->queries ? i + TILE : w->queries;

			/* what comes after all of the tile's queries adds nothing */
			if (!call->o.causal || w->key < w->query + last)
				run_tile(w, i, last);
		}
	}
}

/* The sequence that a query block belongs to. */
static int64_t
find_sequence(const attend_call *call, int64_t block)
{
	int64_t low = 0, high = call->o.batch;

	while (high - low > 1)
	{
		int64_t middle = low + (high - low) / 2;

		if (call->blocks[middle] <= block)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void
attend_item(void *argument, int64_t item, int thread)
{
	const attend_call *call = argument;
	const int32_t *offsets = call->o.offsets;
	int64_t unit = item * call->group, end = unit + call->group;
	int64_t units = call->blocks[call->o.batch] * call->o.heads;
	int64_t sequence = find_sequence(call, unit / call->o.heads);
	attend_work w = {
		.tile = {.form = call->form,
				 .head_dim = call->o.head_dim,
				 .result_stride = call->padded_dim,
				 .y_stride = call->o.y_stride},
	};

	lay_out(&w, call, call->scratch + (size_t) thread * call->scratch_bytes);
	for (; unit < end && unit < units; unit++)
	{
		int64_t block = unit / call->o.heads;

		while (call->blocks[sequence + 1] <= block)
			sequence++;
		w.head = (int) (unit % call->o.heads);
		w.token = offsets[sequence];
		w.length = offsets[sequence + 1] - w.token;
		w.query = (block - call->blocks[sequence]) * call->block;
		w.queries = w.length - w.query;
		if (w.queries > call->block)
			w.queries = call->block;
		run_unit(&w);
	}
}

/*
 * Number the query blocks: the first of each sequence, and how many there are.  So many units become
 * an item that the longest item is a small part of the work.  Returns the number of items.
 */
static int64_t
cut_items(attend_call *call, int64_t *blocks, int threads)
{
	const op_attend_options *o = &call->o;
	double work = 0.0, most = 1.0;

	blocks[0] = 0;
	for (int64_t i = 0; i < o->batch; i++)
	{
		int64_t length = o->offsets[i + 1] - o->offsets[i];
		double unit = (double) length * (double) (length < call->block ? length : call->block);

		blocks[i + 1] = blocks[i] + (length + call->block - 1) / call->block;
		work += (double) length * (double) length * o->heads;
		most = unit > most ? unit : most;
	}
	call->blocks = blocks;
	call->group = (int64_t) (work / (most * threads * ITEMS_PER_THREAD));
	if (call->group < 1)
		call->group = 1;
	return (blocks[o->batch] * o->heads + call->group - 1) / call->group;
}

static void
fill_defaults(op_attend_options *o)
{
	if (o->kv_heads == 0)
		o->kv_heads = o->heads;
	if (o->q_stride == 0)
		o->q_stride = (int64_t) o->heads * o->head_dim;
	if (o->value_dim == 0)
		o->value_dim = o->head_dim;
	if (o->y_stride == 0)
		o->y_stride = (int64_t) o->heads * o->value_dim;
	if (o->k_stride == 0)
		o->k_stride = (int64_t) o->kv_heads * o->head_dim;
	if (o->v_stride == 0)
		o->v_stride = (int64_t) o->kv_heads * o->value_dim;
	if (o->scale == 0.0f)
		o->scale = 1.0f / sqrtf((float) o->head_dim);
}

static bool
check_options(tfm_context *context, const op_attend_options *o)
{
	if (o->batch < 0 || o->heads < 1 || o->kv_heads < 1 || o->heads % o->kv_heads != 0 ||
		o->head_dim < 1 || o->head_dim > ATTEND_MAX_HEAD_DIM || o->value_dim < 0 ||
		o->value_dim > ATTEND_MAX_HEAD_DIM || o->window < 0 || (o->bias != NULL && o->span < 1))
		return tfm_fail(context, TFM_INTERNAL,
						"attention with %d heads of %d, %d of them for keys, is impossible",
						o->heads, o->head_dim, o->kv_heads);
	for (int64_t i = 0; i < o->batch; i++)
		if (o->offsets[i] < 0 || o->offsets[i + 1] < o->offsets[i] ||
			(o->key_offsets != NULL &&
			 (o->key_offsets[i] < 0 || o->key_offsets[i + 1] < o->key_offsets[i])))
			return tfm_fail(context, TFM_INTERNAL, "sequence %lld of the attention is impossible",
							(long long) i);
	return true;
}

static bool
check_cache(tfm_context *context, const op_attend_options *o)
{
	const int32_t *offsets = o->key_offsets != NULL ? o->key_offsets : o->offsets;
	const kv_layer *layer = kv_layer_of(o->cache, o->layer);

	if (layer == NULL || layer->heads != o->kv_heads || layer->key_dim != o->head_dim ||
		layer->value_dim != o->value_dim || (o->k == NULL) != (o->v == NULL) ||
		(layer->window != 0 && (!o->causal || o->window == 0 || o->window > layer->window)))
		return tfm_fail(context, TFM_INTERNAL, "attention does not fit layer %d of the cache",
						o->layer);
	for (int64_t i = 0; i < o->batch; i++)
		if (!kv_may_write(o->cache, o->cached[i], o->k == NULL ? 0 : offsets[i + 1] - offsets[i]))
			return tfm_fail(context, TFM_INTERNAL, "sequence %d of the cache has no room",
							o->cached[i]);
	return true;
}

/* What follows from the options and the processor. */
static void
choose_form(attend_call *call)
{
	const op_attend_options *o = &call->o;
	int64_t head_dim = o->head_dim, width = (o->heads + 2 * (int64_t) o->kv_heads) * head_dim;
	bool has_pairs = call->table->multiply_bf16 != NULL;

	call->form = ATTEND_F32;
	if (o->compute == COMPUTE_BF16 || (o->compute == COMPUTE_INT8 && has_pairs))
		call->form = has_pairs ? ATTEND_PAIRS : ATTEND_ROUNDED;
	call->block = BLOCK_ELEMENTS / head_dim / TILE * TILE;
	call->block = call->block < MIN_BLOCK ? MIN_BLOCK : call->block;
	call->block = call->block > MAX_BLOCK ? MAX_BLOCK : call->block;
	call->padded_dim = (int64_t) size_round_up((size_t) head_dim, 16);
	call->steps = call->form == ATTEND_PAIRS ? (head_dim + 1) / 2 : head_dim;
	call->key_stride = (int64_t) size_round_up((size_t) call->steps, 16);
	call->ahead = o->offsets[o->batch] > AHEAD_BYTES / (int64_t) sizeof(float) / width;
}

bool
op_attend(tfm_context *context, const op_attend_options *options)
{
	attend_call call = {.table = cpu_kernels(context), .o = *options};
	int threads = cpu_threads(context);
	arena_mark mark;
	attend_work layout;
	int64_t *blocks;
	bool done = false;

	if (tfm_failed(context))
		return false;
	if (call.o.kv_heads == 0)
		call.o.kv_heads = call.o.heads;
	if (!check_options(context, &call.o))
		return false;
	fill_defaults(&call.o);
	if (call.o.cache != NULL && !check_cache(context, &call.o))
		return false;
	if (call.o.cache != NULL || call.o.key_offsets != NULL || call.o.window > 0 ||
		call.o.soft_cap > 0.0f || call.o.slopes != NULL || call.o.sinks != NULL ||
		call.o.value_dim != call.o.head_dim)
		return attend_plain(context, &call.o);
	choose_form(&call);
	call.scratch_bytes = lay_out(&layout, &call, NULL);

	mark = arena_save(context->arena);
	blocks = tfm_alloc_array(context, (size_t) call.o.batch + 1, sizeof(int64_t));
	call.scratch = tfm_alloc_array(context, (size_t) threads, call.scratch_bytes);
	if (blocks != NULL && call.scratch != NULL)
		done = threads_run(context, attend_item, &call, cut_items(&call, blocks, threads));
	arena_restore(context->arena, mark);
	return done;
}
