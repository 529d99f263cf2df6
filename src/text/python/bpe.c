/*
 * bpe.c
 *	  Classes with merges: CTRL, PhoBERT, BERTweet, BlenderbotSmall; and XLM, FSMT, Flaubert and
 *	  BioGPT, whose words come from Moses' tokenizer.
 *
 * Follows tokenization_ctrl.py, _phobert.py, _bertweet.py, _blenderbot_small.py, _xlm.py, _fsmt.py,
 * _flaubert.py and _biogpt.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/writer.h"

#include <string.h>

#include "base/utf8.h"
#include "text/python/unicode.h"

/* How a line of merges is read. */
typedef enum merge_form
{
	TWO_WORDS,		 /* tuple(line.split()): other lines match nothing */
	FIRST_TWO_WORDS, /* tuple(line.split()[:2]) */
	BUT_LAST_WORD	 /* tuple(line.split()[:-1]) */
} merge_form;

/* str.split() of a line; up to 4 words. */
static int
split_line(tfm_text line, tfm_text words[4])
{
	int count = 0;
	bool inside = false;

	for (size_t i = 0; i < line.length;)
	{
		int width;
		bool space = tok_python_is_space(utf8_decode(line.data + i, &width));

		if (!space && !inside && count == 4)
			return 5;
		if (!space && !inside)
			words[count++] = (tfm_text) {.data = line.data + i};
		if (!space)
			words[count - 1].length = (size_t) (line.data + i + width - words[count - 1].data);
		inside = !space;
		i += (size_t) width;
	}
	return count;
}

static bool
is_merge(int words, merge_form form)
{
	switch (form)
	{
		case TWO_WORDS:
			return words == 2;
		case FIRST_TWO_WORDS:
			return words >= 2;
		default:
			return words == 3;
	}
}

/* ,"merges":[...] of a file, whose first line may be left out and whose last one always is. */
static bool
write_merges(tok_python_writer *w, const char *name, merge_form form, bool skips_first)
{
	tfm_text rest, line;
	const char *comma = "";

	if (!tok_python_read_text(w, name, &rest))
		return tfm_fail(w->context, TFM_FILE_NOT_FOUND,
						"directory \"%s\" has no %s, which %s needs", w->files->directory, name,
						w->class->name);
	/* What follows the last line feed does not count. */
	while (rest.length > 0 && rest.data[rest.length - 1] != '\n')
		rest.length--;
	if (skips_first)
		tok_python_next_line(&rest, &line);
	tok_python_print(w, ",\"merges\":[");
	while (tok_python_next_line(&rest, &line))
	{
		tfm_text words[4];

		if (!is_merge(split_line(line, words), form))
			continue;
		if (memchr(line.data, '\0', line.length) != NULL)
			return tfm_fail(w->context, TFM_CORRUPTED, "\"%s/%s\" holds a NUL character",
							w->files->directory, name);
		tok_python_print(w, "%s[", comma);
		json_append_string(w->context, w->out, words[0].data, words[0].length);
		tok_python_print(w, ",");
		json_append_string(w->context, w->out, words[1].data, words[1].length);
		if (!tok_python_print(w, "]"))
			return false;
		comma = ",";
	}
	return tok_python_print(w, "]");
}

static bool
write_model(tok_python_writer *w, bool inner, const char *merges, merge_form form, bool skips_first)
{
	tok_python_print(w, ",\"model\":{\"type\":\"PythonBPE\",\"inner\":%s,",
					 inner ? "true" : "false");
	return tok_python_write_vocabulary(w) && tok_python_write_unknown(w) &&
		   write_merges(w, merges, form, skips_first) && tok_python_print(w, "}");
}

/* Tokens with "@@" where a word goes on. */
static bool
write_inner_decoder(tok_python_writer *w)
{
	tok_python_print(w, ",\"decoder\":");
	return tok_python_print(w, "{\"type\":\"PythonJoin\",\"separator\":\" \",\"strip\":true,"
							   "\"replace\":[[\"@@ \",\"\"]]}");
}

