/*
 * generate_prompt.c
 *	  An instruction and a text as a prompt: a user's message where the model has a chat template,
 *	  else one after the other.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/generate_plan.h"

#include <string.h>

#include "runtime/loaded.h"

/* The conversation of one message, in the model's template. */
static bool
render_message(tfm_context *context, const generate_plan *plan, tfm_text content, tfm_text *prompt)
{
	buffer *messages = buffer_create(context);
	chat_request chat = {.add_generation_prompt = true};

	if (messages == NULL ||
		!buffer_append_string(context, messages, "[{\"role\":\"user\",\"content\":") ||
		!json_append_string(context, messages, content.data, content.length) ||
		!buffer_append_string(context, messages, "}]"))
		return false;
	chat.messages = (tfm_text) {messages->data, messages->length};
	return task_apply_chat_template(context, plan->model, &chat, prompt);
}

bool
generate_plan_prompt(tfm_context *context, const generate_plan *plan, tfm_text instruction,
					 tfm_text text, gen_ids *ids)
{
	bool chats = plan->model->templates.length > 0;
	buffer *content = buffer_create(context);
	const char *between = run_session_has_encoder(plan->session) ? " " : "\n\n";
	tfm_text prompt;

	if (content == NULL || !buffer_append(context, content, instruction.data, instruction.length))
		return false;
	if (instruction.length > 0)
		buffer_append_string(context, content, between);
	buffer_append(context, content, text.data, text.length);
	if (!chats && !run_session_has_encoder(plan->session))
		buffer_append_string(context, content, "\n\n");
	if (tfm_failed(context))
		return false;
	prompt = (tfm_text) {content->data == NULL ? "" : content->data, content->length};
	if (chats && !render_message(context, plan, prompt, &prompt))
		return false;
	return generate_plan_encode(context, plan, prompt, !chats, ids);
}

bool
generate_plan_join(tfm_context *context, tfm_text before, tfm_text text, tfm_text *joined)
{
	char *bytes;

	*joined = text;
	if (before.length == 0)
		return true;
	bytes = tfm_alloc_array(context, before.length + text.length, 1);
	if (bytes == NULL)
		return false;
	memcpy(bytes, before.data, before.length);
	if (text.length > 0)
		memcpy(bytes + before.length, text.data, text.length);
	*joined = (tfm_text) {bytes, before.length + text.length};
	return true;
}
