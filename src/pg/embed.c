/*
 * embed.c
 *	  The SQL functions tfm_embed and tfm_similarity.
 *
 * A function without a model takes that of the setting tfm.embed_model, and no options.  The
 * aggregate is in embed_agg.c, the trigger in embed_trigger.c.
 *
 * A place in a query that embeds one text keeps its last result.  ORDER BY embedding <=>
 * tfm_embed('...') calls with the same text for every row, wherever the planner may not compute it
 * once: without a model, or with a parameter.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/embed.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "pg/backend.h"
#include "pg/border.h"
#include "pg/images.h"

/* The options among a function's arguments, each of which may be NULL. */
typedef struct option_values
{
	text *pooling;
	text *prompt;
	int normalize;
	int dimensions;
} option_values;

static const option_values no_options = {.normalize = -1};

/* Longer texts are not kept: they are documents, not queries. */
#define KEPT_TEXT_MAX 8192

/* What fn_extra of tfm_embed points to; all of it lives in owner. */
typedef struct embed_site
{
	MemoryContext owner;
	registry_handle *handle;
	TfmVector *embedding; /* of what follows; NULL: nothing is kept */
	text *input;
	option_values values;
	image_content content; /* of the model, with its precision */
	tfm_dtype dtype;
	const char *compute; /* one of run_compute_name's */
	uint64 generation;	 /* of what the model's name and the settings meant */
} embed_site;

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
to_engine_options(tfm_context *context, const option_values *values)
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
			const option_values *values, embed_sink sink, void *argument)
{
	tfm_context *context = border_begin(model->name);
	embed_options options = to_engine_options(context, values);
	tfm_text *inputs = tfm_alloc_array(context, count, sizeof(tfm_text));
	float *embeddings;
	int dimensions;

	border_check(context);
	for (int i = 0; i < count; i++)
		inputs[i] = border_text(context, texts[first + i]);
	task_embed(context, model->model, inputs, count, &options, &dimensions, &embeddings);
	border_check(context);
	check_finite(model, embeddings, (size_t) count * dimensions);
	for (int i = 0; i < count; i++)
		sink(argument, first + i, embeddings + (size_t) i * dimensions, dimensions);
	border_end(context);
}

static void
embed_with_options(const registry_handle *model, text **texts, int count,
				   const option_values *values, embed_sink sink, void *argument)
{
	for (int first = 0; first < count; first += EMBED_BATCH)
		embed_batch(model, texts, first, Min(count - first, EMBED_BATCH), values, sink, argument);
}

void
embed_texts(const registry_handle *model, text **texts, int count, embed_sink sink, void *argument)
{
	embed_with_options(model, texts, count, &no_options, sink, argument);
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

	embed_texts(model, &input, 1, keep_vector, &vector);
	return vector;
}

/* The options from argument first on: pooling, normalize, dimensions, prompt. */
static option_values
read_options(FunctionCallInfo fcinfo, int first)
{
	option_values values = no_options;

	if (!PG_ARGISNULL(first))
		values.pooling = PG_GETARG_TEXT_PP(first);
	if (!PG_ARGISNULL(first + 1))
		values.normalize = PG_GETARG_BOOL(first + 1);
	if (!PG_ARGISNULL(first + 2))
	{
		values.dimensions = PG_GETARG_INT32(first + 2);
		if (values.dimensions < 1)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("dimensions must be at least 1, not %d", values.dimensions)));
	}
	if (!PG_ARGISNULL(first + 3))
		values.prompt = PG_GETARG_TEXT_PP(first + 3);
	return values;
}

static embed_site *
find_site(FunctionCallInfo fcinfo)
{
	embed_site *site = fcinfo->flinfo->fn_extra;

	if (site == NULL)
	{
		site = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(embed_site));
		site->owner = fcinfo->flinfo->fn_mcxt;
		fcinfo->flinfo->fn_extra = site;
	}
	return site;
}