static bool
write_ctrl(tok_python_writer *w)
{
	tok_python_print(w, ",\"pre_tokenizer\":{\"type\":\"PythonSplit\",\"mode\":\"regex_line\"}");
	return write_inner_decoder(w) && write_model(w, true, "merges.txt", TWO_WORDS, true);
}

static bool
write_blenderbot_small(tok_python_writer *w)
{
	tok_python_print(w, ",\"normalizer\":{\"type\":\"PythonText\",\"steps\":[[\"blenderbot\"],"
						"[\"lower\"]]},"
						"\"pre_tokenizer\":{\"type\":\"PythonSplit\",\"mode\":\"space\"}");
	return write_inner_decoder(w) && write_model(w, true, "merges.txt", TWO_WORDS, true);
}

/* The word of a line "word count"; false, with an error, if it is not that. */
static bool
read_word(tok_python_writer *w, tfm_text line, tfm_text *word)
{
	tfm_text words[4];

	*word = line;
	while (word->length > 0 && tok_python_is_space((unsigned char) word->data[0]))
	{
		word->data++;
		word->length--;
	}
	while (word->length > 0 && tok_python_is_space((unsigned char) word->data[word->length - 1]))
		word->length--;
	while (word->length > 0 && word->data[word->length - 1] != ' ')
		word->length--;
	if (word->length == 0 || memchr(line.data, '\0', line.length) != NULL)
		return tfm_fail(
			w->context, TFM_CORRUPTED, "\"%s/vocab.txt\": line \"%.*s\" is not a token and a count",
			w->files->directory, (int) (line.length > 100 ? 100 : line.length), line.data);
	word->length--;
	return split_line(*word, words) >= 0;
}

/* The first four ids are special tokens'; a word that is listed again gets the next id. */
static bool
load_counted(tok_python_writer *w)
{
	static const tok_special first[] = {TOK_BOS, TOK_PAD, TOK_EOS, TOK_UNK};
	json config = w->files->config;
	buffer *object = buffer_create(w->context);
	tfm_text rest, line, word;
	int64_t id = 0;

	if (tok_python_flag(w, "normalization", false))
		return tok_python_refuse(w, "NLTK's TweetTokenizer where \"normalization\" is true");
	if (object == NULL || !tok_python_read_text(w, "vocab.txt", &rest))
		return tok_python_load_lines(w);
	for (; id < 4; id++)
	{
		static const char *const keys[] = {"bos_token", "pad_token", "eos_token", "unk_token"};
		const char *content = tok_python_content(json_member(config, keys[id]));

		if (content == NULL)
			content = w->class->specials[first[id]];
		buffer_append_string(w->context, object, id == 0 ? "{" : ",");
		json_append_string(w->context, object, content, strlen(content));
		buffer_printf(w->context, object, ":%lld", (long long) id);
	}
	for (; tok_python_next_line(&rest, &line); id++)
	{
		if (!read_word(w, line, &word))
			return false;
		buffer_append_string(w->context, object, ",");
		json_append_string(w->context, object, word.data, word.length);
		if (!buffer_printf(w->context, object, ":%lld", (long long) id))
			return false;
	}
	return buffer_append_string(w->context, object, "}") &&
		   tok_python_set_vocabulary(
			   w, json_parse(w->context, object->data, object->length, w->files->directory));
}

static bool
write_phobert(tok_python_writer *w)
{
	tok_python_print(w, ",\"pre_tokenizer\":{\"type\":\"PythonSplit\",\"mode\":\"with_line\"}");
	return write_inner_decoder(w) && write_model(w, true, "bpe.codes", BUT_LAST_WORD, false);
}

static bool
write_moses(tok_python_writer *w, const char *before, const char *language, const char *flags,
			const char *after)
{
	return tok_python_print(w,
							",\"normalizer\":{\"type\":\"PythonText\",\"steps\":[%s"
							"[\"moses\",\"%s\"%s]%s]},\"pre_tokenizer\":{\"type\":\"PythonSplit\","
							"\"mode\":\"whitespace\"}",
							before, language, flags, after);
}

