/*
 * multiple_choice.h
 *	  Which of some texts goes on with a prompt.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_MULTIPLE_CHOICE_H
#define TFM_TASK_MULTIPLE_CHOICE_H

#include "runtime/model.h"

/* Whether the model is one for multiple choice. */
extern bool task_is_choice_model(const run_model *model);

/* logits[i * choice_count + c] is that of choice c after prompts[i].  Errors: those of the passes. */
extern bool task_score_choices(tfm_context *context, const run_model *model,
							   const tfm_text *prompts, size_t count, const tfm_text *choices,
							   size_t choice_count, float *logits);

#endif
