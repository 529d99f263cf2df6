/*
 * tool_calls.c
 *	  From what a chat model wrote to a message.
 *
 * Reasoning and calls stand between marks; what is left is the content.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/tool_calls.h"

#include <string.h>

#include "base/utf8.h"
#include "task/call_formats.h"
#include "task/response_template.h"

/* DeepSeek's marks. */
#define BAR "\xEF\xBD\x9C"
#define GAP "\xE2\x96\x81"
#define CALLS_BEGIN "<" BAR "tool" GAP "calls" GAP "begin" BAR ">"
#define CALLS_END "<" BAR "tool" GAP "calls" GAP "end" BAR ">"
#define END_OF_SENTENCE ("<" BAR "end" GAP "of" GAP "sentence" BAR ">")

#define FAILURES_MAX 100 /* marks that begin no call, after which all is content */

/* What is between the marks is calls; without a closing one it ends with the text. */
static const struct
{
	const char *open, *close;
	bool keeps_open; /* the opening mark belongs to the call */
} marks[] = {
	{"<tool_call>", "</tool_call>", false},
	{"<tool_calls>", "</tool_calls>", false},
	{"<function_call>", "</function_call>", false},
	{"<|tool_call|>", "<|/tool_call|>", false},
	{"<function=", "</function>", true},
	{"[TOOL_CALLS]", NULL, false},
	{"<|python_tag|>", NULL, false},
	{CALLS_BEGIN, CALLS_END, false},
	{"```tool_code", "```", false},
	{"```tool_call", "```", false},
	{"functools", NULL, false},
};

/* Marks of ends, which may stand behind all. */
static const char *const ends[] = {
	"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>",	   "<|endoftext|>", "<|end_of_text|>",
	"<eos>",	  "</s>",		"<|return|>", "<end_of_turn>", "<|call|>",		END_OF_SENTENCE,
};

typedef struct message
{
	tfm_context *context;
	buffer *content, *reasoning;
	call_list list;
} message;

static tfm_text
from(tfm_text text, size_t at)
{
	return (tfm_text) {text.data + at, text.length - at};
}

static bool
ends_with(tfm_text text, const char *string)
{
	size_t length = strlen(string);

	return text.length >= length && memcmp(text.data + text.length - length, string, length) == 0;
}

static tfm_text
drop_ends(tfm_text text)
{
	bool again = true;

	while (again)
	{
		again = false;
		text = call_trim(text);
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
			if (ends_with(text, ends[i]))
			{
				text.length -= strlen(ends[i]);
				again = true;
			}
	}
	return text;
}

static bool
append_text(message *m, buffer *b, tfm_text text)
{
	return buffer_append(m->context, b, text.data, text.length);
}

/* <think>...</think>, whose beginning may stand in the prompt, and whose end may not have come. */
static bool
take_reasoning(message *m, const message_request *request, tfm_text *text)
{
	tfm_text prompt = call_trim(request->prompt), rest = call_trim(*text);
	bool open = call_skip(&rest, "<think>") || ends_with(prompt, "<think>");
	size_t close = call_format_find(rest, "</think>");

	if (!open && close == rest.length)
		return true;
	if (!append_text(m, m->reasoning, call_trim((tfm_text) {rest.data, close})))
		return false;
	*text = from(rest, close + (close < rest.length ? strlen("</think>") : 0));
	return true;
}

/* The first mark in a text; the number of marks if there is none. */
static size_t
find_mark(tfm_text text, size_t *at)
{
	size_t count = sizeof(marks) / sizeof(marks[0]), found = count;

	*at = text.length;
	for (size_t i = 0; i < count; i++)
	{
		size_t place = call_format_find(text, marks[i].open);

		if (place < *at)
		{
			*at = place;
			found = i;
		}
	}
	return found;
}

/* What stands between the marks, and in *length how long it is with them. */
static tfm_text
find_inside(tfm_text text, size_t mark, size_t *length)
{
	size_t open = strlen(marks[mark].open), end;
	tfm_text inside = from(text, open);

	end = marks[mark].close == NULL ? inside.length : call_format_find(inside, marks[mark].close);
	*length = open + end;
	if (end < inside.length)
		*length += strlen(marks[mark].close);
	if (marks[mark].keeps_open)
		return (tfm_text) {text.data, *length};
	return (tfm_text) {inside.data, end};
}

static bool
take_calls(message *m, tfm_text text)
{
	size_t count = sizeof(marks) / sizeof(marks[0]);

	for (int failures = 0; text.length > 0 && failures < FAILURES_MAX;)
	{
		size_t at, length, mark = find_mark(text, &at);
		bool understood = false;

		if (!append_text(m, m->content, (tfm_text) {text.data, at}))
			return false;
		text = from(text, at);
		if (mark == count)
			return true;
		if (!call_parse(&m->list, find_inside(text, mark, &length), &understood))
			return false;
		failures += !understood;
		length = understood ? length : strlen(marks[mark].open);
		if (!understood && !append_text(m, m->content, (tfm_text) {text.data, length}))
			return false;
		text = from(text, length);
	}
	return append_text(m, m->content, text);
}

/* A text that is nothing but calls, perhaps as a block of code; without a mark it must be plain. */
static bool
take_bare_calls(message *m, tfm_text text, bool *understood)
{
	text = call_trim(text);
	if (call_skip(&text, "```json") && ends_with(text, "```"))
		text.length -= 3;
	if (!call_parse_json(&m->list, text, true, understood) || *understood)
		return !tfm_failed(m->context);
	return text.length == 0 || text.data[0] != '[' || call_parse_python(&m->list, text, understood);
}

static bool
write_message(message *m, buffer *out)
{
	tfm_context *context = m->context;
	tfm_text content = call_trim((tfm_text) {m->content->data, m->content->length});

	if (!buffer_append_string(context, out, "{\"role\": \"assistant\""))
		return false;
	if (m->reasoning->length > 0 &&
		(!buffer_append_string(context, out, ", \"reasoning_content\": ") ||
		 !json_append_string(context, out, m->reasoning->data, m->reasoning->length)))
		return false;
	if (!buffer_append_string(context, out, ", \"content\": ") ||
		!json_append_string(context, out, content.length == 0 ? "" : content.data, content.length))
		return false;
	if (m->list.count > 0 &&
		(!buffer_append_string(context, out, ", \"tool_calls\": [") ||
		 !buffer_append(context, out, m->list.calls->data, m->list.calls->length) ||
		 !buffer_append_string(context, out, "]")))
		return false;
	return buffer_append_string(context, out, "}");
}

bool
task_parse_message(tfm_context *context, const message_request *request, buffer *out)
{
	message m = {.context = context,
				 .content = buffer_create(context),
				 .reasoning = buffer_create(context),
				 .list = {context, buffer_create(context), 0}};
	tfm_text text = drop_ends(request->response);
	bool understood;

	if (tfm_failed(context))
		return false;
	if (!utf8_valid(request->response.data, request->response.length))
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "the response is not valid UTF-8");
	if (json_present(request->response_template))
		return task_parse_by_template(context, request, out);
	if (!take_reasoning(&m, request, &text) || !take_bare_calls(&m, text, &understood))
		return false;
	return (understood || take_calls(&m, text)) && write_message(&m, out);
}
