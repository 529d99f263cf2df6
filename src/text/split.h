/*
 * split.h
 *	  Splitting the spans of a work by matches, as NormalizedString::split of the library.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_SPLIT_H
#define TFM_TEXT_SPLIT_H

#include "text/compile.h"
#include "text/pipeline.h"

/* What becomes of a match; stored in payloads. */
typedef enum tok_behavior
{
	TOK_REMOVED,
	TOK_ISOLATED,			  /* a piece of its own */
	TOK_MERGED_WITH_PREVIOUS, /* the end of the piece before it, unless that is a match too */
	TOK_MERGED_WITH_NEXT,	  /* the beginning of the piece after it, unless that is a match too */
	TOK_CONTIGUOUS			  /* matches that follow each other are one piece */
} tok_behavior;

/*
 * The first match that begins at byte from or after it; false if there is none, or after an error
 * in the context.  The text is one span, from its first byte on, and from is at most its length.  A
 * match may be empty.
 */
typedef bool (*tok_find_function)(void *argument, const char *text, size_t length, size_t from,
								  size_t *start, size_t *end);

/* All matches of a text in turn, but empty ones at the end of the one before, as in the library. */
typedef struct tok_matches
{
	tok_find_function find;
	void *argument;
	const char *text;
	size_t length;
	size_t from;
	size_t last_end; /* of the match before, once there is one */
	bool matched;
} tok_matches;

/* The next match; false if there is none, or after an error. */
extern bool tok_next_match(tok_matches *matches, size_t *start, size_t *end);

/*
 * Split the spans of the work that are not added tokens.  inverted swaps the matches and what is
 * between them.  An empty match at the end of the one before does not count; pieces that are empty
 * are left out.  False with an error recorded; a behaviour that is none is a damaged tokenizer.
 */
extern bool tok_split_spans(tok_work *work, tok_behavior behavior, bool inverted,
							tok_find_function find, void *argument);

/*
 * The behaviour that a member of a component's spec names; *behavior is left as it is for an absent
 * one unless it is required.  False with TFM_CORRUPTED for any other value.
 */
extern bool tok_compile_behavior(tok_compiler *compiler, json spec, const char *key, bool required,
								 tok_behavior *behavior);

#endif
