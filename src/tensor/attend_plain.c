/*
 * attend_plain.c
 *	  Attention query by query.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/attend_plain.h"

#include <math.h>
#include <string.h>

#include "base/threads.h"
#include "tensor/cache_pages.h"
#include "tensor/float16.h"
#include "tensor/kernels.h"

typedef struct plain_call
{
	const op_attend_options *o;
	float *scratch;
	int64_t scratch_floats;
} plain_call;

static float *
put_bytes(const float *x, int columns, uint16_t *scales, int64_t scale_step, int8_t *bytes,
		  int64_t step)
{
	for (int b = 0; b < columns; b += KV_BLOCK)
	{
		int count = columns - b < KV_BLOCK ? columns - b : KV_BLOCK;
		float most = 0.0f, scale;

		for (int i = 0; i < count; i++)
			most = fmaxf(most, fabsf(x[b + i]));
		scale = most / 127.0f;
		scales[b / KV_BLOCK * scale_step] = f32_to_f16(scale);
		for (int i = 0; i < count; i++)
			bytes[(b + i) * step] = (int8_t) (scale == 0.0f ? 0.0f : roundf(x[b + i] / scale));
	}
	return NULL;
}

static void
put_row(tfm_dtype storage, const float *x, int columns, char *part, int slot, bool keys)
{
	int64_t width = kv_value_columns(storage, columns);
	int64_t step = keys ? KV_PAGE : 1, start = keys ? slot : slot * width;

	if (storage == DTYPE_Q8_0)
	{
		int64_t blocks = width / KV_BLOCK;

		put_bytes(x, columns, (uint16_t *) part + (keys ? slot : slot * blocks), keys ? KV_PAGE : 1,
				  (int8_t *) part + 2 * blocks * KV_PAGE + start, step);
		return;
	}
	for (int i = 0; i < columns; i++)
		if (storage == DTYPE_F32)
			((float *) part)[start + i * step] = x[i];
		else
			((uint16_t *) part)[start + i * step] = f32_to_f16(x[i]);
}

static void
get_row(tfm_dtype storage, float *x, int columns, const char *part, int slot, bool keys)
{
	int64_t width = kv_value_columns(storage, columns), blocks = width / KV_BLOCK;
	int64_t step = keys ? KV_PAGE : 1, start = keys ? slot : slot * width;

	for (int i = 0; i < columns; i++)
		if (storage == DTYPE_F32)
			x[i] = ((const float *) part)[start + i * step];
		else if (storage == DTYPE_F16)
			x[i] = f16_to_f32(((const uint16_t *) part)[start + i * step]);
		else
		{
			int64_t b = i / KV_BLOCK;
			const uint16_t *scales = (const uint16_t *) part;

			x[i] = f16_to_f32(scales[keys ? b * KV_PAGE + slot : slot * blocks + b]) *
				   (float) ((const int8_t *) part)[2 * blocks * KV_PAGE + start + i * step];
		}
}

static void
append_tokens(const op_attend_options *o, int64_t i)
{
	const int32_t *offsets = o->key_offsets != NULL ? o->key_offsets : o->offsets;
	tfm_dtype storage = kv_storage(o->cache);
	kv_view view;

	kv_look(o->cache, o->cached[i], o->layer, &view);
	for (int64_t t = offsets[i]; t < offsets[i + 1]; t++)
	{
		int64_t place = view.length - offsets[i + 1] + t;
		int slot = (int) (place % KV_PAGE);
		char *part = kv_page_of(&view, place);

		part[slot] = (char) (o->hidden == NULL ? 0 : o->hidden[t]);
		part += KV_HEADER;
		for (int h = 0; h < o->kv_heads; h++)
		{
			put_row(storage, o->k + t * o->k_stride + h * o->head_dim, o->head_dim, part, slot,
					true);
			part += kv_key_bytes(storage, o->head_dim);
			put_row(storage, o->v + t * o->v_stride + h * o->value_dim, o->value_dim, part, slot,
					false);
			part += kv_value_bytes(storage, o->value_dim);
		}
	}
}

typedef struct plain_keys
{
	const op_attend_options *o;
	kv_view view;
	int64_t token; /* of k */
	int64_t length;
	int head;
	float *row;
} plain_keys;

static const char *
cached_part(const plain_keys *k, int64_t j)
{
	const op_attend_options *o = k->o;
	tfm_dtype storage = kv_storage(o->cache);

	return kv_page_of(&k->view, j) + KV_HEADER +
		   (size_t) k->head *
			   (kv_key_bytes(storage, o->head_dim) + kv_value_bytes(storage, o->value_dim));
}

static const float *
key_of(const plain_keys *k, int64_t j)
{
	const op_attend_options *o = k->o;

	if (o->cache == NULL)
		return o->k + (k->token + j) * o->k_stride + k->head * o->head_dim;
	get_row(kv_storage(o->cache), k->row, o->head_dim, cached_part(k, j), (int) (j % KV_PAGE),
			true);
	return k->row;
}

