/*
 * tool_calls.h
 *	  What a chat model wrote as a message: its reasoning, its content, and its calls of tools.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_TOOL_CALLS_H
#define TFM_TASK_TOOL_CALLS_H

#include "base/buffer.h"
#include "base/json.h"

typedef struct message_request
{
	tfm_text response; /* decoded with its special tokens, as many formats are marked by them */
	tfm_text prompt;   /* what it goes on from, which may have begun the message; may be empty */
	json response_template; /* that of tokenizer_config.json; may be absent */
} message_request;

/*
 * Append the message as JSON, in Transformers' form:
 *
 *		{"role": "assistant", "reasoning_content": "...", "content": "...", "tool_calls":
 *		 [{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]}
 *
 * without reasoning and calls where there are none.  With a response_template it is as
 * parse_response of Transformers 5 makes it; without, formats that are common are recognised:
 * <think>, <tool_call> with JSON or with <function=...> (Hermes, Qwen), a JSON object with name and
 * parameters and <|python_tag|> (Llama 3), [TOOL_CALLS] (Mistral), calls as in Python (```tool_code of
 * Gemma, Llama 4), functools (Phi), <｜tool▁calls▁begin｜> (DeepSeek).  What is not
 * understood stays in the content.  Errors: UNSUPPORTED, INVALID_ARGUMENT (of the template), OUT_OF_MEMORY.
 */
extern bool task_parse_message(tfm_context *context, const message_request *request,
							   buffer *message);

#endif
