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

/*
 * size: the scores of a step.  NULL on error: those of tok_token_bytes.  Special tokens and those of
 * more than 254 bytes are never allowed, but for the end.  Tables are added to it in use: one thread at
 * a time.
 */
extern gen_vocabulary *gen_vocabulary_create(tfm_context *context, const tok_tokenizer *tokenizer,
											 int64_t size);

/*
 * A compiled constraint, in the context's arena.  What is found out in use is kept with it (some megabytes
 * at most for each vocabulary): one thread at a time, and worth keeping from one text to the next.
 */
typedef struct gen_constraint gen_constraint;

/*
 * A JSON schema (draft 2020-12, and what older drafts say otherwise and is still common).  Texts are a
 * subset of what is valid: properties come in the schema's order, white space, numbers and nesting are bounded,
 * and additional properties come only where the schema asks for them or names no properties.
 *
 * Errors of all: INVALID_ARGUMENT says what is wrong and where, or that nothing matches; UNSUPPORTED names
 * a keyword or construct that is not known; LIMIT_EXCEEDED.
 */
extern gen_constraint *gen_constrain_schema(tfm_context *context, json schema);

/* A grammar as llama.cpp has them (GBNF), from its rule "root". */
extern gen_constraint *gen_constrain_grammar(tfm_context *context, tfm_text grammar);

/*
 * A regular expression that the whole text matches.  \d, \w and \s are those of ASCII; look around, word
 * bounds, back references, and anchors but at the ends, are not supported.
 */
extern gen_constraint *gen_constrain_regex(tfm_context *context, tfm_text pattern);

/* One of the texts. */
extern gen_constraint *gen_constrain_choices(tfm_context *context, const tfm_text *choices,
											 size_t count);

/* Where one text stands in a constraint, which, as the vocabulary, must outlive it. */
typedef struct gen_matcher gen_matcher;

extern gen_matcher *gen_matcher_create(tfm_context *context, const gen_constraint *constraint,
									   const gen_vocabulary *vocabulary);
extern gen_matcher *gen_matcher_copy(tfm_context *context, const gen_matcher *matcher);

/*
 * So many tokens may still come, the next included (negative: any number, as at first): masks leave only those
 * after which the text can come to its end in time, as long as it can.
 */
extern void gen_matcher_limit(gen_matcher *matcher, int64_t left);

/*
 * Scores of tokens that may not come become -infinity; those of ends (the ids that end a text) stay
 * only where the text may end.  scores [size of the vocabulary].  Errors: INVALID_ARGUMENT (no token can
 * go on, as the vocabulary lacks bytes), LIMIT_EXCEEDED (too ambiguous a grammar), CANCELLED, OUT_OF_MEMORY.
 */
extern bool gen_matcher_mask(tfm_context *context, gen_matcher *matcher, float *scores,
							 const int32_t *ends, size_t end_count);

/* The text goes on by a token; false with INVALID_ARGUMENT if it may not. */
extern bool gen_matcher_accept(tfm_context *context, gen_matcher *matcher, int32_t id);

/* The same by bytes; after a failure it stands where it stood. */
extern bool gen_matcher_accept_bytes(tfm_context *context, gen_matcher *matcher, const char *bytes,
									 size_t length);

/* Whether the text may end here, and whether it must. */
extern bool gen_matcher_may_end(const gen_matcher *matcher);
extern bool gen_matcher_must_end(const gen_matcher *matcher);

#endif
