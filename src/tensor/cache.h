/*
 * cache.h
 *	  Keys and values of growing sequences: pages of tokens, shared between sequences that begin
 *	  alike, copied when one of them writes.
 *
 * A cache has room for so many bytes and takes them as sequences grow.  A sequence is a number; what
 * it has is a list of pages for each kind of layer: layers with a window keep the pages that the
 * window can still see and give the others back.  op_attend appends to it and reads it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CACHE_H
#define TFM_TENSOR_CACHE_H

#include "tensor/tensor.h"

typedef struct kv_cache kv_cache;

/* A layer's keys and values of one token; or what a recurrent layer keeps of a whole sequence. */
typedef struct kv_layer
{
	int heads; /* of keys */
	int key_dim, value_dim;
	int64_t window; /* tokens that are seen, the token itself included; 0: all */
	int64_t state;	/* floats that a recurrent layer keeps; 0: the layer is none */
} kv_layer;

/*
 * A cache of count layers that keeps elements as F32, F16, BF16 (the fastest where products are of
 * bf16, and without loss there) or Q8_0 (of which a head's keys and values are padded to whole
 * blocks), and takes at most limit bytes (0: no limit).  It lives in the context's arena; its pages
 * are malloc's, and are given back with the arena.  NULL on error.
 */
extern kv_cache *kv_create(tfm_context *context, int count, const kv_layer *layers,
						   tfm_dtype storage, size_t limit);

/* Another limit from now on. */
extern void kv_set_limit(kv_cache *cache, size_t limit);

/*
 * Bytes that tokens tokens of one sequence take in a cache of such layers, once they are there: while
 * a pass runs, windows have its tokens, too.
 */
extern size_t kv_bytes(int count, const kv_layer *layers, tfm_dtype storage, int64_t tokens);

/* A new empty sequence; or one that has what another has now (pages are shared).  -1 on error. */
extern int32_t kv_open(tfm_context *context, kv_cache *cache);
extern int32_t kv_fork(tfm_context *context, kv_cache *cache, int32_t sequence);

/* Give its pages back; the number may be used again by kv_open. */
extern void kv_close(kv_cache *cache, int32_t sequence);

/*
 * Make room for tokens more tokens, which the pass that follows writes in every layer; the length
 * counts them from now on.  Windows keep what the first of them sees.  LIMIT_EXCEEDED names the
 * limit; nothing has changed after an error.
 */
extern bool kv_extend(tfm_context *context, kv_cache *cache, int32_t sequence, int64_t tokens);

/*
 * Drop all tokens from length on.  Returns the length that the sequence now has: less, 0, where
 * windows have dropped tokens that the one after length would have to see, or where states have seen
 * what is to be dropped.
 */
extern int64_t kv_truncate(kv_cache *cache, int32_t sequence, int64_t length);

/* Whether it would have that length, or less because it is shorter. */
extern bool kv_may_truncate(const kv_cache *cache, int32_t sequence, int64_t length);

/* Columns of a head's values in a layer; 0: there is no such layer. */
extern int kv_value_dim(const kv_cache *cache, int layer);

/*
 * The state of a recurrent layer, to be read and written by the pass that follows kv_extend: zeros
 * before the first token.  From now on all tokens of the sequence count as seen by it.  NULL where the sequence, or such a layer, does not exist.
 */
extern float *kv_state(kv_cache *cache, int32_t sequence, int layer);

/* Whether any layer keeps a state. */
extern bool kv_has_states(const kv_cache *cache);

/* Tokens of a sequence; bytes of all pages in use; bytes taken from the system. */
extern int64_t kv_length(const kv_cache *cache, int32_t sequence);
extern size_t kv_used(const kv_cache *cache);
extern size_t kv_held(const kv_cache *cache);

/* Give pages that no sequence has back to the system. */
extern void kv_trim(kv_cache *cache);

#endif
