/*
 * encoder_memory.c
 *	  What a decoder with BERT's layout looks at, where the caller gives it in place of an encoder.
 *	  Follows encoder_hidden_states and encoder_attention_mask in modeling_bert.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "nn/encoder.h"
#include "nn/inputs.h"

#define STATES "encoder_hidden_states"
#define MASK "encoder_attention_mask"

const nn_input_kind encoder_memory_inputs[] = {
	{STATES, false, 0, true},
	{MASK, false, 0, false},
	{0},
};

/* NULL also for a family that takes other inputs. */
static const nn_input *
find_input(const nn_model *m, const char *name)
{
	const nn_input_kind *kinds = m->batch->inputs == NULL ? NULL : m->batch->input_kinds;

	for (int i = 0; kinds != NULL && kinds[i].name != NULL; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return given_input(m, i);
	return NULL;
}

/* A memory without data, if the checkpoint has the weights of a cross attention. */
static bool
foresee_memory(nn_model *m, const encoder_config *c, nn_memory *memory)
{
	char name[2 * NN_NAME_MAX];
	int n = snprintf(name, NN_NAME_MAX, c->names->layer, 0);

	*memory = (nn_memory) {.states = {.dtype = DTYPE_F32,
									  .rank = 2,
									  .shape = {m->batch->tokens, c->common.hidden_size}}};
	snprintf(name + n, NN_NAME_MAX, ".cross%s.weight", c->names->query);
	return c->layers > 0 && nn_has_weight(m, name);
}

/* The states are [rows, columns, hidden], their mask is [rows, columns]. */
static bool
check_memory(nn_model *m, const encoder_config *c, const nn_input *states, const nn_input *mask)
{
	int64_t rows = m->batch->sequences;

	if (states->rank == 3 && states->shape[0] == rows &&
		states->shape[2] == c->common.hidden_size &&
		(mask == NULL ||
		 (mask->rank == 2 && mask->shape[0] == rows && mask->shape[1] == states->shape[1])))
		return true;
	return tfm_fail(m->context, TFM_INVALID_ARGUMENT,
					"\"encoder_hidden_states\" must have a row for each row of \"input_ids\" and "
					"hidden_size columns, and \"encoder_attention_mask\" its shape");
}

bool
encoder_take_memory(nn_model *m, const encoder_config *c, nn_memory *memory)
{
	const nn_input *states = find_input(m, STATES), *mask = find_input(m, MASK);
	int64_t rows = m->batch->sequences, columns;
	int32_t *offsets;
	uint8_t *hidden = NULL;

	if (m->dry)
		return foresee_memory(m, c, memory);
	if (states == NULL || !check_memory(m, c, states, mask))
		return false;
	columns = states->shape[1];
	offsets = tfm_alloc_array(m->context, (size_t) rows + 1, sizeof(int32_t));
	if (mask != NULL)
		hidden = tfm_alloc(m->context, (size_t) (rows * columns));
	for (int64_t i = 0; offsets != NULL && i <= rows; i++)
		offsets[i] = (int32_t) (i * columns);
	for (int64_t i = 0; hidden != NULL && i < rows * columns; i++)
		hidden[i] = mask->ints[i] == 0;
	*memory = (nn_memory) {.states = {.data = (float *) states->floats,
									  .dtype = DTYPE_F32,
									  .rank = 2,
									  .shape = {rows * columns, c->common.hidden_size}},
						   .offsets = offsets,
						   .hidden = hidden};
	return !tfm_failed(m->context);
}
