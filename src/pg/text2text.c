/*
 * text2text.c
 *	  The SQL functions tfm_summarize and tfm_translate.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/generate.h"
#include "pg/pipeline.h"
#include "pg/settings.h"

#define SUMMARIZE                                                                                  \
	.kind = TASK_PIPELINE, .task = "summarization", .prepare = pipeline_prepare,                   \
	.result = pipeline_make_text
#define TRANSLATE                                                                                  \
	.kind = TASK_PIPELINE, .task = "translation", .prepare = pipeline_prepare,                     \
	.result = pipeline_make_text

const call_function text2text_functions[] = {
	{.symbol = "tfm_summarize", .input = 1, SUMMARIZE},
	{.symbol = "tfm_summarize_default", .setting = GENERATE_SETTING, .input = 0, SUMMARIZE},
	{.symbol = "tfm_translate", .input = 1, TRANSLATE},
	{0},
};

/* tfm_summarize(model text, input text, ...) returns text */
CALL_ENTRY(tfm_summarize)

/* tfm_summarize(input text) returns text */
CALL_ENTRY(tfm_summarize_default)

/* tfm_translate(model text, input text, ...) returns text */
CALL_ENTRY(tfm_translate)

/* tfm_summarize(model text, inputs text[], ...) returns text[] */
PG_FUNCTION_INFO_V1(tfm_summarize_array);
Datum
tfm_summarize_array(PG_FUNCTION_ARGS)
{
	const call_function function = {.input = 1, SUMMARIZE};

	return pipeline_array(fcinfo, &function);
}

/* tfm_translate(model text, inputs text[], ...) returns text[] */
PG_FUNCTION_INFO_V1(tfm_translate_array);
Datum
tfm_translate_array(PG_FUNCTION_ARGS)
{
	const call_function function = {.input = 1, TRANSLATE};

	return pipeline_array(fcinfo, &function);
}
