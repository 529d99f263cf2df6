/*
 * pipeline.c
 *	  The SQL function tfm_pipeline, and what functions over single pipelines share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/pipeline.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/tuplestore.h"

#include "base/json.h"
#include "pg/arguments.h"
#include "pg/border.h"
#include "pg/generate.h"

/* ---- Arguments ---- */

/* Whether an argument is a parameter of the pipeline. */
static bool
is_parameter(const call_site *site, int argument)
{
	const call_function *f = site->function;

	return call_is_common(f, argument) && (f->setting != NULL || argument != f->model);
}

void
pipeline_prepare(const call_site *site, tfm_context *context, const call_arguments *arguments,
				 task_call *call)
{
	StringInfoData object;
	char separator = '{';

	initStringInfo(&object);
	for (int i = 0; i < call_argument_count(site); i++)
	{
		const char *name = call_argument_name(site, i);

		if (!is_parameter(site, i) || arguments->values[i].isnull)
			continue;
		if (strcmp(name, "options") == 0)
		{
			call->options = border_jsonb(context, arguments->values[i].value);
			continue;
		}
		appendStringInfoChar(&object, separator);
		separator = ',';
		escape_json(&object, name);
		appendStringInfoChar(&object, ':');
		arguments_append(&object, name, call_argument_type(site, i), arguments->values[i].value);
	}
	if (separator == '{')
		return;
	appendStringInfoChar(&object, '}');
	call->arguments = border_string(context, object.data, (size_t) object.len);
}

/* ---- Rows ---- */

/* A value as a column's text, palloc'ed in the database's encoding; NULL: it is NULL. */
static char *
value_text(tfm_context *context, json value)
{
	buffer *b;

	if (!json_present(value))
		return NULL;
	if (json_is_string(value))
		return border_to_cstring(json_as_string(value), strlen(json_as_string(value)));
	b = buffer_create(context);
	if (b != NULL)
		json_append(context, b, value);
	border_check(context);
	return border_to_cstring(b->data, b->length);
}

/* An array of texts as the text of a column of type text[]. */
static char *
array_text(tfm_context *context, json array)
{
	StringInfoData list;

	initStringInfo(&list);
	appendStringInfoChar(&list, '{');
	for (json value = json_first(array); json_present(value); value = json_next(value))
	{
		const char *element = value_text(context, value);

		if (list.len > 1)
			appendStringInfoChar(&list, ',');
		if (element == NULL)
		{
			appendStringInfoString(&list, "NULL");
			continue;
		}
		appendStringInfoChar(&list, '"');
		for (; *element != '\0'; element++)
		{
			if (*element == '"' || *element == '\\')
				appendStringInfoChar(&list, '\\');
			appendStringInfoChar(&list, *element);
		}
		appendStringInfoChar(&list, '"');
	}
	appendStringInfoChar(&list, '}');
	return list.data;
}

/* A row of an object; its first columns, as many as first says, are values. */
static HeapTuple
form_row(tfm_context *context, AttInMetadata *input, json object, char **values, int first)
{
	for (int i = first; i < input->tupdesc->natts; i++)
	{
		const FormData_pg_attribute *column = TupleDescAttr(input->tupdesc, i);
		json value = json_member(object, NameStr(column->attname));

		values[i] = column->atttypid == TEXTARRAYOID && json_is_array(value)
						? array_text(context, value)
						: value_text(context, value);
	}
	return BuildTupleFromCStrings(input, values);
}

Datum
pipeline_make_row(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	AttInMetadata *input = call_row_input(site);
	tfm_context *context = border_begin(site->model->name);
	tfm_text given = answer->texts[row];
	json result = json_parse(context, given.data, given.length, "result");
	HeapTuple tuple;

	border_check(context);
	if (json_is_array(result))
		result = json_first(result);
	tuple =
		form_row(context, input, result, palloc(sizeof(char *) * (Size) input->tupdesc->natts), 0);
	border_end(context);
	return HeapTupleGetDatum(tuple);
}

Datum
pipeline_make_text(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	tfm_context *context = border_begin(site->model->name);
	tfm_text given = answer->texts[row];
	json result = json_parse(context, given.data, given.length, "result");
	char *value;

	border_check(context);
	if (json_is_array(result))
		result = json_first(result);
	value = value_text(context, json_first(result));
	border_end(context);
	return CStringGetTextDatum(value == NULL ? "" : value);
}

Datum
pipeline_make_score(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	tfm_context *context = border_begin(site->model->name);
	tfm_text given = answer->texts[row];
	double score =
		json_double(context, json_parse(context, given.data, given.length, "result"), "score", 0);

	border_end(context);
	return Float8GetDatum(score);
}

