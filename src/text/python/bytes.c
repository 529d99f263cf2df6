/*
 * bytes.c
 *	  Classes whose tokens are bytes or code points: ByT5, MyT5, Perceiver, Dia, CANINE.
 *
 * Follows tokenization_byt5.py, _myt5.py, _perceiver.py, _dia.py and _canine.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/writer.h"

#include <string.h>

#define BYTES 256
#define CODE_POINTS 0x110000
#define EXTRA_IDS 125

static const char *const extra_ids[] = {
/* clang-format off */
#define TEN(n) "<extra_id_" n "0>", "<extra_id_" n "1>", "<extra_id_" n "2>", "<extra_id_" n "3>", \
	"<extra_id_" n "4>", "<extra_id_" n "5>", "<extra_id_" n "6>", "<extra_id_" n "7>", \
	"<extra_id_" n "8>", "<extra_id_" n "9>"
	TEN(""), TEN("1"), TEN("2"), TEN("3"), TEN("4"), TEN("5"), TEN("6"), TEN("7"), TEN("8"),
	TEN("9"), TEN("10"), TEN("11"), "<extra_id_120>", "<extra_id_121>", "<extra_id_122>",
	"<extra_id_123>", "<extra_id_124>", NULL,
#undef TEN
	/* clang-format on */
};

static bool
is_class(const tok_python_writer *w, const char *name)
{
	return strcmp(w->class->name, name) == 0;
}

/* The first ids are those of special tokens, in an order of the class. */
bool
tok_python_add_initial(tok_python_writer *w)
{
	static const tok_special byt5[] = {TOK_PAD, TOK_EOS, TOK_UNK};
	static const tok_special perceiver[] = {TOK_PAD, TOK_BOS, TOK_EOS, TOK_MASK, TOK_CLS, TOK_SEP};
	bool is_byt5 = is_class(w, "ByT5Tokenizer") || is_class(w, "MyT5Tokenizer");
	int count = is_byt5 ? 3 : 6;

	if (is_class(w, "DiaTokenizer"))
		return (w->specials[TOK_PAD] == NULL || tok_python_add(w, 0, w->specials[TOK_PAD], 0)) &&
			   tok_python_add(w, 1, "[S1]", 0) && tok_python_add(w, 2, "[S2]", 0);
	for (int i = 0; i < count; i++)
	{
		const char *content = w->specials[is_byt5 ? byt5[i] : perceiver[i]];
		uint32_t flags = is_byt5 ? TOK_ADDED_LSTRIP | TOK_ADDED_RSTRIP : 0;

		if (content != NULL && !tok_python_add(w, i, content, flags))
			return false;
	}
	return true;
}

static bool
read_extra(tok_python_writer *w)
{
	int64_t extra = json_int(w->context, w->files->config, "extra_ids", EXTRA_IDS, 0, 100000);

	if (extra != 0 && extra != EXTRA_IDS)
		return tok_python_refuse(w, "its extra ids listed as special tokens");
	w->no_extra = extra == 0;
	return !tfm_failed(w->context);
}

static bool
load_bytes(tok_python_writer *w)
{
	w->ranged = BYTES;
	w->offset = is_class(w, "ByT5Tokenizer") ? 3 : is_class(w, "PerceiverTokenizer") ? 6 : 0;
	/* Dia's three tokens stand for the bytes 0 to 2. */
	w->base_size = is_class(w, "DiaTokenizer") ? BYTES - 3 : BYTES;
	return read_extra(w);
}

static bool
write_added_contents(tok_python_writer *w)
{
	tok_python_print(w, ",\"added\":[");
	for (size_t i = 0; i < w->added_count; i++)
	{
		tok_python_print(w, "%s", i == 0 ? "" : ",");
		tok_python_quote(w, w->added[i].content);
	}
	return tok_python_print(w, "]");
}

static bool
write_bytes(tok_python_writer *w)
{
	tok_python_print(w, ",\"decoder\":");
	if (is_class(w, "DiaTokenizer"))
		tok_python_print(w, "{\"type\":\"PythonJoin\"}");
	else
	{
		tok_python_print(w, "{\"type\":\"PythonBytes\",\"errors\":\"%s\"",
						 is_class(w, "PerceiverTokenizer") ? "replace" : "ignore");
		write_added_contents(w);
		tok_python_print(w, "}");
	}
	return tok_python_print(w, ",\"model\":{\"type\":\"PythonBytes\",\"offset\":%lld}",
							(long long) w->offset);
}

