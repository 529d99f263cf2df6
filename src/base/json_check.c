/*
 * json_check.c
 *	  Whether a text is JSON, before it is parsed.
 *
 * cJSON is lenient (control characters in strings, "01", what follows the value)
 * and cannot tell bad input from lack of memory.  What passes here it can parse:
 * if it fails then, memory is out.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/json_check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAX_DEPTH 200
#define MAX_NUMBER_LENGTH 60 /* cJSON cuts at 63 */

typedef struct checker
{
	const char *p; /* next byte */
	const char *end;
	const char *wrong; /* NULL so far */
} checker;

static bool
fail(checker *c, const char *what)
{
	c->wrong = what;
	return false;
}

/* The next byte, 0 at the end (NUL is no JSON). */
static char
peek(const checker *c)
{
	return c->p < c->end ? *c->p : '\0';
}

static bool
skip_if(checker *c, char wanted)
{
	if (c->p == c->end || *c->p != wanted)
		return false;
	c->p++;
	return true;
}

static void
skip_space(checker *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r'))
		c->p++;
}

/* ---- Strings ---- */

static int
hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
		return (digit | 0x20) - 'a' + 10;
	return -1;
}

/* The four digits after "\u". */
static bool
check_hex(checker *c, uint32_t *value)
{
	*value = 0;
	for (int i = 0; i < 4; i++)
	{
		int digit = hex_value(peek(c));

		if (digit < 0)
			return fail(c, "a \\u escape without four digits");
		*value = *value << 4 | (uint32_t) digit;
		c->p++;
	}
	return true;
}

/* What follows a "\u". */
static bool
check_unicode_escape(checker *c)
{
	uint32_t first, second;

	if (!check_hex(c, &first))
		return false;
	if (first == 0)
		return fail(c, "a NUL character");
	if (first >= 0xDC00 && first <= 0xDFFF)
		return fail(c, "half of a surrogate pair");
	if (first < 0xD800 || first > 0xDBFF)
		return true;
	if (!skip_if(c, '\\') || !skip_if(c, 'u'))
		return fail(c, "half of a surrogate pair");
	if (!check_hex(c, &second))
		return false;
	return (second >= 0xDC00 && second <= 0xDFFF) || fail(c, "half of a surrogate pair");
}

static bool
check_escape(checker *c)
{
	char escaped = peek(c);

	if (escaped == '\0' || strchr("\"\\/bfnrtu", escaped) == NULL)
		return fail(c, "an unknown escape");
	c->p++;
	return escaped != 'u' || check_unicode_escape(c);
}

static bool
check_string(checker *c)
{
	if (!skip_if(c, '"'))
		return fail(c, "no string where one must be");
	while (c->p < c->end)
	{
		unsigned char byte = (unsigned char) *c->p++;

		if (byte == '"')
			return true;
		if (byte < 0x20)
			return fail(c, byte == 0 ? "a NUL character" : "a control character in a string");
		if (byte == '\\' && !check_escape(c))
			return false;
	}
	return fail(c, "a string without an end");
}

/* ---- Numbers and words ---- */

static bool
skip_digits(checker *c)
{
	const char *start = c->p;

	while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
		c->p++;
	return c->p > start;
}

static bool
check_number(checker *c)
{
	const char *start = c->p;

	skip_if(c, '-');
	if (!skip_if(c, '0') && !skip_digits(c))
		return fail(c, "no value where one must be");
	if (skip_if(c, '.') && !skip_digits(c))
		return fail(c, "a number without digits after its point");
	if (skip_if(c, 'e') || skip_if(c, 'E'))
	{
		if (!skip_if(c, '+'))
			skip_if(c, '-');
		if (!skip_digits(c))
			return fail(c, "a number without digits in its exponent");
	}
	return c->p - start <= MAX_NUMBER_LENGTH || fail(c, "a number with too many digits");
}

static bool
check_word(checker *c, const char *word)
{
	size_t length = strlen(word);

	if ((size_t) (c->end - c->p) < length || memcmp(c->p, word, length) != 0)
		return fail(c, "no value where one must be");
	c->p += length;
	return true;
}

/* ---- Values ---- */

static bool check_value(checker *c, int depth);

static bool
check_member(checker *c, int depth)
{
	skip_space(c);
	if (!check_string(c))
		return false;
	skip_space(c);
	return skip_if(c, ':') ? check_value(c, depth) : fail(c, "no colon after a key");
}

/* The items of an array or object after its opening bracket, up to the closing one. */
static bool
check_items(checker *c, char close, int depth)
{
	if (depth == MAX_DEPTH)
		return fail(c, "too many levels");
	skip_space(c);
	if (skip_if(c, close))
		return true;
	do
	{
		if (close == '}' ? !check_member(c, depth + 1) : !check_value(c, depth + 1))
			return false;
	} while (skip_if(c, ','));
	return skip_if(c, close) || fail(c, "no comma or bracket after an item");
}

/* A value with the space around it. */
static bool
check_value(checker *c, int depth)
{
	bool good;

	skip_space(c);
	switch (peek(c))
	{
		case '{':
			c->p++;
			good = check_items(c, '}', depth);
			break;
		case '[':
			c->p++;
			good = check_items(c, ']', depth);
			break;
		case '"':
			good = check_string(c);
			break;
		case 't':
			good = check_word(c, "true");
			break;
		case 'f':
			good = check_word(c, "false");
			break;
		case 'n':
			good = check_word(c, "null");
			break;
		default:
			good = check_number(c);
	}
	if (good)
		skip_space(c);
	return good;
}

const char *
json_check(const char *text, size_t length, size_t *offset)
{
	checker c = {.p = text, .end = text + length};

	if (check_value(&c, 0) && c.p < c.end)
		fail(&c, "more after the value");
	*offset = (size_t) (c.p - text);
	return c.wrong;
}
