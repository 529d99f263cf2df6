/*
 * mra.c
 *	  MRA (Zeng et al. 2022): attention at two resolutions.  Blocks of 32 tokens that matter most to
 *	  each other, by their means, attend token by token; others by those means.
 *	  Follows transformers/models/mra/modeling_mra.py, and the kernels that it loads.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/efficient.h"

#define BLOCK 32
#define PRIOR 5e3f	  /* added to blocks that are to be chosen */
#define PENALTY 1e4f  /* taken from what is masked */
#define NOTHING -1e6f /* the maximum of no scores */
#define SMALL 1e-6f	  /* keeps divisors from 0 */

typedef struct mra_config
{
	encoder_config encoder;
	head_plan plan;
	int64_t chosen;			 /* pairs of blocks, of a head */
	int64_t first, diagonal; /* blocks that are chosen beforehand */
	bool sparse;			 /* the others are left out */
} mra_config;

/* A head on its way; n blocks. */
typedef struct resolution
{
	const head *h;
	const mra_config *c;
	int64_t n;
	float factor;						/* of scores */
	float *q, *k, *v;					/* [n * 32, size], masked tokens are zeros */
	float *q_means, *k_means, *v_means; /* [n, size] */
	float *mask, *counts;				/* [n * 32] 1 for a token that is there; [n] of a block's */
	float *low, *rank, *sorted;			/* [n, n] scores of means; which are chosen; in order */
	float *most;						/* [n] of a row of low */
	float *scores;						/* [32, 32] of a pair of blocks */
	float *sums, *result, *maximum;		/* of a block's queries: [32], [32, size], [32] */
	float *part;						/* [32, size] */
} resolution;

static int64_t
count_blocks(int64_t tokens)
{
	return (tokens + BLOCK - 1) / BLOCK;
}

static int64_t
count_scratch(const void *config, int64_t tokens, int64_t size)
{
	int64_t n = count_blocks(tokens);

	(void) config;
	return 3 * n * BLOCK * size + 3 * n * size + n * BLOCK + 2 * n + 3 * n * n + BLOCK * BLOCK +
		   2 * BLOCK + 2 * BLOCK * size;
}

static void
lay_out(resolution *r, const head *h)
{
	float *at = h->scratch;

	*r = (resolution) {.h = h, .c = h->config, .n = count_blocks(h->tokens)};
	r->factor = 1 / sqrtf(h->size < BLOCK ? (float) BLOCK : (float) h->size);
	r->q = head_take(&at, r->n * BLOCK * h->size);
	r->k = head_take(&at, r->n * BLOCK * h->size);
	r->v = head_take(&at, r->n * BLOCK * h->size);
	r->q_means = head_take(&at, r->n * h->size);
	r->k_means = head_take(&at, r->n * h->size);
	r->v_means = head_take(&at, r->n * h->size);
	r->mask = head_take(&at, r->n * BLOCK);
	r->counts = head_take(&at, r->n);
	r->most = head_take(&at, r->n);
	r->low = head_take(&at, r->n * r->n);
	r->rank = head_take(&at, r->n * r->n);
	r->sorted = head_take(&at, r->n * r->n);
	r->scores = head_take(&at, BLOCK * BLOCK);
	r->sums = head_take(&at, BLOCK);
	r->maximum = head_take(&at, BLOCK);
	r->result = head_take(&at, BLOCK * h->size);
	r->part = head_take(&at, BLOCK * h->size);
}

/*
 * Heads and rows of a batch are mixed up where Transformers repeats the mask: head number i of all
 * has the mask of row i modulo rows.
 */
static void
set_mask(resolution *r)
{
	const head *h = r->h;
	const nn_batch *batch = h->batch;
	int64_t row = (h->sequence * r->c->encoder.attention.heads + h->number) % batch->sequences;
	int64_t start = batch->offsets[row], count = batch->offsets[row + 1] - start;
	const uint8_t *hidden =
		batch->hidden == NULL || count != h->tokens ? h->hidden : batch->hidden + start;

	for (int64_t t = 0; t < r->n * BLOCK; t++)
		r->mask[t] = t < h->tokens && (hidden == NULL || hidden[t] == 0) ? 1.0f : 0.0f;
	for (int64_t i = 0; i < r->n; i++)
	{
		r->counts[i] = 0;
		for (int64_t t = 0; t < BLOCK; t++)
			r->counts[i] += r->mask[i * BLOCK + t];
	}
}

