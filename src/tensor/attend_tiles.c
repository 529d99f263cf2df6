/*
 * attend_tiles.c
 *	  Attention of many queries: a unit is a block of queries of one head of one sequence; it goes over
 *	  the keys in blocks of a fixed size, counted from the sequence's start, and keeps for each query
 *	  the maximum, the sum and the weighted sum of values so far.
 *
 * The kernel takes a tile of a unit's queries and a block of keys through both products and the
 * softmax between them.  Whatever a query's row sees and in which order follows from its own
 * sequence.  Threads take some units at a time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "tensor/attend_call.h"

#define TILE KERNEL_COLUMNS /* queries of a tile */

_Static_assert(TILE == ATTEND_QUERIES, "what callers fill in has the kernel's form");

#define ITEMS_PER_THREAD 8 /* at least, where there are enough units */

/* What a thread works with, all in its scratch. */
typedef struct attend_work
{
	const attend_call *call;
	const attend_sequence *sequence;
	int head;
	int64_t query;		   /* first query of the block, in the sequence */
	int64_t queries;	   /* <= block */
	int64_t key;		   /* first key of the block, in the sequence */
	int64_t keys;		   /* <= block */
	float *packed_queries; /* [block / TILE][steps][TILE] */
	float *packed_keys;	   /* [block][key_stride] */
	float *packed_values;  /* [block][padded_value] */
	float *bias;		   /* [block + 1][TILE] */
	uint8_t *flags;		   /* [block] */
	float *maximum;		   /* [block] */
	float *sum;			   /* [block] */
	float *result;		   /* [block][padded_value] */
	attend_tile tile;
} attend_work;

/* Lay out the scratch at base; returns its bytes. */
static size_t
lay_out(attend_work *w, const attend_call *call, char *base)
{
	int64_t block = call->block;
	size_t used = 0;

	w->call = call;
	w->packed_queries = take_floats(base, &used, block * call->steps);
	w->packed_keys = take_floats(base, &used, block * call->key_stride);
	w->packed_values = take_floats(base, &used, block * call->padded_value);
	w->tile.scores = take_floats(base, &used, block * TILE);
	w->bias = take_floats(base, &used,
						  call->o.bias == NULL && call->o.scores == NULL ? 0 : (block + 1) * TILE);
	w->flags = scratch_take(base, &used, (size_t) block);
	w->maximum = take_floats(base, &used, block);
	w->sum = take_floats(base, &used, block);
	w->result = take_floats(base, &used, block * call->padded_value);
	return used;
}

size_t
attend_tile_scratch(const attend_call *call)
{
	attend_work w;

	return lay_out(&w, call, NULL);
}

