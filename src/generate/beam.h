/*
 * beam.h
 *	  What the kinds of beam search share: hypotheses, and the decoder's scores of all of them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_BEAM_H
#define TFM_GENERATE_BEAM_H

#include "generate/run.h"

#define BEAM_DEAD (-1.0e9f) /* the score of what does not count, as in Transformers */

/* A beam: what it has said, and how good that is. */
typedef struct hypothesis
{
	buffer ids;	   /* int32_t: padding, prompt, what was generated */
	buffer scores; /* float: of each generated token, as processed; only with output_scores */
	float score;
	gen_finish finish;
	int32_t sequence; /* of the decoder; -1: none */
} hypothesis;

/* The beams of one prompt. */
typedef struct beam_set
{
	int64_t prompt;
	int64_t count;	   /* ids that each beam has, padding included */
	hypothesis *beams; /* [num_beams] */
	hypothesis *next;  /* [num_beams] what becomes of them */
	gen_guide *guides; /* [num_beams] */
	bool begun, closed;
	gen_scores *scores;		/* [num_beams] of a step: processed log probabilities */
	gen_matcher **matchers; /* [num_beams] of a step; NULL without a constraint */
} beam_set;

/* How a hypothesis goes on. */
typedef struct candidate
{
	int parent; /* its beam */
	int32_t id;
	float total; /* score of the whole */
	float step;	 /* score of the token */
	gen_finish finish;
} candidate;

static inline const int32_t *
beam_ids(const hypothesis *h)
{
	return (const int32_t *) (const void *) h->ids.data;
}

extern bool gen_beams_begin(tfm_context *context, gen_run *run, beam_set *set, int64_t prompt);
extern void gen_beams_free(const gen_run *run, beam_set *set);
extern void gen_hypotheses_free(hypothesis *hypotheses, int64_t count);
extern void gen_beams_close(gen_run *run, beam_set *set);

/*
 * Give the decoder the last tokens of sets[count], or at first the prompts, and have each set's scores: log
 * probabilities, guided, and processed if process.
 */
extern bool gen_beams_step(tfm_context *context, gen_run *run, beam_set **sets, int64_t count,
						   bool process);

/*
 * Process the scores of some of a set's beams.  earlier: what other groups of beams have chosen in
 * this step.
 */
extern bool gen_beams_process(tfm_context *context, gen_run *run, beam_set *set, int64_t first,
							  int64_t count, gen_ids earlier);

/* How many continuations of so many beams are looked at, for enough to be left when some end. */
extern int64_t gen_beams_keep(const gen_run *run, int64_t beams);

/* A beam of the set goes on by id. */
extern candidate gen_make_candidate(const beam_set *set, int64_t beam, int32_t id);

/* The keep best continuations of the beams from first on, best first: best[keep]. */
extern bool gen_beams_pick(tfm_context *context, const gen_run *run, const beam_set *set,
						   int64_t first, int64_t beams, int64_t keep, candidate *best);

/* h becomes a copy of from, which goes on by id; id < 0: just a copy. */
extern bool gen_beam_copy(tfm_context *context, const gen_run *run, const hypothesis *from,
						  int32_t id, float step, hypothesis *h);

/* Whether a candidate is at its end. */
extern bool gen_beam_check(tfm_context *context, gen_run *run, const beam_set *set, candidate *c);

/*
 * The beams go on as chosen[num_beams] says: hypotheses grow, sequences of the decoder are passed
 * on, copied, closed.
 */
extern bool gen_beams_advance(tfm_context *context, gen_run *run, beam_set *set,
							  const candidate *chosen);

/* ---- Words that must appear (beam_words.c) ---- */

/* Whether ids[count] have all words. */
extern bool gen_words_said(tfm_context *context, const gen_run *run, const int32_t *ids,
						   int64_t count, bool *said);

/* To chosen[num_beams] come tokens that bring words further; the best of both remain. */
extern bool gen_force_words(tfm_context *context, const gen_run *run, const beam_set *set,
							candidate *chosen);

/* The result that a hypothesis is. */
extern gen_sequence gen_beam_result(const gen_run *run, int64_t prompt, const hypothesis *h);

#endif
