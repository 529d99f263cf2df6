/*
 * call.c
 *	  A call on its way through an engine process.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/call.h"

#include <stdlib.h>
#include <string.h>

serve_call *
serve_call_create(tfm_context *context, char *bytes, size_t length)
{
	tfm_context own = {.arena = arena_create(0)};
	serve_call *call;

	if (own.arena == NULL)
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	call = tfm_alloc_zero(&own, sizeof(serve_call));
	if (call != NULL && serve_read_request(&own, (tfm_text) {bytes, length}, &call->request))
	{
		call->arena = own.arena;
		call->bytes = bytes;
		call->length = length;
		call->job.request = &call->request;
		return call;
	}
	context->error = own.error;
	arena_destroy(own.arena);
	return NULL;
}

void
serve_call_destroy(serve_call *call)
{
	free(call->frame.data);
	free(call->bytes);
	arena_destroy(call->arena);
}

/* ---- Results ---- */

void
serve_call_fail(serve_call *call, const tfm_error *error)
{
	if (call->error.kind == TFM_OK)
		call->error = *error;
}

/* Room for all rows, of what the first of them has. */
static bool
allocate_answer(tfm_context *context, serve_call *call, const task_answer *part)
{
	task_answer *answer = &call->reply.answer;
	size_t count = call->request.call.count, columns = (size_t) part->columns;

	answer->columns = part->columns;
	if (part->values != NULL)
		answer->values = tfm_alloc_array(context, count, columns * sizeof(float));
	if (part->scores != NULL)
		answer->scores = tfm_alloc_array(context, count, columns * sizeof(double));
	if (part->texts != NULL)
		answer->texts = tfm_alloc_array(context, count, sizeof(tfm_text));
	return !tfm_failed(context);
}

static bool
is_empty(const task_answer *answer)
{
	return answer->values == NULL && answer->scores == NULL && answer->texts == NULL;
}

static bool
put_rows(tfm_context *context, serve_call *call, size_t first, size_t count,
		 const task_answer *part, size_t row)
{
	task_answer *answer = &call->reply.answer;
	size_t columns = (size_t) part->columns;

	if (is_empty(answer) && !allocate_answer(context, call, part))
		return false;
	if (answer->columns != part->columns || (answer->values == NULL) != (part->values == NULL) ||
		(answer->scores == NULL) != (part->scores == NULL) ||
		(answer->texts == NULL) != (part->texts == NULL))
		return tfm_fail(context, TFM_INTERNAL, "the parts of an answer differ");
	if (count > 0 && part->values != NULL)
		memcpy(answer->values + first * columns, part->values + row * columns,
			   count * columns * sizeof(float));
	if (count > 0 && part->scores != NULL)
		memcpy(answer->scores + first * columns, part->scores + row * columns,
			   count * columns * sizeof(double));
	for (size_t i = 0; i < count && part->texts != NULL; i++)
	{
		tfm_text text = part->texts[row + i];

		answer->texts[first + i] =
			(tfm_text) {tfm_strndup(context, text.data, text.length), text.length};
	}
	return !tfm_failed(context);
}

void
serve_call_put(serve_call *call, size_t first, size_t count, const task_answer *answer, size_t row)
{
	tfm_context context = {.arena = call->arena};

	if (!put_rows(&context, call, first, count, answer, row))
		serve_call_fail(call, &context.error);
}

void
serve_call_count(serve_call *call, const tfm_usage *usage, int company)
{
	tfm_usage *sum = &call->reply.usage;

	sum->passes += usage->passes;
	sum->tokens += usage->tokens;
	sum->reused += usage->reused;
	sum->made += usage->made;
	if (company > call->reply.batched)
		call->reply.batched = company;
}

/* ---- The end ---- */

/* The frame of the error; the one that there is always memory for is none. */
static void
write_error(serve_call *call)
{
	tfm_context context = {0};

	serve_write_error(&context, &call->frame, call->id, &call->error);
}

void
serve_call_conclude(serve_call *call, double now)
{
	tfm_context context = {.arena = call->arena};

	if (call->error.kind == TFM_OK && serve_call_cancelled(call))
	{
		tfm_fail(&context, TFM_CANCELLED, "the call was cancelled");
		call->error = context.error;
	}
	call->reply.waited = (call->begun > 0 ? call->begun : now) - call->came;
	call->reply.computed = call->begun > 0 ? now - call->begun : 0;
	if (call->error.kind == TFM_OK && !serve_write_reply(&context, &call->frame, call->id,
														 &call->reply, call->request.call.count))
		call->error = context.error;
	if (call->error.kind != TFM_OK)
		write_error(call);
}
