/*
 * pprint.c
 *	  Python's pprint.pformat: dicts sorted, what is too long for a line on several.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "base/utf8.h"
#include "text/jinja/characters.h"
#include "text/jinja/program.h"

#define WIDTH 80

typedef struct printer
{
	jinja_state *s;
	jinja_output output;
} printer;

static void print_value(printer *p, jinja_value value, int64_t indent, int64_t allowance,
						int level);

/* The same with its dicts sorted by their keys, as far as these have an order. */
static jinja_value
sorted(printer *p, jinja_value value)
{
	jinja_state *s = p->s;
	jinja_list *list, *keys;
	jinja_dict *dict;

	if (!jinja_enter(s))
		value = jinja_none();
	else if (value.type == JINJA_LIST || value.type == JINJA_TUPLE)
	{
		list = jinja_list_create(s, value.list->count);
		for (size_t i = 0; i < value.list->count; i++)
			if (!jinja_append(s, list, sorted(p, value.list->items[i])))
				break;
		value = jinja_object(value.type, list);
	}
	else if (value.type == JINJA_DICT)
	{
		bool alike = true;

		list = jinja_list_create(s, value.dict->count);
		keys = jinja_list_create(s, value.dict->count);
		dict = jinja_dict_create(s);
		for (size_t i = 0; i < value.dict->count && !tfm_failed(s->context); i++)
		{
			jinja_entry *entry = &value.dict->entries[i];

			alike = alike && entry->key.type == value.dict->entries[0].key.type &&
					entry->key.type == JINJA_STRING;
			jinja_append(s, keys, entry->key);
			jinja_append(s, list, jinja_pair(s, entry->key, sorted(p, entry->value)));
		}
		if (alike && !tfm_failed(s->context))
			jinja_sort(s, list, keys, false);
		for (size_t i = 0; i < value.dict->count && !tfm_failed(s->context); i++)
			jinja_put(s, dict, list->items[i].list->items[0], list->items[i].list->items[1]);
		value = jinja_object(JINJA_DICT, dict);
	}
	jinja_leave(s);
	return value;
}

static void
print_newline(printer *p, int64_t indent)
{
	jinja_write_text(p->s, &p->output, "\n");
	for (int64_t i = 0; i < indent && !tfm_failed(p->s->context); i++)
		jinja_write_text(p->s, &p->output, " ");
}

static void
print_items(printer *p, jinja_value value, int64_t indent, int64_t allowance, int level)
{
	const jinja_list *list = value.list;
	const char *close = value.type == JINJA_LIST ? "]" : list->count == 1 ? ",)" : ")";

	jinja_write_text(p->s, &p->output, value.type == JINJA_LIST ? "[" : "(");
	for (size_t i = 0; i < list->count && !tfm_failed(p->s->context); i++)
	{
		bool last = i + 1 == list->count;

		print_value(p, list->items[i], indent + 1, last ? allowance + (int64_t) strlen(close) : 1,
					level);
		if (last)
			break;
		jinja_write_text(p->s, &p->output, ",");
		print_newline(p, indent + 1);
	}
	jinja_write_text(p->s, &p->output, close);
}

static void
print_dict(printer *p, const jinja_dict *dict, int64_t indent, int64_t allowance, int level)
{
	jinja_write_text(p->s, &p->output, "{");
	for (size_t i = 0; i < dict->count && !tfm_failed(p->s->context); i++)
	{
		const jinja_string *key = jinja_repr(p->s, dict->entries[i].key);
		bool last = i + 1 == dict->count;

		if (key == NULL)
			return;
		jinja_write_string(p->s, &p->output, key);
		jinja_write_text(p->s, &p->output, ": ");
		print_value(p, dict->entries[i].value, indent + 1 + (int64_t) key->count + 2,
					last ? allowance + 1 : 1, level);
		if (last)
			break;
		jinja_write_text(p->s, &p->output, ",");
		print_newline(p, indent + 1);
	}
	jinja_write_text(p->s, &p->output, "}");
}

/* ---- Strings: in lines, and those in words ---- */

