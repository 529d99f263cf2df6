/*
 * pack_blocks.c
 *	  Panels of ggml's quantised types, block by block: each is taken apart, and its parts are put
 *	  where pack.h has them, or the other way round.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/pack_blocks.h"

#include <string.h>

#include "tensor/block_forms.h"
#include "tensor/blocks.h"
#include "tensor/pack.h"

#define FOUR 4 /* elements of a column that lie together */

/* Where the bits of an element of a plane lie, from the beginning of its step. */
typedef struct bits_place
{
	int byte, shift;
} bits_place;

static bits_place
find_bits(int bits, int element, int column)
{
	int four = element / FOUR, stretches = 8 / bits;

	return (bits_place) {
		.byte = (four / stretches * PANEL_COLUMNS + column) * FOUR + element % FOUR,
		.shift = four % stretches * bits,
	};
}

static void
put_bits(uint8_t *plane, int bits, int element, int column, int value)
{
	bits_place place = find_bits(bits, element, column);

	plane[place.byte] |= (uint8_t) ((value & ((1 << bits) - 1)) << place.shift);
}

static int
take_bits(const uint8_t *plane, int bits, int element, int column)
{
	bits_place place = find_bits(bits, element, column);

	return plane[place.byte] >> place.shift & ((1 << bits) - 1);
}

/* The planes of an element's step in a span. */
static size_t
step_offset(const block_form *form, const block_span *span, int element)
{
	return (size_t) (span->codes + element / BLOCK_STEP * BLOCK_STEP * (form->low + form->high) /
									   8 * PANEL_COLUMNS);
}

static size_t
high_offset(const block_form *form)
{
	return (size_t) (BLOCK_STEP * form->low / 8 * PANEL_COLUMNS);
}

static void
put_group_scales(const block_form *form, const block_span *span, const block_parts *parts,
				 int column, uint8_t *to)
{
	for (int g = 0; g < form->elements / form->group; g++)
		if (form->scale == BLOCK_SCALE_NIBBLES)
			to[span->group_scales + g * PANEL_COLUMNS + column] =
				(uint8_t) (parts->scales[g] | parts->minima[g] << 4);
		else
		{
			to[span->group_scales + g * PANEL_COLUMNS + column] = parts->scales[g];
			if (form->minimum)
				to[span->group_minima + g * PANEL_COLUMNS + column] = parts->minima[g];
		}
}

/* A block into the column of a span that was cleared. */
static void
put_block(const block_form *form, const block_span *span, const block_parts *parts, int column,
		  uint8_t *to)
{
	uint16_t *minima = (uint16_t *) (to + span->minima);

	if (form->scale == BLOCK_SCALE_POWER)
		to[column] = (uint8_t) parts->scale;
	else
		((uint16_t *) to)[column] = parts->scale;
	if (form->minimum)
		minima[column] = parts->minimum;
	if (block_has_group_scales(form))
		put_group_scales(form, span, parts, column, to);
	for (int i = 0; i < form->elements; i++)
	{
		uint8_t *low = to + step_offset(form, span, i);

		put_bits(low, form->low, i % BLOCK_STEP, column, parts->codes[i]);
		if (form->high > 0)
			put_bits(low + high_offset(form), form->high, i % BLOCK_STEP, column,
					 parts->codes[i] >> form->low);
	}
}

/* The counterpart of put_block. */
static void
take_block(const block_form *form, const block_span *span, const uint8_t *from, int column,
		   block_parts *parts)
{
	const uint16_t *minima = (const uint16_t *) (from + span->minima);
	bool nibbles = form->scale == BLOCK_SCALE_NIBBLES;

	*parts = (block_parts) {0};
	parts->scale =
		form->scale == BLOCK_SCALE_POWER ? from[column] : ((const uint16_t *) from)[column];
	if (form->minimum)
		parts->minimum = minima[column];
	for (int g = 0; block_has_group_scales(form) && g < form->elements / form->group; g++)
	{
		uint8_t byte = from[span->group_scales + g * PANEL_COLUMNS + column];

		parts->scales[g] = nibbles ? byte & 0x0f : byte;
		if (form->minimum)
			parts->minima[g] =
				nibbles ? byte >> 4 : from[span->group_minima + g * PANEL_COLUMNS + column];
	}
	for (int i = 0; i < form->elements; i++)
	{
		const uint8_t *low = from + step_offset(form, span, i);
		int code = take_bits(low, form->low, i % BLOCK_STEP, column);

		if (form->high > 0)
			code |= take_bits(low + high_offset(form), form->high, i % BLOCK_STEP, column)
					<< form->low;
		parts->codes[i] = (uint8_t) code;
	}
}

size_t
pack_blocks_panel_size(tfm_dtype dtype, int64_t k)
{
	const block_form *form = &block_forms[dtype];
	block_span span = block_span_of(form, PANEL_COLUMNS);

	return (size_t) (k / form->elements) * (size_t) span.size;
}

void
pack_blocks_panel(tfm_dtype dtype, const void *rows, int columns, int64_t k, void *panel)
{
	const block_form *form = &block_forms[dtype];
	block_span span = block_span_of(form, PANEL_COLUMNS);
	size_t row_size = block_row_size(dtype, k);
	uint8_t *to = panel;
	block_parts parts;

	memset(panel, 0, pack_blocks_panel_size(dtype, k));
	for (int64_t i = 0; i < k / form->elements; i++, to += span.size)
		for (int j = 0; j < columns; j++)
		{
			const char *row = (const char *) rows + (size_t) j * row_size;

			block_take_apart(dtype, row + i * form->bytes, &parts);
			put_block(form, &span, &parts, j, to);
		}
}

void
pack_blocks_panel_f32(tfm_dtype dtype, const float *rows, int columns, int64_t k, void *panel)
{
	const block_form *form = &block_forms[dtype];
	block_span span = block_span_of(form, PANEL_COLUMNS);
	uint8_t *to = panel, block[BLOCK_MAX_BYTES];
	block_parts parts;

	memset(panel, 0, pack_blocks_panel_size(dtype, k));
	for (int64_t i = 0; i < k; i += form->elements, to += span.size)
		for (int j = 0; j < columns; j++)
		{
			block_encode(dtype, rows + j * k + i, form->elements, block);
			block_take_apart(dtype, block, &parts);
			put_block(form, &span, &parts, j, to);
		}
}

void
pack_blocks_column(tfm_dtype dtype, const void *panel, int column, int64_t k, float *to)
{
	const block_form *form = &block_forms[dtype];
	block_span span = block_span_of(form, PANEL_COLUMNS);
	const uint8_t *from = panel;
	block_parts parts;

	for (int64_t i = 0; i < k; i += form->elements, from += span.size)
	{
		take_block(form, &span, from, column, &parts);
		block_parts_decode(form, &parts, to + i);
	}
}
