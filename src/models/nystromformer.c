/*
 * nystromformer.c
 *	  Nyströmformer (Xiong et al. 2021): softmax attention by way of landmarks, means of segments of
 *	  queries and keys, and a convolution of the values beside it.  With as many landmarks as tokens,
 *	  as its checkpoints have it, attention is the common one.
 *	  Follows transformers/models/nystromformer/modeling_nystromformer.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "nn/efficient.h"

#define MAX_LANDMARKS 4096
#define QUERIES 64	 /* at a time */
#define ITERATIONS 6 /* of the pseudoinverse */

typedef struct nystromformer_config
{
	encoder_config encoder;
	int64_t landmarks, segments_length; /* of so many tokens */
	int64_t conv_width;					/* 0: none */
} nystromformer_config;

/* What heads work with. */
typedef struct landmarks
{
	int64_t count;
	int64_t length; /* tokens of a segment */
	int heads;
	float *norms; /* [sequences, heads] of what landmarks see of each other */
} landmarks;

/* Rows of softmax; a hidden column has no share. */
static void
soften(float *scores, int64_t rows, int64_t n, const uint8_t *hidden)
{
	for (int64_t i = 0; i < rows; i++, scores += n)
	{
		for (int64_t j = 0; hidden != NULL && j < n; j++)
			scores[j] = hidden[j] != 0 ? -INFINITY : scores[j];
		head_soften(scores, n);
	}
}

/* Means of the segments, times factor. */
static void
average_segments(const float *from, int64_t stride, int64_t segments, int64_t length, int64_t n,
				 float factor, float *to)
{
	memset(to, 0, (size_t) (segments * n) * sizeof(float));
	for (int64_t t = 0; t < segments * length; t++)
		for (int64_t j = 0; j < n; j++)
			to[t / length * n + j] += from[t * stride + j] * factor / (float) length;
}

/* c = factor (diagonal I - c) for a square of n rows. */
static void
subtract_from_diagonal(float *c, int64_t n, float diagonal, float factor)
{
	for (int64_t i = 0; i < n * n; i++)
		c[i] = factor * ((i / n == i % n ? diagonal : 0.0f) - c[i]);
}

/* The greatest sum of a column. */
static float
column_norm(const float *a, int64_t n)
{
	float most = 0;

	for (int64_t j = 0; j < n; j++)
	{
		float sum = 0;

		for (int64_t i = 0; i < n; i++)
			sum += a[i * n + j];
		most = fmaxf(most, sum);
	}
	return most;
}

/*
 * z = the pseudoinverse of a [n, n], by Razavi's iteration from a^T / norm; work [2 n, n].
 */
static void
invert(const head *h, const float *a, int64_t n, float norm, float *z, float *work)
{
	float *az = work, *inner = work + n * n;
	head_matrix by_a = {a, n}, by_z = {z, n}, by_az = {az, n}, by_inner = {inner, n};

	for (int64_t i = 0; i < n * n; i++)
		z[i % n * n + i / n] = a[i] / norm;
	for (int i = 0; i < ITERATIONS; i++)
	{
		head_product(h, by_a, by_z, n, n, n, az, n);
		memcpy(inner, az, (size_t) (n * n) * sizeof(float));
		subtract_from_diagonal(inner, n, 7, 1);
		/* what is multiplied is not written to: the result is another square */
		for (int step = 0; step < 2; step++)
		{
			float *next = h->scratch;

			head_product(h, by_az, by_inner, n, n, n, next, n);
			memcpy(inner, next, (size_t) (n * n) * sizeof(float));
			subtract_from_diagonal(inner, n, step == 0 ? 15 : 13, step == 0 ? 1 : 0.25f);
		}
		head_product(h, by_z, by_inner, n, n, n, h->scratch, n);
		memcpy(z, h->scratch, (size_t) (n * n) * sizeof(float));
	}
}

/* Squares: one to work in, a, z, and two of invert; landmarks; scores; what landmarks see. */
static int64_t
count_scratch(const void *config, int64_t tokens, int64_t size)
{
	const landmarks *l = config;
	int64_t n = l->count, longest = n > QUERIES ? n : QUERIES;

	return 5 * n * n + 4 * n * size + longest * (tokens + size) + 2 * QUERIES * n;
}

/* y of some queries: softmax(q kl^T) z times what the landmarks see. */
static void
run_queries(const head *h, int64_t n, float factor, const float *keys, const float *seen,
			float *work)
{
	float *scaled = work, *weights = work + QUERIES * h->size;

	for (int64_t first = 0; first < h->tokens && !head_stopping(h); first += QUERIES)
	{
		int64_t count = h->tokens - first < QUERIES ? h->tokens - first : QUERIES;

		for (int64_t i = 0; i < count * h->size; i++)
			scaled[i] = h->q[(first + i / h->size) * h->stride + i % h->size] * factor;
		head_scores(h, (head_matrix) {scaled, h->size}, (head_matrix) {keys, h->size}, count, n,
					h->size, weights, n);
		soften(weights, count, n, NULL);
		head_product(h, (head_matrix) {weights, n}, (head_matrix) {seen, h->size}, count, h->size,
					 n, h->y + first * h->y_stride, h->y_stride);
	}
}

