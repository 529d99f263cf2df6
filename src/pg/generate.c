/*
 * generate.c
 *	  The SQL functions tfm_generate and tfm_generate_ids.
 *
 * Named arguments become a JSON object that the engine reads like the options: so there is one
 * reader for both, with GenerationConfig's names.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/generate.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "pg/border.h"
#include "pg/settings.h"

/* ---- Sites and arguments ---- */

generate_site *
generate_site_create(MemoryContext owner)
{
	generate_site *site = MemoryContextAllocZero(owner, sizeof(generate_site));

	site->owner = owner;
	return site;
}

generate_site *
generate_site_of(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = generate_site_create(fcinfo->flinfo->fn_mcxt);
	return fcinfo->flinfo->fn_extra;
}

/* The order of the named arguments. */
typedef enum argument
{
	MAX_NEW_TOKENS,
	TEMPERATURE,
	TOP_K,
	TOP_P,
	NUM_BEAMS,
	SEED,
	STOP,
	JSON_SCHEMA,
	GRAMMAR,
	REGEX,
	CHOICES,
	ASSISTANT_MODEL,
	OPTIONS
} argument;

static const char *const argument_keys[GENERATE_ARGUMENTS] = {
	[MAX_NEW_TOKENS] = "max_new_tokens",
	[TEMPERATURE] = "temperature",
	[TOP_K] = "top_k",
	[TOP_P] = "top_p",
	[NUM_BEAMS] = "num_beams",
	[SEED] = "seed",
	[STOP] = "stop_strings",
	[JSON_SCHEMA] = "json_schema",
	[GRAMMAR] = "grammar",
	[REGEX] = "regex",
	[CHOICES] = "choices",
};

static void
append_strings(StringInfo to, ArrayType *array)
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
					errmsg("stop and choices must not have NULLs"));
		if (i > 0)
			appendStringInfoChar(to, ',');
		escape_json(to, TextDatumGetCString(elements[i]));
	}
	appendStringInfoChar(to, ']');
}

static void
append_value(StringInfo to, FunctionCallInfo fcinfo, argument which, int number)
{
	Jsonb *document;

	switch (which)
	{
		case MAX_NEW_TOKENS:
		case TOP_K:
		case NUM_BEAMS:
			appendStringInfo(to, "%d", PG_GETARG_INT32(number));
			break;
		case SEED:
			appendStringInfo(to, INT64_FORMAT, PG_GETARG_INT64(number));
			break;
		case TEMPERATURE:
		case TOP_P:
			appendStringInfoString(
				to, DatumGetCString(DirectFunctionCall1(float8out, PG_GETARG_DATUM(number))));
			break;
		case STOP:
		case CHOICES:
			append_strings(to, PG_GETARG_ARRAYTYPE_P(number));
			break;
		case JSON_SCHEMA:
			document = PG_GETARG_JSONB_P(number);
			JsonbToCString(to, &document->root, VARSIZE(document));
			break;
		default:
			escape_json(to, text_to_cstring(PG_GETARG_TEXT_PP(number)));
	}
}

/*
 * Whether the arguments ask for sampling: 1 or 0, -1 if they do not say.  In Transformers
 * temperature and its like mean nothing without do_sample; who names them here wants them to.
 */
static int
wants_sampling(FunctionCallInfo fcinfo, int first)
{
	if (!PG_ARGISNULL(first + TEMPERATURE))
		return PG_GETARG_FLOAT8(first + TEMPERATURE) > 0;
	if (!PG_ARGISNULL(first + TOP_K) || !PG_ARGISNULL(first + TOP_P) || !PG_ARGISNULL(first + SEED))
		return 1;
	return -1;
}

/* The named arguments as JSON. */
static char *
arguments_json(FunctionCallInfo fcinfo, int first)
{
	int sampling = wants_sampling(fcinfo, first);
	StringInfoData to;

	initStringInfo(&to);
	appendStringInfoChar(&to, '{');
	if (sampling >= 0)
		appendStringInfo(&to, "\"do_sample\":%s,", sampling ? "true" : "false");
	for (int i = 0; i < GENERATE_ARGUMENTS; i++)
	{
		if (argument_keys[i] == NULL || PG_ARGISNULL(first + i) ||
			(i == TEMPERATURE && sampling == 0))
			continue;
		escape_json(&to, argument_keys[i]);
		appendStringInfoChar(&to, ':');
		append_value(&to, fcinfo, (argument) i, first + i);
		appendStringInfoChar(&to, ',');
	}
	if (to.data[to.len - 1] == ',')
		to.len--;
	appendStringInfoChar(&to, '}');
	return to.data;
}