bool
embed_is_same_text(const text *a, const text *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

static bool
is_kept(const embed_site *site, const text *input, const option_values *values)
{
	const run_model_info *info = run_model_describe(site->handle->model);

	return site->embedding != NULL && site->dtype == info->asked_dtype &&
		   strcmp(site->compute, info->compute) == 0 && embed_is_same_text(site->input, input) &&
		   embed_is_same_text(site->values.pooling, values->pooling) &&
		   embed_is_same_text(site->values.prompt, values->prompt) &&
		   site->values.normalize == values->normalize &&
		   site->values.dimensions == values->dimensions &&
		   strcmp(site->content, info->content) == 0;
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

static void
forget_kept(embed_site *site)
{
	if (site->embedding == NULL)
		return;
	pfree(site->embedding);
	pfree(site->input);
	if (site->values.pooling != NULL)
		pfree(site->values.pooling);
	if (site->values.prompt != NULL)
		pfree(site->values.prompt);
	site->embedding = NULL;
}

static void
keep(embed_site *site, const text *input, const option_values *values, const TfmVector *embedding)
{
	const run_model_info *info = run_model_describe(site->handle->model);
	MemoryContext caller;

	forget_kept(site);
	site->input = embed_copy_text(site->owner, input);
	site->values = *values;
	site->values.pooling = embed_copy_text(site->owner, values->pooling);
	site->values.prompt = embed_copy_text(site->owner, values->prompt);
	strlcpy(site->content, info->content, sizeof(site->content));
	site->dtype = info->asked_dtype;
	site->compute = info->compute;
	caller = MemoryContextSwitchTo(site->owner);
	site->embedding = vector_from_floats(embedding->x, embedding->dim);
	MemoryContextSwitchTo(caller);
}

/* The embedding of one text at a place in a query; model NULL: the setting's. */
static TfmVector *
embed_at_site(FunctionCallInfo fcinfo, const text *model, text *input, const option_values *values)
{
	embed_site *site = find_site(fcinfo);
	TfmVector *embedding;

	registry_get(&site->handle, site->owner, model, EMBED_SETTING);
	if (site->generation != tfm_backend.generation)
		forget_kept(site);
	site->generation = tfm_backend.generation;
	if (is_kept(site, input, values))
		return vector_from_floats(site->embedding->x, site->embedding->dim);
	embed_with_options(site->handle, &input, 1, values, keep_vector, &embedding);
	if (VARSIZE_ANY_EXHDR(input) <= KEPT_TEXT_MAX)
		keep(site, input, values, embedding);
	return embedding;
}

/* Arguments: model, input, and the options. */
PG_FUNCTION_INFO_V1(tfm_embed);
Datum
tfm_embed(PG_FUNCTION_ARGS)
{
	option_values values;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	values = read_options(fcinfo, 2);
	PG_RETURN_VECTOR_P(embed_at_site(fcinfo, PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1), &values));
}

/* Argument: input */
PG_FUNCTION_INFO_V1(tfm_embed_default);
Datum
tfm_embed_default(PG_FUNCTION_ARGS)
{
	PG_RETURN_VECTOR_P(embed_at_site(fcinfo, NULL, PG_GETARG_TEXT_PP(0), &no_options));
}

/* The function's own result type is an array of tfm_vector, in whatever schema that is. */
static Oid
vector_type(FunctionCallInfo fcinfo)
{
	return get_element_type(get_func_rettype(fcinfo->flinfo->fn_oid));
}

/* Embed the elements of an array: an array of the same shape, with NULL where there was one. */
static ArrayType *
embed_array(FunctionCallInfo fcinfo, const registry_handle *model, ArrayType *inputs,
			const option_values *values)
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
	embed_with_options(model, texts, used, values, keep_vector, vectors);

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
	option_values values;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	model = registry_use(fcinfo, PG_GETARG_TEXT_PP(0), NULL);
	values = read_options(fcinfo, 2);
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

/* The cosine of the embeddings of two texts. */
static double
compute_similarity(const registry_handle *model, text *a, text *b)
{
	text *texts[] = {a, b};
	TfmVector *vectors[lengthof(texts)];

	embed_texts(model, texts, lengthof(texts), keep_vector, vectors);
	return vector_cosine_similarity(vectors[0]->x, vectors[1]->x, vectors[0]->dim);
}

/* Arguments: model, a, b */
PG_FUNCTION_INFO_V1(tfm_similarity);
Datum
tfm_similarity(PG_FUNCTION_ARGS)
{
	const registry_handle *model = registry_use(fcinfo, PG_GETARG_TEXT_PP(0), NULL);

	PG_RETURN_FLOAT8(compute_similarity(model, PG_GETARG_TEXT_PP(1), PG_GETARG_TEXT_PP(2)));
}

/* Arguments: a, b */
PG_FUNCTION_INFO_V1(tfm_similarity_default);
Datum
tfm_similarity_default(PG_FUNCTION_ARGS)
{
	const registry_handle *model = registry_use(fcinfo, NULL, EMBED_SETTING);

	PG_RETURN_FLOAT8(compute_similarity(model, PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1)));
}
