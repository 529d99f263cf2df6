/*
 * unicode.c
 *	  Characters as Python 3.11 sees them, on ICU.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/unicode.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

#include "text/unicode.h"

#define PYTHON_VERSION 14 /* of Unicode */

static bool
is_known(uint32_t c)
{
	UVersionInfo age;

	if (c < 0x250)
		return true;
	u_charAge((UChar32) c, age);
	return age[0] != 0 && age[0] <= PYTHON_VERSION;
}

static uint32_t
category(uint32_t c)
{
	return is_known(c) ? U_GET_GC_MASK((UChar32) c) : U_GC_CN_MASK;
}

bool
tok_python_is_space(uint32_t c)
{
	return tok_is_space(c) || (c >= 0x1C && c <= 0x1F);
}

bool
tok_python_is_other(uint32_t c)
{
	if (c < 0xA0)
		return c < 0x20 || c >= 0x7F;
	return (category(c) & U_GC_C_MASK) != 0;
}

bool
tok_python_is_punctuation(uint32_t c)
{
	if (c < 0x80)
		return (tok_ascii[c] & TOK_ASCII_PUNCTUATION) != 0;
	return (category(c) & U_GC_P_MASK) != 0;
}

bool
tok_python_is_nonspacing_mark(uint32_t c)
{
	return c >= 0x300 && (category(c) & U_GC_MN_MASK) != 0;
}

bool
tok_python_is_digit(uint32_t c)
{
	if (c < 0x80)
		return c >= '0' && c <= '9';
	return c >= 0x660 && (category(c) & U_GC_ND_MASK) != 0;
}

bool
tok_python_is_separator(uint32_t c)
{
	if (c < 0x80)
		return c == ' ';
	return (category(c) & U_GC_ZS_MASK) != 0;
}

bool
tok_python_is_alphanumeric(uint32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
	return (category(c) & (U_GC_L_MASK | U_GC_N_MASK)) != 0;
}

bool
tok_python_is_case_ignorable(uint32_t c)
{
	return u_hasBinaryProperty((UChar32) c, UCHAR_CASE_IGNORABLE) && is_known(c);
}

bool
tok_python_is_cased(uint32_t c)
{
	return u_hasBinaryProperty((UChar32) c, UCHAR_CASED) && is_known(c);
}

/* Characters that became letters with a counterpart after Python's version keep themselves. */
static bool
is_mapping_known(uint32_t from, uint32_t to)
{
	return is_known(from) && is_known(to);
}

int
tok_python_lower(uint32_t c, uint32_t lower[3])
{
	if (c == 0x130)
	{
		lower[0] = 'i';
		lower[1] = 0x307;
		return 2;
	}
	lower[0] = (uint32_t) u_tolower((UChar32) c);
	if (lower[0] != c && !is_mapping_known(c, lower[0]))
		lower[0] = c;
	return 1;
}

int
tok_python_upper(uint32_t c, uint32_t upper[3])
{
	UErrorCode status = U_ZERO_ERROR;
	UChar from[2], to[8];
	int32_t from_length = 0, to_length, i = 0;
	int count = 0;

	upper[0] = c;
	if (c < 0x80)
	{
		if (c >= 'a' && c <= 'z')
			upper[0] = c - 'a' + 'A';
		return 1;
	}
	U16_APPEND_UNSAFE(from, from_length, c);
	to_length = u_strToUpper(to, 8, from, from_length, "", &status);
	if (U_FAILURE(status) || !is_known(c))
		return 1;
	while (i < to_length && count < 3)
	{
		UChar32 part;

		U16_NEXT(to, i, to_length, part);
		upper[count++] = (uint32_t) part;
	}
	if (count == 1 && !is_known(upper[0]))
		upper[0] = c;
	return count;
}

uint8_t
tok_python_combining_class(uint32_t c)
{
	uint8_t class = c < 0x300 ? 0 : u_getCombiningClass((UChar32) c);

	return class != 0 && is_known(c) ? class : 0;
}

int
tok_python_decompose(uint32_t c, bool compatible, uint32_t decomposition[TOK_DECOMPOSITION_MAX])
{
	int count = tok_icu_decompose(c, compatible, decomposition);

	if (decomposition[0] == c || is_known(c))
		return count;
	decomposition[0] = c;
	return 1;
}

uint32_t
tok_python_compose(uint32_t first, uint32_t second)
{
	uint32_t composite = tok_icu_compose(first, second);

	return composite != 0 && is_known(composite) ? composite : 0;
}
