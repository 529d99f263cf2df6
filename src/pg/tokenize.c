/*
 * tokenize.c
 *	  Texts to tokens and back.
 *
 * Each function has a form with a model first, then the text and the options, and one that takes the
 * text alone and uses tfm.embed_model.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "pg/border.h"
#include "pg/call.h"
#include "pg/registry.h"
#include "pg/settings.h"
#include "task/tokenize.h"

PG_FUNCTION_INFO_V1(tfm_tokenize_array);
PG_FUNCTION_INFO_V1(tfm_tokens);
PG_FUNCTION_INFO_V1(tfm_tokens_words);
PG_FUNCTION_INFO_V1(tfm_count_tokens_array);
PG_FUNCTION_INFO_V1(tfm_detokenize);

#define TOKEN_COLUMNS 10
#define TOKEN_WANT                                                                                 \
	(TOK_WANT_TYPE_IDS | TOK_WANT_OFFSETS | TOK_WANT_WORDS | TOK_WANT_SPECIAL_MASK |               \
	 TOK_WANT_SEQUENCES | TOK_WANT_TOKENS)

/* A call: its model, and its options as the engine takes them. */
typedef struct token_call
{
	tfm_context *context;
	const run_model *model;
	tokenize_plan plan;
} token_call;

/* ---- Arguments ---- */

/* Where the text is: first, or after the model. */
static int
input_argument(FunctionCallInfo fcinfo)
{
	return PG_NARGS() > 1 ? 1 : 0;
}

/* Whether the model or the text is NULL, and so the result. */
static bool
is_null_call(FunctionCallInfo fcinfo)
{
	return PG_ARGISNULL(0) || PG_ARGISNULL(input_argument(fcinfo));
}

/* An optional argument: there in this form of the function, and not NULL. */
static bool
has_option(const call_arguments *arguments, int number)
{
	return arguments->count > number && !arguments->values[number].isnull;
}

static const char *
option_name(const call_arguments *arguments, int number)
{
	return has_option(arguments, number) ? TextDatumGetCString(arguments->values[number].value)
										 : NULL;
}

/* An option that is a number of at least minimum; fallback if it is not given. */
static int
option_number(const call_arguments *arguments, int number, const char *name, int minimum,
			  int fallback)
{
	int value;

	if (!has_option(arguments, number))
		return fallback;
	value = DatumGetInt32(arguments->values[number].value);
	if (value < minimum)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("%s must be at least %d, not %d", name, minimum, value));
	return value;
}

/* The options after the pair; those that are NULL are as if not given. */
static tokenize_options
read_options(const call_arguments *arguments)
{
	tokenize_options options = TOKENIZE_DEFAULTS;

	if (has_option(arguments, 3))
		options.add_special_tokens = DatumGetBool(arguments->values[3].value);
	options.max_length = option_number(arguments, 4, "max_length", 1, options.max_length);
	options.stride = option_number(arguments, 5, "stride", 0, options.stride);
	options.truncation = option_name(arguments, 6);
	options.truncation_side = option_name(arguments, 7);
	options.padding = option_name(arguments, 8);
	options.pad_to_multiple_of = option_number(arguments, 9, "pad_to_multiple_of", 1, 0);
	options.padding_side = option_name(arguments, 10);
	return options;
}

static call_arguments
arguments_of(FunctionCallInfo fcinfo)
{
	return (call_arguments) {.values = fcinfo->args, .count = PG_NARGS()};
}

static bool
has_pair(FunctionCallInfo fcinfo)
{
	return PG_NARGS() > 2 && !PG_ARGISNULL(2);
}

static token_call
begin_call(FunctionCallInfo fcinfo, int want)
{
	const call_arguments arguments = arguments_of(fcinfo);
	tokenize_options options = read_options(&arguments);
	const registry_handle *handle =
		registry_use(fcinfo, PG_NARGS() > 1 ? PG_GETARG_TEXT_PP(0) : NULL, EMBED_SETTING);
	token_call call = {.context = border_begin(handle->name), .model = handle->model};

	task_tokenize_plan(call.context, call.model, &options, want, &call.plan);
	border_check(call.context);
	return call;
}

/* ---- Results ---- */

static ArrayType *
make_ids(const int32_t *ids, size_t count)
{
	size_t size = ARR_OVERHEAD_NONULLS(1) + count * sizeof(int32);
	ArrayType *array;

	if (count == 0)
		return construct_empty_array(INT4OID);
	if (count > MaxArraySize)
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("text has more than %zu tokens", (size_t) MaxArraySize));
	array = palloc0(size);
	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = INT4OID;
	ARR_DIMS(array)[0] = (int) count;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), ids, count * sizeof(int32));
	return array;
}

/* Piece 0 is the one that was kept. */
static const tok_encoding *
piece_at(const tok_encoding *encoding, size_t piece)
{
	return piece == 0 ? encoding : &encoding->overflowing[piece - 1];
}

/* ---- One text ---- */

