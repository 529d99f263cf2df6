/*
 * print.c
 *	  Values as text: Python's str() and repr(), and HTML escaping.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/utf8.h"
#include "text/jinja/characters.h"
#include "text/jinja/number.h"
#include "text/jinja/program.h"

/* ---- Writing ---- */

bool
jinja_write(jinja_state *s, jinja_output *output, const char *bytes, size_t length)
{
	size_t needed;

	if (!size_add(output->length, length, &needed) || needed > s->limits.output)
		return jinja_fail(s, TFM_LIMIT_EXCEEDED, s->line, "the template makes too much text");
	if (needed > output->capacity)
	{
		size_t capacity = output->capacity > 0 ? output->capacity : 64;
		char *data;

		while (capacity < needed)
			capacity *= 2;
		data = jinja_alloc(s, capacity);
		if (data == NULL)
			return false;
		if (output->length > 0)
			memcpy(data, output->data, output->length);
		output->data = data;
		output->capacity = capacity;
	}
	if (length > 0)
		memcpy(output->data + output->length, bytes, length);
	output->length = needed;
	return jinja_step(s, length / 64);
}

bool
jinja_write_text(jinja_state *s, jinja_output *output, const char *text)
{
	return jinja_write(s, output, text, strlen(text));
}

bool
jinja_write_string(jinja_state *s, jinja_output *output, const jinja_string *string)
{
	return string != NULL && jinja_write(s, output, string->data, string->bytes);
}

bool
jinja_write_character(jinja_state *s, jinja_output *output, uint32_t character)
{
	char text[4];

	return jinja_write(s, output, text, (size_t) utf8_encode(character, text));
}

bool
jinja_write_format(jinja_state *s, jinja_output *output, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return jinja_write(s, output, text, utf8_clip(text, strlen(text)));
}

jinja_value
jinja_written(jinja_state *s, jinja_output *output)
{
	if (tfm_failed(s->context))
		return jinja_none();
	return jinja_text_kept(s, output->length > 0 ? output->data : "", output->length);
}

/* ---- repr ---- */

