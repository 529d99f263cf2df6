/*
 * writer.c
 *	  What all Python tokenizers have in common: special and added tokens, and what is put around a
 *	  text.
 *
 * Follows PreTrainedTokenizerBase._from_pretrained and __init__, and PythonBackend.__init__ and
 * _add_tokens.  A layout is two words, for a text and a pair: A and B are the texts, c s b e the
 * special tokens cls sep bos eos, p the prefix if there is one, E eos unless the text ends with it; from | on the type is 1.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/writer.h"

#include <stdlib.h>
#include <string.h>

#include "text/python/python.h"

#define FURTHER_MAX 200				  /* added tokens of a class's own */
#define MODEL_MAX_LENGTH_SENTINEL 1e9 /* Transformers writes 1e30 for "no limit" */

/* Each added token is compared with those before. */
#define ADDED_MAX 20000

/* SPECIAL_TOKENS_ATTRIBUTES */
static const struct
{
	tok_special which;
	const char *key;
} attributes[TOK_SPECIAL_COUNT] = {
	{TOK_BOS, "bos_token"},	  {TOK_EOS, "eos_token"}, {TOK_UNK, "unk_token"},
	{TOK_SEP, "sep_token"},	  {TOK_PAD, "pad_token"}, {TOK_CLS, "cls_token"},
	{TOK_MASK, "mask_token"},
};

static const tok_python_class *const tables[] = {
	tok_python_byte_classes, tok_python_character_classes, tok_python_bpe_classes,
	tok_python_bert_classes, tok_python_piece_classes,	   tok_python_fairseq_classes,
};

/* A member even if it is null, which is not the same as absent here. */
static json
find_member(json object, const char *key)
{
	json item = json_first(object);

	while (json_present(item) && strcmp(json_key(item), key) != 0)
		item = json_next(item);
	return item;
}

static json
special_value(const tok_python_writer *w, const char *key)
{
	json value = find_member(w->files->special_tokens_map, key);

	return json_present(value) ? value : find_member(w->files->config, key);
}

static bool
ends_with(const char *string, const char *end)
{
	size_t length = strlen(string), end_length = strlen(end);

	return length >= end_length && strcmp(string + length - end_length, end) == 0;
}

/* Whether a list of words between spaces has the word. */
static bool
has_word(const char *list, const char *word, size_t length)
{
	size_t list_length = strlen(list);

	for (size_t i = 0; i + length + 2 <= list_length; i++)
		if (list[i] == ' ' && memcmp(list + i + 1, word, length) == 0 &&
			list[i + length + 1] == ' ')
			return true;
	return false;
}

static bool
is_attribute(const char *key)
{
	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
		if (strcmp(attributes[i].key, key) == 0)
			return true;
	return false;
}

/* Append to all_special_tokens, unless it is there. */
static bool
list_special(tok_python_writer *w, const char *content)
{
	if (content == NULL)
		return true;
	for (size_t i = 0; i < w->all_special_count; i++)
		if (strcmp(w->all_special[i], content) == 0)
			return true;
	w->all_special[w->all_special_count++] = content;
	return !tfm_stopped(w->context);
}

/* Tokens of other names: the class's own, and what else ends with _token in the configuration. */
static bool
list_named(tok_python_writer *w)
{
	json config = w->files->config;
	const char *named = w->class->named, *equals = named == NULL ? NULL : strchr(named, '=');

	if (equals != NULL)
	{
		char *key = tfm_strndup(w->context, named, (size_t) (equals - named));

		if (key == NULL)
			return false;
		if (!json_present(json_member(config, key)) && !list_special(w, equals + 1))
			return false;
	}
	for (json item = json_first(config); json_present(item); item = json_next(item))
		if (ends_with(json_key(item), "_token") && !is_attribute(json_key(item)) &&
			(w->class->unnamed == NULL ||
			 !has_word(w->class->unnamed, json_key(item), strlen(json_key(item)))) &&
			(json_is_string(item) || json_is_object(item)) &&
			!list_special(w, tok_python_content(item)))
			return false;
	return true;
}

