/*
 * force_words.h
 *	  Words that must appear: how far a sequence has fulfilled them, and which tokens bring it further.
 *
 * Follows PhrasalConstraint, DisjunctiveConstraint and ConstraintListState of Transformers 4: a word is begun when its
 * first token comes, and then either goes on or is given up; of a constraint with several words any one will do.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_FORCE_WORDS_H
#define TFM_GENERATE_FORCE_WORDS_H

#include "generate/config.h"

/* Where a sequence stands. */
typedef struct gen_forced
{
	const gen_words *words;
	size_t *pending; /* [pending_count] constraints that are not begun, in the order of trying */
	size_t pending_count;
	size_t completed;
	int64_t current; /* the constraint that is begun; -1: none */
	int32_t *said;	 /* [said_count] its tokens so far */
	size_t said_count;
	bool done; /* all are fulfilled */
} gen_forced;

/* A word may not be a beginning of another of the same constraint: INVALID_ARGUMENT. */
extern bool gen_words_check(tfm_context *context, const gen_words *words);

/* A state at the beginning of ids[count], and after them; in the context's arena. */
extern bool gen_forced_create(tfm_context *context, const gen_words *words, const int32_t *ids,
							  int64_t count, gen_forced *state);

extern bool gen_forced_copy(tfm_context *context, const gen_forced *from, gen_forced *to);

extern void gen_forced_add(gen_forced *state, int32_t id);

/* Tokens that bring the sequence further, in order, some twice: in the context's arena. */
extern bool gen_forced_next(tfm_context *context, const gen_forced *state, gen_ids *next);

/* How far it is: get_bank. */
extern int64_t gen_forced_rank(const gen_forced *state);

#endif
