/*
 * position_bias.c
 *	  T5's relative position bias (Raffel et al. 2019).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/position_bias.h"

#include <math.h>
#include <stdio.h>

int
position_bucket(int64_t distance, const position_buckets *b)
{
	int buckets = b->bidirectional ? b->buckets / 2 : b->buckets;
	int first = b->bidirectional && distance > 0 ? buckets : 0;
	int64_t n = distance > 0 ? (b->bidirectional ? distance : 0) : -distance;
	int exact = buckets / 2;
	int bucket;

	if (n < exact)
		return first + (int) n;
	/* In f32 as Transformers does it: a bucket's border may fall on a whole distance. */
	bucket =
		exact + (int) (logf((float) n / (float) exact) /
					   (float) log((double) b->max_distance / exact) * (float) (buckets - exact));
	return first + (bucket < buckets ? bucket : buckets - 1);
}

int64_t
position_span(const nn_batch *batch)
{
	int64_t longest = 1;

	if (batch->columns == NULL)
		return batch->tokens > 0 ? batch->tokens : 1;
	for (int64_t t = 0; t < batch->tokens; t++)
		if (batch->columns[t] >= longest)
			longest = batch->columns[t] + 1;
	return longest;
}

tensor
position_bias(nn_model *m, const char *name, const position_buckets *b)
{
	char weight_name[NN_NAME_MAX];
	int64_t span = position_span(m->batch);
	const weight *w;
	tensor bias;

	/* farther ones have the last bucket, which is what attention takes beyond the table */
	if (span > b->max_distance + 1)
		span = b->max_distance + 1;

	snprintf(weight_name, sizeof(weight_name), "%s.weight", name);
	w = nn_weight(m, weight_name, LAYOUT_PLAIN, -1, b->heads);
	if (w == NULL)
		return (tensor) {0};
	if (w->shape[0] < b->buckets)
	{
		tfm_fail(m->context, TFM_CORRUPTED, "tensor \"%s\" has %lld rows instead of %d",
				 weight_name, (long long) w->shape[0], b->buckets);
		return (tensor) {0};
	}
	bias = nn_matrix(m, b->heads, 2 * span - 1);
	if (!nn_live(m))
		return bias;
	for (int64_t d = 1 - span; d < span; d++)
	{
		const float *row = (const float *) w->data + (int64_t) position_bucket(d, b) * b->heads;

		for (int h = 0; h < b->heads; h++)
			((float *) bias.data)[h * (2 * span - 1) + d + span - 1] = row[h];
	}
	return bias;
}
