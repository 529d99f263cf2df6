/*
 * zero_shot_classification.h
 *	  Labels of texts by a model for natural language inference, which was not made for them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_ZERO_SHOT_CLASSIFICATION_H
#define TFM_TASK_ZERO_SHOT_CLASSIFICATION_H

#include "runtime/model.h"

/* What is asked of each text: whether it entails what a template makes of each label. */
typedef struct zero_shot
{
	const tfm_text *labels; /* [label_count] */
	size_t label_count;
	const char *hypothesis_template; /* {} is the label; NULL: Transformers' */
	bool multi_label; /* several may be true: each is scored for itself, against contradiction */
	bool strict;	  /* a model without a label that begins with "entail" is an error */
} zero_shot;

/* Whether the model is one that tells whether a text entails another: it classifies sequences. */
extern bool task_is_entailment_model(const run_model *model);

/*
 * scores[i * label_count + l] is that of label l for texts[i].  Errors: INVALID_ARGUMENT (no labels, a
 * template without {}), UNSUPPORTED (a model of another kind), those of the passes.
 */
extern bool task_classify_zero_shot(tfm_context *context, const run_model *model,
									const zero_shot *what, const tfm_text *texts, size_t count,
									float *scores);

#endif
