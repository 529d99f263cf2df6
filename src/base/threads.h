/*
 * threads.h
 *	  A small pool of threads that run the tiles of one computation.
 *
 * The caller's thread takes part and is the only one that polls for interrupts.
 * Workers block all signals and sleep while there is no work.
 * A pool belongs to one process and one calling thread; it is not used after a
 * fork by the child.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_THREADS_H
#define TFM_BASE_THREADS_H

#include "base/context.h"

#define THREADS_MAX 256

typedef struct thread_pool thread_pool;

/*
 * A pool for up to threads threads, the caller's included; workers start with the first run that
 * wants them.  NULL if memory is out.
 */
extern thread_pool *threads_create(int threads);

/* End the workers and free the pool.  NULL is allowed. */
extern void threads_destroy(thread_pool *pool);

/*
 * Call work(argument, item, thread) for every item of 0..items-1, each once, on up to
 * context->threads threads (thread counts from 0, the caller's); returns when all have ended.
 * Polls for interrupts between the caller's items and while it waits for the others; once stopped, remaining items are skipped and
 * TFM_CANCELLED is recorded.  False if the context has failed.  Without a context->pool all runs on
 * the caller's thread.  A thread that cannot be started only makes the pool smaller.
 */
extern bool threads_run(tfm_context *context,
						void (*work)(void *argument, int64_t item, int thread), void *argument,
						int64_t items);

/*
 * Whether the run in progress is to stop; for work that takes long over one item, on any thread of
 * the pool.
 */
extern bool threads_stopping(const thread_pool *pool);

#endif
