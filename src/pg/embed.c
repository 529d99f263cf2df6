/*
 * embed.c
 *	  The SQL functions tfm_embed and tfm_similarity.
 *
 * A function without a model takes that of the setting tfm.embed_model, and no options.  The
 * aggregate is in embed_agg.c, the trigger in embed_trigger.c.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/embed.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "pg/border.h"
#include "pg/call.h"
#include "pg/executor.h"

static const embed_values no_options = {.normalize = -1};

/* A text as the zero-terminated UTF-8 that the engine takes for an option; NULL stays NULL. */
static const char *
option_string(tfm_context *context, const text *value)
{
	tfm_text string;

	if (value == NULL)
		return NULL;
	string = border_text(context, value);
	return tfm_strndup(context, string.data, string.length);
}

static embed_options
to_engine_options(tfm_context *context, const embed_values *values)
{
	embed_options options = EMBED_DEFAULTS;

	options.pooling = option_string(context, values->pooling);
	options.normalize = values->normalize;
	options.dimensions = values->dimensions;
	options.prompt = option_string(context, values->prompt);
	border_check(context);
	return options;
}

/* A vector holds finite numbers only; weights that overflow do not give them. */
static void
check_finite(const registry_handle *model, const float *embeddings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!isfinite(embeddings[i]))
			ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
							errmsg("model \"%s\" gives an embedding that is NaN or infinite",
								   model->name)));
}

/* Embed as many texts as fit one call of the engine. */
static void
embed_batch(const registry_handle *model, text **texts, int first, int count,
			const embed_values *values, embed_sink sink, void *argument)
{
	tfm_context *context = border_begin(model->name);
	tfm_text *inputs = tfm_alloc_array(context, count, sizeof(tfm_text));
	task_call call = {.kind = TASK_EMBED,
					  .embed = to_engine_options(context, values),
					  .inputs = inputs,
					  .count = (size_t) count};
	task_answer answer;

	border_check(context);
	for (int i = 0; i < count; i++)
		inputs[i] = border_text(context, texts[first + i]);
	executor_run(context, model, NULL, &call, &answer);
	border_check(context);
	check_finite(model, answer.values, (size_t) count * answer.columns);
	for (int i = 0; i < count; i++)
		sink(argument, first + i, answer.values + (size_t) i * answer.columns, answer.columns);
	border_end(context);
}

void
embed_texts(const registry_handle *model, text **texts, int count, const embed_values *values,
			embed_sink sink, void *argument)
{
	if (values == NULL)
		values = &no_options;
	for (int first = 0; first < count; first += CALL_PORTION)
		embed_batch(model, texts, first, Min(count - first, CALL_PORTION), values, sink, argument);
}

/* Keeps embeddings as vectors; argument is where the pointers go. */
static void
keep_vector(void *argument, int row, const float *embedding, int dimensions)
{
	TfmVector **vectors = argument;

	vectors[row] = vector_from_floats(embedding, dimensions);
}

TfmVector *
embed_text(const registry_handle *model, text *input)
{
	TfmVector *vector;

	embed_texts(model, &input, 1, NULL, keep_vector, &vector);
	return vector;
}

/* Four arguments: pooling, normalize, dimensions, prompt. */
static embed_values
read_options(const NullableDatum *arguments)
{
	embed_values values = no_options;

	if (!arguments[0].isnull)
		values.pooling = DatumGetTextPP(arguments[0].value);
	if (!arguments[1].isnull)
		values.normalize = DatumGetBool(arguments[1].value);
	if (!arguments[2].isnull)
	{
		values.dimensions = DatumGetInt32(arguments[2].value);
		if (values.dimensions < 1)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("dimensions must be at least 1, not %d", values.dimensions)));
	}
	if (!arguments[3].isnull)
		values.prompt = DatumGetTextPP(arguments[3].value);
	return values;
}

