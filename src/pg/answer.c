/*
 * answer.c
 *	  The SQL functions tfm_answer and tfm_answer_all: answers that stand in a text.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/pipeline.h"

/* The pipeline's text is the context, its second text the question. */
#define QUESTION 1
#define CONTEXT 2

#define ANSWER                                                                                     \
	.kind = TASK_PIPELINE, .task = "question-answering", .input = CONTEXT, .second = QUESTION,     \
	.prepare = pipeline_prepare, .result = pipeline_make_row

const call_function answer_functions[] = {
	{.symbol = "tfm_answer", ANSWER},
	{0},
};

/* tfm_answer(model text, question text, context text, ..., OUT score, OUT start, OUT end, OUT answer) */
CALL_ENTRY(tfm_answer)

/* tfm_answer_all(model text, question text, context text or contexts text[], ...) returns table (...) */
PG_FUNCTION_INFO_V1(tfm_answer_all);
Datum
tfm_answer_all(PG_FUNCTION_ARGS)
{
	static const call_function function = {ANSWER};

	return pipeline_rows(fcinfo, &function);
}
