/*
 * random.c
 *	  Random numbers: ours, and torch's.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/random.h"

/* SplitMix64 (Steele, Lea, Flood 2014), which spreads a seed over a state. */
static uint64_t
split_mix(uint64_t *state)
{
	uint64_t z = (*state += 0x9E3779B97F4A7C15u);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

void
gen_random_seed(gen_random *random, uint64_t seed, uint64_t stream)
{
	uint64_t state = seed;

	state = split_mix(&state) ^ (stream * 0xD1342543DE82EF95u);
	for (int i = 0; i < 4; i++)
		random->state[i] = split_mix(&state);
}

static uint64_t
rotate(uint64_t x, int bits)
{
	return (x << bits) | (x >> (64 - bits));
}

double
gen_random_double(gen_random *random)
{
	uint64_t *s = random->state, result = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return (double) (result >> 11) * 0x1p-53;
}

#define STATE 624
#define MIDDLE 397

void
gen_torch_seed(gen_torch_random *random, uint64_t seed)
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
gen_torch_next(gen_torch_random *random)
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
gen_torch_permute(gen_torch_random *random, int32_t *result, int64_t count, int64_t wanted)
{
	for (int64_t i = 0; i < count; i++)
		result[i] = (int32_t) i;
	for (int64_t i = 0; i < wanted && i < count - 1; i++)
	{
		int64_t other = i + gen_torch_next(random) % (uint32_t) (count - i);
		int32_t value = result[i];

		result[i] = result[other];
		result[other] = value;
	}
}
