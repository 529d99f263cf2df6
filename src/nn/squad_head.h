/*
 * squad_head.h
 *	  Answers as XLM and XLNet find them: the best starts, for each of them the best ends, and whether
 *	  there is an answer at all.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_SQUAD_HEAD_H
#define TFM_NN_SQUAD_HEAD_H

#include "nn/family.h"
#include "nn/layers.h"

/* All tokens of a row count, masked ones too: the family has keeps_masked. */
typedef struct squad_head
{
	const char *scope;	  /* of the weights: "qa_outputs"; NULL: the model's */
	int64_t starts, ends; /* that are kept: "start_n_top" and "end_n_top" */
	double norm_eps;
} squad_head;

/* Read the keys with their defaults, which all families share. */
extern void squad_read_config(tfm_context *context, json file, squad_head *head);

/*
 * Emit start_top_log_probs, start_top_index, end_top_log_probs, end_top_index and cls_logits of x
 * [tokens, hidden].  places has the token of each row by which an answer is judged to be there (NULL or
 * not given: the last), no_answers 1 for each token that is in no answer.  Rows that are shorter than
 * what is kept are INVALID_ARGUMENT.
 */
extern void find_answers(nn_model *m, tensor x, const squad_head *head, const nn_input *places,
						 const nn_input *no_answers);

#endif
