/*
 * running.h
 *	  The sequences that generate at the same time: how many, and which begin anew.
 *
 * As many run as there may be, fewer while memory does not allow more: one that found no room beside
 * the others is put off, and there is to be one less; when as many have ended well as there may be, one
 * more is tried.  One that is alone and has no room fails.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_SERVE_RUNNING_H
#define TFM_SERVE_RUNNING_H

#include "serve/sequence.h"

typedef struct serve_running
{
	serve_device *device;
	size_t limit;

	/* An input that was handed out, as a sequence; NULL: none waits. */
	serve_sequence *(*take)(void *argument);

	/* A sequence of a call has ended, and told it. */
	void (*ended)(void *argument, serve_call *call);
	void *argument;

	serve_sequence **sequences; /* [count] that wait for a pass */
	size_t count;
	size_t most;						  /* of them for now */
	size_t good;						  /* that have ended since there were most */
	serve_sequence *first_put, *last_put; /* those that were put off until others have ended */
} serve_running;

/* What the caller has set stays as it is; false if memory is out. */
extern bool serve_running_create(serve_running *r);

/* Let as many run as there may be. */
extern void serve_running_start(serve_running *r);

/* One pass for some of those that run, and what comes of it. */
extern void serve_running_step(serve_running *r);

/* The device is to stop: end all, and free them. */
extern void serve_running_destroy(serve_running *r);

#endif
