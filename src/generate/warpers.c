/*
 * warpers.c
 *	  Processors that are for sampling: they sharpen the scores and cut off what is unlikely.
 *
 * What a warper cuts becomes minus infinity.  The first that leaves only some (top_k, mostly) sorts
 * those and lists them as kept, and the ones after it look at these alone.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "generate/processor.h"

#define FIRST_TRY                                                                                  \
	256 /* tokens that are sorted of a whole vocabulary before more are known to be needed */
#define BUCKETS 4096
#define BUCKETS_PER_UNIT 100

/* How many scores a warper looks at, and which the i-th is. */
static int64_t
view_count(const gen_scores *scores)
{
	return scores->kept != NULL ? scores->kept_count : scores->count;
}

static int64_t
view_place(const gen_scores *scores, int64_t i)
{
	return scores->kept != NULL ? scores->kept[i] : i;
}

/* Cut what keep is 0 of: [view_count]. */
static void
cut(gen_scores *scores, const uint8_t *keep)
{
	if (scores->kept != NULL)
	{
		gen_keep_some(scores, keep);
		return;
	}
	for (int64_t i = 0; i < scores->count; i++)
		if (!keep[i])
			scores->values[i] = -INFINITY;
}

/* Cut all but best[count], which are sorted. */
static void
cut_to(gen_scores *scores, int32_t *best, float *saved, int64_t count)
{
	while (count > 0 && scores->values[best[count - 1]] == -INFINITY)
		count--;
	for (int64_t i = 0; i < count; i++)
		saved[i] = scores->values[best[i]];
	for (int64_t i = 0; i < scores->count; i++)
		scores->values[i] = -INFINITY;
	for (int64_t i = 0; i < count; i++)
		scores->values[best[i]] = saved[i];
	scores->kept = best;
	scores->kept_count = count;
}

bool
gen_warp_temperature(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
					 gen_scores *scores)
{
	float temperature = (float) all->config->temperature;

	(void) context, (void) prefix;
	for (int64_t i = 0; i < scores->count; i++)
		scores->values[i] /= temperature;
	return true;
}

/* Keep the k best of all and what is equal to the last of them. */
static bool
keep_best(tfm_context *context, gen_scores *scores, int64_t k)
{
	int64_t count = 0;
	int32_t *best = tfm_alloc_array(context, (size_t) k, sizeof(int32_t));
	float last, *saved;

	if (best == NULL)
		return false;
	k = gen_pick(scores->values, scores->count, k, best);
	last = scores->values[best[k - 1]];
	if (last == -INFINITY || isnan(last))
		count = k;
	else
		for (int64_t i = 0; i < scores->count; i++)
			count += scores->values[i] >= last;
	if (count > k)
	{
		best = tfm_alloc_array(context, (size_t) count, sizeof(int32_t));
		if (best == NULL)
			return false;
		gen_pick(scores->values, scores->count, count, best);
	}
	saved = tfm_alloc_array(context, (size_t) count, sizeof(float));
	if (saved == NULL)
		return false;
	cut_to(scores, best, saved, count);
	return true;
}

bool
gen_warp_top_k(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
			   gen_scores *scores)
{
	int64_t k = all->config->top_k > all->least ? all->config->top_k : all->least, n;

	(void) prefix;
	if (k >= view_count(scores))
		return true;
	if (scores->kept == NULL)
		return keep_best(context, scores, k);
	n = k;
	while (n < scores->kept_count &&
		   scores->values[scores->kept[n]] == scores->values[scores->kept[k - 1]])
		n++;
	gen_keep(scores, n);
	return true;
}

/* How many of best[count] are kept for their mass to reach top_p; count + 1 if all are not enough. */
static int64_t
find_mass(const gen_scores *scores, const int32_t *best, int64_t count, double logarithm,
		  double top_p, int64_t least)
{
	double above = 0;

	for (int64_t i = 0; i < count; i++)
	{
		if (above >= top_p && i >= least)
			return i;
		above += exp((double) scores->values[best[i]] - logarithm);
	}
	return above >= top_p && count >= least ? count : count + 1;
}

/* Where the best of all, in order of their keys, have a mass together: the last of them. */
typedef struct crossing
{
	float key;
	int64_t place;
} crossing;

