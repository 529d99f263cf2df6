/*
 * classify.c
 *	  The SQL functions tfm_classify, tfm_classify_all and their kin: labels of texts, by a model that
 *	  has labels of its own, or by one that is given them.
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

#include "pg/arguments.h"
#include "pg/border.h"
#include "pg/settings.h"
#include "task/multiple_choice.h"
#include "task/zero_shot_classification.h"

/* Arguments of the forms with all of them. */
#define LABELS 2
#define MULTI_LABEL 3
#define HYPOTHESIS_TEMPLATE 4

/* ---- Labels that are given ---- */

static void
read_labels(tfm_context *context, Datum value, task_call *call)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	tfm_text *labels;
	Datum *elements;
	bool *nulls;
	int count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	labels = tfm_alloc_array(context, (size_t) count, sizeof(tfm_text));
	border_check(context);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("a label must not be NULL"));
		labels[i] = border_text(context, DatumGetTextPP(elements[i]));
	}
	call->labels = labels;
	call->label_count = (size_t) count;
}

/* The argument of labels is the last one.  A model for pairs of texts tells, another generates them. */
static void
prepare_call(const call_site *site, tfm_context *context, const call_arguments *arguments,
			 task_call *call)
{
	read_labels(context, arguments->values[arguments->count - 1].value, call);
	if (task_is_entailment_model(site->model->model))
		call->kind = TASK_SCORE_LABELS;
}

/* Choices are labels for a model that chooses among texts. */
static void
prepare_choices(const call_site *site, tfm_context *context, const call_arguments *arguments,
				task_call *call)
{
	if (!task_is_choice_model(site->model->model))
		ereport(ERROR, errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				errmsg("the model is not made for multiple choice"),
				errdetail("It is made for %s.", run_model_describe(site->model->model)->task));
	read_labels(context, arguments->values[arguments->count - 1].value, call);
}

/* And after the labels: multi_label, hypothesis_template. */
static void
prepare_zero_shot(const call_site *site, tfm_context *context, const call_arguments *arguments,
				  task_call *call)
{
	StringInfoData object;

	read_labels(context, arguments->values[LABELS].value, call);
	initStringInfo(&object);
	appendStringInfoString(&object, "{\"multi_label\":");
	arguments_append(&object, "multi_label", BOOLOID, arguments->values[MULTI_LABEL].value);
	appendStringInfoString(&object, ",\"hypothesis_template\":");
	arguments_append(&object, "hypothesis_template", TEXTOID,
					 arguments->values[HYPOTHESIS_TEMPLATE].value);
	appendStringInfoChar(&object, '}');
	call->arguments = border_string(context, object.data, (size_t) object.len);
}

static HeapTuple
form_label(TupleDesc type, const task_call *call, const double *scores, size_t label)
{
	const tfm_text *name = &call->labels[label];
	bool nulls[2] = {false};
	Datum values[2] = {
		PointerGetDatum(border_to_text(name->data, name->length)),
		Float8GetDatum(scores[label]),
	};

	return heap_form_tuple(type, values, nulls);
}

/* The first of the best labels. */
static Datum
make_best(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	const double *scores = answer->scores + row * (size_t) answer->columns;
	size_t best = 0;

	for (size_t i = 1; i < call->label_count; i++)
		if (scores[i] > scores[best])
			best = i;
	return HeapTupleGetDatum(form_label(call_row_type(site), call, scores, best));
}

/* ---- The model's own labels ---- */

/* Texts are cut to what the model takes. */
static void
prepare_text(const call_site *site, tfm_context *context, const call_arguments *arguments,
			 task_call *call)
{
	static const char truncated[] = "{\"truncation\":true}";

	call->arguments = (tfm_text) {truncated, strlen(truncated)};
}

static void
prepare_all(const call_site *site, tfm_context *context, const call_arguments *arguments,
			task_call *call)
{
	static const char all[] = "{\"truncation\":true,\"top_k\":null}";

	call->arguments = (tfm_text) {all, strlen(all)};
}

/* ---- SQL: one row for a text ---- */

#define CLASSIFY                                                                                   \
	.kind = TASK_PIPELINE, .task = "text-classification", .prepare = prepare_text,                 \
	.result = pipeline_make_row

const call_function classify_functions[] = {
	{.symbol = "tfm_classify",
	 .kind = TASK_LABEL,
	 .input = 1,
	 .prepare = prepare_call,
	 .result = make_best},
	{.symbol = "tfm_classify_default",
	 .kind = TASK_LABEL,
	 .setting = GENERATE_SETTING,
	 .input = 0,
	 .prepare = prepare_call,
	 .result = make_best},
	{.symbol = "tfm_classify_labels",
	 .kind = TASK_SCORE_LABELS,
	 .input = 1,
	 .prepare = prepare_zero_shot,
	 .result = make_best},
	{.symbol = "tfm_classify_text", .input = 1, CLASSIFY},
	{.symbol = "tfm_classify_text_default", .setting = CLASSIFY_SETTING, .input = 0, CLASSIFY},
	{.symbol = "tfm_classify_pair", .input = 1, .second = 2, CLASSIFY},
	{.symbol = "tfm_choose",
	 .kind = TASK_SCORE_LABELS,
	 .input = 1,
	 .prepare = prepare_choices,
	 .result = make_best},
	{.symbol = "tfm_next_sentence",
	 .kind = TASK_PIPELINE,
	 .task = "next-sentence-prediction",
	 .input = 1,
	 .second = 2,
	 .prepare = prepare_text,
	 .result = pipeline_make_score},
	{0},
};

