/*
 * indexed_text.h
 *	  A text whose characters are found by number.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_INDEXED_TEXT_H
#define TFM_TASK_INDEXED_TEXT_H

#include "base/context.h"

typedef struct indexed_text
{
	tfm_text text;
	size_t *starts; /* [count + 1] byte at which each character starts */
	int32_t count;
} indexed_text;

/* Index a text, which stays where it is; LIMIT_EXCEEDED for one of more than 2^31 characters. */
extern bool task_index_text(tfm_context *context, tfm_text text, indexed_text *indexed);

/* Characters start to end - 1, as far as there are any: Python's text[start:end] from 0 on. */
extern tfm_text task_slice(const indexed_text *indexed, int32_t start, int32_t end);

/* How many those are. */
extern int32_t task_slice_length(const indexed_text *indexed, int32_t start, int32_t end);

#endif
