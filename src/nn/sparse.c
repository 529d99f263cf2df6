/*
 * sparse.c
 *	  Lists of keys are gathered, some at a time, and go through the kernel of common attention.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/sparse.h"

#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "tensor/kernels.h"

#define KEYS 256 /* gathered at a time */

/* What a thread works with. */
typedef struct sparse_work
{
	float *q, *k, *v, *scores, *bias;
	float *maximum, *sum, *result;
	sparse_view view;
} sparse_work;

typedef struct sparse_call
{
	const kernels *table;
	const sparse_attention *a;
	int64_t size, value_size, padded; /* of a head; value_size in whole 16 */
	float *y;
	char *scratch;
	size_t scratch_bytes;
} sparse_call;

static float *
take_floats(char *base, size_t *used, int64_t count)
{
	return scratch_take(base, used, (size_t) count * sizeof(float));
}

static size_t
lay_out(const sparse_call *call, char *base, sparse_work *w)
{
	int64_t most = call->a->most_keys;
	size_t used = 0;

	w->q = take_floats(base, &used, call->size * SPARSE_QUERIES);
	w->k = take_floats(base, &used, KEYS * call->size);
	w->v = take_floats(base, &used, KEYS * call->padded);
	w->scores = take_floats(base, &used, KEYS * SPARSE_QUERIES);
	w->maximum = take_floats(base, &used, SPARSE_QUERIES);
	w->sum = take_floats(base, &used, SPARSE_QUERIES);
	w->result = take_floats(base, &used, SPARSE_QUERIES * call->padded);
	w->view.bias = take_floats(base, &used, call->a->biased ? most * SPARSE_QUERIES : 0);
	w->view.keys = scratch_take(base, &used, (size_t) most * sizeof(int32_t));
	return used;
}

/* Keys and values of some rows of the list, side by side. */
static void
gather(const sparse_call *call, const sparse_work *w, int head, int64_t first, int64_t count)
{
	const tensor *k = &call->a->k, *v = &call->a->v;

	for (int64_t i = 0; i < count; i++)
	{
		int64_t row = w->view.keys[first + i];

		memcpy(w->k + i * call->size,
			   (const float *) k->data + row * k->shape[1] + head * call->size,
			   (size_t) call->size * sizeof(float));
		memcpy(w->v + i * call->padded,
			   (const float *) v->data + row * v->shape[1] + head * call->value_size,
			   (size_t) call->value_size * sizeof(float));
		memset(w->v + i * call->padded + call->value_size, 0,
			   (size_t) (call->padded - call->value_size) * sizeof(float));
	}
}

/* The tile's way through the kernel, of which keys are filled in later. */
static attend_tile
make_tile(const sparse_call *call, const sparse_work *w, const sparse_tile *t)
{
	return (attend_tile) {
		.form = ATTEND_F32,
		.queries = t->queries,
		.head_dim = call->size,
		.value_dim = call->value_size,
		.q = w->q,
		.k = w->k,
		.k_row = call->size,
		.k_step = 1,
		.v = w->v,
		.v_stride = call->padded,
		.scores = w->scores,
		.bias_stride = SPARSE_QUERIES,
		.maximum = w->maximum,
		.sum = w->sum,
		.result = w->result,
		.result_stride = call->padded,
		.y_stride = call->a->v.shape[1],
		.sink = -INFINITY,
	};
}

static void
run_tile(const sparse_call *call, const sparse_work *w, const sparse_tile *t, int head)
{
	const sparse_attention *a = call->a;
	const sparse_view *view = &w->view;
	attend_tile tile = make_tile(call, w, t);
	float scale = a->scale == 0 ? 1 / sqrtf((float) call->size) : (float) a->scale;

	call->table->pack_attend_queries(ATTEND_F32, t->queries, call->size, scale * (float) M_LOG2E,
									 (const float *) a->q.data + t->first * a->q.shape[1] +
										 head * call->size,
									 a->q.shape[1], w->q);
	for (int64_t first = 0; first < view->count; first += KEYS)
	{
		tile.keys = view->count - first < KEYS ? view->count - first : KEYS;
		gather(call, w, head, first, tile.keys);
		tile.bias = a->biased ? view->bias + first * SPARSE_QUERIES : NULL;
		tile.first = first == 0;
		if (first + tile.keys == view->count)
			tile.y = call->y + t->first * tile.y_stride + head * call->value_size;
		call->table->attend(&tile);
	}
}

