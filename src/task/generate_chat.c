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
encode_chat(tfm_context *context, const generate_plan *plan, const chat_request *chat,
			tfm_text messages, gen_ids *ids)
{
	chat_request with_prompt = *chat;
	tfm_text prompt;

	with_prompt.messages = messages;
	with_prompt.add_generation_prompt = true;
	return task_apply_chat_template(context, plan->model, &with_prompt, &prompt) &&
		   generate_plan_encode(context, plan, prompt, false, ids);
}

/* What a sequence says, as a message. */
static bool
make_message(tfm_context *context, const generate_plan *plan, gen_ids prompt, gen_sequence said,
			 tfm_text *message)
{
	message_request request = {.response_template = {.node = NULL}};
	buffer *b = buffer_create(context);

	said.count = count_said(plan, &said);
	if (b == NULL || !generate_plan_decode(context, plan, prompt, &said, &request.response) ||
		!tok_decode(context, plan->tokenizer, prompt.ids, prompt.count, false, &request.prompt) ||
		!task_parse_message(context, &request, b))
		return false;
	*message = (tfm_text) {b->data, b->length};
	return true;
}

bool
task_chat(tfm_context *context, const generate_request *request, const chat_request *chat,
		  const tfm_text *conversations, size_t count, tfm_text *messages)
{
	gen_ids *prompts = tfm_alloc_array(context, count, sizeof(gen_ids));
	gen_sequence *sequences;
	generate_plan plan;
	gen_request what;
	int64_t made;

	if (prompts == NULL || !generate_plan_make(context, request, true, &plan))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!encode_chat(context, &plan, chat, conversations[i], &prompts[i]))
			return false;
	/* calls of tools stand between special tokens */
	plan.skip_special_tokens = false;
	plan.return_full_text = false;
	what = generate_plan_request(&plan, prompts, (int64_t) count);
	if (!gen_generate(context, &what, &sequences, &made))
		return false;
	/* several answers to one: the first is the last one here to be set */
	for (int64_t i = made; i-- > 0;)
	{
		int64_t prompt = sequences[i].prompt;

		if (!make_message(context, &plan, prompts[prompt], sequences[i], &messages[prompt]))
			return false;
	}
	return true;
}
