/*
 * answer_table.c
 *	  The SQL functions tfm_answer_table and tfm_answer_table_all: questions to tables.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/pipeline.h"

#define ANSWER                                                                                     \
	.kind = TASK_PIPELINE, .task = "table-question-answering", .input = 1, .required = 2,          \
	.prepare = pipeline_prepare, .result = pipeline_make_row

const call_function answer_table_functions[] = {
	{.symbol = "tfm_answer_table", ANSWER},
	{0},
};

/* tfm_answer_table(model text, query text, "table" json or jsonb, ...) returns a row */
CALL_ENTRY(tfm_answer_table)

/* tfm_answer_table_all(model text, queries text[], "table" json or jsonb, ...) returns rows */
PG_FUNCTION_INFO_V1(tfm_answer_table_all);
Datum
tfm_answer_table_all(PG_FUNCTION_ARGS)
{
	const call_function function = {ANSWER};

	return pipeline_rows(fcinfo, &function);
}
