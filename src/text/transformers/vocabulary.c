/*
 * vocabulary.c
 *	  The vocabulary that a class is given: from tokenizer.json, or from the older files.
 *
 * Follows TokenizersBackend.convert_to_native_format
 * (transformers/tokenization_utils_tokenizers.py), and how the library reads vocab.txt, vocab.json
 * and merges.txt.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/transformers/class.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "text/unicode.h"

#define FILE_MAX ((size_t) 512 * 1024 * 1024)

static bool
ends_with(const char *name, const char *end)
{
	size_t length = strlen(name), end_length = strlen(end);

	return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

static bool
has_file(const tok_builder *builder, const char *name)
{
	char *path = file_join(builder->context, builder->files->directory, name);

	return path != NULL && file_exists(path);
}

/* A file of the directory; data is NULL if there is none. */
static tfm_text
read_file(tok_builder *builder, const char *name, char **path)
{
	tfm_text text = {.data = NULL};

	*path = file_join(builder->context, builder->files->directory, name);
	if (*path != NULL)
		text.data = file_read_optional(builder->context, *path, FILE_MAX, &text.length);
	return text;
}

static json
parse_buffer(tok_builder *builder, buffer *text, const char *source)
{
	if (tfm_failed(builder->context))
		return (json) {.node = NULL, .source = source};
	return json_parse(builder->context, text->data, text->length, source);
}

/*
 * tokenizer.json
 */

/* The first Precompiled normalizer's map. */
static json
find_charsmap(json normalizer)
{
	json list = json_member(normalizer, "normalizers");

	if (strcmp(json_as_string(json_member(normalizer, "type")), "Precompiled") == 0)
		return json_member(normalizer, "precompiled_charsmap");
	for (json item = json_first(list); json_present(item); item = json_next(item))
		if (strcmp(json_as_string(json_member(item, "type")), "Precompiled") == 0)
			return json_member(item, "precompiled_charsmap");
	return (json) {.node = NULL};
}

/* A list of pieces as the vocabulary of a class that wants tokens and ids. */
static bool
number_pieces(tok_builder *builder)
{
	tfm_context *context = builder->context;
	buffer *out = buffer_create(context);
	size_t id = 0;

	if (out == NULL)
		return false;
	for (json item = json_first(builder->vocabulary); json_present(item);
		 item = json_next(item), id++)
	{
		const char *token = json_as_string(json_is_array(item) ? json_first(item) : item);

		buffer_append_string(context, out, id == 0 ? "{" : ",");
		json_append_string(context, out, token, strlen(token));
		if (!buffer_printf(context, out, ":%zu", id))
			return false;
	}
	buffer_append_string(context, out, id == 0 ? "{}" : "}");
	builder->vocabulary = parse_buffer(builder, out, builder->files->tokenizer.source);
	return !tfm_failed(context);
}

static bool
take_tokenizer(tok_builder *builder)
{
	json root = builder->files->tokenizer;
	json model = json_member(root, "model");

	builder->vocabulary = json_member(model, "vocab");
	builder->merges = json_member(model, "merges");
	builder->charsmap = find_charsmap(json_member(root, "normalizer"));
	builder->post_processor = json_member(root, "post_processor");
	if ((builder->class->flags & TOK_CLASS_AS_IS) != 0 || builder->class->model == NULL)
		return true;
	if (strcmp(builder->class->model, "Unigram") != 0)
		return !json_is_array(builder->vocabulary) || number_pieces(builder);
	if (!json_is_array(builder->vocabulary))
		return tfm_fail(builder->context, TFM_CORRUPTED,
						"\"%s\": %s needs a Unigram model, whose \"vocab\" is a list", root.source,
						builder->class->name);
	return true;
}

/*
 * vocab.txt, vocab.json and merges.txt
 */

