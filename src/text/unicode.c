/*
 * unicode.c
 *	  Properties of characters as the "tokenizers" library sees them, on ICU.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/unicode.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/utf16.h>

#include "base/utf8.h"

/* Unicode versions of the crates. */
#define CATEGORIES_VERSION 8	/* unicode_categories 0.1.1 */
#define NORMALIZATION_VERSION 9 /* unicode-normalization-alignments 0.1.12 */
#define REGEX_VERSION 16		/* regex-syntax 0.8 */
#define LOWERCASE_VERSION 17	/* the standard library of Rust */
#define NUMERIC_VERSION 17		/* the same */
#define SCRIPTS_VERSION 9		/* the table of UnicodeScripts */

#define HANGUL_FIRST 0xAC00
#define HANGUL_LAST 0xD7A3

typedef struct range
{
	uint32_t first, last;
} range;

/* Characters that were given another category after the version of the crate. */
static const range was_nonspacing_mark[] = {{0x1734, 0x1734}};
static const range was_no_nonspacing_mark[] = {
	{0x1885, 0x1886},
	{0xA9BD, 0xA9BD},
	{0x111C9, 0x111C9},
};
static const range was_punctuation[] = {{0x166D, 0x166D}, {0x111C9, 0x111C9}};
static const range was_combining_mark[] = {{0x1CF2, 0x1CF3}};
static const range was_no_combining_mark[] = {{0x111C9, 0x111C9}};

/* Word characters of Unicode 15.1 and 16, for an ICU that is older (72 knows 15.0). */
static const range new_word[] = {
	{0x897, 0x897},		{0x1C89, 0x1C8A},	{0xA7CB, 0xA7CD},	{0xA7DA, 0xA7DC},
	{0x105C0, 0x105F3}, {0x10D40, 0x10D65}, {0x10D69, 0x10D6D}, {0x10D6F, 0x10D85},
	{0x10EC2, 0x10EC4}, {0x10EFC, 0x10EFC}, {0x11380, 0x11389}, {0x1138B, 0x1138B},
	{0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113C0}, {0x113C2, 0x113C2},
	{0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D3}, {0x113E1, 0x113E2},
	{0x116D0, 0x116E3}, {0x11BC0, 0x11BE0}, {0x11BF0, 0x11BF9}, {0x11F5A, 0x11F5A},
	{0x13460, 0x143FA}, {0x16100, 0x16139}, {0x16D40, 0x16D6C}, {0x16D70, 0x16D79},
	{0x18CFF, 0x18CFF}, {0x1CCF0, 0x1CCF9}, {0x1E5D0, 0x1E5FA}, {0x2EBF0, 0x2EE5D},
};

/* Numbers of Unicode 16 and 17. */
static const range new_numeric[] = {
	{0x10D40, 0x10D49}, {0x116D0, 0x116E3}, {0x11BF0, 0x11BF9},
	{0x11DE0, 0x11DE9}, {0x16130, 0x16139}, {0x16D70, 0x16D79},
	{0x16FF4, 0x16FF6}, {0x1CCF0, 0x1CCF9}, {0x1E5F1, 0x1E5FA},
};

/* Capital letters of Unicode 16 and 17, and how far away their small ones are. */
static const struct
{
	range capitals;
	int32_t distance;
} new_capitals[] = {
	{{0x1C89, 0x1C89}, 1},	  {{0xA7CB, 0xA7CB}, -42343}, {{0xA7CC, 0xA7CC}, 1},
	{{0xA7CE, 0xA7CE}, 1},	  {{0xA7D2, 0xA7D2}, 1},	  {{0xA7D4, 0xA7D4}, 1},
	{{0xA7DA, 0xA7DA}, 1},	  {{0xA7DC, 0xA7DC}, -42561}, {{0x10D50, 0x10D65}, 32},
	{{0x16EA0, 0x16EB8}, 27},
};

