/*
 * base64.c
 *	  Bytes as text.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The number that each character stands for; 255: none. */
static void
fill_values(unsigned char values[256])
{
	memset(values, 255, 256);
	for (unsigned char i = 0; i < 64; i++)
		values[(unsigned char) digits[i]] = i;
}

bool
base64_decode(tfm_context *context, const char *text, size_t length, buffer *bytes)
{
	size_t used = length, before = bytes->length;
	unsigned char values[256];

	while (used > 0 && length - used < 2 && text[used - 1] == '=')
		used--;
	if (length % 4 != 0 || !buffer_reserve(context, bytes, length / 4 * 3))
		return false;
	fill_values(values);
	for (size_t i = 0; i < used; i += 4)
	{
		size_t count = used - i < 4 ? used - i : 4;
		uint32_t bits = 0;

		for (size_t j = 0; j < 4; j++)
		{
			unsigned char value = j < count ? values[(unsigned char) text[i + j]] : 0;

			if (value == 255)
				return bytes->length = before, false;
			bits = bits << 6 | value;
		}
		/* What no byte takes up must be zero. */
		if (count == 1 || (bits & ((1u << (4 - count) * 8) - 1)) != 0)
			return bytes->length = before, false;
		for (size_t j = 0; j + 1 < count; j++)
			bytes->data[bytes->length++] = (char) (bits >> (16 - j * 8));
	}
	return true;
}

bool
base64_encode(tfm_context *context, const void *bytes, size_t length, buffer *text)
{
	const unsigned char *b = bytes;

	if (!buffer_reserve(context, text, (length / 3 + 1) * 4))
		return false;
	for (size_t i = 0; i < length; i += 3)
	{
		size_t count = length - i < 3 ? length - i : 3;
		uint32_t bits = (uint32_t) b[i] << 16;

		if (count > 1)
			bits |= (uint32_t) b[i + 1] << 8;
		if (count > 2)
			bits |= b[i + 2];
		for (size_t j = 0; j < 4; j++)
			text->data[text->length++] = j <= count ? digits[bits >> (18 - j * 6) & 63] : '=';
	}
	return true;
}
