/*
 * characters.c
 *	  Python's str predicates and case mappings, by ICU's properties.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/characters.h"

#include <unicode/uchar.h>
#include <unicode/ustring.h>

bool
jinja_is_space(uint32_t c)
{
	if (c < 0x80)
		return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
	return c == 0x85 || u_charType((UChar32) c) == U_SPACE_SEPARATOR || c == 0x2028 || c == 0x2029;
}

bool
jinja_is_alpha(uint32_t c)
{
	return (U_MASK(u_charType((UChar32) c)) & U_GC_L_MASK) != 0;
}

static int
numeric_type(uint32_t c)
{
	return u_getIntPropertyValue((UChar32) c, UCHAR_NUMERIC_TYPE);
}

bool
jinja_is_decimal(uint32_t c)
{
	return numeric_type(c) == U_NT_DECIMAL;
}

bool
jinja_is_digit(uint32_t c)
{
	return numeric_type(c) == U_NT_DECIMAL || numeric_type(c) == U_NT_DIGIT;
}

bool
jinja_is_numeric(uint32_t c)
{
	return numeric_type(c) != U_NT_NONE;
}

bool
jinja_is_alnum(uint32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
	return jinja_is_alpha(c) || jinja_is_numeric(c);
}

bool
jinja_is_word(uint32_t c)
{
	if (c < 0x80)
		return c == '_' || jinja_is_alnum(c);
	return jinja_is_alnum(c) || u_hasBinaryProperty((UChar32) c, UCHAR_XID_CONTINUE);
}

bool
jinja_is_identifier(uint32_t c, bool first)
{
	return c == '_' ||
		   u_hasBinaryProperty((UChar32) c, first ? UCHAR_XID_START : UCHAR_XID_CONTINUE);
}

bool
jinja_is_printable(uint32_t c)
{
	if (c < 0x7F)
		return c >= 0x20;
	return (U_MASK(u_charType((UChar32) c)) & (U_GC_C_MASK | U_GC_Z_MASK)) == 0;
}

bool
jinja_is_lower(uint32_t c)
{
	return u_hasBinaryProperty((UChar32) c, UCHAR_LOWERCASE);
}

bool
jinja_is_upper(uint32_t c)
{
	return u_hasBinaryProperty((UChar32) c, UCHAR_UPPERCASE);
}

bool
jinja_is_title(uint32_t c)
{
	return u_charType((UChar32) c) == U_TITLECASE_LETTER;
}

bool
jinja_is_cased(uint32_t c)
{
	return u_hasBinaryProperty((UChar32) c, UCHAR_CASED);
}

bool
jinja_is_case_ignorable(uint32_t c)
{
	return u_hasBinaryProperty((UChar32) c, UCHAR_CASE_IGNORABLE);
}

bool
jinja_is_line_end(uint32_t c)
{
	return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
		   c == 0x2029;
}

/* ---- Case ---- */

typedef int32_t map_string(UChar *to, int32_t capacity, const UChar *from, int32_t length,
						   const char *locale, UErrorCode *status);

static int32_t
title_string(UChar *to, int32_t capacity, const UChar *from, int32_t length, const char *locale,
			 UErrorCode *status)
{
	return u_strToTitle(to, capacity, from, length, NULL, locale, status);
}

static int32_t
fold_string(UChar *to, int32_t capacity, const UChar *from, int32_t length, const char *locale,
			UErrorCode *status)
{
	(void) locale;
	return u_strFoldCase(to, capacity, from, length, U_FOLD_CASE_DEFAULT, status);
}

/* One character through ICU's mapping of strings, which knows those that become several. */
static int
map_character(uint32_t c, uint32_t mapped[3], map_string *function)
{
	UChar from[2], to[16];
	int32_t length = 0, count = 0, position = 0;
	UErrorCode status = U_ZERO_ERROR;

	U16_APPEND_UNSAFE(from, length, c);
	length = function(to, 16, from, length, "", &status);
	if (U_FAILURE(status) || length > 16)
	{
		mapped[0] = c;
		return 1;
	}
	while (position < length && count < 3)
	{
		UChar32 next;

		U16_NEXT(to, position, length, next);
		mapped[count++] = (uint32_t) next;
	}
	return count;
}

int
jinja_to_upper(uint32_t c, uint32_t mapped[3])
{
	if (c < 0x80)
	{
		mapped[0] = c >= 'a' && c <= 'z' ? c - 0x20 : c;
		return 1;
	}
	return map_character(c, mapped, u_strToUpper);
}

int
jinja_to_lower(uint32_t c, uint32_t mapped[3])
{
	if (c < 0x80)
	{
		mapped[0] = c >= 'A' && c <= 'Z' ? c + 0x20 : c;
		return 1;
	}
	if (c != 0x130)
	{
		mapped[0] = (uint32_t) u_tolower((UChar32) c);
		return 1;
	}
	mapped[0] = 'i';
	mapped[1] = 0x307;
	return 2;
}

int
jinja_to_title(uint32_t c, uint32_t mapped[3])
{
	if (c >= 0x80 && jinja_to_upper(c, mapped) > 1)
		return map_character(c, mapped, title_string);
	mapped[0] =
		c < 0x80 ? (c >= 'a' && c <= 'z' ? c - 0x20 : c) : (uint32_t) u_totitle((UChar32) c);
	return 1;
}

int
jinja_to_folded(uint32_t c, uint32_t mapped[3])
{
	if (c < 0x80)
		return jinja_to_lower(c, mapped);
	return map_character(c, mapped, fold_string);
}