/* extra_special_tokens: a list, or an object of names. */
static bool
list_extra(tok_python_writer *w)
{
	json config = w->files->config;
	json extra = json_member(config, "extra_special_tokens");
	bool empty = json_size(extra) == 0;

	if (empty && json_present(find_member(config, "additional_special_tokens")))
		extra = json_member(config, "additional_special_tokens");
	else if (empty && !json_present(find_member(config, "extra_special_tokens")))
	{
		if (w->no_extra)
			return true;
		for (const char *const *token = w->class->extra; token != NULL && *token != NULL; token++)
			if (!list_special(w, *token))
				return false;
		return true;
	}
	for (json item = json_first(extra); json_present(item); item = json_next(item))
		if (!list_special(w, tok_python_content(item)))
			return false;
	return true;
}

static bool
list_specials(tok_python_writer *w)
{
	json config = w->files->config;
	size_t count = json_size(config) + json_size(json_member(config, "extra_special_tokens")) +
				   json_size(json_member(config, "additional_special_tokens")) + TOK_SPECIAL_COUNT +
				   1;

	for (const char *const *token = w->class->extra; token != NULL && *token != NULL; token++)
		count++;
	if (count > ADDED_MAX)
		return tfm_fail(w->context, TFM_LIMIT_EXCEEDED, "\"%s\": %zu special tokens are too many",
						config.source, count);
	w->all_special = tfm_alloc_array(w->context, count, sizeof(char *));
	for (int i = 0; w->all_special != NULL && i < TOK_SPECIAL_COUNT; i++)
	{
		json value = special_value(w, attributes[i].key);
		const char *content = json_present(value) ? tok_python_content(value)
												  : w->class->specials[attributes[i].which];

		w->specials[attributes[i].which] = content;
		if (!list_special(w, content))
			return false;
	}
	return w->all_special != NULL && list_named(w) && list_extra(w);
}

static bool
is_all_special(const tok_python_writer *w, const char *content)
{
	for (size_t i = 0; i < w->all_special_count; i++)
		if (strcmp(w->all_special[i], content) == 0)
			return true;
	return false;
}

static tok_python_added *
find_added(const tok_python_writer *w, const char *content)
{
	for (size_t i = 0; i < w->added_count; i++)
		if (strcmp(w->added[i].content, content) == 0)
			return &w->added[i];
	return NULL;
}

/* As {id: token} is updated: an id's token is replaced, and a content has its last id. */
bool
tok_python_add(tok_python_writer *w, int64_t id, const char *content, uint32_t flags)
{
	tok_python_added *found = NULL, *twin = find_added(w, content);

	if (id < 0 || id >= INT32_MAX)
		return tfm_fail(w->context, TFM_CORRUPTED, "the id of added token \"%s\" is out of range",
						content);
	for (size_t i = 0; i < w->added_count && found == NULL; i++)
		if (w->added[i].id == id)
			found = &w->added[i];
	if (twin != NULL && twin != found && found == NULL)
		found = twin;
	else if (twin != NULL && twin != found)
		*twin = w->added[--w->added_count];
	if (found == NULL)
		found = &w->added[w->added_count++];
	*found = (tok_python_added) {.id = id, .content = content, .flags = flags};
	return !tfm_stopped(w->context);
}

bool
tok_python_add_hidden(tok_python_writer *w, int64_t id, const char *content)
{
	return find_added(w, content) != NULL || tok_python_add(w, id, content, TOK_PYTHON_HIDDEN);
}