/* Each line is a token, its number from 0 the id. */
static bool
take_lines(tok_builder *builder, tfm_text text, const char *source)
{
	tfm_context *context = builder->context;
	buffer *out = buffer_create(context);
	size_t start = 0;

	if (out == NULL)
		return false;
	if (!utf8_valid(text.data, text.length))
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\" is not valid UTF-8", source);
	buffer_append_string(context, out, "{");
	for (size_t id = 0; start < text.length; id++)
	{
		const char *line = text.data + start;
		const char *end = memchr(line, '\n', text.length - start);
		size_t length = end == NULL ? text.length - start : (size_t) (end - line);

		buffer_append_string(context, out, id > 0 ? "," : "");
		json_append_string(context, out, line, tok_trim_end(line, length, tok_is_space));
		if (!buffer_printf(context, out, ":%zu", id))
			return false;
		start += length + 1;
	}
	buffer_append_string(context, out, "}");
	builder->vocabulary = parse_buffer(builder, out, source);
	return !tfm_failed(context);
}

/* A line of merges.txt: two tokens. */
static bool
append_merge(tok_builder *builder, buffer *out, const char *line, size_t length)
{
	const char *space = memchr(line, ' ', length);
	size_t left = space == NULL ? 0 : (size_t) (space - line);

	if (space == NULL || memchr(space + 1, ' ', length - left - 1) != NULL)
		return false;
	buffer_append_string(builder->context, out, out->length > 1 ? ",[" : "[");
	json_append_string(builder->context, out, line, left);
	buffer_append_string(builder->context, out, ",");
	json_append_string(builder->context, out, space + 1, length - left - 1);
	return buffer_append_string(builder->context, out, "]");
}

static bool
take_merges(tok_builder *builder, tfm_text text, const char *source)
{
	tfm_context *context = builder->context;
	buffer *out = buffer_create(context);
	size_t start = 0;

	if (out == NULL)
		return false;
	if (!utf8_valid(text.data, text.length))
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\" is not valid UTF-8", source);
	buffer_append_string(context, out, "[");
	for (size_t number = 1; start < text.length; number++)
	{
		const char *line = text.data + start;
		const char *end = memchr(line, '\n', text.length - start);
		size_t length = end == NULL ? text.length - start : (size_t) (end - line);
		bool comment = length >= 8 && memcmp(line, "#version", 8) == 0;

		start += length + 1;
		if (end != NULL && length > 0 && line[length - 1] == '\r')
			length--;
		if (!comment && length > 0 && !append_merge(builder, out, line, length))
			return tfm_fail(context, TFM_CORRUPTED, "\"%s\": line %zu is not two tokens", source,
							number);
		if ((number & 0xFFF) == 0 && tfm_stopped(context))
			return false;
	}
	buffer_append_string(context, out, "]");
	builder->merges = parse_buffer(builder, out, source);
	return !tfm_failed(context);
}

static bool
take_vocabulary_and_merges(tok_builder *builder, tfm_text vocabulary, const char *path)
{
	char *merges_path;
	tfm_text merges = read_file(builder, "merges.txt", &merges_path);

	if (tfm_failed(builder->context))
		return false;
	builder->vocabulary = json_parse(builder->context, vocabulary.data, vocabulary.length, path);
	if (tfm_failed(builder->context))
		return false;
	if (!json_is_object(builder->vocabulary))
		return tfm_fail(builder->context, TFM_CORRUPTED, "\"%s\" must be an object", path);
	if (merges.data == NULL)
		return tfm_fail(builder->context, TFM_FILE_NOT_FOUND,
						"directory \"%s\" has vocab.json, but not merges.txt",
						builder->files->directory);
	return take_merges(builder, merges, merges_path);
}

/*
 * SentencePiece
 */

/* Control and user-defined pieces are given to the class as further special tokens. */
static bool
take_given(tok_builder *builder, const tok_sentencepiece *model)
{
	builder->given = (tok_token_list) {.items = NULL};
	builder->has_given = true;
	for (size_t i = 0; i < model->count; i++)
	{
		tok_token token = {.content = model->units[i].text};

		if (model->units[i].type == TOK_UNIT_CONTROL)
			token.flags = TOK_ADDED_SPECIAL;
		else if (model->units[i].type != TOK_UNIT_USER_DEFINED)
			continue;
		if (!tok_append_token(builder, &builder->given, token))
			return false;
	}
	return true;
}

