/*
 * heads.h
 *	  Attention that is not softmax over keys: a function of one head of one sequence, which threads
 *	  run for all of them, and the products that it is made of.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_HEADS_H
#define TFM_NN_HEADS_H

#include "nn/layers.h"
#include "tensor/kernels.h"

/* One head of one sequence. */
typedef struct head
{
	const void *config; /* the caller's */
	const kernels *table;
	tfm_context *context;
	int thread;
	const nn_batch *batch;
	int64_t sequence;
	int number;
	int64_t tokens;
	int64_t size;			/* columns of q, k, v and y */
	const float *q, *k, *v; /* [tokens, size], rows stride apart */
	int64_t stride;
	float *y; /* as q; zeros */
	int64_t y_stride;
	const uint8_t *hidden; /* [tokens]; NULL: none */
	float *scratch;		   /* as many floats as the plan says, aligned to 64 bytes */
	float *panel;		   /* of the products */
} head;

typedef struct head_plan
{
	int heads;
	const void *config;
	void (*run)(const head *h);
	int64_t (*scratch)(const void *config, int64_t tokens, int64_t size); /* floats */
	int64_t most_keys; /* that products are over, if it is more than the sequence's tokens */
} head_plan;

/* All heads of q, k, v [tokens, heads * size], without a cache -> [tokens, heads * size] */
extern tensor run_heads(nn_model *m, const tensor qkv[3], const head_plan *plan);

/* The same in the place of attend in a family: plan is a head_plan, whose heads are how's. */
extern tensor attend_by_plan(nn_model *m, const void *plan, const attention *how, tensor x,
							 const tensor qkv[3]);

/* Whether the call is to stop; for heads that take long, now and then. */
extern bool head_stopping(const head *h);

/* A matrix in memory. */
typedef struct head_matrix
{
	const float *at;
	int64_t stride; /* elements from one row to the next */
} head_matrix;

/*
 * c [rows, n] = a [rows, k] b^T, b [n, k]; and a b, b [k, n].  k is at most the sequence's tokens,
 * the plan's most_keys or the head's size, rows of c are c_stride apart.  Each element is one sum in the order of k.
 */
extern void head_scores(const head *h, head_matrix a, head_matrix b, int64_t rows, int64_t n,
						int64_t k, float *c, int64_t c_stride);
extern void head_product(const head *h, head_matrix a, head_matrix b, int64_t rows, int64_t n,
						 int64_t k, float *c, int64_t c_stride);

/*
 * Softmax of n scores in their place; those of -INFINITY have no share.  Returns the logarithm of the
 * sum of their exponentials; if there are none, all become zeros.
 */
extern float head_soften(float *scores, int64_t n);

/*
 * Attention to all tokens, some queries at a time: take_shares makes what the keys count of the scores
 * [count, tokens] of the queries first .. first + count - 1, in their place; where it returns false the
 * values are not looked at.  A plan's scratch for it is head_scratch_of_queries.
 */
extern void head_attend(const head *h, bool (*take_shares)(const head *h, int64_t first,
														   int64_t count, float *scores));
extern int64_t head_scratch_of_queries(const void *config, int64_t tokens, int64_t size);

/* Some floats of a scratch, which begins behind them afterwards. */
static inline float *
head_take(float **scratch, int64_t count)
{
	float *taken = *scratch;

	*scratch += count;
	return taken;
}

/*
 * y [tokens, heads * size] += v convolved along each sequence with "<name>.weight" [heads, 1, width,
 * 1], a head's columns with its own, as many tokens before as after; masked: without hidden tokens.
 */
extern void convolve_heads(nn_model *m, tensor y, tensor v, const char *name, int heads,
						   int64_t width, bool masked);

#endif
