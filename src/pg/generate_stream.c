/*
 * generate_stream.c
 *	  The SQL function tfm_generate_stream: a row for each piece of text as it comes.
 *
 * A row is made when it is asked for (value-per-call).  In a SELECT list that is when the client
 * fetches it; in FROM PostgreSQL itself collects all rows first.  What is under way hangs on the
 * function's memory: a cursor that is closed, or an error, ends it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/generate.h"

#include "funcapi.h"

#include "pg/border.h"
#include "pg/settings.h"
#include "pg/stat.h"
#include "task/call.h"

/* What lives from the first row to the last. */
typedef struct stream_state
{
	generate_site *site; /* holds the model */
	arena *arena;
	generate_stream *stream;
	bool begun; /* the first piece has been asked for */
	MemoryContextCallback callback;
} stream_state;

static void
release_stream(void *argument)
{
	stream_state *state = argument;

	arena_destroy(state->arena);
	state->arena = NULL;
}

/* An arena of its own: calls of the engine for one row end with the row. */
static stream_state *
create_state(MemoryContext owner)
{
	stream_state *state = MemoryContextAllocZero(owner, sizeof(stream_state));

	/* first the site, so that the model is let go after the stream */
	state->site = generate_site_create(owner);
	return state;
}

static void
begin_stream(FunctionCallInfo fcinfo, stream_state *state, MemoryContext owner)
{
	generate_request request;
	tfm_context *context = generate_begin(fcinfo, state->site, PG_GETARG_TEXT_PP(0), 2, &request);
	arena *scratch = context->arena;

	state->callback = (MemoryContextCallback) {.func = release_stream, .arg = state};
	MemoryContextRegisterResetCallback(owner, &state->callback);
	state->arena = arena_create(settings_max_memory());
	if (state->arena == NULL)
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	border_check(context);
	context->arena = state->arena;
	state->stream =
		task_generate_begin(context, &request, border_text(context, PG_GETARG_TEXT_PP(1)));
	context->arena = scratch;
	border_end(context);
}

/* tfm_generate_stream(model text, prompt text, ...) returns setof text */
PG_FUNCTION_INFO_V1(tfm_generate_stream);
Datum
tfm_generate_stream(PG_FUNCTION_ARGS)
{
	FuncCallContext *calls;
	stream_state *state;
	tfm_context *context;
	const char *kind = task_kind_name(TASK_GENERATE, NULL);
	stat_work work;
	tfm_text piece;
	text *row;
	bool done;
	int rows;

	if (SRF_IS_FIRSTCALL())
	{
		calls = SRF_FIRSTCALL_INIT();
		if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
			SRF_RETURN_DONE(calls);
		calls->user_fctx = state = create_state(calls->multi_call_memory_ctx);
		begin_stream(fcinfo, state, calls->multi_call_memory_ctx);
	}
	calls = SRF_PERCALL_SETUP();
	state = calls->user_fctx;
	context = border_begin(state->site->model->name);
	rows = state->begun ? 0 : 1;
	state->begun = true;
	work = stat_begin(context, state->site->model, kind, rows);
	task_generate_next(context, state->stream, &piece, &done);
	stat_end(context, state->site->model, &work, kind, rows);
	border_check(context);
	if (done)
	{
		border_end(context);
		SRF_RETURN_DONE(calls);
	}
	row = border_to_text(piece.data, piece.length);
	border_end(context);
	SRF_RETURN_NEXT(calls, PointerGetDatum(row));
}
