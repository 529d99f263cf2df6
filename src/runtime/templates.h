/*
 * templates.h
 *	  The chat templates of a checkpoint: where they stand, and which one is meant.
 *	  Follows PreTrainedTokenizerBase.from_pretrained and get_chat_template.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_RUNTIME_TEMPLATES_H
#define TFM_RUNTIME_TEMPLATES_H

#include "base/buffer.h"
#include "base/context.h"

/*
 * The templates of a checkpoint as bytes: of each its name and its source, both zero-terminated and
 * valid UTF-8.  A template without a name ("") is the only one there is.
 */
typedef struct run_templates
{
	const char *bytes;
	size_t length;
} run_templates;

/*
 * Append the templates in the files of a directory: chat_template.jinja (named "default" beside
 * others) and additional_chat_templates/NAME.jinja; where there is none of these, what
 * tokenizer_config.json has, a text or a list of names and texts; else chat_template.json, a
 * processor's.  Nothing is appended where there is no template.
 * Errors: CORRUPTED (no text, not UTF-8), LIMIT_EXCEEDED (larger than 16 MB).
 */
extern bool run_collect_templates(tfm_context *context, const char *directory, buffer *templates);

/*
 * The same from a GGUF file: the key tokenizer.chat_template, called "default" where there are
 * tokenizer.chat_template.NAME as well.
 */
extern bool run_collect_gguf_templates(tfm_context *context, const char *path, buffer *templates);

/* Append one; name and source without zeros (CORRUPTED), source_name for messages. */
extern bool run_add_template(tfm_context *context, buffer *templates, tfm_text name,
							 tfm_text source, const char *source_name);

/*
 * The source of the template that is wanted: the one of that name, else wanted is itself a source;
 * where it is NULL, the only one, or of several "tool_use" where there are tools, else "default".
 * *source points into templates or is wanted.  Errors: UNDEFINED (there is none, or no default).
 */
extern bool run_find_template(tfm_context *context, const run_templates *templates,
							  const char *wanted, bool has_tools, tfm_text *source);

#endif
