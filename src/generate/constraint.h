/*
 * constraint.h
 *	  Output that must match: a JSON schema, a grammar (GBNF), a regular expression, one of some
 *	  choices.
 *
 * All become one grammar over the bytes of the text.  At each step the tokens that cannot go on from
 * where the text stands are masked; the end of the text is allowed where the grammar may end.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_CONSTRAINT_H
#define TFM_GENERATE_CONSTRAINT_H

#include "base/json.h"
#include "text/tokenizer.h"

/* The bytes that each token of a vocabulary adds to a text, as a trie; made once for a tokenizer. */
typedef struct gen_vocabulary gen_vocabulary;

/* NULL on error.  Special tokens add nothing and are never allowed but for the end. */
extern gen_vocabulary *gen_vocabulary_create(tfm_context *context, const tok_tokenizer *tokenizer,
											 int64_t size);

/* A compiled constraint: read-only, in the context's arena. */
typedef struct gen_constraint gen_constraint;

/* INVALID_ARGUMENT says what is wrong and where; UNSUPPORTED names a keyword that is not known. */
extern gen_constraint *gen_constrain_schema(tfm_context *context, json schema);
extern gen_constraint *gen_constrain_grammar(tfm_context *context, tfm_text grammar);
extern gen_constraint *gen_constrain_regex(tfm_context *context, tfm_text pattern);
extern gen_constraint *gen_constrain_choices(tfm_context *context, const tfm_text *choices,
											 size_t count);

/* Where one text stands in a constraint. */
typedef struct gen_matcher gen_matcher;

extern gen_matcher *gen_matcher_create(tfm_context *context, const gen_constraint *constraint,
									   const gen_vocabulary *vocabulary);
extern gen_matcher *gen_matcher_copy(tfm_context *context, const gen_matcher *matcher);

/*
 * Scores of tokens that may not come become -infinity; those of ends (the ids that end a text) stay
 * only where the text may end.  scores [size of the vocabulary].
 */
extern bool gen_matcher_mask(tfm_context *context, gen_matcher *matcher, float *scores,
							 const int32_t *ends, size_t end_count);

/* The text goes on by a token; false with INVALID_ARGUMENT if it may not. */
extern bool gen_matcher_accept(tfm_context *context, gen_matcher *matcher, int32_t id);

/* Whether the text may end here, and whether it must. */
extern bool gen_matcher_may_end(const gen_matcher *matcher);
extern bool gen_matcher_must_end(const gen_matcher *matcher);

#endif
