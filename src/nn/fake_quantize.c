/*
 * fake_quantize.c
 *	  Tensors rounded to what 8 bits can hold.
 *	  Follows TensorQuantizer and QuantLinear of pytorch_quantization, of which
 *	  modeling_qdqbert.py in Transformers 4 is made.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/fake_quantize.h"

#include <math.h>
#include <stdio.h>

#include "tensor/pack.h"

#define STEPS 127.0f

/* A limit below it is none: all is zero. */
#define LEAST_LIMIT 0x1p-24f

/* "_amax" of a quantizer, so many numbers; NULL: the checkpoint does not say. */
static const float *
find_limits(nn_model *m, const char *name, int64_t rows)
{
	char limit[NN_NAME_MAX];
	const weight *w;

	snprintf(limit, sizeof(limit), "%s._amax", name);
	if (!nn_has_weight(m, limit))
		return NULL;
	w = nn_weight(m, limit, LAYOUT_PLAIN, rows, 1);
	return w == NULL ? NULL : w->data;
}

float
fake_quantizer_limit(nn_model *m, const char *name)
{
	const float *limit = find_limits(m, name, 0);

	return limit == NULL || !nn_live(m) ? 0 : *limit;
}

float
largest_magnitude(const float *x, int64_t count)
{
	float largest = 0;

	for (int64_t i = 0; i < count; i++)
		largest = fmaxf(largest, fabsf(x[i]));
	return largest;
}

void
round_to_limit(const float *x, int64_t count, float limit, float *to)
{
	float factor = limit <= LEAST_LIMIT ? 0 : STEPS / limit;
	float divisor = limit <= LEAST_LIMIT ? 1 : factor;

	for (int64_t i = 0; i < count; i++)
		to[i] = fminf(fmaxf(rintf(x[i] * factor), -STEPS - 1), STEPS) / divisor;
}

tensor
fake_quantize(nn_model *m, tensor x, const char *name)
{
	float limit = fake_quantizer_limit(m, name);
	tensor y = nn_matrix(m, x.shape[0], x.shape[1]);

	if (!nn_live(m))
		return y;
	if (limit == 0)
		limit = largest_magnitude(x.data, tensor_count(&x));
	round_to_limit(x.data, tensor_count(&x), limit, y.data);
	return y;
}

tensor
multiply_made(nn_model *m, tensor x, const float *rows, int64_t n, const float *bias,
			  op_activation activation)
{
	int64_t shape[] = {n, x.shape[1]};
	tensor y = nn_matrix(m, x.shape[0], n);
	void *panels = NULL;
	size_t bytes;

	if (!nn_live(m) || rows == NULL)
		return y;
	if (weight_size(DTYPE_F32, LAYOUT_PANELS, 2, shape, &bytes))
		panels = tfm_alloc(m->context, bytes);
	if (panels == NULL)
		return y;
	pack_weight(DTYPE_F32, LAYOUT_PANELS, rows, n, x.shape[1], panels);
	op_linear(m->context, &(op_linear_options) {
							  .x = x.data,
							  .rows = x.shape[0],
							  .k = x.shape[1],
							  .activation = activation,
							  .parts = {{.panels = panels, .n = n, .bias = bias, .y = y.data}}});
	return y;
}

/* The rows of a weight, each rounded to its own limit. */
static const float *
round_rows(nn_model *m, const weight *w, const float *limits)
{
	int64_t n = w->shape[0], k = w->shape[1];
	float *rows = tfm_alloc_array(m->context, (size_t) (n * k), sizeof(float));

	for (int64_t i = 0; rows != NULL && i < n; i++)
	{
		const float *row = (const float *) w->data + i * k;
		float limit = limits == NULL ? 0 : limits[i];

		round_to_limit(row, k, limit == 0 ? largest_magnitude(row, k) : limit, rows + i * k);
	}
	return rows;
}

/* "<name>.<part>" in text. */
static const char *
part_of(char text[NN_NAME_MAX], const char *name, const char *part)
{
	snprintf(text, NN_NAME_MAX, "%s.%s", name, part);
	return text;
}

tensor
fake_quantized_linear(nn_model *m, tensor x, const char *name, int64_t columns,
					  op_activation activation)
{
	char text[NN_NAME_MAX];
	tensor rounded = fake_quantize(m, x, part_of(text, name, "_input_quantizer"));
	const weight *w, *bias;
	const float *limits;

	limits = find_limits(m, part_of(text, name, "_weight_quantizer"), columns);
	w = nn_weight(m, part_of(text, name, "weight"), LAYOUT_PLAIN, columns, x.shape[1]);
	bias = nn_weight(m, part_of(text, name, "bias"), LAYOUT_PLAIN, 0, columns);
	return nn_live(m) ? multiply_made(m, rounded, round_rows(m, w, limits), columns, bias->data,
									  activation)
					  : multiply_made(m, rounded, NULL, columns, NULL, activation);
}
