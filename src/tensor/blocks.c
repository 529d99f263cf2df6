/*
 * blocks.c
 *	  ggml's quantised types: how each lays out its blocks, and their elements as floats.
 *
 * A function for each layout takes a block apart (block_forms.h); all else is the same for every
 * type.  The layouts are those of ggml-common.h, as gguf's quants.py reads them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/blocks.h"

#include <string.h>

#include "tensor/block_forms.h"

bool
block_layout(tfm_dtype dtype, int64_t *elements, size_t *bytes)
{
	if (!block_is_type(dtype))
		return false;
	*elements = block_forms[dtype].elements;
	*bytes = (size_t) block_forms[dtype].bytes;
	return true;
}

size_t
block_row_size(tfm_dtype dtype, int64_t k)
{
	int64_t elements;
	size_t bytes;

	if (!block_layout(dtype, &elements, &bytes) || k < 0 || k % elements != 0)
		return 0;
	return (size_t) (k / elements) * bytes;
}

/* ---- Codes ---- */

/*
 * Codes of bits bits, spread over from as most types have them: runs of span bytes, of which each
 * holds an element of 8 / bits stretches, one after the other, of span elements.
 */
static void
spread_codes(const uint8_t *from, int bits, int span, int count, int shift, uint8_t *codes)
{
	int stretches = 8 / bits;
	uint8_t mask = (uint8_t) ((1 << bits) - 1);

	for (int i = 0; i < count; i += stretches * span, from += span)
		for (int s = 0; s < stretches; s++)
			for (int j = 0; j < span; j++)
				codes[i + s * span + j] |= (uint8_t) ((from[j] >> (s * bits) & mask) << shift);
}

/* Bit i of 32 is that of element i. */
static void
spread_bits(const uint8_t *from, int shift, uint8_t *codes)
{
	for (int i = 0; i < 32; i++)
		codes[i] |= (uint8_t) ((from[i / 8] >> (i % 8) & 1) << shift);
}

/* ---- Blocks of 32 ---- */

static void
take_small(tfm_dtype dtype, const uint8_t *block, block_parts *parts)
{
	const block_form *form = &block_forms[dtype];

	if (form->scale == BLOCK_SCALE_POWER)
		parts->scale = *block++;
	else
	{
		memcpy(&parts->scale, block, sizeof(uint16_t));
		block += sizeof(uint16_t);
	}
	if (form->minimum)
	{
		memcpy(&parts->minimum, block, sizeof(uint16_t));
		block += sizeof(uint16_t);
	}
	if (form->high == 1)
	{
		spread_bits(block, 4, parts->codes);
		block += 4;
	}
	if (form->low == 4)
		spread_codes(block, 4, 16, 32, 0, parts->codes);
	else
		for (int i = 0; i < 32; i++)
			parts->codes[i] = block[i] ^ 0x80; /* signed: 128 is added */
}

/* ---- Blocks of 256 ---- */

/* Eight scales and eight minima of 6 bits in 12 bytes; see get_scale_min of Q4_K in quants.py. */
static void
take_six_bits(const uint8_t *from, block_parts *parts)
{
	for (int i = 0; i < 4; i++)
	{
		parts->scales[i] = from[i] & 0x3f;
		parts->minima[i] = from[4 + i] & 0x3f;
		parts->scales[4 + i] = (uint8_t) ((from[8 + i] & 0x0f) | (from[i] >> 2 & 0x30));
		parts->minima[4 + i] = (uint8_t) (from[8 + i] >> 4 | (from[4 + i] >> 2 & 0x30));
	}
}

static void
take_q2_k(const uint8_t *block, block_parts *parts)
{
	for (int i = 0; i < 16; i++)
	{
		parts->scales[i] = block[i] & 0x0f;
		parts->minima[i] = block[i] >> 4;
	}
	spread_codes(block + 16, 2, 32, 256, 0, parts->codes);
	memcpy(&parts->scale, block + 80, sizeof(uint16_t));
	memcpy(&parts->minimum, block + 82, sizeof(uint16_t));
}

