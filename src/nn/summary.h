/*
 * summary.h
 *	  One vector for a sequence, as classifiers of XLM, XLNet, ELECTRA and others want it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_SUMMARY_H
#define TFM_NN_SUMMARY_H

#include "nn/family.h"
#include "nn/layers.h"
#include "tensor/pool.h"

/* Of which tokens, and what is made of it. */
typedef struct summary
{
	op_pooling pooling; /* the first token, the last one or the mean */
	bool chosen;		/* the token that the caller chooses, if he does */
	int64_t columns;	/* of the product that follows; 0: none does */
	op_activation activation;
} summary;

/* What a family takes where its configuration says nothing. */
typedef struct summary_defaults
{
	const char *type;		/* "first", "last", "mean", "cls_index" */
	const char *activation; /* NULL: none */
	bool bare;				/* no product follows */
	bool to_labels;			/* one that does gives the labels' scores; else hidden_size columns */
} summary_defaults;

/*
 * Read summary_type, summary_use_proj, summary_proj_to_labels and summary_activation of config.json;
 * common has the sizes.  UNSUPPORTED for "attn".
 */
extern void summary_read_config(tfm_context *context, json file, const nn_config *common,
								const summary_defaults *defaults, summary *s);

/*
 * x [tokens, hidden] -> [sequences, columns], with the weights "<name>.summary".  Follows SequenceSummary
 * of Transformers; tokens that the batch has not are not seen.
 */
extern tensor summarize(nn_model *m, tensor x, const char *name, const summary *s);

/* The same, where the caller may have chosen tokens, as chosen_tokens takes them. */
extern tensor summarize_chosen(nn_model *m, tensor x, const char *name, const summary *s,
							   const nn_input *places);

/* The head of multiple choice: what is summed up of each choice, by "sequence_summary", is scored. */
extern void choose_by_summary(nn_model *m, tensor x, const summary *s);

/*
 * The token of each sequence at a place in its row: x [tokens, n] -> [sequences, n].  places NULL or not
 * given: the last.  A place without a token is INVALID_ARGUMENT.
 */
extern tensor chosen_tokens(nn_model *m, tensor x, const nn_input *places);

#endif
