/*
 * utf8.h
 *	  UTF-8 by hand where a library call per character would cost too much.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_UTF8_H
#define TFM_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether text[length] is valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
extern bool utf8_valid(const char *text, size_t length);

/* The largest n <= length such that text[n] ends with a whole character; text is valid up to the cut. */
extern size_t utf8_clip(const char *text, size_t length);

/*
 * The character at text, which must be valid UTF-8 and not at its end; *width is its length in
 * bytes, 1 to 4.
 */
static inline uint32_t
utf8_decode(const char *text, int *width)
{
	const unsigned char *s = (const unsigned char *) text;

	if (s[0] < 0x80)
	{
		*width = 1;
		return s[0];
	}
	if (s[0] < 0xE0)
	{
		*width = 2;
		return (uint32_t) (s[0] & 0x1F) << 6 | (s[1] & 0x3F);
	}
	if (s[0] < 0xF0)
	{
		*width = 3;
		return (uint32_t) (s[0] & 0x0F) << 12 | (uint32_t) (s[1] & 0x3F) << 6 | (s[2] & 0x3F);
	}
	*width = 4;
	return (uint32_t) (s[0] & 0x07) << 18 | (uint32_t) (s[1] & 0x3F) << 12 |
		   (uint32_t) (s[2] & 0x3F) << 6 | (s[3] & 0x3F);
}

/* The character that ends before end, which is not 0; *start is where it begins. */
static inline uint32_t
utf8_decode_before(const char *text, size_t end, size_t *start)
{
	int width;

	do
		end--;
	while (end > 0 && ((unsigned char) text[end] & 0xC0) == 0x80);
	*start = end;
	return utf8_decode(text + end, &width);
}

/* Number of characters of valid UTF-8. */
static inline size_t
utf8_count(const char *text, size_t length)
{
	size_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += ((unsigned char) text[i] & 0xC0) != 0x80;
	return count;
}

/* Write a character (at most U+10FFFF) to text[4]; returns its length in bytes. */
static inline int
utf8_encode(uint32_t character, char *text)
{
	if (character < 0x80)
	{
		text[0] = (char) character;
		return 1;
	}
	if (character < 0x800)
	{
		text[0] = (char) (0xC0 | character >> 6);
		text[1] = (char) (0x80 | (character & 0x3F));
		return 2;
	}
	if (character < 0x10000)
	{
		text[0] = (char) (0xE0 | character >> 12);
		text[1] = (char) (0x80 | (character >> 6 & 0x3F));
		text[2] = (char) (0x80 | (character & 0x3F));
		return 3;
	}
	text[0] = (char) (0xF0 | character >> 18);
	text[1] = (char) (0x80 | (character >> 12 & 0x3F));
	text[2] = (char) (0x80 | (character >> 6 & 0x3F));
	text[3] = (char) (0x80 | (character & 0x3F));
	return 4;
}

#endif
