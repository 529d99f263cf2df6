/*
 * arguments.c
 *	  Arguments of SQL functions as JSON, for the engine.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/arguments.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"

static void
append_strings(StringInfo to, const char *name, ArrayType *array)
{
	Datum *elements;
	bool *nulls;
	int count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	appendStringInfoChar(to, '[');
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("%s must not have NULLs", name));
		if (i > 0)
			appendStringInfoChar(to, ',');
		escape_json(to, TextDatumGetCString(elements[i]));
	}
	appendStringInfoChar(to, ']');
}

static void
append_numbers(StringInfo to, const char *name, ArrayType *array)
{
	Datum *elements;
	bool *nulls;
	int count;

	deconstruct_array(array, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements,
					  &nulls, &count);
	appendStringInfoChar(to, '[');
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("%s must not have NULLs", name));
		if (isnan(DatumGetFloat8(elements[i])) || isinf(DatumGetFloat8(elements[i])))
			ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("%s must be finite numbers", name));
		appendStringInfo(to, "%s%.17g", i > 0 ? "," : "", DatumGetFloat8(elements[i]));
	}
	appendStringInfoChar(to, ']');
}

void
arguments_append(StringInfo to, const char *name, Oid type, Datum value)
{
	Jsonb *document;

	switch (type)
	{
		case INT4OID:
			appendStringInfo(to, "%d", DatumGetInt32(value));
			break;
		case INT8OID:
			appendStringInfo(to, INT64_FORMAT, DatumGetInt64(value));
			break;
		case FLOAT8OID:
			appendStringInfoString(to, DatumGetCString(DirectFunctionCall1(float8out, value)));
			break;
		case BOOLOID:
			appendStringInfoString(to, DatumGetBool(value) ? "true" : "false");
			break;
		case TEXTARRAYOID:
			append_strings(to, name, DatumGetArrayTypeP(value));
			break;
		case FLOAT8ARRAYOID:
			append_numbers(to, name, DatumGetArrayTypeP(value));
			break;
		case JSONBOID:
			document = DatumGetJsonbP(value);
			JsonbToCString(to, &document->root, VARSIZE(document));
			break;
		case JSONOID:
			appendStringInfoString(to, TextDatumGetCString(value));
			break;
		case TEXTOID:
			escape_json(to, TextDatumGetCString(value));
			break;
		default:
			elog(ERROR, "argument \"%s\" has a type that is not known here", name);
	}
}
