/*
 * characters.c
 *	  Classes whose tokens are characters or whole words: wav2vec2's, MGP-STR's, ESM's, VITS'.
 *
 * Follows tokenization_wav2vec2.py, _wav2vec2_phoneme.py, _mgp_str.py, _esm.py and _vits.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/writer.h"

#include <string.h>

static bool
write_model(tok_python_writer *w, const char *type)
{
	tok_python_print(w, ",\"model\":{\"type\":\"%s\",", type);
	return tok_python_write_vocabulary(w) && tok_python_write_unknown(w) &&
		   tok_python_print(w, "}");
}

/* A vocabulary may be one of several, by language. */
static bool
load_wav2vec2(tok_python_writer *w)
{
	const char *language = tok_python_string(w, "target_lang", NULL);
	json vocabulary;

	if (language == NULL)
		return !tfm_failed(w->context) && tok_python_load_json(w);
	if (!tok_python_read_json(w, "vocab.json", &vocabulary))
		return tok_python_load_json(w);
	if (!json_is_object(json_member(vocabulary, language)))
		return tfm_fail(w->context, TFM_CORRUPTED,
						"\"%s\": there is no vocabulary for the target language \"%s\"",
						vocabulary.source, language);
	return tok_python_set_vocabulary(w, json_member(vocabulary, language));
}

/* All tokens of several characters are added, with white space around them. */
static bool
write_wav2vec2(tok_python_writer *w)
{
	bool lower = tok_python_flag(w, "do_lower_case", false);
	const char *replacement = tok_python_string(w, "replace_word_delimiter_char", " ");

	tok_python_print(w,
					 ",\"normalizer\":{\"type\":\"PythonText\",\"steps\":[%s"
					 "[\"replace\",\" \",\"|\"]]}",
					 lower ? "[\"upper\"]," : "");
	tok_python_print(w, ",\"decoder\":");
	tok_python_print(w,
					 "{\"type\":\"PythonCTC\",\"word_delimiter_token\":\"|\",\"lowercase\":%s,"
					 "\"pad_token\":",
					 lower ? "true" : "false");
	tok_python_quote(w, w->specials[TOK_PAD] == NULL ? "" : w->specials[TOK_PAD]);
	tok_python_print(w, ",\"replacement\":");
	tok_python_quote(w, replacement == NULL ? "" : replacement);
	tok_python_print(w, "}");
	return write_model(w, "PythonCharacters");
}

static bool
load_phonemes(tok_python_writer *w)
{
	if (tok_python_flag(w, "do_phonemize", true))
		return tok_python_refuse(w, "phonemizer, unless \"do_phonemize\" is false");
	return !tfm_failed(w->context) && tok_python_load_json(w);
}

static bool
write_phonemes(tok_python_writer *w)
{
	const char *delimiter = tok_python_string(w, "word_delimiter_token", "");

	tok_python_print(w, ",\"normalizer\":{\"type\":\"PythonText\",\"steps\":[[\"strip\"]]},"
						"\"pre_tokenizer\":{\"type\":\"PythonSplit\",\"mode\":\"phones\"}");
	tok_python_print(w, ",\"decoder\":");
	tok_python_print(w, "{\"type\":\"PythonCTC\",\"separator\":\" \",\"drop_delimiter\":true,"
						"\"pad_token\":");
	tok_python_quote(w, w->specials[TOK_PAD] == NULL ? "" : w->specials[TOK_PAD]);
	tok_python_print(w, ",\"word_delimiter_token\":");
	tok_python_quote(w, delimiter);
	tok_python_print(w, "}");
	return write_model(w, "PythonWords");
}

static bool
load_vits(tok_python_writer *w)
{
	if (tok_python_flag(w, "phonemize", true))
		return tok_python_refuse(w, "phonemizer, unless \"phonemize\" is false");
	if (tok_python_flag(w, "is_uroman", false))
		return tok_python_refuse(w, "uroman, unless \"is_uroman\" is false");
	return !tfm_failed(w->context) && tok_python_load_json(w);
}

