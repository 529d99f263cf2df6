/*
 * fiber.h
 *	  Work that is left in its middle and gone on with later: a thread that runs only while another
 *	  one waits for it.
 *
 * The two never run at the same time, so that what they share needs no lock.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_SERVE_FIBER_H
#define TFM_SERVE_FIBER_H

#include <stdbool.h>

typedef struct serve_fiber serve_fiber;

/* Work that has not begun; NULL if there is no memory or no thread for it. */
extern serve_fiber *serve_fiber_create(void (*work)(void *argument), void *argument);

/* Go on with the work until it pauses or ends; whether it has paused. */
extern bool serve_fiber_resume(serve_fiber *fiber);

/* Called by the work: let the other thread go on, until it resumes. */
extern void serve_fiber_pause(serve_fiber *fiber);

/* The work must have ended, or never have begun.  NULL is allowed. */
extern void serve_fiber_destroy(serve_fiber *fiber);

#endif
