/*
 * cache.c
 *	  Keys and values of growing sequences in pages.
 *
 * Layers of one window are a kind: they keep and drop the same tokens, so that a page has KV_PAGE
 * tokens of all of them.  A sequence has a run of pages of each kind.  Pages count the sequences that
 * have them; one that nobody has waits in its kind's list to be used again.  States of recurrent
 * layers are a kind of their own, of which a sequence that has tokens has one page.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "tensor/cache_pages.h"

#define MAX_HEADS 65536
#define MAX_DIM 65536
#define MAX_LENGTH ((int64_t) 1 << 30) /* tokens of a sequence */
#define MAX_STATE ((int64_t) 1 << 30)  /* floats of a layer's state */

typedef struct page
{
	char *data; /* aligned to KV_HEADER */
	void *memory;
	struct page *next; /* in the list of the free */
	int64_t references;
} page;

/* Layers of one window, or all that have states. */
typedef struct kind
{
	int64_t window;
	bool has_states;
	size_t bytes; /* of a page's data */
	page *free;
	int64_t free_count;
} kind;

/* Pages of one kind that follow each other; data repeats what they have for those who read. */
typedef struct run
{
	page **pages;
	void **data;
	int64_t first; /* number of the first page */
	int64_t count, capacity;
} run;

typedef struct sequence
{
	bool open;
	int64_t length;
	int64_t stated; /* tokens that its states may have seen */
	run *runs;		/* [kind_count] */
} sequence;

struct kv_cache
{
	tfm_dtype storage;
	int count;
	kv_layer *layers;
	int *kinds_of;	 /* [count] */
	size_t *offsets; /* [count] in a page */
	kind *kinds;
	int kind_count;
	size_t limit, used, held;
	sequence *sequences;
	int32_t sequence_count;
};

static int64_t
pages_of(int64_t tokens)
{
	return (tokens + KV_PAGE - 1) / KV_PAGE;
}

/* ---- Layout ---- */

int
kv_value_columns(tfm_dtype storage, int value_dim)
{
	return (int) size_round_up((size_t) value_dim, storage == DTYPE_Q8_0 ? KV_BLOCK : 16);
}

size_t
kv_value_bytes(tfm_dtype storage, int value_dim)
{
	size_t columns = (size_t) kv_value_columns(storage, value_dim);

	if (storage == DTYPE_Q8_0)
		return KV_PAGE * (columns + columns / KV_BLOCK * sizeof(uint16_t));
	return KV_PAGE * columns * dtype_size(storage);
}

size_t
kv_key_bytes(tfm_dtype storage, int key_dim)
{
	size_t columns = (size_t) key_dim;

	if (storage == DTYPE_BF16)
		columns = size_round_up(columns, 2);
	if (storage != DTYPE_Q8_0)
		return KV_PAGE * columns * dtype_size(storage);
	columns = size_round_up(columns, KV_BLOCK);
	return KV_PAGE * (columns + columns / KV_BLOCK * sizeof(uint16_t));
}

static size_t
layer_bytes(const kv_layer *layer, tfm_dtype storage)
{
	if (layer->state > 0)
		return size_round_up((size_t) layer->state * sizeof(float), KV_HEADER);
	return KV_HEADER + (size_t) layer->heads * (kv_key_bytes(storage, layer->key_dim) +
												kv_value_bytes(storage, layer->value_dim));
}

/* Most pages of a window that moves on token by token. */
static int64_t
window_pages(int64_t window, int64_t tokens)
{
	int64_t all = pages_of(tokens);

	if (window > 0 && (window + KV_PAGE - 2) / KV_PAGE + 1 < all)
		return (window + KV_PAGE - 2) / KV_PAGE + 1;
	return all;
}

size_t
kv_bytes(int count, const kv_layer *layers, tfm_dtype storage, int64_t tokens)
{
	size_t bytes = 0;

	for (int i = 0; i < count; i++)
		bytes += layer_bytes(&layers[i], storage) *
				 (layers[i].state > 0 ? 1 : (size_t) window_pages(layers[i].window, tokens));
	return bytes;
}

static bool
is_possible(const kv_layer *layer)
{
	if (layer->state != 0)
		return layer->state > 0 && layer->state <= MAX_STATE;
	return layer->heads >= 1 && layer->heads <= MAX_HEADS && layer->key_dim >= 1 &&
		   layer->key_dim <= MAX_DIM && layer->value_dim >= 1 && layer->value_dim <= MAX_DIM &&
		   layer->window >= 0;
}