/* Of a key; a query's is counted among the keys, too. */
static int64_t
position_of(const attend_work *w, int64_t place)
{
	const int32_t *positions = w->call->o.positions;

	return positions == NULL ? place : positions[w->sequence->token + place];
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

/*
 * The bias of a tile's scores, a row for each key.  Where positions follow each other, a row is the
 * one before it moved by one: all lie in one array of falling differences.
 */
static void
set_bias(attend_work *w, int64_t place)
{
	attend_tile *tile = &w->tile;

	if (consecutive(w, place, tile->queries) && consecutive(w, w->key, tile->keys))
	{
		int64_t most = position_of(w, w->key) + tile->keys - 1 - position_of(w, place);

		for (int64_t i = 0; i < tile->keys + TILE - 1; i++)
			w->bias[i] = attend_bias(w->call, w->head, most - i);
		tile->bias = w->bias + tile->keys - 1;
		tile->bias_stride = -1;
		return;
	}
	for (int64_t j = 0; j < tile->keys; j++)
		for (int i = 0; i < TILE; i++)
			w->bias[j * TILE + i] =
				i >= tile->queries
					? 0.0f
					: attend_bias(w->call, w->head,
								  position_of(w, w->key + j) - position_of(w, place + i));
	tile->bias = w->bias;
	tile->bias_stride = TILE;
}

/* The caller's own part of a tile's scores. */
static void
set_scores(attend_work *w, int64_t first)
{
	attend_tile *tile = &w->tile;
	const op_attend_options *o = &w->call->o;

	if (tile->queries < TILE)
		memset(w->bias, 0, (size_t) (tile->keys * TILE) * sizeof(float));
	o->scores(o->scores_argument, w->head, w->sequence->token + w->query + first, tile->queries,
			  w->sequence->key_token + w->key, tile->keys, w->bias);
	for (int64_t i = 0; i < tile->keys * TILE; i++)
		w->bias[i] *= (float) M_LOG2E;
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
	int64_t token = w->sequence->key_token + w->key, kv_head = w->head / call->group;
	bool in_place = call->form == ATTEND_F32 && w->queries <= TILE;

	tile->k = o->k + token * o->k_stride + kv_head * o->head_dim;
	tile->k_row = o->k_stride;
	if (!in_place || o->k_stride % COLLIDING_STRIDE == 0)
	{
		call->table->pack_attend_keys(call->form, w->keys, o->head_dim, tile->k, o->k_stride,
									  w->packed_keys, call->key_stride);
		tile->k = w->packed_keys;
		tile->k_row = call->key_stride;
	}
	tile->v = o->v + token * o->v_stride + kv_head * o->value_dim;
	tile->v_stride = o->v_stride;
	if (!in_place || o->v_stride % COLLIDING_STRIDE == 0 || o->value_dim != call->padded_value)
	{
		call->table->pack_attend_values(call->form, w->keys, o->value_dim, tile->v, o->v_stride,
										w->packed_values, call->padded_value);
		tile->v = w->packed_values;
		tile->v_stride = call->padded_value;
	}
	tile->k_step = 1;
	tile->k_page = 0;
	tile->hidden = o->hidden == NULL ? NULL : o->hidden + token;
}

/* The same from the cache's pages. */
static void
load_keys(attend_work *w)
{
	attend_tile *tile = &w->tile;
	const attend_call *call = w->call;
	const op_attend_options *o = &call->o;
	const attend_sequence *s = w->sequence;
	void *const *pages = s->view.pages + (w->key - s->view.first) / KV_PAGE;
	size_t keys_at = attend_keys_at(call, s, w->head / call->group);
	int64_t value_rows = call->form == ATTEND_PAIRS ? KV_PAGE / 2 : KV_PAGE;

	for (int64_t i = 0; i < w->keys; i += KV_PAGE)
	{
		const char *part = (const char *) pages[i / KV_PAGE] + keys_at;
		int64_t tokens = w->keys - i < KV_PAGE ? w->keys - i : KV_PAGE;

		call->table->load_page_keys(call->form, call->storage, part, o->head_dim,
									part + call->key_bytes, w->packed_keys + i * call->steps);
		call->table->load_page_values(
			call->form, call->storage, part + call->key_bytes, tokens, o->value_dim, NULL,
			w->packed_values + i / KV_PAGE * value_rows * call->padded_value);
	}
	tile->k = w->packed_keys;
	tile->k_row = 1;
	tile->k_step = KV_PAGE;
	tile->k_page = call->steps * KV_PAGE;
	tile->v = w->packed_values;
	tile->v_stride = call->padded_value;
	tile->hidden = attend_hidden(call, s, w->key, w->keys, w->flags);
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
	int head = w->head + 1, kv_head = head / w->call->group;
	int64_t row = w->keys * first / w->queries;

	tile->ahead_rows = w->keys * end / w->queries - row;
	row += w->sequence->token + w->key;
	tile->ahead[0] = o->q + row * o->q_stride + head * (int64_t) o->head_dim;
	tile->ahead[1] = o->k + row * o->k_stride + kv_head * (int64_t) o->head_dim;
	tile->ahead[2] = o->v + row * o->v_stride + kv_head * (int64_t) o->value_dim;
	tile->ahead_stride[0] = o->q_stride;
	tile->ahead_stride[1] = o->k_stride;
	tile->ahead_stride[2] = o->v_stride;
}

static float *
result_of(const attend_work *w, int64_t first)
{
	const op_attend_options *o = &w->call->o;

	return o->y + (w->sequence->token + w->query + first) * o->y_stride +
		   w->head * (int64_t) o->value_dim;
}

/* After the last key that the query at a place sees. */
static int64_t
end_key(const attend_work *w, int64_t place)
{
	const op_attend_options *o = &w->call->o;
	int64_t length = w->sequence->length, end = length;

	if (o->causal)
		end = place + 1;
	else if (o->window > 0)
		end = place + o->window;
	return end < length ? end : length;
}

/*
 * Queries first .. end - 1 of the block of queries against the block of keys, unless none of them
 * sees any.
 */
static void
run_tile(attend_work *w, int64_t first, int64_t end)
{
	const attend_call *call = w->call;
	const op_attend_options *o = &call->o;
	attend_tile *tile = &w->tile;
	int64_t place = w->sequence->past + w->query + first, last = place + end - first - 1;
	int64_t seen = end_key(w, last);
	int64_t low = attend_first_key(call, place);

	if (w->key >= seen || w->key + w->keys <= low)
		return;
	tile->queries = (int) (end - first);
	tile->keys = seen - w->key < w->keys ? seen - w->key : w->keys;
	tile->q = w->packed_queries + first * call->steps;
	tile->after = o->causal ? 0 : o->window - 1;
	tile->causal = end_key(w, place) - w->key < tile->keys;
	tile->window = attend_first_key(call, last) > w->key ? o->window : 0;
	tile->diagonal = place - w->key;
	tile->first = w->key <= low;
	tile->maximum = w->maximum + first;
	tile->sum = w->sum + first;
	tile->result = w->result + first * call->padded_value;
	tile->ahead_rows = 0;
	tile->y = w->key + w->keys >= seen ? result_of(w, first) : NULL;
	if (o->bias != NULL)
		set_bias(w, place);
	if (o->scores != NULL)
		set_scores(w, first);
	if (call->ahead && w->head + 1 < o->heads)
		set_ahead(w, first, end);
	call->table->attend(tile);
}

static void
pack_queries(attend_work *w)
{
	const attend_call *call = w->call;
	const op_attend_options *o = &call->o;
	const float *q =
		o->q + (w->sequence->token + w->query) * o->q_stride + w->head * (int64_t) o->head_dim;

	for (int64_t i = 0; i < w->queries; i += TILE)
		call->table->pack_attend_queries(
			call->form, w->queries - i < TILE ? (int) (w->queries - i) : TILE, o->head_dim,
			o->scale * (float) M_LOG2E, q + i * o->q_stride, o->q_stride,
			w->packed_queries + i * call->steps);
}

static void
set_tile(attend_work *w)
{
	const op_attend_options *o = &w->call->o;

	w->tile.slope = o->slopes == NULL ? 0.0f : o->slopes[w->head] * (float) M_LOG2E;
	w->tile.sink = o->sinks == NULL ? -INFINITY : o->sinks[w->head] * (float) M_LOG2E;
}

static void
run_unit(attend_work *w, int thread)
{
	const attend_call *call = w->call;
	const attend_sequence *s = w->sequence;
	int64_t place = s->past + w->query;
	int64_t end = end_key(w, place + w->queries - 1);

	set_tile(w);
	pack_queries(w);
	w->key = attend_first_key(call, place) / call->block * call->block;
	for (; w->key < end && !attend_stopping(call, thread); w->key += w->keys)
	{
		int64_t next = (w->key / call->block + 1) * call->block;

		if (call->o.cache != NULL && w->key < s->view.first)
			w->key = s->view.first;
		w->keys = (next < end ? next : end) - w->key;
		if (call->o.cache != NULL)
			load_keys(w);
		else
			set_keys(w);
		for (int64_t i = 0; i < w->queries; i += TILE)
			run_tile(w, i, i + TILE < w->queries ? i + TILE : w->queries);
	}
	/* who has no keys at all has got no result */
	for (int64_t i = 0; end <= 0 && i < w->queries; i++)
		memset(result_of(w, i), 0, (size_t) call->o.value_dim * sizeof(float));
}

void
attend_tile_item(const attend_call *call, int64_t item, int thread)
{
	int64_t unit = item * call->unit_group, end = unit + call->unit_group;
	int64_t units = call->blocks[call->o.batch] * call->o.heads;
	int64_t sequence = attend_find(call->blocks, call->o.batch, unit / call->o.heads);
	attend_work w = {
		.tile = {.form = call->form,
				 .head_dim = call->o.head_dim,
				 .value_dim = call->o.value_dim,
				 .soft_cap = call->o.soft_cap * (float) M_LOG2E,
				 .result_stride = call->padded_value,
				 .y_stride = call->o.y_stride},
	};

	lay_out(&w, call, call->scratch + (size_t) thread * call->scratch_bytes);
	for (; unit < end && unit < units; unit++)
	{
		int64_t block = unit / call->o.heads;

		while (call->blocks[sequence + 1] <= block)
			sequence++;
		w.head = (int) (unit % call->o.heads);
		w.sequence = &call->sequences[sequence];
		w.query = (block - call->blocks[sequence]) * call->block;
		w.queries = w.sequence->queries - w.query;
		if (w.queries > call->block)
			w.queries = call->block;
		run_unit(&w, thread);
	}
}

/*
 * Number the query blocks: the first of each sequence, and how many there are.  So many units become
 * an item that the longest item is a small part of the work.  Returns the number of items.
 */
int64_t
attend_cut_tiles(attend_call *call, int64_t *blocks, int threads)
{
	double work = 0.0, most = 1.0;

	blocks[0] = 0;
	for (int64_t i = 0; i < call->o.batch; i++)
	{
		const attend_sequence *s = &call->sequences[i];
		int64_t queries = attend_by_rows(call, s->queries) ? 0 : s->queries;
		double unit = (double) s->length * (double) (queries < call->block ? queries : call->block);

		blocks[i + 1] = blocks[i] + (queries + call->block - 1) / call->block;
		work += (double) s->length * (double) queries * call->o.heads;
		most = unit > most ? unit : most;
	}
	call->blocks = blocks;
	call->unit_group = (int64_t) (work / (most * threads * ITEMS_PER_THREAD));
	if (call->unit_group < 1)
		call->unit_group = 1;
	return (blocks[call->o.batch] * call->o.heads + call->unit_group - 1) / call->unit_group;
}
