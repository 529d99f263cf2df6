/*
 * distinct.h
 *	  Inputs of a call that are equal, so that each is computed once.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_DISTINCT_H
#define TFM_TASK_DISTINCT_H

#include "task/call.h"

/* Which inputs of a call stand for others. */
typedef struct task_distinct
{
	size_t count;  /* of distinct inputs */
	size_t *first; /* [count] the number of each among the call's */
	size_t *place; /* [the call's count] which of the distinct ones each is */
} task_distinct;

/* Compare the inputs of a call, with their seconds where it has pairs. */
extern bool task_find_distinct(tfm_context *context, const task_call *call,
							   task_distinct *distinct);

#endif