static const float *
value_of(const plain_keys *k, int64_t j)
{
	const op_attend_options *o = k->o;

	if (o->cache == NULL)
		return o->v + (k->token + j) * o->v_stride + k->head * o->value_dim;
	get_row(kv_storage(o->cache), k->row, o->value_dim,
			cached_part(k, j) + kv_key_bytes(kv_storage(o->cache), o->head_dim),
			(int) (j % KV_PAGE), false);
	return k->row;
}

static bool
sees_key(const plain_keys *k, int64_t place, int64_t j)
{
	const op_attend_options *o = k->o;

	if (o->causal && (j > place || (o->window > 0 && j <= place - o->window)))
		return false;
	if (o->cache != NULL)
		return kv_page_of(&k->view, j)[j % KV_PAGE] == 0;
	return o->hidden == NULL || o->hidden[k->token + j] == 0;
}

static float
score_of(const plain_keys *k, const float *q, int64_t query, int64_t place, int64_t j, int head)
{
	const op_attend_options *o = k->o;
	const float *key = key_of(k, j);
	float sum = 0.0f;

	for (int i = 0; i < o->head_dim; i++)
		sum += q[i] * key[i];
	sum *= o->scale;
	if (o->soft_cap > 0.0f)
		sum = o->soft_cap * tanhf(sum / o->soft_cap);
	if (o->bias != NULL)
	{
		int64_t d = j - place, most = o->span - 1;

		if (o->positions != NULL)
			d = (int64_t) o->positions[k->token + j] - o->positions[query];
		d = d < -most ? -most : d > most ? most : d;
		sum += o->bias[head * (2 * most + 1) + d + most];
	}
	if (o->slopes != NULL)
		sum += o->slopes[head] * (float) (j - place);
	return sum;
}

static void
attend_query(const plain_keys *k, int64_t query, int64_t place, int head, float *scores)
{
	const op_attend_options *o = k->o;
	const float *q = o->q + query * o->q_stride + head * o->head_dim;
	float *y = o->y + query * o->y_stride + head * o->value_dim;
	float most = o->sinks == NULL ? -INFINITY : o->sinks[head], total = 0.0f;
	int64_t first = o->cache == NULL ? 0 : k->view.first;

	for (int64_t j = first; j < k->length; j++)
	{
		scores[j] = sees_key(k, place, j) ? score_of(k, q, query, place, j, head) : -INFINITY;
		most = fmaxf(most, scores[j]);
	}
	memset(y, 0, (size_t) o->value_dim * sizeof(float));
	if (most == -INFINITY)
		return;
	if (o->sinks != NULL)
		total = expf(o->sinks[head] - most);
	for (int64_t j = first; j < k->length; j++)
		if (scores[j] > -INFINITY)
		{
			const float *v = value_of(k, j);
			float e = expf(scores[j] - most);

			total += e;
			for (int i = 0; i < o->value_dim; i++)
				y[i] += e * v[i];
		}
	for (int i = 0; i < o->value_dim; i++)
		y[i] /= total;
}

static void
plain_item(void *argument, int64_t item, int thread)
{
	const plain_call *call = argument;
	const op_attend_options *o = call->o;
	const int32_t *keys = o->key_offsets != NULL ? o->key_offsets : o->offsets;
	int64_t i = item / o->heads;
	int head = (int) (item % o->heads);
	float *scratch = call->scratch + thread * call->scratch_floats;
	plain_keys k = {.o = o, .token = keys[i], .length = keys[i + 1] - keys[i], .row = scratch};

	k.head = head / (o->heads / o->kv_heads);
	if (o->cache != NULL)
	{
		kv_look(o->cache, o->cached[i], o->layer, &k.view);
		k.length = k.view.length;
	}
	for (int32_t t = o->offsets[i]; t < o->offsets[i + 1]; t++)
		attend_query(&k, t, k.length - (o->offsets[i + 1] - t), head,
					 scratch + ATTEND_MAX_HEAD_DIM);
}

bool
attend_plain(tfm_context *context, const op_attend_options *o)
{
	const int32_t *keys = o->key_offsets != NULL ? o->key_offsets : o->offsets;
	plain_call call = {.o = o};
	arena_mark mark = arena_save(context->arena);
	bool done = false;
	int64_t most = 0;

	for (int64_t i = 0; i < o->batch; i++)
	{
		int64_t length =
			o->cache != NULL ? kv_length(o->cache, o->cached[i]) : keys[i + 1] - keys[i];

		most = length > most ? length : most;
		if (o->cache != NULL && o->k != NULL)
			append_tokens(o, i);
	}
	call.scratch_floats = ATTEND_MAX_HEAD_DIM + most;
	call.scratch = tfm_alloc_array(context, (size_t) cpu_threads(context),
								   (size_t) call.scratch_floats * sizeof(float));
	if (call.scratch != NULL)
		done = threads_run(context, plain_item, &call, o->batch * o->heads);
	arena_restore(context->arena, mark);
	return done;
}