/* Tokens with "</w>" where a word ends. */
static bool
write_word_decoder(tok_python_writer *w)
{
	tok_python_print(w, ",\"decoder\":");
	return tok_python_print(
		w, "{\"type\":\"PythonJoin\",\"strip\":true,\"replace\":[[\"</w>\",\" \"]]}");
}

static bool
write_xlm(tok_python_writer *w)
{
	bool lower = tok_python_flag(w, "do_lowercase_and_remove_accent", true);

	return write_moses(w,
					   "[\"unicode_punctuation\"],[\"moses_punctuation\",\"en\"],"
					   "[\"remove_other\"],",
					   "en", "",
					   lower ? ",[\"lower\"],[\"normalize\",\"NFD\"],[\"remove_marks\"],[\"lower\"]"
							 : "") &&
		   write_word_decoder(w) && write_model(w, false, "merges.txt", FIRST_TWO_WORDS, false);
}

static bool
write_flaubert(tok_python_writer *w)
{
	char *before = tfm_sprintf(w->context,
							   "[\"replace\",\"``\",\"\\\"\"],[\"replace\",\"''\",\"\\\"\"],"
							   "[\"normalize\",\"NFC\"],%s[\"unicode_punctuation\"],"
							   "[\"moses_punctuation\",\"fr\"],[\"remove_other\"],",
							   tok_python_flag(w, "do_lowercase", false) ? "[\"lower\"]," : "");

	return before != NULL && write_moses(w, before, "fr", "", "") && write_word_decoder(w) &&
		   write_model(w, false, "merges.txt", FIRST_TWO_WORDS, false);
}

static bool
write_detokenizer(tok_python_writer *w, const char *language)
{
	tok_python_print(w, ",\"decoder\":");
	return tok_python_print(w, "{\"type\":\"MosesDetokenizer\",\"language\":\"%s\"}", language);
}

static bool
write_biogpt(tok_python_writer *w)
{
	return write_moses(w, "", "en", ",\"aggressive\",\"escape\"", "") &&
		   write_detokenizer(w, "en") &&
		   write_model(w, false, "merges.txt", FIRST_TWO_WORDS, false);
}

/* The language before or behind, a short name of letters. */
static bool
read_language(tok_python_writer *w, int number, char language[8])
{
	json item = json_first(json_member(w->files->config, "langs"));
	const char *name;

	if (number == 1)
		item = json_next(item);
	name = json_is_string(item) ? json_as_string(item) : "";
	for (size_t i = 0; i < 8; i++)
	{
		language[i] = name[i];
		if (name[i] == '\0' && i > 0)
			return true;
		if ((name[i] | 0x20) < 'a' || (name[i] | 0x20) > 'z')
			break;
	}
	return tfm_fail(
		w->context, TFM_CORRUPTED, "\"%s\": key \"langs\" must be a list of two languages",
		w->files->config.source == NULL ? w->files->directory : w->files->config.source);
}

static bool
load_fsmt(tok_python_writer *w)
{
	json vocabulary;

	if (!tok_python_read_json(w, "vocab-src.json", &vocabulary))
		return tfm_fail(w->context, TFM_FILE_NOT_FOUND,
						"directory \"%s\" has no vocab-src.json, which %s needs",
						w->files->directory, w->class->name);
	return tok_python_set_vocabulary(w, vocabulary);
}

/* Ids of texts are those of the source language, and are decoded as those of the target's. */
static bool
write_fsmt(tok_python_writer *w)
{
	char source[8], target[8];
	char *before;

	if (!read_language(w, 0, source) || !read_language(w, 1, target))
		return false;
	before = tfm_sprintf(w->context,
						 "%s[\"unicode_punctuation\"],[\"moses_punctuation\",\"%s\"],"
						 "[\"remove_other\"],",
						 tok_python_flag(w, "do_lower_case", false) ? "[\"lower\"]," : "", source);
	return before != NULL && write_moses(w, before, source, ",\"aggressive\",\"escape\"", "") &&
		   write_detokenizer(w, target) && tok_python_write_target(w, "vocab-tgt.json") &&
		   write_model(w, false, "merges.txt", FIRST_TWO_WORDS, false);
}

