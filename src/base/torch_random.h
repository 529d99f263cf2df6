/*
 * torch_random.h
 *	  torch.Generator of a processor, and what PyTorch makes of its numbers: watermarks, and models that
 *	  draw some of their numbers by a seed, are made of them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_TORCH_RANDOM_H
#define TFM_BASE_TORCH_RANDOM_H

#include <stdint.h>

/* MT19937 (Matsumoto and Nishimura 1998). */
typedef struct torch_random
{
	uint32_t state[624];
	int next;
} torch_random;

extern void torch_random_seed(torch_random *random, uint64_t seed);
extern uint32_t torch_random_next(torch_random *random);

/* torch.randperm(count): the first wanted of it into result[count]. */
extern void torch_random_permute(torch_random *random, int32_t *result, int64_t count,
								 int64_t wanted);

/* torch.randn(count) of float32. */
extern void torch_random_normal(torch_random *random, int64_t count, float *result);

#endif
