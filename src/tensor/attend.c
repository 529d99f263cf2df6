/*
 * attend.c
 *	  One call of attention: its sizes, what goes into the cache first, and who computes which part.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/attend.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "tensor/attend_call.h"

/*
 * Queries of a unit, for which keys and values are packed once, and keys of a block, on which the
 * results' bits depend: fewer for wide heads, so that what a thread works with stays small.
 */
#define MAX_BLOCK 256
#define MIN_BLOCK 64
#define BLOCK_ELEMENTS (MAX_BLOCK * 64) /* of a packed block, about, between these */

/* Where q, k and v are larger, they are hardly in the caches, and fetching ahead is worth its time. */
#define AHEAD_BYTES (6 * 1024 * 1024)

/* Products of rows, elements of what is appended, below which threads take longer to wake. */
#define ALONE_PRODUCTS 200000.0
#define ALONE_ELEMENTS 32768

int64_t
attend_find(const int64_t *starts, int64_t count, int64_t item)
{
	int64_t low = 0, high = count;

	while (high - low > 1)
	{
		int64_t middle = low + (high - low) / 2;

		if (starts[middle] <= item)
			low = middle;
		else
			high = middle;
	}
	return low;
}

bool
attend_stopping(const attend_call *call, int thread)
{
	if (thread == 0)
		return tfm_stopped(call->context);
	return threads_stopping(call->context->pool);
}

const uint8_t *
attend_hidden(const attend_call *call, const attend_sequence *s, int64_t key, int64_t keys,
			  uint8_t *flags)
{
	static const uint8_t none[KV_PAGE];
	void *const *pages = s->view.pages + (key - s->view.first) / KV_PAGE;
	bool any = false;

	(void) call;
	for (int64_t i = 0; i < keys; i += KV_PAGE)
	{
		const char *header = (const char *) pages[i / KV_PAGE] + s->view.offset;

		memcpy(flags + i, header, KV_PAGE);
		any = any || memcmp(header, none, KV_PAGE) != 0;
	}
	return any ? flags : NULL;
}

/* ---- Appending ---- */

/* Tokens first .. end - 1 of k and v, which are of one page, from the place on. */
static void
append_page(const attend_call *call, const attend_sequence *s, int64_t first, int64_t end,
			int64_t place)
{
	const op_attend_options *o = &call->o;
	int slot = (int) (place % KV_PAGE), count = (int) (end - first);
	char *part = kv_page_of(&s->view, place);

	/* those that come later are not hidden, either */
	memset(part + slot, 0, (size_t) (KV_PAGE - slot));
	if (o->hidden != NULL)
		memcpy(part + slot, o->hidden + first, (size_t) count);
	part += KV_HEADER;
	for (int h = 0; h < o->kv_heads; h++, part += call->head_bytes)
	{
		call->table->store_page_keys(call->storage, slot, count, o->head_dim,
									 o->k + first * o->k_stride + (int64_t) h * o->head_dim,
									 o->k_stride, part);
		call->table->store_page_values(call->storage, slot, count, o->value_dim,
									   o->v + first * o->v_stride + (int64_t) h * o->value_dim,
									   o->v_stride, part + call->key_bytes);
	}
}

/* What a sequence appends to one page of those that it appends to. */
static void
append_part(const attend_call *call, const attend_sequence *s, int64_t page)
{
	int64_t start = s->length - s->appended;
	int64_t place = page == 0 ? start : (start / KV_PAGE + page) * KV_PAGE;
	int64_t end = (start / KV_PAGE + page + 1) * KV_PAGE;

	end = end < s->length ? end : s->length;
	append_page(call, s, s->key_token + place - start, s->key_token + end - start, place);
}

static int64_t
count_pages(const attend_sequence *s)
{
	int64_t start = s->length - s->appended;

	return s->appended == 0 ? 0 : (s->length - 1) / KV_PAGE - start / KV_PAGE + 1;
}

static void
append_item(void *argument, int64_t item, int thread)
{
	const attend_call *call = argument;
	int64_t sequence = 0;

	(void) thread;
	while (item >= count_pages(&call->sequences[sequence]))
		item -= count_pages(&call->sequences[sequence++]);
	append_part(call, &call->sequences[sequence], item);
}