/* Tokens are bytes as two hexadecimal digits, behind three special ones. */
static bool
load_rewritten(tok_python_writer *w)
{
	buffer *object = buffer_create(w->context);

	for (int i = 0; object != NULL && i < BYTES; i++)
		buffer_printf(w->context, object, "%s\"%02x\":%d", i == 0 ? "{" : ",", (unsigned) i, i + 3);
	return object != NULL && buffer_append_string(w->context, object, "}") && read_extra(w) &&
		   tok_python_set_vocabulary(
			   w, json_parse(w->context, object->data, object->length, w->files->directory));
}

/* ,"decompose":{...},"merge":{...} */
static bool
write_rules(tok_python_writer *w)
{
	static const char *const keys[] = {"decompose", "merge"};
	static const char name[] = "byte_maps.json";
	json maps;

	if (!tok_python_read_json(w, name, &maps))
		return tfm_fail(w->context, TFM_FILE_NOT_FOUND,
						"directory \"%s\" has no %s, which %s needs", w->files->directory, name,
						w->class->name);
	for (int i = 0; i < 2; i++)
	{
		json map = json_member(maps, i == 0 ? "decompose_map" : "merge_map");
		const char *comma = "";

		tok_python_print(w, ",\"%s\":{", keys[i]);
		for (json item = json_first(map); json_present(item); item = json_next(item))
		{
			tok_python_print(w, "%s", comma);
			tok_python_quote(w, json_key(item));
			tok_python_print(w, ":");
			if (!tok_python_quote(w, json_is_string(item) ? json_as_string(item) : ""))
				return false;
			comma = ",";
		}
		tok_python_print(w, "}");
	}
	return !tfm_failed(w->context);
}

static bool
write_rewritten(tok_python_writer *w)
{
	tok_python_print(w, ",\"decoder\":{\"type\":\"PythonRewriter\"");
	if (!write_added_contents(w) || !write_rules(w))
		return false;
	tok_python_print(w, "},\"model\":{\"type\":\"PythonRewriter\",");
	return tok_python_write_vocabulary(w) && write_rules(w) && tok_python_print(w, "}");
}

static bool
load_code_points(tok_python_writer *w)
{
	w->ranged = w->base_size = CODE_POINTS;
	return true;
}

static bool
write_code_points(tok_python_writer *w)
{
	tok_python_print(w, ",\"decoder\":");
	tok_python_print(w, "{\"type\":\"PythonJoin\"}");
	return tok_python_print(w, ",\"model\":{\"type\":\"PythonCodePoints\"}");
}

const tok_python_class tok_python_byte_classes[] = {
	{
		.name = "ByT5Tokenizer",
		.specials = {[TOK_EOS] = "</s>", [TOK_UNK] = "<unk>", [TOK_PAD] = "<pad>"},
		.layout = "AE AEBE",
		.load = load_bytes,
		.write = write_bytes,
		.extra = extra_ids,
		.has_initial = true,
	},
	{
		.name = "MyT5Tokenizer",
		.specials = {[TOK_EOS] = "</s>", [TOK_UNK] = "<unk>", [TOK_PAD] = "<pad>"},
		.layout = "AE AEBE",
		.load = load_rewritten,
		.write = write_rewritten,
		.extra = extra_ids,
		.has_initial = true,
	},
	{
		.name = "PerceiverTokenizer",
		.specials = {[TOK_PAD] = "[PAD]",
					 [TOK_BOS] = "[BOS]",
					 [TOK_EOS] = "[EOS]",
					 [TOK_MASK] = "[MASK]",
					 [TOK_CLS] = "[CLS]",
					 [TOK_SEP] = "[SEP]"},
		.layout = "cAs cAs|Bs",
		.load = load_bytes,
		.write = write_bytes,
		.model_max_length = 2048,
		.has_initial = true,
	},
	{
		.name = "DiaTokenizer",
		.specials = {[TOK_PAD] = "<pad>", [TOK_UNK] = "<pad>"},
		.layout = "A AB",
		.load = load_bytes,
		.write = write_bytes,
		.has_initial = true,
	},
	{
		.name = "CanineTokenizer",
		.specials = {[TOK_BOS] = "\xEE\x80\x80",
					 [TOK_EOS] = "\xEE\x80\x81",
					 [TOK_SEP] = "\xEE\x80\x81",
					 [TOK_CLS] = "\xEE\x80\x80",
					 [TOK_PAD] = "",
					 [TOK_MASK] = "\xEE\x80\x83"},
		.layout = "cAs cAsBs",
		.load = load_code_points,
		.write = write_code_points,
		.model_max_length = 2048,
	},
	{.name = NULL},
};
