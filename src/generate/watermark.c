/*
 * watermark.c
 *	  Watermarks: green lists and SynthID.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/watermark.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/torch_random.h"
#include "generate/processor.h"

#define TABLE_SIZE 1000003 /* of the permutation that selfhash looks ids up in */
#define CANDIDATES 40	   /* that selfhash tries */
#define HASH_FACTOR 6364136223846793005u

struct gen_watermarker
{
	const gen_config *config;
	int64_t vocabulary;
	int64_t green; /* how many are on a list */
	torch_random random;
	int32_t *permutation; /* [vocabulary] */
	int32_t *table;		  /* [TABLE_SIZE]; of selfhash */
	uint8_t *samples;	  /* [sampling_table_size]; of SynthID */
	float *terms;		  /* [vocabulary]; of SynthID */
};

struct gen_synthid_state
{
	int64_t calls;
	int32_t *context;  /* [ngram_len - 1] */
	uint64_t *history; /* [context_history_size], newest first */
};

static bool
make_samples(tfm_context *context, gen_watermarker *w)
{
	int64_t size = w->config->watermark_sampling_table_size;

	w->samples = tfm_alloc(context, (size_t) size);
	w->terms = tfm_alloc_array(context, (size_t) w->vocabulary, sizeof(float));
	if (w->samples == NULL || w->terms == NULL)
		return false;
	torch_random_seed(&w->random, (uint64_t) w->config->watermark_sampling_table_seed);
	for (int64_t i = 0; i < size; i++)
		w->samples[i] = torch_random_next(&w->random) % 2;
	return true;
}

gen_watermarker *
gen_watermarker_create(tfm_context *context, const gen_config *config, int64_t vocabulary)
{
	gen_watermarker *w = tfm_alloc_zero(context, sizeof(gen_watermarker));

	if (w == NULL)
		return NULL;
	w->config = config;
	w->vocabulary = vocabulary;
	w->green = (int64_t) ((double) vocabulary * config->watermark_greenlist_ratio);
	if (config->watermark == WATERMARK_SYNTHID)
		return make_samples(context, w) ? w : NULL;
	w->permutation = tfm_alloc_array(context, (size_t) vocabulary, sizeof(int32_t));
	if (w->permutation == NULL || config->watermark == WATERMARK_LEFTHASH)
		return w->permutation == NULL ? NULL : w;
	w->table = tfm_alloc_array(context, TABLE_SIZE, sizeof(int32_t));
	if (w->table == NULL)
		return NULL;
	torch_random_seed(&w->random, (uint64_t) config->watermark_hashing_key);
	torch_random_permute(&w->random, w->table, TABLE_SIZE, TABLE_SIZE);
	return w;
}

gen_synthid_state *
gen_synthid_state_create(tfm_context *context, const gen_config *config)
{
	gen_synthid_state *state = tfm_alloc_zero(context, sizeof(gen_synthid_state));

	if (state == NULL)
		return NULL;
	state->context =
		tfm_alloc_zero(context, (size_t) config->watermark_ngram_len * sizeof(int32_t));
	state->history =
		tfm_alloc_zero(context, (size_t) config->watermark_context_history_size * sizeof(uint64_t));
	return state->context == NULL || state->history == NULL ? NULL : state;
}

/* ---- Green lists ---- */

/* Python's seed % (2**64 - 1) of a signed number of any length. */
static uint64_t
reduce_seed(__int128 seed)
{
	__int128 divisor = (__int128) UINT64_MAX, rest = seed % divisor;

	return (uint64_t) (rest < 0 ? rest + divisor : rest);
}

static __int128
hash_left(const gen_watermarker *w, int32_t last)
{
	return (__int128) w->config->watermark_hashing_key * last;
}

/* Of the context's last ids, next among them. */
static __int128
hash_self(const gen_watermarker *w, const int32_t *ids, int64_t count, int32_t next)
{
	uint64_t b = (uint64_t) w->table[next % TABLE_SIZE] + 1;
	uint64_t key = (uint64_t) w->config->watermark_hashing_key;
	int64_t least = (int64_t) (key * b * b);

	for (int64_t i = 1; i < w->config->watermark_context_width && i <= count; i++)
	{
		uint64_t a = (uint64_t) w->table[ids[count - i] % TABLE_SIZE] + 1;
		int64_t hash = (int64_t) (key * a * b);

		least = hash < least ? hash : least;
	}
	return least;
}

/* The green list of a seed: the first w->green of w->permutation. */
static void
make_green(gen_watermarker *w, __int128 seed)
{
	torch_random_seed(&w->random, reduce_seed(seed));
	torch_random_permute(&w->random, w->permutation, w->vocabulary, w->green);
}

static bool
is_green(const gen_watermarker *w, int32_t id)
{
	for (int64_t i = 0; i < w->green; i++)
		if (w->permutation[i] == id)
			return true;
	return false;
}

