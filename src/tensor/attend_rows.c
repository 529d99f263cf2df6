/*
 * attend_rows.c
 *	  Attention of few queries over a cache: generation.
 *
 * A unit is up to KERNEL_COLUMNS rows, the queries of all heads that share a head of keys; it goes
 * over the keys in blocks, each of which gives a state of its own, and merges these in order.  Where
 * there are fewer units than threads have time for, an item is a part of a unit's blocks, and the
 * states are merged when all are there: the bits are the same.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "tensor/attend_call.h"

#define ROWS KERNEL_COLUMNS

/* More queries are better off in tiles, unless all their rows are few. */
#define MAX_QUERIES 4

#define ITEMS_PER_THREAD 4
#define MAX_STATES ((size_t) 32 << 20) /* bytes */

/* What a thread works with, all in its scratch but for the state. */
typedef struct row_work
{
	const attend_call *call;
	const attend_sequence *sequence;
	int kv_head;
	int64_t row; /* the first, of the sequence's */
	int rows;
	float *q;				 /* [ROWS][q_stride] */
	float *distances;		 /* [ROWS] */
	float *slopes, *sinks;	 /* [ROWS] */
	int32_t *first, *end;	 /* [ROWS] */
	uint8_t *flags;			 /* [block] */
	float *bias;			 /* [ROWS][block] */
	attend_state state, own; /* of what was before, of the block */
	attend_rows kernel;
} row_work;

static attend_state
take_state(const attend_call *call, char *base, size_t *used)
{
	attend_state state = {.stride = call->padded_value};

	state.maximum = take_floats(base, used, ROWS);
	state.sum = take_floats(base, used, ROWS);
	state.result = take_floats(base, used, call->most_rows * call->padded_value);
	return state;
}

static size_t
lay_out(row_work *w, const attend_call *call, char *base)
{
	size_t used = 0;
	int64_t rows = call->most_rows, block = call->block;

	w->call = call;
	w->q = take_floats(base, &used, rows * call->key_stride);
	w->distances = take_floats(base, &used, ROWS);
	w->slopes = take_floats(base, &used, ROWS);
	w->sinks = take_floats(base, &used, ROWS);
	w->first = scratch_take(base, &used, ROWS * sizeof(int32_t));
	w->end = scratch_take(base, &used, ROWS * sizeof(int32_t));
	w->flags = scratch_take(base, &used, (size_t) block);
	w->bias = take_floats(base, &used, call->o.bias == NULL ? 0 : rows * block);
	w->state = take_state(call, base, &used);
	w->own = take_state(call, base, &used);
	w->kernel.key_page = take_floats(base, &used, call->steps * KV_PAGE);
	w->kernel.value_page = take_floats(base, &used, call->padded_value * KV_PAGE);
	w->kernel.scores = take_floats(base, &used, rows * block);
	return used;
}

size_t
attend_row_scratch(const attend_call *call)
{
	row_work w;

	return lay_out(&w, call, NULL);
}

bool
attend_by_rows(const attend_call *call, int64_t queries)
{
	return call->o.cache != NULL && (queries <= MAX_QUERIES || queries * call->group <= ROWS);
}

/* ---- Rows ---- */

static int64_t
query_of(const row_work *w, int row)
{
	return (w->row + row) / w->call->group;
}

static int
head_of(const row_work *w, int row)
{
	return w->kv_head * w->call->group + (int) ((w->row + row) % w->call->group);
}

static int64_t
place_of(const row_work *w, int row)
{
	return w->sequence->past + query_of(w, row);
}

/* Keys that rows see: from the first of the first row to the last of the last. */
static int64_t
first_key(const row_work *w)
{
	return attend_first_key(w->call, place_of(w, 0));
}

static int64_t
end_key(const row_work *w)
{
	return w->call->o.causal ? place_of(w, w->rows - 1) + 1 : w->sequence->length;
}

static void
begin_unit(row_work *w, const attend_sequence *s, int64_t unit)
{
	const attend_call *call = w->call;
	const op_attend_options *o = &call->o;
	int64_t rows = s->queries * call->group, chunk = unit % s->chunks;

	w->sequence = s;
	w->kv_head = (int) (unit / s->chunks);
	w->row = rows * chunk / s->chunks;
	w->rows = (int) (rows * (chunk + 1) / s->chunks - w->row);
	for (int r = 0; r < w->rows; r++)
	{
		int head = head_of(w, r);

		if (o->slopes != NULL)
			w->slopes[r] = o->slopes[head] * (float) M_LOG2E;
		w->sinks[r] = o->sinks == NULL ? -INFINITY : o->sinks[head] * (float) M_LOG2E;
	}
}

