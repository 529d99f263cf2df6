/*
 * generate.h
 *	  Transformers' generate(): from prompts to sequences, a step at a time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_GENERATE_H
#define TFM_GENERATE_GENERATE_H

#include "generate/config.h"
#include "generate/constraint.h"
#include "generate/decoder.h"

/* What is generated from.  All live as long as the run. */
typedef struct gen_request
{
	run_session *session;
	run_session *assistant;		/* drafts; NULL: none */
	const gen_decoder *decoder; /* instead of the session, and of the assistant; NULL: they */
	const gen_decoder *draft_decoder;
	const tok_tokenizer *tokenizer; /* for stop strings and token healing; may be NULL */
	const gen_config *config;
	const gen_ids *prompts; /* [prompt_count] */
	int64_t prompt_count;
	/*
	 * Whether lengths are counted, and n-grams seen, as if the prompts were padded to the longest, as
	 * they are in Transformers (max_length, min_length, ...).  Else each is as if it were alone.
	 */
	bool padded;
	/* Whether max_new_tokens, which nobody asked for, ends at the model's last position. */
	bool fits;
	const gen_constraint *constraint; /* of all sequences; NULL: none */
	const gen_vocabulary *vocabulary; /* for it */
	/* Allowed next tokens by what there is (Transformers' prefix_allowed_tokens_fn); NULL: all. */
	bool (*allow)(void *argument, int64_t prompt, const int32_t *ids, int64_t count, int32_t next);
	void *allow_argument;
} gen_request;

typedef enum gen_finish
{
	GEN_UNFINISHED,
	GEN_STOPPED, /* an end token, a stop string, the end of a constraint */
	GEN_LENGTH,	 /* max_new_tokens, max_length, the model's last position */
	GEN_TIME	 /* max_time */
} gen_finish;

typedef struct gen_sequence
{
	int64_t prompt;		/* its number */
	gen_ids begin;		/* what it goes on from: the prompt, healed if so asked; the start token */
	const int32_t *ids; /* [count] what was generated, the end token included; no prompt */
	int64_t count;
	gen_finish finish;
	/* With output_scores: of beams sequences_scores, else the sum of the log probabilities. */
	double score;
	const float *scores; /* output_scores: [count] transition scores as Transformers has them */
	const float *logits; /* output_logits: [count][vocabulary]; NULL without, and of beams */
} gen_sequence;

/* A generation under way.  It lives in the arena of the context that it was begun with. */
typedef struct gen_run gen_run;

/*
 * Check, and make what the run keeps; the prompts are run by the first steps.  INVALID_ARGUMENT (options that
 * do not go together, an empty prompt without a bos_token_id, a max_length that the prompt has
 * already), LIMIT_EXCEEDED (a prompt longer than the model's positions).
 *
 * A run whose step fails is over: gen_finish_run closes its sequences.
 */
extern gen_run *gen_begin(tfm_context *context, const gen_request *request);

/*
 * One step: at least one token more for each row that is not finished.  *more says whether another step is to
 * come.  context may be another one than that of gen_begin, with an arena of its own, whose memory the
 * step does not keep.
 */
extern bool gen_step(tfm_context *context, gen_run *run, bool *more);

/* What prompt's only row has so far, while it grows; not of beams. */
extern gen_sequence gen_partial(const gen_run *run, int64_t prompt);

/*
 * The sequences, num_return_sequences of each prompt one after the other, and the end of the run:
 * its sequences are closed.  May be called before the last step.
 */
extern bool gen_finish_run(tfm_context *context, gen_run *run, gen_sequence **sequences,
						   int64_t *count);

/* All of it. */
extern bool gen_generate(tfm_context *context, const gen_request *request, gen_sequence **sequences,
						 int64_t *count);

#endif
