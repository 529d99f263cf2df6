/*
 * regex.h
 *	  Regular expressions as parts of a grammar.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_REGEX_H
#define TFM_GENERATE_REGEX_H

#include "generate/grammar.h"

typedef struct gen_regex
{
	tfm_text pattern;
	const char *source; /* for messages */
	/*
	 * The text is the inside of a JSON string, with what JSON escapes, and the pattern is to be found
	 * in it: where it is anchored at one end alone, anything may stand at the other; else it is the
	 * whole of it.
	 */
	bool is_json;
	uint32_t minimum, maximum; /* characters, as of a JSON string; GEN_UNBOUNDED */
} gen_regex;

/*
 * Texts that match, or some of them where the length is limited as well.  Errors: INVALID_ARGUMENT (no
 * regular expression), UNSUPPORTED, LIMIT_EXCEEDED.
 */
extern gen_expression gen_regular(gen_grammar *g, const gen_regex *regex);

/* Characters of a set that may stand in a JSON string as they are or escaped, once. */
extern gen_expression gen_json_characters(gen_grammar *g, const tok_set *set);

/* A character as it stands in a JSON string; returns its length, at most 6. */
extern size_t gen_json_encode(uint32_t character, char *text);

#endif
