/*
 * float16.h
 *	  IEEE half precision and bfloat16, to and from float, by bits.
 *
 * To float is exact.  From float rounds to the nearest, ties to even, as hardware does: too large
 * a value becomes infinity, too small a one a subnormal or zero of its sign; NaN stays NaN.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_FLOAT16_H
#define TFM_TENSOR_FLOAT16_H

#include <stdint.h>
#include <string.h>

static inline uint32_t
f32_bits(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline float
f32_from_bits(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static inline float
bf16_to_f32(uint16_t value)
{
	return f32_from_bits((uint32_t) value << 16);
}

static inline uint16_t
f32_to_bf16(float value)
{
	uint32_t bits = f32_bits(value);

	/* A NaN whose payload lies in the lower half must not become infinity. */
	if ((bits & 0x7FFFFFFF) > 0x7F800000)
		return (uint16_t) (bits >> 16 | 0x0040);
	return (uint16_t) ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static inline float
f16_to_f32(uint16_t value)
{
	uint32_t sign = (uint32_t) (value & 0x8000) << 16;
	uint32_t magnitude = value & 0x7FFF;

	if (magnitude >= 0x7C00) /* infinity, NaN */
		return f32_from_bits(sign | 0x7F800000 | (magnitude & 0x03FF) << 13);
	if (magnitude >= 0x0400) /* normal: the exponent's bias goes from 15 to 127 */
		return f32_from_bits(sign | ((magnitude << 13) + (112u << 23)));
	/* A subnormal is a multiple of 2^-24, which float holds exactly. */
	return f32_from_bits(sign | f32_bits((float) magnitude * 0x1p-24f));
}

static inline uint16_t
f32_to_f16(float value)
{
	uint32_t bits = f32_bits(value);
	uint32_t sign = bits >> 16 & 0x8000;
	uint32_t magnitude = bits & 0x7FFFFFFF;

	if (magnitude > 0x7F800000)
		return (uint16_t) (sign | 0x7E00 | (magnitude >> 13 & 0x01FF));
	if (magnitude >= 0x47800000) /* 65536 and more */
		return (uint16_t) (sign | 0x7C00);
	if (magnitude >= 0x38800000) /* 2^-14: normal; the carry of rounding may reach infinity */
	{
		uint32_t rebased = magnitude - (112u << 23);

		return (uint16_t) (sign | (rebased + 0x0FFF + (rebased >> 13 & 1)) >> 13);
	}
	/* Adding 0.5 moves the last bit of a half's subnormal to that of a float: the sum rounds. */
	return (uint16_t) (sign | (f32_bits(f32_from_bits(magnitude) + 0.5f) - f32_bits(0.5f)));
}

#endif
