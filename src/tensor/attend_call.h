/*
 * attend_call.h
 *	  What the parts of op_attend share: one call, its sequences, and the two ways of computing them.
 *
 * Many queries of a sequence go through tiles, in which queries are lanes (attend_tiles.c); few, over
 * a cache, through rows, in which keys are (attend_rows.c).  Both give the same bits.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_ATTEND_CALL_H
#define TFM_TENSOR_ATTEND_CALL_H

#include "base/threads.h"
#include "tensor/attend.h"
#include "tensor/cache_pages.h"
#include "tensor/kernels.h"

typedef struct attend_sequence
{
	int64_t token, queries; /* of q */
	int64_t key_token;		/* of k and v, where they are no cache's */
	int64_t appended;		/* tokens of k and v that go into the cache */
	int64_t length;			/* keys, with those that are dropped */
	int64_t past;			/* place of the first query among them */
	kv_view view;			/* of the cache */
	int64_t chunks;			/* rows: in which its queries go, for each head of keys */
	int64_t parts;			/* rows: in which its blocks of keys go */
} attend_sequence;

typedef struct attend_call
{
	tfm_context *context;
	const kernels *table;
	op_attend_options o; /* defaults filled in */
	attend_form form;
	tfm_dtype storage;	  /* of the cache */
	int64_t block;		  /* keys of a block, on which bits depend; a multiple of KV_PAGE */
	int64_t steps;		  /* elements of a packed row of q and k */
	int64_t padded_value; /* value_dim in whole 16 */
	int64_t key_stride;	  /* of packed keys */
	int group;			  /* heads that share keys */
	size_t head_bytes;	  /* of the cache: from a head to the next, from its keys to its values */
	size_t key_bytes;
	attend_sequence *sequences;
	const int64_t *blocks; /* [batch + 1] tiles: number of a sequence's first query block */
	int64_t unit_group;	   /* tiles: units of an item */
	int64_t tile_items;
	bool ahead;			 /* tiles: whether heads are fetched ahead */
	const int64_t *rows; /* [batch + 1] rows: number of a sequence's first item */
	int64_t most_rows;	 /* rows: of a chunk */
	char *states;		 /* rows: of blocks of sequences that are in parts */
	size_t *state_at;	 /* [batch] bytes of states before a sequence's */
	char *scratch;		 /* [threads][scratch_bytes] */
	size_t scratch_bytes;
} attend_call;

/* The interval of starts[count + 1] that has item. */
extern int64_t attend_find(const int64_t *starts, int64_t count, int64_t item);

/* Whether the call is to stop; for work that takes long. */
extern bool attend_stopping(const attend_call *call, int thread);

/* The first key that any of the queries from place on sees. */
static inline int64_t
attend_first_key(const attend_call *call, int64_t place)
{
	return call->o.window == 0 || place < call->o.window ? 0 : place - call->o.window + 1;
}

static inline float *
take_floats(char *base, size_t *used, int64_t count)
{
	return scratch_take(base, used, (size_t) count * sizeof(float));
}

/* A head's keys in the first page of a view of the cache are at pages[0] + this. */
static inline size_t
attend_keys_at(const attend_call *call, const attend_sequence *s, int kv_head)
{
	return s->view.offset + KV_HEADER + (size_t) kv_head * call->head_bytes;
}

/* Flags of the keys from key on, or NULL if none is hidden; flags[keys in whole pages] may be used. */
extern const uint8_t *attend_hidden(const attend_call *call, const attend_sequence *s, int64_t key,
									int64_t keys, uint8_t *flags);

/* The kernel's scores are of base 2. */
static inline float
attend_bias(const attend_call *call, int head, int64_t difference)
{
	int64_t most = call->o.span - 1;

	difference = difference > most ? most : difference < -most ? -most : difference;
	return call->o.bias[head * (2 * most + 1) + difference + most] * (float) M_LOG2E;
}

/* ---- Tiles ---- */

/* Bytes of a thread's scratch; the number of items, blocks[batch + 1] filled in; one of them. */
extern size_t attend_tile_scratch(const attend_call *call);
extern int64_t attend_cut_tiles(attend_call *call, int64_t *blocks, int threads);
extern void attend_tile_item(const attend_call *call, int64_t item, int thread);

/* ---- Rows ---- */

/* Whether a sequence of so many queries goes through rows. */
extern bool attend_by_rows(const attend_call *call, int64_t queries);

/* As for tiles; and bytes of the states. */
extern size_t attend_row_scratch(const attend_call *call);
extern int64_t attend_cut_rows(attend_call *call, int64_t *rows, int threads, size_t *state_bytes);
extern void attend_row_item(const attend_call *call, int64_t item, int thread);

/* Put together the sequences that were in parts. */
extern void attend_merge_rows(const attend_call *call);

#endif
