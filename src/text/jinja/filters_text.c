/*
 * filters_text.c
 *	  Filters of text.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/filters.h"

#include <string.h>

#include "base/utf8.h"
#include "text/jinja/characters.h"
#include "text/jinja/format.h"
#include "text/jinja/number.h"

typedef jinja_value text_function(jinja_state *, const jinja_string *);

static jinja_value
apply(jinja_state *s, jinja_value value, text_function *function)
{
	const jinja_string *text = jinja_soft_str(s, value);

	return text != NULL ? function(s, text) : jinja_none();
}

jinja_value
jinja_filter_capitalize(jinja_state *s, const jinja_value *a)
{
	return apply(s, a[0], jinja_capitalize);
}

jinja_value
jinja_filter_lower(jinja_state *s, const jinja_value *a)
{
	return apply(s, a[0], jinja_lower);
}

jinja_value
jinja_filter_upper(jinja_state *s, const jinja_value *a)
{
	return apply(s, a[0], jinja_upper);
}

jinja_value
jinja_filter_string(jinja_state *s, const jinja_value *a)
{
	return jinja_object(JINJA_STRING, jinja_soft_str(s, a[0]));
}

jinja_value
jinja_filter_center(jinja_state *s, const jinja_value *a)
{
	const jinja_string *text = jinja_soft_str(s, a[0]);
	int64_t width = 80;

	if (text == NULL || (a[1].type != JINJA_MISSING && !jinja_get_index(s, a[1], &width)))
		return jinja_none();
	return jinja_pad(s, text, width, ' ', '^');
}

jinja_value
jinja_filter_trim(jinja_state *s, const jinja_value *a)
{
	const jinja_string *text = jinja_soft_str(s, a[0]);

	if (text == NULL)
		return jinja_none();
	if (a[1].type == JINJA_MISSING || a[1].type == JINJA_NONE)
		return jinja_strip(s, text, NULL, JINJA_LEFT | JINJA_RIGHT);
	if (a[1].type != JINJA_STRING)
		return jinja_raise(s, "strip arg must be None or str");
	return jinja_strip(s, text, a[1].string, JINJA_LEFT | JINJA_RIGHT);
}

jinja_value
jinja_filter_replace(jinja_state *s, const jinja_value *a)
{
	const jinja_string *text = jinja_str(s, a[0]), *old, *new;
	int64_t count = -1;

	if (a[3].type != JINJA_MISSING && a[3].type != JINJA_NONE && !jinja_get_index(s, a[3], &count))
		return jinja_none();
	if (s->autoescape && a[0].type == JINJA_STRING && a[0].string->markup)
	{
		jinja_value safe = jinja_escape(s, a[2]);

		old = jinja_str(s, a[1]);
		if (old == NULL || safe.type != JINJA_STRING)
			return jinja_none();
		return jinja_replace(s, a[0].string, old, safe.string, count);
	}
	old = jinja_str(s, a[1]);
	new = jinja_str(s, a[2]);
	if (text == NULL || old == NULL || new == NULL)
		return jinja_none();
	return jinja_replace(s, text, old, new, count);
}

/* What separates words for the filter title: [-\s({\[<] */
static bool
separates(uint32_t c)
{
	return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || jinja_is_space(c);
}

jinja_value
jinja_filter_title(jinja_state *s, const jinja_value *a)
{
	const jinja_string *text = jinja_soft_str(s, a[0]);
	jinja_output output = {0};

	for (size_t i = 0; text != NULL && i < text->bytes;)
	{
		size_t start = i, first = 0;
		jinja_value part;
		int width;
		bool separator = separates(utf8_decode(text->data + i, &width));

		first = i + (size_t) width;
		for (; i < text->bytes; i += (size_t) width)
			if (separates(utf8_decode(text->data + i, &width)) != separator)
				break;
		part = jinja_text_kept(s, text->data + start, first - start);
		if (part.type == JINJA_STRING)
			part = jinja_upper(s, part.string);
		if (part.type != JINJA_STRING || !jinja_write_string(s, &output, part.string))
			return jinja_none();
		part = jinja_text_kept(s, text->data + first, i - first);
		if (part.type == JINJA_STRING)
			part = jinja_lower(s, part.string);
		if (part.type != JINJA_STRING || !jinja_write_string(s, &output, part.string))
			return jinja_none();
	}
	return jinja_written(s, &output);
}

