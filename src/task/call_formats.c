/*
 * call_formats.c
 *	  Calls of tools between the marks that models put around them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/call_formats.h"

#include <string.h>

#include "base/utf8.h"

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

tfm_text
call_trim(tfm_text text)
{
	while (text.length > 0 && is_space(text.data[0]))
	{
		text.data++;
		text.length--;
	}
	while (text.length > 0 && is_space(text.data[text.length - 1]))
		text.length--;
	return text;
}

bool
call_skip(tfm_text *text, const char *string)
{
	size_t length = strlen(string);

	if (text->length < length || memcmp(text->data, string, length) != 0)
		return false;
	text->data += length;
	text->length -= length;
	return true;
}

size_t
call_format_find(tfm_text text, const char *string)
{
	size_t length = strlen(string);

	for (size_t i = 0; i + length <= text.length; i++)
		if (text.data[i] == string[0] && memcmp(text.data + i, string, length) == 0)
			return i;
	return text.length;
}

static tfm_text
rest_of(tfm_text text, size_t from)
{
	from = from < text.length ? from : text.length;
	return (tfm_text) {text.data + from, text.length - from};
}

size_t
call_json_length(tfm_text text)
{
	size_t depth = 0;
	bool quoted = false;

	if (text.length == 0 || (text.data[0] != '{' && text.data[0] != '['))
		return 0;
	for (size_t i = 0; i < text.length; i++)
	{
		char c = text.data[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']') && --depth == 0)
			return i + 1;
	}
	return 0;
}

json
call_json(tfm_context *context, tfm_text text)
{
	json value = {.node = NULL};

	if (tfm_failed(context) || text.length == 0)
		return value;
	value = json_parse(context, text.data, text.length, "response");
	if (context->error.kind == TFM_CORRUPTED)
	{
		tfm_clear_error(context);
		value.node = NULL;
	}
	return value;
}

bool
call_add(call_list *list, tfm_text name, tfm_text arguments)
{
	tfm_context *context = list->context;

	name = call_trim(name);
	return (list->count++ == 0 || buffer_append_string(context, list->calls, ", ")) &&
		   buffer_append_string(context, list->calls,
								"{\"type\": \"function\", \"function\": {\"name\": ") &&
		   json_append_string(context, list->calls, name.data, name.length) &&
		   buffer_append_string(context, list->calls, ", \"arguments\": ") &&
		   buffer_append(context, list->calls, arguments.data, arguments.length) &&
		   buffer_append_string(context, list->calls, "}}");
}

/* ---- JSON ---- */

/* The arguments of a call, under the names that models use. */
static json
find_arguments(json call)
{
	static const char *const keys[] = {"arguments", "parameters", "args", "input"};
	json found = {.node = NULL};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !json_present(found); i++)
		found = json_member(call, keys[i]);
	return found;
}

static json
find_call(json value)
{
	json inner = json_member(value, "function");

	return json_is_object(inner) ? inner : value;
}

static const char *
find_name(json call)
{
	json name = json_member(call, "name");

	if (!json_is_string(name))
		name = json_member(call, "function");
	return json_is_string(name) ? json_as_string(name) : NULL;
}

static bool
is_call(json value, bool strict)
{
	json call = find_call(value), arguments = find_arguments(call);

	return json_is_object(call) && find_name(call) != NULL &&
		   (json_is_object(arguments) ||
			(!strict && (!json_present(arguments) || json_is_string(arguments))));
}

static bool
add_json_call(call_list *list, json value)
{
	json call = find_call(value), arguments = find_arguments(call);
	const char *name = find_name(call);
	buffer *text = buffer_create(list->context);

	if (text == NULL)
		return false;
	/* Some write the object as a text. */
	if (json_is_string(arguments))
		arguments = call_json(list->context, (tfm_text) {json_as_string(arguments),
														 strlen(json_as_string(arguments))});
	if (!(json_is_object(arguments) ? json_append(list->context, text, arguments)
									: buffer_append_string(list->context, text, "{}")))
		return false;
	return call_add(list, (tfm_text) {name, strlen(name)}, (tfm_text) {text->data, text->length});
}

/* A value that is a call or an array of calls: check it, or add them. */
static bool
take_value(call_list *list, json value, bool strict, bool adds, bool *understood)
{
	if (!json_is_array(value))
	{
		*understood &= is_call(value, strict);
		return !adds || add_json_call(list, value);
	}
	*understood &= json_size(value) > 0;
	for (json child = json_first(value); json_present(child); child = json_next(child))
	{
		*understood &= is_call(child, strict);
		if (adds && !add_json_call(list, child))
			return false;
	}
	return true;
}

/* All values of a text, with nothing but commas or semicolons between. */
static bool
take_values(call_list *list, tfm_text text, bool strict, bool adds, bool *understood)
{
	*understood = call_trim(text).length > 0;
	for (text = call_trim(text); *understood && text.length > 0; text = call_trim(text))
	{
		size_t length = call_json_length(text);
		json value = call_json(list->context, (tfm_text) {text.data, length});

		if (tfm_failed(list->context))
			return false;
		*understood = json_present(value);
		if (!*understood || !take_value(list, value, strict, adds, understood))
			break;
		text = call_trim(rest_of(text, length));
		if (text.length > 1 && (text.data[0] == ';' || text.data[0] == ','))
			text = rest_of(text, 1);
	}
	return !tfm_failed(list->context);
}

bool
call_parse_json(call_list *list, tfm_text text, bool strict, bool *understood)
{
	return take_values(list, text, strict, false, understood) &&
		   (!*understood || take_values(list, text, strict, true, understood));
}

/* ---- Names before their arguments ---- */

