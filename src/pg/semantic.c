/*
 * semantic.c
 *	  What a model says of a text in SQL's own terms: tfm_filter, tfm_extract, tfm_rerank.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/generate.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "pg/border.h"
#include "pg/settings.h"

/* ---- tfm_filter ---- */

static const tfm_text yes_and_no[] = {{"yes", 3}, {"no", 2}};

/* A question around a condition, for the engine. */
static tfm_text
instruct(tfm_context *context, const char *before, const text *middle, const char *after)
{
	tfm_text given = border_text(context, middle);
	char *instruction =
		tfm_sprintf(context, "%s%.*s%s", before, (int) given.length, given.data, after);

	border_check(context);
	return (tfm_text) {instruction, strlen(instruction)};
}

/* The condition is the last argument. */
static void
prepare_filter(const call_site *site, tfm_context *context, const call_arguments *arguments,
			   task_call *call)
{
	const text *condition = DatumGetTextPP(arguments->values[arguments->count - 1].value);

	call->instruction = instruct(context, "Does the text below meet this condition: ", condition,
								 "\nAnswer yes or no only.");
	call->labels = yes_and_no;
	call->label_count = lengthof(yes_and_no);
}

static Datum
make_verdict(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	const double *scores = answer->scores + row * lengthof(yes_and_no);

	return BoolGetDatum(scores[0] > scores[1]);
}

/* ---- tfm_extract ---- */

/* Arguments after the text: json_schema, and in the form with a model instruction and options. */
static void
prepare_extract(const call_site *site, tfm_context *context, const call_arguments *arguments,
				task_call *call)
{
	bool names_model = arguments->count > 2;
	const NullableDatum *rest = arguments->values + (names_model ? 2 : 1);
	tfm_text schema = border_jsonb(context, rest[0].value);
	char *object = tfm_sprintf(context, "{\"json_schema\":%.*s}", (int) schema.length, schema.data);

	border_check(context);
	call->arguments = (tfm_text) {object, strlen(object)};
	call->instruction =
		names_model && !rest[1].isnull
			? border_text(context, DatumGetTextPP(rest[1].value))
			: instruct(context,
					   "Extract data from the text below. Answer with JSON of this schema only: ",
					   cstring_to_text_with_len(schema.data, (int) schema.length), "");
	if (names_model && !rest[2].isnull)
		call->options = border_jsonb(context, rest[2].value);
}

/* A text that ended before its JSON did is no data. */
static Datum
make_extract(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	tfm_context *context = border_begin(site->model->name);
	bool complete = json_present(
		json_parse(context, answer->texts[row].data, answer->texts[row].length, "answer"));

	border_abandon(context);
	if (!complete)
		ereport(ERROR, errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("the model's answer ends before its JSON does"),
				errhint("Give it more room: options => '{\"max_new_tokens\": ...}'."));
	return generate_make_jsonb(site, call, answer, row);
}

/* ---- tfm_rerank ---- */

static Datum
make_score(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	return Float8GetDatum(answer->scores[row]);
}

/* ---- SQL ---- */

const call_function semantic_functions[] = {
	{.symbol = "tfm_filter",
	 .kind = TASK_LABEL,
	 .input = 1,
	 .prepare = prepare_filter,
	 .result = make_verdict},
	{.symbol = "tfm_filter_default",
	 .kind = TASK_LABEL,
	 .setting = GENERATE_SETTING,
	 .input = 0,
	 .prepare = prepare_filter,
	 .result = make_verdict},
	{.symbol = "tfm_extract",
	 .kind = TASK_GENERATE,
	 .input = 1,
	 .prepare = prepare_extract,
	 .result = make_extract},
	{.symbol = "tfm_extract_default",
	 .kind = TASK_GENERATE,
	 .setting = GENERATE_SETTING,
	 .input = 0,
	 .prepare = prepare_extract,
	 .result = make_extract},
	{.symbol = "tfm_rerank", .kind = TASK_RERANK, .input = 1, .second = 2, .result = make_score},
	{.symbol = "tfm_rerank_default",
	 .kind = TASK_RERANK,
	 .setting = RERANK_SETTING,
	 .input = 0,
	 .second = 1,
	 .result = make_score},
	{0},
};

/* tfm_filter(model text, input text, condition text) returns boolean */
CALL_ENTRY(tfm_filter)

/* tfm_filter(input text, condition text) returns boolean */
CALL_ENTRY(tfm_filter_default)

/* tfm_extract(model text, input text, json_schema jsonb, instruction text, options jsonb) returns jsonb */
CALL_ENTRY(tfm_extract)

/* tfm_extract(input text, json_schema jsonb) returns jsonb */
CALL_ENTRY(tfm_extract_default)

/* tfm_rerank(model text, query text, document text) returns double precision */
CALL_ENTRY(tfm_rerank)

/* tfm_rerank(query text, document text) returns double precision */
CALL_ENTRY(tfm_rerank_default)
