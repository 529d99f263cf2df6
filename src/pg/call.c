/*
 * call.c
 *	  SQL functions that a model computes, one row at a time or many together.
 *
 * Rows are put into groups of the same model and the same arguments but texts; a group is computed
 * in portions, each one call of the engine (executor.h).  A place that is called row by row keeps
 * its last result: ORDER BY embedding <=> tfm_embed('...') calls with the same text for every row,
 * wherever the planner may not compute it once: without a model, or with a parameter.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/call.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "pg/backend.h"
#include "pg/border.h"
#include "pg/executor.h"
#include "pg/images.h"

/* Inputs of kinds that generate, handed to the engine at once: it keeps caches for all of them. */
#define GENERATED_PORTION 64

/* Longer texts are not kept: they are documents, not queries. */
#define KEPT_BYTES_MAX 8192

/* How values of an argument are compared and copied. */
typedef struct call_type
{
	Oid type;
	int16 length;
	bool by_value;
	const char *name; /* of an argument */
} call_type;

/* The last result of a place, with all that it depends on. */
typedef struct call_kept
{
	MemoryContext memory; /* of what follows; reset when it is forgotten */
	bool valid;
	NullableDatum *arguments;
	Datum result;
	image_content content; /* of the model, with its precision */
	tfm_dtype dtype;
	const char *compute; /* one of run_compute_name's */
	uint64 generation;	 /* of what the model's name and the settings meant */
} call_kept;

/* What a place knows of the function's types. */
struct call_types
{
	int count;
	call_type result;
	call_type arguments[FLEXIBLE_ARRAY_MEMBER];
};

/* All functions, by file. */
static const call_function *const tables[] = {
	embed_functions,		chat_functions,		generate_functions, classify_functions,
	semantic_functions,		tokenize_functions, pipeline_functions, text2text_functions,
	answer_table_functions, answer_functions,	rag_functions,
};

/* ---- Functions ---- */

static char *
text_attribute(HeapTuple tuple, AttrNumber attribute)
{
	bool is_null;
	Datum value = SysCacheGetAttr(PROCOID, tuple, attribute, &is_null);

	return is_null ? NULL : TextDatumGetCString(value);
}

/* Whether a C function of ours has the arguments that a row of a table tells of. */
static bool
has_arguments(Form_pg_proc form, const call_function *f)
{
	const Oid *types = form->proargtypes.values;

	return !form->proretset && form->pronargs > Max(f->input, f->second) &&
		   types[f->input] == (f->is_json ? JSONBOID : TEXTOID) &&
		   (f->second == 0 || types[f->second] == TEXTOID) &&
		   (f->setting != NULL || types[f->model] == TEXTOID);
}

/* Forms of a function may have one symbol; their arguments tell them apart. */
static const call_function *
find_function(const char *symbol, Form_pg_proc form)
{
	for (size_t i = 0; i < lengthof(tables); i++)
		for (const call_function *f = tables[i]; f->symbol != NULL; f++)
			if (strcmp(f->symbol, symbol) == 0 && has_arguments(form, f))
				return f;
	return NULL;
}

const call_function *
call_find(Oid function_oid)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function_oid));
	const call_function *found = NULL;
	Form_pg_proc form;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->prolang == ClanguageId)
	{
		const char *library = text_attribute(tuple, Anum_pg_proc_probin);
		const char *symbol = text_attribute(tuple, Anum_pg_proc_prosrc);

		if (library != NULL && symbol != NULL && strcmp(library, "$libdir/tfm") == 0)
			found = find_function(symbol, form);
	}
	ReleaseSysCache(tuple);
	return found;
}

static int64
estimate_text(const NullableDatum *value)
{
	if (value->isnull)
		return 0;
	return CALL_TOKENS_AROUND +
		   (int64) (toast_raw_datum_size(value->value) - VARHDRSZ) / CALL_BYTES_PER_TOKEN;
}

/* Whether the function generates, as it is called. */
static bool
generates(const call_function *f, const call_arguments *row)
{
	const char *task = f->task;

	if (f->kind == TASK_PIPELINE && task == NULL && !row->values[0].isnull)
		task = TextDatumGetCString(row->values[0].value);
	return task_kind_generates(f->kind, task);
}

int64
call_estimate_tokens(const call_function *function, const call_arguments *arguments)
{
	int64 tokens = generates(function, arguments) ? GENERATE_NEW_TOKENS : 0;

	tokens += estimate_text(&arguments->values[function->input]);
	if (function->second > 0)
		tokens += estimate_text(&arguments->values[function->second]);
	return tokens;
}

