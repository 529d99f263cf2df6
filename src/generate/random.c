/*
 * random.c
 *	  Random numbers of ours, which are repeatable.
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
