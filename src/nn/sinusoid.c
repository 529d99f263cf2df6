/*
 * sinusoid.c
 *	  Positions as sines and cosines.
 *
 * Angles are float, as Transformers has them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/sinusoid.h"

#include <math.h>

/* [half] rates; NULL after an error. */
static float *
make_rates(tfm_context *context, const sinusoids *how, int64_t columns)
{
	int64_t half = columns / 2;
	float *rates = tfm_alloc_array(context, (size_t) half, sizeof(float));

	for (int64_t i = 0; rates != NULL && i < half; i++)
		rates[i] = how->base == 0 ? expf((float) i * how->step)
								  : 1 / powf((float) how->base, (float) (2 * i) / (float) columns);
	return rates;
}

tensor
add_sinusoids(nn_model *m, tensor x, const sinusoids *how)
{
	arena_mark mark = arena_save(m->context->arena);
	float *rates;

	if (!nn_live(m))
		return x;
	rates = make_rates(m->context, how, x.shape[1]);
	for (int64_t t = 0; rates != NULL && t < x.shape[0]; t++)
	{
		float *row = (float *) x.data + t * x.shape[1];
		int64_t half = x.shape[1] / 2, count = (int64_t) m->batch->positions[t] + how->first;

		if (count == how->zero)
			continue;
		for (int64_t i = 0; i < half; i++)
		{
			float angle = (float) count * rates[i];

			row[i] += sinf(angle);
			row[half + i] += cosf(angle);
		}
	}
	arena_restore(m->context->arena, mark);
	return x;
}
