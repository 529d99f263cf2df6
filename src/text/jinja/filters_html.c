/*
 * filters_html.c
 *	  Filters for HTML: escape, safe, striptags, xmlattr.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE /* memmem */

#include "text/jinja/filters.h"

#include <string.h>

#include "base/utf8.h"
#include "text/jinja/entities.h"

jinja_value
jinja_filter_escape(jinja_state *s, const jinja_value *a)
{
	return jinja_escape(s, a[0]);
}

jinja_value
jinja_filter_forceescape(jinja_state *s, const jinja_value *a)
{
	return jinja_escape(s, jinja_object(JINJA_STRING, jinja_str(s, a[0])));
}

jinja_value
jinja_filter_safe(jinja_state *s, const jinja_value *a)
{
	return jinja_marked(s, jinja_str(s, a[0]), true);
}

/* ---- xmlattr ---- */

static bool
check_key(jinja_state *s, jinja_value key)
{
	const jinja_string *text;

	if (key.type != JINJA_STRING)
	{
		jinja_raise(s, "expected string or bytes-like object, got '%s'", jinja_type_name(key));
		return false;
	}
	for (size_t i = 0; i < key.string->bytes; i++)
		if (key.string->data[i] != '\0' && strchr(" \t\n\r\f\v/>=", key.string->data[i]) != NULL)
		{
			text = jinja_repr(s, key);
			if (text != NULL)
				jinja_raise(s, "Invalid character in attribute name: %.*s", JINJA_TEXT(text));
			return false;
		}
	return true;
}

jinja_value
jinja_filter_xmlattr(jinja_state *s, const jinja_value *a)
{
	bool space = jinja_flag(s, a[1], true), any = false;
	jinja_output output = {0};
	jinja_value result;

	if (a[0].type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, a[0].undefined);
	if (a[0].type != JINJA_DICT)
		return jinja_raise(s, "'%s' object has no attribute 'items'", jinja_type_name(a[0]));
	for (size_t i = 0; i < a[0].dict->count; i++)
	{
		const jinja_entry *entry = &a[0].dict->entries[i];
		jinja_value key, value;

		if (entry->value.type == JINJA_NONE || entry->value.type == JINJA_UNDEFINED)
			continue;
		if (!check_key(s, entry->key))
			return jinja_none();
		key = jinja_escape(s, entry->key);
		value = jinja_escape(s, entry->value);
		if (tfm_failed(s->context))
			return jinja_none();
		if (any || space)
			jinja_write_text(s, &output, " ");
		jinja_write_string(s, &output, key.string);
		jinja_write_text(s, &output, "=\"");
		jinja_write_string(s, &output, value.string);
		jinja_write_text(s, &output, "\"");
		any = true;
	}
	result = jinja_written(s, &output);
	return result.type == JINJA_STRING ? jinja_marked(s, result.string, s->autoescape) : result;
}

/* ---- striptags ---- */

/* Text without its tags and comments; one that is not closed is text. */
static bool
drop_tags(jinja_state *s, jinja_output *output, const jinja_string *text)
{
	const char *p = text->data, *end = p + text->bytes;

	while (p < end && jinja_step(s, 1))
	{
		const char *start = memchr(p, '<', (size_t) (end - p)), *stop;

		if (start == NULL)
			break;
		if (end - start >= 4 && memcmp(start, "<!--", 4) == 0)
		{
			stop = memmem(start + 4, (size_t) (end - start - 4), "-->", 3);
			stop = stop != NULL ? stop + 3 : NULL;
		}
		else
		{
			stop = memchr(start, '>', (size_t) (end - start));
			stop = stop != NULL ? stop + 1 : NULL;
		}
		if (stop == NULL)
			break;
		jinja_write(s, output, p, (size_t) (start - p));
		p = stop;
	}
	return jinja_write(s, output, p, (size_t) (end - p));
}

/* A numeric reference behind "&#"; its length, 0 if it is none. */
static size_t
number_reference(const char *p, size_t length, uint32_t *character)
{
	/* What browsers make of the C1 characters. */
	static const uint16_t windows[32] = {
		0x20AC, 0x81,	0x201A, 0x192,	0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,	0x2030, 0x160,
		0x2039, 0x152,	0x8D,	0x17D,	0x8F,	0x90,	0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
		0x2013, 0x2014, 0x2DC,	0x2122, 0x161,	0x203A, 0x153,	0x9D,	0x17E,	0x178};
	bool hex = length > 0 && (p[0] | 0x20) == 'x';
	size_t i = hex, digits = 0;
	uint64_t value = 0;

	for (; i < length; i++, digits++)
	{
		char c = p[i];
		int digit = c >= '0' && c <= '9'							? c - '0'
					: hex && (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
																	: -1;

		if (digit < 0)
			break;
		if (value <= 0x10FFFF)
			value = value * (hex ? 16 : 10) + (uint64_t) digit;
	}
	if (digits == 0)
		return 0;
	if (value >= 0x80 && value < 0xA0)
		value = windows[value - 0x80];
	if (value == 0 || (value >= 0xD800 && value <= 0xDFFF) || value > 0x10FFFF)
		value = 0xFFFD;
	*character = (uint32_t) value;
	return i + (i < length && p[i] == ';');
}

/* html.unescape */
static bool
unescape(jinja_state *s, jinja_output *output, const jinja_string *text)
{
	const char *p = text->data, *end = p + text->bytes;

	while (p < end && jinja_step(s, 1))
	{
		const char *start = memchr(p, '&', (size_t) (end - p));
		uint32_t character = 0;
		size_t length;

		if (start == NULL)
			break;
		jinja_write(s, output, p, (size_t) (start - p));
		p = start + 1;
		if (p < end && *p == '#')
		{
			length = number_reference(p + 1, (size_t) (end - p - 1), &character);
			length += length > 0;
		}
		else
			length = jinja_find_entity(p, (size_t) (end - p), &character);
		if (length == 0)
			jinja_write_text(s, output, "&");
		else
			jinja_write_character(s, output, character);
		p += length;
	}
	return jinja_write(s, output, p, (size_t) (end - p));
}

jinja_value
jinja_filter_striptags(jinja_state *s, const jinja_value *a)
{
	const jinja_string *text = jinja_str(s, a[0]);
	jinja_output bare = {0}, spaced = {0}, output = {0};
	jinja_value value;
	jinja_list *words;

	if (text == NULL || !drop_tags(s, &bare, text))
		return jinja_none();
	value = jinja_written(s, &bare);
	words = value.type == JINJA_STRING ? jinja_split(s, value.string, NULL, -1, false) : NULL;
	for (size_t i = 0; words != NULL && i < words->count; i++)
	{
		if (i > 0)
			jinja_write_text(s, &spaced, " ");
		jinja_write_string(s, &spaced, words->items[i].string);
	}
	value = jinja_written(s, &spaced);
	if (value.type != JINJA_STRING || !unescape(s, &output, value.string))
		return jinja_none();
	return jinja_written(s, &output);
}
