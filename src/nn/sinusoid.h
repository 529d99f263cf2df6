/*
 * sinusoid.h
 *	  Positions as sines and cosines (Vaswani et al. 2017) that are computed, not stored.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_SINUSOID_H
#define TFM_NN_SINUSOID_H

#include "nn/model.h"

/*
 * Column i of the first half of a row is sin(position * rate(i)), of the second half cos.  Families
 * differ in the rate: e^(step * i), or 1 / base^(2 i / columns).
 */
typedef struct sinusoids
{
	float step;	   /* of the first form */
	double base;   /* of the second; 0: the first is meant */
	int32_t first; /* what position 0 counts as */
	int64_t zero;  /* the count whose row is zeros; -1: none */
	int64_t limit; /* counts that there are; 0: any */
	bool precise;  /* angles are double, as Marian's; else float, as all others have them */
} sinusoids;

/* fairseq's rates for so many columns, as a step. */
extern float sinusoid_step(int64_t columns);

/*
 * Add them to x [tokens, columns] by batch->positions, in its place.  A position beyond the
 * limit is INVALID_ARGUMENT.
 */
extern tensor add_sinusoids(nn_model *m, tensor x, const sinusoids *how);

/*
 * Those of positions, or distances, first, first + 1, ... with rates 1 / 10000^(2 i / columns) ->
 * [count, columns].
 */
extern tensor make_sinusoids(nn_model *m, int64_t first, int64_t count, int64_t columns);

#endif
