/*
 * call_wire.c
 *	  Calls and answers as bytes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "base/utf8.h"
#include "base/wire.h"
#include "task/call.h"

/* What a text takes at least: its length. */
#define LEAST_TEXT sizeof(int64_t)

/* ---- Lists of texts ---- */

static void
put_texts(tfm_context *context, buffer *to, const tfm_text *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		wire_put_text(context, to, texts[i]);
}

/* The next count texts; NULL on error, or where there are not so many. */
static tfm_text *
get_texts(tfm_context *context, wire_reader *r, size_t count)
{
	tfm_text *texts;

	if (count > r->left / LEAST_TEXT)
		r->bad = true;
	if (r->bad)
		return NULL;
	texts = tfm_alloc_array(context, count, sizeof(tfm_text));
	for (size_t i = 0; texts != NULL && i < count; i++)
		texts[i] = wire_get_text(r);
	return texts;
}

/* ---- Calls ---- */

bool
task_call_write(tfm_context *context, buffer *to, const task_call *call)
{
	if (!task_kind_is_sent(call->kind))
		return tfm_fail(context, TFM_INTERNAL,
						"calls of kind %d are computed where they are called", (int) call->kind);
	wire_put_int(context, to, call->kind);
	wire_put_string(context, to, call->embed.pooling);
	wire_put_int(context, to, call->embed.normalize);
	wire_put_int(context, to, call->embed.dimensions);
	wire_put_string(context, to, call->embed.prompt);
	wire_put_string(context, to, call->task);
	wire_put_int(context, to, call->is_json);
	wire_put_text(context, to, call->options);
	wire_put_text(context, to, call->arguments);
	wire_put_text(context, to, call->instruction);
	wire_put_int(context, to, (int64_t) call->label_count);
	put_texts(context, to, call->labels, call->label_count);
	wire_put_int(context, to, (int64_t) call->count);
	put_texts(context, to, call->inputs, call->count);
	wire_put_int(context, to, call->seconds != NULL);
	if (call->seconds != NULL)
		put_texts(context, to, call->seconds, call->count);
	return !tfm_failed(context);
}

bool
task_call_read(tfm_context *context, tfm_text data, task_call *call)
{
	wire_reader r = wire_read(data);

	*call = (task_call) {0};
	call->kind = (task_kind) wire_get_int_between(&r, 1, TASK_KINDS - 1);
	if (!task_kind_is_sent(call->kind))
		r.bad = true;
	call->embed.pooling = wire_get_string(&r);
	call->embed.normalize = (int) wire_get_int_between(&r, -1, 1);
	call->embed.dimensions = (int) wire_get_int_between(&r, INT32_MIN, INT32_MAX);
	call->embed.prompt = wire_get_string(&r);
	if (call->embed.prompt != NULL && !utf8_valid(call->embed.prompt, strlen(call->embed.prompt)))
		r.bad = true;
	call->task = wire_get_string(&r);
	call->is_json = wire_get_int_between(&r, 0, 1) == 1;
	call->options = wire_get_text(&r);
	call->arguments = wire_get_text(&r);
	call->instruction = wire_get_text(&r);
	call->label_count = wire_get_count(&r, LEAST_TEXT);
	call->labels = get_texts(context, &r, call->label_count);
	call->count = wire_get_count(&r, LEAST_TEXT);
	call->inputs = get_texts(context, &r, call->count);
	if (wire_get_int_between(&r, 0, 1) == 1)
		call->seconds = get_texts(context, &r, call->count);
	if ((call->kind == TASK_RERANK && call->seconds == NULL) ||
		(call->kind == TASK_PIPELINE) != (call->task != NULL))
		r.bad = true;
	return wire_end(context, &r, "a call");
}

/* ---- Answers ---- */

/* Which arrays an answer has. */
#define HAS_VALUES 1
#define HAS_SCORES 2
#define HAS_TEXTS 4

bool
task_answer_write(tfm_context *context, buffer *to, const task_answer *answer, size_t count)
{
	size_t numbers = count * (size_t) answer->columns;

	wire_put_int(context, to, answer->columns);
	wire_put_int(context, to,
				 (answer->values != NULL ? HAS_VALUES : 0) |
					 (answer->scores != NULL ? HAS_SCORES : 0) |
					 (answer->texts != NULL ? HAS_TEXTS : 0));
	if (answer->values != NULL)
		buffer_append(context, to, answer->values, numbers * sizeof(float));
	if (answer->scores != NULL)
		buffer_append(context, to, answer->scores, numbers * sizeof(double));
	if (answer->texts != NULL)
		put_texts(context, to, answer->texts, count);
	return !tfm_failed(context);
}

/* An array of numbers, copied to where it is aligned; NULL on error. */
static void *
get_numbers(tfm_context *context, wire_reader *r, size_t rows, size_t columns, size_t size)
{
	void *numbers;
	const void *bytes;

	if (columns > 0 && rows > r->left / size / columns)
		r->bad = true;
	if (r->bad)
		return NULL;
	numbers = tfm_alloc_array(context, rows * columns, size);
	bytes = wire_get_bytes(r, rows * columns * size);
	if (numbers != NULL && rows * columns > 0)
		memcpy(numbers, bytes, rows * columns * size);
	return numbers;
}

bool
task_answer_read(tfm_context *context, tfm_text data, task_answer *answer, size_t count)
{
	wire_reader r = wire_read(data);
	int64_t has;

	*answer = (task_answer) {0};
	answer->columns = (int) wire_get_int_between(&r, 0, INT32_MAX);
	has = wire_get_int_between(&r, 0, HAS_VALUES | HAS_SCORES | HAS_TEXTS);
	if ((has & HAS_VALUES) != 0)
		answer->values = get_numbers(context, &r, count, (size_t) answer->columns, sizeof(float));
	if ((has & HAS_SCORES) != 0)
		answer->scores = get_numbers(context, &r, count, (size_t) answer->columns, sizeof(double));
	if ((has & HAS_TEXTS) != 0)
		answer->texts = get_texts(context, &r, count);
	return wire_end(context, &r, "an answer");
}
