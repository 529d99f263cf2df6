/*
 * chat.h
 *	  Conversations as prompts, by the chat templates of a model; texts made of templates and values.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_CHAT_H
#define TFM_TASK_CHAT_H

#include <time.h>

#include "runtime/model.h"

/* Arguments of apply_chat_template; texts are JSON, empty where not given. */
typedef struct chat_request
{
	tfm_text messages;
	tfm_text tools;
	tfm_text documents;
	tfm_text kwargs;		   /* an object: further variables of the template */
	const char *chat_template; /* a name among the model's, or a source; NULL: the model's own */
	bool add_generation_prompt;
	bool continue_final_message;
	const struct tm *now; /* the local time of strftime_now */
} chat_request;

/*
 * Render a conversation with a template of the model, as apply_chat_template(tokenize=False) of
 * Transformers does; the model's special tokens are variables.  *rendered is in the context's arena.
 * Errors: UNDEFINED (no such template), and those of tok_render_chat.
 */
extern bool task_apply_chat_template(tfm_context *context, const run_model *model,
									 const chat_request *request, tfm_text *rendered);

/* Render a template with the members of a JSON object as variables; errors as of jinja_render. */
extern bool task_render(tfm_context *context, tfm_text source, tfm_text values,
						const struct tm *now, tfm_text *rendered);

#endif
