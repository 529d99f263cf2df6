/*
 * sinusoids.c
 *	  Positions as sines and cosines.
 *
 * Both ways of Transformers are followed to the bit of the angle, one in double and one in single
 * precision: at position 1000 the angles differ by a share of 1e-4.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/sinusoids.h"

#include <math.h>

/* Whether there are positions to compute with. */
static bool
has_positions(const nn_model *m, const tensor *x)
{
	return nn_live(m) && m->batch->positions != NULL && x->shape[0] == m->batch->tokens;
}

tensor
add_sinusoids(nn_model *m, tensor x, int64_t count)
{
	int64_t n = tensor_count(&x) == 0 ? 0 : x.shape[1], sines = (n + 1) / 2;

	if (!has_positions(m, &x))
		return x;
	for (int64_t t = 0; t < x.shape[0] && !tfm_stopped(m->context); t++)
	{
		float *row = (float *) x.data + t * n;
		int32_t position = m->batch->positions[t];

		if (position < 0 || position >= count)
		{
			tfm_fail(m->context, TFM_INVALID_ARGUMENT,
					 "position %d is out of range, the model has %lld", position,
					 (long long) count);
			return x;
		}
		for (int64_t j = 0; j < n; j++)
		{
			double angle = position / pow(10000.0, (double) (2 * (j / 2)) / (double) n);

			row[j / 2 + (j % 2) * sines] += (float) (j % 2 == 0 ? sin(angle) : cos(angle));
		}
	}
	return x;
}

tensor
add_fairseq_sinusoids(nn_model *m, tensor x, int64_t padding_id)
{
	int64_t n = tensor_count(&x) == 0 ? 0 : x.shape[1], half = n / 2;
	float step = half > 1 ? (float) -(log(10000.0) / (double) (half - 1)) : 0.0f;

	if (!has_positions(m, &x))
		return x;
	for (int64_t t = 0; t < x.shape[0] && !tfm_stopped(m->context); t++)
	{
		float *row = (float *) x.data + t * n;

		for (int64_t j = 0; j < half && m->batch->positions[t] != padding_id; j++)
		{
			float angle = (float) m->batch->positions[t] * expf((float) j * step);

			row[j] += (float) sin((double) angle);
			row[half + j] += (float) cos((double) angle);
		}
	}
	return x;
}
