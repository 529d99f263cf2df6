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
summary_read_config(tfm_context *context, json file, const char *type, const char *activation,
					int64_t hidden_size, int64_t num_labels, summary *s)
{
	bool to_labels = json_bool(context, file, "summary_proj_to_labels", false);

	*s = (summary) {
		.pooling = read_pooling(context, json_string(context, file, "summary_type", type)),
		.columns = to_labels && num_labels > 0 ? num_labels : hidden_size,
	};
	if (!json_bool(context, file, "summary_use_proj", true))
		s->columns = 0;
	activation = nn_is_null(file, "summary_activation")
					 ? NULL
					 : json_string(context, file, "summary_activation", activation);
	if (activation != NULL && activation[0] != '\0')
		s->activation = nn_activation(context, activation);
}

tensor
summarize(nn_model *m, tensor x, const char *name, const summary *s)
{
	char projection[NN_NAME_MAX];
	size_t length = 0;
	tensor y = nn_matrix(m, m->batch->sequences, x.shape[1]);

	if (nn_live(m))
		op_pool(m->context, &(op_pool_options) {.pooling = s->pooling,
												.x = x.data,
												.n = x.shape[1],
												.offsets = m->batch->offsets,
												.batch = m->batch->sequences,
												.y = y.data});
	if (s->columns == 0)
	{
		activate(m, y, s->activation);
		return y;
	}
	nn_append_name(projection, &length, name);
	nn_append_name(projection, &length, ".summary");
	return linear(m, y, projection, .columns = s->columns, .activation = s->activation);
}
