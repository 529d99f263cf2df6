/*
 * block_forms.h
 *	  What ggml's quantised types have in common, said in one table.
 *
 * Every type keeps a code of some bits for each element and a scale for each group of 16 or 32; some
 * have a minimum for each group, others subtract a constant, and those of 4 bits may look their
 * values up.  Whatever the type, with f32 arithmetic in this order,
 *
 *		element = scale * (code or its value - offset) [+ minimum]
 *
 * Scales and minima of groups are f16, or a power of two, or bytes times the f16 of a block of 256.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_BLOCK_FORMS_H
#define TFM_TENSOR_BLOCK_FORMS_H

#include "tensor/float16.h"
#include "tensor/tensor.h"

#define BLOCK_MAX_ELEMENTS 256
#define BLOCK_MAX_GROUPS 16
#define BLOCK_MAX_BYTES 210
#define BLOCK_VALUES 16

/* Elements that every type has whole groups of. */
#define BLOCK_STEP 32

typedef enum block_scale
{
	BLOCK_SCALE_F16,	/* of the block, which is one group */
	BLOCK_SCALE_POWER,	/* a byte: half of 2^(byte - 127) */
	BLOCK_SCALE_BYTES,	/* of each group an int8 (minima: uint8), times f16 of the block */
	BLOCK_SCALE_NIBBLES /* the same, both of 4 bits in one byte: the scale in the low ones */
} block_scale;

typedef struct block_form
{
	int elements; /* of a block; 0: no type of blocks */
	int bytes;
	int group;	   /* elements of a group */
	int low, high; /* bits of a code: that many, and above them that many */
	int offset;	   /* with values: what is added to them to make them unsigned bytes */
	bool minimum;
	block_scale scale;
	bool lookup;				  /* codes are looked up: */
	uint8_t values[BLOCK_VALUES]; /* the values, the offset added */
} block_form;

/* IQ4_NL's values plus 128. */
#define BLOCK_NONLINEAR                                                                            \
	{                                                                                              \
		1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241                    \
	}

static const block_form block_forms[DTYPE_LAST + 1] = {
	[DTYPE_Q4_0] = {32, 18, 32, 4, 0, 8, false, BLOCK_SCALE_F16, false, {0}},
	[DTYPE_Q4_1] = {32, 20, 32, 4, 0, 0, true, BLOCK_SCALE_F16, false, {0}},
	[DTYPE_Q5_0] = {32, 22, 32, 4, 1, 16, false, BLOCK_SCALE_F16, false, {0}},
	[DTYPE_Q5_1] = {32, 24, 32, 4, 1, 0, true, BLOCK_SCALE_F16, false, {0}},
	[DTYPE_Q8_0] = {32, 34, 32, 8, 0, 128, false, BLOCK_SCALE_F16, false, {0}},
	[DTYPE_Q2_K] = {256, 84, 16, 2, 0, 0, true, BLOCK_SCALE_NIBBLES, false, {0}},
	[DTYPE_Q3_K] = {256, 110, 16, 2, 1, 4, false, BLOCK_SCALE_BYTES, false, {0}},
	[DTYPE_Q4_K] = {256, 144, 32, 4, 0, 0, true, BLOCK_SCALE_BYTES, false, {0}},
	[DTYPE_Q5_K] = {256, 176, 32, 4, 1, 0, true, BLOCK_SCALE_BYTES, false, {0}},
	[DTYPE_Q6_K] = {256, 210, 16, 4, 2, 32, false, BLOCK_SCALE_BYTES, false, {0}},
	[DTYPE_IQ4_NL] = {32, 18, 32, 4, 0, 128, false, BLOCK_SCALE_F16, true, BLOCK_NONLINEAR},
	[DTYPE_IQ4_XS] = {256, 136, 32, 4, 0, 128, false, BLOCK_SCALE_BYTES, true, BLOCK_NONLINEAR},
	/* twice the values of e2m1, plus 12 */
	[DTYPE_MXFP4] = {32,
					 17,
					 32,
					 4,
					 0,
					 12,
					 false,
					 BLOCK_SCALE_POWER,
					 true,
					 {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0}},
};

static inline bool
block_is_type(tfm_dtype dtype)
{
	return dtype >= DTYPE_Q4_0 && dtype <= DTYPE_LAST;
}

/* Types whose groups have scales of their own beside the block's. */
static inline bool
block_has_group_scales(const block_form *form)
{
	return form->scale == BLOCK_SCALE_BYTES || form->scale == BLOCK_SCALE_NIBBLES;
}

/* Where the parts of a panel's span lie, in bytes from its beginning, and its size; see pack.h. */
typedef struct block_span
{
	int minima, group_scales, group_minima, codes, size;
} block_span;

static inline block_span
block_span_of(const block_form *form, int columns)
{
	int groups = block_has_group_scales(form) ? form->elements / form->group : 0;
	bool group_minima = form->minimum && form->scale == BLOCK_SCALE_BYTES;
	block_span span;

	span.minima = (form->scale == BLOCK_SCALE_POWER ? 1 : 2) * columns;
	span.group_scales = span.minima + (form->minimum ? 2 : 0) * columns;
	span.group_minima = span.group_scales + groups * columns;
	span.codes = span.group_minima + (group_minima ? groups : 0) * columns;
	span.size = span.codes + form->elements * (form->low + form->high) / 8 * columns;
	return span;
}

/* Half of 2^(exponent - 127), as ggml has it for every byte. */
static inline float
block_power(uint8_t exponent)
{
	return f32_from_bits(exponent < 2 ? (uint32_t) 0x00200000 << exponent
									  : (uint32_t) (exponent - 1) << 23);
}

/* A block taken apart. */
typedef struct block_parts
{
	uint16_t scale, minimum; /* bits of f16; of BLOCK_SCALE_POWER the byte */
	uint8_t scales[BLOCK_MAX_GROUPS], minima[BLOCK_MAX_GROUPS]; /* of BYTES and NIBBLES */
	uint8_t codes[BLOCK_MAX_ELEMENTS];
} block_parts;

/* Take a block of a type apart; no part is beyond what the form says. */
extern void block_take_apart(tfm_dtype dtype, const void *block, block_parts *parts);

/* The scale of a group, and its minimum (0 where there is none), by parts of a block. */
extern float block_group_scale(const block_form *form, const block_parts *parts, int group,
							   float *minimum);

/* The elements of a block. */
extern void block_parts_decode(const block_form *form, const block_parts *parts, float *to);

/* What a code stands for, before the scale. */
static inline float
block_value(const block_form *form, uint8_t code)
{
	return (float) ((form->lookup ? form->values[code] : code) - form->offset);
}

#endif
