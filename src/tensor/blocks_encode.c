/*
 * blocks_encode.c
 *	  Rows of floats in ggml's quantised types, rounded as ggml's reference functions do it
 *	  (quantize_row_*_ref of ggml-quants.c).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "tensor/block_forms.h"
#include "tensor/blocks.h"

#define SMALL 32	/* elements of a block of Q8_0 and Q4_0, and of a group of Q4_K */
#define GROUPS 8	/* of Q4_K */
#define Q4_MOST 15	/* the greatest code of 4 bits */
#define SIX_MOST 63 /* the greatest scale and minimum of Q4_K */

/* An integer of least .. most; what is not a number becomes least. */
static int
clamp(float value, int least, int most)
{
	return (int) fminf(fmaxf(value, (float) least), (float) most);
}

static void
encode_q8_0(const float *x, uint8_t *block)
{
	float most = 0.0f, scale, inverse;
	uint16_t half;

	for (int i = 0; i < SMALL; i++)
		most = fmaxf(most, fabsf(x[i]));
	scale = most / 127.0f;
	inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
	half = f32_to_f16(scale);
	memcpy(block, &half, sizeof(half));
	for (int i = 0; i < SMALL; i++)
		block[2 + i] = (uint8_t) (int8_t) clamp(roundf(x[i] * inverse), -128, 127);
}

/* Codes of 4 bits, an element of the first half of count with one of the second. */
static void
join_nibbles(const uint8_t *codes, int count, uint8_t *to)
{
	for (int i = 0; i < count / 2; i++)
		to[i] = (uint8_t) (codes[i] | codes[count / 2 + i] << 4);
}

/* The element farthest from zero becomes code 0. */
static void
encode_q4_0(const float *x, uint8_t *block)
{
	float farthest = 0.0f, scale, inverse;
	uint8_t codes[SMALL];
	uint16_t half;

	for (int i = 0; i < SMALL; i++)
		if (fabsf(x[i]) > fabsf(farthest))
			farthest = x[i];
	scale = farthest / -8.0f;
	inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
	half = f32_to_f16(scale);
	memcpy(block, &half, sizeof(half));
	for (int i = 0; i < SMALL; i++)
		codes[i] = (uint8_t) clamp(truncf(x[i] * inverse + 8.5f), 0, Q4_MOST);
	join_nibbles(codes, SMALL, block + 2);
}

/* ---- Q4_K ---- */

/* A scale and a minimum, x being about scale * code - minimum. */
typedef struct line
{
	float scale, minimum;
} line;

static void
round_codes(const float *x, float low, float inverse, uint8_t *codes)
{
	for (int i = 0; i < SMALL; i++)
		codes[i] = (uint8_t) clamp(rintf(inverse * (x[i] - low)), 0, Q4_MOST);
}

static float
weighted_error(const float *x, const float *weights, const uint8_t *codes, line at)
{
	float error = 0.0f;

	for (int i = 0; i < SMALL; i++)
	{
		float difference = at.scale * (float) codes[i] - at.minimum - x[i];

		error += weights[i] * difference * difference;
	}
	return error;
}

/* The best line through given codes: least squares, with a minimum not below zero. */
static bool
fit_line(const float *x, const float *weights, const uint8_t *codes, line *best)
{
	float w = 0, wx = 0, wl = 0, wll = 0, wxl = 0, determinant;

	for (int i = 0; i < SMALL; i++)
	{
		float l = codes[i];

		w += weights[i];
		wx += weights[i] * x[i];
		wl += weights[i] * l;
		wll += weights[i] * l * l;
		wxl += weights[i] * l * x[i];
	}
	determinant = w * wll - wl * wl;
	if (!(determinant > 0.0f))
		return false;
	best->scale = (w * wxl - wx * wl) / determinant;
	best->minimum = (wl * wxl - wll * wx) / determinant;
	if (best->minimum < 0.0f)
		*best = (line) {.scale = wxl / wll, .minimum = 0.0f};
	return true;
}