static uint32_t
read_flags(json token)
{
	static const struct
	{
		const char *key;
		uint32_t flag;
	} keys[] = {
		{"single_word", TOK_ADDED_SINGLE_WORD},
		{"lstrip", TOK_ADDED_LSTRIP},
		{"rstrip", TOK_ADDED_RSTRIP},
	};
	uint32_t flags = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		json value = json_member(token, keys[i].key);

		if (json_is_bool(value) && json_as_bool(value))
			flags |= keys[i].flag;
	}
	return flags;
}

/* added_tokens_decoder, or else added_tokens.json. */
static bool
add_configured(tok_python_writer *w)
{
	json decoder = json_member(w->files->config, "added_tokens_decoder"), others;

	for (json item = json_first(decoder); json_present(item); item = json_next(item))
	{
		const char *content = tok_python_content(item);

		if (content == NULL)
			return tfm_fail(w->context, TFM_CORRUPTED,
							"\"%s\": a token of \"added_tokens_decoder\" has no content",
							decoder.source);
		if (!tok_python_add(w, strtoll(json_key(item), NULL, 10), content, read_flags(item)))
			return false;
	}
	if (json_present(find_member(w->files->config, "added_tokens_decoder")) ||
		!tok_python_read_json(w, "added_tokens.json", &others))
		return !tfm_failed(w->context);
	for (json item = json_first(others); json_present(item); item = json_next(item))
	{
		int64_t id;

		if (!json_to_int(item, 0, INT32_MAX - 1, &id))
			return tfm_fail(w->context, TFM_CORRUPTED, "\"%s\": the id of \"%s\" is not a number",
							others.source, json_key(item));
		if (!tok_python_add(w, id, json_key(item), 0))
			return false;
	}
	return true;
}

/* All special tokens that are not added yet: with the vocabulary's id, or one behind the last. */
static bool
add_specials(tok_python_writer *w)
{
	w->size = w->base_size;
	for (size_t i = 0; i < w->added_count; i++)
		w->size += tok_python_base_id(w, w->added[i].content) < 0;
	for (size_t i = 0; i < w->all_special_count; i++)
	{
		const char *content = w->all_special[i];
		int64_t id = tok_python_base_id(w, content);

		/* Only a class that numbers characters has the empty string, which stands for NUL. */
		if (find_added(w, content) != NULL || (*content == '\0' && w->ranged == 0))
			continue;
		if (id < 0)
			id = w->size++;
		if (!tok_python_add(w, id, content, 0))
			return false;
	}
	return true;
}

static bool
is_long(const char *token)
{
	size_t count = 0;

	for (; *token != '\0' && count < 2; token++)
		count += ((unsigned char) *token & 0xC0) != 0x80;
	return count > 1;
}

/* Tokens of the vocabulary that have several characters, as Wav2Vec2CTCTokenizer adds them. */
static bool
add_long(tok_python_writer *w)
{
	for (json item = json_first(w->vocabulary); json_present(item); item = json_next(item))
		if (is_long(json_key(item)) &&
			!tok_python_add(w, tok_python_base_id(w, json_key(item)), json_key(item),
							TOK_ADDED_LSTRIP | TOK_ADDED_RSTRIP))
			return false;
	return true;
}

static bool
collect_added(tok_python_writer *w)
{
	size_t count = json_size(json_member(w->files->config, "added_tokens_decoder"));
	json others;

	if (tok_python_read_json(w, "added_tokens.json", &others))
		count += json_size(others);
	for (json item = json_first(w->vocabulary); w->class->adds_long && json_present(item);
		 item = json_next(item))
		count += is_long(json_key(item));
	if (tfm_failed(w->context))
		return false;
	if (count > ADDED_MAX)
		return tfm_fail(w->context, TFM_LIMIT_EXCEEDED, "\"%s\": %zu added tokens are too many",
						w->files->config.source, count);
	w->added = tfm_alloc_array(w->context, count + w->all_special_count + FURTHER_MAX,
							   sizeof(tok_python_added));
	if (w->added == NULL || (w->class->has_initial && !tok_python_add_initial(w)) ||
		!add_configured(w) || !add_specials(w) ||
		(w->class->finish != NULL && !w->class->finish(w)) || (w->class->adds_long && !add_long(w)))
		return false;
	for (size_t i = 0; i < w->added_count; i++)
		if (is_all_special(w, w->added[i].content))
			w->added[i].flags |= TOK_ADDED_SPECIAL;
	return true;
}