static bool
append(tfm_context *context, attend_call *call)
{
	const op_attend_options *o = &call->o;
	int64_t tokens = 0, pages = 0;

	if (o->cache == NULL || o->k == NULL)
		return true;
	for (int64_t i = 0; i < o->batch; i++)
	{
		tokens += call->sequences[i].appended;
		pages += count_pages(&call->sequences[i]);
	}
	if (tokens * o->kv_heads * (o->head_dim + o->value_dim) > ALONE_ELEMENTS)
		return threads_run(context, append_item, call, pages);
	for (int64_t i = 0; i < o->batch; i++)
		for (int64_t page = 0; page < count_pages(&call->sequences[i]); page++)
			append_part(call, &call->sequences[i], page);
	return true;
}

/* ---- Options ---- */

static void
fill_defaults(op_attend_options *o)
{
	if (o->value_dim == 0)
		o->value_dim = o->head_dim;
	if (o->q_stride == 0)
		o->q_stride = (int64_t) o->heads * o->head_dim;
	if (o->y_stride == 0)
		o->y_stride = (int64_t) o->heads * o->value_dim;
	if (o->k_stride == 0)
		o->k_stride = (int64_t) o->kv_heads * o->head_dim;
	if (o->v_stride == 0)
		o->v_stride = (int64_t) o->kv_heads * o->value_dim;
	if (o->scale == 0.0f)
		o->scale = 1.0f / sqrtf((float) o->head_dim);
	if (!o->causal && (o->cache != NULL || o->key_offsets != NULL))
		o->window = 0;
	if (o->cache != NULL || o->key_offsets != NULL)
		o->positions = NULL;
}

static bool
check_offsets(tfm_context *context, const int32_t *offsets, int64_t batch)
{
	for (int64_t i = 0; offsets != NULL && i < batch; i++)
		if (offsets[i] < 0 || offsets[i + 1] < offsets[i])
			return tfm_fail(context, TFM_INTERNAL, "sequence %lld of the attention is impossible",
							(long long) i);
	return true;
}

static bool
check_options(tfm_context *context, const op_attend_options *o)
{
	if (o->batch < 0 || o->heads < 1 || o->kv_heads < 1 || o->heads % o->kv_heads != 0 ||
		o->head_dim < 1 || o->head_dim > ATTEND_MAX_HEAD_DIM || o->value_dim < 0 ||
		o->value_dim > ATTEND_MAX_HEAD_DIM || o->window < 0 || (o->bias != NULL && o->span < 1) ||
		(o->scores != NULL && (o->bias != NULL || o->cache != NULL)))
		return tfm_fail(context, TFM_INTERNAL,
						"attention with %d heads of %d, %d of them for keys, is impossible",
						o->heads, o->head_dim, o->kv_heads);
	return check_offsets(context, o->offsets, o->batch) &&
		   check_offsets(context, o->key_offsets, o->batch);
}

static bool
check_cache(tfm_context *context, const op_attend_options *o)
{
	const kv_layer *layer = kv_layer_of(o->cache, o->layer);

	if (layer == NULL || layer->heads != o->kv_heads || layer->key_dim != o->head_dim ||
		layer->value_dim != o->value_dim || (o->k == NULL) != (o->v == NULL) ||
		(layer->window != 0 && (o->window == 0 || o->window > layer->window)))
		return tfm_fail(context, TFM_INTERNAL, "attention does not fit layer %d of the cache",
						o->layer);
	return true;
}

/* What follows from the options and the processor. */
static void
choose_form(attend_call *call)
{
	const op_attend_options *o = &call->o;
	int64_t head_dim = o->head_dim > o->value_dim ? o->head_dim : o->value_dim;
	int64_t width = (o->heads + 2 * (int64_t) o->kv_heads) * head_dim;
	bool has_pairs = call->table->multiply_bf16 != NULL;

	call->form = ATTEND_F32;
	if (o->compute == COMPUTE_BF16 || (o->compute == COMPUTE_INT8 && has_pairs))
		call->form = has_pairs ? ATTEND_PAIRS : ATTEND_ROUNDED;
	call->block = BLOCK_ELEMENTS / head_dim / KERNEL_COLUMNS * KERNEL_COLUMNS;
	call->block = call->block < MIN_BLOCK ? MIN_BLOCK : call->block;
	call->block = call->block > MAX_BLOCK ? MAX_BLOCK : call->block;
	call->padded_value = (int64_t) size_round_up((size_t) o->value_dim, 16);
	call->steps = call->form == ATTEND_PAIRS ? (o->head_dim + 1) / 2 : o->head_dim;
	call->key_stride = (int64_t) size_round_up((size_t) call->steps, 16);
	call->group = o->heads / o->kv_heads;
	call->ahead = o->cache == NULL && o->key_offsets == NULL &&
				  o->offsets[o->batch] > AHEAD_BYTES / (int64_t) sizeof(float) / width;
	if (o->cache == NULL)
		return;
	call->storage = kv_storage(o->cache);
	call->key_bytes = kv_key_bytes(call->storage, o->head_dim);
	call->head_bytes = call->key_bytes + kv_value_bytes(call->storage, o->value_dim);
}

