/*
 * windows.c
 *	  Longformer's attention.
 *	  Follows LongformerSelfAttention of transformers/models/longformer/modeling_longformer.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/windows.h"

#include <string.h>

#include "nn/sparse.h"

#define MAX_WINDOW (1 << 20)

/* What is looked up for a tile. */
typedef struct window_look
{
	const nn_batch *batch;
	int64_t side;			/* tokens that are seen on each side */
	int32_t *globals;		/* [count] tokens, ascending */
	int32_t *global_starts; /* [sequences + 1] in globals */
	int64_t count;
} window_look;

void
read_windows(tfm_context *context, json file, int layers, int64_t fallback, windows *w)
{
	json value = json_member(file, "attention_window");
	int32_t *sizes = tfm_alloc_array(context, (size_t) layers, sizeof(int32_t));
	json item = json_first(value);

	w->sizes = sizes;
	if (!json_is_array(value))
		fallback = json_int(context, file, "attention_window", fallback, 2, MAX_WINDOW);
	for (int i = 0; sizes != NULL && i < layers; i++, item = json_next(item))
	{
		int64_t size = fallback;

		if (json_is_array(value) && !json_to_int(item, 2, MAX_WINDOW, &size))
			tfm_fail(context, TFM_CORRUPTED, "\"attention_window\" has no size for layer %d", i);
		if (size % 2 != 0)
			tfm_fail(context, TFM_CORRUPTED, "an \"attention_window\" of %lld is not even",
					 (long long) size);
		sizes[i] = (int32_t) size;
	}
}

/* Whether a token is global: as the input says, unless it is masked. */
static bool
is_global(const nn_batch *batch, const nn_input *marks, int64_t token)
{
	return marks != NULL && marks->rank > 0 && marks->ints != NULL && marks->ints[token] != 0 &&
		   (batch->hidden == NULL || batch->hidden[token] == 0);
}

/* In a dry run one token stands for all. */
static void
find_globals(nn_model *m, const windows *w, window_look *l)
{
	const nn_batch *batch = m->batch;
	const nn_input *marks = batch->inputs == NULL ? NULL : &batch->inputs[w->global];

	*l = (window_look) {.batch = batch, .count = m->dry ? 1 : 0};
	if (!nn_live(m))
		return;
	l->globals = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(int32_t));
	l->global_starts = tfm_alloc_array(m->context, (size_t) batch->sequences + 1, sizeof(int32_t));
	for (int64_t i = 0; !tfm_failed(m->context) && i < batch->sequences; i++)
	{
		l->global_starts[i] = (int32_t) l->count;
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
			if (is_global(batch, marks, t))
				l->globals[l->count++] = (int32_t) t;
		l->global_starts[i + 1] = (int32_t) l->count;
	}
}

/* The bias of a key for the tile's queries, where some of them see it and others do not. */
static void
set_bias(const window_look *l, const sparse_tile *tile, int32_t key, bool global, float *bias)
{
	const int32_t *columns = l->batch->columns;

	for (int i = 0; i < tile->queries; i++)
	{
		int64_t distance = (int64_t) columns[key] - columns[tile->first + i];

		bias[i] = global || (distance <= l->side && distance >= -l->side) ? 0.0f : SPARSE_HIDDEN;
	}
}

/* The global tokens of the sequence, and the others of all windows of the tile's queries. */
static void
look_around(const void *config, const sparse_tile *tile, int head, sparse_view *view)
{
	const window_look *l = config;
	const nn_batch *batch = l->batch;
	const int32_t *columns = batch->columns;
	int32_t global = l->global_starts[tile->sequence];
	int32_t global_end = l->global_starts[tile->sequence + 1];
	int64_t low = columns[tile->first] - l->side;
	int64_t high = columns[tile->first + tile->queries - 1] + l->side;
	int64_t t = tile->first, end = batch->offsets[tile->sequence + 1];
	int64_t globals = global_end - global;

	(void) head;
	for (int32_t i = global; i < global_end; i++)
		view->keys[view->count++] = l->globals[i];
	while (t > batch->offsets[tile->sequence] && columns[t - 1] >= low)
		t--;
	for (; t < end && columns[t] <= high; t++)
	{
		while (global < global_end && l->globals[global] < t)
			global++;
		if (global == global_end || l->globals[global] != t)
			sparse_see(view, batch->hidden, t, t + 1);
	}
	for (int64_t i = 0; i < view->count; i++)
		set_bias(l, tile, view->keys[i], i < globals, view->bias + i * SPARSE_QUERIES);
}

static void
look_everywhere(const void *config, const sparse_tile *tile, int head, sparse_view *view)
{
	const window_look *l = config;

	(void) head;
	sparse_see(view, l->batch->hidden, l->batch->offsets[tile->sequence],
			   l->batch->offsets[tile->sequence + 1]);
}

/* The global tokens of each sequence, some at a time. */
static const sparse_tile *
cut_globals(nn_model *m, const window_look *l, int64_t *count)
{
	sparse_tile *tiles = NULL;

	*count = 0;
	if (nn_live(m))
		tiles = tfm_alloc_array(m->context, (size_t) l->count, sizeof(sparse_tile));
	for (int64_t i = 0; tiles != NULL && i < l->batch->sequences; i++)
	{
		int32_t end = l->global_starts[i + 1];

		for (int32_t first = l->global_starts[i]; first < end; first += SPARSE_QUERIES)
			tiles[(*count)++] = (sparse_tile) {
				.sequence = i,
				.first = first,
				.queries = end - first < SPARSE_QUERIES ? end - first : SPARSE_QUERIES,
			};
	}
	return tiles;
}

/* Rows of y of the global tokens, by their own queries, keys and values. */
static void
attend_globally(nn_model *m, tensor y, tensor x, const attention *how, const windows *w,
				const window_look *l)
{
	int64_t width = y.shape[1];
	sparse_attention a = {
		.heads = how->heads,
		.config = l,
		.look = look_everywhere,
		.q = linear(m, take_rows(m, x, l->globals, l->count), w->projections[0]),
		.k = linear(m, x, w->projections[1]),
		.v = linear(m, x, w->projections[2]),
	};
	tensor seen;

	a.tiles = cut_globals(m, l, &a.tile_count);
	if (nn_live(m))
		a.most_keys = sparse_longest(l->batch);
	seen = attend_sparsely(m, &a);
	for (int64_t i = 0; nn_live(m) && i < l->count; i++)
		memcpy((float *) y.data + l->globals[i] * width, (const float *) seen.data + i * width,
			   (size_t) width * sizeof(float));
}

tensor
attend_in_windows(nn_model *m, const void *its_windows, const attention *how, tensor x,
				  const tensor qkv[3])
{
	const windows *w = its_windows;
	window_look l;
	sparse_attention a = {.heads = how->heads,
						  .q = qkv[0],
						  .k = qkv[1],
						  .v = qkv[2],
						  .config = &l,
						  .look = look_around,
						  .biased = true};
	tensor y;

	find_globals(m, w, &l);
	l.side = w->sizes[how->layer] / 2;
	a.tiles = cut_tiles(m, 0, 0, &a.tile_count);
	if (nn_live(m))
	{
		int64_t most = 2 * l.side + SPARSE_QUERIES + l.count, longest = sparse_longest(m->batch);

		a.most_keys = most < longest ? most : longest;
	}
	y = attend_sparsely(m, &a);
	if (l.count > 0)
		attend_globally(m, y, x, how, w, &l);
	return y;
}
