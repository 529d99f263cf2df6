/*
 * models.c
 *	  Models without merges: PythonBytes, PythonCodePoints, PythonCharacters and PythonWords.
 *
 * PythonBytes has a token for each byte, PythonCodePoints one for each character of Unicode;
 * PythonCharacters looks up each character of a word, PythonWords the whole word.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/models.h"

#include <string.h>

#include "text/components.h"

#define CHARACTER_MAX 0x10FFFF

typedef struct vocabulary_payload
{
	int64_t unknown;
	int64_t blanks; /* id 0 stands before and behind each token: add_blank of VITS */
} vocabulary_payload;

int32_t
tok_python_unknown(tok_compiler *compiler, json spec)
{
	const char *unknown = json_string(compiler->context, spec, "unk_token", NULL);
	trie vocabulary = tok_compiled_trie(compiler, TOK_SECTION_VOCABULARY);
	uint32_t id =
		unknown == NULL ? TRIE_NONE : tok_trie_find(&vocabulary, unknown, strlen(unknown));

	return id == TRIE_NONE ? -1 : (int32_t) id;
}

static uint32_t
find_with_suffix(const trie *t, const char *token, size_t length, const char *suffix)
{
	uint32_t node = tok_trie_walk(t, TRIE_ROOT, token, length);

	if (node != TRIE_NONE)
		node = tok_trie_walk(t, node, suffix, strlen(suffix));
	return node == TRIE_NONE ? TRIE_NONE : trie_value(t, node);
}

int32_t
tok_python_id(tok_work *work, const char *token, size_t length, const char *suffix, int32_t unknown)
{
	const tok_tokenizer *t = work->tokenizer;
	uint32_t id = find_with_suffix(&t->vocabulary, token, length, suffix);

	if (id >= (uint32_t) t->settings->id_limit)
	{
		uint32_t added = find_with_suffix(&t->raw.keys, token, length, suffix);

		id = added < t->added_count ? t->added[added].id : TRIE_NONE;
	}
	if (id < (uint32_t) t->settings->id_limit)
		return (int32_t) id;
	if (unknown < 0)
		tfm_fail(work->context, TFM_CORRUPTED,
				 "a token is not in the vocabulary, which has no unknown token");
	return unknown;
}

static bool
push_token(tok_work *work, size_t start, size_t end, int32_t unknown, int32_t word)
{
	int32_t id = tok_python_id(work, work->string.bytes + start, end - start, "", unknown);

	if (id < 0)
		return false;
	tok_push_piece(work, id, start, end, word);
	return true;
}

static bool
compile_vocabulary(tok_compiler *compiler, json spec, buffer *payload)
{
	vocabulary_payload model;

	if (!tok_compile_token_map(compiler, json_member(spec, "vocab")))
		return false;
	model.unknown = tok_python_unknown(compiler, spec);
	if (model.unknown < 0)
		model.unknown = json_int(compiler->context, spec, "unk_id", -1, -1, INT32_MAX - 1);
	model.blanks = json_bool(compiler->context, spec, "blanks", false);
	return !tfm_failed(compiler->context) &&
		   buffer_append(compiler->context, payload, &model, sizeof(model));
}

static bool
check_vocabulary(tfm_context *context, const tok_tokenizer *tokenizer, tok_payload payload)
{
	const vocabulary_payload *model = payload.bytes;

	if (payload.length < sizeof(*model) || model->unknown < -1 ||
		model->unknown >= tokenizer->settings->id_limit)
		return tok_fail_damaged(context);
	return true;
}

static bool
run_words(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word)
{
	const vocabulary_payload *model = payload.bytes;

	return start == end || (tok_reserve_pieces(work, 1) &&
							push_token(work, start, end, (int32_t) model->unknown, word));
}

static bool
run_characters(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word)
{
	const vocabulary_payload *model = payload.bytes;
	uint32_t polled = 0;

	if (!tok_reserve_pieces(work, 2 * ((size_t) end - start) + 1))
		return false;
	if (model->blanks != 0 && start < end)
		tok_push_piece(work, 0, start, start, word);
	while (start < end)
	{
		int width;

		utf8_decode(work->string.bytes + start, &width);
		if (!push_token(work, start, start + (size_t) width, (int32_t) model->unknown, word))
			return false;
		start += (uint32_t) width;
		if (model->blanks != 0)
			tok_push_piece(work, 0, start, start, word);
		if ((++polled & 0xFFFF) == 0 && tfm_stopped(work->context))
			return false;
	}
	return true;
}