/* The tokens that are there, and the means of blocks. */
static void
take_tokens(const resolution *r, const float *from, float *to, float *means)
{
	int64_t size = r->h->size;

	memset(means, 0, (size_t) (r->n * size) * sizeof(float));
	for (int64_t t = 0; t < r->n * BLOCK; t++)
		for (int64_t j = 0; j < size; j++)
		{
			float x = r->mask[t] == 0 ? 0.0f : from[t * r->h->stride + j];

			to[t * size + j] = x;
			means[t / BLOCK * size + j] += x;
		}
	for (int64_t i = 0; i < r->n * size; i++)
		means[i] /= r->counts[i / size] + SMALL;
}

static int
descending(const void *a, const void *b)
{
	float x = *(const float *) a, y = *(const float *) b;

	return (x < y) - (x > y);
}

/* What is added to the rank of a pair before it is chosen. */
static float
prior_of(const mra_config *c, int64_t i, int64_t j)
{
	float prior = 0;

	if (c->diagonal > 0 && llabs(i - j) <= c->diagonal / 2)
		prior += PRIOR;
	return prior + (i < c->first ? PRIOR : 0) + (j < c->first ? PRIOR : 0);
}

/* Scores of the means; ranks become 1 for pairs that are chosen and 0 for others. */
static void
choose_pairs(resolution *r)
{
	int64_t n = r->n, size = r->h->size;
	int64_t chosen = r->c->chosen < n * n ? r->c->chosen : n * n;
	float threshold;

	head_scores(r->h, (head_matrix) {r->q_means, size}, (head_matrix) {r->k_means, size}, n, n,
				size, r->low, n);
	for (int64_t i = 0; i < n; i++)
	{
		r->most[i] = -INFINITY;
		for (int64_t j = 0; j < n; j++)
		{
			r->low[i * n + j] *= r->factor;
			r->most[i] = fmaxf(r->most[i], r->low[i * n + j]);
		}
		for (int64_t j = 0; j < n; j++)
		{
			r->low[i * n + j] -= r->counts[i] * r->counts[j] < 0.5f ? PENALTY : 0;
			r->rank[i * n + j] = r->low[i * n + j] - r->most[i] + prior_of(r->c, i, j);
		}
	}
	memcpy(r->sorted, r->rank, (size_t) (n * n) * sizeof(float));
	qsort(r->sorted, (size_t) (n * n), sizeof(float), descending);
	threshold = r->sorted[chosen - 1];
	for (int64_t i = 0; i < n * n; i++)
		r->rank[i] = r->rank[i] >= threshold ? 1.0f : 0.0f;
}

/* Scores of the tokens of two blocks. */
static void
score_pair(const resolution *r, int64_t i, int64_t j)
{
	int64_t size = r->h->size;

	head_scores(r->h, (head_matrix) {r->q + i * BLOCK * size, size},
				(head_matrix) {r->k + j * BLOCK * size, size}, BLOCK, BLOCK, size, r->scores,
				BLOCK);
	for (int64_t t = 0; t < BLOCK * BLOCK; t++)
		r->scores[t] *= r->factor;
}

/* The queries' maxima over all keys of chosen blocks, masked ones too. */
static void
find_maxima(resolution *r, int64_t i)
{
	for (int64_t t = 0; t < BLOCK; t++)
		r->maximum[t] = NOTHING;
	for (int64_t j = 0; j < r->n; j++)
	{
		if (r->rank[i * r->n + j] == 0)
			continue;
		score_pair(r, i, j);
		for (int64_t t = 0; t < BLOCK * BLOCK; t++)
			r->maximum[t / BLOCK] = fmaxf(r->maximum[t / BLOCK], r->scores[t]);
	}
}

/* Add what the tokens of block i see of those of block j. */
static void
attend_pair(resolution *r, int64_t i, int64_t j)
{
	int64_t size = r->h->size;

	score_pair(r, i, j);
	for (int64_t t = 0; t < BLOCK * BLOCK; t++)
	{
		float hidden = 1 - r->mask[j * BLOCK + t % BLOCK];

		r->scores[t] = expf(r->scores[t] - r->maximum[t / BLOCK] - PENALTY * hidden);
		r->sums[t / BLOCK] += r->scores[t];
	}
	head_product(r->h, (head_matrix) {r->scores, BLOCK},
				 (head_matrix) {r->v + j * BLOCK * size, size}, BLOCK, size, BLOCK, r->part, size);
	for (int64_t t = 0; t < BLOCK * size; t++)
		r->result[t] += r->part[t];
}