/* make_qkx2_quants with 20 steps of 0.1 around the range of x. */
static line
search_line(const float *x, uint8_t *codes)
{
	float low = fminf(0.0f, x[0]), high = x[0], squares = 0.0f, weights[SMALL], error;
	uint8_t tried[SMALL];
	line best;

	for (int i = 0; i < SMALL; i++)
	{
		low = fminf(low, x[i]);
		high = fmaxf(high, x[i]);
		squares += x[i] * x[i];
	}
	for (int i = 0; i < SMALL; i++)
		weights[i] = sqrtf(squares / SMALL) + fabsf(x[i]);
	memset(codes, 0, SMALL);
	best = (line) {.scale = (high - low) / Q4_MOST, .minimum = -low};
	if (!(high > low))
		return (line) {.scale = 0.0f, .minimum = -low};
	round_codes(x, low, Q4_MOST / (high - low), codes);
	error = weighted_error(x, weights, codes, best);
	for (int step = 0; step <= 20; step++)
	{
		float inverse = (-1.0f + 0.1f * (float) step + Q4_MOST) / (high - low), e;
		line at;

		round_codes(x, low, inverse, tried);
		if (!fit_line(x, weights, tried, &at))
			continue;
		e = weighted_error(x, weights, tried, at);
		if (e < error)
		{
			error = e;
			best = at;
			memcpy(codes, tried, SMALL);
		}
	}
	return best;
}

/* The counterpart of take_six_bits in blocks.c. */
static void
join_six_bits(const uint8_t *scales, const uint8_t *minima, uint8_t *to)
{
	for (int i = 0; i < 4; i++)
	{
		to[i] = (uint8_t) (scales[i] | scales[4 + i] >> 4 << 6);
		to[4 + i] = (uint8_t) (minima[i] | minima[4 + i] >> 4 << 6);
		to[8 + i] = (uint8_t) ((scales[4 + i] & 0x0f) | (minima[4 + i] & 0x0f) << 4);
	}
}

/* The codes again, with the scales as they are kept. */
static void
round_again(const float *x, float scale, float minimum, uint8_t *codes)
{
	if (scale == 0.0f)
		return;
	for (int i = 0; i < SMALL; i++)
		codes[i] = (uint8_t) clamp(rintf((x[i] + minimum) / scale), 0, Q4_MOST);
}

static void
encode_q4_k(const float *x, uint8_t *block)
{
	uint8_t codes[BLOCK_MAX_ELEMENTS], scales[GROUPS], minima[GROUPS];
	line lines[GROUPS], most = {0.0f, 0.0f};
	uint16_t scale, minimum;

	for (int g = 0; g < GROUPS; g++)
	{
		lines[g] = search_line(x + g * SMALL, codes + g * SMALL);
		most.scale = fmaxf(most.scale, lines[g].scale);
		most.minimum = fmaxf(most.minimum, lines[g].minimum);
	}
	scale = f32_to_f16(most.scale / SIX_MOST);
	minimum = f32_to_f16(most.minimum / SIX_MOST);
	for (int g = 0; g < GROUPS; g++)
	{
		float by_scale = most.scale > 0.0f ? SIX_MOST / most.scale : 0.0f;
		float by_minimum = most.minimum > 0.0f ? SIX_MOST / most.minimum : 0.0f;

		scales[g] = (uint8_t) clamp(rintf(by_scale * lines[g].scale), 0, SIX_MOST);
		minima[g] = (uint8_t) clamp(rintf(by_minimum * lines[g].minimum), 0, SIX_MOST);
		round_again(x + g * SMALL, f16_to_f32(scale) * scales[g], f16_to_f32(minimum) * minima[g],
					codes + g * SMALL);
	}
	memcpy(block, &scale, sizeof(scale));
	memcpy(block + 2, &minimum, sizeof(minimum));
	join_six_bits(scales, minima, block + 4);
	for (int g = 0; g < GROUPS; g += 2)
		join_nibbles(codes + g * SMALL, 2 * SMALL, block + 16 + g * SMALL / 2);
}

bool
block_can_encode(tfm_dtype dtype)
{
	return dtype == DTYPE_Q8_0 || dtype == DTYPE_Q4_0 || dtype == DTYPE_Q4_K;
}

void
block_encode(tfm_dtype dtype, const float *row, int64_t k, void *to)
{
	const block_form *form = &block_forms[dtype];
	uint8_t *block = to;

	for (int64_t first = 0; first < k; first += form->elements, block += form->bytes)
		if (dtype == DTYPE_Q8_0)
			encode_q8_0(row + first, block);
		else if (dtype == DTYPE_Q4_0)
			encode_q4_0(row + first, block);
		else
			encode_q4_k(row + first, block);
}