static void
pack_queries(row_work *w)
{
	const attend_call *call = w->call;
	const op_attend_options *o = &call->o;

	for (int r = 0; r < w->rows; r++)
		call->table->pack_attend_row(call->form, o->head_dim, o->scale * (float) M_LOG2E,
									 o->q + (w->sequence->token + query_of(w, r)) * o->q_stride +
										 (int64_t) head_of(w, r) * o->head_dim,
									 w->q + r * call->key_stride);
}

static int32_t
within(int64_t value, int64_t most)
{
	return (int32_t) (value < 0 ? 0 : value > most ? most : value);
}

static void
set_bias(row_work *w, int64_t key, int64_t keys)
{
	for (int r = 0; r < w->rows; r++)
		for (int64_t j = 0; j < keys; j++)
			w->bias[r * w->call->block + j] =
				attend_bias(w->call, head_of(w, r), key + j - place_of(w, r));
}

/* Where the next block begins, or the first of the next head, which the same thread may get. */
static const void *
next_keys(const row_work *w, int64_t end)
{
	const attend_call *call = w->call;
	const attend_sequence *s = w->sequence;
	bool more = end < end_key(w);
	int64_t key = more ? end : first_key(w);
	int head = more ? w->kv_head : w->kv_head + 1;

	if (head == call->o.kv_heads)
		return NULL;
	return (const char *) s->view.pages[(key - s->view.first) / KV_PAGE] +
		   attend_keys_at(call, s, head);
}

/* The state of the keys from key to end - 1, which are of one block. */
static void
run_block(row_work *w, int64_t key, int64_t end, const attend_state *state)
{
	const attend_call *call = w->call;
	const op_attend_options *o = &call->o;
	const attend_sequence *s = w->sequence;
	attend_rows *k = &w->kernel;

	for (int r = 0; r < w->rows; r++)
	{
		int64_t place = place_of(w, r);

		w->first[r] = within(attend_first_key(call, place) - key, end - key);
		w->end[r] = within((o->causal ? place + 1 : s->length) - key, end - key);
		w->distances[r] = (float) (key - place);
	}
	if (o->bias != NULL)
		set_bias(w, key, (end - key + KV_PAGE - 1) / KV_PAGE * KV_PAGE);
	k->pages = s->view.pages + (key - s->view.first) / KV_PAGE;
	k->keys = end - key;
	k->hidden = attend_hidden(call, s, key, end - key, w->flags);
	k->next = next_keys(w, end);
	k->state = *state;
	call->table->attend_rows(k);
}

static void
set_kernel(row_work *w)
{
	const attend_call *call = w->call;
	const op_attend_options *o = &call->o;
	attend_rows *k = &w->kernel;

	k->form = call->form;
	k->rows = w->rows;
	k->head_dim = o->head_dim;
	k->value_dim = o->value_dim;
	k->q = w->q;
	k->q_stride = call->key_stride;
	k->storage = call->storage;
	k->keys_at = attend_keys_at(call, w->sequence, w->kv_head);
	k->values_at = k->keys_at + call->key_bytes;
	k->scores_stride = call->block;
	k->first = w->first;
	k->end = w->end;
	k->soft_cap = o->soft_cap * (float) M_LOG2E;
	k->bias = o->bias == NULL ? NULL : w->bias;
	k->slopes = o->slopes == NULL ? NULL : w->slopes;
	k->distances = w->distances;
}

static float *
row_of_y(const row_work *w, int row)
{
	const op_attend_options *o = &w->call->o;

	return o->y + (w->sequence->token + query_of(w, row)) * o->y_stride +
		   (int64_t) head_of(w, row) * o->value_dim;
}

static void
finish_unit(const row_work *w, const attend_state *state)
{
	float *y[ROWS];

	for (int r = 0; r < w->rows; r++)
		y[r] = row_of_y(w, r);
	w->call->table->finish_rows(w->rows, w->call->o.value_dim, state, w->sinks, y);
}

/* Queries that see no key. */
static void
clear_unit(const row_work *w)
{
	for (int r = 0; r < w->rows; r++)
		memset(row_of_y(w, r), 0, (size_t) w->call->o.value_dim * sizeof(float));
}

/* ---- Items ---- */

/* Blocks of a sequence that any of its queries sees: the first, and how many. */
static int64_t
first_block(const attend_call *call, const attend_sequence *s)
{
	return attend_first_key(call, s->past) / call->block;
}

static int64_t
count_blocks(const attend_call *call, const attend_sequence *s)
{
	return (s->length + call->block - 1) / call->block - first_block(call, s);
}

static size_t
state_size(const attend_call *call)
{
	size_t used = 0;

	take_state(call, NULL, &used);
	return used;
}