static int
compare_crossings(const void *a, const void *b)
{
	const crossing *x = a, *y = b;

	if (x->key != y->key)
		return x->key > y->key ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

/* Keys that are not finite are last. */
static int64_t
find_bucket(float highest, float key)
{
	float bucket = (highest - key) * BUCKETS_PER_UNIT;

	return bucket < BUCKETS - 1 ? (int64_t) bucket : BUCKETS - 1;
}

/*
 * Which of count is the last that is wanted for the mass, best keys first.  Only what is near it is
 * sorted: masses are added up by buckets of keys before.
 */
static bool
find_crossing(tfm_context *context, const float *keys, const float *weights, int64_t count,
			  double mass, crossing *last)
{
	double *sums = tfm_alloc_zero(context, BUCKETS * sizeof(double)), before = 0;
	float highest = gen_max(keys, count);
	int64_t bucket = 0, near = 0;
	crossing *all;

	if (sums == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
		sums[find_bucket(highest, keys[i])] += (double) weights[i];
	while (bucket < BUCKETS - 1 && before + sums[bucket] < mass)
		before += sums[bucket++];
	for (int64_t i = 0; i < count; i++)
		near += find_bucket(highest, keys[i]) == bucket;
	all = tfm_alloc_array(context, (size_t) near + 1, sizeof(crossing));
	if (all == NULL)
		return false;
	near = 0;
	for (int64_t i = 0; i < count; i++)
		if (find_bucket(highest, keys[i]) == bucket)
			all[near++] = (crossing) {.key = keys[i], .place = i};
	qsort(all, (size_t) near, sizeof(crossing), compare_crossings);
	for (int64_t i = 0; i < near; i++)
	{
		*last = all[i];
		before += (double) weights[all[i].place];
		if (before >= mass)
			break;
	}
	return true;
}

/* The same as a cut of all scores to those that have the mass, of which there are many. */
static bool
cut_to_mass(tfm_context *context, gen_scores *scores, double logarithm, double mass)
{
	float *p = tfm_alloc_array(context, (size_t) scores->count, sizeof(float));
	crossing last = {.key = -INFINITY};

	if (p == NULL)
		return false;
	gen_sum_exp(scores->values, scores->count, (float) logarithm, p);
	if (!find_crossing(context, scores->values, p, scores->count, mass, &last))
		return false;
	for (int64_t i = 0; i < scores->count; i++)
		if (scores->values[i] < last.key || (scores->values[i] == last.key && i > last.place))
			scores->values[i] = -INFINITY;
	return true;
}

bool
gen_warp_top_p(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
			   gen_scores *scores)
{
	double logarithm = gen_log_sum_exp(scores), top_p = all->config->top_p;
	int64_t k = scores->count < FIRST_TRY ? scores->count : FIRST_TRY, n;
	int32_t *best;
	float *saved;

	(void) prefix;
	if (scores->kept != NULL)
	{
		n = find_mass(scores, scores->kept, scores->kept_count, logarithm, top_p, all->least);
		gen_keep(scores, n);
		return true;
	}
	k = k < all->least ? all->least : k;
	best = tfm_alloc_array(context, (size_t) k, sizeof(int32_t));
	saved = tfm_alloc_array(context, (size_t) k, sizeof(float));
	if (best == NULL || saved == NULL)
		return false;
	k = gen_pick(scores->values, scores->count, k, best);
	n = find_mass(scores, best, k, logarithm, top_p, all->least);
	if (n > k && k < scores->count)
		return cut_to_mass(context, scores, logarithm, top_p);
	cut_to(scores, best, saved, n < k ? n : k);
	return true;
}

bool
gen_warp_top_h(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
			   gen_scores *scores)
{
	int64_t count = view_count(scores) < 100 ? view_count(scores) : 100, n = 0;
	int32_t *best = tfm_alloc_array(context, 100, sizeof(int32_t));
	double entropy = 0, sum = 0, p[100];
	float saved[100];

	(void) prefix;
	if (best == NULL || count == 0)
		return false;
	if (scores->kept != NULL)
		memcpy(best, scores->kept, (size_t) count * sizeof(int32_t));
	else
		gen_pick(scores->values, scores->count, count, best);
	for (int64_t i = 0; i < count; i++)
		sum += p[i] = exp((double) scores->values[best[i]] - (double) scores->values[best[0]]);
	for (int64_t i = 0; i < count; i++)
	{
		p[i] /= sum;
		entropy -= p[i] > 0 ? p[i] * log(p[i]) : 0;
	}
	/* The most likely while their entropies are at most so much of the whole; the first always. */
	sum = 0;
	for (n = 0; n < count && p[n] > 0; n++)
	{
		sum -= p[n] * log(p[n]);
		if (n > 0 && (float) sum > (float) (entropy * all->config->top_h))
			break;
	}
	cut_to(scores, best, saved, n);
	return true;
}

/* Probabilities of what the warper looks at: [view_count]; NULL if memory is out. */
static float *
find_probabilities(tfm_context *context, const gen_scores *scores)
{
	float *p = tfm_alloc_array(context, (size_t) view_count(scores) + 1, sizeof(float)), best;
	double sum;

	if (p == NULL)
		return NULL;
	if (scores->kept != NULL)
	{
		gen_kept_softmax(scores, p);
		return p;
	}
	best = gen_max(scores->values, scores->count);
	sum = gen_sum_exp(scores->values, scores->count, best, p);
	for (int64_t i = 0; i < scores->count; i++)
		p[i] = (float) (p[i] / sum);
	return p;
}

/* Keep the least best whatever their probability; equal ones too if ties. */
static bool
keep_least(tfm_context *context, const gen_processors *all, const gen_scores *scores, bool ties,
		   uint8_t *keep)
{
	int64_t count = view_count(scores), least = all->least < count ? all->least : count;
	int32_t *best;
	float last;

	if (scores->kept != NULL)
		best = scores->kept;
	else
	{
		best = tfm_alloc_array(context, (size_t) least, sizeof(int32_t));
		if (best == NULL)
			return false;
		gen_pick(scores->values, scores->count, least, best);
	}
	for (int64_t i = 0; i < least; i++)
		keep[scores->kept != NULL ? i : best[i]] = 1;
	last = scores->values[best[least - 1]];
	for (int64_t i = 0; ties && i < count; i++)
		if (scores->values[view_place(scores, i)] >= last)
			keep[i] = 1;
	return true;
}

/* Keep what has a probability of at least so much. */
static bool
keep_likely(tfm_context *context, const gen_processors *all, gen_scores *scores,
			const float *probabilities, float threshold, bool ties)
{
	int64_t count = view_count(scores);
	uint8_t *keep = tfm_alloc_array(context, (size_t) count + 1, 1);

	if (keep == NULL || count == 0)
		return keep != NULL;
	for (int64_t i = 0; i < count; i++)
		keep[i] = !(probabilities[i] < threshold);
	if (!keep_least(context, all, scores, ties, keep))
		return false;
	cut(scores, keep);
	return true;
}

bool
gen_warp_min_p(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
			   gen_scores *scores)
{
	float *p = find_probabilities(context, scores);

	(void) prefix;
	if (p == NULL)
		return false;
	return keep_likely(context, all, scores, p,
					   (float) all->config->min_p * gen_max(p, view_count(scores)), false);
}

bool
gen_warp_epsilon(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
				 gen_scores *scores)
{
	float *p = find_probabilities(context, scores);

	(void) prefix;
	if (p == NULL)
		return false;
	return keep_likely(context, all, scores, p, (float) all->config->epsilon_cutoff, true);
}

/* The entropy of scores whose probabilities are p. */
static double
find_entropy(const gen_scores *scores, const float *p)
{
	double logarithm = gen_log_sum_exp(scores), entropy = 0;

	for (int64_t i = 0; i < view_count(scores); i++)
		if (p[i] > 0)
			entropy -= p[i] * ((double) scores->values[view_place(scores, i)] - logarithm);
	return entropy;
}

bool
gen_warp_eta(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
			 gen_scores *scores)
{
	float *p = find_probabilities(context, scores), epsilon = (float) all->config->eta_cutoff, eta;

	(void) prefix;
	if (p == NULL)
		return false;
	eta = sqrtf(epsilon) * expf((float) -find_entropy(scores, p));
	return keep_likely(context, all, scores, p, epsilon < eta ? epsilon : eta, true);
}

/* How far those are away, of the ones nearest to what is expected, that have the mass together. */
static bool
find_distance(tfm_context *context, const float *nearness, const float *p, int64_t count,
			  double mass, int64_t least, float *distance, uint8_t *keep)
{
	int64_t k = count < FIRST_TRY ? count : FIRST_TRY, n = 0;
	crossing last = {.key = -INFINITY};
	int32_t *nearest;
	double sum = 0;

	k = k < least ? least : k;
	nearest = tfm_alloc_array(context, (size_t) k, sizeof(int32_t));
	if (nearest == NULL)
		return false;
	k = gen_pick(nearness, count, k, nearest);
	for (int64_t i = 0; i < least && i < k; i++)
		keep[nearest[i]] = 1;
	while (n < k && (sum += (double) p[nearest[n]]) < mass)
		n++;
	*distance = nearness[nearest[n < k ? n : k - 1]];
	if (n < k || k == count)
		return true;
	if (!find_crossing(context, nearness, p, count, mass, &last))
		return false;
	*distance = last.key;
	return true;
}

bool
gen_warp_typical(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
				 gen_scores *scores)
{
	int64_t count = view_count(scores);
	float *p = find_probabilities(context, scores), distance, entropy, logarithm;
	float *nearness = tfm_alloc_array(context, (size_t) count + 1, sizeof(float));
	uint8_t *keep = tfm_alloc_zero(context, (size_t) count + 1);

	(void) prefix;
	if (p == NULL || nearness == NULL || keep == NULL)
		return false;
	if (count == 0)
		return true;
	entropy = (float) find_entropy(scores, p);
	logarithm = (float) gen_log_sum_exp(scores);
	for (int64_t i = 0; i < count; i++)
		nearness[i] = -fabsf(-(scores->values[view_place(scores, i)] - logarithm) - entropy);
	if (!find_distance(context, nearness, p, count, all->config->typical_p, all->least, &distance,
					   keep))
		return false;
	for (int64_t i = 0; i < count; i++)
		keep[i] |= nearness[i] >= distance;
	cut(scores, keep);
	return true;
}

bool
gen_normalize(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
			  gen_scores *scores)
{
	(void) context, (void) all, (void) prefix;
	if (scores->kept == NULL)
		gen_log_softmax(scores->values, scores->count);
	else
	{
		float logarithm = (float) gen_log_sum_exp(scores);

		for (int64_t i = 0; i < scores->kept_count; i++)
			scores->values[scores->kept[i]] -= logarithm;
	}
	return true;
}
