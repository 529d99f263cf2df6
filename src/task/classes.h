/*
 * classes.h
 *	  The classes of a classifier: their names, their scores, the best of them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_CLASSES_H
#define TFM_TASK_CLASSES_H

#include "base/buffer.h"
#include "runtime/model.h"

/*
 * The names of count classes by id2label of the model's config.json, "LABEL_<id>" for one that is not
 * there: [count] in the context's arena, NULL on error.
 */
extern const tfm_text *task_read_labels(tfm_context *context, const run_model *model,
										int64_t count);

/* The class whose name in label2id (else id2label) begins with prefix, in any case; -1: none. */
extern int64_t task_find_label(tfm_context *context, const run_model *model, const char *prefix);

/* Logits to probabilities, in place: of one another, each for itself. */
extern void task_softmax(float *row, int64_t count);
extern void task_sigmoid(float *row, int64_t count);

/* The first of the largest of count > 0 values. */
extern int64_t task_largest(const float *row, int64_t count);

/*
 * The places of the best of count values, best first, and of equal ones the first first, or the last:
 * best[Min(most, count)] in the context's arena, NULL on error.
 */
extern int32_t *task_best(tfm_context *context, const float *row, int64_t count, int64_t most,
						  bool last_first);

#endif
