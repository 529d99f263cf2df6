/*
 * files.c
 *	  The vocabularies of Python tokenizers: reading the files, and writing them into a specification.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/writer.h"

#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "text/python/unicode.h"
#include "text/unicode.h"

#define FILE_MAX ((size_t) 512 * 1024 * 1024)

bool
tok_python_read_text(tok_python_writer *w, const char *name, tfm_text *text)
{
	char *path = file_join(w->context, w->files->directory, name);

	text->data =
		path == NULL ? NULL : file_read_optional(w->context, path, FILE_MAX, &text->length);
	if (text->data != NULL && !utf8_valid(text->data, text->length))
		return tfm_fail(w->context, TFM_CORRUPTED, "\"%s\" is not valid UTF-8", path);
	return text->data != NULL;
}

bool
tok_python_read_json(tok_python_writer *w, const char *name, json *value)
{
	tfm_text text;

	*value = (json) {.node = NULL};
	if (!tok_python_read_text(w, name, &text))
		return false;
	*value = json_parse(w->context, text.data, text.length,
						file_join(w->context, w->files->directory, name));
	return !tfm_failed(w->context);
}

static bool
fail_absent(const tok_python_writer *w, const char *name)
{
	return tfm_fail(w->context, TFM_FILE_NOT_FOUND, "directory \"%s\" has no %s, which %s needs",
					w->files->directory, name, w->class->name);
}

bool
tok_python_set_vocabulary(tok_python_writer *w, json vocabulary)
{
	size_t count = json_size(vocabulary), i = 0;
	trie_key *keys = tfm_alloc_array(w->context, count, sizeof(trie_key));
	buffer *nodes = keys == NULL ? NULL : buffer_create(w->context);

	if (nodes == NULL)
		return false;
	if (!json_is_object(vocabulary))
		return tfm_fail(w->context, TFM_CORRUPTED, "\"%s\" must be an object of tokens and ids",
						vocabulary.source);
	for (json item = json_first(vocabulary); json_present(item); item = json_next(item), i++)
	{
		int64_t id;

		if (!json_to_int(item, 0, INT32_MAX - 1, &id) || strlen(json_key(item)) > TOK_TOKEN_MAX)
			return tfm_fail(w->context, TFM_CORRUPTED,
							"\"%s\": the id of token \"%s\" must be a whole number from 0",
							vocabulary.source, json_key(item));
		keys[i] = (trie_key) {
			.bytes = json_key(item),
			.length = (uint32_t) strlen(json_key(item)),
			.value = (uint32_t) id,
			.rank = (uint32_t) (count - i),
		};
	}
	if (!tok_trie_build(w->context, keys, count, nodes))
		return false;
	for (i = 0; i < count; i++)
		w->base_size += i == 0 || keys[i].length != keys[i - 1].length ||
						memcmp(keys[i].bytes, keys[i - 1].bytes, keys[i].length) != 0;
	w->vocabulary = vocabulary;
	w->index.nodes = (const trie_node *) (const void *) nodes->data;
	w->index.count = (uint32_t) (nodes->length / sizeof(trie_node));
	return true;
}

bool
tok_python_load_json(tok_python_writer *w)
{
	json vocabulary;

	if (!tok_python_read_json(w, "vocab.json", &vocabulary))
		return fail_absent(w, "vocab.json");
	return tok_python_set_vocabulary(w, vocabulary);
}

bool
tok_python_next_line(tfm_text *rest, tfm_text *line)
{
	const char *end;

	if (rest->length == 0)
		return false;
	end = memchr(rest->data, '\n', rest->length);
	*line = (tfm_text) {
		.data = rest->data,
		.length = end == NULL ? rest->length : (size_t) (end - rest->data),
	};
	rest->data += line->length + (end != NULL);
	rest->length -= line->length + (end != NULL);
	/* Python reads text files with universal newlines; a lone carriage return is nobody's. */
	if (end != NULL && line->length > 0 && line->data[line->length - 1] == '\r')
		line->length--;
	return true;
}

