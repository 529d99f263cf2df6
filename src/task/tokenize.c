/*
 * tokenize.c
 *	  Texts to tokens and back.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/tokenize.h"

#include "runtime/loaded.h"

bool
task_tokenize(tfm_context *context, const run_model *model, tfm_text text, bool offsets,
			  task_tokens *tokens)
{
	const tok_tokenizer *tokenizer = run_tokenizer(context, model);
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tok_encoding encoding;

	*tokens = (task_tokens) {0};
	if (offsets)
		options.want |= TOK_WANT_OFFSETS;
	if (tokenizer == NULL || !tok_encode(context, tokenizer, text, NULL, &options, &encoding))
		return false;
	*tokens = (task_tokens) {
		.count = encoding.count,
		.ids = encoding.ids,
		.starts = encoding.starts,
		.ends = encoding.ends,
	};
	return true;
}

const char *
task_token(const run_model *model, int32_t id)
{
	return model->tokenizer == NULL ? NULL : tok_id_to_token(model->tokenizer, id);
}

bool
task_detokenize(tfm_context *context, const run_model *model, const int32_t *ids, size_t count,
				bool skip_special_tokens, tfm_text *text)
{
	const tok_tokenizer *tokenizer = run_tokenizer(context, model);

	return tokenizer != NULL &&
		   tok_decode(context, tokenizer, ids, count, skip_special_tokens, text);
}
