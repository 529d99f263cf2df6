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

/* The arguments after model, messages and tools, and after those of all generating functions. */
#define FIRST 3
#define LAST (FIRST + GENERATE_ARGUMENTS)

/* What lives as long as the call's context: the request, and the time that it points to. */
typedef struct chat_parts
{
	chat_request chat;
	struct tm now;
} chat_parts;

static void
prepare_call(const call_site *site, tfm_context *context, const call_arguments *arguments,
			 task_call *call)
{
	const NullableDatum *values = arguments->values;
	chat_parts *parts = tfm_alloc_zero(context, sizeof(chat_parts));

	border_check(context);
	parts->now = chat_statement_time();
	parts->chat.now = &parts->now;
	parts->chat.tools = chat_json_argument(context, &values[2]);
	generate_read_arguments(context, values + FIRST, &call->arguments, &call->options);
	parts->chat.documents = chat_json_argument(context, &values[LAST]);
	chat_read_template(context, &values[LAST + 1], &parts->chat);
	parts->chat.kwargs = chat_json_argument(context, &values[LAST + 2]);
	call->chat = &parts->chat;
}

Datum
generate_make_jsonb(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	char *object = border_to_cstring(answer->texts[row].data, answer->texts[row].length);

	return DirectFunctionCall1(jsonb_in, CStringGetDatum(object));
}

const call_function chat_functions[] = {
	{.symbol = "tfm_chat",
	 .kind = TASK_CHAT,
	 .input = 1,
	 .is_json = true,
	 .assistant = FIRST + GENERATE_ASSISTANT,
	 .prepare = prepare_call,
	 .result = generate_make_jsonb},
	{0},
};

/*
 * tfm_chat(model text, messages jsonb, tools jsonb, ..., documents jsonb, chat_template text, kwargs jsonb)
 * returns jsonb
 */
CALL_ENTRY(tfm_chat)
