/*
 * tokenizers.h
 *	  A tokenizer.json compiled and opened, for tests.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEST_UNIT_TOKENIZERS_H
#define TFM_TEST_UNIT_TOKENIZERS_H

#include <string.h>

#include "text/tokenizer.h"

static inline tfm_text
text_of(const char *string)
{
	return (tfm_text) {.data = string, .length = strlen(string)};
}

/* NULL with an error in the context. */
static inline const tok_tokenizer *
open_text(tfm_context *context, tfm_text tokenizer)
{
	buffer *blob = buffer_create(context);

	if (blob == NULL ||
		!tok_compile_json(context, tokenizer, "tokenizer.json", (tfm_text) {NULL, 0}, "none", blob))
		return NULL;
	return tok_open(context, blob->data, blob->length);
}

#endif
