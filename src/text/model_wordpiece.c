/*
 * model_wordpiece.c
 *	  WordPiece: the longest token that a word begins with, then the longest continuing one, ...
 *
 * One trie has the whole vocabulary; continuing tokens are those below the node of their prefix.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "base/utf8.h"
#include "text/compile.h"

typedef struct wordpiece_payload
{
	uint32_t continuing_node; /* TRIE_NONE: the vocabulary has no continuing tokens */
	int32_t unknown_id;		  /* -1: none */
	uint64_t max_characters;  /* a longer word is unknown */
} wordpiece_payload;

static bool
compile_wordpiece(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	const char *unknown = json_require_string(context, spec, "unk_token");
	const char *prefix = json_require_string(context, spec, "continuing_subword_prefix");
	wordpiece_payload model = {
		.max_characters = (uint64_t) json_require_int(context, spec, "max_input_chars_per_word", 0,
													  (int64_t) 1 << 53),
	};
	trie vocabulary;

	if (tfm_failed(context) || !tok_compile_token_map(compiler, json_member(spec, "vocab")))
		return false;
	vocabulary = tok_compiled_trie(compiler, TOK_SECTION_VOCABULARY);
	model.continuing_node = tok_trie_walk(&vocabulary, TRIE_ROOT, prefix, strlen(prefix));
	model.unknown_id = (int32_t) tok_trie_find(&vocabulary, unknown, strlen(unknown));
	return buffer_append(context, payload, &model, sizeof(model));
}

static bool
check_wordpiece(tfm_context *context, const tok_tokenizer *tokenizer, tok_payload payload)
{
	const wordpiece_payload *model = payload.bytes;

	if (payload.length < sizeof(*model) || model->unknown_id < -1 ||
		model->unknown_id >= tokenizer->settings->id_limit)
		return tok_fail_damaged(context);
	return true;
}

static bool
push_unknown(tok_work *work, const wordpiece_payload *model, size_t start, size_t end, int32_t word)
{
	if (model->unknown_id < 0)
		return tfm_fail(work->context, TFM_CORRUPTED,
						"a word is not in the vocabulary, which has no unknown token");
	tok_push_piece(work, model->unknown_id, start, end, word);
	return true;
}

static bool
run_wordpiece(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word)
{
	const wordpiece_payload *model = payload.bytes;
	const tok_tokenizer *tokenizer = work->tokenizer;
	const char *bytes = work->string.bytes;
	size_t first = work->pieces.count;
	uint32_t node = TRIE_ROOT;

	if (!tok_reserve_pieces(work, end - start))
		return false;
	if (end - start > model->max_characters &&
		utf8_count(bytes + start, end - start) > model->max_characters)
		return push_unknown(work, model, start, end, word);
	for (size_t i = start; i < end;)
	{
		size_t matched = 0;
		uint32_t id = trie_longest(&tokenizer->vocabulary, node, bytes + i, end - i, &matched);

		if (id >= (uint32_t) tokenizer->settings->id_limit)
		{
			work->pieces.count = first;
			return push_unknown(work, model, start, end, word);
		}
		tok_push_piece(work, (int32_t) id, i, i + matched, word);
		i += matched;
		node = model->continuing_node;
		/* Each may be as long as the longest token. */
		if (((work->pieces.count - first) & 0x3FF) == 0 && tfm_stopped(work->context))
			return false;
	}
	return true;
}

const tok_model tok_model_wordpiece = {
	.row = {"WordPiece", compile_wordpiece},
	.check = check_wordpiece,
	.run = run_wordpiece,
};
