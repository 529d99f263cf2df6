/*
 * format_string.c
 *	  "...{}...".format(values), with fields as the sandbox lets them be seen.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "text/jinja/format.h"
#include "text/jinja/number.h"
#include "text/jinja/program.h"

#define MAX_NESTING 2

typedef struct formatter
{
	jinja_state *s;
	const jinja_call *call;
	int64_t next; /* number of the next field without a name; -1: fields are numbered by hand */
	bool numbered;
	bool escape;
} formatter;

static bool format_all(formatter *f, const char *p, const char *end, int nesting,
					   jinja_output *output);

static bool
fail(formatter *f, const char *message)
{
	jinja_raise(f->s, "%s", message);
	return false;
}

static bool
find_numbered(formatter *f, int64_t number, jinja_value *value)
{
	if (number >= (int64_t) f->call->positional.count)
		return fail(f, "tuple index out of range");
	*value = f->call->positional.items[number];
	return true;
}

/* The value that a field's name begins with: a number, nothing, or a name. */
static bool
find_first(formatter *f, const char *name, size_t length, jinja_value *value)
{
	jinja_string key = {.data = name, .bytes = length};
	const jinja_entry *entry;
	int64_t number = 0;
	size_t digits = 0;

	for (; digits < length && name[digits] >= '0' && name[digits] <= '9'; digits++)
	{
		if (number > INT64_MAX / 10 - 1)
			return fail(f, "Too many decimal digits in format string");
		number = number * 10 + (name[digits] - '0');
	}
	if (length == 0)
	{
		if (f->numbered)
			return fail(f, "cannot switch from manual field specification to automatic field"
						   " numbering");
		return find_numbered(f, f->next++, value);
	}
	if (digits == length)
	{
		if (f->next > 0)
			return fail(f, "cannot switch from automatic field numbering to manual field"
						   " specification");
		f->numbered = true;
		return find_numbered(f, number, value);
	}
	entry = f->call->named != NULL ? jinja_find_string(f->call->named, &key) : NULL;
	if (entry == NULL)
	{
		jinja_raise(f->s, "'%.*s'", (int) length, name);
		return false;
	}
	*value = entry->value;
	return true;
}

/* ".name" and "[index]" behind it. */
static bool
follow(formatter *f, const char *p, const char *end, jinja_value *value)
{
	while (p < end)
	{
		bool attribute = *p == '.';
		const char *start = ++p, *stop;
		jinja_value name;

		if (attribute)
			while (p < end && *p != '.' && *p != '[')
				p++;
		else
			p = memchr(p, ']', (size_t) (end - p));
		if (p == NULL)
			return fail(f, "Missing ']' in format string");
		stop = p;
		if (start == stop)
			return fail(f, "Empty attribute in format string");
		p += !attribute;
		if (!attribute && p < end && *p != '.' && *p != '[')
			return fail(f, "Only '.' or '[' may follow ']' in format field specifier");
		name = jinja_text_kept(f->s, start, (size_t) (stop - start));
		if (tfm_failed(f->s->context))
			return false;
		if (attribute)
			*value = jinja_getattr(f->s, *value, name.string);
		else if (strspn(start, "0123456789") >= (size_t) (stop - start))
			*value = jinja_getitem(
				f->s, *value, jinja_integer_parse(f->s, start, (size_t) (stop - start), 10, false));
		else
			*value = jinja_getitem(f->s, *value, name);
		if (tfm_failed(f->s->context))
			return false;
	}
	return true;
}

/* "!r", "!s", "!a" */
static bool
convert(formatter *f, char conversion, jinja_value *value)
{
	static const jinja_string ascii = {.data = "%a", .bytes = 2, .count = 2};
	jinja_value one;

	switch (conversion)
	{
		case 's':
			*value = jinja_object(JINJA_STRING, jinja_str(f->s, *value));
			break;
		case 'r':
			*value = jinja_object(JINJA_STRING, jinja_repr(f->s, *value));
			break;
		case 'a':
			one = jinja_pair(f->s, *value, jinja_none());
			if (one.type == JINJA_TUPLE)
				one.list->count = 1;
			*value = jinja_format_percent(f->s, &ascii, one);
			break;
		default:
			jinja_raise(f->s, "Unknown conversion specifier %c", conversion);
	}
	return !tfm_failed(f->s->context);
}

