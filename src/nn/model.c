/*
 * model.c
 *	  One forward pass: names, memory, outputs.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/model.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

nn_scope
nn_begin(nn_model *m)
{
	return (nn_scope) {
		.length = strlen(m->scope),
		.bytes = m->bytes,
		.mark = arena_save(m->context->arena),
	};
}

nn_scope
nn_enter(nn_model *m, const char *name, ...)
{
	nn_scope scope = nn_begin(m);
	size_t room = sizeof(m->scope) - scope.length;
	va_list arguments;
	int n;

	va_start(arguments, name);
	n = vsnprintf(m->scope + scope.length, room, name, arguments);
	va_end(arguments);
	if (n < 0 || (size_t) n + 2 > room)
		tfm_fail(m->context, TFM_INTERNAL, "the name of a weight is too long");
	else
		strcpy(m->scope + scope.length + n, ".");
	return scope;
}

tensor
nn_leave(nn_model *m, nn_scope scope, tensor input, tensor result)
{
	m->scope[scope.length] = '\0';
	if (nn_live(m) && result.data != input.data)
		memcpy(input.data, result.data, (size_t) tensor_count(&input) * sizeof(float));
	/* What was emitted inside holds the layer's memory; what a dry run asked for is kept, too. */
	if (!m->dry && !m->batch->output_hidden_states)
		arena_restore(m->context->arena, scope.mark);
	m->bytes = scope.bytes;
	return input;
}

tensor
nn_matrix(nn_model *m, int64_t rows, int64_t columns)
{
	tensor t = {.dtype = DTYPE_F32, .rank = 2, .shape = {rows, columns}};
	size_t bytes;

	if (tfm_failed(m->context))
		return (tensor) {0};
	if (!size_multiply((size_t) rows, (size_t) columns, &bytes) ||
		!size_multiply(bytes, sizeof(float), &bytes))
	{
		tfm_fail(m->context, TFM_OUT_OF_MEMORY, "a tensor of %lld x %lld elements is too large",
				 (long long) rows, (long long) columns);
		return (tensor) {0};
	}
	if (m->dry)
	{
		m->bytes += size_round_up(bytes, ARENA_ALIGNMENT);
		if (m->bytes > m->peak)
			m->peak = m->bytes;
		return t;
	}
	t.data = tfm_alloc(m->context, bytes);
	return t.data == NULL ? (tensor) {0} : t;
}

bool
nn_append_name(char *text, size_t *length, const char *more)
{
	size_t count = strlen(more);

	if (count >= NN_NAME_MAX - *length)
		return false;
	memcpy(text + *length, more, count + 1);
	*length += count;
	return true;
}

/* Scope and name in one; false with an error if that is too long. */
static bool
full_name(nn_model *m, const char *name, char result[NN_NAME_MAX])
{
	size_t length = 0;

	if (!nn_append_name(result, &length, m->scope) || !nn_append_name(result, &length, name))
		return tfm_fail(m->context, TFM_INTERNAL, "the name of weight \"%s\" is too long", name);
	return true;
}

bool
nn_has_weight(nn_model *m, const char *name)
{
	char full[NN_NAME_MAX];

	return full_name(m, name, full) && m->weights.has(m->weights.source, full);
}

/* All dimensions after the first count as one; a vector may also be a matrix of one row or column. */
static bool
has_shape(const weight *w, int64_t rows, int64_t columns)
{
	int64_t first = w->rank <= 1 ? 1 : w->shape[0], rest = 1;

	for (int i = w->rank == 1 ? 0 : 1; i < w->rank; i++)
		rest *= w->shape[i];
	if (rows == 0)
		return (first == 1 || rest == 1) && (columns < 0 || first * rest == columns);
	return w->rank > 1 && (rows < 0 || first == rows) && (columns < 0 || rest == columns);
}