static bool
check_layers(tfm_context *context, int count, const kv_layer *layers, tfm_dtype storage)
{
	if (count < 1 || (storage != DTYPE_F32 && storage != DTYPE_F16 && storage != DTYPE_BF16 &&
					  storage != DTYPE_Q8_0))
		return tfm_fail(context, TFM_INTERNAL, "a cache of %d layers in %s is impossible", count,
						dtype_name(storage));
	for (int i = 0; i < count; i++)
		if (!is_possible(&layers[i]))
			return tfm_fail(context, TFM_INTERNAL, "layer %d of the cache is impossible", i);
	return true;
}

/* Find the kinds, and places in their pages. */
static void
lay_out(kv_cache *cache)
{
	for (int i = 0; i < cache->count; i++)
	{
		bool has_state = cache->layers[i].state > 0;
		int64_t window = has_state ? 0 : cache->layers[i].window;
		int k = 0;

		while (k < cache->kind_count &&
			   (cache->kinds[k].window != window || cache->kinds[k].has_states != has_state))
			k++;
		if (k == cache->kind_count)
			cache->kinds[cache->kind_count++] = (kind) {.window = window, .has_states = has_state};
		cache->kinds_of[i] = k;
		cache->offsets[i] = cache->kinds[k].bytes;
		cache->kinds[k].bytes += layer_bytes(&cache->layers[i], cache->storage);
	}
}

/* ---- Pages ---- */

static void
drop_page(kv_cache *cache, kind *k, page *p)
{
	if (--p->references > 0)
		return;
	cache->used -= k->bytes;
	p->next = k->free;
	k->free = p;
	k->free_count++;
}

/* A page of those that are free, which there must be. */
static page *
take_page(kv_cache *cache, kind *k)
{
	page *p = k->free;

	k->free = p->next;
	k->free_count--;
	p->references = 1;
	cache->used += k->bytes;
	return p;
}

static bool
add_free_page(tfm_context *context, kv_cache *cache, kind *k)
{
	page *p = malloc(sizeof(page));
	char *memory = malloc(k->bytes + KV_HEADER);

	if (p == NULL || memory == NULL)
	{
		free(p);
		free(memory);
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory for a page of the cache");
	}
	p->memory = memory;
	p->data = memory + (KV_HEADER - (uintptr_t) memory % KV_HEADER) % KV_HEADER;
	p->references = 0;
	p->next = k->free;
	k->free = p;
	k->free_count++;
	cache->held += k->bytes;
	return true;
}

/* Give free pages beyond keep of them back to the system. */
static void
trim_kind(kv_cache *cache, kind *k, int64_t keep)
{
	while (k->free_count > keep)
	{
		page *p = k->free;

		k->free = p->next;
		k->free_count--;
		cache->held -= k->bytes;
		free(p->memory);
		free(p);
	}
}

void
kv_trim(kv_cache *cache)
{
	for (int i = 0; i < cache->kind_count; i++)
		trim_kind(cache, &cache->kinds[i], 0);
}

/* ---- Runs ---- */

