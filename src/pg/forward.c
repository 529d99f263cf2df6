/*
 * forward.c
 *	  tfm_forward: the raw forward pass.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "pg/border.h"
#include "pg/registry.h"
#include "pg/stat.h"
#include "task/forward.h"

PG_FUNCTION_INFO_V1(tfm_forward);

/* tfm_forward(model text, inputs jsonb) returns jsonb */
Datum
tfm_forward(PG_FUNCTION_ARGS)
{
	const registry_handle *handle = registry_use(fcinfo, PG_GETARG_TEXT_PP(0), NULL);
	Jsonb *inputs = PG_GETARG_JSONB_P(1);
	char *json = JsonbToCString(NULL, &inputs->root, VARSIZE(inputs));
	tfm_context *context = border_begin(handle->name);
	buffer *outputs = buffer_create(context);
	stat_work work;
	char *result;

	border_check(context);
	work = stat_begin(context, handle, "forward", 1);
	task_forward(context, handle->model, border_string(context, json, strlen(json)), outputs);
	stat_end(context, handle, &work, "forward", 1);
	border_check(context);
	pfree(json);
	result = border_to_cstring(outputs->data, outputs->length);
	border_end(context);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(result)));
}
