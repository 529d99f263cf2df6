/*
 * summary.c
 *	  One vector for a sequence.
 *	  Follows XLMSequenceSummary in transformers/models/xlm/modeling_xlm.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/summary.h"

#include <string.h>

static op_pooling
read_pooling(tfm_context *context, const char *type)
{
	static const struct
	{
		const char *type;
		op_pooling pooling;
	} kinds[] = {
		{"first", POOLING_CLS},
		{"last", POOLING_LASTTOKEN},
		{"cls_index", POOLING_LASTTOKEN},
		{"mean", POOLING_MEAN},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].type, type) == 0)
			return kinds[i].pooling;
	tfm_fail(context, TFM_UNSUPPORTED, "\"summary_type\" \"%.32s\" is not supported", type);
	return POOLING_CLS;
}

void
summary_read_config(tfm_context *context, json file, const nn_config *common,
					const summary_defaults *defaults, summary *s)
{
	const char *type = json_string(context, file, "summary_type", defaults->type);
	bool to_labels = json_bool(context, file, "summary_proj_to_labels", defaults->to_labels);
	const char *activation =
		nn_is_null(file, "summary_activation")
			? NULL
			: json_string(context, file, "summary_activation", defaults->activation);

	*s = (summary) {
		.pooling = read_pooling(context, type),
		.chosen = strcmp(type, "cls_index") == 0,
		.columns = to_labels && common->num_labels > 0 ? common->num_labels : common->hidden_size,
	};
	if (!json_bool(context, file, "summary_use_proj", !defaults->bare))
		s->columns = 0;
	if (activation != NULL && activation[0] != '\0')
		s->activation = nn_activation(context, activation);
}

/* ---- Tokens ---- */

/* The token at a place of row i; -1 with INVALID_ARGUMENT if there is none. */
static int32_t
find_token(nn_model *m, int64_t i, int64_t place)
{
	const nn_batch *batch = m->batch;

	for (int32_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
		if (batch->columns[t] == place)
			return t;
	tfm_fail(m->context, TFM_INVALID_ARGUMENT, "row %lld of the input has no token %lld",
			 (long long) i, (long long) place);
	return -1;
}

tensor
chosen_tokens(nn_model *m, tensor x, const nn_input *places)
{
	const nn_batch *batch = m->batch;
	bool given = places != NULL && places->rank != 0 && places->ints != NULL;
	int32_t *tokens = NULL;

	if (nn_live(m) && given && places->shape[0] != batch->sequences)
		tfm_fail(m->context, TFM_INVALID_ARGUMENT, "%lld places are given for %lld rows",
				 (long long) places->shape[0], (long long) batch->sequences);
	if (nn_live(m))
		tokens = tfm_alloc_array(m->context, (size_t) batch->sequences, sizeof(int32_t));
	for (int64_t i = 0; tokens != NULL && i < batch->sequences && !tfm_failed(m->context); i++)
		tokens[i] = given ? find_token(m, i, places->ints[i]) : batch->offsets[i + 1] - 1;
	return take_rows(m, x, tokens, batch->sequences);
}

static tensor
pool(nn_model *m, tensor x, op_pooling pooling)
{
	tensor y = nn_matrix(m, m->batch->sequences, x.shape[1]);

	if (nn_live(m))
		op_pool(m->context, &(op_pool_options) {.pooling = pooling,
												.x = x.data,
												.n = x.shape[1],
												.offsets = m->batch->offsets,
												.batch = m->batch->sequences,
												.y = y.data});
	return y;
}

tensor
summarize_chosen(nn_model *m, tensor x, const char *name, const summary *s, const nn_input *places)
{
	char projection[NN_NAME_MAX];
	size_t length = 0;
	tensor y = s->chosen ? chosen_tokens(m, x, places) : pool(m, x, s->pooling);

	if (s->columns == 0)
	{
		if (s->activation != ACTIVATION_NONE)
			activate(m, y, s->activation);
		return y;
	}
	nn_append_name(projection, &length, name);
	nn_append_name(projection, &length, ".summary");
	return linear(m, y, projection, .columns = s->columns, .activation = s->activation);
}

tensor
summarize(nn_model *m, tensor x, const char *name, const summary *s)
{
	return summarize_chosen(m, x, name, s, NULL);
}

void
choose_by_summary(nn_model *m, tensor x, const summary *s)
{
	x = summarize(m, x, "sequence_summary", s);
	nn_emit(m, "logits", NN_PER_CHOICE, linear(m, x, "classifier", .columns = 1));
}
