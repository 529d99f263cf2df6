/*
 * sequence_summary.h
 *	  One row for each sequence, as XLM, XLNet and GPT-2's double heads sum it up.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_SEQUENCE_SUMMARY_H
#define TFM_NN_SEQUENCE_SUMMARY_H

#include "nn/family.h"
#include "nn/layers.h"

typedef enum summary_kind
{
	SUMMARY_LAST = 1, /* the last token of the row, be it masked or not */
	SUMMARY_FIRST,
	SUMMARY_MEAN,  /* of all tokens of the row, masked ones too */
	SUMMARY_CHOSEN /* the token whose place the caller gives */
} summary_kind;

/* Families whose kind is not SUMMARY_FIRST have keeps_last, with SUMMARY_MEAN keeps_masked. */
typedef struct sequence_summary
{
	summary_kind kind;
	int64_t columns; /* of "<name>.summary", the projection; 0: there is none */
	op_activation activation;
} sequence_summary;

/* What a family takes where its configuration says nothing. */
typedef struct summary_defaults
{
	const char *type;		/* "last", "first", "mean", "cls_index" */
	const char *activation; /* NULL: none */
	bool projects;			/* "summary_use_proj" */
	bool to_labels;			/* "summary_proj_to_labels"; else to hidden_size columns */
} summary_defaults;

/* Read the keys "summary_...". */
extern void summary_read_config(tfm_context *context, json file, const nn_config *common,
								const summary_defaults *defaults, sequence_summary *summary);

/*
 * x [tokens, n] -> [sequences, columns].  places, for SUMMARY_CHOSEN, has one for each sequence;
 * NULL or not given: the last.  A place without a token is INVALID_ARGUMENT.
 */
extern tensor summarize(nn_model *m, tensor x, const char *name, const sequence_summary *summary,
						const nn_input *places);

/* The token at a place of sequence i's row; -1 with INVALID_ARGUMENT if there is none. */
extern int32_t summary_token(nn_model *m, int64_t i, int64_t place);

/* The last token of each sequence: x [tokens, n] -> [sequences, n]. */
extern tensor last_tokens(nn_model *m, tensor x);

#endif
