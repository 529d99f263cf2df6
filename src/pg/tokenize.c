/*
 * tokenize.c
 *	  Texts to tokens and back.
 *
 * Each function has a form with a model first and one that uses tfm.embed_model.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/border.h"
#include "pg/registry.h"
#include "pg/settings.h"
#include "task/tokenize.h"

PG_FUNCTION_INFO_V1(tfm_tokenize);
PG_FUNCTION_INFO_V1(tfm_tokens);
PG_FUNCTION_INFO_V1(tfm_count_tokens);
PG_FUNCTION_INFO_V1(tfm_detokenize);

/* The call's model: its first argument, or the default where the text is the only one. */
static const registry_handle *
use_model(FunctionCallInfo fcinfo)
{
	return registry_use(fcinfo, PG_NARGS() > 1 ? PG_GETARG_TEXT_PP(0) : NULL, EMBED_SETTING);
}

/* Tokens of the call's last argument; throws. */
static tfm_context *
tokenize(FunctionCallInfo fcinfo, bool offsets, task_tokens *tokens)
{
	const registry_handle *handle = use_model(fcinfo);
	tfm_context *context = border_begin(handle->name);
	tfm_text input = border_text(context, PG_GETARG_TEXT_PP(PG_NARGS() - 1));

	task_tokenize(context, handle->model, input, offsets, tokens);
	border_check(context);
	if (tokens->count > MaxArraySize)
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("text has more than %zu tokens", (size_t) MaxArraySize));
	return context;
}

/* tfm_tokenize([model text,] input text) returns integer[] */
Datum
tfm_tokenize(PG_FUNCTION_ARGS)
{
	task_tokens tokens;
	tfm_context *context = tokenize(fcinfo, false, &tokens);
	size_t size = ARR_OVERHEAD_NONULLS(1) + tokens.count * sizeof(int32);
	ArrayType *array;

	if (tokens.count == 0)
		array = construct_empty_array(INT4OID);
	else
	{
		array = palloc0(size);
		SET_VARSIZE(array, size);
		array->ndim = 1;
		array->elemtype = INT4OID;
		ARR_DIMS(array)[0] = (int) tokens.count;
		ARR_LBOUND(array)[0] = 1;
		memcpy(ARR_DATA_PTR(array), tokens.ids, tokens.count * sizeof(int32));
	}
	border_end(context);
	PG_RETURN_ARRAYTYPE_P(array);
}

/* tfm_count_tokens([model text,] input text) returns integer */
Datum
tfm_count_tokens(PG_FUNCTION_ARGS)
{
	task_tokens tokens;
	tfm_context *context = tokenize(fcinfo, false, &tokens);
	int32 count = (int32) tokens.count;

	border_end(context);
	PG_RETURN_INT32(count);
}

/* tfm_tokens([model text,] input text) returns table (id, token, start, end) */
Datum
tfm_tokens(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const run_model *model;
	tfm_context *context;
	task_tokens tokens;

	InitMaterializedSRF(fcinfo, 0);
	context = tokenize(fcinfo, true, &tokens);
	model = use_model(fcinfo)->model;
	for (size_t i = 0; i < tokens.count; i++)
	{
		const char *token = task_token(model, tokens.ids[i]);
		bool nulls[4] = {false, token == NULL, false, false};
		Datum values[4] = {
			Int32GetDatum(tokens.ids[i]),
			token != NULL ? PointerGetDatum(border_to_text(token, strlen(token))) : (Datum) 0,
			Int32GetDatum(tokens.starts[i]),
			Int32GetDatum(tokens.ends[i]),
		};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		if (token != NULL)
			pfree(DatumGetPointer(values[1]));
	}
	border_end(context);
	return (Datum) 0;
}

/* tfm_detokenize(model text, ids integer[], skip_special_tokens boolean) returns text */
Datum
tfm_detokenize(PG_FUNCTION_ARGS)
{
	const registry_handle *handle = registry_use(fcinfo, PG_GETARG_TEXT_PP(0), NULL);
	ArrayType *ids = PG_GETARG_ARRAYTYPE_P(1);
	tfm_context *context;
	tfm_text decoded;
	text *result;

	if (ARR_NDIM(ids) > 1)
		ereport(ERROR, errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				errmsg("token ids must be a one-dimensional array"));
	if (array_contains_nulls(ids))
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("token ids must not contain nulls"));
	context = border_begin(handle->name);
	task_detokenize(context, handle->model, (const int32_t *) ARR_DATA_PTR(ids),
					(size_t) ArrayGetNItems(ARR_NDIM(ids), ARR_DIMS(ids)), PG_GETARG_BOOL(2),
					&decoded);
	border_check(context);
	result = border_to_text(decoded.data, decoded.length);
	border_end(context);
	PG_RETURN_TEXT_P(result);
}
