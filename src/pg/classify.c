/*
 * classify.c
 *	  The SQL functions tfm_classify and tfm_classify_all: labels of texts.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/call.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "pg/border.h"
#include "pg/settings.h"

/* The argument of labels follows the text. */
static void
prepare_call(const call_site *site, tfm_context *context, const call_arguments *arguments,
			 task_call *call)
{
	ArrayType *array = DatumGetArrayTypeP(arguments->values[arguments->count - 1].value);
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
	{0},
};

/* tfm_classify(model text, input text, labels text[], OUT label text, OUT score double precision) */
CALL_ENTRY(tfm_classify)

/* tfm_classify(input text, labels text[], OUT label text, OUT score double precision) */
CALL_ENTRY(tfm_classify_default)

/* ---- All labels ---- */

/* A label's score, and its place among those that were given. */
typedef struct scored
{
	double score;
	int label;
} scored;

/* Best first; equal scores in the order in which the labels were given. */
static int
compare_scored(const void *a, const void *b)
{
	const scored *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->label < y->label ? -1 : 1;
}

/* Put all labels of the only row into the set that is the site's sink. */
static Datum
put_all(call_site *site, const task_call *call, const task_answer *answer, size_t row)
{
	ReturnSetInfo *result = site->sink;
	int count = (int) call->label_count;
	scored *order = palloc(sizeof(scored) * (Size) count);

	for (int i = 0; i < count; i++)
		order[i] = (scored) {.score = answer->scores[i], .label = i};
	qsort(order, (size_t) count, sizeof(scored), compare_scored);
	for (int i = 0; i < count; i++)
		tuplestore_puttuple(result->setResult, form_label(result->setDesc, call, answer->scores,
														  (size_t) order[i].label));
	return (Datum) 0;
}

/* tfm_classify_all(model text, input text, labels text[]) returns table (label, score) */
PG_FUNCTION_INFO_V1(tfm_classify_all);
Datum
tfm_classify_all(PG_FUNCTION_ARGS)
{
	static const call_function all = {
		.kind = TASK_LABEL, .input = 1, .prepare = prepare_call, .result = put_all};
	call_arguments row = {.values = fcinfo->args, .count = PG_NARGS()};
	call_site *site = call_site_create(CurrentMemoryContext, &all, fcinfo->flinfo->fn_oid);
	NullableDatum nothing;

	InitMaterializedSRF(fcinfo, 0);
	site->sink = fcinfo->resultinfo;
	call_rows(site, &row, 1, false, &nothing);
	return (Datum) 0;
}