/* What block i sees of the others' means: part[0] and the sum of the weights. */
static float
attend_to_means(resolution *r, int64_t i)
{
	int64_t size = r->h->size;
	float sum = 0;

	memset(r->part, 0, (size_t) size * sizeof(float));
	for (int64_t j = 0; j < r->n; j++)
	{
		float share = expf(r->low[i * r->n + j] - r->most[i] - PENALTY * r->rank[i * r->n + j]) *
					  r->counts[j];

		sum += share;
		for (int64_t k = 0; k < size; k++)
			r->part[k] += share * r->v_means[j * size + k];
	}
	return sum;
}

/* Both resolutions together, each from its own maximum to the greater one. */
static void
finish_block(resolution *r, int64_t i)
{
	const head *h = r->h;
	float low_sum = r->c->sparse ? 0 : attend_to_means(r, i);

	for (int64_t t = 0; t < BLOCK && i * BLOCK + t < h->tokens; t++)
	{
		int64_t token = i * BLOCK + t;
		float correction = (r->most[i] - r->maximum[t]) * r->mask[token];
		float low = r->c->sparse ? 0 : correction <= 0 ? expf(correction) : 1;
		float high = !r->c->sparse && correction > 0 ? expf(-correction) : 1;
		float sum = r->sums[t] * high + low_sum * low + SMALL;

		for (int64_t j = 0; j < h->size; j++)
			h->y[token * h->y_stride + j] =
				(r->result[t * h->size + j] * high + (low == 0 ? 0 : r->part[j] * low)) / sum *
				r->mask[token];
	}
}

static void
run_head(const head *h)
{
	resolution r;

	lay_out(&r, h);
	set_mask(&r);
	take_tokens(&r, h->q, r.q, r.q_means);
	take_tokens(&r, h->k, r.k, r.k_means);
	take_tokens(&r, h->v, r.v, r.v_means);
	choose_pairs(&r);
	for (int64_t i = 0; i < r.n && !head_stopping(h); i++)
	{
		find_maxima(&r, i);
		memset(r.sums, 0, BLOCK * sizeof(float));
		memset(r.result, 0, (size_t) (BLOCK * h->size) * sizeof(float));
		for (int64_t j = 0; j < r.n; j++)
			if (r.rank[i * r.n + j] != 0)
				attend_pair(&r, i, j);
		finish_block(&r, i);
	}
}

static void
read_config(tfm_context *context, json file, void *config)
{
	static const efficient_defaults defaults = {
		.vocab_size = 50265, .positions = 512, .types = 1, .norm_eps = 1e-5};
	mra_config *c = config;
	const char *mode = json_string(context, file, "approx_mode", "full");
	int64_t blocks;

	efficient_read_config(context, file, &defaults, &c->encoder);
	c->encoder.attend = attend_by_plan;
	c->encoder.attends_by = &c->plan;
	c->plan =
		(head_plan) {.config = c, .run = run_head, .scratch = count_scratch, .most_keys = BLOCK};
	blocks = c->encoder.common.max_positions / BLOCK;
	c->chosen = blocks * json_int(context, file, "block_per_row", 4, 1, NN_MAX_SIZE);
	c->chosen = c->chosen < blocks * blocks ? c->chosen : blocks * blocks;
	c->first = json_int(context, file, "initial_prior_first_n_blocks", 0, 0, NN_MAX_SIZE);
	c->diagonal = json_int(context, file, "initial_prior_diagonal_n_blocks", 0, 0, NN_MAX_SIZE);
	c->sparse = mode != NULL && strcmp(mode, "sparse") == 0;
	if (mode != NULL && !c->sparse && strcmp(mode, "full") != 0)
		tfm_fail(context, TFM_UNSUPPORTED, "\"approx_mode\" \"%s\" is not supported", mode);
	if (!tfm_failed(context) && c->chosen < 1)
		tfm_fail(context, TFM_CORRUPTED, "\"max_position_embeddings\" is less than a block of %d",
				 BLOCK);
}

static const nn_variant variants[] = {{"mra", "Mra", "mra"}, {0}};

const nn_family family_mra = {
	.name = "mra",
	.variants = variants,
	.heads = efficient_heads,
	.config_size = sizeof(mra_config),
	.read_config = read_config,
	.make_positions = efficient_positions,
	.keeps_masked = true,
	.hidden_states = encoder_hidden_states,
};