/* The text, and the pair where there is one. */
static const tok_encoding *
tokenize_one(FunctionCallInfo fcinfo, const token_call *call)
{
	tokenize_input input = {
		.text = border_text(call->context, PG_GETARG_TEXT_PP(input_argument(fcinfo))),
		.has_pair = has_pair(fcinfo),
	};
	tok_encoding *encodings;

	if (input.has_pair)
		input.pair = border_text(call->context, PG_GETARG_TEXT_PP(2));
	task_tokenize(call->context, call->model, &input, 1, &call->plan, &encodings);
	border_check(call->context);
	return encodings;
}

static void
prepare_call(const call_site *site, tfm_context *context, const call_arguments *arguments,
			 task_call *call)
{
	call->tokenize = read_options(arguments);
}

static void
prepare_default(const call_site *site, tfm_context *context, const call_arguments *arguments,
				task_call *call)
{
	call->tokenize = TOKENIZE_DEFAULTS;
}

static Datum
make_tokens(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	return PointerGetDatum(make_ids(answer->ids[row].ids, answer->ids[row].count));
}

static Datum
make_count(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	return Int32GetDatum((int32) answer->ids[row].count);
}

const call_function tokenize_functions[] = {
	{.symbol = "tfm_tokenize",
	 .kind = TASK_TOKENIZE,
	 .input = 1,
	 .second = 2,
	 .may_be_single = true,
	 .prepare = prepare_call,
	 .result = make_tokens},
	{.symbol = "tfm_tokenize",
	 .kind = TASK_TOKENIZE,
	 .setting = EMBED_SETTING,
	 .input = 0,
	 .prepare = prepare_default,
	 .result = make_tokens},
	{.symbol = "tfm_count_tokens",
	 .kind = TASK_TOKENIZE,
	 .input = 1,
	 .second = 2,
	 .may_be_single = true,
	 .prepare = prepare_call,
	 .result = make_count},
	{.symbol = "tfm_count_tokens",
	 .kind = TASK_TOKENIZE,
	 .setting = EMBED_SETTING,
	 .input = 0,
	 .prepare = prepare_default,
	 .result = make_count},
	{0},
};

/* tfm_tokenize([model text,] input text, ...) returns integer[] */
CALL_ENTRY(tfm_tokenize)

/* tfm_count_tokens([model text,] input text, pair text, add_special_tokens boolean) returns integer */
CALL_ENTRY(tfm_count_tokens)

/* ---- Rows of tokens ---- */

static void
put_token(ReturnSetInfo *result, const tok_encoding *e, size_t i, size_t piece)
{
	text *token = border_to_text(e->tokens[i].data, e->tokens[i].length);
	int32 seen = e->attention_mask == NULL || e->attention_mask[i] != 0;
	bool nulls[TOKEN_COLUMNS] = {false};
	Datum values[TOKEN_COLUMNS] = {
		Int32GetDatum(e->ids[i]),
		PointerGetDatum(token),
		Int32GetDatum(e->starts[i]),
		Int32GetDatum(e->ends[i]),
		Int32GetDatum(e->words[i]),
		Int32GetDatum(e->type_ids[i]),
		Int32GetDatum(e->sequences[i]),
		BoolGetDatum(e->special_mask[i] != 0),
		Int32GetDatum(seen),
		Int32GetDatum((int32) piece + 1),
	};

	nulls[4] = e->words[i] < 0;
	nulls[6] = e->sequences[i] < 0;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	pfree(token);
}

static void
put_tokens(FunctionCallInfo fcinfo, const tok_encoding *encoding)
{
	for (size_t piece = 0; piece <= encoding->overflowing_count; piece++)
	{
		const tok_encoding *e = piece_at(encoding, piece);

		for (size_t i = 0; i < e->count; i++)
		{
			CHECK_FOR_INTERRUPTS();
			put_token((ReturnSetInfo *) fcinfo->resultinfo, e, i, piece);
		}
	}
}

/* tfm_tokens([model text,] input text, ...) returns table */
Datum
tfm_tokens(PG_FUNCTION_ARGS)
{
	token_call call;

	InitMaterializedSRF(fcinfo, 0);
	if (is_null_call(fcinfo))
		return (Datum) 0;
	call = begin_call(fcinfo, TOKEN_WANT);
	put_tokens(fcinfo, tokenize_one(fcinfo, &call));
	border_end(call.context);
	return (Datum) 0;
}

static tok_words
read_words(const token_call *call, ArrayType *array)
{
	Datum *elements;
	tfm_text *items;
	int count;

	if (array_contains_nulls(array))
		ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("words must not contain nulls"));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	items = palloc(sizeof(tfm_text) * Max(count, 1));
	for (int i = 0; i < count; i++)
		items[i] = border_text(call->context, DatumGetTextPP(elements[i]));
	return (tok_words) {.items = items, .count = (size_t) count};
}