/* What is not in the vocabulary is left out; a blank stands between tokens. */
static bool
write_vits(tok_python_writer *w)
{
	bool normalizes = tok_python_flag(w, "normalize", true);
	bool blanks = tok_python_flag(w, "add_blank", true);
	const char *language = tok_python_string(w, "language", "");

	tok_python_print(w,
					 ",\"early\":true,\"normalizer\":{\"type\":\"PythonText\",\"steps\":[%s%s%s]}",
					 normalizes ? "[\"lower_unknown\"]," : "",
					 strcmp(language, "ron") == 0 ? "[\"replace\",\"ț\",\"ţ\"]," : "",
					 normalizes ? "[\"keep_known\"],[\"strip\"]" : "[\"replace\",\"\",\"\"]");
	tok_python_print(w, ",\"decoder\":{\"type\":\"PythonJoin\",\"every\":%d}", blanks ? 2 : 0);
	tok_python_print(w, ",\"model\":{\"type\":\"PythonCharacters\",\"blanks\":%s,",
					 blanks ? "true" : "false");
	/* Here the unknown token may be an added one. */
	for (size_t i = 0; i < w->added_count && w->specials[TOK_UNK] != NULL; i++)
		if (strcmp(w->added[i].content, w->specials[TOK_UNK]) == 0)
			tok_python_print(w, "\"unk_id\":%lld,", (long long) w->added[i].id);
	return tok_python_write_vocabulary(w) && tok_python_write_unknown(w) &&
		   tok_python_print(w, "}");
}

/* Tokens with a space between: convert_tokens_to_string of the base class. */
static bool
write_joined_decoder(tok_python_writer *w)
{
	tok_python_print(w, ",\"decoder\":");
	return tok_python_print(w, "{\"type\":\"PythonJoin\",\"separator\":\" \"}");
}

static bool
write_mgp_str(tok_python_writer *w)
{
	return write_joined_decoder(w) && write_model(w, "PythonCharacters");
}

/* The vocabulary cuts the text: every amino acid is a part. */
static bool
write_esm(tok_python_writer *w)
{
	const char *comma = "";

	tok_python_print(w, ",\"cuts\":[");
	for (json item = json_first(w->vocabulary); json_present(item); item = json_next(item))
	{
		tok_python_print(w, "%s", comma);
		tok_python_quote(w, json_key(item));
		comma = ",";
	}
	tok_python_print(w, "],\"pre_tokenizer\":{\"type\":\"PythonSplit\",\"mode\":\"whitespace\"}");
	return write_joined_decoder(w) && write_model(w, "PythonWords");
}

const tok_python_class tok_python_character_classes[] = {
	{
		.name = "Wav2Vec2CTCTokenizer",
		.specials =
			{[TOK_BOS] = "<s>", [TOK_EOS] = "</s>", [TOK_UNK] = "<unk>", [TOK_PAD] = "<pad>"},
		.layout = "A A|B",
		.load = load_wav2vec2,
		.write = write_wav2vec2,
		.adds_long = true,
		.named = "word_delimiter_token=|",
	},
	{
		.name = "Wav2Vec2PhonemeCTCTokenizer",
		.specials =
			{[TOK_BOS] = "<s>", [TOK_EOS] = "</s>", [TOK_UNK] = "<unk>", [TOK_PAD] = "<pad>"},
		.layout = "A A|B",
		.load = load_phonemes,
		.write = write_phonemes,
		.unnamed = " word_delimiter_token phone_delimiter_token ",
	},
	{
		.name = "MgpstrTokenizer",
		.specials = {[TOK_BOS] = "[GO]", [TOK_EOS] = "[s]", [TOK_UNK] = "[GO]", [TOK_PAD] = "[GO]"},
		.layout = "A A|B",
		.load = tok_python_load_json,
		.write = write_mgp_str,
	},
	{
		.name = "EsmTokenizer",
		.specials = {[TOK_CLS] = "<cls>",
					 [TOK_EOS] = "<eos>",
					 [TOK_UNK] = "<unk>",
					 [TOK_PAD] = "<pad>",
					 [TOK_MASK] = "<mask>"},
		.layout = "cAe cAe|Be",
		.load = tok_python_load_stripped,
		.write = write_esm,
	},
	{
		.name = "VitsTokenizer",
		.specials = {[TOK_UNK] = "<unk>", [TOK_PAD] = "<pad>"},
		.layout = "A A|B",
		.load = load_vits,
		.write = write_vits,
	},
	{.name = NULL},
};
