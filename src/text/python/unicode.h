/*
 * unicode.h
 *	  Characters as Python 3.11 sees them: str's methods, unicodedata and re.
 *
 * Python's tables are those of Unicode 14.  ICU may know a newer version: a character that is
 * younger is unassigned here, and what changed since stands in small tables in unicode.c.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_PYTHON_UNICODE_H
#define TFM_TEXT_PYTHON_UNICODE_H

#include "text/unicode.h"

/* str.isspace, and the regular expression \s. */
extern bool tok_python_is_space(uint32_t character);

/* unicodedata.category: C* (unassigned ones too), P*, Mn, Nd (the regular expression \d), Zs. */
extern bool tok_python_is_other(uint32_t character);
extern bool tok_python_is_punctuation(uint32_t character);
extern bool tok_python_is_nonspacing_mark(uint32_t character);
extern bool tok_python_is_digit(uint32_t character);
extern bool tok_python_is_separator(uint32_t character);

/* str.isalnum: the regular expression \w without the underscore. */
extern bool tok_python_is_alphanumeric(uint32_t character);

/* Whether str.lower looks past the character, or stops at it, where it decides on a final sigma. */
extern bool tok_python_is_case_ignorable(uint32_t character);
extern bool tok_python_is_cased(uint32_t character);

/* str.lower (but for sigma) and str.upper of a character: how many there are, up to 3. */
extern int tok_python_lower(uint32_t character, uint32_t lower[3]);
extern int tok_python_upper(uint32_t character, uint32_t upper[3]);

/* Canonical combining class, full decomposition (count), composition (0: none), as unicodedata's. */
extern uint8_t tok_python_combining_class(uint32_t character);
extern int tok_python_decompose(uint32_t character, bool compatible,
								uint32_t decomposition[TOK_DECOMPOSITION_MAX]);
extern uint32_t tok_python_compose(uint32_t first, uint32_t second);

#endif
