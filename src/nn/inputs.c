/*
 * inputs.c
 *	  Columns of a family's own inputs, and rows of tables by them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/inputs.h"

#include <string.h>

#include "nn/layers.h"
#include "tensor/embed.h"

const nn_input *
given_input(const nn_model *m, int index)
{
	const nn_input *inputs = m->batch->inputs;

	return !nn_live(m) || inputs == NULL || inputs[index].rank == 0 ? NULL : &inputs[index];
}

const int32_t *
input_column(nn_model *m, int index, int64_t column)
{
	const nn_input *input = given_input(m, index);
	int64_t tokens = m->batch->tokens;
	int32_t *values;

	if (input == NULL || input->ints == NULL || column >= input->shape[1])
		return NULL;
	values = tfm_alloc_array(m->context, (size_t) tokens, sizeof(int32_t));
	for (int64_t t = 0; values != NULL && t < tokens; t++)
		values[t] = input->ints[t * input->shape[1] + column];
	return values;
}

const int32_t *
input_box(nn_model *m, int index, box_measure measure)
{
	const nn_input *boxes = given_input(m, index);
	int64_t tokens = m->batch->tokens;
	int from = measure == BOX_HEIGHT ? BOX_UPPER : BOX_LEFT;
	int32_t *values;

	if (measure < BOX_HEIGHT || boxes == NULL || boxes->ints == NULL)
		return input_column(m, index, measure);
	values = tfm_alloc_array(m->context, (size_t) tokens, sizeof(int32_t));
	for (int64_t t = 0; values != NULL && t < tokens; t++)
		if (__builtin_sub_overflow(boxes->ints[t * 4 + from + 2], boxes->ints[t * 4 + from],
								   &values[t]))
			values[t] = -1;
	return values;
}

tensor
look_up(nn_model *m, const char *name, int64_t count, int64_t columns, const int32_t *ids)
{
	char weight_name[NN_NAME_MAX];
	size_t length = 0;
	const weight *w = NULL;
	tensor y;

	if (nn_append_name(weight_name, &length, name) &&
		nn_append_name(weight_name, &length, ".weight"))
		w = nn_weight(m, weight_name, LAYOUT_ROWS, count, columns);
	y = nn_matrix(m, m->batch->tokens, columns);
	if (w != NULL && nn_live(m))
		op_embed(m->context, &(op_embed_options) {.tables[0] = {.table = w->data,
																.dtype = w->dtype,
																.count = w->shape[0],
																.ids = ids},
												  .tokens = m->batch->tokens,
												  .n = columns,
												  .y = y.data});
	return y;
}

tensor
add_looked_up(nn_model *m, tensor x, const char *name, int64_t count, const int32_t *ids)
{
	return add(m, x, look_up(m, name, count, x.shape[1], ids), 1.0);
}

void
put_columns(nn_model *m, tensor x, tensor part, int64_t first)
{
	for (int64_t t = 0; nn_live(m) && t < x.shape[0]; t++)
		memcpy((float *) x.data + t * x.shape[1] + first,
			   (const float *) part.data + t * part.shape[1],
			   (size_t) part.shape[1] * sizeof(float));
}
