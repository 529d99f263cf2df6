/*
 * alibi.c
 *	  Slopes of ALiBi.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/alibi.h"

#include <math.h>

/*
 * A geometric series for the largest power of two within heads; the others take every second slope
 * of the series for twice as many.
 */
float *
alibi_slopes(tfm_context *context, int heads)
{
	int power = (int) exp2(floor(log2(heads)));
	float base = (float) exp2(-exp2(-(log2(power) - 3)));
	float extra = (float) exp2(-exp2(-(log2(2 * power) - 3)));
	float *slopes = tfm_alloc_array(context, (size_t) heads, sizeof(float));

	if (slopes == NULL)
		return NULL;
	for (int i = 0; i < heads; i++)
		slopes[i] =
			i < power ? powf(base, (float) (i + 1)) : powf(extra, (float) (2 * (i - power) + 1));
	return slopes;
}
