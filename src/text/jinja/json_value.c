/*
 * json_value.c
 *	  Reading JSON.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/json_value.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja/number.h"

#define MAX_DIGITS 4300 /* Python's limit */

typedef struct reader
{
	jinja_state *s;
	const char *start, *p, *end;
	const char *what;
} reader;

static jinja_value read_value(reader *r);

static jinja_value
fail(reader *r, const char *message)
{
	tfm_fail(r->s->context, TFM_INVALID_ARGUMENT, "%s is not JSON: %s at byte %zu", r->what,
			 message, (size_t) (r->p - r->start));
	r->p = r->end;
	return jinja_none();
}

static void
skip_space(reader *r)
{
	while (r->p < r->end && strchr(" \t\n\r", *r->p) != NULL && *r->p != '\0')
		r->p++;
}

static bool
skip_if(reader *r, char c)
{
	skip_space(r);
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* ---- Strings ---- */

static bool
read_hex(reader *r, uint32_t *value)
{
	*value = 0;
	for (int i = 0; i < 4; i++, r->p++)
	{
		char c = r->p < r->end ? *r->p : '\0';
		int digit = c >= '0' && c <= '9'					 ? c - '0'
					: (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
															 : -1;

		if (digit < 0)
		{
			fail(r, "a \\u escape without four digits");
			return false;
		}
		*value = *value << 4 | (uint32_t) digit;
	}
	return true;
}

static bool
read_unicode(reader *r, char **to)
{
	uint32_t c, low;

	if (!read_hex(r, &c))
		return false;
	if (c >= 0xD800 && c <= 0xDBFF && r->end - r->p >= 2 && r->p[0] == '\\' && r->p[1] == 'u')
	{
		r->p += 2;
		if (!read_hex(r, &low))
			return false;
		if (low >= 0xDC00 && low <= 0xDFFF)
			c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
	}
	if (c >= 0xD800 && c <= 0xDFFF)
	{
		fail(r, "half of a surrogate pair");
		return false;
	}
	*to += utf8_encode(c, *to);
	return true;
}

static bool
read_escape(reader *r, char **to)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *found;

	r->p++;
	found = r->p < r->end && *r->p != '\0' ? strchr(names, *r->p) : NULL;
	if (found != NULL)
	{
		*(*to)++ = values[found - names];
		r->p++;
		return true;
	}
	if (r->p < r->end && *r->p == 'u')
	{
		r->p++;
		return read_unicode(r, to);
	}
	fail(r, "an unknown escape");
	return false;
}

/* The string whose quote has been skipped. */
static jinja_value
read_string(reader *r)
{
	const char *close = r->p;
	char *copy, *to;

	while (close < r->end && *close != '"')
		close += *close == '\\' && close + 1 < r->end ? 2 : 1;
	if (close >= r->end)
		return fail(r, "a string without an end");
	copy = to = jinja_alloc(r->s, (size_t) (close - r->p));
	if (copy == NULL)
		return jinja_none();
	while (r->p < close)
	{
		if ((unsigned char) *r->p < 0x20)
			return fail(r, "a control character in a string");
		if (*r->p != '\\')
			*to++ = *r->p++;
		else if (!read_escape(r, &to))
			return jinja_none();
	}
	r->p = close + 1;
	return jinja_text_kept(r->s, copy, (size_t) (to - copy));
}

/* ---- Numbers and words ---- */

static size_t
count_digits(const reader *r, const char *p)
{
	const char *start = p;

	while (p < r->end && *p >= '0' && *p <= '9')
		p++;
	return (size_t) (p - start);
}

static jinja_value
read_number(reader *r)
{
	const char *start = r->p, *p = start + (*start == '-'), *digits = p;
	size_t whole = p < r->end && *p == '0' ? 1 : count_digits(r, p);
	bool is_float = false;

	if (whole == 0)
		return fail(r, "no value where one must be");
	p += whole;
	if (p + 1 < r->end && *p == '.' && count_digits(r, p + 1) > 0)
	{
		p += 1 + count_digits(r, p + 1);
		is_float = true;
	}
	if (p < r->end && (*p | 0x20) == 'e')
	{
		const char *exponent = p + 1;

		if (exponent < r->end && (*exponent == '+' || *exponent == '-'))
			exponent++;
		if (exponent < r->end && count_digits(r, exponent) > 0)
		{
			p = exponent + count_digits(r, exponent);
			is_float = true;
		}
	}
	if (!is_float && whole > MAX_DIGITS)
		return fail(r, "an integer with too many digits");
	r->p = p;
	if (is_float)
		return jinja_float(jinja_read_float(start, (size_t) (p - start)));
	return jinja_integer_parse(r->s, digits, whole, 10, *start == '-');
}

static bool
skip_word(reader *r, const char *word)
{
	size_t length = strlen(word);

	if ((size_t) (r->end - r->p) < length || memcmp(r->p, word, length) != 0)
		return false;
	r->p += length;
	return true;
}

static jinja_value
read_word(reader *r)
{
	if (skip_word(r, "true"))
		return jinja_bool(true);
	if (skip_word(r, "false"))
		return jinja_bool(false);
	if (skip_word(r, "null"))
		return jinja_none();
	if (skip_word(r, "NaN"))
		return jinja_float(NAN);
	if (skip_word(r, "Infinity"))
		return jinja_float(INFINITY);
	if (skip_word(r, "-Infinity"))
		return jinja_float(-INFINITY);
	if (r->p < r->end && (*r->p == '-' || (*r->p >= '0' && *r->p <= '9')))
		return read_number(r);
	return fail(r, "no value where one must be");
}

/* ---- Arrays and objects ---- */

static jinja_value
read_array(reader *r)
{
	jinja_list *list = jinja_list_create(r->s, 0);

	if (skip_if(r, ']'))
		return jinja_object(JINJA_LIST, list);
	do
	{
		if (!jinja_append(r->s, list, read_value(r)))
			return jinja_none();
	} while (skip_if(r, ','));
	if (!skip_if(r, ']'))
		return fail(r, "no comma or bracket where one must be");
	return jinja_object(JINJA_LIST, list);
}

static jinja_value
read_object(reader *r)
{
	jinja_dict *dict = jinja_dict_create(r->s);

	if (skip_if(r, '}'))
		return jinja_object(JINJA_DICT, dict);
	do
	{
		jinja_value key;

		if (!skip_if(r, '"'))
			return fail(r, "no string where a key must be");
		key = read_string(r);
		if (tfm_failed(r->s->context))
			return jinja_none();
		if (!skip_if(r, ':'))
			return fail(r, "no colon after a key");
		if (!jinja_put(r->s, dict, key, read_value(r)))
			return jinja_none();
	} while (skip_if(r, ','));
	if (!skip_if(r, '}'))
		return fail(r, "no comma or brace where one must be");
	return jinja_object(JINJA_DICT, dict);
}

static jinja_value
read_value(reader *r)
{
	jinja_value value = jinja_none();

	if (!jinja_enter(r->s))
		r->p = r->end;
	else if (skip_if(r, '{'))
		value = read_object(r);
	else if (skip_if(r, '['))
		value = read_array(r);
	else if (skip_if(r, '"'))
		value = read_string(r);
	else
		value = read_word(r);
	jinja_leave(r->s);
	return value;
}

jinja_value
jinja_json_read(jinja_state *s, tfm_text text, const char *what)
{
	reader r = {
		.s = s, .start = text.data, .p = text.data, .end = text.data + text.length, .what = what};
	jinja_value value;

	if (!utf8_valid(text.data, text.length))
		return fail(&r, "no valid UTF-8");
	value = read_value(&r);
	skip_space(&r);
	if (!tfm_failed(s->context) && r.p < r.end)
		return fail(&r, "more after the value");
	return tfm_failed(s->context) ? jinja_none() : value;
}
