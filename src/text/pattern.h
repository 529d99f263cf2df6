/*
 * pattern.h
 *	  The patterns of Split and Replace: a string, or a regular expression.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_PATTERN_H
#define TFM_TEXT_PATTERN_H

#include "text/regex.h"
#include "text/scan.h"

/* The payload of a component with a pattern; behind it what the offsets, from its start, point to. */
typedef struct tok_pattern_payload
{
	uint32_t kind;
	uint32_t scanner;						 /* its number */
	uint32_t offset, length;				 /* of the string or the program */
	uint32_t content_offset, content_length; /* what Replace puts for a match */
	uint32_t behavior;						 /* what Split makes of it */
	uint32_t inverted;
} tok_pattern_payload;

/*
 * Compile the member "pattern" of a spec, {"String": ...} or {"Regex": ...}, to a payload that is
 * otherwise given, and append it with its content (NULL: none).
 */
extern bool tok_compile_pattern(tok_compiler *compiler, json spec, tok_pattern_payload pattern,
								const char *content, buffer *payload);

/* A pattern to be looked for. */
typedef struct tok_finder
{
	const tok_pattern_payload *payload;
	const tok_scanner *scanner; /* NULL: there is none */
	tok_find_function find;
	void *argument;
	tfm_text content;
	tfm_text string;
	tok_regex regex;
} tok_finder;

/*
 * Take a payload's pattern into use; regular expressions work in the scratch.  The finder must stay
 * where it is.  False with CORRUPTED for a damaged payload; its content is checked to be UTF-8.
 */
extern bool tok_open_finder(tok_finder *finder, tfm_context *context, arena *scratch,
							tok_payload payload);

#endif
