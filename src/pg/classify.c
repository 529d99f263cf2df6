/*
 * classify.c
 *	  The SQL functions tfm_classify and tfm_classify_all: labels of texts.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/generate.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/tuplestore.h"

#include "pg/border.h"

/* Labels and their scores; palloc'ed. */
typedef struct labelled
{
	text **labels;
	double *scores;
	int count;
} labelled;

static labelled
read_labels(ArrayType *array)
{
	labelled l = {0};
	Datum *elements;
	bool *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &l.count);
	l.labels = palloc(sizeof(text *) * (l.count + 1));
	l.scores = palloc0(sizeof(double) * (l.count + 1));
	for (int i = 0; i < l.count; i++)
	{
		if (nulls[i])
			ereport(ERROR, errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("a label must not be NULL"));
		l.labels[i] = DatumGetTextPP(elements[i]);
	}
	return l;
}

/* Best first; equal scores in the order in which the labels were given. */
static void
sort_labels(labelled *l)
{
	for (int i = 1; i < l->count; i++)
	{
		text *label = l->labels[i];
		double score = l->scores[i];
		int place = i;

		for (; place > 0 && l->scores[place - 1] < score; place--)
		{
			l->labels[place] = l->labels[place - 1];
			l->scores[place] = l->scores[place - 1];
		}
		l->labels[place] = label;
		l->scores[place] = score;
	}
}

/* Arguments: model, input, labels */
static labelled
classify(FunctionCallInfo fcinfo, generate_site *site)
{
	labelled l = read_labels(PG_GETARG_ARRAYTYPE_P(2));
	generate_request request;
	tfm_context *context = generate_begin(fcinfo, site, PG_GETARG_TEXT_PP(0), -1, &request);
	tfm_text *names = tfm_alloc_array(context, l.count, sizeof(tfm_text));

	border_check(context);
	for (int i = 0; i < l.count; i++)
		names[i] = border_text(context, l.labels[i]);
	task_choose_label(context, &request, border_text(context, PG_GETARG_TEXT_PP(1)), names, l.count,
					  l.scores);
	border_end(context);
	sort_labels(&l);
	return l;
}

/* tfm_classify(model text, input text, labels text[], OUT label text, OUT score double precision) */
PG_FUNCTION_INFO_V1(tfm_classify);
Datum
tfm_classify(PG_FUNCTION_ARGS)
{
	labelled l = classify(fcinfo, generate_site_of(fcinfo));
	bool nulls[2] = {false};
	Datum values[2] = {PointerGetDatum(l.labels[0]), Float8GetDatum(l.scores[0])};
	TupleDesc description;

	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls)));
}

/* tfm_classify_all(model text, input text, labels text[]) returns table (label, score) */
PG_FUNCTION_INFO_V1(tfm_classify_all);
Datum
tfm_classify_all(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	labelled l = classify(fcinfo, generate_site_of(fcinfo));

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < l.count; i++)
	{
		bool nulls[2] = {false};
		Datum values[2] = {PointerGetDatum(l.labels[i]), Float8GetDatum(l.scores[i])};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
