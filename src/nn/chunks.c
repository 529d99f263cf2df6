/*
 * chunks.c
 *	  Reformer's attention.
 *	  Follows LSHSelfAttention and LocalSelfAttention of
 *	  transformers/models/reformer/modeling_reformer.py.
 *
 * A head's tokens are put into an order, one after the other for each round of hashes; chunks of it
 * are what attends.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/chunks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/torch_random.h"

#define MASKED -1e9f
#define OWN -1e5f /* the score of a token with itself, where tokens are hashed */
#define SMALL 1e-6f

/* What heads are run with. */
typedef struct chunk_plan
{
	const chunks *c;
	const float **rotations; /* of each sequence: [heads, size, rounds, columns] */
} chunk_plan;

/* A head on its way. */
typedef struct chunk_work
{
	const head *h;
	const chunks *c;
	int64_t padded;	  /* tokens of a round */
	int64_t length;	  /* of a chunk */
	int64_t count;	  /* chunks of all rounds */
	int64_t seen;	  /* keys that a chunk sees */
	int64_t *order;	  /* [rounds * padded] tokens */
	float *rotated;	  /* [tokens, rounds, columns] */
	float *keys;	  /* [padded, size] as they are multiplied */
	float *q, *k, *v; /* of a chunk: [length, size], [seen, size] */
	float *scores;	  /* [length, seen] */
	float *part;	  /* [length, size] */
	float *sums;	  /* [rounds * padded] logarithms of the sums of weights */
	float *result;	  /* [rounds * padded, size] by token */
} chunk_work;

static int64_t
pad_length(const chunks *c, int64_t tokens)
{
	if (tokens <= c->unpadded)
		return tokens;
	return (tokens + c->padded_to - 1) / c->padded_to * c->padded_to;
}

static int64_t
bucket_limit(const chunks *c)
{
	int64_t root = (int64_t) sqrt((double) (c->max_positions / c->length));

	return 2 * (root > c->length ? root : c->length);
}

/* Transformers' number of buckets for a length, a power of 2 or two of them; returns the factors. */
static int
choose_buckets(const chunks *c, int64_t padded, int64_t buckets[CHUNKS_MAX_FACTORS])
{
	int power = 0;

	if (c->factors > 0)
	{
		memcpy(buckets, c->buckets, sizeof(c->buckets));
		return c->factors;
	}
	while ((2 * (padded / c->length)) >> (power + 1) > 0)
		power++;
	buckets[0] = (int64_t) 1 << power;
	if (buckets[0] <= bucket_limit(c))
		return 1;
	buckets[0] = (int64_t) 1 << power / 2;
	buckets[1] = (int64_t) 1 << (power - power / 2);
	return 2;
}

/* Columns of the rotations of a round. */
static int64_t
count_columns(const chunks *c, int64_t padded)
{
	int64_t buckets[CHUNKS_MAX_FACTORS], sum = 0;
	int factors = choose_buckets(c, padded, buckets);

	for (int i = 0; i < factors; i++)
		sum += buckets[i];
	return sum / 2;
}

/* ---- Memory ---- */

static int64_t
count_seen(const chunks *c, int64_t padded)
{
	return padded <= c->length ? padded : c->length * (1 + c->before + c->after);
}

/* Enough for shorter sequences, too. */
static int64_t
count_scratch(const void *config, int64_t tokens, int64_t size)
{
	const chunks *c = ((const chunk_plan *) config)->c;
	int64_t padded = pad_length(c, tokens), rounds = c->rounds, columns = 0;
	int64_t length = padded < c->length ? padded : c->length, seen = count_seen(c, padded);

	if (c->hashed)
	{
		columns = count_columns(c, padded);
		if (c->factors == 0 && columns < bucket_limit(c) / 2)
			columns = bucket_limit(c) / 2;
	}
	return 2 * rounds * padded + tokens * rounds * columns + padded * size + 2 * length * size +
		   2 * seen * size + length * seen + rounds * padded + rounds * padded * size;
}

static void
lay_out(chunk_work *w, const head *h)
{
	const chunks *c = ((const chunk_plan *) h->config)->c;
	int64_t rounds = c->rounds;
	float *at = h->scratch;

	*w = (chunk_work) {.h = h, .c = c, .padded = pad_length(c, h->tokens)};
	w->length = w->padded <= c->length ? w->padded : c->length;
	w->seen = count_seen(c, w->padded);
	w->order = (int64_t *) head_take(&at, 2 * rounds * w->padded);
	w->rotated = head_take(&at, c->hashed ? h->tokens * rounds * count_columns(c, w->padded) : 0);
	w->keys = head_take(&at, w->padded * h->size);
	w->q = head_take(&at, w->length * h->size);
	w->part = head_take(&at, w->length * h->size);
	w->k = head_take(&at, w->seen * h->size);
	w->v = head_take(&at, w->seen * h->size);
	w->scores = head_take(&at, w->length * w->seen);
	w->sums = head_take(&at, rounds * w->padded);
	w->result = head_take(&at, rounds * w->padded * h->size);
}