/* Put the rows of one input's result into the set. */
static void
put_rows(const call_site *site, Tuplestorestate *set, AttInMetadata *input, const text *result,
		 int number)
{
	tfm_context *context = border_begin(site->model->name);
	tfm_text given = border_text(context, result);
	json objects = json_parse(context, given.data, given.length, "result");
	char **values = palloc(sizeof(char *) * (Size) input->tupdesc->natts);

	border_check(context);
	if (number > 0)
		values[0] = psprintf("%d", number);
	for (json object = json_is_array(objects) ? json_first(objects) : objects; json_present(object);
		 object = json_is_array(objects) ? json_next(object) : (json) {0})
		tuplestore_puttuple(set, form_row(context, input, object, values, number > 0 ? 1 : 0));
	border_end(context);
}

call_arguments *
pipeline_spread(const call_arguments *all, int input, int *count)
{
	ArrayType *array = DatumGetArrayTypeP(all->values[input].value);
	call_arguments *rows;
	Datum *elements;
	bool *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, count);
	rows = palloc(sizeof(call_arguments) * (Size) Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		NullableDatum *values = palloc(sizeof(NullableDatum) * (Size) all->count);

		memcpy(values, all->values, sizeof(NullableDatum) * (Size) all->count);
		values[input] = (NullableDatum) {.value = elements[i], .isnull = nulls[i]};
		rows[i] = (call_arguments) {.values = values, .count = all->count};
	}
	return rows;
}

Datum
pipeline_array(FunctionCallInfo fcinfo, const call_function *f)
{
	call_arguments all = {.values = fcinfo->args, .count = PG_NARGS()}, *rows;
	call_site *site = call_site_create(CurrentMemoryContext, f, fcinfo->flinfo->fn_oid);
	ArrayType *array;
	NullableDatum *results;
	Datum *texts;
	bool *nulls;
	int count;

	if (PG_ARGISNULL(f->input) || (f->setting == NULL && PG_ARGISNULL(f->model)))
		PG_RETURN_NULL();
	array = PG_GETARG_ARRAYTYPE_P(f->input);
	rows = pipeline_spread(&all, f->input, &count);
	results = palloc(sizeof(NullableDatum) * (Size) Max(count, 1));
	texts = palloc(sizeof(Datum) * (Size) Max(count, 1));
	nulls = palloc(sizeof(bool) * (Size) Max(count, 1));
	call_rows(site, rows, count, false, results);
	for (int i = 0; i < count; i++)
	{
		texts[i] = results[i].value;
		nulls[i] = results[i].isnull;
	}
	PG_RETURN_ARRAYTYPE_P(construct_md_array(texts, nulls, ARR_NDIM(array), ARR_DIMS(array),
											 ARR_LBOUND(array), TEXTOID, -1, false, TYPALIGN_INT));
}

Datum
pipeline_rows(FunctionCallInfo fcinfo, const call_function *f)
{
	call_function function = *f;
	call_arguments all = {.values = fcinfo->args, .count = PG_NARGS()}, *rows = &all;
	call_site *site = call_site_create(CurrentMemoryContext, &function, fcinfo->flinfo->fn_oid);
	bool numbered = call_argument_type(site, f->input) == TEXTARRAYOID;
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;
	NullableDatum *results;
	AttInMetadata *input;
	int count = 1;

	function.result = generate_make_text;
	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(f->input))
		return (Datum) 0;
	input = TupleDescGetAttInMetadata(set->setDesc);
	if (numbered)
		rows = pipeline_spread(&all, f->input, &count);
	results = palloc(sizeof(NullableDatum) * (Size) Max(count, 1));
	call_rows(site, rows, count, false, results);
	for (int i = 0; i < count; i++)
		if (!results[i].isnull)
			put_rows(site, set->setResult, input, DatumGetTextPP(results[i].value),
					 numbered ? i + 1 : 0);
	return (Datum) 0;
}

/* ---- tfm_pipeline ---- */

/* tfm_pipeline(task text, model text, inputs jsonb, options jsonb) */
static void
prepare_call(const call_site *site, tfm_context *context, const call_arguments *arguments,
			 task_call *call)
{
	call->task = TextDatumGetCString(arguments->values[0].value);
	if (!arguments->values[3].isnull)
		call->options = border_jsonb(context, arguments->values[3].value);
}

/* The same with inputs that are JSON as text, whose keys keep their order. */
static void
prepare_text(const call_site *site, tfm_context *context, const call_arguments *arguments,
			 task_call *call)
{
	prepare_call(site, context, arguments, call);
	call->is_json = true;
}

const call_function pipeline_functions[] = {
	{.symbol = "tfm_pipeline",
	 .kind = TASK_PIPELINE,
	 .model = 1,
	 .input = 2,
	 .is_json = true,
	 .prepare = prepare_call,
	 .result = generate_make_jsonb},
	{.symbol = "tfm_pipeline_text",
	 .kind = TASK_PIPELINE,
	 .model = 1,
	 .input = 2,
	 .prepare = prepare_text,
	 .result = generate_make_jsonb},
	{0},
};

/* tfm_pipeline(task text, model text, inputs jsonb, options jsonb) returns jsonb */
CALL_ENTRY(tfm_pipeline)

/* tfm_pipeline(task text, model text, inputs text, options jsonb) returns jsonb */
CALL_ENTRY(tfm_pipeline_text)
