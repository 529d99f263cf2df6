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

#include "pg/arguments.h"
#include "pg/border.h"
#include "pg/call.h"
#include "pg/executor.h"
#include "pg/settings.h"
#include "pg/stat.h"

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

static const struct
{
	const char *key;
	Oid type;
} named_arguments[GENERATE_ARGUMENTS] = {
	[MAX_NEW_TOKENS] = {"max_new_tokens", INT4OID},
	[TEMPERATURE] = {"temperature", FLOAT8OID},
	[TOP_K] = {"top_k", INT4OID},
	[TOP_P] = {"top_p", FLOAT8OID},
	[NUM_BEAMS] = {"num_beams", INT4OID},
	[SEED] = {"seed", INT8OID},
	[STOP] = {"stop_strings", TEXTARRAYOID},
	[JSON_SCHEMA] = {"json_schema", JSONBOID},
	[GRAMMAR] = {"grammar", TEXTOID},
	[REGEX] = {"regex", TEXTOID},
	[CHOICES] = {"choices", TEXTARRAYOID},
};

/*
 * Whether the arguments ask for sampling: 1 or 0, -1 if they do not say.  In Transformers
 * temperature and its like mean nothing without do_sample; who names them here wants them to.
 */
static int
wants_sampling(const NullableDatum *arguments)
{
	if (!arguments[TEMPERATURE].isnull)
		return DatumGetFloat8(arguments[TEMPERATURE].value) > 0;
	if (!arguments[TOP_K].isnull || !arguments[TOP_P].isnull || !arguments[SEED].isnull)
		return 1;
	return -1;
}

/* The named arguments as JSON. */
static char *
arguments_json(const NullableDatum *arguments)
{
	int sampling = wants_sampling(arguments);
	StringInfoData to;

	initStringInfo(&to);
	appendStringInfoChar(&to, '{');
	if (sampling >= 0)
		appendStringInfo(&to, "\"do_sample\":%s,", sampling ? "true" : "false");
	for (int i = 0; i < GENERATE_ARGUMENTS; i++)
	{
		const char *key = named_arguments[i].key;

		if (key == NULL || arguments[i].isnull || (i == TEMPERATURE && sampling == 0))
			continue;
		escape_json(&to, key);
		appendStringInfoChar(&to, ':');
		arguments_append(&to, key, named_arguments[i].type, arguments[i].value);
		appendStringInfoChar(&to, ',');
	}
	if (to.data[to.len - 1] == ',')
		to.len--;
	appendStringInfoChar(&to, '}');
	return to.data;
}

void
generate_read_arguments(tfm_context *context, const NullableDatum *arguments, tfm_text *object,
						tfm_text *options)
{
	char *named = arguments_json(arguments);

	*object = border_string(context, named, strlen(named));
	if (!arguments[OPTIONS].isnull)
		*options = border_jsonb(context, arguments[OPTIONS].value);
}

/* Bind the model and, where the arguments from first on name one, the assistant; whether they do. */
static bool
bind_models(FunctionCallInfo fcinfo, generate_site *site, const text *model, int first)
{
	bool assisted = first >= 0 && !PG_ARGISNULL(first + ASSISTANT_MODEL);

	registry_get(&site->model, site->owner, model, GENERATE_SETTING);
	if (assisted)
		registry_get(&site->assistant, site->owner, PG_GETARG_TEXT_PP(first + ASSISTANT_MODEL),
					 NULL);
	return assisted;
}

tfm_context *
generate_begin(FunctionCallInfo fcinfo, generate_site *site, const text *model, int first,
			   generate_request *request)
{
	bool assisted = bind_models(fcinfo, site, model, first);
	tfm_context *context = border_begin(site->model->name);

	*request = (generate_request) {.generator = registry_generator(context, site->model)};
	if (assisted && request->generator != NULL)
		request->assistant = registry_generator(context, site->assistant);
	if (first >= 0)
		generate_read_arguments(context, fcinfo->args + first, &request->arguments,
								&request->options);
	border_check(context);
	return context;
}

/* ---- tfm_generate ---- */

/* From argument 2 on: those that all generating functions have. */
static void
prepare_call(const call_site *site, tfm_context *context, const call_arguments *arguments,
			 task_call *call)
{
	generate_read_arguments(context, arguments->values + 2, &call->arguments, &call->options);
}

Datum
generate_make_text(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	return PointerGetDatum(border_to_text(answer->texts[row].data, answer->texts[row].length));
}

const call_function generate_functions[] = {
	{.symbol = "tfm_generate",
	 .kind = TASK_GENERATE,
	 .input = 1,
	 .assistant = 2 + ASSISTANT_MODEL,
	 .prepare = prepare_call,
	 .result = generate_make_text},
	{.symbol = "tfm_generate_default",
	 .kind = TASK_GENERATE,
	 .setting = GENERATE_SETTING,
	 .input = 0,
	 .result = generate_make_text},
	{0},
};

/* tfm_generate(model text, prompt text, ...) returns text */
CALL_ENTRY(tfm_generate)

/* tfm_generate(prompt text) returns text */
CALL_ENTRY(tfm_generate_default)

/* ---- Arrays of prompts ---- */

/* The first text of each prompt, in its place. */
static void
generate_texts(FunctionCallInfo fcinfo, const text *model, int first, text **texts, int count)
{
	generate_site *site = generate_site_of(fcinfo);
	bool assisted = bind_models(fcinfo, site, model, first);
	tfm_context *context = border_begin(site->model->name);
	tfm_text *inputs = tfm_alloc_array(context, count, sizeof(tfm_text));
	task_call call = {.kind = TASK_GENERATE, .inputs = inputs, .count = (size_t) count};
	task_answer answer;

	if (first >= 0)
		generate_read_arguments(context, fcinfo->args + first, &call.arguments, &call.options);
	border_check(context);
	for (int i = 0; i < count; i++)
		inputs[i] = border_text(context, texts[i]);
	executor_run(context, site->model, assisted ? site->assistant : NULL, &call, &answer);
	border_check(context);
	for (int i = 0; i < count; i++)
		texts[i] = border_to_text(answer.texts[i].data, answer.texts[i].length);
	border_end(context);
}

/* Generate for the elements of an array: an array of the same shape, with NULL where there was one. */
static ArrayType *
generate_array(FunctionCallInfo fcinfo, const text *model, ArrayType *prompts, int first)
{
	Datum *elements;
	text **texts;
	bool *nulls;
	int count, used = 0;

	deconstruct_array(prompts, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	texts = palloc(sizeof(text *) * (count + 1));
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			texts[used++] = DatumGetTextPP(elements[i]);
	if (used == 0)
		return prompts;
	generate_texts(fcinfo, model, first, texts, used);
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
	const char *kind = task_kind_name(TASK_GENERATE, NULL);
	stat_work work;
	tfm_text prompts;
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
	prompts = border_jsonb(context, PG_GETARG_DATUM(1));
	work = stat_begin(context, site->model, kind, 1);
	task_generate_ids(context, &request, prompts, output);
	stat_end(context, site->model, &work, kind, 1);
	border_check(context);
	object = border_to_cstring(output->data, output->length);
	border_end(context);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(object)));
}
