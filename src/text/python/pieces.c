/*
 * pieces.c
 *	  Classes that call the sentencepiece library: Marian, M2M100, Speech2Text, SpeechT5,
 *	  BertGeneration, GPT-SW3, SigLIP.
 *
 * Follows tokenization_marian.py, _m2m_100.py, _speech_to_text.py, _speecht5.py, _bert_generation.py,
 * _gpt_sw3.py, _siglip.py and tokenization_utils_sentencepiece.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/writer.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define MODEL_MAX ((size_t) 64 * 1024 * 1024)

/* ,"file":"..." with the bytes of a file as hexadecimal digits. */
static bool
write_file(tok_python_writer *w, tfm_text bytes)
{
	static const char hex[] = "0123456789abcdef";

	tok_python_print(w, ",\"file\":\"");
	if (!buffer_reserve(w->context, w->out, bytes.length * 2))
		return false;
	for (size_t i = 0; i < bytes.length; i++)
	{
		unsigned char byte = (unsigned char) bytes.data[i];
		char digits[2] = {hex[byte >> 4], hex[byte & 15]};

		if (!buffer_append(w->context, w->out, digits, 2))
			return false;
	}
	return tok_python_print(w, "\"");
}

bool
tok_python_load_model(tok_python_writer *w, const char *name, tfm_text *bytes)
{
	char *path = file_join(w->context, w->files->directory, name);

	bytes->data =
		path == NULL ? NULL : file_read_optional(w->context, path, MODEL_MAX, &bytes->length);
	return bytes->data != NULL ||
		   tfm_fail(w->context, TFM_FILE_NOT_FOUND, "directory \"%s\" has no %s, which %s needs",
					w->files->directory, name, w->class->name);
}

/* The pieces of the model are the vocabulary, its unknown one the unknown token. */
static bool
load_units(tok_python_writer *w)
{
	bool is_char = strcmp(w->class->name, "SpeechT5Tokenizer") == 0;
	const char *name = is_char ? "spm_char.model" : "spiece.model";
	buffer *object = buffer_create(w->context);
	const tok_sentencepiece *model;
	tfm_text bytes;

	if (tok_python_flag(w, "normalize", false))
		return tok_python_refuse(w, "its normalizer of English numbers (\"normalize\" is true)");
	if (object == NULL || !tok_python_load_model(w, name, &bytes))
		return false;
	model = tok_read_sentencepiece(w->context, bytes, name);
	buffer_append_string(w->context, object, "{");
	for (size_t i = 0; model != NULL && i < model->count; i++)
	{
		const tok_unit *unit = &model->units[i];

		if (unit->type == TOK_UNIT_UNKNOWN)
			w->unknown = unit->text;
		if (!buffer_append_string(w->context, object, i == 0 ? "" : ",") ||
			!json_append_string(w->context, object, unit->text, strlen(unit->text)) ||
			!buffer_printf(w->context, object, ":%zu", i))
			return false;
	}
	w->model = bytes;
	w->has_legacy = true;
	return model != NULL && buffer_append_string(w->context, object, "}") &&
		   tok_python_set_vocabulary(w, json_parse(w->context, object->data, object->length, name));
}

static bool
load_with_vocabulary(tok_python_writer *w, const char *name)
{
	return tok_python_load_model(w, name, &w->model) && tok_python_load_json(w);
}

static bool
load_marian(tok_python_writer *w)
{
	if (tok_python_flag(w, "separate_vocabs", false))
	{
		tfm_text target;

		if (!tok_python_load_model(w, "target.spm", &target))
			return false;
		w->target_model = target;
	}
	return load_with_vocabulary(w, "source.spm");
}

static bool
load_speech_to_text(tok_python_writer *w)
{
	if (tok_python_string(w, "lang_codes", NULL) != NULL)
		return tok_python_refuse(w, "its languages (\"lang_codes\")");
	return !tfm_failed(w->context) && load_with_vocabulary(w, "sentencepiece.bpe.model");
}