static bool
write_added(tok_python_writer *w)
{
	const char *delimiter = w->class->named == NULL ? NULL : strchr(w->class->named, '=');

	tok_python_print(w, "\"added_tokens\":[");
	for (size_t i = 0; i < w->added_count; i++)
	{
		const tok_python_added *token = &w->added[i];
		/* The one token that is decoded though it is special: wav2vec2's word delimiter. */
		bool kept =
			delimiter != NULL && strcmp(delimiter, "=|") == 0 && strcmp(token->content, "|") == 0;
		bool hidden = (token->flags & TOK_PYTHON_HIDDEN) != 0 ||
					  (w->class->hides_known && tok_python_base_id(w, token->content) >= 0);

		tok_python_print(w, "%s{\"id\":%lld,\"single_word\":%s,\"lstrip\":%s,\"rstrip\":%s,",
						 i == 0 ? "" : ",", (long long) token->id,
						 json_truth((token->flags & TOK_ADDED_SINGLE_WORD) != 0),
						 json_truth((token->flags & TOK_ADDED_LSTRIP) != 0),
						 json_truth((token->flags & TOK_ADDED_RSTRIP) != 0));
		tok_python_print(w, "\"special\":%s,\"skipped\":%s,\"hidden\":%s,\"content\":",
						 json_truth((token->flags & TOK_ADDED_SPECIAL) != 0),
						 json_truth((token->flags & TOK_ADDED_SPECIAL) != 0 && !kept),
						 json_truth(hidden));
		tok_python_quote(w, token->content);
		if (!tok_python_print(w, "}"))
			return false;
	}
	return tok_python_print(w, "]");
}

static tok_special
special_of(char letter)
{
	switch (letter)
	{
		case 'c':
			return TOK_CLS;
		case 's':
			return TOK_SEP;
		case 'b':
			return TOK_BOS;
		default:
			return TOK_EOS;
	}
}

/* A word of the layout as a list of the template. */
static bool
write_template(tok_python_writer *w, const char *key, const char **layout)
{
	int type = 0;
	const char *comma = "";

	tok_python_print(w, ",\"%s\":[", key);
	for (; **layout != '\0' && **layout != ' '; (*layout)++)
	{
		char letter = **layout;

		if (letter == '|')
			type = 1;
		if (letter == '|' || (letter == 'p' && w->prefix == NULL))
			continue;
		tok_python_print(w, "%s", comma);
		comma = ",";
		if (letter == 'A' || letter == 'B')
		{
			tok_python_print(w, "{\"Sequence\":{\"id\":\"%c\",\"type_id\":%d}}", letter, type);
			continue;
		}
		if (letter == 'p')
		{
			tok_python_print(w, "{\"SpecialToken\":{\"type_id\":%d,\"id\":\"\"}}", type);
			continue;
		}
		if (w->specials[special_of(letter)] == NULL)
			return tfm_fail(w->context, TFM_CORRUPTED,
							"\"%s\": a special token that %s needs is missing",
							w->files->config.source, w->class->name);
		tok_python_print(w, "{\"SpecialToken\":{\"once\":%s,\"type_id\":%d,\"id\":",
						 json_truth(letter == 'E'), type);
		tok_python_quote(w, w->specials[special_of(letter)]);
		tok_python_print(w, "}}");
	}
	return tok_python_print(w, "]");
}