static void
mark_self(gen_watermarker *w, const int32_t *ids, int64_t count, gen_scores *scores)
{
	int32_t best[CANDIDATES];
	int64_t n = gen_pick(scores->values, scores->count, CANDIDATES, best);
	bool green[CANDIDATES];

	for (int64_t i = 0; i < n; i++)
	{
		make_green(w, hash_self(w, ids, count, best[i]));
		green[i] = is_green(w, best[i]);
	}
	for (int64_t i = 0; i < n; i++)
		if (green[i])
			scores->values[best[i]] += (float) w->config->watermark_bias;
}

/* Put kept scores in order again. */
static bool
sort_kept(tfm_context *context, gen_scores *scores)
{
	size_t count = (size_t) scores->kept_count;
	float *values = tfm_alloc_array(context, count + 1, sizeof(float));
	int32_t *order = tfm_alloc_array(context, count + 1, sizeof(int32_t));

	if (values == NULL || order == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		values[i] = scores->values[scores->kept[i]];
	gen_pick(values, scores->kept_count, scores->kept_count, order);
	for (size_t i = 0; i < count; i++)
		order[i] = scores->kept[order[i]];
	memcpy(scores->kept, order, count * sizeof(int32_t));
	return true;
}

static bool
mark_green(tfm_context *context, gen_watermarker *w, const int32_t *ids, int64_t count,
		   gen_scores *scores)
{
	if (count < w->config->watermark_context_width)
		return true;
	if (w->config->watermark == WATERMARK_SELFHASH)
		mark_self(w, ids, count, scores);
	else
	{
		make_green(w, hash_left(w, ids[count - 1]));
		for (int64_t i = 0; i < w->green; i++)
			scores->values[w->permutation[i]] += (float) w->config->watermark_bias;
	}
	return scores->kept == NULL || sort_kept(context, scores);
}

/* ---- SynthID ---- */

static uint64_t
hash_on(uint64_t hash, uint64_t data)
{
	return (hash + data) * HASH_FACTOR + 1;
}

/* torch's remainder, which has the sign of the divisor. */
static int64_t
remainder_of(uint64_t hash, int64_t divisor)
{
	int64_t rest = (int64_t) hash % divisor;

	return rest < 0 ? rest + divisor : rest;
}

/* The probabilities of scores, tilted once for each key. */
static void
tilt(const gen_watermarker *w, uint64_t hash, const gen_scores *scores, float *p)
{
	const gen_config *config = w->config;
	float best = gen_max(scores->values, scores->count);
	double sum = gen_sum_exp(scores->values, scores->count, best, p);

	for (int64_t i = 0; i < scores->count; i++)
		p[i] = (float) (p[i] / sum);
	for (size_t k = 0; k < config->watermark_key_count; k++)
	{
		uint64_t key = (uint64_t) config->watermark_keys[k];
		double mass = 0;

		for (int pass = 0; pass < 2; pass++)
			for (int64_t i = 0; i < scores->count; i++)
			{
				uint64_t place = hash_on(hash_on(hash, (uint64_t) i), key);
				int g = w->samples[remainder_of(place, config->watermark_sampling_table_size)];

				if (pass == 0)
					mass += g ? p[i] : 0;
				else
					p[i] *= (float) (1 + g) - (float) mass;
			}
	}
}

/* Whether the hash of a context was there before; it is from now on. */
static bool
is_repeated(const gen_config *config, gen_synthid_state *state, uint64_t hash)
{
	size_t size = (size_t) config->watermark_context_history_size;
	bool found = false;

	for (size_t i = 0; i < size; i++)
		found |= state->history[i] == hash;
	memmove(state->history + 1, state->history, (size - 1) * sizeof(uint64_t));
	state->history[0] = hash;
	return found;
}

static void
mark_synthid(gen_watermarker *w, const int32_t *ids, int64_t count, gen_synthid_state *state,
			 gen_scores *scores)
{
	int64_t width = w->config->watermark_ngram_len - 1;
	uint64_t hash = 1;

	if (state->calls++ > 0)
	{
		memmove(state->context, state->context + 1, (size_t) (width - 1) * sizeof(int32_t));
		state->context[width - 1] = ids[count - 1];
	}
	if (w->config->watermark_skip_first_ngram_calls &&
		state->calls < w->config->watermark_ngram_len)
		return;
	for (int64_t i = 0; i < width; i++)
		hash = hash_on(hash, (uint64_t) state->context[i]);
	if (is_repeated(w->config, state, hash))
		return;
	tilt(w, hash, scores, w->terms);
	for (int64_t i = 0; i < scores->count; i++)
		scores->values[i] = w->terms[i] > 0 ? logf(w->terms[i]) : -FLT_MAX;
	scores->kept = NULL;
}

bool
gen_watermark_scores(tfm_context *context, gen_watermarker *watermarker, const int32_t *ids,
					 int64_t count, gen_synthid_state *state, gen_scores *scores)
{
	if (watermarker->config->watermark != WATERMARK_SYNTHID)
		return mark_green(context, watermarker, ids, count, scores);
	if (state != NULL)
		mark_synthid(watermarker, ids, count, state, scores);
	return true;
}

bool
gen_mark(tfm_context *context, gen_processors *all, const gen_prefix *prefix, gen_scores *scores)
{
	return gen_watermark_scores(context, all->watermark, prefix->ids, prefix->count,
								prefix->watermark, scores);
}
