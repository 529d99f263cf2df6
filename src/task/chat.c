/*
 * chat.c
 *	  Conversations as prompts, by the chat templates of a model; texts made of templates and values.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/chat.h"

#include <string.h>

#include "runtime/loaded.h"
#include "text/chat.h"

/* Whether an argument is there: JSON's null is as good as nothing. */
static bool
is_given(tfm_text json_text)
{
	return json_text.length > 0 &&
		   !(json_text.length == 4 && memcmp(json_text.data, "null", 4) == 0);
}

bool
task_apply_chat_template(tfm_context *context, const run_model *model, const chat_request *request,
						 tfm_text *rendered)
{
	tok_chat chat = {
		.messages = request->messages,
		.tools = request->tools,
		.documents = request->documents,
		.kwargs = request->kwargs,
		.add_generation_prompt = request->add_generation_prompt,
		.continue_final_message = request->continue_final_message,
		.now = request->now,
	};

	if (model->tokenizer != NULL)
		chat.special_tokens = tok_special_tokens_json(model->tokenizer);
	return run_find_template(context, &model->templates, request->chat_template,
							 is_given(request->tools), &chat.source) &&
		   tok_render_chat(context, &chat, rendered);
}

bool
task_render(tfm_context *context, tfm_text source, tfm_text values, const struct tm *now,
			tfm_text *rendered)
{
	const jinja_request request = {.source = source, .values = values, .now = now};

	return jinja_render(context, &request, rendered);
}
