/*
 * character_class.h
 *	  General categories of characters as the library's regular expressions see them.
 *
 * Oniguruma has the Unicode version that it was built with (16.0), which ICU's need not be; so the
 * categories are a table of ours, character_data.c.  White space and line ends among the control
 * characters are kept apart, so that a class of characters is a mask of 32 bits.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_CHARACTER_CLASS_H
#define TFM_TEXT_CHARACTER_CLASS_H

#include "base/utf8.h"

/* Bits of a mask; Cc is the first and the last one as well as its own. */
enum
{
	TOK_NEWLINE = 1 << 0, /* \r and \n */
	TOK_CN = 1 << 1,
	TOK_LU = 1 << 2,
	TOK_LL = 1 << 3,
	TOK_LT = 1 << 4,
	TOK_LM = 1 << 5,
	TOK_LO = 1 << 6,
	TOK_MN = 1 << 7,
	TOK_ME = 1 << 8,
	TOK_MC = 1 << 9,
	TOK_ND = 1 << 10,
	TOK_NL = 1 << 11,
	TOK_NO = 1 << 12,
	TOK_ZS = 1 << 13,
	TOK_ZL = 1 << 14,
	TOK_ZP = 1 << 15,
	TOK_CC = 1 << 16,
	TOK_CF = 1 << 17,
	TOK_CO = 1 << 18,
	TOK_PD = 1 << 19,
	TOK_PS = 1 << 20,
	TOK_PE = 1 << 21,
	TOK_PC = 1 << 22,
	TOK_PO = 1 << 23,
	TOK_SM = 1 << 24,
	TOK_SC = 1 << 25,
	TOK_SK = 1 << 26,
	TOK_SO = 1 << 27,
	TOK_PI = 1 << 29,
	TOK_PF = 1 << 30
};
#define TOK_CONTROL_SPACE 0x80000000u /* tab, vertical tab, form feed, U+0085 */

#define TOK_LETTER ((uint32_t) (TOK_LU | TOK_LL | TOK_LT | TOK_LM | TOK_LO))
#define TOK_MARK ((uint32_t) (TOK_MN | TOK_ME | TOK_MC))
#define TOK_NUMBER ((uint32_t) (TOK_ND | TOK_NL | TOK_NO))
#define TOK_PUNCTUATION ((uint32_t) (TOK_PD | TOK_PS | TOK_PE | TOK_PC | TOK_PO | TOK_PI | TOK_PF))
#define TOK_SYMBOL ((uint32_t) (TOK_SM | TOK_SC | TOK_SK | TOK_SO))
#define TOK_SPACE (TOK_NEWLINE | TOK_ZS | TOK_ZL | TOK_ZP | TOK_CONTROL_SPACE) /* \s */
#define TOK_CONTROL (TOK_NEWLINE | TOK_CC | TOK_CONTROL_SPACE)

/*
 * Blocks of 32 characters of which each is there once, found by the blocks of 32 of their numbers.
 * What utf8_decode makes of bytes that are no UTF-8 is still inside.  A bit's number is in the lower
 * five bits of the byte; the first 128 bytes are those of ASCII.
 */
#define TOK_CLASS_HIGH 2048
extern const unsigned char tok_class_high[TOK_CLASS_HIGH];
extern const uint16_t tok_class_middle[];
extern const char tok_class_low[];

/* The one bit of a character. */
static inline uint32_t
tok_character_class(uint32_t character)
{
	uint32_t middle = (uint32_t) tok_class_high[character >> 10] << 5 | (character >> 5 & 31);

	return 1u << (tok_class_low[(size_t) tok_class_middle[middle] << 5 | (character & 31)] & 31);
}

static inline uint32_t
tok_ascii_class(unsigned char character)
{
	return 1u << (tok_class_low[character] & 31);
}

/*
 * The last of the characters from this one on that are surely of one class, script and so on: most of
 * what there might be is not assigned, or private.
 */
static inline uint32_t
tok_class_stretch(uint32_t character)
{
	static const struct
	{
		uint32_t first, last;
	} stretches[] = {
		{0x32400, 0xDFFFF}, {0xE0200, 0xEFFFF}, {0xF0000, 0xFFFFD}, {0x100000, 0x10FFFD}};

	for (int i = 0; character >= stretches[0].first && i < 4; i++)
		if (character >= stretches[i].first && character <= stretches[i].last)
			return stretches[i].last;
	return character;
}

/*
 * The character at text, of which left bytes are there, at least one, and its length in bytes; never
 * more than those, even if they are no UTF-8: spans of a damaged tokenizer may cut characters.
 */
static inline uint32_t
tok_character_at(const char *text, size_t left, int *width)
{
	unsigned char lead = (unsigned char) *text;

	if (left < 4 && lead >= 0x80 && (left < 2 || (left < 3 && lead >= 0xE0) || lead >= 0xF0))
	{
		*width = (int) left;
		return 0xFFFD;
	}
	return utf8_decode(text, width);
}

/* The class of such a character. */
static inline uint32_t
tok_class_at(const char *text, size_t left, int *width)
{
	if ((unsigned char) *text < 0x80)
	{
		*width = 1;
		return tok_ascii_class((unsigned char) *text);
	}
	return tok_character_class(tok_character_at(text, left, width));
}

#endif
