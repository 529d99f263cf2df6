/*
 * stat.h
 *	  What models have computed (tfm_stat_models), and what sessions compute now (tfm_stat_activity).
 *
 * A call that a model computes stands between stat_begin and stat_end.  Work on images (reading a
 * checkpoint, compiling, opening) is a phase of its own, in the model that stat_set_model names; it
 * is counted like calls, as a kind.  An error that is thrown needs no care: the outermost call of
 * border.h resets what the session is seen to do.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_STAT_H
#define TFM_PG_STAT_H

#include "postgres.h"

#include "base/context.h"
#include "pg/registry.h"

/* What a backend is seen to do. */
typedef enum stat_phase
{
	STAT_IDLE,
	STAT_READING,	/* a checkpoint, for its fingerprint */
	STAT_COMPILING, /* an image */
	STAT_OPENING,	/* an image */
	STAT_WAITING,	/* for a worker */
	STAT_COMPUTING
} stat_phase;

/* A piece of work that is under way, on the caller's stack between its begin and its end. */
typedef struct stat_work
{
	double started;	  /* as of clock_now */
	tfm_usage before; /* the context's */
	size_t used;	  /* bytes of its arena */
	stat_phase outer; /* what the backend did before */
} stat_work;

/*
 * Begin to compute rows inputs with a model, as kind (a task's name, static).  With 0 rows it goes on
 * with an earlier call.
 */
extern stat_work stat_begin(tfm_context *context, const registry_handle *model, const char *kind,
							int64 rows);

/*
 * It has ended, well or with the error in context; what it took is counted.  What an error that is
 * thrown ends is counted by stat_rest.
 */
extern void stat_end(tfm_context *context, const registry_handle *model, const stat_work *work,
					 const char *kind, int64 rows);

/*
 * Another phase, of the model of that name (NULL: the same model as before); returns the one before,
 * to be set again when it is over.
 */
extern stat_phase stat_set_phase(stat_phase phase, const char *model);

/* The model whose image is worked on from now on; registered: the name is a server's. */
extern void stat_set_model(const char *model, bool registered);

/* Work on that model's image begins and ends, as a phase and as a kind ("compile"), both static. */
extern stat_work stat_begin_image(tfm_context *context, stat_phase phase);
extern void stat_end_image(tfm_context *context, const stat_work *work, const char *kind,
						   int64 image_bytes);

/* Milliseconds since a piece of work began. */
extern double stat_elapsed(const stat_work *work);

/* Show how far the work in context is; cheap where nothing has moved (for border.c). */
extern void stat_poll(const tfm_context *context);

/* The session computes nothing any more (for border.c). */
extern void stat_rest(void);

/* What a process can be seen to wait for. */
typedef enum stat_wait
{
	STAT_WAIT_WORKER,	  /* a session for a worker's answer: TfmWorkerReply */
	STAT_WAIT_QUEUE,	  /* a session for room in a worker's queue: TfmWorkerQueue */
	STAT_WAIT_SUPERVISOR, /* the workers' supervisor in its main loop: TfmSupervisorMain */
	STAT_WAIT_JOBS,		  /* a process that runs jobs in its main loop: TfmJobsMain */
	STAT_WAITS
} stat_wait;

/* For WaitLatch and the like; before PostgreSQL 17 all of them are the wait event Extension. */
extern uint32 stat_wait_event(stat_wait wait);

#endif
