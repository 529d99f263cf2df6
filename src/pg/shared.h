/*
 * shared.h
 *	  Shared memory of the extension, where it is in shared_preload_libraries.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_SHARED_H
#define TFM_PG_SHARED_H

#include "postgres.h"

/* A part of it, static; each has a pointer that is set in all processes, NULL without preloading. */
typedef struct shared_part
{
	const char *name;
	Size (*size)(void);
	void (*initialize)(void *memory); /* zeroed memory, once for a server; NULL: zeros are right */
	void **pointer;
} shared_part;

/* Ask for the parts; for tfm.c, does nothing unless the library is being preloaded. */
extern void shared_install(void);

#endif
