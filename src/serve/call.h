/*
 * call.h
 *	  A call on its way through an engine process.
 *
 * The thread that talks to sessions makes it of a frame, the engine computes it in portions, and what
 * comes back is the frame of a reply or of an error.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_SERVE_CALL_H
#define TFM_SERVE_CALL_H

#include <stdatomic.h>

#include "serve/queue.h"

typedef struct serve_call
{
	serve_job job; /* first, so that a job is a call */
	serve_request request;
	uint64_t id; /* the caller's, of the reply's frame */
	void *owner; /* the caller's, as what follows */
	struct serve_call *next_owned;
	arena *arena; /* of all there is of it, this included */
	char *bytes;  /* what the request points into, malloc'ed */
	size_t length;
	atomic_bool cancelled;
	buffer frame; /* once it is done, malloc'ed; empty: there was no memory for it */

	/* The engine's. */
	bool done;
	int running; /* portions that were handed out and have not ended */
	double came, begun;
	serve_reply reply;
	tfm_error error;
	struct serve_call *before, *after; /* among those that the engine has */
	struct serve_call *next; /* of those that are in a batch, and of those that are done */
} serve_call;

/*
 * A call of a frame's bytes, which it takes over (malloc'ed) unless there is an error: those of
 * serve_read_request.
 */
extern serve_call *serve_call_create(tfm_context *context, char *bytes, size_t length);
extern void serve_call_destroy(serve_call *call);

static inline serve_call *
serve_call_of(serve_job *job)
{
	return (serve_call *) job;
}

static inline bool
serve_call_cancelled(serve_call *call)
{
	return atomic_load_explicit(&call->cancelled, memory_order_relaxed);
}

/* Rows of an answer, from row on, are those of count inputs of the call from first on. */
extern void serve_call_put(serve_call *call, size_t first, size_t count, const task_answer *answer,
						   size_t row);

/* The first error of a call stays. */
extern void serve_call_fail(serve_call *call, const tfm_error *error);

/* A portion's share of what it was computed in, in the company of so many calls of others. */
extern void serve_call_count(serve_call *call, const tfm_usage *usage, int company);

/* All that was asked for is there, or an error: the frame. */
extern void serve_call_conclude(serve_call *call, double now);

#endif
