/*
 * languages.h
 *	  How tokenizers of models for many languages are told which to translate from and to.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_LANGUAGES_H
#define TFM_TASK_LANGUAGES_H

#include "generate/config.h"
#include "runtime/model.h"

typedef struct task_languages
{
	bool by_tokens;	  /* the tokenizer has tokens of languages, of which these are two: */
	bool source_last; /* text, end, source; else source, text, end */
	int32_t source;
	int32_t target; /* forced to come first */
} task_languages;

/*
 * What the model's tokenizer makes of the names of two languages (NULL: not given), as its method
 * _build_translation_inputs has it; of one without that nothing.  INVALID_ARGUMENT where it needs
 * names that are not given or not its own.
 */
extern bool task_read_languages(tfm_context *context, const run_model *model, const char *source,
								const char *target, task_languages *languages);

/* The ids of a text with its languages; truncates: to what the tokenizer says is the longest. */
extern bool task_encode_language(tfm_context *context, const run_model *model,
								 const task_languages *languages, tfm_text text, bool truncates,
								 gen_ids *ids);

#endif