static bool
write_layout(tok_python_writer *w)
{
	const char *layout = w->class->layout, *comma = "";

	tok_python_print(w, ",\"post_processor\":{\"type\":\"TemplateProcessing\"");
	if (!write_template(w, "single", &layout))
		return false;
	layout += *layout == ' ';
	if (!write_template(w, "pair", &layout))
		return false;
	tok_python_print(w, ",\"special_tokens\":{");
	if (w->prefix != NULL)
	{
		tok_python_print(w, "\"\":{\"ids\":[%lld],\"tokens\":[", (long long) w->prefix_id);
		tok_python_quote(w, w->prefix);
		tok_python_print(w, "]}");
		comma = ",";
	}
	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
	{
		const char *content = w->specials[i];
		const tok_python_added *token = content == NULL ? NULL : find_added(w, content);

		if (token == NULL || *content == '\0')
			continue;
		tok_python_print(w, "%s", comma);
		tok_python_quote(w, content);
		tok_python_print(w, ":{\"ids\":[%lld],\"tokens\":[", (long long) token->id);
		tok_python_quote(w, content);
		tok_python_print(w, "]}");
		comma = ",";
	}
	return tok_python_print(w, "}}");
}

static bool
write_all(tok_python_writer *w)
{
	tok_python_print(w, "{\"python\":true,\"vocabulary_size\":%lld,", (long long) w->size);
	return write_added(w) && write_layout(w) && w->class->write(w) && tok_python_print(w, "}");
}

static const tok_python_class *
find_class(const char *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const tok_python_class *class = tables[i]; class->name != NULL; class ++)
			if (strcmp(class->name, name) == 0)
				return class;
	return NULL;
}

/* The named special tokens, for the configuration. */
static bool
name_specials(const tok_python_writer *w, tok_config *config)
{
	tok_named_token *named =
		tfm_alloc_zero(w->context, TOK_SPECIAL_COUNT * sizeof(tok_named_token));

	for (int i = 0; named != NULL && i < TOK_SPECIAL_COUNT; i++)
		named[i] = (tok_named_token) {
			.name = attributes[i].key,
			.token = {.content = w->specials[attributes[i].which], .plain = true},
		};
	config->named = named;
	config->named_count = TOK_SPECIAL_COUNT;
	return named != NULL;
}

/* What else the files, or the class, say. */
static bool
describe(const tok_python_writer *w, tok_config *config)
{
	json length = json_member(w->files->config, "model_max_length");

	if (!json_present(length))
		length = json_member(w->files->config, "max_len");
	if (!json_present(length))
		config->model_max_length = w->class->model_max_length;
	else if (json_is_number(length) && json_as_number(length) >= 1 &&
			 json_as_number(length) < MODEL_MAX_LENGTH_SENTINEL)
		config->model_max_length = (int64_t) json_as_number(length);
	if (tok_python_flag(w, "clean_up_tokenization_spaces", w->class->cleans_up))
		config->decode_flags |= TOK_DECODE_CLEAN_UP;
	config->split_special_tokens = tok_python_flag(w, "split_special_tokens", false);
	config->pads_left = strcmp(tok_python_string(w, "padding_side", ""), "left") == 0;
	config->truncates_left = strcmp(tok_python_string(w, "truncation_side", ""), "left") == 0;
	return !tfm_failed(w->context) && name_specials(w, config);
}

bool
tok_build_python(tfm_context *context, const tok_files *files, const char *class_name,
				 tok_config *config, json *specification)
{
	tok_python_writer w = {
		.context = context,
		.files = files,
		.class = find_class(class_name),
		.out = buffer_create(context),
	};

	if (w.class == NULL || files->directory == NULL)
		return tfm_fail(context, TFM_UNSUPPORTED, "tokenizer class \"%s\" is not supported",
						class_name);
	if (w.out == NULL || !w.class->load(&w) || !list_specials(&w) || !collect_added(&w) ||
		!write_all(&w) || !describe(&w, config))
		return false;
	*specification = json_parse(context, w.out->data, w.out->length, files->directory);
	return !tfm_failed(context);
}