/* Both models number what they have from an offset on. */
typedef struct numbers_payload
{
	int64_t offset;
	int64_t count;
} numbers_payload;

/* Tokens chr(0) to chr(count - 1); a surrogate has none. */
static bool
compile_numbers(tok_compiler *compiler, json spec, int64_t count, bool keyed, buffer *payload)
{
	tfm_context *context = compiler->context;
	numbers_payload model = {
		.offset = json_int(context, spec, "offset", 0, 0, 1000),
		.count = count,
	};
	trie_key *keys = tfm_alloc_array(context, (size_t) (keyed ? count : 0), sizeof(trie_key));

	compiler->settings.vocabulary_size = (int32_t) (model.offset + count);
	compiler->model_size = compiler->settings.vocabulary_size;
	for (int64_t i = 0; keys != NULL && i < count; i++)
	{
		char token[5] = "";

		if (i >= 0xD800 && i <= 0xDFFF)
			continue;
		token[utf8_encode((uint32_t) i, token)] = '\0';
		if (!tok_compile_token(compiler, model.offset + i, token))
			return false;
		if (keyed && i > 0)
			keys[i - 1] = (trie_key) {
				.bytes = tfm_strdup(context, token),
				.length = (uint32_t) strlen(token),
				.value = (uint32_t) (model.offset + i),
			};
		if ((i & 0xFFFF) == 0 && tfm_stopped(context))
			return false;
	}
	return !tfm_failed(context) &&
		   (!keyed || tok_trie_build(context, keys, (size_t) count - 1,
									 compiler->sections[TOK_SECTION_VOCABULARY])) &&
		   buffer_append(context, payload, &model, sizeof(model));
}

static bool
compile_bytes(tok_compiler *compiler, json spec, buffer *payload)
{
	return compile_numbers(compiler, spec, 256, true, payload);
}

/* No trie: it would be ten times what the ids tell. */
static bool
compile_code_points(tok_compiler *compiler, json spec, buffer *payload)
{
	return compile_numbers(compiler, spec, CHARACTER_MAX + 1, false, payload);
}

static bool
check_numbers(tfm_context *context, const tok_tokenizer *tokenizer, tok_payload payload)
{
	const numbers_payload *model = payload.bytes;

	if (payload.length < sizeof(*model) || model->offset < 0 || model->offset > 1000 ||
		model->count < 256 || model->offset + model->count > tokenizer->settings->id_limit)
		return tok_fail_damaged(context);
	return true;
}

static bool
run_bytes(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word)
{
	const numbers_payload *model = payload.bytes;
	const char *bytes = work->string.bytes;

	if (!tok_reserve_pieces(work, end - start))
		return false;
	for (; start < end; start++)
		tok_push_piece(work, (int32_t) model->offset + (unsigned char) bytes[start], start,
					   start + 1, word);
	return true;
}

static bool
run_code_points(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word)
{
	const numbers_payload *model = payload.bytes;

	if (!tok_reserve_pieces(work, end - start))
		return false;
	while (start < end)
	{
		int width;
		int64_t number = utf8_decode(work->string.bytes + start, &width);

		if (number >= model->count)
			return tok_fail_damaged(work->context);
		tok_push_piece(work, (int32_t) (model->offset + number), start, start + (size_t) width,
					   word);
		start += (uint32_t) width;
	}
	return true;
}

const tok_model tok_model_python_bytes = {
	.row = {"PythonBytes", compile_bytes},
	.check = check_numbers,
	.run = run_bytes,
};
const tok_model tok_model_python_code_points = {
	.row = {"PythonCodePoints", compile_code_points},
	.check = check_numbers,
	.run = run_code_points,
};
const tok_model tok_model_python_characters = {
	.row = {"PythonCharacters", compile_vocabulary},
	.check = check_vocabulary,
	.run = run_characters,
};
const tok_model tok_model_python_words = {
	.row = {"PythonWords", compile_vocabulary},
	.check = check_vocabulary,
	.run = run_words,
};