static const char *
shape_text(char *text, size_t size, int rank, const int64_t *shape)
{
	size_t used = (size_t) snprintf(text, size, "[");

	for (int i = 0; i < rank && used < size; i++)
		used += (size_t) snprintf(text + used, size - used, shape[i] < 0 ? "%sany" : "%s%lld",
								  i == 0 ? "" : ", ", (long long) shape[i]);
	if (used < size)
		snprintf(text + used, size - used, "]");
	return text;
}

const weight *
nn_weight(nn_model *m, const char *name, weight_layout layout, int64_t rows, int64_t columns)
{
	char full[NN_NAME_MAX];
	char found[128], wanted[128];
	const weight *w;

	if (tfm_failed(m->context) || !full_name(m, name, full))
		return NULL;
	w = m->weights.find(m->weights.source, full, layout);
	if (w == NULL)
	{
		tfm_fail(m->context, TFM_CORRUPTED, "the checkpoint has no tensor \"%s\"", full);
		return NULL;
	}
	if (!has_shape(w, rows, columns))
	{
		int64_t shape[2] = {rows == 0 ? columns : rows, columns};

		tfm_fail(m->context, TFM_CORRUPTED, "tensor \"%s\" has shape %s instead of %s", full,
				 shape_text(found, sizeof(found), w->rank, w->shape),
				 shape_text(wanted, sizeof(wanted), rows == 0 ? 1 : 2, shape));
		tfm_hint(m->context, "The tensors of the checkpoint do not fit its config.json.");
		return NULL;
	}
	return w;
}

void
nn_emit(nn_model *m, const char *name, nn_axis axis, tensor value)
{
	nn_output *output = tfm_failed(m->context) ? NULL : tfm_alloc(m->context, sizeof(nn_output));
	nn_output **last = &m->outputs;

	if (output == NULL)
		return;
	*output = (nn_output) {.name = tfm_strdup(m->context, name), .axis = axis, .value = value};
	while (*last != NULL)
		last = &(*last)->next;
	*last = output;
}

void
nn_emit_hidden_state(nn_model *m, int index, tensor x)
{
	char name[64];
	bool decoder = m->part != NULL && strcmp(m->part, "decoder") == 0;
	tensor copy;

	if (!m->batch->output_hidden_states)
		return;
	copy = nn_matrix(m, x.shape[0], x.shape[1]);
	if (nn_live(m))
		memcpy(copy.data, x.data, (size_t) tensor_count(&x) * sizeof(float));
	snprintf(name, sizeof(name), "%s%shidden_states.%d", m->part == NULL ? "" : m->part,
			 m->part == NULL ? "" : "_", index);
	nn_emit(m, name, decoder ? NN_PER_DECODER_TOKEN : NN_PER_TOKEN, copy);
}

void
nn_emit_other_tokens(nn_model *m, const char *name, tensor x)
{
	tensor copy = nn_matrix(m, x.shape[0], x.shape[1]);
	int64_t rows = m->batch->sequences > 0 ? m->batch->sequences : 1;

	if (nn_live(m) && x.shape[0] % rows != 0)
		tfm_fail(m->context, TFM_UNSUPPORTED, "rows of different lengths have no common \"%s\"",
				 name);
	if (nn_live(m))
		memcpy(copy.data, x.data, (size_t) tensor_count(&x) * sizeof(float));
	copy.rank = 3;
	copy.shape[2] = x.shape[1];
	copy.shape[1] = x.shape[0] / rows;
	copy.shape[0] = rows;
	nn_emit(m, name, NN_AS_SHAPED, copy);
}

void
nn_emit_other_state(nn_model *m, int index, tensor x)
{
	char name[64];

	if (!m->batch->output_hidden_states)
		return;
	snprintf(name, sizeof(name), "%s%shidden_states.%d", m->part == NULL ? "" : m->part,
			 m->part == NULL ? "" : "_", index);
	nn_emit_other_tokens(m, name, x);
}