static void
take_q3_k(const uint8_t *block, block_parts *parts)
{
	const uint8_t *scales = block + 96;

	spread_codes(block, 1, 32, 256, 2, parts->codes);
	spread_codes(block + 32, 2, 32, 256, 0, parts->codes);
	for (int i = 0; i < 16; i++)
	{
		int low = scales[i % 8] >> (i / 8 * 4) & 0x0f;
		int high = scales[8 + i % 4] >> (i / 4 * 2) & 3;

		parts->scales[i] = (uint8_t) ((low | high << 4) - 32);
	}
	memcpy(&parts->scale, block + 108, sizeof(uint16_t));
}

/* Q4_K, and Q5_K with its fifth bits. */
static void
take_q4_k(const block_form *form, const uint8_t *block, block_parts *parts)
{
	memcpy(&parts->scale, block, sizeof(uint16_t));
	memcpy(&parts->minimum, block + 2, sizeof(uint16_t));
	take_six_bits(block + 4, parts);
	block += 16;
	if (form->high == 1)
	{
		spread_codes(block, 1, 32, 256, 4, parts->codes);
		block += 32;
	}
	spread_codes(block, 4, 32, 256, 0, parts->codes);
}

static void
take_q6_k(const uint8_t *block, block_parts *parts)
{
	spread_codes(block, 4, 64, 256, 0, parts->codes);
	spread_codes(block + 128, 2, 32, 256, 4, parts->codes);
	memcpy(parts->scales, block + 192, 16);
	memcpy(&parts->scale, block + 208, sizeof(uint16_t));
}

static void
take_iq4_xs(const uint8_t *block, block_parts *parts)
{
	uint16_t high;

	memcpy(&parts->scale, block, sizeof(uint16_t));
	memcpy(&high, block + 2, sizeof(uint16_t));
	for (int i = 0; i < 8; i++)
		parts->scales[i] =
			(uint8_t) (((block[4 + i / 2] >> (i % 2 * 4) & 0x0f) | (high >> (2 * i) & 3) << 4) -
					   32);
	spread_codes(block + 8, 4, 16, 256, 0, parts->codes);
}

void
block_take_apart(tfm_dtype dtype, const void *block, block_parts *parts)
{
	*parts = (block_parts) {0};
	switch (dtype)
	{
		case DTYPE_Q2_K:
			take_q2_k(block, parts);
			break;
		case DTYPE_Q3_K:
			take_q3_k(block, parts);
			break;
		case DTYPE_Q4_K:
		case DTYPE_Q5_K:
			take_q4_k(&block_forms[dtype], block, parts);
			break;
		case DTYPE_Q6_K:
			take_q6_k(block, parts);
			break;
		case DTYPE_IQ4_XS:
			take_iq4_xs(block, parts);
			break;
		default:
			take_small(dtype, block, parts);
	}
}

/* ---- Elements ---- */

float
block_group_scale(const block_form *form, const block_parts *parts, int group, float *minimum)
{
	*minimum = 0.0f;
	switch (form->scale)
	{
		case BLOCK_SCALE_POWER:
			return block_power((uint8_t) parts->scale);
		case BLOCK_SCALE_F16:
			if (form->minimum)
				*minimum = f16_to_f32(parts->minimum);
			return f16_to_f32(parts->scale);
		default:
			if (form->minimum)
				*minimum = -(f16_to_f32(parts->minimum) * (float) parts->minima[group]);
			return f16_to_f32(parts->scale) * (float) (int8_t) parts->scales[group];
	}
}

void
block_parts_decode(const block_form *form, const block_parts *parts, float *to)
{
	for (int first = 0; first < form->elements; first += form->group)
	{
		float minimum, scale = block_group_scale(form, parts, first / form->group, &minimum);

		for (int i = first; i < first + form->group; i++)
		{
			float product = scale * block_value(form, parts->codes[i]);

			to[i] = form->minimum ? product + minimum : product;
		}
	}
}

void
block_decode(tfm_dtype dtype, const void *row, int64_t k, float *to)
{
	const block_form *form = &block_forms[dtype];
	const char *block = row;
	block_parts parts;

	for (int64_t i = 0; i < k; i += form->elements, block += form->bytes)
	{
		block_take_apart(dtype, block, &parts);
		block_parts_decode(form, &parts, to + i);
	}
}
