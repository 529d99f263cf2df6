/*
 * chat.c
 *	  A conversation as a prompt.
 *	  Follows transformers/utils/chat_template_utils.py (render_jinja_template) and
 *	  tokenization_utils_base.py (apply_chat_template).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE /* memmem */

#include "text/chat.h"

#include <string.h>

#include "base/utf8.h"
#include "text/jinja/json_value.h"
#include "text/jinja/number.h"
#include "text/jinja/render.h"
#include "text/jinja/text.h"

#define TAG "CONTINUE_FINAL_MESSAGE_TAG "

/* Names under which a message's reasoning is given. */
static const char *const reasoning_fields[] = {"reasoning_content", "thinking", "reasoning"};
#define REASONING_FIELDS 3

static bool
fail(jinja_state *s, const char *message)
{
	return tfm_fail(s->context, TFM_INVALID_ARGUMENT, "%s", message);
}

/* ---- Messages ---- */

static jinja_value
member(const jinja_dict *dict, const char *key)
{
	const jinja_entry *entry = jinja_find_name(dict, key);

	return entry != NULL ? entry->value : jinja_none();
}

/* A message without its null members, its reasoning under the names that templates use. */
static jinja_dict *
prepare_message(jinja_state *s, const jinja_dict *given)
{
	jinja_dict *message = jinja_dict_create(s);
	jinja_value reasoning = jinja_none();

	for (int i = 0; i < REASONING_FIELDS && reasoning.type == JINJA_NONE; i++)
		reasoning = member(given, reasoning_fields[i]);
	if (reasoning.type != JINJA_NONE)
		jinja_put_name(s, message, "thinking", reasoning);
	for (size_t i = 0; i < given->count && !tfm_failed(s->context); i++)
		if (given->entries[i].value.type != JINJA_NONE)
			jinja_put(s, message, given->entries[i].key, given->entries[i].value);
	if (reasoning.type != JINJA_NONE)
		jinja_put_name(s, message, "reasoning_content", reasoning);
	return tfm_failed(s->context) ? NULL : message;
}

static jinja_list *
read_messages(jinja_state *s, tfm_text text)
{
	jinja_value given = text.length > 0 ? jinja_json_read(s, text, "messages") : jinja_none();
	jinja_list *messages;

	if (tfm_failed(s->context))
		return NULL;
	if (given.type != JINJA_LIST)
		fail(s, "messages must be a JSON array of objects");
	else if (given.list->count == 0)
		fail(s, "cannot apply a chat template to an empty conversation");
	if (tfm_failed(s->context))
		return NULL;
	messages = jinja_list_create(s, given.list->count);
	for (size_t i = 0; i < given.list->count; i++)
	{
		if (given.list->items[i].type != JINJA_DICT)
			return fail(s, "messages must be a JSON array of objects") ? messages : NULL;
		if (!jinja_append(s, messages,
						  jinja_object(JINJA_DICT, prepare_message(s, given.list->items[i].dict))))
			return NULL;
	}
	return tfm_failed(s->context) ? NULL : messages;
}

/* ---- Other variables ---- */

/* A list of objects, or none. */
static bool
put_list(jinja_state *s, const char *name, tfm_text text)
{
	jinja_value value = text.length > 0 ? jinja_json_read(s, text, name) : jinja_none();

	if (tfm_failed(s->context))
		return false;
	if (value.type != JINJA_NONE && value.type != JINJA_LIST)
		return tfm_fail(s->context, TFM_INVALID_ARGUMENT, "%s must be a JSON array of objects",
						name);
	for (size_t i = 0; value.type == JINJA_LIST && i < value.list->count; i++)
		if (value.list->items[i].type != JINJA_DICT)
			return tfm_fail(s->context, TFM_INVALID_ARGUMENT, "%s must be a JSON array of objects",
							name);
	return jinja_put_name(s, s->variables, name, value);
}

/* Names that are arguments of their own cannot come again as further variables. */
static bool
add_kwargs(jinja_state *s, tfm_text kwargs)
{
	static const char *const taken[] = {"messages", "tools", "documents", "add_generation_prompt"};
	size_t before = s->variables->count;

	if (!jinja_add_variables(s, kwargs, "kwargs"))
		return false;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
	{
		const jinja_entry *entry = jinja_find_name(s->variables, taken[i]);

		if (entry != NULL && entry >= s->variables->entries + before)
			return tfm_fail(s->context, TFM_INVALID_ARGUMENT,
							"kwargs: \"%s\" is an argument of its own", taken[i]);
	}
	return true;
}

static bool
is_null(tfm_text text)
{
	return text.length == 4 && memcmp(text.data, "null", 4) == 0;
}

static tfm_text
unless_null(tfm_text text)
{
	return is_null(text) ? (tfm_text) {NULL, 0} : text;
}

static bool
add_arguments(jinja_state *s, const tok_chat *chat, jinja_list *messages)
{
	return jinja_add_variables(s, unless_null(chat->special_tokens), "special tokens") &&
		   add_kwargs(s, unless_null(chat->kwargs)) &&
		   jinja_put_name(s, s->variables, "messages", jinja_object(JINJA_LIST, messages)) &&
		   put_list(s, "tools", chat->tools) && put_list(s, "documents", chat->documents) &&
		   jinja_put_name(s, s->variables, "add_generation_prompt",
						  jinja_bool(chat->add_generation_prompt));
}

/* ---- Continuing the final message ---- */

/* Whether the template mentions a field. */
static bool
is_mentioned(const tok_chat *chat, const char *field)
{
	return memmem(chat->source.data, chat->source.length, field, strlen(field)) != NULL;
}

