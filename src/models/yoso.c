/*
 * yoso.c
 *	  YOSO (Zeng et al. 2021): in the place of softmax the probability that a query and a key, as
 *	  directions, fall into the same bucket of random hashes; results are directions, too.
 *	  Follows transformers/models/yoso/modeling_yoso.py, by expectation (use_expectation), which is
 *	  what drawn hashes approach: those are a GPU's random numbers.
 *
 * Masked tokens are keys like any others, as in Transformers, where the mask is lost on its way.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "nn/efficient.h"

#define QUERIES 64 /* at a time */

typedef struct yoso_config
{
	encoder_config encoder;
	int hash_code_len;
	int64_t conv_window; /* 0: none */
} yoso_config;

/* The rows as directions, side by side: torch's normalize. */
static void
take_directions(const float *from, int64_t stride, int64_t rows, int64_t n, float *to)
{
	for (int64_t i = 0; i < rows; i++, from += stride, to += n)
	{
		double sum = 0;
		float length;

		for (int64_t j = 0; j < n; j++)
			sum += (double) from[j] * (double) from[j];
		length = fmaxf((float) sqrt(sum), 1e-12f);
		for (int64_t j = 0; j < n; j++)
			to[j] = from[j] / length;
	}
}

/* The probability that all hashes of two directions are the same, of their cosine. */
static void
to_probabilities(float *cosines, int64_t count, int hashes)
{
	for (int64_t i = 0; i < count; i++)
	{
		float one = 1.0f - acosf(fmaxf(-1.0f, fminf(1.0f, cosines[i]))) / (float) M_PI, all = one;

		for (int hash = 1; hash < hashes; hash++)
			all *= one;
		cosines[i] = all;
	}
}

static int64_t
count_scratch(const void *config, int64_t tokens, int64_t size)
{
	(void) config;
	return (tokens + QUERIES) * size + QUERIES * tokens + QUERIES * size;
}

static void
run_head(const head *h)
{
	const yoso_config *c = h->config;
	float *keys = h->scratch, *queries = keys + h->tokens * h->size;
	float *weights = queries + QUERIES * h->size, *y = weights + QUERIES * h->tokens;

	take_directions(h->k, h->stride, h->tokens, h->size, keys);
	for (int64_t first = 0; first < h->tokens && !head_stopping(h); first += QUERIES)
	{
		int64_t count = h->tokens - first < QUERIES ? h->tokens - first : QUERIES;

		take_directions(h->q + first * h->stride, h->stride, count, h->size, queries);
		head_scores(h, (head_matrix) {queries, h->size}, (head_matrix) {keys, h->size}, count,
					h->tokens, h->size, weights, h->tokens);
		to_probabilities(weights, count * h->tokens, c->hash_code_len);
		head_product(h, (head_matrix) {weights, h->tokens}, (head_matrix) {h->v, h->stride}, count,
					 h->size, h->tokens, y, h->size);
		take_directions(y, h->size, count, h->size, queries);
		for (int64_t i = 0; i < count; i++)
			memcpy(h->y + (first + i) * h->y_stride, queries + i * h->size,
				   (size_t) h->size * sizeof(float));
	}
}

static tensor
attend_by_hashes(nn_model *m, const void *config, const attention *how, tensor x,
				 const tensor qkv[3])
{
	const yoso_config *c = config;
	tensor y = run_heads(
		m, qkv,
		&(head_plan) {.heads = how->heads, .config = c, .run = run_head, .scratch = count_scratch});

	(void) x;
	if (c->conv_window > 0)
		convolve_heads(m, y, qkv[2], "attention.self.conv", how->heads, c->conv_window, true);
	return y;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	static const efficient_defaults defaults = {.vocab_size = 50265, .positions = 4096, .types = 1};
	yoso_config *c = config;

	efficient_read_config(context, file, &defaults, &c->encoder);
	c->encoder.attend = attend_by_hashes;
	c->hash_code_len = (int) json_int(context, file, "hash_code_len", 9, 1, 64);
	if (!nn_is_null(file, "conv_window"))
		c->conv_window = json_int(context, file, "conv_window", 0, 0, NN_MAX_SIZE);
}

static const nn_variant variants[] = {{"yoso", "Yoso", "yoso"}, {0}};

const nn_family family_yoso = {
	.name = "yoso",
	.variants = variants,
	.heads = efficient_heads,
	.config_size = sizeof(yoso_config),
	.read_config = read_config,
	.make_positions = efficient_positions,
	.keeps_masked = true,
	.hidden_states = encoder_hidden_states,
};