/* tfm_tokens(model text, words text[], pair_words text[], ...) returns table */
Datum
tfm_tokens_words(PG_FUNCTION_ARGS)
{
	tok_words words, pair = {.count = 0};
	tok_encoding encoding;
	token_call call;

	InitMaterializedSRF(fcinfo, 0);
	if (is_null_call(fcinfo))
		return (Datum) 0;
	call = begin_call(fcinfo, TOKEN_WANT);
	words = read_words(&call, PG_GETARG_ARRAYTYPE_P(1));
	if (has_pair(fcinfo))
		pair = read_words(&call, PG_GETARG_ARRAYTYPE_P(2));
	task_tokenize_words(call.context, call.model, words, has_pair(fcinfo) ? &pair : NULL,
						&call.plan, &encoding);
	border_check(call.context);
	put_tokens(fcinfo, &encoding);
	border_end(call.context);
	return (Datum) 0;
}

/* ---- Arrays of texts ---- */

/* The texts of an array, in storage order; those that are NULL are marked, and empty for the engine. */
typedef struct text_list
{
	tokenize_input *inputs;
	bool *nulls;
	int count;
} text_list;

static void
add_pairs(const token_call *call, ArrayType *pairs, text_list *list)
{
	Datum *elements;
	bool *nulls;
	int count;

	deconstruct_array(pairs, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	if (count != list->count)
		ereport(ERROR, errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				errmsg("there are %d texts and %d pairs", list->count, count));
	for (int i = 0; i < count; i++)
	{
		list->nulls[i] |= nulls[i];
		if (nulls[i])
			continue;
		list->inputs[i].pair = border_text(call->context, DatumGetTextPP(elements[i]));
		list->inputs[i].has_pair = true;
	}
}

static text_list
read_texts(FunctionCallInfo fcinfo, const token_call *call, bool pairs)
{
	text_list list;
	Datum *elements;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(input_argument(fcinfo)), TEXTOID, -1, false,
					  TYPALIGN_INT, &elements, &list.nulls, &list.count);
	list.inputs = palloc0(sizeof(tokenize_input) * Max(list.count, 1));
	for (int i = 0; i < list.count; i++)
		if (!list.nulls[i])
			list.inputs[i].text = border_text(call->context, DatumGetTextPP(elements[i]));
	if (pairs)
		add_pairs(call, PG_GETARG_ARRAYTYPE_P(2), &list);
	for (int i = 0; i < list.count; i++)
		if (list.nulls[i])
			list.inputs[i] = (tokenize_input) {.text = {"", 0}};
	return list;
}

static const tok_encoding *
tokenize_list(const token_call *call, const text_list *list)
{
	tok_encoding *encodings;

	task_tokenize(call->context, call->model, list->inputs, (size_t) list->count, &call->plan,
				  &encodings);
	border_check(call->context);
	return encodings;
}

static void
put_ids(ReturnSetInfo *result, int number, const tok_encoding *encoding, bool is_null)
{
	for (size_t piece = 0; piece <= (is_null ? 0 : encoding->overflowing_count); piece++)
	{
		const tok_encoding *e = piece_at(encoding, piece);
		ArrayType *ids = is_null ? NULL : make_ids(e->ids, e->count);
		bool nulls[3] = {false, false, is_null};
		Datum values[3] = {
			Int32GetDatum(number + 1),
			Int32GetDatum((int32) piece + 1),
			PointerGetDatum(ids),
		};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		if (ids != NULL)
			pfree(ids);
	}
}

/* tfm_tokenize([model text,] inputs text[], pairs text[], ...) returns table (number, piece, ids) */
Datum
tfm_tokenize_array(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const tok_encoding *encodings;
	token_call call;
	text_list list;

	InitMaterializedSRF(fcinfo, 0);
	if (is_null_call(fcinfo))
		return (Datum) 0;
	call = begin_call(fcinfo, 0);
	list = read_texts(fcinfo, &call, has_pair(fcinfo));
	encodings = tokenize_list(&call, &list);
	for (int i = 0; i < list.count; i++)
	{
		put_ids(result, i, &encodings[i], list.nulls[i]);
		CHECK_FOR_INTERRUPTS();
	}
	border_end(call.context);
	return (Datum) 0;
}

/* tfm_count_tokens([model text,] inputs text[]) returns integer[] */
Datum
tfm_count_tokens_array(PG_FUNCTION_ARGS)
{
	ArrayType *inputs = PG_GETARG_ARRAYTYPE_P(input_argument(fcinfo));
	token_call call = begin_call(fcinfo, 0);
	text_list list = read_texts(fcinfo, &call, false);
	const tok_encoding *encodings = tokenize_list(&call, &list);
	Datum *counts = palloc(sizeof(Datum) * Max(list.count, 1));
	ArrayType *result;

	for (int i = 0; i < list.count; i++)
		counts[i] = Int32GetDatum((int32) encodings[i].count);
	border_end(call.context);
	if (list.count == 0)
		result = construct_empty_array(INT4OID);
	else
		result = construct_md_array(counts, list.nulls, ARR_NDIM(inputs), ARR_DIMS(inputs),
									ARR_LBOUND(inputs), INT4OID, sizeof(int32), true, TYPALIGN_INT);
	PG_RETURN_ARRAYTYPE_P(result);
}

/* ---- Back ---- */

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
