/*
 * tokens.h
 *	  What the fuzzers of tokenizers check and do alike.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEST_FUZZ_TOKENS_H
#define TFM_TEST_FUZZ_TOKENS_H

#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

static inline void
expect(bool good)
{
	if (!good)
		abort();
}

/* Ids are those of tokens; offsets lie in the texts, in order of start and end. */
static inline void
check_encoding(const tok_encoding *e, const tok_tokenizer *tokenizer, size_t characters)
{
	for (size_t i = 0; i < e->count; i++)
	{
		expect(e->ids[i] >= 0 && e->ids[i] < tok_id_limit(tokenizer));
		if (e->starts != NULL)
			expect(e->starts[i] >= 0 && e->starts[i] <= e->ends[i] &&
				   (size_t) e->ends[i] <= characters);
	}
	for (size_t i = 0; i < e->overflowing_count; i++)
		check_encoding(&e->overflowing[i], tokenizer, characters);
}

static inline void
decode(tfm_context *context, const tok_tokenizer *tokenizer, const tok_encoding *e)
{
	tfm_text text;

	for (size_t i = 0; i < e->count; i++)
	{
		const char *token = tok_id_to_token(tokenizer, e->ids[i]);

		if (token != NULL)
			tok_token_to_id(tokenizer, (tfm_text) {token, strlen(token)});
	}
	for (int skip = 0; skip < 2; skip++)
	{
		tok_decode(context, tokenizer, e->ids, e->count, skip != 0, &text);
		tfm_clear_error(context);
	}
}

static inline void
damage(buffer *blob, tfm_text changes)
{
	const unsigned char *c = (const unsigned char *) changes.data;

	for (size_t i = 0; i + 4 <= changes.length; i += 4)
		blob->data[(c[i] | (size_t) c[i + 1] << 8 | (size_t) c[i + 2] << 16) % blob->length] =
			(char) c[i + 3];
}

#endif
