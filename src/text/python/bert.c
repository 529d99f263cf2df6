/*
 * bert.c
 *	  Classes with BERT's BasicTokenizer in Python: BertJapanese, ProphetNet, RoCBert, TAPAS.
 *
 * Follows tokenization_bert_japanese.py, _prophetnet.py, _roc_bert.py (the ids of tokens, not those of
 * their shapes and sounds) and _tapas.py (the question; a table is not text).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/writer.h"

#include <string.h>

static bool
write_never_split(tok_python_writer *w)
{
	json list = json_member(w->files->config, "never_split");

	tok_python_print(w, ",\"never_split\":[");
	for (size_t i = 0; i < w->all_special_count; i++)
	{
		tok_python_print(w, "%s", i == 0 ? "" : ",");
		tok_python_quote(w, w->all_special[i]);
	}
	for (json item = json_first(list); json_present(item); item = json_next(item))
		if (json_is_string(item))
		{
			tok_python_print(w, "%s", w->all_special_count == 0 ? "" : ",");
			tok_python_quote(w, json_as_string(item));
		}
	return tok_python_print(w, "]");
}

/* The basic tokenizer, as an object. */
static bool
write_basic(tok_python_writer *w, bool lower, bool chinese, const char *empty)
{
	json strip = json_member(w->files->config, "strip_accents");

	tok_python_print(w,
					 "{\"type\":\"PythonBasicTokenizer\",\"lowercase\":%s,"
					 "\"handle_chinese_chars\":%s,\"strip_accents\":%s",
					 json_truth(lower), json_truth(chinese),
					 json_is_bool(strip) ? json_truth(json_as_bool(strip)) : "null");
	if (empty != NULL)
	{
		tok_python_print(w, ",\"empty\":");
		tok_python_quote(w, empty);
	}
	return write_never_split(w) && tok_python_print(w, "}");
}

static bool
write_wordpiece(tok_python_writer *w)
{
	tok_python_print(w, ",\"model\":{\"type\":\"WordPiece\",\"continuing_subword_prefix\":\"##\","
						"\"max_input_chars_per_word\":100,\"unk_token\":");
	tok_python_quote(w, w->specials[TOK_UNK] == NULL ? "" : w->specials[TOK_UNK]);
	tok_python_print(w, ",");
	return tok_python_write_vocabulary(w) && tok_python_print(w, "}");
}

static bool
write_decoder(tok_python_writer *w)
{
	tok_python_print(w, ",\"decoder\":");
	return tok_python_print(w, "{\"type\":\"PythonJoin\",\"separator\":\" \",\"strip\":true,"
							   "\"replace\":[[\" ##\",\"\"]]}");
}

static bool
write_bert(tok_python_writer *w)
{
	bool is_tapas = strcmp(w->class->name, "TapasTokenizer") == 0;

	tok_python_print(w, ",\"pre_tokenizer\":");
	if (!tok_python_flag(w, "do_basic_tokenize", true))
		tok_python_print(w, "{\"type\":\"PythonSplit\",\"mode\":\"whitespace\"}");
	else if (!write_basic(w, tok_python_flag(w, "do_lower_case", true),
						  tok_python_flag(w, "tokenize_chinese_chars", true),
						  is_tapas ? "[EMPTY]" : NULL))
		return false;
	return write_decoder(w) && write_wordpiece(w);
}

static bool
load_japanese(tok_python_writer *w)
{
	const char *words = tok_python_string(w, "word_tokenizer_type", "basic");
	const char *parts = tok_python_string(w, "subword_tokenizer_type", "wordpiece");

	if (tfm_failed(w->context))
		return false;
	if (tok_python_flag(w, "do_word_tokenize", true) && strcmp(words, "basic") != 0)
		return tok_python_refuse(w, strcmp(words, "mecab") == 0
										? "MeCab to split words, which is not there"
										: "a word tokenizer that is not there (Sudachi, Juman++)");
	if (tok_python_flag(w, "do_subword_tokenize", true) && strcmp(parts, "wordpiece") != 0 &&
		strcmp(parts, "character") != 0)
		return tok_python_refuse(w, "a subword tokenizer that is not \"wordpiece\" or "
									"\"character\"");
	return tok_python_load_lines(w);
}

static bool
write_japanese(tok_python_writer *w)
{
	bool subwords = tok_python_flag(w, "do_subword_tokenize", true);
	bool characters =
		strcmp(tok_python_string(w, "subword_tokenizer_type", "wordpiece"), "character") == 0;
	bool split = tok_python_flag(w, "do_word_tokenize", true);
	bool pieces = subwords && !characters;

	if (split || subwords)
		tok_python_print(w, ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[");
	if (split && !write_basic(w, tok_python_flag(w, "do_lower_case", false), false, NULL))
		return false;
	if (!split && pieces)
		tok_python_print(w, "{\"type\":\"PythonSplit\",\"mode\":\"whitespace\"}");
	if (subwords && characters)
		tok_python_print(w, "%s{\"type\":\"PythonNormalizeWords\"}", split ? "," : "");
	if (split || subwords)
		tok_python_print(w, "]}");
	if (!write_decoder(w) || pieces)
		return !tfm_failed(w->context) && write_wordpiece(w);
	tok_python_print(w, ",\"model\":{\"type\":\"%s\",",
					 subwords ? "PythonCharacters" : "PythonWords");
	return tok_python_write_vocabulary(w) && tok_python_write_unknown(w) &&
		   tok_python_print(w, "}");
}

static bool
load_prophetnet(tok_python_writer *w)
{
	return tok_python_load_lines_of(w, "prophetnet.tokenizer", false);
}

static const char *const tapas_extra[] = {"[EMPTY]", NULL};

#define BERT_SPECIALS                                                                              \
	{                                                                                              \
		[TOK_UNK] = "[UNK]", [TOK_SEP] = "[SEP]", [TOK_PAD] = "[PAD]", [TOK_CLS] = "[CLS]",        \
		[TOK_MASK] = "[MASK]"                                                                      \
	}

const tok_python_class tok_python_bert_classes[] = {
	{
		.name = "BertJapaneseTokenizer",
		.specials = BERT_SPECIALS,
		.layout = "cAs cAs|Bs",
		.load = load_japanese,
		.write = write_japanese,
	},
	{
		.name = "ProphetNetTokenizer",
		.specials =
			{[TOK_UNK] = "[UNK]", [TOK_SEP] = "[SEP]", [TOK_PAD] = "[PAD]", [TOK_MASK] = "[MASK]"},
		.layout = "As As|Bs",
		.load = load_prophetnet,
		.write = write_bert,
		.named = "x_sep_token=[X_SEP]",
		.cleans_up = true,
	},
	{
		.name = "RoCBertTokenizer",
		.specials = BERT_SPECIALS,
		.layout = "cAs cAs|Bs",
		.load = tok_python_load_lines,
		.write = write_bert,
	},
	{
		.name = "TapasTokenizer",
		.specials = BERT_SPECIALS,
		.layout = "cAs cAs|B",
		.load = tok_python_load_lines,
		.write = write_bert,
		.extra = tapas_extra,
		.named = "empty_token=[EMPTY]",
		.model_max_length = 512,
		.hides_known = true,
		.cleans_up = true,
	},
	{.name = NULL},
};
