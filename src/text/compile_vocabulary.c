/*
 * compile_vocabulary.c
 *	  vocab.txt and tokenizer_config.json, made into the tokenizer.json that Transformers would make.
 *
 * Follows transformers/models/bert/tokenization_bert.py and mpnet/tokenization_mpnet.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/compile.h"

bool
tok_compile_vocabulary(tfm_context *context, tfm_text vocabulary, const char *vocabulary_name,
					   tfm_text config, const char *config_name, buffer *blob)
{
	(void) vocabulary;
	(void) config;
	(void) config_name;
	(void) blob;
	return tfm_fail(context, TFM_UNSUPPORTED, "\"%s\" is not supported", vocabulary_name);
}
