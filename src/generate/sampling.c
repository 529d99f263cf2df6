/*
 * sampling.c
 *	  Drawing tokens from scores.
 *
 * Weights are summed block by block, so that a draw adds up one block alone.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/sampling.h"

#include <math.h>

#define BLOCK 1024

void
gen_probabilities(const gen_scores *scores, float *probabilities)
{
	double logarithm = gen_log_sum_exp(scores);

	for (int64_t i = 0; i < scores->count; i++)
		probabilities[i] = scores->values[i] == -INFINITY
							   ? 0
							   : (float) exp((double) scores->values[i] - logarithm);
}

/* Where the sum of weights passes target; the last that is not 0 where rounding leaves none. */
static int64_t
find_weight(const float *weights, int64_t count, double target)
{
	int64_t found = -1;

	for (int64_t i = 0; i < count; i++)
	{
		if (!(weights[i] > 0))
			continue;
		found = i;
		target -= (double) weights[i];
		if (target < 0)
			break;
	}
	return found;
}

static double
add_up(const float *weights, int64_t count)
{
	double sum = 0;

	for (int64_t i = 0; i < count; i++)
		if (weights[i] > 0)
			sum += (double) weights[i];
	return sum;
}

int64_t
gen_draw(const float *weights, int64_t count, gen_random *random)
{
	return find_weight(weights, count, gen_random_double(random) * add_up(weights, count));
}

int32_t
gen_sample(tfm_context *context, const gen_scores *scores, gen_random *random)
{
	float *weights = tfm_alloc_array(context, (size_t) scores->count, sizeof(float));
	int64_t place;

	if (weights == NULL)
		return 0;
	if (scores->kept != NULL)
	{
		gen_kept_softmax(scores, weights);
		place = gen_draw(weights, scores->kept_count, random);
		return place < 0 ? 0 : scores->kept[place];
	}
	gen_sum_exp(scores->values, scores->count, gen_max(scores->values, scores->count), weights);
	place = gen_draw(weights, scores->count, random);
	return place < 0 ? 0 : (int32_t) place;
}

/* The block in which the sum of sums passes *target, which becomes what is left of it. */
static int64_t
find_block(const double *sums, int64_t blocks, double *target)
{
	int64_t found = -1;

	for (int64_t b = 0; b < blocks; b++)
	{
		if (!(sums[b] > 0))
			continue;
		found = b;
		if (*target < sums[b])
			break;
		*target -= sums[b];
	}
	return found;
}

int64_t
gen_draw_several(tfm_context *context, float *weights, int64_t count, int64_t k, gen_random *random,
				 int64_t *drawn)
{
	int64_t blocks = (count + BLOCK - 1) / BLOCK, n = 0;
	double *sums = tfm_alloc_array(context, (size_t) blocks, sizeof(double));

	if (sums == NULL)
		return 0;
	for (int64_t b = 0; b < blocks; b++)
		sums[b] = add_up(weights + b * BLOCK, b + 1 < blocks ? BLOCK : count - b * BLOCK);
	while (n < k)
	{
		double total = 0, target;
		int64_t b, place, length;

		for (b = 0; b < blocks; b++)
			total += sums[b];
		target = gen_random_double(random) * total;
		b = find_block(sums, blocks, &target);
		if (b < 0)
			break;
		length = b + 1 < blocks ? BLOCK : count - b * BLOCK;
		place = find_weight(weights + b * BLOCK, length, target);
		if (place < 0)
			break;
		drawn[n++] = b * BLOCK + place;
		weights[b * BLOCK + place] = 0;
		sums[b] = add_up(weights + b * BLOCK, length);
	}
	return n;
}
