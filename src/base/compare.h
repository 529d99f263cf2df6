/*
 * compare.h
 *	  Whether two texts are the same.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_COMPARE_H
#define TFM_BASE_COMPARE_H

#include <string.h>

#include "base/context.h"

static inline bool
tfm_same_text(tfm_text a, tfm_text b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* Of strings, each of which may be NULL. */
static inline bool
tfm_same_string(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

#endif