static bool
reserve_run(tfm_context *context, run *r, int64_t count)
{
	int64_t capacity = r->capacity == 0 ? 16 : r->capacity;
	page **pages;
	void **data;

	if (count <= r->capacity)
		return true;
	while (capacity < count)
		capacity *= 2;
	pages = realloc(r->pages, (size_t) capacity * sizeof(page *));
	if (pages != NULL)
		r->pages = pages;
	data = realloc(r->data, (size_t) capacity * sizeof(void *));
	if (data != NULL)
		r->data = data;
	if (pages == NULL || data == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory for the pages of a sequence");
	r->capacity = capacity;
	return true;
}

static void
set_page(run *r, int64_t i, page *p)
{
	r->pages[i] = p;
	r->data[i] = p->data;
}

/* Drop the first count pages. */
static void
drop_first(kv_cache *cache, kind *k, run *r, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		drop_page(cache, k, r->pages[i]);
	r->first += count;
	r->count -= count;
	memmove(r->pages, r->pages + count, (size_t) r->count * sizeof(page *));
	memmove(r->data, r->data + count, (size_t) r->count * sizeof(void *));
}

/* Drop all but the first count pages. */
static void
drop_last(kv_cache *cache, kind *k, run *r, int64_t count)
{
	while (r->count > count)
		drop_page(cache, k, r->pages[--r->count]);
}

/* ---- Sequences ---- */

static void
clear_sequence(kv_cache *cache, sequence *s)
{
	for (int i = 0; i < cache->kind_count; i++)
	{
		drop_last(cache, &cache->kinds[i], &s->runs[i], 0);
		s->runs[i].first = 0;
	}
	s->length = s->stated = 0;
}

static sequence *
find_sequence(const kv_cache *cache, int32_t number)
{
	if (number < 0 || number >= cache->sequence_count || !cache->sequences[number].open)
		return NULL;
	return &cache->sequences[number];
}

static bool
add_sequences(tfm_context *context, kv_cache *cache)
{
	int32_t count = cache->sequence_count == 0 ? 8 : cache->sequence_count * 2;
	sequence *grown = realloc(cache->sequences, (size_t) count * sizeof(sequence));

	if (grown == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory for sequences of the cache");
	memset(grown + cache->sequence_count, 0,
		   (size_t) (count - cache->sequence_count) * sizeof(sequence));
	cache->sequences = grown;
	cache->sequence_count = count;
	return true;
}

int32_t
kv_open(tfm_context *context, kv_cache *cache)
{
	int32_t number = 0;
	sequence *s;

	if (tfm_failed(context))
		return -1;
	while (number < cache->sequence_count && cache->sequences[number].open)
		number++;
	if (number == cache->sequence_count && !add_sequences(context, cache))
		return -1;
	s = &cache->sequences[number];
	if (s->runs == NULL)
		s->runs = calloc((size_t) cache->kind_count, sizeof(run));
	if (s->runs == NULL)
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory for a sequence of the cache");
		return -1;
	}
	s->open = true;
	return number;
}

int32_t
kv_fork(tfm_context *context, kv_cache *cache, int32_t number)
{
	sequence *from, *to;
	int32_t fork;

	if (tfm_failed(context))
		return -1;
	if (find_sequence(cache, number) == NULL)
	{
		tfm_fail(context, TFM_INTERNAL, "there is no sequence %d in the cache", number);
		return -1;
	}
	fork = kv_open(context, cache);
	if (fork < 0)
		return -1;
	from = &cache->sequences[number], to = &cache->sequences[fork];
	for (int i = 0; i < cache->kind_count; i++)
		if (!reserve_run(context, &to->runs[i], from->runs[i].count))
		{
			kv_close(cache, fork);
			return -1;
		}
	for (int i = 0; i < cache->kind_count; i++)
	{
		to->runs[i].first = from->runs[i].first;
		to->runs[i].count = from->runs[i].count;
		for (int64_t p = 0; p < from->runs[i].count; p++)
		{
			set_page(&to->runs[i], p, from->runs[i].pages[p]);
			from->runs[i].pages[p]->references++;
		}
	}
	to->length = from->length;
	to->stated = from->stated;
	return fork;
}

void
kv_close(kv_cache *cache, int32_t number)
{
	sequence *s = find_sequence(cache, number);

	if (s == NULL)
		return;
	clear_sequence(cache, s);
	s->open = false;
}

int64_t
kv_length(const kv_cache *cache, int32_t number)
{
	const sequence *s = find_sequence(cache, number);

	return s == NULL ? 0 : s->length;
}

/* ---- Growing ---- */

/* What a run needs for more tokens. */
typedef struct growth
{
	int64_t unseen; /* pages at its beginning that no new token sees */
	int64_t freed;	/* of them those that nobody else has */
	bool copy;		/* its last page is written, and somebody else has it */
	int64_t appended;
	int64_t taken; /* pages in all */
} growth;

/* A state comes with the first token, and is written by all. */
static growth
plan_state(const run *r, int64_t tokens)
{
	growth g = {
		.copy = tokens > 0 && r->count > 0 && r->pages[0]->references > 1,
		.appended = tokens > 0 && r->count == 0,
	};

	g.taken = g.appended + g.copy;
	return g;
}

static growth
plan_growth(const kind *k, const run *r, int64_t length, int64_t tokens)
{
	growth g = {.appended = pages_of(length + tokens) - pages_of(length)};
	int64_t seen = k->window == 0 || length < k->window ? 0 : length - k->window + 1;

	if (k->has_states)
		return plan_state(r, tokens);
	g.unseen = seen / KV_PAGE - r->first;
	g.unseen = g.unseen < 0 ? 0 : g.unseen > r->count ? r->count : g.unseen;
	for (int64_t i = 0; i < g.unseen; i++)
		g.freed += r->pages[i]->references == 1;
	g.copy = tokens > 0 && length % KV_PAGE != 0 && r->pages[r->count - 1]->references > 1;
	g.taken = g.appended + g.copy;
	return g;
}

/* Have the pages that the growth takes among the free. */
static bool
secure_growth(tfm_context *context, kv_cache *cache, const sequence *s, int64_t tokens)
{
	size_t taken = 0, freed = 0, missing = 0;

	for (int i = 0; i < cache->kind_count; i++)
	{
		kind *k = &cache->kinds[i];
		growth g = plan_growth(k, &s->runs[i], s->length, tokens);

		taken += (size_t) g.taken * k->bytes;
		freed += (size_t) g.freed * k->bytes;
		if (g.taken > g.freed + k->free_count)
			missing += (size_t) (g.taken - g.freed - k->free_count) * k->bytes;
	}
	if (cache->limit != 0 && cache->used + taken > cache->limit + freed)
	{
		tfm_fail(context, TFM_LIMIT_EXCEEDED,
				 "keys and values of %lld tokens exceed the cache's limit of %zu bytes",
				 (long long) (s->length + tokens), cache->limit);
		return tfm_detail(context, "%zu bytes are in use, %zu more are needed.", cache->used,
						  taken - freed);
	}
	for (int i = 0; i < cache->kind_count; i++)
	{
		kind *k = &cache->kinds[i];
		growth g = plan_growth(k, &s->runs[i], s->length, tokens);

		if (cache->limit != 0 && cache->held + missing > cache->limit)
			trim_kind(cache, k, g.taken > g.freed ? g.taken - g.freed : 0);
	}
	for (int i = 0; i < cache->kind_count; i++)
	{
		kind *k = &cache->kinds[i];
		growth g = plan_growth(k, &s->runs[i], s->length, tokens);

		if (!reserve_run(context, &s->runs[i], s->runs[i].count + g.appended))
			return false;
		while (k->free_count + g.freed < g.taken)
			if (!add_free_page(context, cache, k))
				return false;
	}
	return true;
}

static void
grow_run(kv_cache *cache, kind *k, run *r, growth g)
{
	if (g.copy)
	{
		page *old = r->pages[r->count - 1];

		/* what is dropped first may be what is taken */
		drop_first(cache, k, r, g.unseen);
		set_page(r, r->count - 1, take_page(cache, k));
		memcpy(r->pages[r->count - 1]->data, old->data, k->bytes);
		drop_page(cache, k, old);
	}
	else
		drop_first(cache, k, r, g.unseen);
	for (int64_t i = 0; i < g.appended; i++)
	{
		set_page(r, r->count++, take_page(cache, k));
		if (k->has_states)
			memset(r->data[0], 0, k->bytes);
	}
}

bool
kv_extend(tfm_context *context, kv_cache *cache, int32_t number, int64_t tokens)
{
	sequence *s = find_sequence(cache, number);

	if (tfm_failed(context))
		return false;
	if (s == NULL || tokens < 0)
		return tfm_fail(context, TFM_INTERNAL, "sequence %d of the cache cannot grow", number);
	if (tokens > MAX_LENGTH - s->length)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED, "a sequence may have %lld tokens at most",
						(long long) MAX_LENGTH);
	if (!secure_growth(context, cache, s, tokens))
		return false;
	for (int i = 0; i < cache->kind_count; i++)
	{
		kind *k = &cache->kinds[i];

		grow_run(cache, k, &s->runs[i], plan_growth(k, &s->runs[i], s->length, tokens));
	}
	s->length += tokens;
	return true;
}

