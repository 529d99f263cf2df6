/*
 * vector_agg.c
 *	  The aggregates avg and sum over tfm_vector.
 *
 * Their state is a float8 array: the number of vectors, then the sum of each element.  It starts as
 * {0} and gets its length from the first vector.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/vector.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/float.h"

static double *
state_values(ArrayType *state)
{
	return (double *) ARR_DATA_PTR(state);
}

/* The state of an argument; the functions can be called by anybody, so it is checked. */
static ArrayType *
read_state(FunctionCallInfo fcinfo, int argument)
{
	ArrayType *state = PG_GETARG_ARRAYTYPE_P(argument);

	if (ARR_NDIM(state) != 1 || ARR_DIMS(state)[0] < 1 || ARR_HASNULL(state) ||
		ARR_ELEMTYPE(state) != FLOAT8OID ||
		(state_values(state)[0] > 0) != (ARR_DIMS(state)[0] > 1) ||
		ARR_DIMS(state)[0] > VECTOR_MAX_DIM + 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid state of an aggregate over tfm_vector")));
	return state;
}

static int
state_dim(const ArrayType *state)
{
	return ARR_DIMS(state)[0] - 1;
}

static ArrayType *
new_state(int dim)
{
	int count = dim + 1;
	size_t size = ARR_OVERHEAD_NONULLS(1) + sizeof(double) * count;
	ArrayType *state = palloc0(size);

	SET_VARSIZE(state, size);
	state->ndim = 1;
	state->elemtype = FLOAT8OID;
	ARR_DIMS(state)[0] = count;
	ARR_LBOUND(state)[0] = 1;
	return state;
}

/*
 * The state to add dim elements to: that of the first argument itself where an aggregate calls,
 * which owns it, else a copy.
 */
static ArrayType *
writable_state(FunctionCallInfo fcinfo, int dim)
{
	ArrayType *state = read_state(fcinfo, 0);
	ArrayType *copy;

	if (state_dim(state) == 0)
		return new_state(dim);
	if (state_dim(state) != dim)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("expected %d dimensions, not %d", state_dim(state), dim)));
	if (AggCheckCallContext(fcinfo, NULL))
		return state;
	copy = new_state(dim);
	memcpy(state_values(copy), state_values(state), sizeof(double) * (dim + 1));
	return copy;
}

PG_FUNCTION_INFO_V1(tfm_vector_accum);
Datum
tfm_vector_accum(PG_FUNCTION_ARGS)
{
	TfmVector *vector = PG_GETARG_VECTOR_P(1);
	ArrayType *state = writable_state(fcinfo, vector->dim);
	double *values = state_values(state);

	values[0] += 1;
	for (int i = 0; i < vector->dim; i++)
		values[i + 1] += vector->x[i];
	PG_RETURN_ARRAYTYPE_P(state);
}

PG_FUNCTION_INFO_V1(tfm_vector_combine);
Datum
tfm_vector_combine(PG_FUNCTION_ARGS)
{
	ArrayType *other = read_state(fcinfo, 1);
	ArrayType *state;

	if (state_dim(other) == 0)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	state = writable_state(fcinfo, state_dim(other));
	for (int i = 0; i <= state_dim(other); i++)
		state_values(state)[i] += state_values(other)[i];
	PG_RETURN_ARRAYTYPE_P(state);
}

/* The sums divided by divisor, as a vector. */
static TfmVector *
divide_sums(ArrayType *state, double divisor)
{
	TfmVector *result = vector_new(state_dim(state));

	for (int i = 0; i < result->dim; i++)
	{
		result->x[i] = (float) (state_values(state)[i + 1] / divisor);
		if (unlikely(isinf(result->x[i])))
			float_overflow_error();
		vector_check_element(result->x[i], NULL);
	}
	return result;
}

PG_FUNCTION_INFO_V1(tfm_vector_avg);
Datum
tfm_vector_avg(PG_FUNCTION_ARGS)
{
	ArrayType *state = read_state(fcinfo, 0);

	if (state_dim(state) == 0)
		PG_RETURN_NULL();
	PG_RETURN_VECTOR_P(divide_sums(state, state_values(state)[0]));
}

PG_FUNCTION_INFO_V1(tfm_vector_sum);
Datum
tfm_vector_sum(PG_FUNCTION_ARGS)
{
	ArrayType *state = read_state(fcinfo, 0);

	if (state_dim(state) == 0)
		PG_RETURN_NULL();
	PG_RETURN_VECTOR_P(divide_sums(state, 1));
}