static bool
add_chunk(printer *p, jinja_list *chunks, const jinja_string *string, size_t from, size_t to)
{
	jinja_value part = jinja_text_kept(p->s, string->data + from, to - from);
	const jinja_string *text = part.type == JINJA_STRING ? jinja_repr(p->s, part) : NULL;

	return text != NULL && jinja_append(p->s, chunks, jinja_object(JINJA_STRING, text));
}

static int64_t
repr_width(printer *p, const jinja_string *string, size_t from, size_t to)
{
	jinja_value part = jinja_text_kept(p->s, string->data + from, to - from);
	const jinja_string *text = part.type == JINJA_STRING ? jinja_repr(p->s, part) : NULL;

	return text != NULL ? (int64_t) text->count : 0;
}

/* The end of a run of other characters, and of the space after it. */
static size_t
word_end(const jinja_string *string, size_t from, size_t to)
{
	bool space = false;

	while (from < to)
	{
		int width;
		bool is_space = jinja_is_space(utf8_decode(string->data + from, &width));

		if (space && !is_space)
			break;
		space = is_space;
		from += (size_t) width;
	}
	return from;
}

static void
add_words(printer *p, jinja_list *chunks, const jinja_string *string, size_t from, size_t to,
		  int64_t width, int64_t allowance)
{
	size_t start = from, end = from;

	while (end < to && !tfm_failed(p->s->context))
	{
		size_t next = word_end(string, end, to);

		if (next == to && to == string->bytes)
			width -= allowance;
		if (end > start && repr_width(p, string, start, next) > width)
		{
			add_chunk(p, chunks, string, start, end);
			start = end;
		}
		end = next;
	}
	if (end > start)
		add_chunk(p, chunks, string, start, end);
}

static void
print_string(printer *p, const jinja_string *string, int64_t indent, int64_t allowance, int level)
{
	jinja_list *chunks = jinja_list_create(p->s, 0);

	indent += level == 1;
	allowance += level == 1;
	for (size_t from = 0; from < string->bytes && !tfm_failed(p->s->context);)
	{
		size_t to = from;
		uint32_t c = 0;
		bool last;

		while (to < string->bytes && !jinja_is_line_end(c))
		{
			int width;

			c = utf8_decode(string->data + to, &width);
			to += (size_t) width;
		}
		to += c == '\r' && to < string->bytes && string->data[to] == '\n';
		last = to == string->bytes;
		if (repr_width(p, string, from, to) <= WIDTH - indent - (last ? allowance : 0))
			add_chunk(p, chunks, string, from, to);
		else
			add_words(p, chunks, string, from, to, WIDTH - indent, allowance);
		from = to;
	}
	if (chunks == NULL || tfm_failed(p->s->context))
		return;
	if (level == 1 && chunks->count > 1)
		jinja_write_text(p->s, &p->output, "(");
	for (size_t i = 0; i < chunks->count; i++)
	{
		if (i > 0)
			print_newline(p, indent);
		jinja_write_string(p->s, &p->output, chunks->items[i].string);
	}
	if (level == 1 && chunks->count > 1)
		jinja_write_text(p->s, &p->output, ")");
}

static void
print_value(printer *p, jinja_value value, int64_t indent, int64_t allowance, int level)
{
	const jinja_string *text = jinja_repr(p->s, value);

	if (!jinja_enter(p->s) || text == NULL)
	{
		jinja_leave(p->s);
		return;
	}
	level++;
	if ((int64_t) text->count <= WIDTH - indent - allowance)
		jinja_write_string(p->s, &p->output, text);
	else if ((value.type == JINJA_LIST || value.type == JINJA_TUPLE) && !value.list->group)
		print_items(p, value, indent, allowance, level);
	else if (value.type == JINJA_DICT)
		print_dict(p, value.dict, indent, allowance, level);
	else if (value.type == JINJA_STRING && value.string->bytes > 0 && !value.string->markup)
		print_string(p, value.string, indent, allowance, level);
	else
		jinja_write_string(p->s, &p->output, text);
	jinja_leave(p->s);
}

jinja_value
jinja_pprint(jinja_state *s, jinja_value value)
{
	printer p = {.s = s};

	value = sorted(&p, value);
	if (!tfm_failed(s->context))
		print_value(&p, value, 0, 0, 0);
	return jinja_written(s, &p.output);
}
