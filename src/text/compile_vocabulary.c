/*
 * compile_vocabulary.c
 *	  vocab.txt and its configuration, made into the tokenizer.json that Transformers would make.
 *
 * Follows transformers/models/bert/tokenization_bert.py, mpnet/tokenization_mpnet.py, and how
 * tokenization_utils_tokenizers.py adds tokens.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/compile.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/unicode.h"

/* Each added token is compared with those before. */
#define ADDED_MAX 20000

/* Special tokens in the order in which Transformers adds them. */
static const tok_special order[TOK_SPECIAL_COUNT] = {TOK_BOS, TOK_EOS, TOK_UNK, TOK_SEP,
													 TOK_PAD, TOK_CLS, TOK_MASK};

typedef struct writer
{
	tfm_context *context;
	const tok_config *config;
	buffer *out;		  /* the text of the tokenizer.json */
	const char **written; /* contents of the added tokens so far */
	size_t written_count;
} writer;

static bool
append_quoted(writer *w, const char *text)
{
	return json_append_string(w->context, w->out, text, strlen(text));
}

static bool
is_written(const writer *w, const char *content)
{
	for (size_t i = 0; i < w->written_count; i++)
		if (strcmp(w->written[i], content) == 0)
			return true;
	return false;
}

static bool
is_named(const writer *w, const char *content)
{
	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
	{
		const char *named = tok_special_content(w->config, (tok_special) i);

		if (named != NULL && strcmp(named, content) == 0)
			return true;
	}
	return false;
}

/* One added token; flags that its value does not give are as AddedToken(content, special) has them. */
static bool
write_added(writer *w, const char *content, json value, bool special, bool lstrip)
{
	static const char *const flags[] = {"single_word", "lstrip", "rstrip", "normalized", "special"};
	bool given_special = json_bool(w->context, value, "special", special);

	if (tfm_stopped(w->context) || is_written(w, content))
		return !tfm_failed(w->context);
	buffer_append_string(w->context, w->out, w->written_count == 0 ? "{" : ",{");
	w->written[w->written_count++] = content;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
	{
		bool flag = false;

		if (strcmp(flags[i], "special") == 0)
			flag = special || given_special;
		else if (strcmp(flags[i], "normalized") == 0)
			flag = json_bool(w->context, value, "normalized", !given_special);
		else
			flag = json_bool(w->context, value, flags[i], lstrip && i == 1);
		buffer_printf(w->context, w->out, "\"%s\":%s,", flags[i], flag ? "true" : "false");
	}
	buffer_append_string(w->context, w->out, "\"content\":");
	return append_quoted(w, content) && buffer_append_string(w->context, w->out, "}");
}

typedef struct numbered_token
{
	int64_t id;
	json value;
} numbered_token;

static int
compare_numbers(const void *left, const void *right)
{
	const numbered_token *a = left, *b = right;

	return a->id < b->id ? -1 : a->id > b->id;
}

/* added_tokens_decoder, an object of ids and tokens, in the order of the ids. */
static bool
write_decoder(writer *w, json decoder)
{
	size_t count = json_size(decoder), i = 0;
	numbered_token *tokens = tfm_alloc_array(w->context, count, sizeof(numbered_token));

	if (tokens == NULL)
		return false;
	for (json item = json_first(decoder); json_present(item); item = json_next(item))
		tokens[i++] = (numbered_token) {.id = strtoll(json_key(item), NULL, 10), .value = item};
	qsort(tokens, count, sizeof(numbered_token), compare_numbers);
	for (i = 0; i < count; i++)
	{
		const char *content = tok_token_content(tokens[i].value);

		if (content == NULL)
			return tfm_fail(w->context, TFM_CORRUPTED,
							"\"%s\": a token of \"added_tokens_decoder\" has no content",
							decoder.source);
		if (!write_added(w, content, tokens[i].value, is_named(w, content), false))
			return false;
	}
	return true;
}

static bool
write_list(writer *w, json list)
{
	for (json item = json_first(list); json_present(item); item = json_next(item))
	{
		const char *content = tok_token_content(item);

		if (content != NULL && !write_added(w, content, item, true, false))
			return false;
	}
	return true;
}

