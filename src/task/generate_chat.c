/*
 * generate_chat.c
 *	  What the assistant says next in a conversation.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/generate.h"

#include "runtime/loaded.h"
#include "task/generate_plan.h"
#include "task/tool_calls.h"

/* Ends that stand at the end of a sequence are no part of what is said. */
static int64_t
count_said(const generate_plan *plan, const gen_sequence *sequence)
{
	const gen_ids *ends = &plan->config.eos_token_id;
	int64_t count = sequence->count;

	for (size_t i = 0; count > 0 && i < ends->count; i++)
		if (sequence->ids[count - 1] == ends->ids[i])
			return count - 1;
	return count;
}

/* The prompt of a conversation; the template has the special tokens. */
static bool
encode_chat(tfm_context *context, const generate_plan *plan, const chat_request *chat, gen_ids *ids)
{
	chat_request with_prompt = *chat;
	tfm_text prompt;

	with_prompt.add_generation_prompt = true;
	return task_apply_chat_template(context, plan->model, &with_prompt, &prompt) &&
		   generate_plan_encode(context, plan, prompt, false, ids);
}

bool
task_chat(tfm_context *context, const generate_request *request, const chat_request *chat,
		  buffer *message)
{
	gen_sequence *sequences, said;
	generate_plan plan;
	gen_request what;
	gen_ids prompt;
	message_request what_is_said = {.response_template = {.node = NULL}};
	int64_t count;

	if (!generate_plan_make(context, request, true, &plan) ||
		!encode_chat(context, &plan, chat, &prompt))
		return false;
	generate_plan_fit(&plan, &prompt, 1);
	/* calls of tools stand between special tokens */
	plan.skip_special_tokens = false;
	plan.return_full_text = false;
	what = generate_plan_request(&plan, &prompt, 1);
	if (!gen_generate(context, &what, &sequences, &count))
		return false;
	said = sequences[0];
	said.count = count_said(&plan, &said);
	return generate_plan_decode(context, &plan, prompt, &said, &what_is_said.response) &&
		   tok_decode(context, plan.tokenizer, prompt.ids, prompt.count, false,
					  &what_is_said.prompt) &&
		   task_parse_message(context, &what_is_said, message);
}
