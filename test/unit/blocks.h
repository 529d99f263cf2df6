/*
 * blocks.h
 *	  Random rows of ggml's quantised types, for tests.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEST_UNIT_BLOCKS_H
#define TFM_TEST_UNIT_BLOCKS_H

#include "tensor.h"

#include "tensor/block_forms.h"
#include "tensor/blocks.h"

/* for (int type = ...; ...; ...) */
#define FOR_EACH_BLOCK_TYPE(type) for (int type = DTYPE_Q4_0; type <= DTYPE_LAST; type++)

/* Where the f16 of a block are, from its beginning; -1: it has none. */
static inline int
half_place(tfm_dtype dtype)
{
	switch (dtype)
	{
		case DTYPE_Q2_K:
			return 80;
		case DTYPE_Q3_K:
			return 108;
		case DTYPE_Q6_K:
			return 208;
		case DTYPE_MXFP4:
			return -1;
		default:
			return 0;
	}
}

/* A block's scale and minimum, of 0.01 and so, and no other bytes than it has. */
static inline void
set_scales(tfm_dtype dtype, uint8_t *block, uint32_t random)
{
	int place = half_place(dtype);
	uint16_t scale = f32_to_f16(0.01f + (float) (random % 64) / 6400.0f);
	uint16_t minimum = f32_to_f16(-0.05f + (float) (random / 64 % 64) / 6400.0f);

	if (place < 0)
		block[0] = (uint8_t) (118 + random % 4);
	else
		memcpy(block + place, &scale, sizeof(scale));
	if (block_forms[dtype].minimum)
		memcpy(block + place + 2, &minimum, sizeof(minimum));
}

/* Rows of k elements, always the same for a seed; to be freed. */
static inline uint8_t *
random_blocks(tfm_dtype dtype, int64_t rows, int64_t k, uint32_t seed)
{
	size_t size = (size_t) rows * block_row_size(dtype, k);
	size_t bytes = (size_t) block_forms[dtype].bytes;
	uint8_t *blocks = malloc(size);
	uint32_t state = seed * 2654435761u + 12345;

	assert_non_null(blocks);
	assert_true(size > 0);
	for (size_t i = 0; i < size; i++)
	{
		state = state * 1664525u + 1013904223u;
		blocks[i] = (uint8_t) (state >> 24);
	}
	for (size_t i = 0; i < size; i += bytes)
	{
		state = state * 1664525u + 1013904223u;
		set_scales(dtype, blocks + i, state >> 8);
	}
	return blocks;
}

#endif
