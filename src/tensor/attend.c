/*
 * attend.c
 *	  Attention in blocks: an item is a block of queries of one head of one sequence; it goes over the
 *	  keys in blocks of a fixed size, counted from the sequence's start, and keeps for each query the
 *	  maximum, the sum and the weighted sum of values so far.
 *
 * Keys are packed as a panel by columns (k^T), values by rows, so that both products are the kernel
 * of linear layers.  Whatever a query's row sees and in which order follows from its own sequence.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/attend.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "base/threads.h"
#include "tensor/kernels.h"

#define QUERY_BLOCK 224 /* queries of an item, for which keys and values are packed once */
#define KEY_BLOCK 128	/* the results' bits depend on it */

typedef struct attend_call
{
	const kernels *table;
	op_attend_options o;   /* defaults filled in */
	int64_t padded_dim;	   /* head_dim in whole panels */
	const int64_t *blocks; /* [batch + 1] number of a sequence's first query block */
	float *scratch;		   /* [threads][scratch_floats] */
	size_t scratch_floats;
} attend_call;

/* What a thread works with, all in its scratch. */
typedef struct attend_work
{
	const attend_call *call;
	int head;
	int64_t token;		  /* the sequence's first */
	int64_t length;		  /* of the sequence */
	int64_t query;		  /* first query of the block, in the sequence */
	int64_t queries;	  /* <= QUERY_BLOCK */
	int64_t key;		  /* first key of the block, in the sequence */
	int64_t keys;		  /* <= KEY_BLOCK */
	float *packed_keys;	  /* [KEY_BLOCK / 32][head_dim][32] */
	float *packed_values; /* [padded_dim / 32][KEY_BLOCK][32] */
	float *seen;		  /* [KEY_BLOCK] */
	float *scores;		  /* [rows of a tile][KEY_BLOCK] */
	float *bias;		  /* as scores */
	float *tile;		  /* [rows of a tile][32] */
	float *correction;	  /* [rows of a tile] */
	float *maximum;		  /* [QUERY_BLOCK] */
	float *sum;			  /* [QUERY_BLOCK] */
	float *result;		  /* [QUERY_BLOCK][padded_dim] */
} attend_work;

/* The next floats of a scratch, from an offset that is kept aligned; base may be NULL to count. */
static float *
take_floats(float *base, size_t *used, int64_t count)
{
	float *p = base == NULL ? NULL : base + *used;

	*used += size_round_up((size_t) count, 16);
	return p;
}

/* Lay out the scratch at base; returns its floats. */
static size_t
lay_out(attend_work *w, const attend_call *call, float *base)
{
	size_t used = 0;

	w->call = call;
	w->packed_keys = take_floats(base, &used, KEY_BLOCK * (int64_t) call->o.head_dim);
	w->packed_values = take_floats(base, &used, KEY_BLOCK * call->padded_dim);
	w->seen = take_floats(base, &used, KEY_BLOCK);
	w->scores = take_floats(base, &used, KERNEL_MAX_ROWS * KEY_BLOCK);
	w->bias = take_floats(base, &used, KERNEL_MAX_ROWS * KEY_BLOCK);
	w->tile = take_floats(base, &used, KERNEL_MAX_ROWS * KERNEL_COLUMNS);
	w->correction = take_floats(base, &used, KERNEL_MAX_ROWS);
	w->maximum = take_floats(base, &used, QUERY_BLOCK);
	w->sum = take_floats(base, &used, QUERY_BLOCK);
	w->result = take_floats(base, &used, QUERY_BLOCK * call->padded_dim);
	return used;
}

/* k^T of the block's keys, by panels of 32 keys; what is missing in the last is zero. */
static void
pack_keys(attend_work *w)
{
	const op_attend_options *o = &w->call->o;
	int64_t kv_head = w->head / (o->heads / o->kv_heads);
	const float *k = o->k + (w->token + w->key) * o->k_stride + kv_head * o->head_dim;

	for (int64_t first = 0; first < w->keys; first += KERNEL_COLUMNS)
	{
		int64_t count = w->keys - first < KERNEL_COLUMNS ? w->keys - first : KERNEL_COLUMNS;

		w->call->table->pack(o->head_dim, (int) count, k + first * o->k_stride, o->k_stride,
							 w->packed_keys + first * o->head_dim);
	}
}