/* Whether a kind has what the tokens before length left. */
static bool
can_go_back(const kind *k, const sequence *s, const run *r, int64_t length)
{
	int64_t seen = k->window == 0 || length < k->window ? 0 : length - k->window + 1;

	return k->has_states ? length >= s->stated : seen >= r->first * KV_PAGE;
}

bool
kv_may_truncate(const kv_cache *cache, int32_t number, int64_t length)
{
	const sequence *s = find_sequence(cache, number);

	for (int i = 0; s != NULL && length > 0 && length < s->length && i < cache->kind_count; i++)
		if (!can_go_back(&cache->kinds[i], s, &s->runs[i], length))
			return false;
	return s != NULL;
}

int64_t
kv_truncate(kv_cache *cache, int32_t number, int64_t length)
{
	sequence *s = find_sequence(cache, number);

	if (s == NULL)
		return 0;
	if (length >= s->length)
		return s->length;
	if (length <= 0 || !kv_may_truncate(cache, number, length))
	{
		clear_sequence(cache, s);
		return 0;
	}
	for (int i = 0; i < cache->kind_count; i++)
		if (!cache->kinds[i].has_states)
			drop_last(cache, &cache->kinds[i], &s->runs[i], pages_of(length) - s->runs[i].first);
	s->length = length;
	return length;
}