/* ---- Places ---- */

static call_type
type_of(Oid type)
{
	call_type t = {.type = type, .name = ""};

	get_typlenbyval(type, &t.length, &t.by_value);
	return t;
}

/* The names of a function's arguments, in the memory context, which are given to types. */
static void
read_names(MemoryContext owner, Oid function_oid, struct call_types *types)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function_oid));
	char **names;
	Oid *all;
	char *modes;
	int count, input = 0;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function_oid);
	count = get_func_arg_info(tuple, &all, &names, &modes);
	for (int i = 0; names != NULL && i < count && input < types->count; i++)
		if (modes == NULL || modes[i] == FUNC_PARAM_IN)
			types->arguments[input++].name = MemoryContextStrdup(owner, names[i]);
	ReleaseSysCache(tuple);
}

static struct call_types *
read_types(MemoryContext owner, Oid function_oid)
{
	Oid *arguments;
	int count;
	Oid result = get_func_signature(function_oid, &arguments, &count);
	struct call_types *types = MemoryContextAlloc(owner, offsetof(struct call_types, arguments) +
															 sizeof(call_type) * count);

	types->count = count;
	types->result = type_of(result);
	for (int i = 0; i < count; i++)
		types->arguments[i] = type_of(arguments[i]);
	read_names(owner, function_oid, types);
	return types;
}

call_site *
call_site_create(MemoryContext owner, const call_function *function, Oid function_oid)
{
	call_site *site = MemoryContextAllocZero(owner, sizeof(call_site));

	site->function = function;
	site->owner = owner;
	site->function_oid = function_oid;
	site->types = read_types(owner, function_oid);
	return site;
}

TupleDesc
call_row_type(call_site *site)
{
	if (site->row_type == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(site->owner);

		if (get_func_result_type(site->function_oid, NULL, &site->row_type) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "return type must be a row type");
		BlessTupleDesc(site->row_type);
		MemoryContextSwitchTo(caller);
	}
	return site->row_type;
}

AttInMetadata *
call_row_input(call_site *site)
{
	if (site->row_input == NULL)
	{
		TupleDesc type = call_row_type(site);
		MemoryContext caller = MemoryContextSwitchTo(site->owner);

		site->row_input = TupleDescGetAttInMetadata(type);
		MemoryContextSwitchTo(caller);
	}
	return site->row_input;
}

int
call_argument_count(const call_site *site)
{
	return site->types->count;
}

const char *
call_argument_name(const call_site *site, int argument)
{
	return site->types->arguments[argument].name;
}

Oid
call_argument_type(const call_site *site, int argument)
{
	return site->types->arguments[argument].type;
}

bool
call_is_common(const call_function *f, int argument)
{
	return argument != f->input && (f->second == 0 || argument != f->second);
}

static bool
same_argument(const call_site *site, int i, const NullableDatum *a, const NullableDatum *b)
{
	const call_type *type = &site->types->arguments[i];

	if (a->isnull || b->isnull)
		return a->isnull == b->isnull;
	return a->value == b->value || datum_image_eq(a->value, b->value, type->by_value, type->length);
}

/* Whether two rows may be computed together. */
static bool
same_group(const call_site *site, const call_arguments *a, const call_arguments *b)
{
	int second = site->function->second;

	for (int i = 0; i < site->types->count; i++)
		if (call_is_common(site->function, i) &&
			!same_argument(site, i, &a->values[i], &b->values[i]))
			return false;
	return second == 0 || a->values[second].isnull == b->values[second].isnull;
}

/* Whether the result is NULL without a look at the model. */
static bool
is_null_call(const call_function *f, const call_arguments *row)
{
	return row->values[f->input].isnull || (f->setting == NULL && row->values[f->model].isnull) ||
		   (f->kind == TASK_PIPELINE && f->task == NULL && row->values[0].isnull) ||
		   (f->second > 0 && !f->may_be_single && row->values[f->second].isnull) ||
		   (f->required > 0 && row->values[f->required].isnull);
}

/* Hold the models that a row names. */
static void
hold_models(call_site *site, const call_arguments *row)
{
	const call_function *f = site->function;
	const text *model = f->setting == NULL ? DatumGetTextPP(row->values[f->model].value) : NULL;

	registry_get(&site->model, site->owner, model, f->setting);
	site->assisted =
		f->assistant > 0 && f->assistant < row->count && !row->values[f->assistant].isnull;
	if (site->assisted)
		registry_get(&site->assistant, site->owner, DatumGetTextPP(row->values[f->assistant].value),
					 NULL);
}

