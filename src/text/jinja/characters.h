/*
 * characters.h
 *	  Properties of characters as Python's str has them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_CHARACTERS_H
#define TFM_TEXT_JINJA_CHARACTERS_H

#include "base/context.h"

extern bool jinja_is_space(uint32_t character); /* str.isspace, and \s */
extern bool jinja_is_word(uint32_t character);	/* what Jinja takes for part of a name, and \w */
extern bool jinja_is_identifier(uint32_t character, bool first);
extern bool jinja_is_printable(uint32_t character); /* str.isprintable */
extern bool jinja_is_alpha(uint32_t character);
extern bool jinja_is_decimal(uint32_t character);
extern bool jinja_is_digit(uint32_t character);
extern bool jinja_is_numeric(uint32_t character);
extern bool jinja_is_alnum(uint32_t character);
extern bool jinja_is_lower(uint32_t character);
extern bool jinja_is_upper(uint32_t character);
extern bool jinja_is_title(uint32_t character);
extern bool jinja_is_cased(uint32_t character);
extern bool jinja_is_line_end(uint32_t character); /* where str.splitlines breaks */

/* Full case mappings: up to three characters; returns how many. */
extern int jinja_to_upper(uint32_t character, uint32_t mapped[3]);
extern int jinja_to_lower(uint32_t character, uint32_t mapped[3]);
extern int jinja_to_title(uint32_t character, uint32_t mapped[3]);
extern int jinja_to_folded(uint32_t character, uint32_t mapped[3]);

/* Whether a character does not matter to the case of the sigma beside it. */
extern bool jinja_is_case_ignorable(uint32_t character);

#endif