static const char *const m2m100_languages[] = {
	/* clang-format off */
	"af", "am", "ar", "ast", "az", "ba", "be", "bg", "bn", "br", "bs", "ca", "ceb", "cs", "cy",
	"da", "de", "el", "en", "es", "et", "fa", "ff", "fi", "fr", "fy", "ga", "gd", "gl", "gu", "ha",
	"he", "hi", "hr", "ht", "hu", "hy", "id", "ig", "ilo", "is", "it", "ja", "jv", "ka", "kk", "km",
	"kn", "ko", "lb", "lg", "ln", "lo", "lt", "lv", "mg", "mk", "ml", "mn", "mr", "ms", "my", "ne",
	"nl", "no", "ns", "oc", "or", "pa", "pl", "ps", "pt", "ro", "ru", "sd", "si", "sk", "sl", "so",
	"sq", "sr", "ss", "su", "sv", "sw", "ta", "th", "tl", "tn", "tr", "uk", "ur", "uz", "vi", "wo",
	"xh", "yi", "yo", "zh", "zu", NULL,
	/* clang-format on */
};
static const char *const wmt21_languages[] = {"en", "ha", "is", "ja", "cs", "ru", "zh", "de", NULL};

static bool
load_m2m100(tok_python_writer *w)
{
	return load_with_vocabulary(w, "sentencepiece.bpe.model");
}

/* Languages have ids behind the vocabulary; that of the source stands before the text. */
static bool
add_languages(tok_python_writer *w)
{
	const char *codes = tok_python_string(w, "language_codes", "m2m100");
	const char *source = tok_python_string(w, "src_lang", "en");
	const char *const *languages = strcmp(codes, "wmt21") == 0 ? wmt21_languages : m2m100_languages;
	int64_t id = w->base_size;

	for (; *languages != NULL; languages++, id++)
	{
		char *token = tfm_sprintf(w->context, "__%s__", *languages);

		if (token == NULL || !tok_python_add_hidden(w, id, token))
			return false;
		if (strcmp(*languages, source) == 0)
		{
			w->prefix = token;
			w->prefix_id = id;
		}
	}
	if (w->prefix == NULL)
		return tfm_fail(w->context, TFM_CORRUPTED, "\"%s\": \"src_lang\" is no language of %s",
						w->files->directory, w->class->name);
	return true;
}

static bool
is_class(const tok_python_writer *w, const char *name)
{
	return strcmp(w->class->name, name) == 0;
}

/* Whether the model's own space before a text counts, where it has one. */
static bool
is_legacy(const tok_python_writer *w)
{
	return !w->has_legacy || tok_python_flag(w, "legacy", true);
}

/* What is encoded behind the unknown token, which keeps the spaces that it begins with. */
static bool
write_prefix(tok_python_writer *w)
{
	bool all = is_class(w, "SiglipTokenizer"), legacy = is_legacy(w);

	if (!legacy)
		tok_python_print(w, "\"no_dummy_prefix\":true,");
	if (all)
		tok_python_print(w, "\"leaves_space\":true,");
	if ((legacy && !all) || is_class(w, "GPTSw3Tokenizer") || w->specials[TOK_UNK] == NULL)
		return !tfm_failed(w->context);
	tok_python_print(w, "\"prefixed\":\"%s\",\"prefix\":", all ? "all" : "spaces");
	return tok_python_quote(w, w->specials[TOK_UNK]) && tok_python_print(w, ",");
}

static bool
write_model(tok_python_writer *w)
{
	tok_python_print(w, ",\"model\":{\"type\":\"PythonSentencePiece\",\"codes\":%s,",
					 is_class(w, "MarianTokenizer") ? "true" : "false");
	if (!write_prefix(w) || !tok_python_write_vocabulary(w))
		return false;
	if (w->unknown != NULL)
	{
		tok_python_print(w, ",\"unk_token\":");
		tok_python_quote(w, w->unknown);
	}
	else if (!tok_python_write_unknown(w))
		return false;
	return write_file(w, w->model) && tok_python_print(w, "}");
}

static bool
write_decoder(tok_python_writer *w, const char *options)
{
	tok_python_print(w, ",\"decoder\":{\"type\":\"PythonSentencePiece\",%s%s,\"special\":", options,
					 is_legacy(w) ? "" : ",\"no_dummy_prefix\":true");
	return tok_python_write_specials(w) &&
		   write_file(w, w->target_model.data != NULL ? w->target_model : w->model) &&
		   tok_python_print(w, "}");
}

bool
tok_python_write_units(tok_python_writer *w)
{
	return tok_python_print(w, ",\"decoder\":{\"type\":\"PythonJoin\",\"strip\":true,"
							   "\"replace\":[[\"▁\",\" \"]]}") &&
		   write_model(w);
}