/* ---- The call ---- */

static bool
set_sequence(tfm_context *context, const attend_call *call, int64_t i)
{
	const op_attend_options *o = &call->o;
	const int32_t *keys = o->key_offsets != NULL ? o->key_offsets : o->offsets;
	attend_sequence *s = &call->sequences[i];

	*s = (attend_sequence) {.token = o->offsets[i],
							.queries = o->offsets[i + 1] - o->offsets[i],
							.key_token = keys[i],
							.length = keys[i + 1] - keys[i]};
	if (o->cache != NULL)
	{
		s->appended = o->k == NULL ? 0 : s->length;
		if (!kv_may_write(o->cache, o->cached[i], s->appended) ||
			!kv_look(o->cache, o->cached[i], o->layer, &s->view))
			return tfm_fail(context, TFM_INTERNAL, "sequence %d of the cache has no room",
							o->cached[i]);
		s->length = s->view.length;
	}
	s->past = s->length - s->queries;
	if (o->causal && s->past < 0)
		return tfm_fail(context, TFM_INTERNAL, "sequence %lld of the attention has too few keys",
						(long long) i);
	return true;
}

static void
attend_item(void *argument, int64_t item, int thread)
{
	const attend_call *call = argument;

	if (item < call->tile_items)
		attend_tile_item(call, item, thread);
	else
		attend_row_item(call, item - call->tile_items, thread);
}

/* Whether waking threads takes longer than the work. */
static bool
is_small(const attend_call *call)
{
	const op_attend_options *o = &call->o;
	double products = 0.0;

	if (call->tile_items > 0)
		return false;
	for (int64_t i = 0; i < o->batch; i++)
		products += (double) call->sequences[i].queries * (double) call->sequences[i].length;
	return products * o->heads * (o->head_dim + o->value_dim) < ALONE_PRODUCTS;
}

static bool
run_items(tfm_context *context, attend_call *call, int64_t rows, bool alone)
{
	if (!alone)
		return threads_run(context, attend_item, call, call->tile_items + rows);
	for (int64_t i = 0; i < rows && !tfm_failed(context); i++)
		attend_row_item(call, i, 0);
	return !tfm_failed(context);
}

static bool
run_call(tfm_context *context, attend_call *call, int64_t *starts)
{
	const op_attend_options *o = &call->o;
	int threads = cpu_threads(context);
	bool alone;
	size_t state_bytes, row_bytes;
	int64_t rows;

	for (int64_t i = 0; i < o->batch; i++)
		if (!set_sequence(context, call, i))
			return false;
	call->tile_items = attend_cut_tiles(call, starts, threads);
	alone = is_small(call);
	threads = alone ? 1 : threads;
	rows = attend_cut_rows(call, starts + o->batch + 1, threads, &state_bytes);
	call->scratch_bytes = call->tile_items > 0 ? attend_tile_scratch(call) : 0;
	row_bytes = rows > 0 ? attend_row_scratch(call) : 0;
	call->scratch_bytes = row_bytes > call->scratch_bytes ? row_bytes : call->scratch_bytes;
	call->states = tfm_alloc(context, state_bytes);
	call->scratch = tfm_alloc_array(context, (size_t) threads, call->scratch_bytes);
	if (tfm_failed(context) || !append(context, call) || !run_items(context, call, rows, alone))
		return false;
	if (state_bytes > 0)
		attend_merge_rows(call);
	return true;
}

bool
op_attend(tfm_context *context, const op_attend_options *options)
{
	attend_call call = {.context = context, .table = cpu_kernels(context), .o = *options};
	arena_mark mark;
	int64_t *starts;
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
	choose_form(&call);

	mark = arena_save(context->arena);
	starts = tfm_alloc_array(context, 2 * ((size_t) call.o.batch + 1), sizeof(int64_t));
	call.state_at = tfm_alloc_array(context, (size_t) call.o.batch + 1, sizeof(size_t));
	call.sequences = tfm_alloc_array(context, (size_t) call.o.batch + 1, sizeof(attend_sequence));
	if (!tfm_failed(context))
		done = run_call(context, &call, starts);
	arena_restore(context->arena, mark);
	return done;
}