bool
embed_is_same_text(const text *a, const text *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

text *
embed_copy_text(MemoryContext memory, const text *value)
{
	text *copy;

	if (value == NULL)
		return NULL;
	copy = MemoryContextAlloc(memory, VARSIZE_ANY(value));
	memcpy(copy, value, VARSIZE_ANY(value));
	return copy;
}

/* ---- One text ---- */

/* From argument 2 on: pooling, normalize, dimensions, prompt. */
static void
prepare_call(const call_site *site, tfm_context *context, const call_arguments *arguments,
			 task_call *call)
{
	embed_values values = read_options(arguments->values + 2);

	call->embed = to_engine_options(context, &values);
}

static Datum
make_embedding(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	const float *embedding = answer->values + row * (size_t) answer->columns;

	check_finite(site->model, embedding, (size_t) answer->columns);
	return PointerGetDatum(vector_from_floats(embedding, answer->columns));
}

/* ---- Arrays of texts ---- */

/* The function's own result type is an array of tfm_vector, in whatever schema that is. */
static Oid
vector_type(FunctionCallInfo fcinfo)
{
	return get_element_type(get_func_rettype(fcinfo->flinfo->fn_oid));
}

/* Embed the elements of an array: an array of the same shape, with NULL where there was one. */
static ArrayType *
embed_array(FunctionCallInfo fcinfo, const registry_handle *model, ArrayType *inputs,
			const embed_values *values)
{
	Oid type = vector_type(fcinfo);
	TfmVector **vectors;
	Datum *elements;
	text **texts;
	bool *nulls;
	int count;
	int used = 0;

	deconstruct_array(inputs, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	if (count == 0)
		return construct_empty_array(type);

	texts = palloc(sizeof(text *) * count);
	vectors = palloc(sizeof(TfmVector *) * count);
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			texts[used++] = DatumGetTextPP(elements[i]);
	embed_texts(model, texts, used, values, keep_vector, vectors);

	used = 0;
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			elements[i] = PointerGetDatum(vectors[used++]);
	return construct_md_array(elements, nulls, ARR_NDIM(inputs), ARR_DIMS(inputs),
							  ARR_LBOUND(inputs), type, -1, false, TYPALIGN_INT);
}

/* Arguments: model, inputs, and the options. */
PG_FUNCTION_INFO_V1(tfm_embed_array);
Datum
tfm_embed_array(PG_FUNCTION_ARGS)
{
	const registry_handle *model;
	embed_values values;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	model = registry_use(fcinfo, PG_GETARG_TEXT_PP(0), NULL);
	values = read_options(fcinfo->args + 2);
	PG_RETURN_ARRAYTYPE_P(embed_array(fcinfo, model, PG_GETARG_ARRAYTYPE_P(1), &values));
}

/* Argument: inputs */
PG_FUNCTION_INFO_V1(tfm_embed_array_default);
Datum
tfm_embed_array_default(PG_FUNCTION_ARGS)
{
	const registry_handle *model = registry_use(fcinfo, NULL, EMBED_SETTING);

	PG_RETURN_ARRAYTYPE_P(embed_array(fcinfo, model, PG_GETARG_ARRAYTYPE_P(0), &no_options));
}

/* ---- Pairs of texts ---- */

/* The cosine of a pair's embeddings; those of second texts follow all others. */
static Datum
make_similarity(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	int columns = answer->columns;
	const float *a = answer->values + row * (size_t) columns;
	const float *b = a + call->count / 2 * (size_t) columns;

	check_finite(site->model, a, (size_t) columns);
	check_finite(site->model, b, (size_t) columns);
	return Float8GetDatum(vector_cosine_similarity(a, b, columns));
}

const call_function embed_functions[] = {
	{.symbol = "tfm_embed",
	 .kind = TASK_EMBED,
	 .input = 1,
	 .prepare = prepare_call,
	 .result = make_embedding},
	{.symbol = "tfm_embed_default",
	 .kind = TASK_EMBED,
	 .setting = EMBED_SETTING,
	 .input = 0,
	 .result = make_embedding},
	{.symbol = "tfm_similarity",
	 .kind = TASK_EMBED,
	 .input = 1,
	 .second = 2,
	 .result = make_similarity},
	{.symbol = "tfm_similarity_default",
	 .kind = TASK_EMBED,
	 .setting = EMBED_SETTING,
	 .input = 0,
	 .second = 1,
	 .result = make_similarity},
	{0},
};

/* tfm_embed(model text, input text, pooling text, "normalize" boolean, dimensions integer, prompt text) */
CALL_ENTRY(tfm_embed)

/* tfm_embed(input text) */
CALL_ENTRY(tfm_embed_default)

/* tfm_similarity(model text, a text, b text) */
CALL_ENTRY(tfm_similarity)

/* tfm_similarity(a text, b text) */
CALL_ENTRY(tfm_similarity_default)
