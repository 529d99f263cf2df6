/*
 * random.h
 *	  Random numbers: ours, which are repeatable, and torch's, which watermarks are made of.
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

/* torch.Generator of a CPU: MT19937 (Matsumoto and Nishimura 1998). */
typedef struct gen_torch_random
{
	uint32_t state[624];
	int next;
} gen_torch_random;

extern void gen_torch_seed(gen_torch_random *random, uint64_t seed);
extern uint32_t gen_torch_next(gen_torch_random *random);

/* torch.randperm(count): the first wanted of it into result[count]. */
extern void gen_torch_permute(gen_torch_random *random, int32_t *result, int64_t count,
							  int64_t wanted);

#endif
