/*
 * unescape.c
 *	  String literals: what Python's "unicode-escape" codec makes of them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include <unicode/uchar.h>

#include "base/utf8.h"
#include "text/jinja/lexer.h"

typedef struct reader
{
	jinja_state *s;
	int line;
	const char *p, *end;
	char *to;
} reader;

static bool
fail(reader *r, const char *message)
{
	return jinja_fail(r->s, TFM_INVALID_ARGUMENT, r->line, "%s", message);
}

static bool
put(reader *r, uint32_t character)
{
	if (character > 0x10FFFF)
		return fail(r, "illegal Unicode character");
	if (character >= 0xD800 && character <= 0xDFFF)
		return fail(r, "surrogates not allowed");
	r->to += utf8_encode(character, r->to);
	return true;
}

static int
digit_of(const reader *r, int base)
{
	char c = r->p < r->end ? *r->p : '\0';
	int digit = c >= '0' && c <= '9'					 ? c - '0'
				: (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
														 : 99;

	return digit < base ? digit : -1;
}

static bool
read_hex(reader *r, int digits, const char *message)
{
	uint32_t character = 0;

	for (int i = 0; i < digits; i++)
	{
		int digit = digit_of(r, 16);

		if (digit < 0)
			return fail(r, message);
		character = character << 4 | (uint32_t) digit;
		r->p++;
	}
	return put(r, character);
}

static bool
read_octal(reader *r)
{
	uint32_t character = 0;

	for (int i = 0; i < 3 && digit_of(r, 8) >= 0; i++)
		character = character << 3 | (uint32_t) digit_of(r, 8), r->p++;
	return put(r, character);
}

static bool
read_named(reader *r)
{
	const char *close =
		r->p < r->end && *r->p == '{' ? memchr(r->p, '}', (size_t) (r->end - r->p)) : NULL;
	char name[128];
	UErrorCode status = U_ZERO_ERROR;
	UChar32 character;
	size_t length;

	if (close == NULL || close == r->p + 1)
		return fail(r, "malformed \\N character escape");
	length = (size_t) (close - r->p - 1);
	if (length >= sizeof(name))
		return fail(r, "unknown Unicode character name");
	memcpy(name, r->p + 1, length);
	name[length] = '\0';
	character = u_charFromName(U_UNICODE_CHAR_NAME, name, &status);
	if (U_FAILURE(status))
		return fail(r, "unknown Unicode character name");
	r->p = close + 1;
	return put(r, (uint32_t) character);
}

/* A backslash before a character that Jinja has written as an escape itself: both stay, as text. */
static bool
read_foreign(reader *r)
{
	int width;
	uint32_t character = utf8_decode(r->p, &width);
	const char *format = character < 0x100	   ? "\\x%02x"
						 : character < 0x10000 ? "\\u%04x"
											   : "\\U%08x";

	r->p += width;
	r->to += sprintf(r->to, format, character);
	return true;
}

static bool
read_escape(reader *r)
{
	static const char names[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
	char c = *r->p;
	const char *found = strchr(names, c);

	if ((unsigned char) c >= 0x80)
		return read_foreign(r);
	if (c >= '0' && c <= '7')
		return read_octal(r);
	r->p++;
	if (c == '\n')
		return true;
	if (found != NULL && c != '\0')
	{
		*r->to++ = values[found - names];
		return true;
	}
	switch (c)
	{
		case 'x':
			return read_hex(r, 2, "truncated \\xXX escape");
		case 'u':
			return read_hex(r, 4, "truncated \\uXXXX escape");
		case 'U':
			return read_hex(r, 8, "truncated \\UXXXXXXXX escape");
		case 'N':
			return read_named(r);
		default:
			*r->to++ = '\\';
			*r->to++ = c;
			return true;
	}
}

const jinja_string *
jinja_unescape(jinja_state *s, int line, const char *text, size_t length)
{
	/* A foreign character after a backslash grows to at most ten bytes, from three. */
	char *copy = jinja_alloc(s, length * 4 + 16);
	reader r = {.s = s, .line = line, .p = text, .end = text + length, .to = copy};
	jinja_value value;

	if (copy == NULL)
		return NULL;
	while (r.p < r.end)
	{
		if (*r.p != '\\')
			*r.to++ = *r.p++;
		else if (r.p++, !read_escape(&r))
			return NULL;
	}
	value = jinja_text_kept(s, copy, (size_t) (r.to - copy));
	return value.type == JINJA_STRING ? value.string : NULL;
}
