/*
 * model_wordlevel.c
 *	  WordLevel: a word is a token, or unknown.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "text/compile.h"

typedef struct wordlevel_payload
{
	int32_t unknown_id; /* -1: none */
	uint32_t padding;
} wordlevel_payload;

static bool
compile_wordlevel(tok_compiler *compiler, json spec, buffer *payload)
{
	const char *unknown = json_require_string(compiler->context, spec, "unk_token");
	wordlevel_payload model = {0};
	trie vocabulary;

	if (tfm_failed(compiler->context) ||
		!tok_compile_token_map(compiler, json_member(spec, "vocab")))
		return false;
	vocabulary = tok_compiled_trie(compiler, TOK_SECTION_VOCABULARY);
	model.unknown_id = (int32_t) tok_trie_find(&vocabulary, unknown, strlen(unknown));
	return buffer_append(compiler->context, payload, &model, sizeof(model));
}

static bool
check_wordlevel(tfm_context *context, const tok_tokenizer *tokenizer, tok_payload payload)
{
	const wordlevel_payload *model = payload.bytes;

	if (payload.length < sizeof(*model) || model->unknown_id < -1 ||
		model->unknown_id >= tokenizer->settings->id_limit)
		return tok_fail_damaged(context);
	return true;
}

static bool
run_wordlevel(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word)
{
	const wordlevel_payload *model = payload.bytes;
	uint32_t id =
		tok_trie_find(&work->tokenizer->vocabulary, work->string.bytes + start, end - start);

	if (id >= (uint32_t) work->tokenizer->settings->id_limit)
		id = (uint32_t) model->unknown_id;
	if ((int32_t) id < 0)
		return tfm_fail(work->context, TFM_CORRUPTED,
						"a word is not in the vocabulary, which has no unknown token");
	if (!tok_reserve_pieces(work, 1))
		return false;
	tok_push_piece(work, (int32_t) id, start, end, word);
	return true;
}

const tok_model tok_model_wordlevel = {
	.row = {"WordLevel", compile_wordlevel},
	.check = check_wordlevel,
	.run = run_wordlevel,
};