/* ---- Computing ---- */

static void
read_texts(tfm_context *context, const call_arguments *rows, const int *numbers, int count,
		   int argument, bool is_json, tfm_text *texts)
{
	for (int i = 0; i < count; i++)
	{
		Datum value = rows[numbers[i]].values[argument].value;

		texts[i] =
			is_json ? border_jsonb(context, value) : border_text(context, DatumGetTextPP(value));
	}
}

/*
 * The task's call of count rows, whose numbers are given.  Embedding knows no pairs: all second texts
 * then follow all first ones.
 */
static task_call
make_call(tfm_context *context, const call_site *site, const call_arguments *rows,
		  const int *numbers, int count)
{
	const call_function *f = site->function;
	task_call call = {
		.kind = f->kind,
		.task = f->task,
		.is_json = f->kind == TASK_PIPELINE && f->is_json,
		.embed = EMBED_DEFAULTS,
		.count = (size_t) count,
	};

	bool paired = f->second > 0 && !rows[numbers[0]].values[f->second].isnull;
	tfm_text *texts = tfm_alloc_array(context, 2 * (size_t) count, sizeof(tfm_text));

	border_check(context);
	if (f->prepare != NULL)
		f->prepare(site, context, &rows[numbers[0]], &call);
	read_texts(context, rows, numbers, count, f->input, f->is_json, texts);
	call.inputs = texts;
	if (paired)
		read_texts(context, rows, numbers, count, f->second, false, texts + count);
	if (paired && f->kind != TASK_EMBED)
		call.seconds = texts + count;
	else if (paired)
		call.count *= 2;
	border_check(context);
	return call;
}

/* Compute rows of one group; false with the error in context. */
static bool
run_portion(tfm_context *context, call_site *site, const call_arguments *rows, const int *numbers,
			int count, NullableDatum *results)
{
	task_call call = make_call(context, site, rows, numbers, count);
	task_answer answer;

	if (!executor_run(context, site->model, site->assisted ? site->assistant : NULL, &call,
					  &answer))
		return false;
	for (int i = 0; i < count; i++)
		results[numbers[i]] = (NullableDatum) {
			.value = site->function->result(site, &call, &answer, (size_t) i),
			.isnull = false,
		};
	tfm_add_usage(&site->usage, &context->usage);
	return true;
}

static void
compute_portion(call_site *site, const call_arguments *rows, const int *numbers, int count,
				NullableDatum *results)
{
	tfm_context *context = border_begin(site->model->name);

	run_portion(context, site, rows, numbers, count, results);
	border_end(context);
}

/* Whether an error that has been thrown asks the statement to end, whoever is guilty of it. */
static bool
ends_statement(int sqlstate)
{
	return sqlstate == ERRCODE_QUERY_CANCELED || sqlstate == ERRCODE_ADMIN_SHUTDOWN ||
		   sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		   sqlstate == ERRCODE_CANNOT_CONNECT_NOW ||
		   ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES);
}

/*
 * The same, but an error of a row is false.  What can throw here only reads arguments and converts
 * texts, so that an error leaves nothing behind that only the end of a transaction would clear.
 */
static bool
try_portion(call_site *site, const call_arguments *rows, const int *numbers, int count,
			NullableDatum *results)
{
	MemoryContext caller = CurrentMemoryContext;
	tfm_context *context = border_begin(site->model->name);
	volatile bool computed = false;

	PG_TRY();
	{
		computed = run_portion(context, site, rows, numbers, count, results);
	}
	PG_CATCH();
	{
		if (ends_statement(geterrcode()))
			PG_RE_THROW();
		MemoryContextSwitchTo(caller);
		FlushErrorState();
		border_close(context);
		return false;
	}
	PG_END_TRY();
	if (!computed && context->error.kind != TFM_CANCELLED)
	{
		border_abandon(context);
		return false;
	}
	border_end(context);
	return true;
}

/* Compute the rows of one group in portions. */
static bool
compute_group(call_site *site, const call_arguments *rows, const int *numbers, int count,
			  bool lenient, NullableDatum *results)
{
	int most = generates(site->function, &rows[numbers[0]]) ? GENERATED_PORTION : CALL_PORTION;

	hold_models(site, &rows[numbers[0]]);
	for (int done = 0, portion; done < count; done += portion)
	{
		portion = Min(count - done, most);
		if (!lenient)
			compute_portion(site, rows, numbers + done, portion, results);
		else if (!try_portion(site, rows, numbers + done, portion, results))
			return false;
	}
	return true;
}