static bool
write_gpt_sw3(tok_python_writer *w)
{
	tok_python_print(w, ",\"normalizer\":{\"type\":\"PythonText\",\"steps\":[[\"gpt_sw3\"],"
						"[\"normalize\",\"NFC\"]]}");
	return write_decoder(w, "\"space_before\":true") && write_model(w);
}

/* The text, behind a space, is split; each part loses its punctuation. */
static bool
write_siglip(tok_python_writer *w)
{
	tok_python_print(
		w,
		",\"early\":true,\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
		"{\"type\":\"PythonText\",\"steps\":[[\"replace\",\"▁\",\" \"],[\"prepend\",\"▁\"]]},"
		"{\"type\":\"PythonText\",\"steps\":[%s[\"remove_punctuation\"],"
		"[\"join_spaces\"],[\"strip\"]]}]}",
		tok_python_flag(w, "do_lower_case", true) ? "[\"lower\"]," : "");
	return write_decoder(w, "\"space_before\":true,\"strip\":true") && write_model(w);
}

static bool
write_marian(tok_python_writer *w)
{
	if (w->target_model.data != NULL && !tok_python_write_target(w, "target_vocab.json"))
		return false;
	return write_decoder(w, "\"space_after\":true,\"strip\":true,\"replace\":true") &&
		   write_model(w);
}

static bool
write_m2m100(tok_python_writer *w)
{
	return write_decoder(w, "\"strip\":true") && write_model(w);
}

static bool
write_speech_to_text(tok_python_writer *w)
{
	return write_decoder(w, tok_python_flag(w, "do_upper_case", false)
								? "\"space_after\":true,\"strip\":true,\"uppercase\":true"
								: "\"space_after\":true,\"strip\":true") &&
		   write_model(w);
}

#define SPEECH_SPECIALS                                                                            \
	{                                                                                              \
		[TOK_BOS] = "<s>", [TOK_EOS] = "</s>", [TOK_UNK] = "<unk>", [TOK_PAD] = "<pad>"            \
	}

const tok_python_class tok_python_piece_classes[] = {
	{
		.name = "MarianTokenizer",
		.specials = {[TOK_UNK] = "<unk>", [TOK_EOS] = "</s>", [TOK_PAD] = "<pad>"},
		.layout = "Ae ABe",
		.load = load_marian,
		.write = write_marian,
		.model_max_length = 512,
	},
	{
		.name = "M2M100Tokenizer",
		.specials = {[TOK_BOS] = "<s>",
					 [TOK_EOS] = "</s>",
					 [TOK_SEP] = "</s>",
					 [TOK_UNK] = "<unk>",
					 [TOK_PAD] = "<pad>"},
		.layout = "pAe pABe",
		.load = load_m2m100,
		.finish = add_languages,
		.write = write_m2m100,
	},
	{
		.name = "Speech2TextTokenizer",
		.specials = SPEECH_SPECIALS,
		.layout = "Ae ABe",
		.load = load_speech_to_text,
		.write = write_speech_to_text,
	},
	{
		.name = "SpeechT5Tokenizer",
		.specials = SPEECH_SPECIALS,
		.layout = "Ae ABe",
		.load = load_units,
		.write = tok_python_write_units,
	},
	{
		.name = "BertGenerationTokenizer",
		.specials = {[TOK_BOS] = "<s>",
					 [TOK_EOS] = "</s>",
					 [TOK_UNK] = "<unk>",
					 [TOK_PAD] = "<pad>",
					 [TOK_SEP] = "<::::>"},
		.layout = "A A|B",
		.load = load_units,
		.write = tok_python_write_units,
	},
	{
		.name = "GPTSw3Tokenizer",
		.specials = {[TOK_BOS] = "<s>",
					 [TOK_EOS] = "<|endoftext|>",
					 [TOK_UNK] = "<unk>",
					 [TOK_PAD] = "<pad>"},
		.layout = "A A|B",
		.load = load_units,
		.write = write_gpt_sw3,
	},
	{
		.name = "SiglipTokenizer",
		.specials = {[TOK_EOS] = "</s>", [TOK_UNK] = "<unk>", [TOK_PAD] = "</s>"},
		.layout = "AE AEBE",
		.load = load_units,
		.write = write_siglip,
		.model_max_length = 64,
	},
	{.name = NULL},
};
