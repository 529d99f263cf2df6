/*
 * filters_sequence.c
 *	  Filters of sequences that need no order.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/filters.h"

#include <string.h>

#include "base/utf8.h"
#include "text/jinja/characters.h"
#include "text/jinja/number.h"

/* ---- Attributes ---- */

/* A part of a dotted attribute: a number if all of it are digits. */
static jinja_value
attribute_part(jinja_state *s, const jinja_string *text, size_t from, size_t to)
{
	bool digits = to > from;
	jinja_string part = {.data = text->data + from, .bytes = to - from};
	jinja_value number;

	for (size_t i = from; i < to && digits;)
	{
		int width;

		digits = jinja_is_digit(utf8_decode(text->data + i, &width));
		i += (size_t) width;
	}
	part.count = utf8_count(part.data, part.bytes);
	if (digits && jinja_parse_int(s, &part, 10, &number))
		return number;
	return jinja_text_kept(s, text->data + from, to - from);
}

static jinja_value
get_part(jinja_state *s, jinja_value item, jinja_value part, jinja_value fallback)
{
	item = tfm_failed(s->context) ? jinja_none() : jinja_getitem(s, item, part);
	if (item.type == JINJA_UNDEFINED && fallback.type != JINJA_MISSING &&
		fallback.type != JINJA_NONE)
		return fallback;
	return item;
}

jinja_value
jinja_get_attribute(jinja_state *s, jinja_value item, jinja_value attribute, jinja_value fallback)
{
	size_t from = 0;

	if (attribute.type == JINJA_MISSING || attribute.type == JINJA_NONE)
		return item;
	if (attribute.type != JINJA_STRING)
		return get_part(s, item, attribute, fallback);
	for (;;)
	{
		const char *dot =
			memchr(attribute.string->data + from, '.', attribute.string->bytes - from);
		size_t to = dot != NULL ? (size_t) (dot - attribute.string->data) : attribute.string->bytes;

		item = get_part(s, item, attribute_part(s, attribute.string, from, to), fallback);
		if (dot == NULL || tfm_failed(s->context))
			return item;
		from = to + 1;
	}
}

jinja_value
jinja_ignore_case(jinja_state *s, jinja_value value)
{
	return value.type == JINJA_STRING ? jinja_lower(s, value.string) : value;
}

/* ---- Filters ---- */

jinja_value
jinja_filter_first(jinja_state *s, const jinja_value *a)
{
	jinja_iterator *iterator = jinja_iterate(s, a[0]);
	jinja_value item;

	if (iterator != NULL && jinja_next(s, iterator, &item))
		return item;
	return tfm_failed(s->context) ? jinja_none()
								  : jinja_undefined_hint(s, "No first item, sequence was empty.");
}

jinja_value
jinja_filter_last(jinja_state *s, const jinja_value *a)
{
	int64_t length = 0;
	jinja_list *list;

	if (a[0].type == JINJA_ITERATOR || !jinja_has_length(a[0]) || a[0].type == JINJA_LOOP)
		return jinja_raise(s, "'%s' object is not reversible", jinja_type_name(a[0]));
	jinja_length(s, a[0], &length);
	if (length == 0)
		return jinja_undefined_hint(s, "No last item, sequence was empty.");
	if (a[0].type != JINJA_DICT && a[0].type != JINJA_VIEW)
		return jinja_item(s, a[0], (size_t) length - 1);
	list = jinja_to_list(s, a[0]);
	return list != NULL ? list->items[list->count - 1] : jinja_none();
}

jinja_value
jinja_filter_length(jinja_state *s, const jinja_value *a)
{
	int64_t length;

	return jinja_length(s, a[0], &length) ? jinja_int(length) : jinja_none();
}

jinja_value
jinja_filter_list(jinja_state *s, const jinja_value *a)
{
	return jinja_object(JINJA_LIST, jinja_to_list(s, a[0]));
}

jinja_value
jinja_filter_reverse(jinja_state *s, const jinja_value *a)
{
	jinja_value reversed;
	jinja_list *list;

	if (a[0].type == JINJA_STRING)
		return jinja_slice(s, a[0], jinja_none(), jinja_none(), jinja_int(-1));
	if (!jinja_is_iterable(a[0]))
		return jinja_raise(s, "argument must be iterable");
	reversed = jinja_reversed(s, a[0]);
	if (reversed.type != JINJA_MISSING)
		return reversed;
	list = jinja_to_list(s, a[0]);
	return list != NULL ? jinja_slice(s, jinja_object(JINJA_LIST, list), jinja_none(), jinja_none(),
									  jinja_int(-1))
						: jinja_none();
}

/* Whether joining makes safe text: where it is escaped and the separator or an item is safe. */
static bool
joins_markup(jinja_state *s, jinja_value separator, const jinja_list *items)
{
	if (!s->autoescape)
		return false;
	if (separator.type == JINJA_STRING && separator.string->markup)
		return true;
	for (size_t i = 0; i < items->count; i++)
		if (items->items[i].type == JINJA_STRING && items->items[i].string->markup)
			return true;
	return false;
}

jinja_value
jinja_filter_join(jinja_state *s, const jinja_value *a)
{
	jinja_value separator = a[1].type == JINJA_MISSING ? jinja_text_kept(s, "", 0) : a[1], item;
	jinja_iterator *iterator = jinja_iterate(s, a[0]);
	jinja_list *items = jinja_list_create(s, 0);
	jinja_output output = {0};
	bool markup;

	while (iterator != NULL && jinja_next(s, iterator, &item))
	{
		item = jinja_get_attribute(s, item, a[2], jinja_missing());
		if (tfm_failed(s->context) || !jinja_append(s, items, item))
			return jinja_none();
	}
	if (tfm_failed(s->context))
		return jinja_none();
	markup = joins_markup(s, separator, items);
	for (size_t i = 0; i < items->count; i++)
	{
		if (i > 0)
			jinja_write_str(s, &output, markup ? jinja_escape(s, separator) : separator);
		if (!jinja_write_str(s, &output,
							 markup ? jinja_escape(s, items->items[i]) : items->items[i]))
			break;
	}
	item = jinja_written(s, &output);
	return item.type == JINJA_STRING ? jinja_marked(s, item.string, markup) : item;
}
