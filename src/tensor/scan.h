/*
 * scan.h
 *	  The inner loop of selective scans: what one token does to the state of one channel.
 *
 * Four numbers of a state at a time, on any processor; the sums have one order.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_SCAN_H
#define TFM_TENSOR_SCAN_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define SCAN_LANES 4

typedef float scan_lanes __attribute__((vector_size(SCAN_LANES * sizeof(float))));
typedef int32_t scan_ints __attribute__((vector_size(SCAN_LANES * sizeof(int32_t))));

static inline scan_lanes
scan_load(const float *x)
{
	scan_lanes y;

	memcpy(&y, x, sizeof(y));
	return y;
}

static inline void
scan_store(float *to, scan_lanes x)
{
	memcpy(to, &x, sizeof(x));
}

/* e^x of x <= 0, within 2e-7 of its value; below -87 as there. */
static inline scan_lanes
scan_exp(scan_lanes x)
{
	const scan_lanes least = {-87, -87, -87, -87};
	scan_ints above = x > least;
	scan_lanes t, whole, y;

	x = (scan_lanes) (((scan_ints) x & above) | ((scan_ints) least & ~above));
	t = x * 1.44269504f;
	whole =
		(t + 12582912.0f) - 12582912.0f; /* to the next whole number, in the bits that are left */
	t = (x - whole * 0.693145752f) - whole * 1.42860677e-6f;
	y = 1.0f +
		t * (1.0f +
			 t * (0.5f + t * (0.166666667f +
							  t * (0.0416666667f + t * (8.33333333e-3f + t * 1.38888889e-3f)))));
	return (scan_lanes) ((scan_ints) y + (__builtin_convertvector(whole, scan_ints) << 23));
}

/* fades[i] = e^(step * decay[i]), of step > 0 and decay < 0. */
static inline void
scan_fades(float step, const float *decay, int64_t n, float *fades)
{
	int64_t i = 0;

	for (; i + SCAN_LANES <= n; i += SCAN_LANES)
		scan_store(fades + i, scan_exp(scan_load(decay + i) * step));
	for (; i < n; i++)
		fades[i] = expf(step * decay[i]);
}

/* state[i] = fade(s)[i] * state[i] + input * b[i]; returns the sum of state[i] * c[i].  fades NULL: fade. */
static inline float
scan_state(float *state, const float *fades, float fade, float input, const float *b,
		   const float *c, int64_t n)
{
	scan_lanes sums = {0}, all = {fade, fade, fade, fade};
	float sum;
	int64_t i = 0;

	for (; i + SCAN_LANES <= n; i += SCAN_LANES)
	{
		scan_lanes own = fades == NULL ? all : scan_load(fades + i);
		scan_lanes next = own * scan_load(state + i) + scan_load(b + i) * input;

		scan_store(state + i, next);
		sums += next * scan_load(c + i);
	}
	sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
	for (; i < n; i++)
	{
		state[i] = (fades == NULL ? fade : fades[i]) * state[i] + b[i] * input;
		sum += state[i] * c[i];
	}
	return sum;
}

#endif
