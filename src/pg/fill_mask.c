/*
 * fill_mask.c
 *	  The SQL function tfm_fill_mask: words in place of a text's masks.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/pipeline.h"

/* tfm_fill_mask(model text, input text or inputs text[], targets text[], top_k integer) returns table (...) */
PG_FUNCTION_INFO_V1(tfm_fill_mask);
Datum
tfm_fill_mask(PG_FUNCTION_ARGS)
{
	static const call_function function = {
		.kind = TASK_PIPELINE, .task = "fill-mask", .input = 1, .prepare = pipeline_prepare};

	return pipeline_rows(fcinfo, &function);
}