/* tfm_classify(model text, input text, labels text[], OUT label text, OUT score double precision) */
CALL_ENTRY(tfm_classify)

/* tfm_classify(input text, labels text[], OUT label text, OUT score double precision) */
CALL_ENTRY(tfm_classify_default)

/* tfm_classify(model, input, labels, multi_label boolean, hypothesis_template text, OUT label, OUT score) */
CALL_ENTRY(tfm_classify_labels)

/* tfm_classify(model text, input text, OUT label text, OUT score double precision) */
CALL_ENTRY(tfm_classify_text)

/* tfm_classify(input text, OUT label text, OUT score double precision) */
CALL_ENTRY(tfm_classify_text_default)

/* tfm_classify_pair(model text, input text, pair text, OUT label text, OUT score double precision) */
CALL_ENTRY(tfm_classify_pair)

/* tfm_choose(model text, prompt text, choices text[], OUT choice text, OUT score double precision) */
CALL_ENTRY(tfm_choose)

/* tfm_next_sentence(model text, a text, b text) returns double precision */
CALL_ENTRY(tfm_next_sentence)

/* ---- SQL: all labels ---- */

/* A label's score, and its place among those that were given. */
typedef struct scored
{
	double score;
	int label;
} scored;

/* Where labels go; rows of an array's elements begin with the number of the element. */
typedef struct label_sink
{
	ReturnSetInfo *set;
	const int *numbers; /* of the elements that are still to come; NULL: there is but one text */
} label_sink;

/* Best first; equal scores in the order in which the labels were given. */
static int
compare_scored(const void *a, const void *b)
{
	const scored *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->label < y->label ? -1 : 1;
}

static void
put_label(const label_sink *sink, const task_call *call, scored label)
{
	const tfm_text *name = &call->labels[label.label];
	bool nulls[3] = {false};
	Datum values[3] = {
		Int32GetDatum(sink->numbers == NULL ? 0 : *sink->numbers),
		PointerGetDatum(border_to_text(name->data, name->length)),
		Float8GetDatum(label.score),
	};
	int first = sink->numbers == NULL ? 1 : 0;

	tuplestore_putvalues(sink->set->setResult, sink->set->setDesc, values + first, nulls + first);
}

/* Put all labels of the next text into the set that is the site's sink. */
static Datum
put_all(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	int count = (int) call->label_count;
	label_sink *sink = site->sink;
	scored *order = palloc(sizeof(scored) * (Size) count);

	for (int i = 0; i < count; i++)
		order[i] =
			(scored) {.score = answer->scores[row * (size_t) answer->columns + i], .label = i};
	qsort(order, (size_t) count, sizeof(scored), compare_scored);
	for (int i = 0; i < count; i++)
		put_label(sink, call, order[i]);
	if (sink->numbers != NULL)
		sink->numbers++;
	return (Datum) 0;
}

/* All labels of a text, or of each of an array, which are computed together. */
static Datum
classify_all(FunctionCallInfo fcinfo, const call_function *f)
{
	call_arguments all = {.values = fcinfo->args, .count = PG_NARGS()}, *rows = &all;
	call_site *site = call_site_create(CurrentMemoryContext, f, fcinfo->flinfo->fn_oid);
	label_sink sink = {.set = (ReturnSetInfo *) fcinfo->resultinfo};
	NullableDatum *results;
	int count = 1, *numbers, present = 0;

	if (call_argument_type(site, f->input) == TEXTARRAYOID)
	{
		rows = pipeline_spread(&all, f->input, &count);
		sink.numbers = numbers = palloc(sizeof(int) * (Size) Max(count, 1));
		for (int i = 0; i < count; i++)
			if (!rows[i].values[f->input].isnull)
				numbers[present++] = i + 1;
	}
	results = palloc(sizeof(NullableDatum) * (Size) Max(count, 1));
	InitMaterializedSRF(fcinfo, 0);
	site->sink = &sink;
	call_rows(site, rows, count, false, results);
	return (Datum) 0;
}

/* tfm_classify_all(model text, input text or inputs text[], labels text[]) returns table (label, score) */
PG_FUNCTION_INFO_V1(tfm_classify_all);
Datum
tfm_classify_all(PG_FUNCTION_ARGS)
{
	static const call_function all = {
		.kind = TASK_LABEL, .input = 1, .prepare = prepare_call, .result = put_all};

	return classify_all(fcinfo, &all);
}

/* tfm_classify_all(model, input or inputs, labels, multi_label, hypothesis_template) returns table (...) */
PG_FUNCTION_INFO_V1(tfm_classify_all_labels);
Datum
tfm_classify_all_labels(PG_FUNCTION_ARGS)
{
	static const call_function all = {
		.kind = TASK_SCORE_LABELS, .input = 1, .prepare = prepare_zero_shot, .result = put_all};

	return classify_all(fcinfo, &all);
}

/* tfm_classify_all(model text, input text or inputs text[]) returns table (label, score) */
PG_FUNCTION_INFO_V1(tfm_classify_all_text);
Datum
tfm_classify_all_text(PG_FUNCTION_ARGS)
{
	static const call_function all = {
		.kind = TASK_PIPELINE, .task = "text-classification", .input = 1, .prepare = prepare_all};

	return pipeline_rows(fcinfo, &all);
}
