/*
 * cache_pages.h
 *	  How keys and values lie in the pages of a kv_cache, for the ops that write and read them.
 *
 * A page has KV_PAGE tokens of all layers of one window.  A layer's part begins with the flags of
 * hidden keys, KV_PAGE bytes in KV_HEADER; then, head by head, keys and values:
 *
 *		keys	[key_dim][KV_PAGE], so that vectors run over tokens
 *		values	[KV_PAGE][value_dim in whole 16 (Q8_0: 32)]
 *
 * BF16 is kept as it is multiplied, in pairs: keys [key_dim / 2, rounded up][KV_PAGE][2], values
 * [KV_PAGE / 2][value_dim in whole 16][2], where the second of the last token's is zero.
 *
 * Q8_0 has the scales of blocks of 32 columns in f16 before its bytes, [blocks][KV_PAGE] of keys
 * (whose columns are padded, too) and [KV_PAGE][blocks] of values.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CACHE_PAGES_H
#define TFM_TENSOR_CACHE_PAGES_H

#include "tensor/cache.h"

#define KV_PAGE 32	 /* tokens */
#define KV_HEADER 64 /* bytes before a layer's heads */
#define KV_BLOCK 32	 /* columns that share a scale */

/* Bytes of a head's keys, values in a page. */
extern size_t kv_key_bytes(tfm_dtype storage, int key_dim);
extern size_t kv_value_bytes(tfm_dtype storage, int value_dim);

/* Columns of a row of values. */
extern int kv_value_columns(tfm_dtype storage, int value_dim);

/* What a sequence has of one layer. */
typedef struct kv_view
{
	void *const *pages; /* of the tokens first, first + KV_PAGE, ...; each at the layer's part */
	size_t offset;		/* of the layer's part in a page */
	int64_t first;		/* token, a multiple of KV_PAGE: those before it are dropped */
	int64_t length;
} kv_view;

extern const kv_layer *kv_layer_of(const kv_cache *cache, int layer); /* NULL: there is none */
extern tfm_dtype kv_storage(const kv_cache *cache);

/* False if there is no such sequence. */
extern bool kv_look(const kv_cache *cache, int32_t sequence, int layer, kv_view *view);

/* Whether the pages of the last count tokens belong to the sequence alone. */
extern bool kv_may_write(const kv_cache *cache, int32_t sequence, int64_t count);

/* The layer's part of the page that has the token. */
static inline char *
kv_page_of(const kv_view *view, int64_t token)
{
	return (char *) view->pages[(token - view->first) / KV_PAGE] + view->offset;
}

#endif