bool
tok_python_load_lines_of(tok_python_writer *w, const char *name, bool strips)
{
	buffer *object = buffer_create(w->context);
	tfm_text rest, line;
	int64_t id = 0;

	if (object == NULL || !tok_python_read_text(w, name, &rest))
		return fail_absent(w, name);
	buffer_append_string(w->context, object, "{");
	for (; tok_python_next_line(&rest, &line); id++)
	{
		if (strips)
			line = tok_strip(line, tok_python_is_space);
		if (memchr(line.data, '\0', line.length) != NULL)
			return tfm_fail(w->context, TFM_CORRUPTED, "\"%s/%s\" holds a NUL character",
							w->files->directory, name);
		if (!buffer_append_string(w->context, object, id == 0 ? "" : ",") ||
			!json_append_string(w->context, object, line.data, line.length) ||
			!buffer_printf(w->context, object, ":%lld", (long long) id))
			return false;
	}
	return buffer_append_string(w->context, object, "}") &&
		   tok_python_set_vocabulary(w,
									 json_parse(w->context, object->data, object->length,
												file_join(w->context, w->files->directory, name)));
}

bool
tok_python_load_lines(tok_python_writer *w)
{
	return tok_python_load_lines_of(w, "vocab.txt", false);
}

bool
tok_python_load_stripped(tok_python_writer *w)
{
	return tok_python_load_lines_of(w, "vocab.txt", true);
}

int64_t
tok_python_base_id(const tok_python_writer *w, const char *token)
{
	uint32_t id = tok_trie_find(&w->index, token, strlen(token));

	if (id == TRIE_NONE && w->ranged > 0)
	{
		int width = 0;
		uint32_t character = *token == '\0' ? 0 : utf8_decode(token, &width);

		if (character < w->ranged && token[width] == '\0')
			return w->offset + character;
	}
	return id == TRIE_NONE ? -1 : (int64_t) id;
}

const char *
tok_python_content(json token)
{
	if (json_is_object(token))
		token = json_member(token, "content");
	return json_is_string(token) ? json_as_string(token) : NULL;
}

bool
tok_python_flag(const tok_python_writer *w, const char *key, bool fallback)
{
	return json_bool(w->context, w->files->config, key, fallback);
}

const char *
tok_python_string(const tok_python_writer *w, const char *key, const char *fallback)
{
	return json_string(w->context, w->files->config, key, fallback);
}

bool
tok_python_quote(tok_python_writer *w, const char *string)
{
	return json_append_string(w->context, w->out, string, strlen(string));
}

static bool
write_tokens(tok_python_writer *w, const char *key, json vocabulary)
{
	const char *comma = "";

	tok_python_print(w, "\"%s\":{", key);
	for (json item = json_first(vocabulary); json_present(item); item = json_next(item))
	{
		tok_python_print(w, "%s", comma);
		tok_python_quote(w, json_key(item));
		if (!tok_python_print(w, ":%lld", (long long) json_as_number(item)))
			return false;
		comma = ",";
	}
	return tok_python_print(w, "}");
}

bool
tok_python_write_vocabulary(tok_python_writer *w)
{
	return write_tokens(w, "vocab", w->vocabulary);
}

bool
tok_python_write_target(tok_python_writer *w, const char *name)
{
	json vocabulary;

	if (!tok_python_read_json(w, name, &vocabulary))
		return fail_absent(w, name);
	for (json item = json_first(vocabulary); json_present(item); item = json_next(item))
		if (!json_is_number(item))
			return tfm_fail(w->context, TFM_CORRUPTED, "\"%s\": the id of \"%s\" is not a number",
							vocabulary.source, json_key(item));
	return tok_python_print(w, ",") && write_tokens(w, "target_vocab", vocabulary);
}

bool
tok_python_write_unknown(tok_python_writer *w)
{
	if (w->specials[TOK_UNK] == NULL)
		return !tfm_failed(w->context);
	return tok_python_print(w, ",\"unk_token\":") && tok_python_quote(w, w->specials[TOK_UNK]);
}

bool
tok_python_write_specials(tok_python_writer *w)
{
	tok_python_print(w, "[");
	for (size_t i = 0; i < w->all_special_count; i++)
		if (!tok_python_print(w, "%s", i == 0 ? "" : ",") ||
			!tok_python_quote(w, w->all_special[i]))
			return false;
	return tok_python_print(w, "]");
}

bool
tok_python_refuse(const tok_python_writer *w, const char *what)
{
	return tfm_fail(w->context, TFM_UNSUPPORTED, "tokenizer \"%s\" of directory \"%s\" needs %s",
					w->class->name, w->files->directory, what);
}