jinja_value
jinja_filter_wordcount(jinja_state *s, const jinja_value *a)
{
	const jinja_string *text = jinja_soft_str(s, a[0]);
	int64_t count = 0;
	bool inside = false;

	for (size_t i = 0; text != NULL && i < text->bytes;)
	{
		int width;
		uint32_t c = utf8_decode(text->data + i, &width);
		bool word = c == '_' || jinja_is_alnum(c);

		count += word && !inside;
		inside = word;
		i += (size_t) width;
	}
	return jinja_int(count);
}

static jinja_value
indent_width(jinja_state *s, jinja_value width)
{
	jinja_value nothing = jinja_text_kept(s, " ", 1);

	if (width.type == JINJA_STRING || tfm_failed(s->context))
		return width;
	return jinja_binary(s, '*', nothing, width.type == JINJA_MISSING ? jinja_int(4) : width);
}

jinja_value
jinja_filter_indent(jinja_state *s, const jinja_value *a)
{
	static const jinja_string newline = {.data = "\n", .bytes = 1, .count = 1};
	jinja_value indent = indent_width(s, a[1]), text;
	bool first = jinja_flag(s, a[2], false), blank = jinja_flag(s, a[3], false);
	jinja_output output = {0};
	jinja_list *lines;

	if (tfm_failed(s->context))
		return jinja_none();
	if (a[0].type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, a[0].undefined);
	if (a[0].type == JINJA_LIST)
		return jinja_raise(s, "'list' object has no attribute 'splitlines'");
	if (a[0].type != JINJA_STRING)
		return jinja_raise(s, "unsupported operand type(s) for +=: '%s' and 'str'",
						   jinja_type_name(a[0]));
	text = jinja_concat(s, a[0].string, &newline);
	if (text.type != JINJA_STRING)
		return jinja_none();
	lines = jinja_split_lines(s, text.string, false);
	if (lines == NULL)
		return jinja_none();
	for (size_t i = 0; i < lines->count; i++)
	{
		const jinja_string *line = lines->items[i].string;

		if (i > 0)
			jinja_write_text(s, &output, "\n");
		if (i == 0 ? first : blank || line->bytes > 0)
			jinja_write_string(s, &output, indent.string);
		if (!jinja_write_string(s, &output, line))
			return jinja_none();
	}
	text = jinja_written(s, &output);
	return text.type == JINJA_STRING && a[0].string->markup ? jinja_marked(s, text.string, true)
															: text;
}

jinja_value
jinja_filter_truncate(jinja_state *s, const jinja_value *a)
{
	static const jinja_string dots = {.data = "...", .bytes = 3, .count = 3},
							  space = {.data = " ", .bytes = 1, .count = 1};
	bool killwords = jinja_flag(s, a[2], false);
	const jinja_string *end = a[3].type == JINJA_MISSING ? &dots : jinja_soft_str(s, a[3]);
	int64_t length = 255, leeway = 5, count;
	jinja_value cut;

	if ((a[1].type != JINJA_MISSING && !jinja_get_index(s, a[1], &length)) ||
		(a[4].type != JINJA_MISSING && a[4].type != JINJA_NONE &&
		 !jinja_get_index(s, a[4], &leeway)) ||
		end == NULL || !jinja_length(s, a[0], &count))
		return jinja_none();
	if (length < (int64_t) end->count)
		return jinja_raise(s, "expected length >= %zu, got %lld", end->count, (long long) length);
	if (leeway < 0)
		return jinja_raise(s, "expected leeway >= 0, got %lld", (long long) leeway);
	if (count <= length + leeway)
		return a[0];
	if (a[0].type != JINJA_STRING)
		return jinja_raise(s, "'%s' object has no attribute 'rsplit'", jinja_type_name(a[0]));
	cut = jinja_substring(s, a[0].string, 0, (size_t) length - end->count);
	if (!killwords && cut.type == JINJA_STRING)
	{
		jinja_list *parts = jinja_split(s, cut.string, &space, 1, true);

		cut = parts != NULL ? parts->items[0] : jinja_none();
	}
	return tfm_failed(s->context) ? cut
								  : jinja_binary(s, '+', cut, jinja_object(JINJA_STRING, end));
}

