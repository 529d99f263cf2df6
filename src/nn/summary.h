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
	int64_t columns;	/* of the product that follows; 0: none does */
	op_activation activation;
} summary;

/*
 * Read summary_type (type where it is not said), summary_use_proj, summary_proj_to_labels and
 * summary_activation (activation; NULL: none) of config.json.  "cls_index" is the last token, which it
 * is where the caller names none.  UNSUPPORTED for "attn".
 */
extern void summary_read_config(tfm_context *context, json file, const char *type,
								const char *activation, int64_t hidden_size, int64_t num_labels,
								summary *s);

/*
 * x [tokens, hidden] -> [sequences, columns], with the weights "<name>.summary".  Follows SequenceSummary
 * of Transformers; tokens that the batch has not are not seen.
 */
extern tensor summarize(nn_model *m, tensor x, const char *name, const summary *s);

#endif