static bool
write_character_repr(jinja_state *s, jinja_output *output, uint32_t c, char quote)
{
	if (c == (uint32_t) quote || c == '\\')
		return jinja_write_format(s, output, "\\%c", (char) c);
	if (c == '\n' || c == '\r' || c == '\t')
		return jinja_write_format(s, output, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
	if (jinja_is_printable(c))
		return jinja_write_character(s, output, c);
	if (c < 0x100)
		return jinja_write_format(s, output, "\\x%02x", c);
	return jinja_write_format(s, output, c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
}

static bool
write_string_repr(jinja_state *s, jinja_output *output, const jinja_string *string)
{
	bool single = memchr(string->data, '\'', string->bytes) != NULL;
	bool twice = single && memchr(string->data, '"', string->bytes) != NULL;
	char quote = single && !twice ? '"' : '\'';

	if (string->markup)
		jinja_write_text(s, output, "Markup(");
	jinja_write(s, output, &quote, 1);
	for (size_t i = 0; i < string->bytes;)
	{
		size_t plain = i;
		int width;
		uint32_t c;

		while (plain < string->bytes && string->data[plain] >= ' ' && string->data[plain] < 0x7F &&
			   string->data[plain] != quote && string->data[plain] != '\\')
			plain++;
		if (plain > i && !jinja_write(s, output, string->data + i, plain - i))
			return false;
		i = plain;
		if (i == string->bytes)
			break;
		c = utf8_decode(string->data + i, &width);
		i += (size_t) width;
		if (!write_character_repr(s, output, c, quote))
			return false;
	}
	jinja_write(s, output, &quote, 1);
	return !string->markup || jinja_write_text(s, output, ")");
}

static bool
write_items(jinja_state *s, jinja_output *output, const jinja_list *list)
{
	for (size_t i = 0; i < list->count; i++)
	{
		if (i > 0)
			jinja_write_text(s, output, ", ");
		if (!jinja_write_repr(s, output, list->items[i]))
			return false;
	}
	return true;
}

static bool
write_dict(jinja_state *s, jinja_output *output, jinja_dict *dict)
{
	bool good = true;

	if (dict->printing)
		return jinja_write_text(s, output, "{...}");
	dict->printing = true;
	jinja_write_text(s, output, "{");
	for (size_t i = 0; i < dict->count && good; i++)
	{
		if (i > 0)
			jinja_write_text(s, output, ", ");
		good = jinja_write_repr(s, output, dict->entries[i].key) &&
			   jinja_write_text(s, output, ": ") &&
			   jinja_write_repr(s, output, dict->entries[i].value);
	}
	dict->printing = false;
	return good && jinja_write_text(s, output, "}");
}

static bool
write_view(jinja_state *s, jinja_output *output, jinja_value value)
{
	jinja_list *list = jinja_to_list(s, value);

	return list != NULL && jinja_write_format(s, output, "%s([", jinja_type_name(value)) &&
		   write_items(s, output, list) && jinja_write_text(s, output, "])");
}

static bool
write_range(jinja_state *s, jinja_output *output, const jinja_range *range)
{
	if (range->step == 1)
		return jinja_write_format(s, output, "range(%lld, %lld)", (long long) range->start,
								  (long long) range->stop);
	return jinja_write_format(s, output, "range(%lld, %lld, %lld)", (long long) range->start,
							  (long long) range->stop, (long long) range->step);
}

static bool
write_loop(jinja_state *s, jinja_output *output, jinja_loop *loop)
{
	int64_t length;

	return jinja_loop_length(s, loop, &length) &&
		   jinja_write_format(s, output, "<LoopContext %lld/%lld>", (long long) loop->index0 + 1,
							  (long long) length);
}

static bool
write_macro(jinja_state *s, jinja_output *output, const jinja_macro *macro)
{
	const jinja_string *name;

	if (macro->node->kind != NODE_MACRO)
		return jinja_write_text(s, output, "<Macro anonymous>");
	name = jinja_repr(s, jinja_object(JINJA_STRING, macro->node->name));
	return name != NULL && jinja_write_format(s, output, "<Macro %.*s>", JINJA_TEXT(name));
}

static bool
write_by_type(jinja_state *s, jinja_output *output, jinja_value value)
{
	char number[40];

	switch (value.type)
	{
		case JINJA_UNDEFINED:
			return jinja_write_text(s, output, "Undefined");
		case JINJA_NONE:
			return jinja_write_text(s, output, "None");
		case JINJA_BOOL:
			return jinja_write_text(s, output, value.boolean ? "True" : "False");
		case JINJA_INT:
		case JINJA_BIG:
			return jinja_write_integer(s, output, value, 10);
		case JINJA_FLOAT:
			jinja_float_text(value.number, number);
			return jinja_write_text(s, output, number);
		case JINJA_STRING:
			return write_string_repr(s, output, value.string);
		case JINJA_LIST:
			return jinja_write_text(s, output, "[") && write_items(s, output, value.list) &&
				   jinja_write_text(s, output, "]");
		case JINJA_TUPLE:
			return jinja_write_text(s, output, "(") && write_items(s, output, value.list) &&
				   jinja_write_text(s, output, value.list->count == 1 ? ",)" : ")");
		case JINJA_DICT:
			return write_dict(s, output, value.dict);
		case JINJA_VIEW:
			return write_view(s, output, value);
		case JINJA_RANGE:
			return write_range(s, output, value.range);
		case JINJA_NAMESPACE:
			return jinja_write_text(s, output, "<Namespace ") &&
				   write_dict(s, output, value.names->attributes) &&
				   jinja_write_text(s, output, ">");
		case JINJA_LOOP:
			return write_loop(s, output, value.loop);
		case JINJA_MACRO:
			return write_macro(s, output, value.macro);
		case JINJA_METHOD:
			return jinja_write_format(s, output, "<built-in method %s of %s object>",
									  value.method->function->name,
									  jinja_type_name(value.method->self));
		case JINJA_FUNCTION:
			return jinja_write_format(s, output, "<function %s>", value.function->name);
		default:
			return jinja_write_format(s, output, "<%s object>", jinja_type_name(value));
	}
}

bool
jinja_write_repr(jinja_state *s, jinja_output *output, jinja_value value)
{
	bool good = jinja_enter(s) && write_by_type(s, output, value);

	jinja_leave(s);
	return good && !tfm_failed(s->context);
}

bool
jinja_write_str(jinja_state *s, jinja_output *output, jinja_value value)
{
	if (tfm_failed(s->context))
		return false;
	if (value.type == JINJA_STRING)
		return jinja_write_string(s, output, value.string);
	return value.type == JINJA_UNDEFINED || jinja_write_repr(s, output, value);
}

const jinja_string *
jinja_str(jinja_state *s, jinja_value value)
{
	jinja_output output = {0};
	jinja_value text;

	if (tfm_failed(s->context))
		return NULL;
	if (value.type == JINJA_STRING)
		text = jinja_marked(s, value.string, false);
	else
	{
		jinja_write_str(s, &output, value);
		text = jinja_written(s, &output);
	}
	return text.type == JINJA_STRING ? text.string : NULL;
}

const jinja_string *
jinja_repr(jinja_state *s, jinja_value value)
{
	jinja_output output = {0};
	jinja_value text;

	jinja_write_repr(s, &output, value);
	text = jinja_written(s, &output);
	return text.type == JINJA_STRING ? text.string : NULL;
}

/* ---- HTML ---- */

static bool
write_escaped(jinja_state *s, jinja_output *output, const jinja_string *string)
{
	size_t start = 0;

	if (string->markup)
		return jinja_write_string(s, output, string);
	for (size_t i = 0; i <= string->bytes; i++)
	{
		char c = i < string->bytes ? string->data[i] : '\0';
		const char *escaped = c == '&'	  ? "&amp;"
							  : c == '<'  ? "&lt;"
							  : c == '>'  ? "&gt;"
							  : c == '\'' ? "&#39;"
							  : c == '"'  ? "&#34;"
										  : NULL;

		if (escaped == NULL && i < string->bytes)
			continue;
		jinja_write(s, output, string->data + start, i - start);
		if (escaped != NULL && !jinja_write_text(s, output, escaped))
			return false;
		start = i + 1;
	}
	return !tfm_failed(s->context);
}

jinja_value
jinja_escape(jinja_state *s, jinja_value value)
{
	jinja_output output = {0};
	const jinja_string *text;
	jinja_value escaped;

	if (value.type == JINJA_STRING && value.string->markup)
		return value;
	text = jinja_str(s, value);
	if (text == NULL || !write_escaped(s, &output, text))
		return jinja_none();
	escaped = jinja_written(s, &output);
	return escaped.type == JINJA_STRING ? jinja_marked(s, escaped.string, true) : escaped;
}
