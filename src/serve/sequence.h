/*
 * sequence.h
 *	  One input of a call that generates, in the company of others.
 *
 * Each is computed as it would be alone (task_call_run), in a fiber, by a decoder that has the model's
 * session in common with all others: a step of it waits until the engine has put the steps of all
 * that wait together (serve_sequences_step), so that sequences come and go between the passes of one
 * batch.  A long prompt is run in pieces, between which the others go on.
 *
 * What a step gives does not depend on its company.  Errors do not, either: a pass that fails is
 * computed anew for each alone.  A sequence for which the caches have no room beside the others is
 * given up, and begins anew when one of them has ended.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_SERVE_SEQUENCE_H
#define TFM_SERVE_SEQUENCE_H

#include "serve/batch.h"
#include "serve/fiber.h"

/* A step that waits for its pass, or has been computed in part. */
typedef struct serve_step
{
	tfm_context *context; /* whose the results are */
	run_session *session;
	const run_step *steps; /* [count] */
	int64_t count;
	float *logits, *states; /* all rows; states: NULL if they are not wanted */
	int64_t rows;			/* that are computed */
	int64_t step, offset;	/* the first token that was not given yet */
	int64_t left;			/* tokens */
	bool over;				/* all is computed, or the context has failed */
} serve_step;

typedef struct serve_sequence serve_sequence;

/* A decoder's argument: a session as a sequence uses it. */
typedef struct serve_voice
{
	serve_sequence *sequence;
	run_session *session;
	gen_decoder decoder;
} serve_voice;

/* What a sequence has open in a session. */
typedef struct serve_opened
{
	run_session *session;
	int32_t number;
} serve_opened;

struct serve_sequence
{
	serve_device *device;
	serve_call *call;
	size_t first, count; /* of the call's inputs; count is 0 or 1 */
	arena *arena;
	tfm_context context;
	serve_fiber *fiber;
	serve_model *model, *assistant;
	task_models models;
	serve_voice voice, draft_voice;
	serve_opened *opened; /* [opened_count] malloc'ed */
	size_t opened_count, opened_capacity;
	serve_step step;
	bool crowded; /* it failed for others take the memory that it needs */
	int company;  /* calls of others in the same pass, at most */
	task_answer answer;
	serve_sequence *next; /* of those that begin anew */
};

/* An input that was handed out; NULL if memory is out. */
extern serve_sequence *serve_sequence_create(serve_device *device, serve_call *call, size_t first,
											 size_t count);

/* Whether anybody still waits for what it comes to. */
extern bool serve_sequence_is_wanted(const serve_sequence *s);

/* Begin, or begin anew; whether it waits for a pass now.  If not it has ended, well or not. */
extern bool serve_sequence_begin(serve_sequence *s);

/* Go on after a step that is over, in the same way. */
extern bool serve_sequence_resume(serve_sequence *s);

/* Give the call what the sequence, which has ended, came to: its rows or its error. */
extern void serve_sequence_tell(serve_sequence *s);

/* Free what a sequence that has ended took, but for what serve_sequence_begin needs. */
extern void serve_sequence_reset(serve_sequence *s);
extern void serve_sequence_destroy(serve_sequence *s);

/*
 * One pass for the first of some waiting sequences and all others that wait for the same session,
 * which then come after those that do not.  Those that may go on have step.over.
 */
extern void serve_sequences_step(serve_device *device, serve_sequence **sequences, size_t count);

#endif