static bool
is_name(tfm_text text)
{
	for (size_t i = 0; i < text.length; i++)
	{
		char c = text.data[i], letter = (char) (c | 0x20);

		if (!(letter >= 'a' && letter <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '-' &&
			c != '.')
			return false;
	}
	return text.length > 0;
}

/* name{json}, name[ARGS]{json}, name[CALL_ID]...[ARGS]{json}: one after the other, as Mistral has them. */
static bool
parse_named(call_list *list, tfm_text text, bool *understood)
{
	call_list found = {list->context, buffer_create(list->context), 0};

	*understood = false;
	for (text = call_trim(text); found.calls != NULL && text.length > 0; text = call_trim(text))
	{
		size_t brace = call_format_find(text, "{"), length;
		tfm_text name = {text.data, brace}, arguments = rest_of(text, brace);

		name.length = call_format_find(name, "[");
		length = call_json_length(arguments);
		arguments.length = length;
		if (!is_name(call_trim(name)) || !json_is_object(call_json(list->context, arguments)))
			return !tfm_failed(list->context);
		if (!call_add(&found, name, arguments))
			return false;
		text = call_trim(rest_of(text, brace + length));
		call_skip(&text, "[TOOL_CALLS]");
	}
	if (found.calls == NULL || found.count == 0)
		return found.calls != NULL;
	*understood = true;
	list->count += found.count;
	return (list->count == found.count || buffer_append_string(list->context, list->calls, ", ")) &&
		   buffer_append(list->context, list->calls, found.calls->data, found.calls->length);
}

/* A value as a parameter's text has it: JSON, or else a string. */
static bool
append_value(tfm_context *context, buffer *b, tfm_text text)
{
	json value = call_json(context, call_trim(text));

	if (tfm_failed(context))
		return false;
	if (json_present(value) && !json_is_string(value))
		return json_append(context, b, value);
	return json_append_string(context, b, text.data, text.length);
}

/* <function=name><parameter=key>value</parameter>...</function>, as Qwen's coders have it. */
static bool
parse_elements(call_list *list, tfm_text text, bool *understood)
{
	buffer *arguments = buffer_create(list->context);
	size_t end = call_format_find(text, ">");
	tfm_text name = {text.data, end}, inside = call_trim(rest_of(text, end + 1));
	bool first = true;

	*understood = false;
	if (arguments == NULL || !buffer_append_string(list->context, arguments, "{"))
		return false;
	if (!is_name(call_trim(name)))
		return true;
	inside.length = call_format_find(inside, "</function>");
	if (json_is_object(call_json(list->context, call_trim(inside))))
	{
		*understood = true;
		return call_add(list, name, call_trim(inside));
	}
	while (call_skip(&inside, "<parameter="))
	{
		size_t close = call_format_find(inside, ">"),
			   stop = call_format_find(inside, "</parameter>");
		tfm_text key = {inside.data, close}, value;

		if (stop == inside.length || close > stop)
			return true;
		value = (tfm_text) {inside.data + close + 1, stop - close - 1};
		/* One end of line at each end is the form's. */
		call_skip(&value, "\n");
		value.length -= value.length > 0 && value.data[value.length - 1] == '\n';
		if ((!first && !buffer_append_string(list->context, arguments, ", ")) ||
			!json_append_string(list->context, arguments, key.data, key.length) ||
			!buffer_append_string(list->context, arguments, ": ") ||
			!append_value(list->context, arguments, value))
			return false;
		first = false;
		inside = call_trim(rest_of(inside, stop + strlen("</parameter>")));
	}
	*understood = inside.length == 0;
	return buffer_append_string(list->context, arguments, "}") &&
		   (!*understood || call_add(list, name, (tfm_text) {arguments->data, arguments->length}));
}

#define CALL_BEGIN                                                                                 \
	"<\xEF\xBD\x9Ctool\xE2\x96\x81"                                                                \
	"call\xE2\x96\x81"                                                                             \
	"begin\xEF\xBD\x9C>"
#define CALL_SEPARATOR "<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>"

/* ...<｜tool▁call▁begin｜>function<｜tool▁sep｜>name ```json {...} ```..., as DeepSeek has them. */
static bool
parse_separated(call_list *list, tfm_text text, bool *understood)
{
	*understood = false;
	for (;;)
	{
		size_t begin = call_format_find(text, CALL_BEGIN), separator, brace, length;
		tfm_text name;

		if (begin == text.length)
			return true;
		text = rest_of(text, begin + strlen(CALL_BEGIN));
		separator = call_format_find(text, CALL_SEPARATOR);
		name = (tfm_text) {text.data, separator};
		text = rest_of(text, separator + strlen(CALL_SEPARATOR));
		brace = call_format_find(text, "{");
		/* Before the separator stands "function", and the name after it; or just the name. */
		if (call_format_find(name, "function") == 0)
		{
			name = (tfm_text) {text.data, brace};
			name.length = call_format_find(name, "```");
		}
		text = rest_of(text, brace);
		length = call_json_length(text);
		if (!is_name(call_trim(name)) ||
			!json_is_object(call_json(list->context, (tfm_text) {text.data, length})))
			return !tfm_failed(list->context);
		if (!call_add(list, name, (tfm_text) {text.data, length}))
			return false;
		*understood = true;
		text = rest_of(text, length);
	}
}

bool
call_parse(call_list *list, tfm_text text, bool *understood)
{
	tfm_text rest = text = call_trim(text);

	if (!call_parse_json(list, text, false, understood) || *understood)
		return !tfm_failed(list->context);
	if (call_skip(&rest, "<function="))
		return parse_elements(list, rest, understood);
	if (call_format_find(text, CALL_BEGIN) < text.length)
		return parse_separated(list, text, understood);
	if (!call_parse_python(list, text, understood) || *understood)
		return !tfm_failed(list->context);
	return parse_named(list, text, understood);
}