static jinja_value
tagged(jinja_state *s, const jinja_string *text)
{
	jinja_string tag = {.data = TAG, .bytes = strlen(TAG), .count = strlen(TAG)};

	return jinja_concat(s, text, &tag);
}

/* The last part of a content that has a text gets the tag; *final is that text without it. */
static bool
tag_parts(jinja_state *s, const jinja_list *parts, const jinja_string **final)
{
	for (size_t i = parts->count; i-- > 0;)
	{
		jinja_entry *entry;

		if (parts->items[i].type != JINJA_DICT)
			continue;
		entry = jinja_find_name(parts->items[i].dict, "text");
		if (entry == NULL)
			continue;
		if (entry->value.type != JINJA_STRING)
			return fail(s, "continue_final_message: the text to continue is no text");
		*final = entry->value.string;
		entry->value = tagged(s, entry->value.string);
		return !tfm_failed(s->context);
	}
	return fail(s, "continue_final_message is set but there is no text to continue in the final"
				   " message");
}

/* Copies of the reasoning get the tag, too: the template may read any of them. */
static bool
tag_fields(jinja_state *s, const tok_chat *chat, jinja_dict *message, const char *field)
{
	jinja_value value = member(message, field);
	jinja_value marked = tagged(s, value.string);
	bool reasoning = false, mentioned = is_mentioned(chat, field);

	for (int i = 0; i < REASONING_FIELDS; i++)
		reasoning = reasoning || strcmp(field, reasoning_fields[i]) == 0;
	for (int i = 0; i < REASONING_FIELDS && reasoning && !tfm_failed(s->context); i++)
	{
		jinja_entry *entry = jinja_find_name(message, reasoning_fields[i]);

		if (entry == NULL || !jinja_equal(s, entry->value, value))
			continue;
		mentioned = mentioned || is_mentioned(chat, reasoning_fields[i]);
		entry->value = marked;
	}
	if (!reasoning)
		jinja_put_name(s, message, field, marked);
	return mentioned || tfm_fail(s->context, TFM_INVALID_ARGUMENT,
								 "continue_final_message is set to \"%s\", which the chat template"
								 " does not use",
								 field);
}

/* Tag the end of the final message; *final is what it was. */
static bool
tag_final(jinja_state *s, const tok_chat *chat, const jinja_list *messages,
		  const jinja_string **final)
{
	const char *field = chat->continue_field != NULL ? chat->continue_field : "content";
	jinja_dict *message = messages->items[messages->count - 1].dict;
	jinja_value value = member(message, field);

	if (chat->add_generation_prompt)
		return fail(s, "continue_final_message and add_generation_prompt are not compatible");
	if (value.type == JINJA_NONE)
		return tfm_fail(s->context, TFM_INVALID_ARGUMENT,
						"continue_final_message is set but the final message has no \"%s\" to"
						" continue",
						field);
	if (value.type == JINJA_LIST)
		return is_mentioned(chat, field) ? tag_parts(s, value.list, final)
										 : tfm_fail(s->context, TFM_INVALID_ARGUMENT,
													"continue_final_message is set to \"%s\", which"
													" the chat template does not use",
													field);
	if (value.type != JINJA_STRING)
		return fail(s, "continue_final_message: the text to continue is no text");
	*final = value.string;
	return tag_fields(s, chat, message, field) && !tfm_failed(s->context);
}

/* Cut the prompt at the tag; where the template has trimmed the message, its end is trimmed, too. */
static bool
cut_at_tag(jinja_state *s, const jinja_string *final, tfm_text *text)
{
	jinja_string prompt = {.data = text->data, .bytes = text->length};
	jinja_string tag = {.data = TAG, .bytes = strlen(TAG) - 1};
	jinja_value bare = jinja_strip(s, final, NULL, JINJA_LEFT | JINJA_RIGHT);
	int64_t place = jinja_find_bytes(s, &prompt, &tag, 0, prompt.bytes, true);

	if (tfm_failed(s->context))
		return false;
	if (place < 0 || jinja_find_bytes(s, &prompt, bare.string, 0, prompt.bytes, false) < 0)
		return fail(s, "continue_final_message is set but the final message does not appear in the"
					   " chat after applying the chat template; this can happen if the template"
					   " deletes portions of the final message");
	text->length = (size_t) place;
	if (prompt.bytes - (size_t) place >= strlen(TAG) &&
		prompt.data[(size_t) place + tag.bytes] == ' ')
		return true;
	prompt.bytes = text->length;
	prompt.count = utf8_count(prompt.data, prompt.bytes);
	bare = jinja_strip(s, &prompt, NULL, JINJA_RIGHT);
	if (bare.type == JINJA_STRING)
		text->length = bare.string->bytes;
	return !tfm_failed(s->context);
}

static bool
render(jinja_state *s, const tok_chat *chat, tfm_text *text)
{
	jinja_list *messages = read_messages(s, chat->messages);
	const jinja_string *final = NULL;

	if (messages == NULL || (chat->continue_final_message && !tag_final(s, chat, messages, &final)))
		return false;
	return add_arguments(s, chat, messages) && jinja_run_source(s, chat->source, text) &&
		   (!chat->continue_final_message || cut_at_tag(s, final, text));
}

bool
tok_render_chat(tfm_context *context, const tok_chat *chat, tfm_text *rendered)
{
	jinja_state s;
	tfm_text text;
	bool good = jinja_begin(context, &s, &chat->limits, chat->name, chat->now) &&
				render(&s, chat, &text) && jinja_keep(context, text, rendered);

	jinja_end(&s);
	return good;
}
