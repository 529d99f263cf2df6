/*
 * regex_set.h
 *	  Sets of characters, for compiling regular expressions.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_REGEX_SET_H
#define TFM_TEXT_REGEX_SET_H

#include "base/context.h"

#define TOK_LAST_CHARACTER 0x10FFFFu

typedef struct tok_range
{
	uint32_t first, last;
} tok_range;

/*
 * Ranges in the context's arena; start with (tok_set) {0}.  Those added last may be out of order and
 * overlap, until tok_set_sort; every other function but tok_set_add sorts what it is given.
 */
typedef struct tok_set
{
	tok_range *items;
	size_t count, capacity;
	bool sorted;	   /* ascending, apart from each other */
	uint32_t compiled; /* its number in the program, from 1; 0: none yet */
} tok_set;

extern bool tok_set_add(tfm_context *context, tok_set *set, uint32_t first, uint32_t last);
extern bool tok_set_add_set(tfm_context *context, tok_set *set, const tok_set *other);
extern void tok_set_sort(tok_set *set);
extern bool tok_set_invert(tfm_context *context, tok_set *set);
extern bool tok_set_intersect(tfm_context *context, tok_set *set, tok_set *other);

/* Whether a sorted set has the character. */
extern bool tok_set_has(const tok_set *set, uint32_t character);

/* Add the characters for which a test is true. */
extern bool tok_set_add_where(tfm_context *context, tok_set *set,
							  bool (*test)(uint32_t character, int32_t argument), int32_t argument);

/* Add the characters whose class (character_class.h) is in the mask. */
extern bool tok_set_add_classes(tfm_context *context, tok_set *set, uint32_t mask);

/* Add all that differ from a member only in case, by simple folding. */
extern bool tok_set_fold(tfm_context *context, tok_set *set);

/* The names of POSIX brackets, which \p{} knows as well. */
typedef enum tok_posix
{
	TOK_POSIX_ALNUM,
	TOK_POSIX_ALPHA,
	TOK_POSIX_ASCII,
	TOK_POSIX_BLANK,
	TOK_POSIX_CNTRL,
	TOK_POSIX_DIGIT,
	TOK_POSIX_GRAPH,
	TOK_POSIX_LOWER,
	TOK_POSIX_PRINT,
	TOK_POSIX_PUNCT,
	TOK_POSIX_SPACE,
	TOK_POSIX_UPPER,
	TOK_POSIX_WORD,
	TOK_POSIX_XDIGIT,
	TOK_POSIX_COUNT
} tok_posix;

/* The bracket of a name of that length, TOK_POSIX_COUNT if there is none; and its characters. */
extern tok_posix tok_find_posix(const char *name, size_t length);
extern bool tok_set_add_posix(tfm_context *context, tok_set *set, tok_posix which);

/*
 * Add the characters of a property, as \p{name} means it: a general category, a script, a binary
 * property, a block ("In..."), a POSIX bracket.  *found is false for an unknown name.
 */
extern bool tok_set_add_property(tfm_context *context, tok_set *set, const char *name,
								 size_t length, bool *found);

#endif