bool
call_rows(call_site *site, const call_arguments *rows, int count, bool lenient,
		  NullableDatum *results)
{
	int *left = palloc(sizeof(int) * (Size) count), *group = palloc(sizeof(int) * (Size) count);
	int left_count = 0;

	for (int i = 0; i < count; i++)
	{
		results[i] = (NullableDatum) {.isnull = true};
		if (!is_null_call(site->function, &rows[i]))
			left[left_count++] = i;
	}
	while (left_count > 0)
	{
		int group_count = 0, others = 0;

		for (int i = 0; i < left_count; i++)
			if (i == 0 || same_group(site, &rows[group[0]], &rows[left[i]]))
				group[group_count++] = left[i];
			else
				left[others++] = left[i];
		left_count = others;
		if (!compute_group(site, rows, group, group_count, lenient, results))
			return false;
	}
	pfree(left);
	pfree(group);
	return true;
}

/* ---- One row, and the result that its place keeps ---- */

static bool
is_kept(const call_site *site, const call_arguments *row)
{
	const call_kept *kept = site->kept;
	const run_model_info *info = run_model_describe(site->model->model);

	if (kept == NULL || !kept->valid || kept->generation != tfm_backend.generation ||
		kept->dtype != info->asked_dtype || strcmp(kept->compute, info->compute) != 0 ||
		strcmp(kept->content, info->content) != 0)
		return false;
	for (int i = 0; i < site->types->count; i++)
		if (!same_argument(site, i, &kept->arguments[i], &row->values[i]))
			return false;
	return true;
}

/* Whether all arguments together are small enough to be kept. */
static bool
is_small(const call_site *site, const call_arguments *row)
{
	Size size = 0;

	for (int i = 0; i < site->types->count; i++)
		if (!row->values[i].isnull && site->types->arguments[i].length == -1)
			size += toast_raw_datum_size(row->values[i].value);
	return size <= KEPT_BYTES_MAX;
}

static call_kept *
empty_kept(call_site *site)
{
	if (site->kept == NULL)
	{
		site->kept = MemoryContextAllocZero(site->owner, sizeof(call_kept));
		site->kept->memory =
			AllocSetContextCreate(site->owner, "tfm last result", ALLOCSET_SMALL_SIZES);
	}
	site->kept->valid = false;
	MemoryContextReset(site->kept->memory);
	return site->kept;
}

static NullableDatum
copy_value(NullableDatum value, const call_type *type)
{
	if (!value.isnull && type->length == -1)
		value.value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value.value));
	else if (!value.isnull)
		value.value = datumCopy(value.value, type->by_value, type->length);
	return value;
}

static void
keep(call_site *site, const call_arguments *row, Datum result)
{
	const run_model_info *info = run_model_describe(site->model->model);
	const call_type *type = &site->types->result;
	call_kept *kept = empty_kept(site);
	MemoryContext caller = MemoryContextSwitchTo(kept->memory);

	kept->arguments = palloc(sizeof(NullableDatum) * (Size) site->types->count);
	for (int i = 0; i < site->types->count; i++)
		kept->arguments[i] = copy_value(row->values[i], &site->types->arguments[i]);
	kept->result = datumCopy(result, type->by_value, type->length);
	MemoryContextSwitchTo(caller);
	strlcpy(kept->content, info->content, sizeof(kept->content));
	kept->dtype = info->asked_dtype;
	kept->compute = info->compute;
	kept->generation = tfm_backend.generation;
	kept->valid = true;
}

static call_site *
find_site(FunctionCallInfo fcinfo)
{
	FmgrInfo *info = fcinfo->flinfo;

	if (info->fn_extra == NULL)
	{
		const call_function *function = call_find(info->fn_oid);

		if (function == NULL)
			elog(ERROR, "function %u is not declared as the extension declares it", info->fn_oid);
		info->fn_extra = call_site_create(info->fn_mcxt, function, info->fn_oid);
	}
	return info->fn_extra;
}

Datum
call_one(FunctionCallInfo fcinfo)
{
	call_arguments row = {.values = fcinfo->args, .count = PG_NARGS()};
	call_site *site = find_site(fcinfo);
	NullableDatum result;
	const int number = 0;

	if (is_null_call(site->function, &row))
		PG_RETURN_NULL();
	hold_models(site, &row);
	if (is_kept(site, &row))
	{
		const call_type *type = &site->types->result;

		return datumCopy(site->kept->result, type->by_value, type->length);
	}
	compute_portion(site, &row, &number, 1, &result);
	if (is_small(site, &row))
		keep(site, &row, result.value);
	return result.value;
}
