/*
 * nezha.c
 *	  NEZHA (Wei et al. 2019): as BERT, with sinusoids of the distance between tokens added
 *	  to keys and values in the place of positions.
 *	  Follows transformers/models/deprecated/nezha/modeling_nezha.py of Transformers 4.57.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "nn/encoder.h"
#include "nn/heads.h"
#include "tensor/attend.h"

#define QUERIES 64 /* at a time */
#define MAX_DISTANCE 4096

typedef struct nezha_config
{
	encoder_config encoder;
	head_plan plan;
	int32_t max_distance;
	const float *sinusoids; /* [2 * max_distance + 1, head size], of -max_distance and so on */
} nezha_config;

static int64_t
distance_count(const nezha_config *c)
{
	return 2 * (int64_t) c->max_distance + 1;
}

/* The row of the sinusoids for a key as a query sees it; both are numbers within the sequence. */
static int64_t
find_row(const head *h, const nezha_config *c, int64_t query, int64_t key)
{
	const int32_t *columns = h->batch->columns + h->batch->offsets[h->sequence];
	int32_t distance = columns[key] - columns[query];

	if (distance > c->max_distance)
		distance = c->max_distance;
	if (distance < -c->max_distance)
		distance = -c->max_distance;
	return distance + c->max_distance;
}

static bool
is_seen(const head *h, const nezha_config *c, int64_t query, int64_t key)
{
	if (c->encoder.attention.causal && key > query)
		return false;
	return h->hidden == NULL || h->hidden[key] == 0;
}

/*
 * A query's scores [tokens] become the keys' shares, and by_distance [distances], which has what is to
 * be added to the scores, the shares of keys at each distance.
 */
static void
take_shares(const head *h, const nezha_config *c, int64_t query, float *scores, float *by_distance)
{
	float scale = 1.0f / sqrtf((float) h->size), most = -INFINITY, sum = 0;

	for (int64_t j = 0; j < h->tokens; j++)
	{
		scores[j] = is_seen(h, c, query, j)
						? (scores[j] + by_distance[find_row(h, c, query, j)]) * scale
						: -INFINITY;
		most = fmaxf(most, scores[j]);
	}
	for (int64_t r = 0; r < distance_count(c); r++)
		by_distance[r] = 0;
	for (int64_t j = 0; j < h->tokens; j++)
		sum += scores[j] = most == -INFINITY ? 1 : expf(scores[j] - most);
	for (int64_t j = 0; j < h->tokens; j++)
	{
		scores[j] /= sum;
		by_distance[find_row(h, c, query, j)] += scores[j];
	}
}

/* y [size] plus the sinusoids, each as much as the shares of its distance. */
static void
add_sinusoids_by(const nezha_config *c, const float *shares, int64_t size, float *y)
{
	for (int64_t r = 0; r < distance_count(c); r++)
		for (int64_t i = 0; shares[r] != 0 && i < size; i++)
			y[i] += shares[r] * c->sinusoids[r * size + i];
}

static int64_t
count_scratch(const void *config, int64_t tokens, int64_t size)
{
	(void) size;
	return QUERIES * (tokens + distance_count(config));
}

static void
run_head(const head *h)
{
	const nezha_config *c = h->config;
	int64_t distances = distance_count(c), size = h->size;
	float *scores = h->scratch, *by_distance = scores + QUERIES * h->tokens;
	head_matrix keys = {h->k, h->stride}, sinusoids = {c->sinusoids, size};

	for (int64_t first = 0; first < h->tokens && !head_stopping(h); first += QUERIES)
	{
		int64_t count = h->tokens - first < QUERIES ? h->tokens - first : QUERIES;
		head_matrix queries = {h->q + first * h->stride, h->stride};
		float *y = h->y + first * h->y_stride;

		head_scores(h, queries, keys, count, h->tokens, size, scores, h->tokens);
		head_scores(h, queries, sinusoids, count, distances, size, by_distance, distances);
		for (int64_t i = 0; i < count; i++)
			take_shares(h, c, first + i, scores + i * h->tokens, by_distance + i * distances);
		head_product(h, (head_matrix) {scores, h->tokens}, (head_matrix) {h->v, h->stride}, count,
					 size, h->tokens, y, h->y_stride);
		for (int64_t i = 0; i < count; i++)
			add_sinusoids_by(c, by_distance + i * distances, size, y + i * h->y_stride);
	}
}

static const float *
make_sinusoids(tfm_context *context, const nezha_config *c, int64_t size)
{
	int64_t rows = distance_count(c);
	float *table = tfm_alloc_array(context, (size_t) (rows * size), sizeof(float));
	float step = (float) (-log(10000.0) / (double) size);

	for (int64_t r = 0; table != NULL && r < rows; r++)
		for (int64_t i = 0; i < size; i++)
		{
			float angle = (float) r * expf((float) (i / 2 * 2) * step);

			table[r * size + i] = i % 2 == 0 ? sinf(angle) : cosf(angle);
		}
	return table;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	nezha_config *c = config;
	encoder_config *e = &c->encoder;
	int64_t size;

	*e = encoder_bert;
	e->common.vocab_size = 21128;
	e->embedding.positions = NULL;
	e->attend = attend_by_plan;
	e->attends_by = &c->plan;
	c->plan = (head_plan) {.config = c, .run = run_head, .scratch = count_scratch};
	encoder_read_config(context, file, e, 0);
	c->max_distance =
		(int32_t) json_int(context, file, "max_relative_position", 64, 0, MAX_DISTANCE);
	size = e->common.hidden_size / e->attention.heads;
	if (size > ATTEND_MAX_HEAD_DIM)
		tfm_fail(context, TFM_UNSUPPORTED, "attention heads of %lld columns are not supported",
				 (long long) size);
	else if (!tfm_failed(context))
		c->sinusoids = make_sinusoids(context, c, size);
}

static const nn_variant variants[] = {{"nezha", "Nezha", "nezha"}, {0}};

const nn_family family_nezha = {
	.name = "nezha",
	.variants = variants,
	.heads = encoder_bert_heads,
	.config_size = sizeof(nezha_config),
	.read_config = read_config,
	.hidden_states = encoder_hidden_states,
};
