/*
 * queue.h
 *	  Calls that wait, and which of them are computed next.
 *
 * Sessions take turns.  The one whose turn it is says what the next batch computes (a model, a
 * precision, a task with its options), and all sessions whose first call is of that kind join it, an
 * input of each at a time, until the batch has its tokens: so a call of many inputs goes on in
 * portions, and never keeps others from going on.  Calls that generate are handed out an input at a
 * time.  Of one session's calls of either kind the first is computed first.
 *
 * An engine without work begins at once with the first call that comes.  One that has just ended a
 * batch, whose callers may be about to come again, gives them a moment to come together.
 *
 * The queue keeps no memory of its own, does not look at the clock, and belongs to one thread at a
 * time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_SERVE_QUEUE_H
#define TFM_SERVE_QUEUE_H

#include "serve/protocol.h"

typedef struct serve_queue_options
{
	int64_t batch_tokens; /* of a batch, as estimated; a single input may have more */
	double delay;		  /* seconds that a batch may wait for others to join, at most */
} serve_queue_options;

/* A call that waits.  Its owner sets the request, which stays as it is while the job is waiting. */
typedef struct serve_job
{
	const serve_request *request;

	/* What was handed out last: so many inputs from that one on, and who else is in the batch. */
	size_t first, count;
	struct serve_job *batch_next;

	/* The queue's. */
	size_t next;					  /* the first input that was not handed out */
	bool waiting;					  /* in the queue */
	bool joins;						  /* the batch of that number */
	uint64_t seen;					  /* number of the batch that joins was found out for */
	struct serve_job *before, *after; /* sessions' first calls, in a ring; NULL: not the first */
	struct serve_job *later, *last;	  /* further calls of the same session */
} serve_job;

/* Calls that are batched, and calls that generate. */
typedef struct serve_lane
{
	serve_job *turn; /* the first call of the session whose turn it is; NULL: none waits */
	int64_t calls;
} serve_lane;

typedef struct serve_queue
{
	serve_queue_options options;
	serve_lane batched, generating;
	uint64_t number;  /* of batches */
	int64_t tokens;	  /* that wait to be batched */
	double since;	  /* when the one that waits longest to be batched came, or before */
	double ended;	  /* when the last batch did */
	int64_t expected; /* calls that the last batch had */
} serve_queue;

extern serve_queue serve_queue_create(const serve_queue_options *options);

/* How many tokens an input may have. */
extern int64_t serve_queue_estimate(const serve_queue *queue, const serve_request *request,
									size_t input);

/* Whether two requests may be computed together. */
extern bool serve_queue_same(const serve_request *a, const serve_request *b);

/* A call comes.  now: seconds of any clock that goes forward, as in all that follows. */
extern void serve_queue_add(serve_queue *queue, serve_job *job, double now);

/* What is still waiting of a call is not wanted any more. */
extern void serve_queue_remove(serve_queue *queue, serve_job *job);

/* Seconds until there is a batch: 0 if it is to be taken now, below 0 if nothing waits to be batched. */
extern double serve_queue_wait(const serve_queue *queue, double now);

/* The next batch, linked by batch_next; NULL if nothing waits to be batched. */
extern serve_job *serve_queue_take(serve_queue *queue);

/* The last batch, of so many calls, has been computed. */
extern void serve_queue_end(serve_queue *queue, int64_t calls, double now);

/* The next call that generates, of which one input is handed out; NULL if there is none. */
extern serve_job *serve_queue_take_generating(serve_queue *queue);

#endif
