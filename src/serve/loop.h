/*
 * loop.h
 *	  The side of an engine process that talks to sessions.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_SERVE_LOOP_H
#define TFM_SERVE_LOOP_H

#include "serve/engine.h"

typedef struct serve_loop_options
{
	int listener; /* a socket that listens; it becomes non-blocking, and stays the caller's */
	int watched;  /* who uses the process has it open: once it ends, so does the loop; -1: none */
	int stop; /* once there is something to read: finish what was asked for, and end; -1: none */
	double grace;				 /* seconds that this may take */
	size_t waiting_bytes;		 /* of calls that were read; long ones wait outside beyond it */
	serve_engine_options engine; /* wake is the loop's */
} serve_loop_options;

#define SERVE_LOOP_DEFAULTS                                                                        \
	((serve_loop_options) {                                                                        \
		.listener = -1,                                                                            \
		.watched = -1,                                                                             \
		.stop = -1,                                                                                \
		.grace = 1.0,                                                                              \
		.waiting_bytes = (size_t) 1 << 30,                                                         \
		.engine = SERVE_ENGINE_DEFAULTS,                                                           \
	})

/* A socket that listens at path, for the owner of the process alone; -1 on error. */
extern int serve_listen(tfm_context *context, const char *path);

/* Serve until it is to end; false if it cannot go on. */
extern bool serve_loop_run(tfm_context *context, const serve_loop_options *options);

#endif
