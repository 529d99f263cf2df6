/*
 * clock.h
 *	  Time that passes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_CLOCK_H
#define TFM_BASE_CLOCK_H

#include <time.h>

/* Seconds since some moment before the process began; never goes back. */
static inline double
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

#endif
