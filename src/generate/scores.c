/*
 * scores.c
 *	  The best of a vocabulary's scores, their softmax, the best k.
 *
 * Loops over a whole vocabulary are written over vectors of four, which any compiler turns into
 * what the processor has.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LANES 4

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t whole __attribute__((vector_size(LANES * sizeof(int32_t))));

static inline lanes
load(const float *from)
{
	lanes x;

	memcpy(&x, from, sizeof(x));
	return x;
}

static inline lanes
spread(float value)
{
	return (lanes) {value, value, value, value};
}

/* Lane by lane: a where mask is set, else b. */
static inline lanes
choose(whole mask, lanes a, lanes b)
{
	whole x, y;
	lanes result;

	memcpy(&x, &a, sizeof(x));
	memcpy(&y, &b, sizeof(y));
	x = (x & mask) | (y & ~mask);
	memcpy(&result, &x, sizeof(result));
	return result;
}

float
gen_max(const float *values, int64_t count)
{
	lanes best = spread(-INFINITY), second = best;
	float result = -INFINITY;
	int64_t i = 0;

	for (; i + 2 * LANES <= count; i += 2 * LANES)
	{
		lanes x = load(values + i), y = load(values + i + LANES);

		best = choose(x > best, x, best);
		second = choose(y > second, y, second);
	}
	best = choose(second > best, second, best);
	for (int lane = 0; lane < LANES; lane++)
		if (best[lane] > result)
			result = best[lane];
	for (; i < count; i++)
		if (values[i] > result)
			result = values[i];
	return result;
}

static bool
has_nan(const float *values, int64_t count)
{
	whole strange = {0};
	int64_t i = 0;
	bool found = false;

	for (; i + LANES <= count; i += LANES)
	{
		lanes x = load(values + i);

		strange |= x != x;
	}
	for (int lane = 0; lane < LANES; lane++)
		found |= strange[lane] != 0;
	for (; i < count; i++)
		found |= isnan(values[i]);
	return found;
}

int64_t
gen_argmax(const float *values, int64_t count)
{
	float best = gen_max(values, count);
	bool nan = has_nan(values, count);

	for (int64_t i = 0; i < count; i++)
		if (nan ? isnan(values[i]) : values[i] == best)
			return i;
	return 0;
}

/*
 * exp(x) for x up to 88, to two units in the last place: 2^n (1 + r + ...), r below ln 2 / 2.
 */
static inline lanes
exp_lanes(lanes x)
{
	lanes low = spread(-87.3f), shifted = choose(x > low, x, low);
	lanes scaled = shifted * spread(1.44269504f) + spread(12582912.0f), n, r, p, power;
	whole bits;

	memcpy(&bits, &scaled, sizeof(bits));
	n = scaled - spread(12582912.0f);
	r = shifted - n * spread(0.693359375f) - n * spread(-2.12194440e-4f);
	p = spread(1.9875691500e-4f);
	p = p * r + spread(1.3981999507e-3f);
	p = p * r + spread(8.3334519073e-3f);
	p = p * r + spread(4.1665795894e-2f);
	p = p * r + spread(1.6666665459e-1f);
	p = p * r + spread(5.0000001201e-1f);
	p = p * r * r + r + spread(1.0f);
	bits = (bits << 23) + 0x3f800000;
	memcpy(&power, &bits, sizeof(power));
	return choose(x > low, p * power, spread(0));
}

#define BLOCK 4096 /* floats are added up so far, then doubles */

/* The same for count values, a multiple of LANES. */
static double
sum_block(const float *values, int64_t count, float shift, float *terms)
{
	lanes partial = spread(0);
	double sum = 0;

	for (int64_t i = 0; i < count; i += LANES)
	{
		lanes e = exp_lanes(load(values + i) - spread(shift));

		partial += e;
		if (terms != NULL)
			memcpy(terms + i, &e, sizeof(e));
	}
	for (int lane = 0; lane < LANES; lane++)
		sum += (double) partial[lane];
	return sum;
}

double
gen_sum_exp(const float *values, int64_t count, float shift, float *terms)
{
	int64_t even = count - count % LANES, left = count - even;
	float tail[LANES];
	double sum = 0;

	for (int64_t i = 0; i < even; i += BLOCK)
		sum += sum_block(values + i, even - i < BLOCK ? even - i : BLOCK, shift,
						 terms == NULL ? NULL : terms + i);
	for (int i = 0; i < LANES; i++)
		tail[i] = i < left ? values[even + i] : -INFINITY;
	sum += sum_block(tail, LANES, shift, tail);
	if (terms != NULL)
		memcpy(terms + even, tail, (size_t) left * sizeof(float));
	return sum;
}