static bool
write_added_tokens(writer *w)
{
	json decoder = json_member(w->config->config, "added_tokens_decoder");
	json extra = json_member(w->config->config, "extra_special_tokens");
	json additional = json_member(w->config->config, "additional_special_tokens");
	size_t count = json_size(decoder) + json_size(extra) + json_size(additional);

	if (count > ADDED_MAX)
		return tfm_fail(w->context, TFM_LIMIT_EXCEEDED, "\"%s\": %zu added tokens are too many",
						w->config->config.source, count);
	w->written = tfm_alloc_array(w->context, count + TOK_SPECIAL_COUNT, sizeof(char *));
	if (w->written == NULL || !buffer_append_string(w->context, w->out, "\"added_tokens\":[") ||
		!write_decoder(w, decoder))
		return false;
	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
	{
		const char *content = tok_special_content(w->config, order[i]);
		json value = tok_special_value(w->config, order[i]);
		bool lstrip = w->config->class == TOK_CLASS_MPNET && order[i] == TOK_MASK;

		if (content != NULL &&
			!write_added(w, content, value, true, lstrip && !json_is_object(value)))
			return false;
	}
	return write_list(w, json_present(extra) ? extra : additional) &&
		   buffer_append_string(w->context, w->out, "],");
}

static const char *
truth(bool value)
{
	return value ? "true" : "false";
}

static bool
write_components(writer *w)
{
	tfm_context *context = w->context;
	json config = w->config->config;
	json strip_accents = json_member(config, "strip_accents");

	buffer_printf(context, w->out,
				  "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
				  "\"handle_chinese_chars\":%s,\"strip_accents\":%s,\"lowercase\":%s},"
				  "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
				  "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
				  "\"post_processor\":{\"type\":\"%s\",\"trim_offsets\":true,"
				  "\"add_prefix_space\":false,\"sep\":[",
				  truth(json_bool(context, config, "tokenize_chinese_chars", true)),
				  json_present(strip_accents)
					  ? truth(json_bool(context, config, "strip_accents", false))
					  : "null",
				  truth(json_bool(context, config, "do_lower_case", true)),
				  w->config->class == TOK_CLASS_MPNET ? "RobertaProcessing" : "BertProcessing");
	append_quoted(w, tok_special_content(w->config, TOK_SEP));
	buffer_append_string(context, w->out, "],\"cls\":[");
	append_quoted(w, tok_special_content(w->config, TOK_CLS));
	buffer_append_string(
		context, w->out,
		"]},\"model\":{\"type\":\"WordPiece\",\"continuing_subword_prefix\":\"##\","
		"\"max_input_chars_per_word\":100,\"unk_token\":");
	return append_quoted(w, tok_special_content(w->config, TOK_UNK));
}

/* The length of a line without white space at its end. */
static size_t
trim_end(const char *line, size_t length)
{
	while (length > 0)
	{
		size_t start = length - 1;
		int width;

		while (start > 0 && ((unsigned char) line[start] & 0xC0) == 0x80)
			start--;
		if (!tok_is_space(utf8_decode(line + start, &width)))
			break;
		length = start;
	}
	return length;
}

/* Each line is a token, its number from 0 the id. */
static bool
write_vocabulary(writer *w, tfm_text vocabulary)
{
	size_t start = 0;

	buffer_append_string(w->context, w->out, ",\"vocab\":{");
	for (size_t id = 0; start < vocabulary.length; id++)
	{
		const char *line = vocabulary.data + start;
		const char *end = memchr(line, '\n', vocabulary.length - start);
		size_t length = end == NULL ? vocabulary.length - start : (size_t) (end - line);

		if (id > 0)
			buffer_append_string(w->context, w->out, ",");
		json_append_string(w->context, w->out, line, trim_end(line, length));
		if (!buffer_printf(w->context, w->out, ":%zu", id))
			return false;
		start += length + 1;
	}
	return buffer_append_string(w->context, w->out, "}}}");
}

bool
tok_write_vocabulary(tfm_context *context, tfm_text vocabulary, const char *source,
					 const tok_config *config, buffer *out)
{
	writer w = {.context = context, .config = config, .out = out};

	if (!utf8_valid(vocabulary.data, vocabulary.length))
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\" is not valid UTF-8", source);
	return !tfm_failed(context) && buffer_append_string(context, out, "{") &&
		   write_added_tokens(&w) && write_components(&w) && write_vocabulary(&w, vocabulary);
}
