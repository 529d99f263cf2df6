/*
 * vector.c
 *	  The type tfm_vector: making one, its text and binary forms, its type modifier.
 *
 * Operators are in vector_ops.c and vector_compare.c, aggregates in vector_agg.c, casts in
 * vector_cast.c.  Text and binary forms are pgvector's.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/vector.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/array.h"

#define SYNTAX_ERROR "invalid input syntax for type tfm_vector: \"%s\""

static bool
check_dim(int64 dim, Node *escontext)
{
	if (dim < 1)
		ereturn(
			escontext, false,
			(errcode(ERRCODE_DATA_EXCEPTION), errmsg("tfm_vector must have at least 1 dimension")));
	if (dim > VECTOR_MAX_DIM)
		ereturn(escontext, false,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("tfm_vector cannot have more than %d dimensions", VECTOR_MAX_DIM)));
	return true;
}

TfmVector *
vector_new(int64 dim)
{
	TfmVector *vector;

	check_dim(dim, NULL);
	vector = palloc0(VECTOR_SIZE(dim));
	SET_VARSIZE(vector, VECTOR_SIZE(dim));
	vector->dim = (int16) dim;
	return vector;
}

TfmVector *
vector_from_floats(const float *x, int64 dim)
{
	TfmVector *vector = vector_new(dim);

	for (int64 i = 0; i < dim; i++)
	{
		vector_check_element(x[i], NULL);
		vector->x[i] = x[i];
	}
	return vector;
}

bool
vector_check_element(float x, Node *escontext)
{
	if (isnan(x))
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION), errmsg("NaN not allowed in tfm_vector")));
	if (isinf(x))
		ereturn(
			escontext, false,
			(errcode(ERRCODE_DATA_EXCEPTION), errmsg("infinite value not allowed in tfm_vector")));
	return true;
}

bool
vector_check_typmod(int dim, int32 typmod, Node *escontext)
{
	if (typmod != -1 && typmod != dim)
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("expected %d dimensions, not %d", typmod, dim)));
	return true;
}

void
vector_check_same_dim(const TfmVector *a, const TfmVector *b)
{
	if (a->dim != b->dim)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("different vector dimensions %d and %d", a->dim, b->dim)));
}

char *
vector_to_cstring(const TfmVector *vector)
{
	char *string = palloc((size_t) vector->dim * FLOAT_SHORTEST_DECIMAL_LEN + 2);
	char *end = string;

	for (int i = 0; i < vector->dim; i++)
	{
		*end++ = i == 0 ? '[' : ',';
		end += float_to_shortest_decimal_bufn(vector->x[i], end);
	}
	*end++ = ']';
	*end = '\0';
	return string;
}

bool
vector_parse_float(const char *string, char **end, float *x, Node *escontext)
{
	errno = 0;
	*x = strtof(string, end);

	/* Too small a number is zero or denormal, as in pgvector; only too large a one is refused. */
	if (errno == ERANGE && isinf(*x))
		ereturn(escontext, false,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("\"%s\" is out of range for type tfm_vector",
						pnstrdup(string, *end - string))));
	return true;
}

static const char *
skip_space(const char *string)
{
	while (*string == ' ' || (*string >= '\t' && *string <= '\r'))
		string++;
	return string;
}

/*
 * Read as many elements as the vector has from a text, which begins after the opening bracket, and
 * the closing one.  Returns what follows it; NULL at a syntax error, or where escontext took one.
 */
static const char *
parse_elements(const char *string, TfmVector *vector, Node *escontext, bool *reported)
{
	for (int i = 0; i < vector->dim; i++)
	{
		char *end;

		string = skip_space(string);
		*reported = !vector_parse_float(string, &end, &vector->x[i], escontext);
		if (*reported || end == string)
			return NULL;
		*reported = !vector_check_element(vector->x[i], escontext);
		if (*reported)
			return NULL;
		string = skip_space(end);
		if (*string++ != (i + 1 < vector->dim ? ',' : ']'))
			return NULL;
	}
	return string;
}