const uint8_t tok_ascii[128] = {
	/* clang-format off */
	0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
	4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2,
	2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
	4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 6,
	2, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
	4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 0,
	/* clang-format on */
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define IS_IN(character, ranges) is_in(character, ranges, COUNT(ranges))

static bool
is_in(uint32_t character, const range *ranges, size_t count)
{
	size_t low = 0, high = count;

	while (low < high)
	{
		size_t middle = (low + high) / 2;

		if (character > ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && character >= ranges[low].first;
}

bool
tok_unicode_load(tfm_context *context)
{
	UErrorCode status = U_ZERO_ERROR;

	unorm2_getNFCInstance(&status);
	unorm2_getNFDInstance(&status);
	unorm2_getNFKDInstance(&status);
	if (U_FAILURE(status))
		return tfm_fail(context, TFM_INTERNAL, "could not load the Unicode data of ICU: %s",
						u_errorName(status));
	return true;
}

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
		return (tok_ascii[c] & TOK_ASCII_SPACE) != 0;
	return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
		   c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

size_t
tok_trim_end(const char *text, size_t length, bool (*is_space)(uint32_t))
{
	size_t start;

	while (length > 0 && is_space(utf8_decode_before(text, length, &start)))
		length = start;
	return length;
}

tfm_text
tok_strip(tfm_text text, bool (*is_space)(uint32_t))
{
	int width;

	while (text.length > 0 && is_space(utf8_decode(text.data, &width)))
	{
		text.data += width;
		text.length -= (size_t) width;
	}
	text.length = tok_trim_end(text.data, text.length, is_space);
	return text;
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
		return (tok_ascii[c] & TOK_ASCII_PUNCTUATION) != 0;
	return has_category(c, U_GC_P_MASK, CATEGORIES_VERSION) || IS_IN(c, was_punctuation);
}

bool
tok_is_nonspacing_mark(uint32_t c)
{
	if (c < 0x300)
		return false;
	if (has_category(c, U_GC_MN_MASK, CATEGORIES_VERSION))
		return !IS_IN(c, was_no_nonspacing_mark);
	return IS_IN(c, was_nonspacing_mark);
}

bool
tok_is_combining_mark(uint32_t c)
{
	if (c < 0x300)
		return false;
	if (has_category(c, U_GC_M_MASK, NORMALIZATION_VERSION))
		return !IS_IN(c, was_no_combining_mark);
	return IS_IN(c, was_combining_mark);
}

bool
tok_is_numeric(uint32_t c)
{
	if (c < 0x80)
		return c >= '0' && c <= '9';
	return has_category(c, U_GC_N_MASK, NUMERIC_VERSION) || IS_IN(c, new_numeric);
}

int
tok_script(uint32_t c)
{
	UErrorCode status = U_ZERO_ERROR;
	UScriptCode script;

	if (c == ' ' || !is_as_old_as(c, SCRIPTS_VERSION))
		return -1;
	script = uscript_getScript((UChar32) c, &status);
	switch (script)
	{
		case USCRIPT_UNKNOWN:
			return -1;
		case USCRIPT_HIRAGANA:
		case USCRIPT_KATAKANA:
			return USCRIPT_HAN;
		case USCRIPT_INHERITED:
			return c == 0x953 || c == 0x954 ? USCRIPT_DEVANAGARI : script;
		case USCRIPT_COMMON:
			return c == 0x30FC ? USCRIPT_HAN : script;
		default:
			return c == 0x589 || c == 0x61C ? USCRIPT_COMMON : script;
	}
}

bool
tok_is_word(uint32_t c)
{
	if (c < 0x80)
		return (tok_ascii[c] & TOK_ASCII_WORD) != 0;
	if (u_hasBinaryProperty((UChar32) c, UCHAR_ALPHABETIC) ||
		u_hasBinaryProperty((UChar32) c, UCHAR_JOIN_CONTROL) ||
		(U_GET_GC_MASK((UChar32) c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0)
		return is_as_old_as(c, REGEX_VERSION);
	return IS_IN(c, new_word);
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
	if (lower[0] != c)
	{
		if (!is_as_old_as(c, LOWERCASE_VERSION))
			lower[0] = c;
		return 1;
	}
	for (size_t i = 0; c >= 0x1C89 && i < COUNT(new_capitals); i++)
		if (c >= new_capitals[i].capitals.first && c <= new_capitals[i].capitals.last)
			lower[0] = (uint32_t) ((int32_t) c + new_capitals[i].distance);
	return 1;
}

uint8_t
tok_combining_class(uint32_t c)
{
	uint8_t class = c < 0x300 ? 0 : u_getCombiningClass((UChar32) c);

	return class != 0 && is_as_old_as(c, NORMALIZATION_VERSION) ? class : 0;
}

/* By the formula (Unicode, section 3.12), which is quicker than asking ICU. */
static int
decompose_hangul(uint32_t c, uint32_t decomposition[3])
{
	uint32_t index = c - HANGUL_FIRST;

	decomposition[0] = 0x1100 + index / (21 * 28);
	decomposition[1] = 0x1161 + index % (21 * 28) / 28;
	decomposition[2] = 0x11A7 + index % 28;
	return decomposition[2] == 0x11A7 ? 2 : 3;
}

int
tok_icu_decompose(uint32_t c, bool compatible, uint32_t decomposition[TOK_DECOMPOSITION_MAX])
{
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *normalizer;
	UChar units[2 * TOK_DECOMPOSITION_MAX];
	int32_t length = -1, used = 0;
	int count = 0;

	decomposition[0] = c;
	if (c < 0xA0)
		return 1;
	if (c >= HANGUL_FIRST && c <= HANGUL_LAST)
		return decompose_hangul(c, decomposition);
	normalizer = compatible ? unorm2_getNFKDInstance(&status) : unorm2_getNFDInstance(&status);
	if (U_SUCCESS(status))
		length = unorm2_getDecomposition(normalizer, (UChar32) c, units, 2 * TOK_DECOMPOSITION_MAX,
										 &status);
	if (U_FAILURE(status) || length <= 0)
		return 1;
	while (used < length && count < TOK_DECOMPOSITION_MAX)
	{
		UChar32 part;

		U16_NEXT(units, used, length, part);
		decomposition[count++] = (uint32_t) part;
	}
	return count;
}

int
tok_decompose(uint32_t c, bool compatible, uint32_t decomposition[TOK_DECOMPOSITION_MAX])
{
	int count = tok_icu_decompose(c, compatible, decomposition);

	/* Hangul has always been there; what it costs to ask would show. */
	if (decomposition[0] == c || (c >= HANGUL_FIRST && c <= HANGUL_LAST) ||
		is_as_old_as(c, NORMALIZATION_VERSION))
		return count;
	decomposition[0] = c;
	return 1;
}

uint32_t
tok_icu_compose(uint32_t first, uint32_t second)
{
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *normalizer = unorm2_getNFCInstance(&status);
	UChar32 composite;

	if (U_FAILURE(status))
		return 0;
	composite = unorm2_composePair(normalizer, (UChar32) first, (UChar32) second);
	return composite < 0 ? 0 : (uint32_t) composite;
}

uint32_t
tok_compose(uint32_t first, uint32_t second)
{
	uint32_t composite = tok_icu_compose(first, second);

	return composite != 0 && is_as_old_as(composite, NORMALIZATION_VERSION) ? composite : 0;
}
