/*
 * sampling.h
 *	  Drawing tokens from scores.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_SAMPLING_H
#define TFM_GENERATE_SAMPLING_H

#include "generate/random.h"
#include "generate/scores.h"

/* softmax(scores) as probabilities[count]: what is drawn from. */
extern void gen_probabilities(const gen_scores *scores, float *probabilities);

/* One of weights[count], none below 0, each as often as its share; -1 if all are 0. */
extern int64_t gen_draw(const float *weights, int64_t count, gen_random *random);

/* A token by softmax(scores); the first where nothing is finite. */
extern int32_t gen_sample(tfm_context *context, const gen_scores *scores, gen_random *random);

/*
 * k different ones of weights[count] in the order in which they are drawn, each from what is left
 * (torch.multinomial without replacement); weights is used up.  Returns how many there were.
 */
extern int64_t gen_draw_several(tfm_context *context, float *weights, int64_t count, int64_t k,
								gen_random *random, int64_t *drawn);

#endif