/* One field, between its braces. */
static bool
format_field(formatter *f, const char *p, const char *end, int nesting, jinja_output *output)
{
	const char *name = p, *name_end, *first_end;
	jinja_value value, spec;
	jinja_output written = {0};
	char conversion = '\0';

	while (p < end && *p != '!' && *p != ':')
		p += *p == '[' && memchr(p, ']', (size_t) (end - p)) != NULL
				 ? (const char *) memchr(p, ']', (size_t) (end - p)) - p
				 : 1;
	name_end = p;
	for (first_end = name; first_end < name_end && *first_end != '.' && *first_end != '[';)
		first_end++;
	if (p < end && *p == '!')
	{
		if (p + 1 == end)
			return fail(f, "end of string while looking for conversion specifier");
		conversion = p[1];
		p += 2;
		if (p < end && *p != ':')
			return fail(f, "expected ':' after conversion specifier");
	}
	if (!find_first(f, name, (size_t) (first_end - name), &value) ||
		!follow(f, first_end, name_end, &value) ||
		(conversion != '\0' && !convert(f, conversion, &value)))
		return false;
	if (p < end && !format_all(f, p + 1, end, nesting + 1, &written))
		return false;
	spec = jinja_written(f->s, &written);
	if (spec.type != JINJA_STRING)
		return false;
	if (!f->escape)
		return jinja_format_value(f->s, output, value, spec.string);
	written = (jinja_output) {0};
	if (!jinja_format_value(f->s, &written, value, spec.string))
		return false;
	if (value.type != JINJA_STRING || !value.string->markup)
		value = jinja_escape(f->s, jinja_written(f->s, &written));
	return value.type == JINJA_STRING && jinja_write_string(f->s, output, value.string);
}

/* The brace that closes a field, whose opening one is behind. */
static const char *
find_close(const char *p, const char *end)
{
	int depth = 1;
	bool index = false;

	for (; p < end; p++)
	{
		index = *p == '[' ? true : *p == ']' ? false : index;
		if (*p == '{' && !index)
			depth++;
		else if (*p == '}' && !index && --depth == 0)
			return p;
	}
	return NULL;
}

static bool
format_all(formatter *f, const char *p, const char *end, int nesting, jinja_output *output)
{
	if (nesting > MAX_NESTING)
		return fail(f, "Max string recursion exceeded");
	while (p < end)
	{
		const char *plain = p, *close;

		while (p < end && *p != '{' && *p != '}')
			p++;
		if (!jinja_write(f->s, output, plain, (size_t) (p - plain)))
			return false;
		if (p == end)
			break;
		if (p + 1 < end && p[1] == *p)
		{
			if (!jinja_write(f->s, output, p, 1))
				return false;
			p += 2;
			continue;
		}
		if (*p == '}')
			return fail(f, "Single '}' encountered in format string");
		close = find_close(++p, end);
		if (close == NULL)
			return fail(f, p == end ? "Single '{' encountered in format string"
									: "expected '}' before end of string");
		if (!format_field(f, p, close, nesting, output))
			return false;
		p = close + 1;
	}
	return !tfm_failed(f->s->context);
}

jinja_value
jinja_format_string(jinja_state *s, const jinja_string *string, const jinja_call *call)
{
	formatter f = {.s = s, .call = call, .escape = string->markup};
	jinja_output output = {0};
	jinja_value result;

	if (!format_all(&f, string->data, string->data + string->bytes, 1, &output))
		return jinja_none();
	result = jinja_written(s, &output);
	return result.type == JINJA_STRING ? jinja_marked(s, result.string, string->markup) : result;
}