/* The pieces with the contents that added_tokens_decoder has for their ids. */
static bool
rename_units(tok_builder *builder, tok_sentencepiece *model)
{
	json decoder = json_member(builder->files->config, "added_tokens_decoder");
	tok_unit *units = tfm_alloc_array(builder->context, model->count, sizeof(tok_unit));

	if (units == NULL)
		return false;
	memcpy(units, model->units, model->count * sizeof(tok_unit));
	for (json item = json_first(decoder); json_present(item); item = json_next(item))
	{
		unsigned long long id = strtoull(json_key(item), NULL, 10);
		const char *content = json_as_string(json_member(item, "content"));
		bool known = *content == '\0' || id >= model->count;

		for (size_t i = 0; !known && i < model->count; i++)
			known = strcmp(units[i].text, content) == 0;
		if (!known)
			units[id].text = content;
		if (tfm_stopped(builder->context))
			return false;
	}
	model->units = units;
	return true;
}

/* Without rules of a class: the model's own file, and its own names of special tokens. */
static bool
take_whole_model(tok_builder *builder, tok_sentencepiece *model)
{
	buffer *out = buffer_create(builder->context);
	const tok_sentencepiece_options options = {.added_tokens = "[]"};

	if (out == NULL ||
		(model->type != TOK_SENTENCEPIECE_UNIGRAM && !rename_units(builder, model)) ||
		!tok_write_sentencepiece(builder->context, model, &options, out))
		return false;
	builder->whole = parse_buffer(builder, out, model->source);
	builder->vocabulary = json_member(json_member(builder->whole, "model"), "vocab");
	return (model->bos_id < 0 || tok_name_default(builder, "bos_token", model->bos_piece)) &&
		   (model->eos_id < 0 || tok_name_default(builder, "eos_token", model->eos_piece)) &&
		   (model->unk_id < 0 || tok_name_default(builder, "unk_token", model->unk_piece));
}

static bool
take_units(tok_builder *builder, const tok_sentencepiece *model)
{
	const char *type = builder->class->model;
	tfm_context *context = builder->context;
	buffer *out = buffer_create(context), *charsmap = buffer_create(context);
	tok_sentencepiece_options options = {.type = TOK_SENTENCEPIECE_BPE};
	json root;

	if (out == NULL || charsmap == NULL)
		return false;
	if (type == NULL ? model->type == TOK_SENTENCEPIECE_UNIGRAM : strcmp(type, "BPE") != 0)
	{
		options.type = TOK_SENTENCEPIECE_UNIGRAM;
		builder->unk_id = model->unk_id;
	}
	if (builder->class->change_units != NULL && !builder->class->change_units(builder, &options))
		return false;
	if (!tok_write_units(context, model, &options, out) ||
		!tok_write_charsmap(context, model, charsmap))
		return false;
	root = parse_buffer(builder, out, model->source);
	builder->vocabulary = json_member(root, "vocab");
	builder->merges = json_member(root, "merges");
	if (model->charsmap.length > 0)
		builder->charsmap =
			json_member(parse_buffer(builder, charsmap, model->source), "precompiled_charsmap");
	return !tfm_failed(context);
}

static bool
take_sentencepiece(tok_builder *builder, const tok_sentencepiece *read)
{
	tok_sentencepiece model = *read;

	if (!take_given(builder, &model))
		return false;
	if ((builder->class->flags & TOK_CLASS_AS_IS) != 0)
		return take_whole_model(builder, &model);
	return take_units(builder, &model);
}

/*
 * Which file there is
 */

static bool
take_tiktoken(tok_builder *builder, tfm_text text, const char *source)
{
	buffer *out = buffer_create(builder->context);

	if (out == NULL || !tok_write_tiktoken(builder, text, source, out))
		return false;
	builder->whole = parse_buffer(builder, out, source);
	builder->vocabulary = json_member(json_member(builder->whole, "model"), "vocab");
	return !tfm_failed(builder->context);
}

/* Put a space for \u0000 in a JSON text: tekken.json has it where it tells what a token looks like. */
static char *
without_nul(tok_builder *builder, tfm_text text)
{
	char *copy = tfm_strndup(builder->context, text.data, text.length);

	for (size_t i = 0; copy != NULL && i + 5 < text.length; i++)
	{
		if (copy[i] != '\\')
			continue;
		if (memcmp(copy + i, "\\u0000", 6) == 0)
			copy[i + 4] = '2';
		i++;
	}
	return copy;
}

