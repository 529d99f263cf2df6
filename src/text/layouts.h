/*
 * layouts.h
 *	  What the post-processors of a file make of a text and of a pair, worked out while compiling.
 *
 * Encodings go from one post-processor to the next as a list: at first one for each text; at the end
 * they are merged.  Since what is done to them does not depend on the texts, it is done here, once,
 * to parts that stand for the encodings, for a text and a pair, with and without special tokens.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_LAYOUTS_H
#define TFM_TEXT_LAYOUTS_H

#include "text/compile.h"

/* A special token of a post-processor. */
typedef struct tok_special_token
{
	const char *text;
	int64_t id;
} tok_special_token;

/* An encoding in the making: special tokens, and at most one text. */
typedef struct tok_layout_part
{
	tok_segment *segments;
	size_t count;
} tok_layout_part;

typedef struct tok_layout
{
	tok_layout_part *parts;
	size_t count;
} tok_layout;

/* By number: TOK_LAYOUT_PAIR, TOK_LAYOUT_PLAIN. */
typedef struct tok_layouts
{
	tok_layout all[TOK_LAYOUT_COUNT];
} tok_layouts;

/* The layouts before the first post-processor, and writing them to the section of segments. */
extern bool tok_begin_layouts(tok_compiler *compiler, bool has_processors);
extern bool tok_finish_layouts(tok_compiler *compiler);

/* A part of special tokens; add to it with tok_wrap_part. */
extern bool tok_special_segment(tok_compiler *compiler, tok_special_token token, int32_t type_id,
								tok_segment *segment);

/*
 * Put special tokens around a part (before may be NULL), all of whose other tokens then do not count
 * as special and are the range of the sequence.
 */
extern bool tok_wrap_part(tok_compiler *compiler, tok_layout_part *part,
						  const tok_special_token *before, const tok_special_token *after,
						  int32_t type_id, int sequence);

/* Let all of a part, but not of overflowing pieces, be the range of the sequence. */
extern void tok_set_part_range(tok_layout_part *part, size_t sequence);

/* The type of all segments of a part, or of those for overflowing pieces. */
extern void tok_set_part_type(tok_layout_part *part, bool overflowing, int32_t type_id);

/* Trim the offsets of the texts of all layouts. */
extern bool tok_trim_layouts(tok_compiler *compiler, bool add_prefix_space);

#endif
