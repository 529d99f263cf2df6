/*
 * rerank.h
 *	  How well documents answer queries, by a cross-encoder: a classifier of pairs with one score.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_RERANK_H
#define TFM_TASK_RERANK_H

#include "runtime/model.h"

/*
 * scores[count] of the pairs (queries[i], documents[i]), as sentence-transformers' CrossEncoder
 * predicts them: the classifier's only logit through the activation that config.json names, a sigmoid
 * where it names none.  Of pairs longer than the model takes the longer text loses tokens at its end.
 * A score does not depend on the other pairs.
 * Errors: UNSUPPORTED for a model that does not classify sequences by one label, or for another
 * activation.
 */
extern bool task_rerank(tfm_context *context, const run_model *model, const tfm_text *queries,
						const tfm_text *documents, size_t count, double *scores);

#endif