/* The state of a unit's block, in parts; a block is counted from the sequence's first. */
static attend_state
state_of(const attend_call *call, int64_t sequence, int64_t unit, int64_t block)
{
	int64_t at = unit * count_blocks(call, &call->sequences[sequence]) + block;
	size_t used = 0;

	return take_state(
		call, call->states + call->state_at[sequence] + (size_t) at * state_size(call), &used);
}

void
attend_row_item(const attend_call *call, int64_t item, int thread)
{
	int64_t number = attend_find(call->rows, call->o.batch, item);
	const attend_sequence *s = &call->sequences[number];
	int64_t unit = (item - call->rows[number]) / s->parts;
	int64_t part = (item - call->rows[number]) % s->parts;
	int64_t blocks = count_blocks(call, s), base = first_block(call, s);
	int64_t block = blocks * part / s->parts, last = blocks * (part + 1) / s->parts;
	row_work w;
	bool begun = false;

	memset(&w, 0, sizeof(w));
	lay_out(&w, call, call->scratch + (size_t) thread * call->scratch_bytes);
	begin_unit(&w, s, unit);
	pack_queries(&w);
	set_kernel(&w);
	for (; block < last && !attend_stopping(call, thread); block++)
	{
		int64_t key = (base + block) * call->block, end = key + call->block;

		key = key < first_key(&w) ? first_key(&w) / KV_PAGE * KV_PAGE : key;
		end = end > end_key(&w) ? end_key(&w) : end;
		if (key >= end)
			continue;
		if (s->parts > 1)
		{
			attend_state state = state_of(call, number, unit, block);

			run_block(&w, key, end, &state);
			continue;
		}
		run_block(&w, key, end, begun ? &w.own : &w.state);
		if (begun)
			call->table->merge_rows(w.rows, &w.state, &w.own);
		begun = true;
	}
	if (s->parts == 1 && begun)
		finish_unit(&w, &w.state);
	else if (s->parts == 1)
		clear_unit(&w);
}

static void
merge_unit(row_work *w, int64_t number, int64_t unit)
{
	const attend_call *call = w->call;
	const attend_sequence *s = &call->sequences[number];
	int64_t base = first_block(call, s);
	attend_state state;

	begin_unit(w, s, unit);
	for (int64_t block = first_key(w) / call->block - base;
		 (base + block) * call->block < end_key(w); block++)
	{
		attend_state own = state_of(call, number, unit, block);

		if ((base + block) * call->block <= first_key(w))
			state = own;
		else
			call->table->merge_rows(w->rows, &state, &own);
	}
	finish_unit(w, &state);
}

void
attend_merge_rows(const attend_call *call)
{
	row_work w;

	lay_out(&w, call, call->scratch);
	for (int64_t i = 0; i < call->o.batch; i++)
		if (call->rows[i] < call->rows[i + 1] && call->sequences[i].parts > 1)
			for (int64_t unit = 0; unit < call->sequences[i].chunks * call->o.kv_heads; unit++)
				merge_unit(&w, i, unit);
}

/* Cut sequences into parts where their units are few. */
static void
cut_parts(attend_call *call, int64_t units, int threads, size_t *state_bytes)
{
	int64_t wanted =
		threads > 1 && units > 0 ? (threads * ITEMS_PER_THREAD + units - 1) / units : 1;

	*state_bytes = 0;
	for (int64_t i = 0; i < call->o.batch; i++)
	{
		attend_sequence *s = &call->sequences[i];
		int64_t blocks = count_blocks(call, s);
		size_t bytes = (size_t) (s->chunks * call->o.kv_heads * blocks) * state_size(call);

		s->parts = blocks < wanted ? blocks : wanted;
		if (s->parts <= 1 || s->chunks == 0 || bytes > MAX_STATES - *state_bytes)
		{
			s->parts = 1;
			continue;
		}
		call->state_at[i] = *state_bytes;
		*state_bytes += bytes;
	}
}

int64_t
attend_cut_rows(attend_call *call, int64_t *rows, int threads, size_t *state_bytes)
{
	int64_t units = 0;

	call->most_rows = 0;
	for (int64_t i = 0; i < call->o.batch; i++)
	{
		attend_sequence *s = &call->sequences[i];
		int64_t count = s->queries * call->group;

		s->chunks = 0;
		if (!attend_by_rows(call, s->queries))
			continue;
		s->chunks = (count + ROWS - 1) / ROWS;
		units += s->chunks * call->o.kv_heads;
		count = count < ROWS ? count : ROWS;
		call->most_rows = count > call->most_rows ? count : call->most_rows;
	}
	cut_parts(call, units, threads, state_bytes);
	rows[0] = 0;
	for (int64_t i = 0; i < call->o.batch; i++)
		rows[i + 1] =
			rows[i] + call->sequences[i].chunks * call->o.kv_heads * call->sequences[i].parts;
	call->rows = rows;
	return rows[call->o.batch];
}
