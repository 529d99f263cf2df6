/*
 * python_calls.c
 *	  Calls of tools written as Python's: f(a=1, b=['x'], c={'k': None}).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/call_formats.h"

#include <string.h>

#include "base/utf8.h"

#define DEPTH_MAX 50

/* A place in a text; what it makes of it is appended to a buffer. */
typedef struct reader
{
	tfm_context *context;
	tfm_text text;
	buffer *out;
	int depth;
	bool good; /* it is as it should be so far */
} reader;

static bool
expect(reader *r, const char *string)
{
	r->text = call_trim(r->text);
	return call_skip(&r->text, string);
}

static void
put(reader *r, const char *string)
{
	r->good &= buffer_append_string(r->context, r->out, string);
}

static bool
is_word(char c)
{
	char letter = (char) (c | 0x20);

	return (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* A name, with dots if it may have them; empty if there is none. */
static tfm_text
read_name(reader *r, bool dots)
{
	tfm_text name;

	r->text = call_trim(r->text);
	name = (tfm_text) {r->text.data, 0};
	while (name.length < r->text.length &&
		   (is_word(name.data[name.length]) ||
			(dots && name.length > 0 && name.data[name.length] == '.')))
		name.length++;
	r->text.data += name.length;
	r->text.length -= name.length;
	if (name.length > 0 && name.data[0] >= '0' && name.data[0] <= '9')
		name.length = 0;
	return name;
}

/* What a letter after a backslash stands for; 0 if the backslash stays. */
static char
unescape(char c)
{
	static const char pairs[] = "n\nt\tr\rb\bf\f\\\\''\"\"";

	for (const char *pair = pairs; *pair != '\0'; pair += 2)
		if (*pair == c)
			return pair[1];
	return 0;
}

/* After the opening quotes. */
static void
read_string(reader *r, const char *quotes)
{
	buffer *string = buffer_create(r->context);

	r->good &= string != NULL;
	while (r->good && !call_skip(&r->text, quotes))
	{
		char c = r->text.length == 0 ? '\0' : r->text.data[0], plain = 0;

		r->good = c != '\0' && (c != '\n' || quotes[1] != '\0');
		if (c == '\\' && r->text.length > 1)
			plain = unescape(r->text.data[1]);
		if (r->good && !buffer_append(r->context, string, plain != 0 ? &plain : r->text.data, 1))
			r->good = false;
		if (r->good)
		{
			r->text.data += plain != 0 ? 2 : 1;
			r->text.length -= plain != 0 ? 2 : 1;
		}
	}
	r->good = r->good && json_append_string(r->context, r->out, string->data, string->length);
}

static void
read_number(reader *r)
{
	tfm_text number = {r->text.data, 0};
	json value;

	while (number.length < r->text.length && (strchr("+-.", number.data[number.length]) != NULL ||
											  is_word(number.data[number.length])))
		number.length++;
	r->text.data += number.length;
	r->text.length -= number.length;
	value = call_json(r->context, number);
	r->good &=
		json_is_number(value) && buffer_append(r->context, r->out, number.data, number.length);
}

static void read_value(reader *r);

/* Members up to a closing bracket, after the opening one. */
static void
read_members(reader *r, const char *close, bool keys, const char *open_json, const char *close_json)
{
	bool first = true;

	put(r, open_json);
	while (r->good && !expect(r, close))
	{
		if (!first)
			put(r, ", ");
		first = false;
		if (keys)
		{
			r->text = call_trim(r->text);
			r->good &= r->text.length > 0 && (r->text.data[0] == '"' || r->text.data[0] == '\'');
			read_value(r);
			r->good = r->good && expect(r, ":");
			put(r, ": ");
		}
		read_value(r);
		if (r->good && !expect(r, ","))
		{
			r->good = expect(r, close);
			break;
		}
	}
	put(r, close_json);
}

static void
read_value(reader *r)
{
	static const char *const constants[][2] = {
		{"True", "true"}, {"False", "false"}, {"None", "null"},
		{"true", "true"}, {"false", "false"}, {"null", "null"},
	};
	static const char *const quotes[] = {"\"\"\"", "'''", "\"", "'"};

	r->good &= r->depth < DEPTH_MAX;
	if (!r->good)
		return;
	r->depth++;
	for (size_t i = 0; i < 4; i++)
		if (expect(r, quotes[i]))
		{
			read_string(r, quotes[i]);
			r->depth--;
			return;
		}
	if (expect(r, "["))
		read_members(r, "]", false, "[", "]");
	else if (expect(r, "("))
		read_members(r, ")", false, "[", "]");
	else if (expect(r, "{"))
		read_members(r, "}", true, "{", "}");
	else
	{
		size_t i = 0, count = sizeof(constants) / sizeof(constants[0]);

		while (i < count && !expect(r, constants[i][0]))
			i++;
		if (i < count)
			put(r, constants[i][1]);
		else
			read_number(r);
	}
	r->depth--;
}

/* name(key=value, ...), appended to the calls. */
static void
read_call(reader *r, call_list *list)
{
	tfm_text name = read_name(r, true);
	bool first = true;

	r->out = buffer_create(r->context);
	r->good = r->out != NULL && name.length > 0 && expect(r, "(");
	if (!r->good)
		return;
	put(r, "{");
	while (r->good && !expect(r, ")"))
	{
		tfm_text key = read_name(r, false);

		r->good = key.length > 0 && expect(r, "=");
		if (!first)
			put(r, ", ");
		first = false;
		r->good = r->good && json_append_string(r->context, r->out, key.data, key.length);
		put(r, ": ");
		read_value(r);
		if (r->good && !expect(r, ","))
		{
			r->good = expect(r, ")");
			break;
		}
	}
	put(r, "}");
	r->good = r->good && call_add(list, name, (tfm_text) {r->out->data, r->out->length});
}

bool
call_parse_python(call_list *list, tfm_text text, bool *understood)
{
	call_list found = {list->context, buffer_create(list->context), 0};
	reader r = {.context = list->context, .text = call_trim(text), .good = true};
	bool listed = expect(&r, "["), printed;

	*understood = false;
	if (found.calls == NULL)
		return false;
	while (r.good && call_trim(r.text).length > 0)
	{
		printed = expect(&r, "print(");
		read_call(&r, &found);
		r.good = r.good && (!printed || expect(&r, ")"));
		if (r.good && listed && expect(&r, "]"))
		{
			listed = false;
			break;
		}
		if (r.good && !expect(&r, ",") && !expect(&r, ";"))
			r.good = !listed;
	}
	if (tfm_failed(list->context))
		return false;
	*understood = r.good && !listed && found.count > 0 && call_trim(r.text).length == 0;
	if (!*understood)
		return true;
	if (list->count > 0 && !buffer_append_string(list->context, list->calls, ", "))
		return false;
	list->count += found.count;
	return buffer_append(list->context, list->calls, found.calls->data, found.calls->length);
}
