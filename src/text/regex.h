/*
 * regex.h
 *	  Regular expressions as Oniguruma, and so the "tokenizers" library, has them.
 *
 * A pattern is compiled to a program that is position-independent, is used where it lies in the blob,
 * and is matched by backtracking with a stack of its own.  What has failed once is not tried again at
 * the same place, so that most patterns take time linear in the text; a limit of steps ends the rest.
 *
 * Supported is what can be done without remembering groups: alternatives, groups, classes with
 * nesting and intersection, properties, greedy, lazy and possessive quantifiers, atomic groups, looks
 * ahead and behind, anchors, options i, m and x, in Oniguruma's own syntax.  Back references, calls,
 * \K, \X, absence operators, conditions and callouts are TFM_UNSUPPORTED.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_REGEX_H
#define TFM_TEXT_REGEX_H

#include "base/buffer.h"
#include "text/regex_parse.h"

/*
 * Compile a pattern and append its program to the buffer, whose length is first padded to a multiple
 * of 8; in *offset where it begins.  False with an error that shows the pattern and the place:
 * CORRUPTED (no regular expression), UNSUPPORTED, LIMIT_EXCEEDED.
 */
extern bool tok_regex_compile(tfm_context *context, const tok_pattern *pattern, buffer *program,
							  size_t *offset);

/* How many texts' worth of scanning is remembered for loops; loops beyond just scan again. */
#define TOK_REGEX_RUNS 32

/* What a loop over single characters has found in the text. */
typedef struct tok_regex_run
{
	uint32_t start, end; /* all characters between are in its set, that at end is not */
	uint32_t failed_from, failed_end; /* going on from here, or later up to the end, has failed */
} tok_regex_run;

/* Where to go on after a failure. */
typedef struct tok_regex_entry
{
	uint32_t instruction;
	uint32_t at;
	uint32_t extra;
	uint32_t frame;
} tok_regex_entry;

#define TOK_REGEX_STACK 128
#define TOK_REGEX_REGISTERS 32

/*
 * A program being matched.  Its memory beyond itself comes from the scratch, which the caller rolls
 * back when all is done.
 */
typedef struct tok_regex
{
	tfm_context *context;
	arena *scratch;
	const struct regex_header *header;
	const struct regex_instruction *instructions;
	const struct regex_set *sets;
	const tok_range *ranges;
	const char *strings;
	const char *text; /* the one of the last search */
	size_t length;
	uint64_t steps;			  /* in this text */
	uint64_t next_stock;	  /* steps after which to see how it goes */
	unsigned char *visited;	  /* bits of branches tried, for each byte of the text; NULL so far */
	unsigned char *succeeded; /* the same for those that have led to the end of a look ahead */
	bool remembers;			  /* visited has been tried to get */
	tok_regex_entry *stack;
	size_t stack_count, stack_capacity;
	uint32_t frame; /* entry of the innermost group that has a stack of its own */
	size_t search_start;
	uint32_t registers[TOK_REGEX_REGISTERS];
	tok_regex_run runs[TOK_REGEX_RUNS];
	tok_regex_entry first_stack[TOK_REGEX_STACK];
} tok_regex;

/* Take a program into use.  False, with CORRUPTED, if it is damaged. */
extern bool tok_regex_open(tok_regex *regex, tfm_context *context, arena *scratch,
						   const void *program, size_t length);

/*
 * A tok_find_function whose argument is the tok_regex.  Errors: LIMIT_EXCEEDED (too many steps, or
 * too deep), CANCELLED, OUT_OF_MEMORY.  What it knows of a text is kept until it is given another, so
 * that one text is searched from its beginning to its end; tok_regex_forget says that what follows is
 * another text at the same address, or another search.
 */
extern bool tok_regex_find(void *regex, const char *text, size_t length, size_t from, size_t *start,
						   size_t *end);
extern void tok_regex_forget(tok_regex *regex);

#endif
