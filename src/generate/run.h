/*
 * run.h
 *	  What a generation is made of while it is under way: its prompts, the rows that grow, the model.
 *
 * A method of decoding (greedy and sampling, beams, ...) is a gen_method: it makes what it keeps at the
 * beginning, advances all that is not finished in a step, and hands out sequences at the end.
 *
 * Memory: what lasts is in run->keep's arena, made at the beginning, and in buffers that grow and are
 * freed with it; a step's working memory is rolled back after it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_RUN_H
#define TFM_GENERATE_RUN_H

#include "base/buffer.h"
#include "generate/generate.h"
#include "generate/processors.h"
#include "generate/random.h"
#include "generate/stopping.h"

typedef struct gen_method gen_method;

/* A prompt as the method sees it. */
typedef struct gen_prompt
{
	gen_ids ids;	/* what the decoder begins with, behind padding */
	gen_ids source; /* the prompt itself */
	gen_ids inputs; /* what the encoder, or a decoder alone, was given, with padding */
	int64_t padding;
	int64_t min_length, max_length; /* padding included */
} gen_prompt;

/* Classifier-free guidance's other context. */
typedef struct gen_guide
{
	int32_t sequence; /* -1: not begun */
} gen_guide;

/* A sequence that grows. */
typedef struct gen_row
{
	int64_t prompt;
	int32_t sequence; /* of the decoder; -1: none */
	int64_t given;	  /* ids, padding left out, that the decoder has */
	buffer ids;		  /* int32_t: padding, prompt, what was generated */
	buffer scores, logits;
	double score;
	gen_finish finish;
	gen_random random;
	gen_matcher *matcher;
	struct gen_synthid_state *watermark;
	gen_guide guide;
	/* A draft, which is behind ids while it is made. */
	int32_t drafter; /* sequence of the draft model; -1: none */
	int64_t drafter_given;
	int64_t draft_count, draft_goal, draft_limit; /* how long it is, may be now, may ever be */
} gen_row;

struct gen_run
{
	gen_request request;
	gen_config settings; /* a copy, as the run's memory may be freed after the request's */
	const gen_config *config;
	gen_decoder decoder, draft;
	bool has_draft;
	tfm_context keep;
	gen_processors *processors;
	gen_stops *stops;		  /* NULL: none */
	double deadline;		  /* seconds of the monotonic clock; 0: none */
	const tfm_context *outer; /* of the step under way */
	gen_prompt *prompts;	  /* [request.prompt_count] */
	const gen_method *method;
	void *state;		/* the method's */
	size_t logit_bytes; /* kept for output_logits */
	bool over;
};

struct gen_method
{
	const char *name;
	bool (*begin)(tfm_context *context, gen_run *run);
	/* context's arena is rolled back afterwards. */
	bool (*step)(tfm_context *context, gen_run *run, bool *more);
	/* End whatever is not finished, as its time is over. */
	void (*expire)(gen_run *run);
	/* Results live in the run's memory. */
	bool (*results)(tfm_context *context, gen_run *run, gen_sequence **sequences, int64_t *count);
	gen_sequence (*partial)(const gen_run *run, int64_t prompt); /* NULL: not had */
	void (*close)(gen_run *run, bool keep);						 /* the decoder's sequences */
	void (*free)(gen_run *run);									 /* buffers */
};

extern const gen_method gen_method_rows;		/* search.c */
extern const gen_method gen_method_beams;		/* beams.c */
extern const gen_method gen_method_groups;		/* group_beams.c */
extern const gen_method gen_method_contrastive; /* contrastive.c */

/* ---- Prompts (prompts.c) ---- */

/* Check the request's prompts and make run->prompts of them. */
extern bool gen_prepare_prompts(tfm_context *context, gen_run *run);

/* The prompts' last tokens made anew where a longer one would do (token healing): healed[count]. */
extern bool gen_heal_prompts(tfm_context *context, gen_run *run, const gen_ids *prompts,
							 int64_t count, gen_ids *healed);

/* How many sequences of the longest the decoder has room for, at most limit, at least least. */
extern int64_t gen_find_room(const gen_run *run, int64_t least, int64_t limit);

/* Open a sequence for each of some prompts, whose numbers are given. */
extern bool gen_open_prompts(tfm_context *context, gen_run *run, const int64_t *prompts,
							 int64_t count, int32_t *sequences, int64_t *given);

/* ---- Rows (row.c) ---- */

/* What the sequences of a prompt go on from, without padding. */
extern gen_ids gen_prompt_begin(const gen_prompt *prompt);

static inline const int32_t *
gen_row_ids(const gen_row *row)
{
	return (const int32_t *) (const void *) row->ids.data;
}

static inline int64_t
gen_row_count(const gen_row *row)
{
	return (int64_t) (row->ids.length / sizeof(int32_t));
}

/* Begin a row with its prompt's ids.  number: which of the prompt's sequences it is. */
extern bool gen_row_begin(tfm_context *context, gen_run *run, gen_row *row, int64_t prompt,
						  int64_t number);

extern void gen_row_free(gen_row *row);

extern bool gen_append_id(tfm_context *context, buffer *ids, int32_t id);
extern bool gen_append_float(tfm_context *context, buffer *values, double value);

/* Keep a row's raw scores; LIMIT_EXCEEDED if there are too many of all rows. */
extern bool gen_keep_logits(tfm_context *context, gen_run *run, gen_row *row, const float *logits);

/* What the scores of a row follow. */
extern gen_prefix gen_row_prefix(const gen_run *run, const gen_row *row);

/*
 * Whether a sequence of count ids that goes on by next is finished then, and why; matcher, which
 * may be NULL, has taken next already.
 */
extern gen_finish gen_check_end(tfm_context *context, gen_run *run, int64_t prompt,
								const int32_t *ids, int64_t count, int32_t next,
								const gen_matcher *matcher);

/* The result that a row is. */
extern gen_sequence gen_row_result(const gen_run *run, const gen_row *row);

/* ---- Guidance (guidance.c) ---- */

static inline bool
gen_is_guided(const gen_run *run)
{
	return run->config->guidance_scale != 1;
}

/*
 * Steer scores[count][vocabulary] away from what the model says without the prompt.  guides[i] is
 * that of row i, whose prompt and last id are given.
 */
extern bool gen_guide_scores(tfm_context *context, gen_run *run, gen_guide **guides,
							 const int64_t *prompts, const int32_t *last, int64_t count,
							 float **scores);

extern void gen_guide_close(gen_run *run, gen_guide *guide);

/* ---- Drafts (draft.c) ---- */

/* Whether steps verify drafts. */
extern bool gen_makes_drafts(const gen_run *run);

/*
 * Draft for rows[count]: behind the ids of each stand draft_count more.  *q, where what drafts were
 * drawn from is wanted (sampling with an assistant), has the scores of each drafted token, row by
 * row: [sum of draft_count][vocabulary]; else NULL.
 */
extern bool gen_make_drafts(tfm_context *context, gen_run *run, gen_row **rows, int64_t count,
							float ***q);

/* Of a row's draft, accepted tokens were right. */
extern bool gen_end_draft(tfm_context *context, gen_run *run, gen_row *row, int64_t accepted);

#endif
