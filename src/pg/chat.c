/*
 * chat.c
 *	  tfm_apply_chat_template and tfm_render: texts made of templates.
 *
 * Values go to the engine as JSON.  A template's clock, strftime_now, is the start of the statement
 * in the session's time zone: so the functions are stable, and the same throughout a statement.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <time.h>

#include "access/xact.h"
#include "fmgr.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "pg/border.h"
#include "pg/generate.h"
#include "pg/registry.h"
#include "task/chat.h"

PG_FUNCTION_INFO_V1(tfm_apply_chat_template);
PG_FUNCTION_INFO_V1(tfm_render);

struct tm
chat_statement_time(void)
{
	pg_time_t start = timestamptz_to_time_t(GetCurrentStatementStartTimestamp());
	const struct pg_tm *local = pg_localtime(&start, session_timezone);

	if (local == NULL)
		ereport(ERROR, errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				errmsg("the statement's start has no local time"));
	return (struct tm) {
		.tm_sec = local->tm_sec,
		.tm_min = local->tm_min,
		.tm_hour = local->tm_hour,
		.tm_mday = local->tm_mday,
		.tm_mon = local->tm_mon,
		.tm_year = local->tm_year,
		.tm_wday = local->tm_wday,
		.tm_yday = local->tm_yday,
		.tm_isdst = local->tm_isdst,
		.tm_gmtoff = local->tm_gmtoff,
		.tm_zone = local->tm_zone,
	};
}

tfm_text
chat_json_argument(tfm_context *context, const NullableDatum *argument)
{
	return argument->isnull ? (tfm_text) {NULL, 0} : border_jsonb(context, argument->value);
}

void
chat_read_template(tfm_context *context, const NullableDatum *argument, chat_request *request)
{
	tfm_text given;

	if (argument->isnull)
		return;
	given = border_text(context, DatumGetTextPP(argument->value));
	request->chat_template = tfm_strndup(context, given.data, given.length);
}

/*
 * tfm_apply_chat_template(model text, messages jsonb, tools jsonb, documents jsonb,
 * add_generation_prompt boolean, continue_final_message boolean, chat_template text, kwargs jsonb)
 * returns text
 */
Datum
tfm_apply_chat_template(PG_FUNCTION_ARGS)
{
	const registry_handle *handle;
	struct tm now = chat_statement_time();
	chat_request request = {.now = &now};
	tfm_context *context;
	tfm_text rendered;
	text *result;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	handle = registry_use(fcinfo, PG_GETARG_TEXT_PP(0), NULL);
	context = border_begin(handle->name);
	request.messages = chat_json_argument(context, &fcinfo->args[1]);
	request.tools = chat_json_argument(context, &fcinfo->args[2]);
	request.documents = chat_json_argument(context, &fcinfo->args[3]);
	request.add_generation_prompt = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
	request.continue_final_message = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);
	chat_read_template(context, &fcinfo->args[6], &request);
	request.kwargs = chat_json_argument(context, &fcinfo->args[7]);
	border_check(context);
	task_apply_chat_template(context, handle->model, &request, &rendered);
	border_check(context);
	result = border_to_text(rendered.data, rendered.length);
	border_end(context);
	PG_RETURN_TEXT_P(result);
}

/* tfm_render(template text, context jsonb) returns text */
Datum
tfm_render(PG_FUNCTION_ARGS)
{
	struct tm now = chat_statement_time();
	tfm_context *context = border_begin(NULL);
	tfm_text source = border_text(context, PG_GETARG_TEXT_PP(0));
	tfm_text rendered;
	text *result;

	task_render(context, source, chat_json_argument(context, &fcinfo->args[1]), &now, &rendered);
	border_check(context);
	result = border_to_text(rendered.data, rendered.length);
	border_end(context);
	PG_RETURN_TEXT_P(result);
}