/* What a tile sees, with biases as the kernel has them. */
static void
look(const sparse_call *call, sparse_view *view, const sparse_tile *tile, int head)
{
	const sparse_attention *a = call->a;

	view->count = 0;
	a->look(a->config, tile, head, view);
	for (int64_t i = 0; a->biased && i < view->count * SPARSE_QUERIES; i++)
		view->bias[i] = i % SPARSE_QUERIES < tile->queries ? view->bias[i] * (float) M_LOG2E : 0.0f;
}

static void
run_item(void *argument, int64_t item, int thread)
{
	const sparse_call *call = argument;
	const sparse_tile *tile = &call->a->tiles[item];
	sparse_work w;

	lay_out(call, call->scratch + (size_t) thread * call->scratch_bytes, &w);
	for (int head = 0; head < call->a->heads; head++)
	{
		if (head == 0 || call->a->by_head)
			look(call, &w.view, tile, head);
		run_tile(call, &w, tile, head);
	}
}

tensor
attend_sparsely(nn_model *m, const sparse_attention *a)
{
	sparse_call call = {.a = a};
	sparse_work w;
	tensor y;

	if (tfm_failed(m->context))
		return (tensor) {0};
	if (a->heads < 1 || a->q.shape[1] % a->heads != 0 || a->q.shape[1] != a->k.shape[1] ||
		a->v.shape[1] % a->heads != 0)
	{
		tfm_fail(m->context, TFM_UNSUPPORTED, "%d heads of %lld columns are not supported",
				 a->heads, (long long) a->q.shape[1]);
		return (tensor) {0};
	}
	y = nn_matrix(m, a->q.shape[0], a->v.shape[1]);
	if (!nn_live(m))
		return y;
	memset(y.data, 0, (size_t) tensor_count(&y) * sizeof(float));
	call.table = cpu_kernels(m->context);
	call.size = a->q.shape[1] / a->heads;
	call.value_size = a->v.shape[1] / a->heads;
	call.padded = (call.value_size + 15) / 16 * 16;
	call.y = y.data;
	call.scratch_bytes = lay_out(&call, NULL, &w);
	call.scratch =
		tfm_alloc_array(m->context, (size_t) cpu_threads(m->context), call.scratch_bytes);
	if (call.scratch != NULL)
		threads_run(m->context, run_item, &call, a->tile_count);
	return y;
}

/* ---- Tiles ---- */

/* Tokens from first on, before end, that make a tile. */
static int
count_queries(const nn_batch *batch, int64_t first, int64_t end, int64_t block, int64_t shift)
{
	int count = 1;

	while (count < SPARSE_QUERIES && first + count < end &&
		   (block == 0 || (batch->columns[first + count] + shift) / block ==
							  (batch->columns[first] + shift) / block))
		count++;
	return count;
}

const sparse_tile *
cut_tiles(nn_model *m, int64_t block, int64_t shift, int64_t *count)
{
	const nn_batch *batch = m->batch;
	sparse_tile *tiles;

	*count = 0;
	if (!nn_live(m))
		return NULL;
	tiles = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(sparse_tile));
	for (int64_t i = 0; tiles != NULL && i < batch->sequences; i++)
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1];
			 t += tiles[*count - 1].queries)
			tiles[(*count)++] = (sparse_tile) {
				.sequence = i,
				.first = t,
				.queries = count_queries(batch, t, batch->offsets[i + 1], block, shift),
			};
	return tiles;
}

int64_t
sparse_longest(const nn_batch *batch)
{
	int64_t longest = 0;

	for (int64_t i = 0; i < batch->sequences; i++)
		if (batch->offsets[i + 1] - batch->offsets[i] > longest)
			longest = batch->offsets[i + 1] - batch->offsets[i];
	return longest;
}

void
sparse_see(sparse_view *view, const uint8_t *hidden, int64_t first, int64_t end)
{
	for (int64_t t = first; t < end; t++)
		if (hidden == NULL || hidden[t] == 0)
			view->keys[view->count++] = (int32_t) t;
}
