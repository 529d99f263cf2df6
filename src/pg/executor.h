/*
 * executor.h
 *	  Who computes a call: this session, or a worker for all sessions (setting tfm.executor).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_EXECUTOR_H
#define TFM_PG_EXECUTOR_H

#include "pg/registry.h"
#include "task/call.h"

/* Values of tfm.executor. */
typedef enum executor_choice
{
	EXECUTOR_AUTO,	  /* a worker for calls of few texts where one runs, else the session */
	EXECUTOR_SESSION, /* always the session */
	EXECUTOR_WORKER	  /* always a worker; an error where none runs */
} executor_choice;

/*
 * Compute a call with a held model (assistant: NULL or the model of drafts); *answer is in the
 * context's arena, the error in the context.  Counts it in the statistics (stat.h).
 */
extern bool executor_run(tfm_context *context, const registry_handle *model,
						 const registry_handle *assistant, const task_call *call,
						 task_answer *answer);

#endif
