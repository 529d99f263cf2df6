/*
 * generate_chat.c
 *	  The SQL function tfm_chat: what the assistant says next.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/generate.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "pg/border.h"

/*
 * tfm_chat(model text, messages jsonb, tools jsonb, ..., documents jsonb, chat_template text, kwargs jsonb)
 * returns jsonb
 */
PG_FUNCTION_INFO_V1(tfm_chat);
Datum
tfm_chat(PG_FUNCTION_ARGS)
{
	const int first = 3, last = first + GENERATE_ARGUMENTS;
	struct tm now = chat_statement_time();
	chat_request chat = {.now = &now};
	generate_request request;
	tfm_context *context;
	buffer *message;
	char *object;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	context =
		generate_begin(fcinfo, generate_site_of(fcinfo), PG_GETARG_TEXT_PP(0), first, &request);
	chat.messages = chat_json_argument(fcinfo, context, 1);
	chat.tools = chat_json_argument(fcinfo, context, 2);
	chat.documents = chat_json_argument(fcinfo, context, last);
	chat_read_template(fcinfo, context, last + 1, &chat);
	chat.kwargs = chat_json_argument(fcinfo, context, last + 2);
	message = buffer_create(context);
	border_check(context);
	task_chat(context, &request, &chat, message);
	border_check(context);
	object = border_to_cstring(message->data, message->length);
	border_end(context);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(object)));
}
