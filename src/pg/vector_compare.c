/*
 * vector_compare.c
 *	  Order, equality and hash of tfm_vector, for btree and hash operator classes.
 *
 * Vectors are ordered by their first different element, then by their number of dimensions.  0 and
 * -0 are equal.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/vector.h"

#include "common/hashfn.h"

static int
compare_vectors(const TfmVector *a, const TfmVector *b)
{
	int dim = Min(a->dim, b->dim);

	for (int i = 0; i < dim; i++)
	{
		if (a->x[i] < b->x[i])
			return -1;
		if (a->x[i] > b->x[i])
			return 1;
	}
	return (a->dim > b->dim) - (a->dim < b->dim);
}

/* Compare two arguments, and give back what detoasting copied: an index keeps its memory long. */
static int
compare_arguments(FunctionCallInfo fcinfo)
{
	TfmVector *a = PG_GETARG_VECTOR_P(0);
	TfmVector *b = PG_GETARG_VECTOR_P(1);
	int order = compare_vectors(a, b);

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

PG_FUNCTION_INFO_V1(tfm_vector_lt);
Datum
tfm_vector_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

PG_FUNCTION_INFO_V1(tfm_vector_le);
Datum
tfm_vector_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

PG_FUNCTION_INFO_V1(tfm_vector_eq);
Datum
tfm_vector_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

PG_FUNCTION_INFO_V1(tfm_vector_ne);
Datum
tfm_vector_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

PG_FUNCTION_INFO_V1(tfm_vector_ge);
Datum
tfm_vector_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

PG_FUNCTION_INFO_V1(tfm_vector_gt);
Datum
tfm_vector_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

PG_FUNCTION_INFO_V1(tfm_vector_cmp);
Datum
tfm_vector_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

/* A copy whose bytes are equal where vectors are: -0 becomes 0. */
static TfmVector *
copy_for_hash(const TfmVector *vector)
{
	TfmVector *copy = vector_new(vector->dim);

	for (int i = 0; i < vector->dim; i++)
		copy->x[i] = vector->x[i] == 0 ? 0 : vector->x[i];
	return copy;
}

PG_FUNCTION_INFO_V1(tfm_vector_hash);
Datum
tfm_vector_hash(PG_FUNCTION_ARGS)
{
	TfmVector *copy = copy_for_hash(PG_GETARG_VECTOR_P(0));

	return hash_any((unsigned char *) copy->x, (int) sizeof(float) * copy->dim);
}

PG_FUNCTION_INFO_V1(tfm_vector_hash_extended);
Datum
tfm_vector_hash_extended(PG_FUNCTION_ARGS)
{
	TfmVector *copy = copy_for_hash(PG_GETARG_VECTOR_P(0));

	return hash_any_extended((unsigned char *) copy->x, (int) sizeof(float) * copy->dim,
							 (uint64) PG_GETARG_INT64(1));
}
