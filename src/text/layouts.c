/*
 * layouts.c
 *	  What the post-processors of a file make of a text and of a pair, worked out while compiling.
 *
 * Follows PostProcessor::process and Encoding::merge_with.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/layouts.h"

#include <string.h>

/* Segments of a part that is still wrapped: far more than anybody has. */
#define PART_MAX 100

#define RANGE_COUNT 32

static bool
begin_part(tok_compiler *compiler, tok_layout_part *part, int sequence, bool has_processors)
{
	uint32_t range = 1u << sequence;
	tok_segment segment = {
		.sequence = sequence,
		.id = -1,
		.looks = {{sequence, range}, {sequence, range}},
	};

	/* Without a post-processor, a text alone and overflowing pieces have no ranges. */
	if (!has_processors)
		segment.looks[1].ranges = 0;
	part->count = 1;
	part->segments = tfm_alloc(compiler->context, sizeof(tok_segment));
	if (part->segments == NULL)
		return false;
	part->segments[0] = segment;
	return true;
}

bool
tok_begin_layouts(tok_compiler *compiler, bool has_processors)
{
	tok_layouts *layouts = tfm_alloc_zero(compiler->context, sizeof(tok_layouts));

	compiler->layouts = layouts;
	for (int i = 0; layouts != NULL && i < TOK_LAYOUT_COUNT; i++)
	{
		tok_layout *layout = &layouts->all[i];

		layout->count = (i & TOK_LAYOUT_PAIR) != 0 ? 2 : 1;
		layout->parts = tfm_alloc_array(compiler->context, layout->count, sizeof(tok_layout_part));
		for (size_t p = 0; layout->parts != NULL && p < layout->count; p++)
			if (!begin_part(compiler, &layout->parts[p], (int) p, has_processors))
				return false;
		if (layout->parts != NULL && layout->count == 1 && !has_processors)
			layout->parts[0].segments[0].looks[0].ranges = 0;
	}
	return !tfm_failed(compiler->context);
}

/* The number in its part of the segment that is the text; -1 if there is none. */
static int32_t
find_owner(const tok_layout_part *part)
{
	for (size_t i = 0; i < part->count; i++)
		if (part->segments[i].sequence >= 0)
			return (int32_t) i;
	return -1;
}

static bool
append_layout(tok_compiler *compiler, const tok_layout *layout, uint32_t *written)
{
	for (size_t p = 0; p < layout->count; p++)
	{
		tok_layout_part *part = &layout->parts[p];
		int32_t owner = find_owner(part);
		uint32_t first = *written;

		for (size_t i = 0; i < part->count; i++, (*written)++)
		{
			tok_segment segment = part->segments[i];

			segment.part = (uint32_t) p;
			segment.owner = owner < 0 ? -1 : (int32_t) first + owner;
			if (!buffer_append(compiler->context, compiler->sections[TOK_SECTION_SEGMENTS],
							   &segment, sizeof(segment)))
				return false;
		}
	}
	return true;
}

bool
tok_finish_layouts(tok_compiler *compiler)
{
	for (int i = 0; i < TOK_LAYOUT_COUNT; i++)
		if (!append_layout(compiler, &compiler->layouts->all[i], &compiler->settings.segments[i]))
			return false;
	return true;
}

bool
tok_special_segment(tok_compiler *compiler, tok_special_token token, int32_t type_id,
					tok_segment *segment)
{
	*segment = (tok_segment) {
		.sequence = -1,
		.id = (int32_t) token.id,
		.special = 1,
		.looks = {{type_id, 0}, {type_id, 0}},
	};
	return tok_compile_id(compiler, token.id) &&
		   tok_compile_string(compiler, token.text, strlen(token.text), &segment->text);
}

bool
tok_wrap_part(tok_compiler *compiler, tok_layout_part *part, const tok_special_token *before,
			  const tok_special_token *after, int32_t type_id, int sequence)
{
	size_t front = before != NULL;
	tok_segment *segments;

	if (part->count > PART_MAX)
		return tfm_fail(compiler->context, TFM_LIMIT_EXCEEDED,
						"\"%s\": the post-processors add too many tokens", compiler->source);
	segments = tfm_alloc_array(compiler->context, part->count + 2, sizeof(tok_segment));
	if (segments == NULL ||
		(before != NULL && !tok_special_segment(compiler, *before, type_id, &segments[0])) ||
		!tok_special_segment(compiler, *after, type_id, &segments[front + part->count]))
		return false;
	for (size_t i = 0; i < part->count; i++)
	{
		tok_segment *segment = &segments[front + i];

		*segment = part->segments[i];
		segment->special = 0;
		segment->looks[0].ranges = segment->looks[1].ranges = 1u << sequence;
	}
	*part = (tok_layout_part) {.segments = segments, .count = part->count + 1 + front};
	return true;
}

void
tok_set_part_range(tok_layout_part *part, size_t sequence)
{
	for (size_t i = 0; i < part->count && sequence < RANGE_COUNT; i++)
		part->segments[i].looks[0].ranges |= 1u << sequence;
}

void
tok_set_part_type(tok_layout_part *part, bool overflowing, int32_t type_id)
{
	for (size_t i = 0; i < part->count; i++)
		part->segments[i].looks[overflowing].type_id = type_id;
}

static bool
trim_part(tok_compiler *compiler, tok_layout_part *part, bool add_prefix_space)
{
	int32_t owner = find_owner(part);
	uint32_t trim = TOK_TRIM_SPACES | (add_prefix_space ? TOK_TRIM_PREFIX_SPACE : 0);

	if (owner < 0)
		return true;
	if (owner == 0)
		trim |= TOK_TRIM_FIRST;
	for (int shift = 0; shift < 32; shift += 4)
		if ((part->segments[owner].trims >> shift) == 0)
		{
			part->segments[owner].trims |= trim << shift;
			return true;
		}
	return tfm_fail(compiler->context, TFM_LIMIT_EXCEEDED,
					"\"%s\": too many post-processors trim the offsets", compiler->source);
}

bool
tok_trim_layouts(tok_compiler *compiler, bool add_prefix_space)
{
	compiler->settings.trims = 1;
	for (int i = 0; i < TOK_LAYOUT_COUNT; i++)
	{
		tok_layout *layout = &compiler->layouts->all[i];

		for (size_t p = 0; p < layout->count; p++)
			if (!trim_part(compiler, &layout->parts[p], add_prefix_space))
				return false;
	}
	return true;
}
