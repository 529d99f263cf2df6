/*
 * engine.h
 *	  What computes the calls of many sessions: a thread of its own, which owns the device.
 *
 * Calls are given to it by one other thread (loop.c), which takes them back when they are done.  The
 * computing thread takes batches from the queue (queue.h) and, between them, lets the sequences that
 * generate go on by a step, all in one pass (sequence.h).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_SERVE_ENGINE_H
#define TFM_SERVE_ENGINE_H

#include "serve/call.h"

typedef struct serve_engine serve_engine;

typedef struct serve_engine_options
{
	int threads;			   /* of a pass */
	serve_queue_options queue; /* batches */
	int sequences;			   /* that generate at once, at most */
	int models;				   /* that stay open while nobody uses them */
	size_t max_memory;		   /* bytes of the caches of a model that generates; 0: no limit */
	double idle; /* seconds without work after which memory is given back, images are let go of */

	/* Called by the computing thread when calls are done. */
	void (*wake)(void *argument);
	void *wake_argument;
} serve_engine_options;

#define SERVE_ENGINE_DEFAULTS                                                                      \
	((serve_engine_options) {                                                                      \
		.threads = 1,                                                                              \
		.queue = {.batch_tokens = 512, .delay = 0.001},                                            \
		.sequences = 32,                                                                           \
		.models = 8,                                                                               \
		.idle = 1.0,                                                                               \
	})

/* NULL on error: OUT_OF_MEMORY, IO (no thread). */
extern serve_engine *serve_engine_create(tfm_context *context, const serve_engine_options *options);

/* Stop what is computed, end the thread, and destroy all calls that were not collected. */
extern void serve_engine_destroy(serve_engine *engine);

/* Hand a call over. */
extern void serve_engine_add(serve_engine *engine, serve_call *call);

/* A call that was added and not collected is not wanted any more: it will be done soon. */
extern void serve_engine_cancel(serve_engine *engine, serve_call *call);

/* The calls that are done, linked by next. */
extern serve_call *serve_engine_collect(serve_engine *engine);

extern serve_status serve_engine_status(serve_engine *engine);

#endif
