/*
 * scores.h
 *	  Scores of a vocabulary, and what is computed of all of them: the best, their softmax, the best k.
 *
 * A vocabulary may be wide (262144), so nothing sorts it: the best are picked in one pass, and once
 * they are few the others are minus infinity and are looked at no more.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_SCORES_H
#define TFM_GENERATE_SCORES_H

#include "base/context.h"

typedef struct gen_scores
{
	float *values; /* [count] */
	int64_t count;
	int32_t *kept; /* NULL: any may be finite; else only these are, best first, equal ones by id */
	int64_t kept_count;
} gen_scores;

/* The first of the largest; a NaN is larger than all, as in torch.argmax. */
extern int64_t gen_argmax(const float *values, int64_t count);

/* The largest; minus infinity where there is none.  NaNs are passed over. */
extern float gen_max(const float *values, int64_t count);

/* Sum of exp(values[i] - shift); terms, if not NULL, gets them: [count], may be values. */
extern double gen_sum_exp(const float *values, int64_t count, float shift, float *terms);

/* The logarithm of the sum of exp of scores, kept ones alone where there are such. */
extern double gen_log_sum_exp(const gen_scores *scores);

/* values become their log_softmax. */
extern void gen_log_softmax(float *values, int64_t count);

/*
 * The k best of values (fewer if count is), best first, equal ones by index: best[k].  Those that are
 * NaN come last.  heap is working memory: [k].  Returns how many they are.
 */
extern int64_t gen_pick(const float *values, int64_t count, int64_t k, int32_t *best);

/*
 * Have scores->kept hold all that are finite.  They are sorted, so this is for scores that are few
 * or were cut already; false if memory is out.
 */
extern bool gen_keep_finite(tfm_context *context, gen_scores *scores);

/* Keep the first count of scores->kept; the others become minus infinity. */
extern void gen_keep(gen_scores *scores, int64_t count);

/* Keep those of scores->kept for which keep is not 0: [kept_count]. */
extern void gen_keep_some(gen_scores *scores, const uint8_t *keep);

/* Softmax over scores->kept: probabilities[kept_count]. */
extern void gen_kept_softmax(const gen_scores *scores, float *probabilities);

#endif
