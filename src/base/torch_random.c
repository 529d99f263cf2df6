/*
 * torch_random.c
 *	  PyTorch's random numbers.
 *	  Follows aten/src/ATen/core/MT19937RNGEngine.h and native/cpu/DistributionTemplates.h.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/torch_random.h"

#include <math.h>

#define STATE 624
#define MIDDLE 397
#define BLOCK 16 /* normal numbers that are made at a time, where there are so many */

void
torch_random_seed(torch_random *random, uint64_t seed)
{
	random->state[0] = (uint32_t) seed;
	for (uint32_t i = 1; i < STATE; i++)
	{
		uint32_t last = random->state[i - 1];

		random->state[i] = 1812433253u * (last ^ (last >> 30)) + i;
	}
	random->next = STATE;
}

static void
renew_state(uint32_t *state)
{
	for (int i = 0; i < STATE; i++)
	{
		uint32_t mixed = (state[i] & 0x80000000u) | (state[(i + 1) % STATE] & 0x7FFFFFFFu);

		state[i] = state[(i + MIDDLE) % STATE] ^ (mixed >> 1) ^ (mixed & 1 ? 0x9908B0DFu : 0);
	}
}

uint32_t
torch_random_next(torch_random *random)
{
	uint32_t y;

	if (random->next == STATE)
	{
		renew_state(random->state);
		random->next = 0;
	}
	y = random->state[random->next++];
	y ^= y >> 11;
	y ^= (y << 7) & 0x9D2C5680u;
	y ^= (y << 15) & 0xEFC60000u;
	return y ^ (y >> 18);
}

void
torch_random_permute(torch_random *random, int32_t *result, int64_t count, int64_t wanted)
{
	for (int64_t i = 0; i < count; i++)
		result[i] = (int32_t) i;
	for (int64_t i = 0; i < wanted && i < count - 1; i++)
	{
		int64_t other = i + torch_random_next(random) % (uint32_t) (count - i);
		int32_t value = result[i];

		result[i] = result[other];
		result[other] = value;
	}
}

/* In 0 .. 1, without 1: of 24 bits; of 53. */
static float
next_float(torch_random *random)
{
	return (float) (torch_random_next(random) & 0xffffff) * 0x1p-24f;
}

static double
next_double(torch_random *random)
{
	uint64_t high = torch_random_next(random), low = torch_random_next(random);

	return (double) ((high << 32 | low) & 0x1fffffffffffff) * 0x1p-53;
}

/* A block of uniform numbers becomes one of normal ones, by Box and Muller. */
static void
transform_block(float *x)
{
	for (int i = 0; i < BLOCK / 2; i++)
	{
		float radius = sqrtf(-2 * logf(1 - x[i])), angle = 2 * (float) M_PI * x[i + BLOCK / 2];

		x[i] = radius * cosf(angle);
		x[i + BLOCK / 2] = radius * sinf(angle);
	}
}

/* Few numbers are made in pairs, in double. */
static void
draw_few(torch_random *random, int64_t count, float *numbers)
{
	for (int64_t i = 0; i < count; i += 2)
	{
		double angle = 2 * M_PI * next_double(random);
		double radius = sqrt(-2 * log1p(-next_double(random)));

		numbers[i] = (float) (radius * cos(angle));
		if (i + 1 < count)
			numbers[i + 1] = (float) (radius * sin(angle));
	}
}

void
torch_random_normal(torch_random *random, int64_t count, float *result)
{
	if (count < BLOCK)
	{
		draw_few(random, count, result);
		return;
	}
	for (int64_t i = 0; i < count; i++)
		result[i] = next_float(random);
	for (int64_t i = 0; i + BLOCK <= count; i += BLOCK)
		transform_block(result + i);
	if (count % BLOCK == 0)
		return;
	/* the rest is a block of its own, over numbers that are there already */
	for (int64_t i = count - BLOCK; i < count; i++)
		result[i] = next_float(random);
	transform_block(result + count - BLOCK);
}
