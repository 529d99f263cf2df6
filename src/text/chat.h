/*
 * chat.h
 *	  A conversation as a prompt: Transformers' apply_chat_template(tokenize=False).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_CHAT_H
#define TFM_TEXT_CHAT_H

#include "text/jinja/jinja.h"

/*
 * One conversation.  Texts are JSON but for the template; an empty one (or JSON's null) is as if the
 * argument were not given.
 */
typedef struct tok_chat
{
	tfm_text source;		 /* the chat template */
	const char *name;		 /* of the template, for messages; may be NULL */
	tfm_text special_tokens; /* object: {"bos_token": "<s>", ...} */
	tfm_text messages;		 /* array of objects */
	tfm_text tools;			 /* array of objects (JSON schemas) */
	tfm_text documents;		 /* array of objects */
	tfm_text kwargs;		 /* object: further variables, stronger than the special tokens */
	bool add_generation_prompt;
	bool continue_final_message;
	/* The field of the final message to continue; NULL: "content". */
	const char *continue_field;
	const struct tm *now; /* the local time of strftime_now; NULL: using it is an error */
	jinja_limits limits;
} tok_chat;

/*
 * Render a conversation.  As in Transformers, members of a message that are null are dropped, and a
 * message's reasoning is given under each name that templates use.  The text is in the context's
 * arena.  Errors: those of jinja_render, and INVALID_ARGUMENT for arguments of a wrong type, an empty
 * conversation, continue_final_message with add_generation_prompt, or with a final message that
 * cannot be found in what the template made of it.
 */
extern bool tok_render_chat(tfm_context *context, const tok_chat *chat, tfm_text *rendered);

#endif
