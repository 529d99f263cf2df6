/*
 * tokenize.h
 *	  Texts to tokens and back.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_TOKENIZE_H
#define TFM_TASK_TOKENIZE_H

#include "runtime/model.h"

/* Tokens of a text with special tokens, not truncated; arrays of count in the context's arena. */
typedef struct task_tokens
{
	size_t count;
	int32_t *ids;
	int32_t
		*starts; /* first character of the text that the token covers, from 0; NULL unless asked */
	int32_t *ends; /* one past the last; a special token has 0, 0; NULL unless asked */
} task_tokens;

/* Tokenize a text; offsets says whether starts and ends are wanted. */
extern bool task_tokenize(tfm_context *context, const run_model *model, tfm_text text, bool offsets,
						  task_tokens *tokens);

/* The token (a piece of the vocabulary) of an id, zero-terminated; NULL if there is none. */
extern const char *task_token(const run_model *model, int32_t id);

/* The text of ids as Transformers' decode(ids, skip_special_tokens) gives it; unknown ids are an error. */
extern bool task_detokenize(tfm_context *context, const run_model *model, const int32_t *ids,
							size_t count, bool skip_special_tokens, tfm_text *text);

#endif