double
gen_log_sum_exp(const gen_scores *scores)
{
	float best;
	double sum = 0;

	if (scores->kept == NULL)
	{
		best = gen_max(scores->values, scores->count);
		return (double) best + log(gen_sum_exp(scores->values, scores->count, best, NULL));
	}
	if (scores->kept_count == 0)
		return -INFINITY;
	best = scores->values[scores->kept[0]];
	for (int64_t i = 0; i < scores->kept_count; i++)
		sum += exp((double) scores->values[scores->kept[i]] - (double) best);
	return (double) best + log(sum);
}

void
gen_log_softmax(float *values, int64_t count)
{
	float best = gen_max(values, count);
	float logarithm = (float) log(gen_sum_exp(values, count, best, NULL));

	for (int64_t i = 0; i < count - count % LANES; i += LANES)
	{
		lanes x = load(values + i) - spread(best) - spread(logarithm);

		memcpy(values + i, &x, sizeof(x));
	}
	for (int64_t i = count - count % LANES; i < count; i++)
		values[i] = values[i] - best - logarithm;
}

/* ---- The best k ---- */

/* Whether a comes before b. */
static inline bool
is_better(const float *values, int32_t a, int32_t b)
{
	if (values[a] != values[b])
		return values[a] > values[b] || isnan(values[b]);
	return a < b;
}

/* Move the element at root down to its place in a heap whose worst is at its top. */
static void
sift_down(const float *values, int32_t *heap, int64_t count, int64_t root)
{
	int32_t moving = heap[root];

	for (;;)
	{
		int64_t child = 2 * root + 1;

		if (child >= count)
			break;
		if (child + 1 < count && is_better(values, heap[child], heap[child + 1]))
			child++;
		if (!is_better(values, moving, heap[child]))
			break;
		heap[root] = heap[child];
		root = child;
	}
	heap[root] = moving;
}

int64_t
gen_pick(const float *values, int64_t count, int64_t k, int32_t *best)
{
	if (k > count)
		k = count;
	if (k <= 0)
		return 0;
	for (int64_t i = 0; i < k; i++)
		best[i] = (int32_t) i;
	for (int64_t i = k / 2; i-- > 0;)
		sift_down(values, best, k, i);
	for (int64_t i = k; i < count; i++)
	{
		/* What comes later and is equal does not count. */
		if (!(values[i] > values[best[0]]) && !isnan(values[best[0]]))
			continue;
		if (!is_better(values, (int32_t) i, best[0]))
			continue;
		best[0] = (int32_t) i;
		sift_down(values, best, k, 0);
	}
	for (int64_t n = k; n-- > 1;)
	{
		int32_t worst = best[0];

		best[0] = best[n];
		best[n] = worst;
		sift_down(values, best, n, 0);
	}
	return k;
}

bool
gen_keep_finite(tfm_context *context, gen_scores *scores)
{
	int64_t count = 0;
	int32_t *kept;

	if (scores->kept != NULL)
		return true;
	for (int64_t i = 0; i < scores->count; i++)
		count += scores->values[i] > -INFINITY;
	kept = tfm_alloc_array(context, (size_t) count + 1, sizeof(int32_t));
	if (kept == NULL)
		return false;
	scores->kept_count = gen_pick(scores->values, scores->count, count, kept);
	scores->kept = kept;
	return true;
}

void
gen_keep(gen_scores *scores, int64_t count)
{
	for (int64_t i = count; i < scores->kept_count; i++)
		scores->values[scores->kept[i]] = -INFINITY;
	if (count < scores->kept_count)
		scores->kept_count = count;
}

void
gen_keep_some(gen_scores *scores, const uint8_t *keep)
{
	int64_t count = 0;

	for (int64_t i = 0; i < scores->kept_count; i++)
		if (keep[i])
			scores->kept[count++] = scores->kept[i];
		else
			scores->values[scores->kept[i]] = -INFINITY;
	scores->kept_count = count;
}

void
gen_kept_softmax(const gen_scores *scores, float *probabilities)
{
	double logarithm = gen_log_sum_exp(scores);

	for (int64_t i = 0; i < scores->kept_count; i++)
		probabilities[i] = (float) exp((double) scores->values[scores->kept[i]] - logarithm);
}