/* ---- The cache ---- */

static void
free_cache(void *argument)
{
	kv_cache *cache = argument;

	for (int32_t i = 0; i < cache->sequence_count; i++)
	{
		sequence *s = &cache->sequences[i];

		if (s->runs == NULL)
			continue;
		clear_sequence(cache, s);
		for (int k = 0; k < cache->kind_count; k++)
		{
			free(s->runs[k].pages);
			free(s->runs[k].data);
		}
		free(s->runs);
	}
	free(cache->sequences);
	kv_trim(cache);
}

kv_cache *
kv_create(tfm_context *context, int count, const kv_layer *layers, tfm_dtype storage, size_t limit)
{
	kv_cache *cache;

	if (tfm_failed(context) || !check_layers(context, count, layers, storage))
		return NULL;
	cache = tfm_alloc_zero(context, sizeof(kv_cache));
	if (cache == NULL)
		return NULL;
	cache->storage = storage;
	cache->count = count;
	cache->limit = limit;
	cache->layers = tfm_alloc_array(context, (size_t) count, sizeof(kv_layer));
	cache->kinds_of = tfm_alloc_array(context, (size_t) count, sizeof(int));
	cache->offsets = tfm_alloc_array(context, (size_t) count, sizeof(size_t));
	cache->kinds = tfm_alloc_zero(context, (size_t) count * sizeof(kind));
	if (tfm_failed(context))
		return NULL;
	memcpy(cache->layers, layers, (size_t) count * sizeof(kv_layer));
	lay_out(cache);
	if (!arena_on_release(context->arena, free_cache, cache))
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory for a cache");
		return NULL;
	}
	return cache;
}

void
kv_set_limit(kv_cache *cache, size_t limit)
{
	cache->limit = limit;
}

size_t
kv_used(const kv_cache *cache)
{
	return cache->used;
}

size_t
kv_held(const kv_cache *cache)
{
	return cache->held;
}

/* ---- Reading and writing ---- */

tfm_dtype
kv_storage(const kv_cache *cache)
{
	return cache->storage;
}

const kv_layer *
kv_layer_of(const kv_cache *cache, int layer)
{
	return layer < 0 || layer >= cache->count ? NULL : &cache->layers[layer];
}

int
kv_value_dim(const kv_cache *cache, int layer)
{
	const kv_layer *found = kv_layer_of(cache, layer);

	return found == NULL ? 0 : found->value_dim;
}

bool
kv_look(const kv_cache *cache, int32_t number, int layer, kv_view *view)
{
	const sequence *s = find_sequence(cache, number);
	const run *r;

	if (s == NULL)
		return false;
	r = &s->runs[cache->kinds_of[layer]];
	view->pages = r->data;
	view->offset = cache->offsets[layer];
	view->first = r->first * KV_PAGE;
	view->length = s->length;
	return true;
}

float *
kv_state(kv_cache *cache, int32_t number, int layer)
{
	sequence *s = find_sequence(cache, number);
	const kv_layer *found = kv_layer_of(cache, layer);
	const run *r;

	if (s == NULL || found == NULL || found->state == 0)
		return NULL;
	r = &s->runs[cache->kinds_of[layer]];
	s->stated = s->length;
	return r->count == 0 ? NULL : (float *) ((char *) r->data[0] + cache->offsets[layer]);
}

bool
kv_has_states(const kv_cache *cache)
{
	for (int i = 0; i < cache->count; i++)
		if (cache->layers[i].state > 0)
			return true;
	return false;
}

bool
kv_may_write(const kv_cache *cache, int32_t number, int64_t count)
{
	const sequence *s = find_sequence(cache, number);

	if (s == NULL || count > s->length)
		return false;
	for (int i = 0; i < cache->kind_count; i++)
	{
		const run *r = &s->runs[i];
		int64_t first = cache->kinds[i].has_states ? 0 : (s->length - count) / KV_PAGE - r->first;

		if (count > 0 && first < 0)
			return false;
		for (int64_t p = first; count > 0 && p < r->count; p++)
			if (r->pages[p]->references > 1)
				return false;
	}
	return true;
}
