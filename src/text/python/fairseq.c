/*
 * fairseq.c
 *	  Classes with pieces of SentencePiece and the ids that fairseq gave them: PLBart, BARTpho.
 *
 * Follows tokenization_plbart.py and tokenization_bartpho.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/writer.h"

#include <string.h>

#include "base/utf8.h"
#include "text/python/unicode.h"

static bool
append_token(tok_python_writer *w, buffer *object, const char *token, size_t length, int64_t id)
{
	return buffer_append_string(w->context, object, object->length == 0 ? "{" : ",") &&
		   json_append_string(w->context, object, token, length) &&
		   buffer_printf(w->context, object, ":%lld", (long long) id);
}

static bool
set_object(tok_python_writer *w, buffer *object, const char *name)
{
	return buffer_append_string(w->context, object, "}") &&
		   tok_python_set_vocabulary(w, json_parse(w->context, object->data, object->length, name));
}

/* The programming languages; the first three are those of "base". */
static const char *const languages[] = {"__java__", "__python__", "__en_XX__", "__javascript__",
										"__php__",	"__ruby__",	  "__go__"};
#define BASE_COUNT 3
#define LANGUAGE_COUNT 7

static bool
is_multi(const tok_python_writer *w)
{
	return strcmp(tok_python_string(w, "language_codes", "base"), "multi") == 0;
}

static int
count_languages(const tok_python_writer *w)
{
	return is_multi(w) ? LANGUAGE_COUNT : BASE_COUNT;
}

/* Four tokens of fairseq's own, the pieces but the first, one further on, languages and the mask. */
static bool
load_plbart(tok_python_writer *w)
{
	static const char *const first[] = {"<s>", "<pad>", "</s>", "<unk>"};
	static const char name[] = "sentencepiece.bpe.model";
	const tok_sentencepiece *model;
	buffer *object = buffer_create(w->context);
	size_t last;

	if (object == NULL || !tok_python_load_model(w, name, &w->model))
		return false;
	model = tok_read_sentencepiece(w->context, w->model, name);
	if (model == NULL)
		return false;
	w->has_legacy = true;
	for (size_t i = 1; i < model->count; i++)
	{
		const char *text = model->units[i].text;
		bool taken = strcmp(text, "<mask>") == 0 && !is_multi(w);

		for (size_t j = 0; j < 4; j++)
			taken = taken || strcmp(text, first[j]) == 0;
		if (!taken && !append_token(w, object, text, strlen(text), (int64_t) i + 1))
			return false;
	}
	for (size_t j = 0; j < 4; j++)
		append_token(w, object, first[j], strlen(first[j]), (int64_t) j);
	last = model->count + 1;
	for (int i = 0; i < count_languages(w); i++, last++)
		append_token(w, object, languages[i], strlen(languages[i]), (int64_t) last);
	if (!is_multi(w))
		append_token(w, object, "<mask>", 6, (int64_t) last);
	return set_object(w, object, name);
}

/* With many languages the mask has no id of its own: it is the unknown token. */
static void
drop_mask(tok_python_writer *w)
{
	const char *mask = w->specials[TOK_MASK];

	if (mask == NULL || tok_python_base_id(w, mask) >= 0)
		return;
	w->specials[TOK_MASK] = w->specials[TOK_UNK];
	for (size_t i = 0; i < w->added_count; i++)
		if (strcmp(w->added[i].content, mask) == 0)
		{
			/* First, as the last token of an id is the one that it is decoded as. */
			w->added[i] = w->added[0];
			w->added[0] = (tok_python_added) {
				.id = tok_python_base_id(w, "<unk>"),
				.content = mask,
			};
			w->size--;
			return;
		}
}

/* Whether a language is named, with or without its underscores. */
static bool
is_language(const char *language, const char *name)
{
	size_t length = strlen(name);

	return strcmp(language, name) == 0 ||
		   (strlen(language) == length + 4 && memcmp(language + 2, name, length) == 0);
}