/* How many elements a well-formed text has, which begins after the opening bracket. */
static int64
count_elements(const char *string)
{
	int64 count = 1;

	if (*skip_space(string) == ']')
		return 0;
	for (; *string != '\0'; string++)
		count += *string == ',';
	return count;
}

PG_FUNCTION_INFO_V1(tfm_vector_in);
Datum
tfm_vector_in(PG_FUNCTION_ARGS)
{
	const char *string = PG_GETARG_CSTRING(0);
	int32 typmod = PG_GETARG_INT32(2);
	Node *escontext = fcinfo->context;
	const char *rest = skip_space(string);
	bool reported = false;
	TfmVector *vector;
	int64 dim;

	if (*rest != '[')
		ereturn(escontext, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), errmsg(SYNTAX_ERROR, string),
				 errdetail("Vector contents must start with \"[\".")));

	dim = count_elements(++rest);
	if (!check_dim(dim, escontext))
		PG_RETURN_NULL();
	vector = vector_new(dim);
	rest = parse_elements(rest, vector, escontext, &reported);
	if (reported)
		PG_RETURN_NULL();
	if (rest == NULL)
		ereturn(escontext, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), errmsg(SYNTAX_ERROR, string)));
	if (*skip_space(rest) != '\0')
		ereturn(escontext, (Datum) 0,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), errmsg(SYNTAX_ERROR, string),
				 errdetail("Junk after closing bracket.")));
	if (!vector_check_typmod(vector->dim, typmod, escontext))
		PG_RETURN_NULL();
	PG_RETURN_VECTOR_P(vector);
}

PG_FUNCTION_INFO_V1(tfm_vector_out);
Datum
tfm_vector_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(vector_to_cstring(PG_GETARG_VECTOR_P(0)));
}

/* The binary form: int16 dimensions, int16 zero, float4 for each element. */
PG_FUNCTION_INFO_V1(tfm_vector_recv);
Datum
tfm_vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int32 typmod = PG_GETARG_INT32(2);
	int dim = (int16) pq_getmsgint(message, sizeof(int16));
	int unused = (int16) pq_getmsgint(message, sizeof(int16));
	TfmVector *vector = vector_new(dim);

	vector_check_typmod(dim, typmod, NULL);
	if (unused != 0)
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
						errmsg("expected unused to be 0, not %d", unused)));
	for (int i = 0; i < dim; i++)
	{
		vector->x[i] = pq_getmsgfloat4(message);
		vector_check_element(vector->x[i], NULL);
	}
	PG_RETURN_VECTOR_P(vector);
}

PG_FUNCTION_INFO_V1(tfm_vector_send);
Datum
tfm_vector_send(PG_FUNCTION_ARGS)
{
	TfmVector *vector = PG_GETARG_VECTOR_P(0);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendint16(&message, vector->dim);
	pq_sendint16(&message, vector->unused);
	for (int i = 0; i < vector->dim; i++)
		pq_sendfloat4(&message, vector->x[i]);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* The type modifier is the number of dimensions; "(384)" is what the server prints for it. */
PG_FUNCTION_INFO_V1(tfm_vector_typmod_in);
Datum
tfm_vector_typmod_in(PG_FUNCTION_ARGS)
{
	int count;
	int32 *typmods = ArrayGetIntegerTypmods(PG_GETARG_ARRAYTYPE_P(0), &count);

	if (count != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid type modifier"),
						errdetail("The type modifier of tfm_vector is its number of dimensions.")));
	if (*typmods < 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("dimensions for type tfm_vector must be at least 1")));
	if (*typmods > VECTOR_MAX_DIM)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("dimensions for type tfm_vector cannot exceed %d", VECTOR_MAX_DIM)));
	PG_RETURN_INT32(*typmods);
}

/* The cast that applies a type modifier: it checks, and changes nothing. */
PG_FUNCTION_INFO_V1(tfm_vector);
Datum
tfm_vector(PG_FUNCTION_ARGS)
{
	TfmVector *vector = PG_GETARG_VECTOR_P(0);

	vector_check_typmod(vector->dim, PG_GETARG_INT32(1), NULL);
	PG_RETURN_VECTOR_P(vector);
}
