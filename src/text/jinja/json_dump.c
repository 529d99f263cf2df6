/*
 * json_dump.c
 *	  Writing JSON as Python's json.dumps does.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja/json_value.h"
#include "text/jinja/number.h"

typedef struct writer
{
	jinja_state *s;
	jinja_output *output;
	const jinja_json_style *style;
	int level;
} writer;

static bool write_value(writer *w, jinja_value value);

static bool
put(writer *w, const char *text)
{
	return jinja_write_text(w->s, w->output, text);
}

/* ---- Strings ---- */

static bool
put_character(writer *w, uint32_t c)
{
	static const char names[] = "\"\\\n\r\t\f\b", letters[] = "\"\\nrtfb";
	const char *found = c < 0x80 && c != 0 ? strchr(names, (int) c) : NULL;

	if (found != NULL)
		return jinja_write_format(w->s, w->output, "\\%c", letters[found - names]);
	if (c < 0x20 || (w->style->ensure_ascii && c >= 0x80 && c < 0x10000))
		return jinja_write_format(w->s, w->output, "\\u%04x", c);
	if (w->style->ensure_ascii && c >= 0x10000)
		return jinja_write_format(w->s, w->output, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10),
								  0xDC00 + ((c - 0x10000) & 0x3FF));
	return jinja_write_character(w->s, w->output, c);
}

static bool
write_string(writer *w, const jinja_string *string)
{
	put(w, "\"");
	for (size_t i = 0; i < string->bytes;)
	{
		size_t plain = i;
		int width;
		uint32_t c;

		while (plain < string->bytes && (unsigned char) string->data[plain] >= 0x20 &&
			   string->data[plain] != '"' && string->data[plain] != '\\' &&
			   (!w->style->ensure_ascii || (unsigned char) string->data[plain] < 0x80))
			plain++;
		if (plain > i && !jinja_write(w->s, w->output, string->data + i, plain - i))
			return false;
		i = plain;
		if (i == string->bytes)
			break;
		c = utf8_decode(string->data + i, &width);
		i += (size_t) width;
		if (!put_character(w, c))
			return false;
	}
	return put(w, "\"");
}

/* ---- Numbers ---- */

static bool
write_float(writer *w, double number)
{
	char text[40];

	if (isnan(number))
		return put(w, "NaN");
	if (isinf(number))
		return put(w, number > 0 ? "Infinity" : "-Infinity");
	jinja_float_text(number, text);
	return put(w, text);
}

static bool
write_plain(writer *w, jinja_value value)
{
	switch (value.type)
	{
		case JINJA_NONE:
			return put(w, "null");
		case JINJA_BOOL:
			return put(w, value.boolean ? "true" : "false");
		case JINJA_INT:
		case JINJA_BIG:
			return jinja_write_integer(w->s, w->output, value, 10);
		default:
			return write_float(w, value.number);
	}
}

/* ---- Lists and dicts ---- */

static bool
write_break(writer *w)
{
	if (w->style->indent == NULL)
		return true;
	put(w, "\n");
	for (int i = 0; i < w->level; i++)
		if (!jinja_write_string(w->s, w->output, w->style->indent))
			return false;
	return !tfm_failed(w->s->context);
}

static bool
write_list(writer *w, const jinja_list *list)
{
	if (list->count == 0)
		return put(w, "[]");
	put(w, "[");
	w->level++;
	for (size_t i = 0; i < list->count; i++)
	{
		if (i > 0)
			jinja_write_string(w->s, w->output, w->style->item_separator);
		if (!write_break(w) || !write_value(w, list->items[i]))
			return false;
	}
	w->level--;
	return write_break(w) && put(w, "]");
}

static bool
write_key(writer *w, jinja_value key)
{
	if (key.type == JINJA_STRING)
		return write_string(w, key.string);
	if (key.type != JINJA_NONE && !jinja_is_number(key))
	{
		jinja_raise(w->s, "keys must be str, int, float, bool or None, not %s",
					jinja_type_name(key));
		return false;
	}
	return put(w, "\"") && write_plain(w, key) && put(w, "\"");
}

/* The entries in order of their keys. */
static jinja_list *
sort_entries(writer *w, const jinja_dict *dict)
{
	jinja_list *pairs = jinja_list_create(w->s, dict->count);
	jinja_list *keys = jinja_list_create(w->s, dict->count);

	for (size_t i = 0; i < dict->count; i++)
		if (!jinja_append(w->s, keys, dict->entries[i].key) ||
			!jinja_append(w->s, pairs,
						  jinja_pair(w->s, dict->entries[i].key, dict->entries[i].value)))
			return NULL;
	return jinja_sort(w->s, pairs, keys, false) && !tfm_failed(w->s->context) ? pairs : NULL;
}

static bool
write_dict(writer *w, const jinja_dict *dict)
{
	jinja_list *sorted = NULL;

	if (dict->count == 0)
		return put(w, "{}");
	if (w->style->sort_keys && (sorted = sort_entries(w, dict)) == NULL)
		return false;
	put(w, "{");
	w->level++;
	for (size_t i = 0; i < dict->count; i++)
	{
		jinja_value key = sorted != NULL ? sorted->items[i].list->items[0] : dict->entries[i].key;
		jinja_value value =
			sorted != NULL ? sorted->items[i].list->items[1] : dict->entries[i].value;

		if (i > 0)
			jinja_write_string(w->s, w->output, w->style->item_separator);
		if (!write_break(w) || !write_key(w, key) ||
			!jinja_write_string(w->s, w->output, w->style->key_separator) || !write_value(w, value))
			return false;
	}
	w->level--;
	return write_break(w) && put(w, "}");
}

static bool
write_by_type(writer *w, jinja_value value)
{
	switch (value.type)
	{
		case JINJA_NONE:
		case JINJA_BOOL:
		case JINJA_INT:
		case JINJA_BIG:
		case JINJA_FLOAT:
			return write_plain(w, value);
		case JINJA_STRING:
			return write_string(w, value.string);
		case JINJA_LIST:
		case JINJA_TUPLE:
			return write_list(w, value.list);
		case JINJA_DICT:
			return write_dict(w, value.dict);
		default:
			jinja_raise(w->s, "Object of type %s is not JSON serializable", jinja_type_name(value));
			return false;
	}
}

static bool
write_value(writer *w, jinja_value value)
{
	bool good = jinja_enter(w->s) && write_by_type(w, value);

	jinja_leave(w->s);
	return good && !tfm_failed(w->s->context);
}

bool
jinja_json_write(jinja_state *s, jinja_output *output, jinja_value value,
				 const jinja_json_style *style)
{
	static const jinja_string comma = {.data = ",", .bytes = 1, .count = 1},
							  comma_space = {.data = ", ", .bytes = 2, .count = 2},
							  colon = {.data = ": ", .bytes = 2, .count = 2};
	jinja_json_style complete = *style;
	writer w = {.s = s, .output = output, .style = &complete};

	if (complete.item_separator == NULL)
		complete.item_separator = style->indent != NULL ? &comma : &comma_space;
	if (complete.key_separator == NULL)
		complete.key_separator = &colon;
	return write_value(&w, value);
}