/* The language of the source stands behind a text. */
static bool
finish_plbart(tok_python_writer *w)
{
	const char *source = tok_python_string(w, "src_lang", is_multi(w) ? "en_XX" : NULL);

	if (is_multi(w))
		drop_mask(w);
	for (int i = 0; i < count_languages(w); i++)
	{
		int64_t id = tok_python_base_id(w, languages[i]);

		if (!tok_python_add(w, id, languages[i], TOK_ADDED_SPECIAL))
			return false;
		if (source != NULL && is_language(languages[i], source))
		{
			w->prefix = languages[i];
			w->prefix_id = id;
		}
	}
	if (source != NULL && w->prefix == NULL)
		return tfm_fail(w->context, TFM_CORRUPTED, "\"%s\": \"src_lang\" is no language of %s",
						w->files->directory, w->class->name);
	return !tfm_failed(w->context);
}

/* The first word of a line; false, with an error, if there is none. */
static bool
read_word(tok_python_writer *w, tfm_text line, tfm_text *word)
{
	int width = 0;
	size_t end = 0;

	while (line.length > 0 && tok_python_is_space(utf8_decode(line.data, &width)))
	{
		line.data += width;
		line.length -= (size_t) width;
	}
	for (; end < line.length; end += (size_t) width)
		if (tok_python_is_space(utf8_decode(line.data + end, &width)))
			break;
	*word = (tfm_text) {.data = line.data, .length = end};
	if (end == 0 || memchr(line.data, '\0', end) != NULL)
		return tfm_fail(w->context, TFM_CORRUPTED, "\"%s/dict.txt\" has a line without a token",
						w->files->directory);
	return true;
}

static const char *
special_content(const tok_python_writer *w, const char *key, tok_special which)
{
	const char *content = tok_python_content(json_member(w->files->config, key));

	return content == NULL ? w->class->specials[which] : content;
}

/* Special tokens, those of dict.txt, the mask. */
static bool
load_bartpho(tok_python_writer *w)
{
	static const struct
	{
		const char *key;
		tok_special which;
	} first[] = {{"bos_token", TOK_BOS}, {"pad_token", TOK_PAD}, {"eos_token", TOK_EOS},
				 {"unk_token", TOK_UNK}, {"sep_token", TOK_SEP}, {"cls_token", TOK_CLS}};
	buffer *object = buffer_create(w->context);
	const char *contents[6], *mask = special_content(w, "mask_token", TOK_MASK);
	tfm_text rest, line, word;
	int64_t id = 0;

	if (object == NULL || !tok_python_load_model(w, "sentencepiece.bpe.model", &w->model))
		return false;
	if (!tok_python_read_text(w, "dict.txt", &rest))
		return tfm_fail(w->context, TFM_FILE_NOT_FOUND,
						"directory \"%s\" has no dict.txt, which %s needs", w->files->directory,
						w->class->name);
	w->has_legacy = true;
	for (int i = 0; i < 6; i++)
	{
		bool listed = false;

		contents[i] = special_content(w, first[i].key, first[i].which);
		for (int j = 0; j < i; j++)
			listed = listed || strcmp(contents[i], contents[j]) == 0;
		if (!listed && !append_token(w, object, contents[i], strlen(contents[i]), id++))
			return false;
	}
	while (tok_python_next_line(&rest, &line))
		if (!read_word(w, line, &word) || !append_token(w, object, word.data, word.length, id++))
			return false;
	return append_token(w, object, mask, strlen(mask), id) && set_object(w, object, "dict.txt");
}

#define FAIRSEQ_SPECIALS                                                                           \
	{                                                                                              \
		[TOK_BOS] = "<s>", [TOK_EOS] = "</s>", [TOK_SEP] = "</s>", [TOK_CLS] = "<s>",              \
		[TOK_UNK] = "<unk>", [TOK_PAD] = "<pad>", [TOK_MASK] = "<mask>"                            \
	}

const tok_python_class tok_python_fairseq_classes[] = {
	{
		.name = "PLBartTokenizer",
		.specials = FAIRSEQ_SPECIALS,
		.layout = "Aep ABep",
		.load = load_plbart,
		.finish = finish_plbart,
		.write = tok_python_write_units,
		.cleans_up = true,
	},
	{
		.name = "BartphoTokenizer",
		.specials = FAIRSEQ_SPECIALS,
		.layout = "cAs cAssBs",
		.load = load_bartpho,
		.write = tok_python_write_units,
	},
	{.name = NULL},
};