tfm_context *
generate_begin(FunctionCallInfo fcinfo, generate_site *site, const text *model, int first,
			   generate_request *request)
{
	bool assisted = first >= 0 && !PG_ARGISNULL(first + ASSISTANT_MODEL);
	const registry_handle *handle =
		registry_get(&site->model, site->owner, model, GENERATE_SETTING);
	tfm_context *context;

	if (assisted)
		registry_get(&site->assistant, site->owner, PG_GETARG_TEXT_PP(first + ASSISTANT_MODEL),
					 NULL);
	context = border_begin(handle->name);
	*request = (generate_request) {.generator = registry_generator(context, handle)};
	if (assisted && request->generator != NULL)
		request->assistant = registry_generator(context, site->assistant);
	if (first >= 0)
	{
		char *object = arguments_json(fcinfo, first);

		request->arguments = border_string(context, object, strlen(object));
		if (!PG_ARGISNULL(first + OPTIONS))
			request->options = border_jsonb(context, PG_GETARG_DATUM(first + OPTIONS));
	}
	border_check(context);
	return context;
}

/* ---- tfm_generate ---- */

/* The first text of each prompt, as texts. */
static void
generate_texts(tfm_context *context, const generate_request *request, text **prompts, int count,
			   text **texts)
{
	tfm_text *inputs = tfm_alloc_array(context, count, sizeof(tfm_text));
	generate_result *results;
	size_t made;

	border_check(context);
	for (int i = 0; i < count; i++)
		inputs[i] = border_text(context, prompts[i]);
	task_generate(context, request, inputs, count, &results, &made);
	border_check(context);
	for (size_t i = made; i-- > 0;)
		texts[results[i].prompt] = border_to_text(results[i].text.data, results[i].text.length);
}

static text *
generate_text(FunctionCallInfo fcinfo, const text *model, text *prompt, int first)
{
	generate_request request;
	tfm_context *context = generate_begin(fcinfo, generate_site_of(fcinfo), model, first, &request);
	text *result;

	generate_texts(context, &request, &prompt, 1, &result);
	border_end(context);
	return result;
}

/* tfm_generate(model text, prompt text, ...) returns text */
PG_FUNCTION_INFO_V1(tfm_generate);
Datum
tfm_generate(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(generate_text(fcinfo, PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1), 2));
}

/* tfm_generate(prompt text) returns text */
PG_FUNCTION_INFO_V1(tfm_generate_default);
Datum
tfm_generate_default(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(generate_text(fcinfo, NULL, PG_GETARG_TEXT_PP(0), -1));
}

/* Generate for the elements of an array: an array of the same shape, with NULL where there was one. */
static ArrayType *
generate_array(FunctionCallInfo fcinfo, const text *model, ArrayType *prompts, int first)
{
	Datum *elements;
	text **texts;
	bool *nulls;
	int count, used = 0;
	generate_request request;
	tfm_context *context;

	deconstruct_array(prompts, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	texts = palloc(sizeof(text *) * (count + 1));
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			texts[used++] = DatumGetTextPP(elements[i]);
	if (used == 0)
		return prompts;
	context = generate_begin(fcinfo, generate_site_of(fcinfo), model, first, &request);
	generate_texts(context, &request, texts, used, texts);
	border_end(context);
	used = 0;
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			elements[i] = PointerGetDatum(texts[used++]);
	return construct_md_array(elements, nulls, ARR_NDIM(prompts), ARR_DIMS(prompts),
							  ARR_LBOUND(prompts), TEXTOID, -1, false, TYPALIGN_INT);
}

/* tfm_generate(model text, prompts text[], ...) returns text[] */
PG_FUNCTION_INFO_V1(tfm_generate_array);
Datum
tfm_generate_array(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_ARRAYTYPE_P(
		generate_array(fcinfo, PG_GETARG_TEXT_PP(0), PG_GETARG_ARRAYTYPE_P(1), 2));
}

/* tfm_generate(prompts text[]) returns text[] */
PG_FUNCTION_INFO_V1(tfm_generate_array_default);
Datum
tfm_generate_array_default(PG_FUNCTION_ARGS)
{
	PG_RETURN_ARRAYTYPE_P(generate_array(fcinfo, NULL, PG_GETARG_ARRAYTYPE_P(0), -1));
}

/* ---- tfm_generate_ids ---- */

/* tfm_generate_ids(model text, prompts jsonb, options jsonb, assistant_model text) returns jsonb */
PG_FUNCTION_INFO_V1(tfm_generate_ids);
Datum
tfm_generate_ids(PG_FUNCTION_ARGS)
{
	generate_site *site;
	generate_request request;
	tfm_context *context;
	buffer *output;
	char *object;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	site = generate_site_of(fcinfo);
	if (!PG_ARGISNULL(3))
		registry_get(&site->assistant, site->owner, PG_GETARG_TEXT_PP(3), NULL);
	context = generate_begin(fcinfo, site, PG_GETARG_TEXT_PP(0), -1, &request);
	if (!PG_ARGISNULL(3))
		request.assistant = registry_generator(context, site->assistant);
	if (!PG_ARGISNULL(2))
		request.options = border_jsonb(context, PG_GETARG_DATUM(2));
	output = buffer_create(context);
	border_check(context);
	task_generate_ids(context, &request, border_jsonb(context, PG_GETARG_DATUM(1)), output);
	border_check(context);
	object = border_to_cstring(output->data, output->length);
	border_end(context);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(object)));
}
