/*
 * vector_ops.c
 *	  Distances, arithmetic and the small functions over tfm_vector.
 *
 * Sums are taken in double precision, in a fixed order, so that a distance neither overflows nor
 * depends on how the compiler arranges the loop.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/vector.h"

#include <math.h>

#include "utils/float.h"

/* Independent sums keep the processor busy where one would wait for each addition. */
#define LANES 8

static double
sum_lanes(const double *lane)
{
	return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
		   ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

static double
dot_product(const float *a, const float *b, int dim)
{
	double lane[LANES] = {0};
	int i = 0;

	for (; i + LANES <= dim; i += LANES)
		for (int j = 0; j < LANES; j++)
			lane[j] += (double) a[i + j] * b[i + j];
	for (int j = 0; i < dim; i++, j++)
		lane[j] += (double) a[i] * b[i];
	return sum_lanes(lane);
}

static double
squared_distance(const float *a, const float *b, int dim)
{
	double lane[LANES] = {0};
	int i = 0;

	for (; i + LANES <= dim; i += LANES)
		for (int j = 0; j < LANES; j++)
		{
			double difference = (double) a[i + j] - b[i + j];

			lane[j] += difference * difference;
		}
	for (int j = 0; i < dim; i++, j++)
		lane[j] += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
	return sum_lanes(lane);
}

static double
absolute_distance(const float *a, const float *b, int dim)
{
	double lane[LANES] = {0};
	int i = 0;

	for (; i + LANES <= dim; i += LANES)
		for (int j = 0; j < LANES; j++)
			lane[j] += fabs((double) a[i + j] - b[i + j]);
	for (int j = 0; i < dim; i++, j++)
		lane[j] += fabs((double) a[i] - b[i]);
	return sum_lanes(lane);
}

double
vector_cosine_similarity(const float *a, const float *b, int dim)
{
	double product[LANES] = {0};
	double square_a[LANES] = {0};
	double square_b[LANES] = {0};
	double similarity;
	int i = 0;

	for (; i + LANES <= dim; i += LANES)
		for (int j = 0; j < LANES; j++)
		{
			product[j] += (double) a[i + j] * b[i + j];
			square_a[j] += (double) a[i + j] * a[i + j];
			square_b[j] += (double) b[i + j] * b[i + j];
		}
	for (int j = 0; i < dim; i++, j++)
	{
		product[j] += (double) a[i] * b[i];
		square_a[j] += (double) a[i] * a[i];
		square_b[j] += (double) b[i] * b[i];
	}
	similarity = sum_lanes(product) / sqrt(sum_lanes(square_a) * sum_lanes(square_b));

	/* Rounding may lead a little out of range; NaN, from a zero vector, stays. */
	if (similarity > 1)
		return 1;
	if (similarity < -1)
		return -1;
	return similarity;
}

/* The operator <-> */
PG_FUNCTION_INFO_V1(tfm_l2_distance);
Datum
tfm_l2_distance(PG_FUNCTION_ARGS)
{
	TfmVector *a = PG_GETARG_VECTOR_P(0);
	TfmVector *b = PG_GETARG_VECTOR_P(1);

	vector_check_same_dim(a, b);
	PG_RETURN_FLOAT8(sqrt(squared_distance(a->x, b->x, a->dim)));
}

/* The operator <#>; negative, because an index scan goes from the smallest value up. */
PG_FUNCTION_INFO_V1(tfm_negative_inner_product);
Datum
tfm_negative_inner_product(PG_FUNCTION_ARGS)
{
	TfmVector *a = PG_GETARG_VECTOR_P(0);
	TfmVector *b = PG_GETARG_VECTOR_P(1);

	vector_check_same_dim(a, b);
	PG_RETURN_FLOAT8(-dot_product(a->x, b->x, a->dim));
}

/* The operator <=>; NaN where a vector is zero. */
PG_FUNCTION_INFO_V1(tfm_cosine_distance);
Datum
tfm_cosine_distance(PG_FUNCTION_ARGS)
{
	TfmVector *a = PG_GETARG_VECTOR_P(0);
	TfmVector *b = PG_GETARG_VECTOR_P(1);

	vector_check_same_dim(a, b);
	PG_RETURN_FLOAT8(1 - vector_cosine_similarity(a->x, b->x, a->dim));
}

/* The operator <+> */
PG_FUNCTION_INFO_V1(tfm_l1_distance);
Datum
tfm_l1_distance(PG_FUNCTION_ARGS)
{
	TfmVector *a = PG_GETARG_VECTOR_P(0);
	TfmVector *b = PG_GETARG_VECTOR_P(1);

	vector_check_same_dim(a, b);
	PG_RETURN_FLOAT8(absolute_distance(a->x, b->x, a->dim));
}

PG_FUNCTION_INFO_V1(tfm_vector_add);
Datum
tfm_vector_add(PG_FUNCTION_ARGS)
{
	TfmVector *a = PG_GETARG_VECTOR_P(0);
	TfmVector *b = PG_GETARG_VECTOR_P(1);
	TfmVector *result;

	vector_check_same_dim(a, b);
	result = vector_new(a->dim);
	for (int i = 0; i < a->dim; i++)
	{
		result->x[i] = a->x[i] + b->x[i];
		if (unlikely(isinf(result->x[i])))
			float_overflow_error();
	}
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(tfm_vector_sub);
Datum
tfm_vector_sub(PG_FUNCTION_ARGS)
{
	TfmVector *a = PG_GETARG_VECTOR_P(0);
	TfmVector *b = PG_GETARG_VECTOR_P(1);
	TfmVector *result;

	vector_check_same_dim(a, b);
	result = vector_new(a->dim);
	for (int i = 0; i < a->dim; i++)
	{
		result->x[i] = a->x[i] - b->x[i];
		if (unlikely(isinf(result->x[i])))
			float_overflow_error();
	}
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(tfm_vector_mul);
Datum
tfm_vector_mul(PG_FUNCTION_ARGS)
{
	TfmVector *a = PG_GETARG_VECTOR_P(0);
	TfmVector *b = PG_GETARG_VECTOR_P(1);
	TfmVector *result;

	vector_check_same_dim(a, b);
	result = vector_new(a->dim);
	for (int i = 0; i < a->dim; i++)
	{
		result->x[i] = a->x[i] * b->x[i];
		if (unlikely(isinf(result->x[i])))
			float_overflow_error();
		if (unlikely(result->x[i] == 0) && a->x[i] != 0 && b->x[i] != 0)
			float_underflow_error();
	}
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(tfm_vector_concat);
Datum
tfm_vector_concat(PG_FUNCTION_ARGS)
{
	TfmVector *a = PG_GETARG_VECTOR_P(0);
	TfmVector *b = PG_GETARG_VECTOR_P(1);
	TfmVector *result = vector_new((int64) a->dim + b->dim);

	memcpy(result->x, a->x, sizeof(float) * a->dim);
	memcpy(result->x + a->dim, b->x, sizeof(float) * b->dim);
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(tfm_vector_dims);
Datum
tfm_vector_dims(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(PG_GETARG_VECTOR_P(0)->dim);
}

PG_FUNCTION_INFO_V1(tfm_vector_norm);
Datum
tfm_vector_norm(PG_FUNCTION_ARGS)
{
	TfmVector *vector = PG_GETARG_VECTOR_P(0);

	PG_RETURN_FLOAT8(sqrt(dot_product(vector->x, vector->x, vector->dim)));
}

/* A zero vector stays zero. */
PG_FUNCTION_INFO_V1(tfm_vector_normalize);
Datum
tfm_vector_normalize(PG_FUNCTION_ARGS)
{
	TfmVector *vector = PG_GETARG_VECTOR_P(0);
	TfmVector *result = vector_new(vector->dim);
	double norm = sqrt(dot_product(vector->x, vector->x, vector->dim));

	if (norm > 0)
		for (int i = 0; i < vector->dim; i++)
			result->x[i] = (float) (vector->x[i] / norm);
	PG_RETURN_VECTOR_P(result);
}

/* Elements start to start + count - 1, counted from 1; as substring() does, cut at both ends. */
PG_FUNCTION_INFO_V1(tfm_vector_subvector);
Datum
tfm_vector_subvector(PG_FUNCTION_ARGS)
{
	TfmVector *vector = PG_GETARG_VECTOR_P(0);
	int64 start = PG_GETARG_INT32(1);
	int64 end = start + PG_GETARG_INT32(2);
	TfmVector *result;

	start = Max(start, 1);
	end = Min(end, (int64) vector->dim + 1);
	result = vector_new(end - start);
	memcpy(result->x, vector->x + start - 1, sizeof(float) * result->dim);
	PG_RETURN_VECTOR_P(result);
}