/* ---- Order ---- */

static bool
is_hidden(const chunk_work *w, int64_t token)
{
	return token >= w->h->tokens || (w->h->hidden != NULL && w->h->hidden[token] != 0);
}

/* Number of the greatest of x and -x, the first of those that are. */
static int64_t
find_greatest(const float *x, int64_t count)
{
	int64_t best = 0;
	float most = -INFINITY;

	for (int64_t i = 0; i < 2 * count; i++)
	{
		float value = i < count ? x[i] : -x[i - count];

		if (value > most)
		{
			most = value;
			best = i;
		}
	}
	return best;
}

/* The bucket of a token by its rotated vector; *total is how many there are. */
static int64_t
find_bucket(const chunk_work *w, const float *rotated, int64_t *total)
{
	int64_t buckets[CHUNKS_MAX_FACTORS], bucket = 0;
	int factors = choose_buckets(w->c, w->padded, buckets);

	*total = 1;
	for (int i = 0; i < factors; i++)
	{
		bucket += *total * find_greatest(rotated, buckets[i] / 2);
		*total *= buckets[i];
		rotated += buckets[i] / 2;
	}
	return bucket;
}

static int
compare_places(const void *a, const void *b)
{
	int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

	return (x > y) - (x < y);
}

/* A round's tokens by bucket, those of a bucket as they come; masked ones are the last. */
static void
sort_round(chunk_work *w, int64_t round, int64_t columns)
{
	int64_t *order = w->order + round * w->padded, total = 0;

	for (int64_t t = 0; t < w->padded; t++)
	{
		int64_t bucket = 0;

		if (t < w->h->tokens)
			bucket = find_bucket(w, w->rotated + (t * w->c->rounds + round) * columns, &total);
		order[t] = (is_hidden(w, t) ? total : bucket) * w->padded + t;
	}
	qsort(order, (size_t) w->padded, sizeof(int64_t), compare_places);
	for (int64_t t = 0; t < w->padded; t++)
		order[t] %= w->padded;
}

static void
set_order(chunk_work *w)
{
	const head *h = w->h;
	const chunk_plan *plan = h->config;
	int64_t rounds = w->c->rounds, columns, width;
	const float *rotations;

	w->count = w->padded / w->length;
	if (!w->c->hashed || w->padded <= w->c->length)
	{
		for (int64_t t = 0; t < w->padded; t++)
			w->order[t] = t;
		return;
	}
	w->count *= rounds;
	columns = count_columns(w->c, w->padded);
	width = rounds * columns;
	rotations = plan->rotations[h->sequence] + h->number * h->size * width;
	head_product(h, (head_matrix) {h->q, h->stride}, (head_matrix) {rotations, width}, h->tokens,
				 width, h->size, w->rotated, width);
	for (int64_t round = 0; round < rounds; round++)
		sort_round(w, round, columns);
}

/* ---- Attention ---- */

/* Keys as they are multiplied: scaled; of length sqrt(size) first where they are queries, too. */
static void
set_keys(chunk_work *w)
{
	const head *h = w->h;
	float scale = 1 / sqrtf((float) h->size);

	memset(w->keys, 0, (size_t) (w->padded * h->size) * sizeof(float));
	for (int64_t t = 0; t < h->tokens; t++)
	{
		const float *k = h->k + t * h->stride;
		float factor = scale, sum = 0;

		for (int64_t j = 0; w->c->hashed && j < h->size; j++)
			sum += k[j] * k[j];
		if (w->c->hashed)
			factor /= sqrtf(sum / (float) h->size + SMALL);
		for (int64_t j = 0; j < h->size; j++)
			w->keys[t * h->size + j] = k[j] * factor;
	}
}

/* The token at a place of what a chunk sees. */
static int64_t
seen_token(const chunk_work *w, int64_t chunk, int64_t place)
{
	int64_t beside = w->count == 1 ? 0 : place / w->length - w->c->before;
	int64_t at = ((chunk + beside) % w->count + w->count) % w->count;

	return w->order[at * w->length + place % w->length];
}

static void
copy_row(const chunk_work *w, const float *from, int64_t token, float *to)
{
	size_t bytes = (size_t) w->h->size * sizeof(float);

	if (token < w->h->tokens)
		memcpy(to, from + token * w->h->stride, bytes);
	else
		memset(to, 0, bytes);
}

static void
gather_chunk(const chunk_work *w, int64_t chunk)
{
	int64_t size = w->h->size;

	for (int64_t i = 0; i < w->length; i++)
		copy_row(w, w->h->q, w->order[chunk * w->length + i], w->q + i * size);
	for (int64_t i = 0; i < w->seen; i++)
	{
		int64_t token = seen_token(w, chunk, i);

		memcpy(w->k + i * size, w->keys + token * size, (size_t) size * sizeof(float));
		copy_row(w, w->h->v, token, w->v + i * size);
	}
}

