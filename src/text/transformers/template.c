/*
 * template.c
 *	  The small language in which the rows of classes are written, made into JSON.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/transformers/class.h"

#include <string.h>

bool
tok_append_quoted(tok_builder *builder, const char *text)
{
	return json_append_string(builder->context, builder->out, text, strlen(text));
}

static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* The name at the text, which moves behind it; NULL if memory is out. */
static const char *
take_name(tok_builder *builder, const char **text)
{
	size_t length = 0;
	const char *name;

	while (is_name((*text)[length]))
		length++;
	name = tfm_strndup(builder->context, *text, length);
	*text += length;
	return name;
}

static bool
append_value(tok_builder *builder, const char *name)
{
	size_t length = strlen(name);
	json value;

	if (strcmp(name, "charsmap") == 0)
		return tok_append_quoted(builder, json_as_string(builder->charsmap));
	if (length > 6 && strcmp(name + length - 6, "_token") == 0)
	{
		const char *content = tok_named_content(builder, name);

		if (content == NULL)
			return tfm_fail(builder->context, TFM_UNSUPPORTED,
							"\"%s\": %s cannot do without a \"%s\"", builder->files->config.source,
							builder->class->name, name);
		return tok_append_quoted(builder, content);
	}
	value = tok_option(builder, name);
	if (json_is_string(value))
		return tok_append_quoted(builder, json_as_string(value));
	if (!json_present(value))
		return buffer_append_string(builder->context, builder->out, "null");
	return buffer_append_string(builder->context, builder->out,
								tok_bool_option(builder, name, false) ? "true" : "false");
}

static bool
is_true(tok_builder *builder, const char *name)
{
	if (strcmp(name, "charsmap") == 0)
		return json_present(builder->charsmap);
	return tok_bool_option(builder, name, false);
}

/*
 * Append the text up to its end, or to the $| or $) that ends a branch, which is left in *text;
 * nothing where emit is false.
 */
static bool
expand(tok_builder *builder, const char **text, bool emit)
{
	bool ok = true;

	while (ok && **text != '\0')
	{
		size_t plain = strcspn(*text, "$");
		const char *name;

		if (emit)
			ok = buffer_append(builder->context, builder->out, *text, plain);
		*text += plain;
		if (**text == '\0' || (*text)[1] == '|' || (*text)[1] == ')')
			break;
		*text += (*text)[1] == '?' ? 2 : 1;
		if (**text == '$')
		{
			*text += 1;
			ok = !emit || buffer_append_string(builder->context, builder->out, "$");
			continue;
		}
		name = take_name(builder, text);
		if (name == NULL)
			return false;
		if (**text == '(')
		{
			bool yes = is_true(builder, name);

			*text += 1;
			ok = ok && expand(builder, text, emit && yes);
			if ((*text)[0] == '$' && (*text)[1] == '|')
			{
				*text += 2;
				ok = ok && expand(builder, text, emit && !yes);
			}
			*text += **text == '\0' ? 0 : 2;
		}
		else if (emit)
			ok = ok && append_value(builder, name);
	}
	return ok;
}

bool
tok_expand(tok_builder *builder, const char *template)
{
	return expand(builder, &template, true) && !tfm_failed(builder->context);
}

/* A template's text by itself. */
static const char *
expand_alone(tok_builder *builder, const char *template)
{
	buffer *out = builder->out;
	const char *text;

	builder->out = buffer_create(builder->context);
	if (builder->out == NULL || !tok_expand(builder, template))
		return NULL;
	text = buffer_text(builder->context, builder->out);
	builder->out = out;
	return text;
}

/* The token that a word of a layout stands for: 'literal', a language, a special token. */
static const char *
find_piece(tok_builder *builder, const char *word)
{
	const char *content;
	size_t length = strlen(word);

	if (length > 2 && word[0] == '\'')
		return tfm_strndup(builder->context, word + 1, length - 2);
	if (length > 5 && strcmp(word + length - 5, "_lang") == 0)
	{
		content = tok_string_option(builder, word);
		if (content != NULL && (builder->class->flags & TOK_CLASS_WRAPS_LANGUAGES) != 0 &&
			strstr(content, "__") == NULL)
			content = tfm_sprintf(builder->context, "__%s__", content);
		if (content != NULL && tok_knows_token(builder, content))
			return content;
		word = "unk";
	}
	content = tfm_sprintf(builder->context, "%s_token", word);
	return content == NULL ? NULL : tok_named_content(builder, content);
}

/* One list of a layout; the contents of its special tokens go to the list. */
static bool
write_layout(tok_builder *builder, const char *layout, tok_token_list *specials)
{
	tfm_context *context = builder->context;

	buffer_append_string(context, builder->out, "[");
	for (bool first = true; *layout != '\0'; first = false)
	{
		size_t length = strcspn(layout, " ");
		size_t colon = length > 2 && layout[length - 2] == ':' ? length - 2 : length;
		char type = colon < length ? layout[length - 1] : '0';
		char *word = tfm_strndup(context, layout, colon);
		bool text = colon == 1 && (layout[0] == 'A' || layout[0] == 'B');
		const char *content = word == NULL || text ? word : find_piece(builder, word);

		if (tfm_failed(context))
			return false;
		if (content == NULL)
			return tfm_fail(context, TFM_UNSUPPORTED, "\"%s\": %s cannot do without a \"%s_token\"",
							builder->files->config.source, builder->class->name, word);
		if (!text && !tok_has_token(specials, content) &&
			!tok_append_plain(builder, specials, content))
			return false;
		buffer_printf(context, builder->out, "%s{\"%s\":{\"id\":", first ? "" : ",",
					  text ? "Sequence" : "SpecialToken");
		tok_append_quoted(builder, content);
		buffer_printf(context, builder->out, ",\"type_id\":%c}}", type);
		layout += length + (layout[length] == ' ');
	}
	return buffer_append_string(context, builder->out, "]");
}

/* The ids are left to be found when the tokens have theirs. */
static bool
write_specials(tok_builder *builder, const tok_token_list *specials)
{
	tfm_context *context = builder->context;

	buffer_append_string(context, builder->out, ",\"special_tokens\":{");
	for (size_t i = 0; i < specials->count; i++)
	{
		const char *content = specials->items[i].content;

		buffer_append_string(context, builder->out, i > 0 ? "," : "");
		tok_append_quoted(builder, content);
		buffer_append_string(context, builder->out, ":{\"ids\":[-1],\"tokens\":[");
		tok_append_quoted(builder, content);
		buffer_append_string(context, builder->out, "]}");
	}
	return buffer_append_string(context, builder->out, "}}");
}

bool
tok_write_layouts(tok_builder *builder, const char *single, const char *pair)
{
	tfm_context *context = builder->context;
	tok_token_list specials = {.items = NULL};

	single = expand_alone(builder, single);
	pair = single == NULL ? NULL : expand_alone(builder, pair);
	if (pair == NULL)
		return false;
	buffer_append_string(context, builder->out, "{\"type\":\"TemplateProcessing\",\"single\":");
	if (!write_layout(builder, single, &specials))
		return false;
	buffer_append_string(context, builder->out, ",\"pair\":");
	return write_layout(builder, pair, &specials) && write_specials(builder, &specials);
}
