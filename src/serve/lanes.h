/*
 * lanes.h
 *	  A call of many inputs, of which each thread computes some on its own.
 *
 * Threads that share each op of a pass meet after each, and where the texts are short the ops are, too:
 * then meeting costs more than computing, most of all on a busy machine.  Threads that compute texts of
 * their own meet once.  The results are the same, bit by bit.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_SERVE_LANES_H
#define TFM_SERVE_LANES_H

#include "serve/batch.h"

/*
 * Whether a call is better computed so: it generates nothing, there is an input for each thread, and
 * none so long that the others would wait for it.
 */
extern bool serve_lanes_suit(const serve_device *device, const task_call *call);

/*
 * Compute it so; *answer is in the context's arena.  What goes wrong in one of them is the context's
 * error; with all threads together it might not, since each has but its part of the memory.
 */
extern bool serve_lanes_run(tfm_context *context, serve_device *device, const task_models *models,
							const task_call *call, task_answer *answer);

/* Bytes that the threads keep. */
extern size_t serve_lanes_held(const serve_device *device);

/* Give back the memory beyond so many bytes that the threads keep; all of it. */
extern void serve_lanes_trim(serve_device *device, size_t kept);
extern void serve_lanes_destroy(serve_device *device);

#endif
