/*
 * sequence_summary.c
 *	  One row for each sequence.
 *	  Follows XLMSequenceSummary in transformers/models/xlm/modeling_xlm.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/sequence_summary.h"

#include <stdio.h>
#include <string.h>

#include "tensor/pool.h"

/* ---- Configuration ---- */

static summary_kind
kind_of(tfm_context *context, json file, const char *type)
{
	static const char *const names[] = {"", "last", "first", "mean", "cls_index"};

	for (int i = SUMMARY_LAST; i <= SUMMARY_CHOSEN; i++)
		if (strcmp(type, names[i]) == 0)
			return (summary_kind) i;
	tfm_fail(context, TFM_UNSUPPORTED, "%s: \"summary_type\" \"%.64s\" is not supported",
			 file.source, type);
	return SUMMARY_LAST;
}

void
summary_read_config(tfm_context *context, json file, const nn_config *common,
					const summary_defaults *defaults, sequence_summary *summary)
{
	const char *activation =
		json_string(context, file, "summary_activation",
					nn_is_null(file, "summary_activation") ? NULL : defaults->activation);
	bool to_labels = json_bool(context, file, "summary_proj_to_labels", defaults->to_labels);

	*summary = (sequence_summary) {
		.kind = kind_of(context, file, json_string(context, file, "summary_type", defaults->type)),
		.columns = to_labels && common->num_labels > 0 ? common->num_labels : common->hidden_size,
	};
	if (!json_bool(context, file, "summary_use_proj", defaults->projects))
		summary->columns = 0;
	if (activation != NULL && activation[0] != '\0')
		summary->activation = nn_activation(context, activation);
}

/* ---- Tokens ---- */

int32_t
summary_token(nn_model *m, int64_t i, int64_t place)
{
	const nn_batch *batch = m->batch;

	for (int32_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
		if (batch->columns[t] == place)
			return t;
	tfm_fail(m->context, TFM_INVALID_ARGUMENT, "row %lld of the input has no token %lld",
			 (long long) i, (long long) place);
	return -1;
}

/* The tokens of the places; NULL after an error. */
static int32_t *
find_tokens(nn_model *m, const nn_input *places)
{
	const nn_batch *batch = m->batch;
	bool given = places != NULL && places->rank != 0 && places->ints != NULL;
	int32_t *tokens;

	if (!nn_live(m))
		return NULL;
	if (given && places->shape[0] != batch->sequences)
		tfm_fail(m->context, TFM_INVALID_ARGUMENT, "%lld places are given for %lld rows",
				 (long long) places->shape[0], (long long) batch->sequences);
	tokens = tfm_alloc_array(m->context, (size_t) batch->sequences, sizeof(int32_t));
	for (int64_t i = 0; i < batch->sequences && !tfm_failed(m->context); i++)
		tokens[i] = given ? summary_token(m, i, places->ints[i]) : batch->offsets[i + 1] - 1;
	return tokens;
}

static tensor
mean_of_tokens(nn_model *m, tensor x)
{
	tensor y = nn_matrix(m, m->batch->sequences, x.shape[1]);

	if (nn_live(m))
		op_pool(m->context, &(op_pool_options) {.pooling = POOLING_MEAN,
												.x = x.data,
												.n = x.shape[1],
												.offsets = m->batch->offsets,
												.batch = m->batch->sequences,
												.y = y.data,
												.y_stride = x.shape[1]});
	return y;
}

tensor
last_tokens(nn_model *m, tensor x)
{
	return take_rows(m, x, find_tokens(m, NULL), m->batch->sequences);
}

static tensor
take_summary(nn_model *m, tensor x, summary_kind kind, const nn_input *places)
{
	if (kind == SUMMARY_MEAN)
		return mean_of_tokens(m, x);
	if (kind == SUMMARY_FIRST)
		return first_tokens(m, x);
	return take_rows(m, x, find_tokens(m, kind == SUMMARY_CHOSEN ? places : NULL),
					 m->batch->sequences);
}

tensor
summarize(nn_model *m, tensor x, const char *name, const sequence_summary *summary,
		  const nn_input *places)
{
	char projection[NN_NAME_MAX];
	tensor y = take_summary(m, x, summary->kind, places);

	snprintf(projection, sizeof(projection), "%s.summary", name);
	if (summary->columns != 0)
		return linear(m, y, projection, .columns = summary->columns,
					  .activation = summary->activation);
	if (summary->activation != ACTIVATION_NONE)
		activate(m, y, summary->activation);
	return y;
}
