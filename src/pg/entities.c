/*
 * entities.c
 *	  The SQL functions tfm_entities and tfm_tag_tokens: what a model finds in texts.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/pipeline.h"

#include "utils/builtins.h"

/* The argument aggregation_strategy of tfm_entities. */
#define STRATEGY 2

#define ENTITIES                                                                                   \
	.kind = TASK_PIPELINE, .task = "token-classification", .input = 1, .prepare = pipeline_prepare

/* tfm_entities(model text, input text or inputs text[], aggregation_strategy text, ...) returns table (...) */
PG_FUNCTION_INFO_V1(tfm_entities);
Datum
tfm_entities(PG_FUNCTION_ARGS)
{
	static const call_function function = {ENTITIES};

	if (PG_ARGISNULL(STRATEGY) ||
		pg_strcasecmp(text_to_cstring(PG_GETARG_TEXT_PP(STRATEGY)), "none") == 0)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("aggregation_strategy must say how tokens are put together"),
				errhint("tfm_tag_tokens gives the label of each token."));
	return pipeline_rows(fcinfo, &function);
}

/* tfm_tag_tokens(model text, input text or inputs text[], ignore_labels text[]) returns table (...) */
PG_FUNCTION_INFO_V1(tfm_tag_tokens);
Datum
tfm_tag_tokens(PG_FUNCTION_ARGS)
{
	static const call_function function = {ENTITIES};

	return pipeline_rows(fcinfo, &function);
}
