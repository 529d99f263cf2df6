/*
 * unicode.c
 *	  Properties of characters as the "tokenizers" library sees them, on ICU.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/unicode.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

/* Unicode versions of the crates. */
#define CATEGORIES_VERSION 8	/* unicode_categories 0.1.1 */
#define NORMALIZATION_VERSION 9 /* unicode-normalization-alignments 0.1.12 */

/* Whether the character was assigned in a Unicode version up to this one. */
static bool
is_as_old_as(uint32_t character, int version)
{
	UVersionInfo age;

	u_charAge((UChar32) character, age);
	return age[0] != 0 && (age[0] < version || (age[0] == version && age[1] == 0));
}

/* Whether the character's category is among those of the mask, and was so in that version. */
static bool
has_category(uint32_t character, uint32_t mask, int version)
{
	return (U_GET_GC_MASK((UChar32) character) & mask) != 0 && is_as_old_as(character, version);
}

bool
tok_is_space(uint32_t c)
{
	if (c < 0x80)
		return c == ' ' || (c >= '\t' && c <= '\r');
	return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
		   c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool
tok_is_other(uint32_t c)
{
	if (c < 0xA0)
		return c < 0x20 || c >= 0x7F;
	return has_category(c, U_GC_CF_MASK | U_GC_CO_MASK, CATEGORIES_VERSION);
}

bool
tok_is_punctuation(uint32_t c)
{
	if (c < 0x80)
		return (c > 0x20 && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') ||
			   (c > 'z' && c < 0x7F);
	return has_category(c, U_GC_P_MASK, CATEGORIES_VERSION);
}

bool
tok_is_nonspacing_mark(uint32_t c)
{
	return c >= 0x300 && has_category(c, U_GC_MN_MASK, CATEGORIES_VERSION);
}

bool
tok_is_combining_mark(uint32_t c)
{
	return c >= 0x300 && has_category(c, U_GC_M_MASK, NORMALIZATION_VERSION);
}

bool
tok_is_word(uint32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			   c == '_';
	return u_hasBinaryProperty((UChar32) c, UCHAR_ALPHABETIC) ||
		   u_hasBinaryProperty((UChar32) c, UCHAR_JOIN_CONTROL) ||
		   (U_GET_GC_MASK((UChar32) c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

int
tok_lowercase(uint32_t c, uint32_t lower[2])
{
	/* The only character that becomes two. */
	if (c == 0x130)
	{
		lower[0] = 'i';
		lower[1] = 0x307;
		return 2;
	}
	lower[0] = (uint32_t) u_tolower((UChar32) c);
	return 1;
}

uint8_t
tok_combining_class(uint32_t c)
{
	uint8_t class = c < 0x300 ? 0 : u_getCombiningClass((UChar32) c);

	return class != 0 && is_as_old_as(c, NORMALIZATION_VERSION) ? class : 0;
}

int
tok_decompose(uint32_t c, bool compatible, uint32_t decomposition[TOK_DECOMPOSITION_MAX])
{
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *normalizer;
	UChar units[2 * TOK_DECOMPOSITION_MAX];
	int32_t length = -1, used = 0;
	int count = 0;

	decomposition[0] = c;
	if (c < 0xA0)
		return 1;
	normalizer = compatible ? unorm2_getNFKDInstance(&status) : unorm2_getNFDInstance(&status);
	if (U_SUCCESS(status))
		length = unorm2_getDecomposition(normalizer, (UChar32) c, units, 2 * TOK_DECOMPOSITION_MAX,
										 &status);
	if (U_FAILURE(status) || length <= 0 || !is_as_old_as(c, NORMALIZATION_VERSION))
		return 1;
	while (used < length && count < TOK_DECOMPOSITION_MAX)
	{
		UChar32 part;

		U16_NEXT(units, used, length, part);
		decomposition[count++] = (uint32_t) part;
	}
	return count;
}

uint32_t
tok_compose(uint32_t first, uint32_t second)
{
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *normalizer = unorm2_getNFCInstance(&status);
	UChar32 composite;

	if (U_FAILURE(status))
		return 0;
	composite = unorm2_composePair(normalizer, (UChar32) first, (UChar32) second);
	if (composite < 0 || !is_as_old_as((uint32_t) composite, NORMALIZATION_VERSION))
		return 0;
	return (uint32_t) composite;
}