/* Landmarks of queries and keys, and how these see each other; what comes after is free. */
static float *
make_landmarks(const head *h, const landmarks *l, float **queries, float **keys)
{
	int64_t n = l->count;
	float factor = 1 / sqrtf(sqrtf((float) h->size));
	float *a = h->scratch + n * n;

	*queries = a + n * n;
	*keys = *queries + n * h->size;
	average_segments(h->q, h->stride, n, l->length, h->size, factor, *queries);
	average_segments(h->k, h->stride, n, l->length, h->size, factor, *keys);
	head_scores(h, (head_matrix) {*queries, h->size}, (head_matrix) {*keys, h->size}, n, n, h->size,
				a, n);
	soften(a, n, n, NULL);
	return a;
}

static void
find_norm(const head *h)
{
	const landmarks *l = h->config;
	float *queries, *keys, *a = make_landmarks(h, l, &queries, &keys);

	l->norms[h->sequence * l->heads + h->number] = column_norm(a, l->count);
}

static void
run_head(const head *h)
{
	const landmarks *l = h->config;
	int64_t n = l->count;
	float factor = 1 / sqrtf(sqrtf((float) h->size)), norm = 0;
	float *queries, *keys, *a = make_landmarks(h, l, &queries, &keys);
	float *z = keys + n * h->size, *work = z + n * n;
	float *seen = work + 2 * n * n, *mixed = seen + n * h->size, *scores = mixed + n * h->size;

	for (int i = 0; i < l->heads; i++)
		norm = fmaxf(norm, l->norms[h->sequence * l->heads + i]);
	invert(h, a, n, norm, z, work);
	for (int64_t i = 0; i < n * h->size; i++)
		queries[i] *= factor;
	head_scores(h, (head_matrix) {queries, h->size}, (head_matrix) {h->k, h->stride}, n, h->tokens,
				h->size, scores, h->tokens);
	soften(scores, n, h->tokens, h->hidden);
	head_product(h, (head_matrix) {scores, h->tokens}, (head_matrix) {h->v, h->stride}, n, h->size,
				 h->tokens, seen, h->size);
	head_product(h, (head_matrix) {z, n}, (head_matrix) {seen, h->size}, n, h->size, n, mixed,
				 h->size);
	run_queries(h, n, factor, keys, mixed, scores);
}

/*
 * Landmarks stand for segments of a fixed length, so that they are of a fixed number of tokens.  The
 * norm is that of the sequence's heads; in Transformers it is that of the whole batch.
 */
static tensor
attend_to_landmarks(nn_model *m, const nystromformer_config *c, int heads, const tensor qkv[3])
{
	const nn_batch *batch = m->batch;
	landmarks l = {
		.count = c->landmarks, .length = c->segments_length / c->landmarks, .heads = heads};
	head_plan plan = {.heads = heads, .config = &l, .scratch = count_scratch};

	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
		if (batch->offsets[i + 1] - batch->offsets[i] != c->segments_length)
			tfm_fail(m->context, TFM_INVALID_ARGUMENT,
					 "the model takes rows of %lld tokens, not of %d",
					 (long long) c->segments_length, batch->offsets[i + 1] - batch->offsets[i]);
	if (nn_live(m))
		l.norms = tfm_alloc_array(m->context, (size_t) (batch->sequences * heads), sizeof(float));
	plan.run = find_norm;
	run_heads(m, qkv, &plan);
	plan.run = run_head;
	return run_heads(m, qkv, &plan);
}

static tensor
attend_with_convolution(nn_model *m, const void *config, const attention *how, tensor x,
						const tensor qkv[3])
{
	const nystromformer_config *c = config;
	tensor y = c->landmarks == c->segments_length ? attend(m, qkv[0], qkv[1], qkv[2], how)
												  : attend_to_landmarks(m, c, how->heads, qkv);

	(void) x;
	if (c->conv_width > 0)
		convolve_heads(m, y, qkv[2], "attention.self.conv", how->heads, c->conv_width, false);
	return y;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	static const efficient_defaults defaults = {.vocab_size = 30000,
												.positions = 510,
												.types = 2,
												.activation = ACTIVATION_GELU_TANH,
												.norm_eps = 1e-5};
	nystromformer_config *c = config;

	efficient_read_config(context, file, &defaults, &c->encoder);
	c->encoder.attend = attend_with_convolution;
	c->landmarks = json_int(context, file, "num_landmarks", 64, 1, MAX_LANDMARKS);
	c->segments_length =
		json_int(context, file, "segment_means_seq_len", 64, c->landmarks, NN_MAX_SIZE);
	if (!nn_is_null(file, "conv_kernel_size"))
		c->conv_width = json_int(context, file, "conv_kernel_size", 65, 0, NN_MAX_SIZE);
	if (!tfm_failed(context) && c->segments_length % c->landmarks != 0)
		tfm_fail(context, TFM_CORRUPTED, "%lld tokens are no whole segments for %lld landmarks",
				 (long long) c->segments_length, (long long) c->landmarks);
}

static const nn_variant variants[] = {{"nystromformer", "Nystromformer", "nystromformer"}, {0}};

const nn_family family_nystromformer = {
	.name = "nystromformer",
	.variants = variants,
	.heads = efficient_heads,
	.config_size = sizeof(nystromformer_config),
	.read_config = read_config,
	.make_positions = efficient_positions,
	.keeps_masked = true,
	.hidden_states = encoder_hidden_states,
};
