/*
 * random.h
 *	  Random numbers of ours, which are repeatable.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_RANDOM_H
#define TFM_GENERATE_RANDOM_H

#include "base/context.h"

/* xoshiro256++ (Blackman and Vigna 2019). */
typedef struct gen_random
{
	uint64_t state[4];
} gen_random;

/* Streams of one seed are independent of each other. */
extern void gen_random_seed(gen_random *random, uint64_t seed, uint64_t stream);

/* At least 0 and below 1, in steps of 2^-53. */
extern double gen_random_double(gen_random *random);

#endif
