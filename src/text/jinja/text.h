/*
 * text.h
 *	  What Python's str can do, for methods and filters.
 *
 * Results of a safe string (Markup) are safe, too.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_TEXT_H
#define TFM_TEXT_JINJA_TEXT_H

#include "text/jinja/value.h"

enum
{
	JINJA_LEFT = 1,
	JINJA_RIGHT = 2
};

extern jinja_value jinja_upper(jinja_state *s, const jinja_string *string);
extern jinja_value jinja_lower(jinja_state *s, const jinja_string *string);
extern jinja_value jinja_capitalize(jinja_state *s, const jinja_string *string);
extern jinja_value jinja_title(jinja_state *s, const jinja_string *string);
extern jinja_value jinja_swapcase(jinja_state *s, const jinja_string *string);
extern jinja_value jinja_casefold(jinja_state *s, const jinja_string *string);

/* Without whitespace (chars NULL), or characters of chars, at its sides. */
extern jinja_value jinja_strip(jinja_state *s, const jinja_string *string,
							   const jinja_string *chars, int sides);

/* count < 0: all. */
extern jinja_value jinja_replace(jinja_state *s, const jinja_string *string,
								 const jinja_string *old, const jinja_string *new, int64_t count);

/* At a separator, or (NULL) at whitespace; limit < 0: at all.  NULL with an error. */
extern jinja_list *jinja_split(jinja_state *s, const jinja_string *string,
							   const jinja_string *separator, int64_t limit, bool from_right);
extern jinja_list *jinja_split_lines(jinja_state *s, const jinja_string *string, bool keep_ends);

/* Write a character so many times, each a step. */
extern bool jinja_write_fill(jinja_state *s, jinja_output *output, uint32_t fill, int64_t count);

/* Padded to so many characters; align is one of < > ^. */
extern jinja_value jinja_pad(jinja_state *s, const jinja_string *string, int64_t width,
							 uint32_t fill, char align);

/* Byte offset of the first (last) occurrence from a byte offset, -1 if there is none. */
extern int64_t jinja_find_bytes(jinja_state *s, const jinja_string *string,
								const jinja_string *part, size_t from, size_t to, bool last);

/* The bytes from one offset to another as a string with the same mark. */
extern jinja_value jinja_part(jinja_state *s, const jinja_string *string, size_t from, size_t to);

/* A value as an index; false with a TypeError. */
extern bool jinja_get_index(jinja_state *s, jinja_value value, int64_t *index);

/* The value if it is a string, or its str(); NULL with an error. */
extern const jinja_string *jinja_soft_str(jinja_state *s, jinja_value value);

#endif
