/*
 * vector_cast.c
 *	  Casts between tfm_vector and arrays of numbers, jsonb and json.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/vector.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

/* Read by its decimal digits, so that each number becomes the float nearest to it. */
static float
float_from_numeric(Numeric numeric)
{
	char *string = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(numeric)));
	char *end;
	float x;

	vector_parse_float(string, &end, &x, NULL);
	return x;
}

static float
float_from_double(double value)
{
	float x = (float) value;

	if (isinf(x) && !isinf(value))
		float_overflow_error();
	return x;
}

static float
float_from_element(Datum element, Oid type)
{
	switch (type)
	{
		case INT4OID:
			return (float) DatumGetInt32(element);
		case FLOAT4OID:
			return DatumGetFloat4(element);
		case FLOAT8OID:
			return float_from_double(DatumGetFloat8(element));
		case NUMERICOID:
			return float_from_numeric(DatumGetNumeric(element));
		default:
			elog(ERROR, "unexpected element type %u", type);
	}
}

/* integer[], real[], double precision[] or numeric[] to tfm_vector. */
PG_FUNCTION_INFO_V1(tfm_array_to_vector);
Datum
tfm_array_to_vector(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	Oid type = ARR_ELEMTYPE(array);
	TfmVector *result;
	Datum *elements;
	int16 length;
	bool by_value;
	char alignment;
	int count;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("array must have one dimension, not %d", ARR_NDIM(array))));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("array must not contain nulls")));

	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	deconstruct_array(array, type, length, by_value, alignment, &elements, NULL, &count);
	result = vector_new(count);
	vector_check_typmod(count, PG_GETARG_INT32(1), NULL);
	for (int i = 0; i < count; i++)
	{
		result->x[i] = float_from_element(elements[i], type);
		vector_check_element(result->x[i], NULL);
	}
	PG_RETURN_VECTOR_P(result);
}

PG_FUNCTION_INFO_V1(tfm_jsonb_to_vector);
Datum
tfm_jsonb_to_vector(PG_FUNCTION_ARGS)
{
	Jsonb *jsonb = PG_GETARG_JSONB_P(0);
	JsonbIterator *iterator = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue value;
	TfmVector *result;
	int count = 0;

	if (!JB_ROOT_IS_ARRAY(jsonb) || JB_ROOT_IS_SCALAR(jsonb))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("cannot cast jsonb to tfm_vector"),
						errdetail("It must be an array of numbers.")));
	result = vector_new(JB_ROOT_COUNT(jsonb));
	vector_check_typmod(result->dim, PG_GETARG_INT32(1), NULL);

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (value.type != jbvNumeric)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("cannot cast jsonb to tfm_vector"),
							errdetail("Element %d is not a number.", count + 1)));
		result->x[count++] = float_from_numeric(value.val.numeric);
	}
	PG_RETURN_VECTOR_P(result);
}

/* The text form of a vector is JSON. */
PG_FUNCTION_INFO_V1(tfm_vector_to_jsonb);
Datum
tfm_vector_to_jsonb(PG_FUNCTION_ARGS)
{
	char *string = vector_to_cstring(PG_GETARG_VECTOR_P(0));

	return DirectFunctionCall1(jsonb_in, CStringGetDatum(string));
}

PG_FUNCTION_INFO_V1(tfm_vector_to_json);
Datum
tfm_vector_to_json(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(vector_to_cstring(PG_GETARG_VECTOR_P(0))));
}

static Datum
real_from_float(float x)
{
	return Float4GetDatum(x);
}

static Datum
double_from_float(float x)
{
	return Float8GetDatum(x);
}

/* With all the digits that tell this float from others; the server's own cast keeps six. */
static Datum
numeric_from_float(float x)
{
	char string[FLOAT_SHORTEST_DECIMAL_LEN];

	float_to_shortest_decimal_buf(x, string);
	return DirectFunctionCall3(numeric_in, CStringGetDatum(string), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

static Datum
integer_from_float(float x)
{
	return DirectFunctionCall1(ftoi4, Float4GetDatum(x));
}

/* An array of the type, whose elements convert makes of the vector's. */
static Datum
array_from_vector(const TfmVector *vector, Oid type, Datum (*convert)(float))
{
	Datum *elements = palloc(sizeof(Datum) * vector->dim);
	int16 length;
	bool by_value;
	char alignment;

	for (int i = 0; i < vector->dim; i++)
		elements[i] = convert(vector->x[i]);
	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	return PointerGetDatum(
		construct_array(elements, vector->dim, type, length, by_value, alignment));
}

PG_FUNCTION_INFO_V1(tfm_vector_to_real_array);
Datum
tfm_vector_to_real_array(PG_FUNCTION_ARGS)
{
	return array_from_vector(PG_GETARG_VECTOR_P(0), FLOAT4OID, real_from_float);
}

PG_FUNCTION_INFO_V1(tfm_vector_to_double_array);
Datum
tfm_vector_to_double_array(PG_FUNCTION_ARGS)
{
	return array_from_vector(PG_GETARG_VECTOR_P(0), FLOAT8OID, double_from_float);
}

PG_FUNCTION_INFO_V1(tfm_vector_to_numeric_array);
Datum
tfm_vector_to_numeric_array(PG_FUNCTION_ARGS)
{
	return array_from_vector(PG_GETARG_VECTOR_P(0), NUMERICOID, numeric_from_float);
}

PG_FUNCTION_INFO_V1(tfm_vector_to_integer_array);
Datum
tfm_vector_to_integer_array(PG_FUNCTION_ARGS)
{
	return array_from_vector(PG_GETARG_VECTOR_P(0), INT4OID, integer_from_float);
}
