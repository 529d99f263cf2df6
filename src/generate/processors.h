/*
 * processors.h
 *	  Transformers' logits processors and warpers: what is done to scores before a token is chosen.
 *
 * Each is a row of one table, in the order in which Transformers' generate applies them.  Classifier-free
 * guidance, the first there, needs the model and is done before (guidance.h).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_PROCESSORS_H
#define TFM_GENERATE_PROCESSORS_H

#include "generate/config.h"
#include "generate/constraint.h"
#include "generate/scores.h"

/* What the scores of a row follow. */
typedef struct gen_prefix
{
	const int32_t *ids; /* [count] padding, prompt, what was generated */
	int64_t count;
	int64_t padding;	   /* how many are padding */
	int64_t prompt_length; /* padding included */
	int64_t min_length;	   /* no end before so many ids, padding included */
	int64_t max_length;
	int64_t prompt;						 /* its number */
	gen_ids encoder;					 /* what the encoder, or a decoder alone, was given */
	gen_ids earlier;					 /* what groups of beams before this one chose just now */
	gen_matcher *matcher;				 /* of a constraint; NULL: none */
	struct gen_synthid_state *watermark; /* of SynthID; NULL: none */
} gen_prefix;

typedef struct gen_processors gen_processors;

/* Which next tokens are allowed, as gen_request has it. */
typedef struct gen_allow
{
	bool (*function)(void *argument, int64_t prompt, const int32_t *ids, int64_t count,
					 int32_t next);
	void *argument;
} gen_allow;

/*
 * The processors that a config asks for, with their tables; in the context's arena, as config has to
 * live as long.  INVALID_ARGUMENT for an id that the vocabulary does not have.  constrained: rows have
 * matchers.  allow.function may be NULL.
 */
extern gen_processors *gen_processors_create(tfm_context *context, const gen_config *config,
											 int64_t vocabulary, gen_allow allow, bool constrained);

/* Those of them that a draft's scores go through, or all but the warpers. */
typedef enum gen_which
{
	GEN_ALL,
	GEN_OF_DRAFT /* without min_length */
} gen_which;

/* Whether any would change scores. */
extern bool gen_processors_any(const gen_processors *processors);

/*
 * Process the scores of count rows, which belong to the beams of one prompt or are one row.
 * Working memory is the context's.
 */
extern bool gen_process(tfm_context *context, gen_processors *processors, gen_which which,
						const gen_prefix *prefixes, gen_scores *scores, int64_t count);

#endif
