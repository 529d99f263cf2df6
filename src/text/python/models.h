/*
 * models.h
 *	  What the models of Python tokenizers share: a vocabulary with an unknown token.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_PYTHON_MODELS_H
#define TFM_TEXT_PYTHON_MODELS_H

#include "text/compile.h"

/* The id of "unk_token" in the vocabulary just compiled; -1 if there is none. */
extern int32_t tok_python_unknown(tok_compiler *compiler, json spec);

/*
 * The id of a token and the suffix behind it as convert_tokens_to_ids has it: of the vocabulary, of
 * an added token, or the unknown one; -1, with TFM_CORRUPTED, if there is no unknown one.
 */
extern int32_t tok_python_id(tok_work *work, const char *token, size_t length, const char *suffix,
							 int32_t unknown);

#endif
