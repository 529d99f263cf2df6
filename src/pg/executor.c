/*
 * executor.c
 *	  Who computes a call: this session, or a worker for all sessions.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/executor.h"

#include "pg/stat.h"

/* Compute in this session. */
static bool
run_here(tfm_context *context, const registry_handle *model, const registry_handle *assistant,
		 const task_call *call, task_answer *answer)
{
	task_models models = {.model = model->model};

	if (task_kind_generates(call->kind))
	{
		models.generator = registry_generator(context, model);
		if (models.generator != NULL && assistant != NULL)
			models.assistant = registry_generator(context, assistant);
	}
	return !tfm_failed(context) && task_call_run(context, &models, call, answer);
}

bool
executor_run(tfm_context *context, const registry_handle *model, const registry_handle *assistant,
			 const task_call *call, task_answer *answer)
{
	const char *kind = task_kind_name(call->kind);
	stat_work work = stat_begin(context, model, kind, (int64) call->count);
	bool computed = run_here(context, model, assistant, call, answer);

	stat_end(context, model, &work, kind, (int64) call->count);
	return computed;
}
