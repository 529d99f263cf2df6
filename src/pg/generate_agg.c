/*
 * generate_agg.c
 *	  The aggregates tfm_generate_agg and tfm_summarize_agg: one answer over a group's texts.
 *
 * A group collects its texts, and generates when all are there.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/generate.h"

#include "nodes/pg_list.h"
#include "utils/builtins.h"

#include "pg/border.h"
#include "pg/embed.h"
#include "pg/stat.h"
#include "task/call.h"
#include "task/pipeline_generation.h"

/* A group; all it points to lives in the aggregate's memory. */
typedef struct generate_state
{
	text *model; /* NULL: the setting's */
	text *instruction;
	bool summarizes; /* there is no instruction */
	Datum options;	 /* a jsonb; 0: none */
	List *texts;
} generate_state;

static generate_state *
begin_group(MemoryContext memory, const text *model, const text *instruction)
{
	generate_state *state = MemoryContextAllocZero(memory, sizeof(generate_state));

	state->model = embed_copy_text(memory, model);
	state->instruction = embed_copy_text(memory, instruction);
	return state;
}

/* Add a text to the group's; NULL adds nothing, and all must be for one model and instruction. */
static Datum
add_text(FunctionCallInfo fcinfo, const text *model, const text *instruction, int input)
{
	generate_state *state = PG_ARGISNULL(0) ? NULL : (generate_state *) PG_GETARG_POINTER(0);
	MemoryContext memory, caller;

	if (!AggCheckCallContext(fcinfo, &memory))
		elog(ERROR, "aggregate function called in non-aggregate context");
	if (state == NULL)
		state = begin_group(memory, model, instruction);
	else if (!embed_is_same_text(state->model, model) ||
			 !embed_is_same_text(state->instruction, instruction))
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("model and instruction must be the same for all rows of a group"));
	if (!PG_ARGISNULL(input))
	{
		caller = MemoryContextSwitchTo(memory);
		state->texts = lappend(state->texts, embed_copy_text(memory, PG_GETARG_TEXT_PP(input)));
		MemoryContextSwitchTo(caller);
	}
	return PointerGetDatum(state);
}

static const text *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : PG_GETARG_TEXT_PP(number);
}

/* tfm_generate_agg_accum(internal, model text, instruction text, input text [, options jsonb]) */
PG_FUNCTION_INFO_V1(tfm_generate_agg_accum);
Datum
tfm_generate_agg_accum(PG_FUNCTION_ARGS)
{
	bool begins = PG_ARGISNULL(0);
	generate_state *state = (generate_state *) DatumGetPointer(
		add_text(fcinfo, text_argument(fcinfo, 1), text_argument(fcinfo, 2), 3));

	if (begins && PG_NARGS() > 4 && !PG_ARGISNULL(4))
	{
		MemoryContext memory, caller;

		AggCheckCallContext(fcinfo, &memory);
		caller = MemoryContextSwitchTo(memory);
		state->options = PointerGetDatum(PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(4)));
		MemoryContextSwitchTo(caller);
	}
	PG_RETURN_POINTER(state);
}

/* tfm_summarize_agg_accum(internal, [model text,] input text) */
PG_FUNCTION_INFO_V1(tfm_summarize_agg_accum);
Datum
tfm_summarize_agg_accum(PG_FUNCTION_ARGS)
{
	bool names_model = PG_NARGS() > 2;

	generate_state *state = (generate_state *) DatumGetPointer(
		add_text(fcinfo, names_model ? text_argument(fcinfo, 1) : NULL, NULL, names_model ? 2 : 1));

	state->summarizes = true;
	PG_RETURN_POINTER(state);
}

static text *
generate_over(FunctionCallInfo fcinfo, const generate_state *state)
{
	int count = list_length(state->texts), used = 0;
	generate_request request;
	tfm_context *context =
		generate_begin(fcinfo, generate_site_of(fcinfo), state->model, -1, &request);
	tfm_text *texts = tfm_alloc_array(context, count, sizeof(tfm_text));
	const registry_handle *model = generate_site_of(fcinfo)->model;
	const char *kind = task_kind_name(TASK_GENERATE, NULL);
	tfm_text instruction = {"", 0}, answer;
	stat_work work;
	ListCell *cell;
	text *result;

	border_check(context);
	if (state->options != 0)
		request.options = border_jsonb(context, state->options);
	if (state->instruction != NULL)
		instruction = border_text(context, state->instruction);
	foreach (cell, state->texts)
		texts[used++] = border_text(context, lfirst(cell));
	work = stat_begin(context, model, kind, count);
	if (state->summarizes)
		task_summarize_over(context,
							&(task_models) {.model = model->model, .generator = request.generator},
							request.options, texts, count, &answer);
	else
		task_generate_over(context, &request, instruction, texts, count, &answer);
	stat_end(context, model, &work, kind, count);
	border_check(context);
	result = border_to_text(answer.data, answer.length);
	border_end(context);
	return result;
}

PG_FUNCTION_INFO_V1(tfm_generate_agg_final);
Datum
tfm_generate_agg_final(PG_FUNCTION_ARGS)
{
	generate_state *state = PG_ARGISNULL(0) ? NULL : (generate_state *) PG_GETARG_POINTER(0);

	if (state == NULL || state->texts == NIL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(generate_over(fcinfo, state));
}
