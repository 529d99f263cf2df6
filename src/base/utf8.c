/*
 * utf8.c
 *	  Validation of UTF-8, by the table of well-formed sequences (Unicode, table 3-7).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/utf8.h"

/* The length of the well-formed sequence at s (available bytes are readable), 0 if there is none. */
static size_t
sequence_length(const unsigned char *s, size_t available)
{
	unsigned char low = 0x80, high = 0xBF;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xC2 || s[0] > 0xF4)
		return 0;
	n = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
	if (s[0] == 0xE0)
		low = 0xA0;
	else if (s[0] == 0xED)
		high = 0x9F;
	else if (s[0] == 0xF0)
		low = 0x90;
	else if (s[0] == 0xF4)
		high = 0x8F;
	if (available < n || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	return n;
}

bool
utf8_valid(const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *) text;

	for (size_t i = 0; i < length;)
	{
		size_t n = sequence_length(s + i, length - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

size_t
utf8_clip(const char *text, size_t length)
{
	size_t start = length;

	while (start > 0 && length - start < 4)
		if (((unsigned char) text[--start] & 0xC0) != 0x80)
			break;
	if (start == length ||
		sequence_length((const unsigned char *) text + start, length - start) > 0)
		return length;
	return start;
}
