/*
 * sinusoid.c
 *	  Positions as sines and cosines.
 *
 * Angles are of the precision that Transformers has: at position 1000 those of float differ from
 * those of double by a share of 1e-4.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/sinusoid.h"

#include <math.h>
#include <string.h>

/* Columns of sines; of an odd number of columns fairseq leaves the last one as it is. */
static int64_t
count_sines(const sinusoids *how, int64_t columns)
{
	return how->base == 0 ? columns / 2 : (columns + 1) / 2;
}

/* A rate for each sine; NULL after an error. */
static double *
make_rates(tfm_context *context, const sinusoids *how, int64_t columns)
{
	int64_t count = count_sines(how, columns);
	double *rates = tfm_alloc_array(context, (size_t) count, sizeof(double));

	for (int64_t i = 0; rates != NULL && i < count; i++)
	{
		if (how->precise)
			rates[i] = 1 / pow(how->base, (double) (2 * i) / (double) columns);
		else if (how->base == 0)
			rates[i] = (double) expf((float) i * how->step);
		else
			rates[i] = (double) (1 / powf((float) how->base, (float) (2 * i) / (float) columns));
	}
	return rates;
}

static void
add_row(const sinusoids *how, const double *rates, int64_t count, int64_t columns, float *row)
{
	int64_t sines = count_sines(how, columns);

	for (int64_t i = 0; i < sines; i++)
	{
		double angle = (double) count * rates[i];

		if (!how->precise)
			angle = (double) ((float) count * (float) rates[i]);
		row[i] += (float) sin(angle);
		if (i < columns / 2)
			row[sines + i] += (float) cos(angle);
	}
}

float
sinusoid_step(int64_t columns)
{
	int64_t half = columns / 2;

	return half > 1 ? (float) -(log(10000.0) / (double) (half - 1)) : 0.0f;
}

tensor
add_sinusoids(nn_model *m, tensor x, const sinusoids *how)
{
	arena_mark mark = arena_save(m->context->arena);
	double *rates;

	if (!nn_live(m))
		return x;
	rates = make_rates(m->context, how, x.shape[1]);
	for (int64_t t = 0; rates != NULL && t < x.shape[0]; t++)
	{
		int64_t count = (int64_t) m->batch->positions[t] + how->first;

		if (how->limit > 0 && (count < 0 || count >= how->limit))
		{
			tfm_fail(m->context, TFM_INVALID_ARGUMENT,
					 "position %lld is out of range, the model has %lld", (long long) count,
					 (long long) how->limit);
			break;
		}
		if (count != how->zero)
			add_row(how, rates, count, x.shape[1], (float *) x.data + t * x.shape[1]);
	}
	arena_restore(m->context->arena, mark);
	return x;
}

tensor
make_sinusoids(nn_model *m, int64_t first, int64_t count, int64_t columns)
{
	const sinusoids how = {.base = 10000};
	tensor y = nn_matrix(m, count, columns);
	double *rates;

	if (!nn_live(m))
		return y;
	rates = make_rates(m->context, &how, columns);
	memset(y.data, 0, (size_t) tensor_count(&y) * sizeof(float));
	for (int64_t row = 0; rates != NULL && row < count; row++)
		add_row(&how, rates, first + row, columns, (float *) y.data + row * columns);
	return y;
}