/* ---- URLs ---- */

static bool
write_quoted(jinja_state *s, jinja_output *output, jinja_value value, bool query)
{
	const jinja_string *text = jinja_str(s, value);

	for (size_t i = 0; text != NULL && i < text->bytes; i++)
	{
		unsigned char c = (unsigned char) text->data[i];

		if ((c < 0x80 && jinja_is_alnum(c)) || (c != 0 && strchr("_.-~", c) != NULL) ||
			(c == '/' && !query))
			jinja_write(s, output, text->data + i, 1);
		else if (c == ' ' && query)
			jinja_write_text(s, output, "+");
		else
			jinja_write_format(s, output, "%%%02X", c);
	}
	return !tfm_failed(s->context);
}

jinja_value
jinja_filter_urlencode(jinja_state *s, const jinja_value *a)
{
	jinja_output output = {0};
	jinja_view view = {.kind = JINJA_ITEMS};
	jinja_value pairs = a[0], pair;
	jinja_iterator *iterator;

	if (a[0].type == JINJA_STRING || !jinja_is_iterable(a[0]))
	{
		write_quoted(s, &output, a[0], false);
		return jinja_written(s, &output);
	}
	if (a[0].type == JINJA_DICT)
	{
		view.dict = a[0].dict;
		pairs = jinja_object(JINJA_VIEW, &view);
	}
	iterator = jinja_iterate(s, pairs);
	for (size_t i = 0; iterator != NULL && jinja_next(s, iterator, &pair); i++)
	{
		jinja_list *both = jinja_to_list(s, pair);

		if (both == NULL)
			return jinja_none();
		if (both->count != 2)
			return both->count > 2
					   ? jinja_raise(s, "too many values to unpack (expected 2)")
					   : jinja_raise(s, "not enough values to unpack (expected 2, got %zu)",
									 both->count);
		if (i > 0)
			jinja_write_text(s, &output, "&");
		write_quoted(s, &output, both->items[0], true);
		jinja_write_text(s, &output, "=");
		write_quoted(s, &output, both->items[1], true);
	}
	return jinja_written(s, &output);
}

/* ---- format ---- */

jinja_value
jinja_filter_format(jinja_state *s, jinja_value self, const jinja_call *call)
{
	const jinja_string *text;
	jinja_list *rest;
	bool named = call->named != NULL && call->named->count > 0;

	(void) self;
	if (call->positional.count == 0)
		return jinja_raise(s, "do_format() missing 1 required positional argument: 'value'");
	if (call->positional.count > 1 && named)
		return jinja_raise(s, "can't handle positional and keyword arguments at the same time");
	text = jinja_soft_str(s, call->positional.items[0]);
	rest = jinja_list_create(s, call->positional.count);
	for (size_t i = 1; i < call->positional.count; i++)
		jinja_append(s, rest, call->positional.items[i]);
	if (text == NULL || tfm_failed(s->context))
		return jinja_none();
	return jinja_format_percent(
		s, text, named ? jinja_object(JINJA_DICT, call->named) : jinja_object(JINJA_TUPLE, rest));
}
