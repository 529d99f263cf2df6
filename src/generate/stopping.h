/*
 * stopping.h
 *	  Strings that end a text.
 *
 * A string ends a sequence when its last byte is in the text of the sequence's last token, wherever in
 * the tokens, the prompt's among them, it begins: Transformers' StopStringCriteria.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_STOPPING_H
#define TFM_GENERATE_STOPPING_H

#include "generate/config.h"
#include "text/tokenizer.h"

typedef struct gen_stops gen_stops;

/* In the context's arena, where the texts of tokens that were met are kept too. */
extern gen_stops *gen_stops_create(tfm_context *context, const tok_tokenizer *tokenizer,
								   const gen_config *config);

/* Whether ids[count] followed by next ends with one of the strings; false on error, too. */
extern bool gen_stops_match(tfm_context *context, gen_stops *stops, const int32_t *ids,
							int64_t count, int32_t next);

#endif
