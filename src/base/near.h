/*
 * near.h
 *	  The names nearest to one that is not known, for the hint of an error.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_NEAR_H
#define TFM_BASE_NEAR_H

#include <stdbool.h>
#include <stddef.h>

#define NEAR_MOST 5

/* The nearest of the names that were offered, nearest first; the names are not copied. */
typedef struct near_names
{
	const char *wanted;
	const char *names[NEAR_MOST];
	int distances[NEAR_MOST];
	int count;
} near_names;

/*
 * Keep name if it is near to the wanted one (it begins alike, has a part of it, or is a slip of it) and
 * nearer than those kept so far.  Case counts for nothing, and '-' is as '_'.
 */
extern void near_offer(near_names *near, const char *name);

/*
 * Append a name to a list in text[size], which is a string; with ", ..." in place of the first one that
 * does not fit, and nothing after that.
 */
extern void near_append(char *text, size_t size, const char *name);

#endif
