/*
 * gguf_tokenizer.c
 *	  The tokenizer that is in a GGUF file: its keys, handed to src/text.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/gguf_tokenizer.h"

#include "checkpoint/gguf.h"
#include "text/gguf_vocabulary.h"

#define KEY(name) "tokenizer.ggml." name

/* -1 where the file does not say. */
static int
read_flag(tfm_context *context, const ckpt_gguf *source, const char *key)
{
	return ckpt_gguf_find(source, key) == NULL ? -1 : ckpt_gguf_bool(context, source, key, false);
}

static void
read_ids(tfm_context *context, const ckpt_gguf *source, int32_t ids[TOK_SPECIAL_COUNT])
{
	static const char *const keys[TOK_SPECIAL_COUNT] = {
		[TOK_PAD] = KEY("padding_token_id"), [TOK_UNK] = KEY("unknown_token_id"),
		[TOK_CLS] = KEY("cls_token_id"),	 [TOK_SEP] = KEY("seperator_token_id"),
		[TOK_MASK] = KEY("mask_token_id"),	 [TOK_BOS] = KEY("bos_token_id"),
		[TOK_EOS] = KEY("eos_token_id"),
	};

	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
	{
		/* Writers have an all-ones id for "none". */
		int64_t id = ckpt_gguf_int(context, source, keys[i], -1, INT32_MIN, UINT32_MAX);

		ids[i] = id < 0 || id > INT32_MAX ? -1 : (int32_t) id;
	}
}

/* What the file's kind of model has where it does not say: llama.cpp's defaults. */
static void
complete_ids(tok_gguf *gguf)
{
	bool bert = gguf->model.length == 4 && gguf->model.data[0] == 'b';

	if (bert && gguf->ids[TOK_CLS] < 0)
		gguf->ids[TOK_CLS] = gguf->ids[TOK_BOS] >= 0 ? gguf->ids[TOK_BOS]
							 : gguf->count > 101	 ? 101
													 : -1;
	if (bert && gguf->ids[TOK_SEP] < 0 && gguf->count > 102)
		gguf->ids[TOK_SEP] = 102;
	if (bert && gguf->ids[TOK_UNK] < 0 && gguf->count > 100)
		gguf->ids[TOK_UNK] = 100;
}

static bool
read_gguf(tfm_context *context, const ckpt_gguf *source, tok_gguf *gguf)
{
	size_t scores, types;

	*gguf = (tok_gguf) {
		.source = source->file->path,
		.architecture = ckpt_gguf_string(context, source, "general.architecture", ""),
		.model = ckpt_gguf_string(context, source, KEY("model"), ""),
		.pre = ckpt_gguf_string(context, source, KEY("pre"), ""),
		.add_bos = read_flag(context, source, KEY("add_bos_token")),
		.add_eos = read_flag(context, source, KEY("add_eos_token")),
	};
	gguf->tokens = ckpt_gguf_strings(context, source, KEY("tokens"), &gguf->count);
	gguf->scores = ckpt_gguf_floats(context, source, KEY("scores"), &scores);
	gguf->types = ckpt_gguf_ints(context, source, KEY("token_type"), &types);
	gguf->merges = ckpt_gguf_strings(context, source, KEY("merges"), &gguf->merge_count);
	read_ids(context, source, gguf->ids);
	if (tfm_failed(context))
		return false;
	if (gguf->tokens == NULL)
		return tfm_fail(context, TFM_FILE_NOT_FOUND, "\"%s\" has no tokenizer", gguf->source);
	if ((gguf->scores != NULL && scores != gguf->count) ||
		(gguf->types != NULL && types != gguf->count))
		return tfm_fail(context, TFM_CORRUPTED,
						"\"%s\" has %zu tokens, but not as many scores or types", gguf->source,
						gguf->count);
	complete_ids(gguf);
	return true;
}

bool
run_compile_gguf_tokenizer(tfm_context *context, const char *path, buffer *blob)
{
	const ckpt_gguf *source = ckpt_open_gguf(context, path);
	tok_gguf gguf;

	return source != NULL && read_gguf(context, source, &gguf) &&
		   tok_compile_gguf(context, &gguf, blob);
}