static bool
take_tekken(tok_builder *builder, tfm_text text, const char *source)
{
	char *copy = without_nul(builder, text);
	json tekken = json_parse(builder->context, copy, copy == NULL ? 0 : text.length, source);
	buffer *out = buffer_create(builder->context);

	if (out == NULL || tfm_failed(builder->context) || !tok_write_tekken(builder, tekken, out))
		return false;
	builder->whole = parse_buffer(builder, out, source);
	builder->vocabulary = json_member(json_member(builder->whole, "model"), "vocab");
	return !tfm_failed(builder->context);
}

/* Lines of base 64 and a number, as Tiktoken's files have them, have no control characters. */
static bool
looks_like_tiktoken(tfm_text text)
{
	size_t length = text.length < 256 ? text.length : 256;

	for (size_t i = 0; i < length; i++)
		if ((unsigned char) text.data[i] < ' ' && text.data[i] != '\n' && text.data[i] != '\r')
			return false;
	return length > 0;
}

static bool
take_file(tok_builder *builder, const char *name)
{
	char *path;
	tfm_text text = read_file(builder, name, &path);
	const tok_sentencepiece *model;

	if (text.data == NULL)
		return tfm_fail(builder->context, TFM_FILE_NOT_FOUND,
						"directory \"%s\" has neither tokenizer.json nor %s, which %s needs",
						builder->files->directory, name, builder->class->name);
	if (strcmp(name, "tekken.json") == 0)
		return take_tekken(builder, text, path);
	if (ends_with(name, ".json"))
		return take_vocabulary_and_merges(builder, text, path);
	if (ends_with(name, ".txt"))
		return take_lines(builder, text, path);
	if (ends_with(name, ".tiktoken") && builder->class->take_ranks != NULL)
		return builder->class->take_ranks(builder, text, path);
	if (!ends_with(name, ".model") || strcmp(name, "tiktoken.model") == 0 ||
		looks_like_tiktoken(text))
		return take_tiktoken(builder, text, path);
	model = tok_read_sentencepiece(builder->context, text, path);
	return model != NULL && take_sentencepiece(builder, model);
}

/* The first file of the directory, by name, that ends so; NULL if there is none. */
static const char *
find_file(tok_builder *builder, const char *end)
{
	DIR *directory = opendir(builder->files->directory);
	struct dirent *entry;
	const char *found = NULL;

	if (directory == NULL)
		return NULL;
	while ((entry = readdir(directory)) != NULL)
		if (ends_with(entry->d_name, end) && (found == NULL || strcmp(entry->d_name, found) < 0))
			found = tfm_strdup(builder->context, entry->d_name);
	closedir(directory);
	return found;
}

/* The class has a vocabulary of its own. */
static bool
take_fixed(tok_builder *builder)
{
	const char *text = builder->class->fixed_vocabulary;

	builder->post_processor = json_member(builder->files->tokenizer, "post_processor");
	builder->vocabulary = json_parse(builder->context, text, strlen(text), builder->class->name);
	return !tfm_failed(builder->context);
}

bool
tok_find_vocabulary(tok_builder *builder)
{
	static const char *const others[] = {"tekken.json", "tokenizer.model", "tiktoken.model"};
	const tok_files *files = builder->files;
	const char *name = builder->class->vocabulary;

	if (builder->class->fixed_vocabulary != NULL)
		return take_fixed(builder);
	if (json_present(files->tokenizer))
		return take_tokenizer(builder);
	if (files->vocabulary.data != NULL)
		return take_lines(builder, files->vocabulary, files->vocabulary_name);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (has_file(builder, others[i]))
			return take_file(builder, others[i]);
	if (name == NULL || !has_file(builder, name))
	{
		const char *found = find_file(builder, ".tiktoken");

		if (found == NULL && name == NULL)
			found = find_file(builder, ".model");
		name = found != NULL ? found : name;
	}
	if (name == NULL)
		return tfm_fail(builder->context, TFM_FILE_NOT_FOUND,
						"directory \"%s\" has no file that a tokenizer could be made of",
						files->directory);
	return take_file(builder, name);
}