static const char *const xlm_extra[] = {
	"<special0>", "<special1>", "<special2>", "<special3>", "<special4>", "<special5>",
	"<special6>", "<special7>", "<special8>", "<special9>", NULL,
};

const tok_python_class tok_python_bpe_classes[] = {
	{
		.name = "CTRLTokenizer",
		.specials = {[TOK_UNK] = "<unk>"},
		.layout = "A AB",
		.load = tok_python_load_json,
		.write = write_ctrl,
	},
	{
		.name = "BlenderbotSmallTokenizer",
		.specials = {[TOK_BOS] = "__start__",
					 [TOK_EOS] = "__end__",
					 [TOK_UNK] = "__unk__",
					 [TOK_PAD] = "__null__"},
		.layout = "A AB",
		.load = tok_python_load_json,
		.write = write_blenderbot_small,
	},
	{
		.name = "PhobertTokenizer",
		.specials = {[TOK_BOS] = "<s>",
					 [TOK_EOS] = "</s>",
					 [TOK_SEP] = "</s>",
					 [TOK_CLS] = "<s>",
					 [TOK_UNK] = "<unk>",
					 [TOK_PAD] = "<pad>",
					 [TOK_MASK] = "<mask>"},
		.layout = "cAs cAssBs",
		.load = load_counted,
		.write = write_phobert,
	},
	{
		.name = "BertweetTokenizer",
		.specials = {[TOK_BOS] = "<s>",
					 [TOK_EOS] = "</s>",
					 [TOK_SEP] = "</s>",
					 [TOK_CLS] = "<s>",
					 [TOK_UNK] = "<unk>",
					 [TOK_PAD] = "<pad>",
					 [TOK_MASK] = "<mask>"},
		.layout = "cAs cAssBs",
		.load = load_counted,
		.write = write_phobert,
	},
	{
		.name = "XLMTokenizer",
		.specials = {[TOK_BOS] = "<s>",
					 [TOK_SEP] = "</s>",
					 [TOK_CLS] = "</s>",
					 [TOK_UNK] = "<unk>",
					 [TOK_PAD] = "<pad>",
					 [TOK_MASK] = "<special1>"},
		.layout = "bAs bAs|Bs",
		.load = tok_python_load_json,
		.write = write_xlm,
		.extra = xlm_extra,
	},
	{
		.name = "FlaubertTokenizer",
		.specials = {[TOK_BOS] = "<s>",
					 [TOK_SEP] = "</s>",
					 [TOK_CLS] = "</s>",
					 [TOK_UNK] = "<unk>",
					 [TOK_PAD] = "<pad>",
					 [TOK_MASK] = "<special1>"},
		.layout = "bAs bAs|Bs",
		.load = tok_python_load_json,
		.write = write_flaubert,
		.extra = xlm_extra,
	},
	{
		.name = "FSMTTokenizer",
		.specials =
			{[TOK_BOS] = "<s>", [TOK_SEP] = "</s>", [TOK_UNK] = "<unk>", [TOK_PAD] = "<pad>"},
		.layout = "As As|Bs",
		.load = load_fsmt,
		.write = write_fsmt,
	},
	{
		.name = "BioGptTokenizer",
		.specials = {[TOK_BOS] = "<s>",
					 [TOK_EOS] = "</s>",
					 [TOK_SEP] = "</s>",
					 [TOK_UNK] = "<unk>",
					 [TOK_PAD] = "<pad>"},
		.layout = "sA sA|sB",
		.load = tok_python_load_json,
		.write = write_biogpt,
	},
	{.name = NULL},
};
