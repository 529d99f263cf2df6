/*
 * attend.h
 *	  Multi-head attention over a ragged batch.
 *
 * For each sequence and head: softmax(q k^T scale + bias) v, over blocks of keys with a running
 * maximum, so that memory does not grow with the length.  A row's bits depend on its own sequence
 * alone, whatever the arithmetic:
 *
 *		F32		all in f32
 *		BF16	q scale, k, v and the weights e^(score - maximum) are rounded to bf16, and the
 *				exponential is within 1e-4 of itself; sums, and q, k, v, y in memory are f32
 *		INT8	as BF16 where the processor has products of bf16, else as F32
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_ATTEND_H
#define TFM_TENSOR_ATTEND_H

#include "tensor/cache.h"
#include "tensor/tensor.h"

#define ATTEND_MAX_HEAD_DIM 512

/* Queries that lie side by side in the scores of a key. */
#define ATTEND_QUERIES 32

/*
 * Fills in what is added to the scores of some queries of a head, rows query .. query + queries - 1 of
 * q, and some keys, rows key .. key + keys - 1 of k, which are of the same sequence:
 * scores[keys][ATTEND_QUERIES].  Called on any thread, for a pair once.
 */
typedef void (*op_attend_scores)(const void *argument, int head, int64_t query, int queries,
								 int64_t key, int64_t keys, float *scores);

typedef struct op_attend_options
{
	const float *q; /* [tokens, heads * head_dim] */
	const float *k; /* [tokens, kv_heads * head_dim] */
	const float *v; /* as k */
	float *y;		/* as q; must not overlap q, k, v */
	/* Elements from one token to the next, so that q, k and v may lie in one row; 0: its width. */
	int64_t q_stride, k_stride, v_stride, y_stride;
	const int32_t *offsets; /* [batch + 1] tokens where sequences start; ascending */
	/* The same of k and v, where a sequence looks at another (cross-attention); NULL: offsets. */
	const int32_t *key_offsets;
	int64_t batch;
	int heads;
	int kv_heads; /* divides heads; 0: heads */
	int head_dim; /* 1 .. ATTEND_MAX_HEAD_DIM */
	float scale;  /* 0: 1 / sqrt(head_dim) */
	bool causal;  /* a token sees those before it in its sequence and itself */
	/*
	 * Relative bias, or NULL: [heads, 2 span - 1]; bias[h][d + span - 1] is added to the score of a
	 * query and a key that comes d positions after it.  Differences beyond the table take its end.
	 */
	const float *bias;
	int32_t span;
	const int32_t *positions; /* [tokens] for the bias; NULL: the place in the sequence, as always
								 with a cache or key_offsets */
	const uint8_t *hidden;	  /* [tokens of k], not 0 for keys that nobody sees; NULL: none */
	int value_dim;			  /* of v and y; 0: head_dim */
	int64_t window;			  /* a token sees itself and window - 1 before it, and after it where it
								 sees these; 0: all.  Not causal over a cache or other keys: all */
	float soft_cap;			  /* scores become soft_cap tanh(score / soft_cap); 0: as they are */
	const float *slopes;	  /* ALiBi [heads]: slope times the key's place, counted from the
								 query's, is added; or NULL */
	const float *sinks;		  /* [heads]: a score that takes its share and has no value; or NULL */
	/* More that is added to scores, in place of bias and without a cache; NULL: nothing. */
	op_attend_scores scores;
	const void *scores_argument;
	/*
	 * Keys and values of earlier passes, or NULL.  Sequence i of the batch is sequence cached[i] of
	 * the cache, each once; its offsets are of queries.  k, v and hidden are put into its last tokens
	 * first (kv_extend has made room), and the last of them is the last query's.  k and v NULL:
	 * nothing is appended, and all of the sequence is seen (later passes of cross-attention).
	 */
	kv_cache *cache;
	int layer; /* of the cache */
	const int32_t *cached;
	tfm_compute compute; /* 0: COMPUTE_F32 */
} op_attend_options;

/*
 * A query that sees no key gives zeros.  Empty sequences are allowed.
 * Errors: INTERNAL (sizes), OUT_OF_MEMORY, CANCELLED.
 */
extern bool op_attend(tfm_context *context, const op_attend_options *options);

#endif