/* What a query's scores become where it does not see the key. */
static float
mask_score(const chunk_work *w, float score, int64_t query, int64_t key)
{
	if (w->c->hashed && query == key)
		return OWN;
	return is_hidden(w, key) || (w->c->causal && query < key) ? MASKED : score;
}

/* Scores of a query become weights; returns the logarithm of their sum. */
static float
weigh(const chunk_work *w, int64_t chunk, int64_t query, float *scores)
{
	for (int64_t i = 0; i < w->seen; i++)
		scores[i] = mask_score(w, scores[i], query, seen_token(w, chunk, i));
	return head_soften(scores, w->seen);
}

static void
attend_chunk(const chunk_work *w, int64_t chunk)
{
	int64_t size = w->h->size, round = chunk * w->length / w->padded;

	gather_chunk(w, chunk);
	head_scores(w->h, (head_matrix) {w->q, size}, (head_matrix) {w->k, size}, w->length, w->seen,
				size, w->scores, w->seen);
	for (int64_t i = 0; i < w->length; i++)
	{
		int64_t query = w->order[chunk * w->length + i];

		w->sums[round * w->padded + query] = weigh(w, chunk, query, w->scores + i * w->seen);
	}
	head_product(w->h, (head_matrix) {w->scores, w->seen}, (head_matrix) {w->v, size}, w->length,
				 size, w->seen, w->part, size);
	for (int64_t i = 0; i < w->length; i++)
		memcpy(w->result + (round * w->padded + w->order[chunk * w->length + i]) * size,
			   w->part + i * size, (size_t) size * sizeof(float));
}

/* Rounds have weights by the sums of theirs. */
static void
mix_rounds(const chunk_work *w, int64_t token)
{
	int64_t rounds = w->count * w->length / w->padded, size = w->h->size;
	float *y = w->h->y + token * w->h->y_stride, most = -INFINITY, sum = 0;

	for (int64_t r = 0; r < rounds; r++)
		most = fmaxf(most, w->sums[r * w->padded + token]);
	for (int64_t r = 0; r < rounds; r++)
		sum += expf(w->sums[r * w->padded + token] - most);
	for (int64_t r = 0; r < rounds; r++)
	{
		float share = expf(w->sums[r * w->padded + token] - most) / sum;

		for (int64_t j = 0; j < size; j++)
			y[j] += share * w->result[(r * w->padded + token) * size + j];
	}
}

static void
run_head(const head *h)
{
	chunk_work w;

	lay_out(&w, h);
	set_order(&w);
	set_keys(&w);
	for (int64_t i = 0; i < w.count && !head_stopping(h); i++)
		attend_chunk(&w, i);
	for (int64_t t = 0; t < h->tokens; t++)
		mix_rounds(&w, t);
}

/* ---- All heads ---- */

/* The rotations of each sequence; those of one number of columns are the same. */
static void
draw_rotations(nn_model *m, chunk_plan *plan, int64_t width)
{
	const nn_batch *batch = m->batch;
	const chunks *c = plan->c;
	int64_t last = -1;
	torch_random random;

	plan->rotations = tfm_alloc_array(m->context, (size_t) batch->sequences, sizeof(float *));
	for (int64_t i = 0; plan->rotations != NULL && i < batch->sequences; i++)
	{
		int64_t tokens = batch->offsets[i + 1] - batch->offsets[i];
		int64_t columns = count_columns(c, pad_length(c, tokens));
		size_t count = (size_t) (width * c->rounds * columns);
		float *numbers = NULL;

		plan->rotations[i] = i == 0 ? NULL : plan->rotations[i - 1];
		if (columns == last)
			continue;
		numbers = tfm_alloc_array(m->context, count, sizeof(float));
		if (numbers == NULL)
			return;
		torch_random_seed(&random, c->seed);
		torch_random_normal(&random, (int64_t) count, numbers);
		plan->rotations[i] = numbers;
		last = columns;
	}
}

tensor
attend_in_chunks(nn_model *m, const tensor qkv[3], const chunks *c)
{
	chunk_plan chunk = {.c = c};
	head_plan plan = {
		.heads = c->heads, .config = &chunk, .run = run_head, .scratch = count_scratch};

	for (int64_t i = 0; nn_live(m) && i < m->batch->sequences; i++)
	{
		int64_t tokens = m->batch->offsets[i + 1] - m->batch->offsets[i];
		int64_t padded = pad_length(c, tokens), seen = count_seen(c, padded);

		if (padded > c->max_positions)
			tfm_fail(m->context, TFM_INVALID_ARGUMENT,
					 "a row of %lld tokens, in whole chunks, is longer than the model's %lld",
					 (long long) padded, (long long) c->max_positions);
		plan.most_keys = seen > plan.most_keys ? seen : plan.most_keys;
	}
	if (nn_live(m) && c->hashed)
		draw_rotations(m, &chunk, qkv[0].shape[1]);
	return run_heads(m, qkv, &plan);
}
