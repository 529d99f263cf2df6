/*
 * model_greedy.c
 *	  The longest token that the text begins with, then that of the rest, and so on: RWKV's "World".
 *
 * No file of the library has this model; it stands in the tokenizer.json that is written for a GGUF
 * file, behind ByteLevel, so that a character is a byte.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include "base/utf8.h"
#include "text/compile.h"

typedef struct greedy_payload
{
	int64_t unknown_id; /* of a byte that no token begins with; -1: none */
} greedy_payload;

static bool
compile_greedy(tok_compiler *compiler, json spec, buffer *payload)
{
	greedy_payload model = {
		.unknown_id = json_int(compiler->context, spec, "unk_id", -1, -1, INT32_MAX - 1),
	};

	return !tfm_failed(compiler->context) &&
		   tok_compile_token_map(compiler, json_member(spec, "vocab")) &&
		   (model.unknown_id < 0 || tok_compile_id(compiler, model.unknown_id)) &&
		   buffer_append(compiler->context, payload, &model, sizeof(model));
}

static bool
check_greedy(tfm_context *context, const tok_tokenizer *tokenizer, tok_payload payload)
{
	const greedy_payload *model = payload.bytes;

	if (payload.length < sizeof(*model) || model->unknown_id < -1 ||
		model->unknown_id >= tokenizer->settings->id_limit)
		return tok_fail_damaged(context);
	return true;
}

static bool
run_greedy(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word)
{
	const greedy_payload *model = payload.bytes;
	const tok_tokenizer *tokenizer = work->tokenizer;
	const char *bytes = work->string.bytes;
	uint32_t polled = 0;

	if (!tok_reserve_pieces(work, end - start))
		return false;
	for (size_t i = start; i < end && work->pieces.count < work->wanted;)
	{
		size_t matched = 0;
		int64_t id = trie_longest(&tokenizer->vocabulary, TRIE_ROOT, bytes + i, end - i, &matched);

		if (id >= tokenizer->settings->id_limit)
		{
			int width;

			utf8_decode(bytes + i, &width);
			matched = (size_t) width;
			id = model->unknown_id;
		}
		if (id < 0)
			return tfm_fail(work->context, TFM_CORRUPTED,
							"a byte is not in the vocabulary, which has no unknown token");
		tok_push_piece(work, (int32_t) id, i, i + matched, word);
		i += matched;
		if ((++polled & 0xFFFF) == 0 && tfm_stopped(work->context))
			return false;
	}
	return true;
}

const tok_model tok_model_greedy = {
	.row = {"Greedy", compile_greedy},
	.check = check_greedy,
	.run = run_greedy,
};