static void
pack_values(attend_work *w)
{
	const op_attend_options *o = &w->call->o;
	int64_t kv_head = w->head / (o->heads / o->kv_heads);
	const float *v = o->v + (w->token + w->key) * o->v_stride + kv_head * o->head_dim;

	for (int64_t first = 0; first < o->head_dim; first += KERNEL_COLUMNS)
	{
		float *to = w->packed_values + first * KEY_BLOCK;
		int64_t count = o->head_dim - first < KERNEL_COLUMNS ? o->head_dim - first : KERNEL_COLUMNS;

		for (int64_t j = 0; j < w->keys; j++, to += KERNEL_COLUMNS)
		{
			if (count == KERNEL_COLUMNS)
			{
				memcpy(to, v + j * o->v_stride + first, KERNEL_COLUMNS * sizeof(float));
				continue;
			}
			memcpy(to, v + j * o->v_stride + first, (size_t) count * sizeof(float));
			memset(to + count, 0, (size_t) (KERNEL_COLUMNS - count) * sizeof(float));
		}
	}
}

static void
pack_seen(attend_work *w)
{
	const uint8_t *hidden = w->call->o.hidden + w->token + w->key;

	for (int64_t j = 0; j < KEY_BLOCK; j++)
		w->seen[j] = j < w->keys && hidden[j] == 0 ? 1.0f : 0.0f;
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

static float
bias_of(const attend_work *w, int64_t difference)
{
	int64_t most = w->call->o.span - 1;

	difference = difference > most ? most : difference < -most ? -most : difference;
	return w->call->o.bias[w->head * (2 * most + 1) + difference + most];
}

/*
 * The bias of a tile's scores; sets where row 0 lies and the stride.  Where positions follow each
 * other, a row is the one before it moved by one: all lie in one array of differences.
 */
static const float *
tile_bias(const attend_work *w, int64_t query, int rows, int64_t *stride)
{
	if (consecutive(w, query, rows) && consecutive(w, w->key, w->keys))
	{
		int64_t least = position_of(w, w->key) - position_of(w, query) - (rows - 1);

		for (int64_t i = 0; i < KEY_BLOCK + rows - 1; i++)
			w->bias[i] = bias_of(w, least + i);
		*stride = -1;
		return w->bias + rows - 1;
	}
	memset(w->bias, 0, (size_t) rows * KEY_BLOCK * sizeof(float));
	for (int r = 0; r < rows; r++)
		for (int64_t j = 0; j < w->keys; j++)
			w->bias[r * KEY_BLOCK + j] =
				bias_of(w, position_of(w, w->key + j) - position_of(w, query + r));
	*stride = KEY_BLOCK;
	return w->bias;
}

/* Queries query .. query + rows - 1 of the sequence against the block of keys. */
static void
attend_tile(attend_work *w, int64_t query, int rows)
{
	const op_attend_options *o = &w->call->o;
	const kernels *table = w->call->table;
	const float *q = o->q + (w->token + query) * o->q_stride + (int64_t) w->head * o->head_dim;
	int64_t at = query - w->query, padded_dim = w->call->padded_dim;
	softmax_block block = {
		.rows = rows,
		.columns = (int64_t) size_round_up((size_t) w->keys, KERNEL_COLUMNS),
		.scores = w->scores,
		.stride = KEY_BLOCK,
		.scale = o->scale,
		.seen = o->hidden == NULL ? NULL : w->seen,
		.limit = w->keys,
		.maximum = w->maximum + at,
		.sum = w->sum + at,
		.correction = w->correction,
	};

	/* the tail of the block and the diagonal never meet: keys after the last query are not packed */
	if (o->causal && query - w->key + 1 < w->keys)
	{
		block.limit = query - w->key + 1;
		block.limit_step = 1;
	}
	if (o->bias != NULL)
		block.bias = tile_bias(w, query, rows, &block.bias_stride);
	for (int64_t j = 0; j < block.columns; j += KERNEL_COLUMNS)
		table->multiply(rows, o->head_dim, q, o->q_stride, w->packed_keys + j * o->head_dim, false,
						w->scores + j, KEY_BLOCK);
	table->softmax(&block);
	for (int64_t j = 0; j < padded_dim; j += KERNEL_COLUMNS)
	{
		table->multiply(rows, w->keys, w->scores, KEY_BLOCK, w->packed_values + j * KEY_BLOCK,
						false, w->tile, KERNEL_COLUMNS);
		table->accumulate(rows, w->correction, w->tile, KERNEL_COLUMNS,
						  w->result + at * padded_dim + j, padded_dim);
	}
}

/* The block of queries in tiles of about the same number of rows. */
static void
attend_block(attend_work *w)
{
	int64_t most = w->call->table->rows;
	int64_t tiles = (w->queries + most - 1) / most;

	pack_keys(w);
	pack_values(w);
	if (w->call->o.hidden != NULL)
		pack_seen(w);
	for (int64_t i = 0; i < tiles; i++)
	{
		int64_t first = w->queries * i / tiles, end = w->queries * (i + 1) / tiles;

		/* what comes after all of the tile's queries adds nothing */
		if (!w->call->o.causal || w->key < w->query + end)
			attend_tile(w, w->query + first, (int) (end - first));
	}
}

static void
write_result(const attend_work *w)
{
	const op_attend_options *o = &w->call->o;

	for (int64_t i = 0; i < w->queries; i++)
	{
		float *y = o->y + (w->token + w->query + i) * o->y_stride + (int64_t) w->head * o->head_dim;
		const float *result = w->result + i * w->call->padded_dim;
		float factor = w->sum[i] == 0.0f ? 0.0f : 1.0f / w->sum[i];

		w->call->table->scale(factor, result, y, o->head_dim);
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
	int64_t block = item / call->o.heads, sequence = find_sequence(call, block), end;
	attend_work w;

	lay_out(&w, call, call->scratch + (size_t) thread * call->scratch_floats);
	w.head = (int) (item % call->o.heads);
	w.token = call->o.offsets[sequence];
	w.length = call->o.offsets[sequence + 1] - w.token;
	w.query = (block - call->blocks[sequence]) * QUERY_BLOCK;
	w.queries = w.length - w.query < QUERY_BLOCK ? w.length - w.query : QUERY_BLOCK;
	for (int64_t i = 0; i < w.queries; i++)
	{
		w.maximum[i] = -INFINITY;
		w.sum[i] = 0.0f;
	}
	memset(w.result, 0, (size_t) (w.queries * call->padded_dim) * sizeof(float));

	end = call->o.causal ? w.query + w.queries : w.length;
	for (w.key = 0; w.key < end; w.key += KEY_BLOCK)
	{
		w.keys = end - w.key < KEY_BLOCK ? end - w.key : KEY_BLOCK;
		attend_block(&w);
	}
	write_result(&w);
}

/* Number of the first query block of each sequence, and of all. */
static const int64_t *
count_blocks(tfm_context *context, const op_attend_options *o)
{
	int64_t *blocks = tfm_alloc_array(context, (size_t) o->batch + 1, sizeof(int64_t));

	if (blocks == NULL)
		return NULL;
	blocks[0] = 0;
	for (int64_t i = 0; i < o->batch; i++)
		blocks[i + 1] =
			blocks[i] + (o->offsets[i + 1] - o->offsets[i] + QUERY_BLOCK - 1) / QUERY_BLOCK;
	return blocks;
}

static void
fill_defaults(op_attend_options *o)
{
	if (o->kv_heads == 0)
		o->kv_heads = o->heads;
	if (o->q_stride == 0)
		o->q_stride = (int64_t) o->heads * o->head_dim;
	if (o->y_stride == 0)
		o->y_stride = (int64_t) o->heads * o->head_dim;
	if (o->k_stride == 0)
		o->k_stride = (int64_t) o->kv_heads * o->head_dim;
	if (o->v_stride == 0)
		o->v_stride = (int64_t) o->kv_heads * o->head_dim;
	if (o->scale == 0.0f)
		o->scale = 1.0f / sqrtf((float) o->head_dim);
}

static bool
check_options(tfm_context *context, const op_attend_options *o)
{
	if (o->batch < 0 || o->heads < 1 || o->kv_heads < 1 || o->heads % o->kv_heads != 0 ||
		o->head_dim < 1 || o->head_dim > ATTEND_MAX_HEAD_DIM || (o->bias != NULL && o->span < 1))
		return tfm_fail(context, TFM_INTERNAL,
						"attention with %d heads of %d, %d of them for keys, is impossible",
						o->heads, o->head_dim, o->kv_heads);
	for (int64_t i = 0; i < o->batch; i++)
		if (o->offsets[i] < 0 || o->offsets[i + 1] < o->offsets[i])
			return tfm_fail(context, TFM_INTERNAL, "sequence %lld of the attention is impossible",
							(long long) i);
	return true;
}

bool
op_attend(tfm_context *context, const op_attend_options *options)
{
	attend_call call = {.table = cpu_kernels(context), .o = *options};
	int threads = cpu_threads(context);
	arena_mark mark;
	attend_work layout;
	bool done = false;

	if (tfm_failed(context))
		return false;
	if (call.o.kv_heads == 0)
		call.o.kv_heads = call.o.heads;
	if (!check_options(context, &call.o))
		return false;
	fill_defaults(&call.o);
	call.padded_dim = (int64_t) size_round_up((size_t) call.o.head_dim, KERNEL_COLUMNS);
	call.scratch_floats = lay_out(&layout, &call, NULL);

	mark = arena_save(context->arena);
	call.blocks = count_blocks(context, &call.o);
	call.scratch = tfm_alloc_array(context, (size_t) threads, call.scratch_floats * sizeof(float));
	if (call.blocks != NULL && call.scratch != NULL)
		done = threads_run(context, attend_item, &call, call.blocks[call.o.batch] * call.o.heads);
	arena_restore(context->arena, mark);
	return done;
}
