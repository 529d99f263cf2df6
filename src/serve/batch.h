/*
 * batch.h
 *	  Calls that are computed together: the inputs of all as those of one.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_SERVE_BATCH_H
#define TFM_SERVE_BATCH_H

#include "serve/call.h"
#include "serve/models.h"

/* What computes; one thread at a time. */
typedef struct serve_device
{
	serve_models *models;
	arena *scratch;
	struct thread_pool *pool;
	int threads;
	arena **lanes;			 /* [threads] lanes.c's; NULL before the first */
	const atomic_bool *stop; /* all that is computed is to end */
	int64_t passes;			 /* since it began */
} serve_device;

/* A context for a request's computation, in an arena whose limit is the request's. */
extern tfm_context serve_device_context(const serve_device *device, arena *memory,
										const serve_request *request);

/*
 * Compute the portions of a batch from the queue; each call gets its rows or its error.  Where they
 * cannot be computed together each is computed alone, so that what is wrong with one is its own.  The
 * batch is taken apart.
 */
extern void serve_batch_run(serve_device *device, serve_job *batch);

#endif
