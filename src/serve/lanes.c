/*
 * lanes.c
 *	  A call of many inputs, of which each thread computes some on its own.
 *
 * The inputs, longest first, are cut into more pieces than there are threads; a thread that is done
 * with one takes the next.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

/* Inputs of a piece, where there are enough: more do not make a pass better. */
#define PIECE 8

/* An input, and where it stands in the call. */
typedef struct placed
{
	size_t bytes, place;
} placed;

typedef struct piece
{
	size_t first, count; /* of the inputs in their order by length */
	task_answer answer;
	tfm_usage usage;
	tfm_error error;
} piece;

typedef struct lanes
{
	tfm_context *context; /* of the call */
	serve_device *device;
	const task_models *models;
	task_call call; /* its inputs in their order by length */
	placed *order;	/* [call.count] */
	piece *pieces;
	size_t count; /* of pieces */
} lanes;

/* ---- Which calls ---- */

static size_t
input_bytes(const task_call *call, size_t i)
{
	/* about what the tokens around a text count */
	const size_t around = 8;

	return call->inputs[i].length + (call->seconds == NULL ? 0 : call->seconds[i].length) + around;
}

bool
serve_lanes_suit(const serve_device *device, const task_call *call)
{
	size_t threads = (size_t) device->threads, longest = 0, all = 0;

	if (threads < 2 || call->count < threads || task_kind_generates(call->kind, call->task))
		return false;
	for (size_t i = 0; i < call->count; i++)
	{
		size_t bytes = input_bytes(call, i);

		longest = bytes > longest ? bytes : longest;
		all += bytes;
	}
	return longest <= all / threads + all / threads / 2;
}

/* ---- Pieces ---- */

static int
compare_lengths(const void *a, const void *b)
{
	const placed *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

/* Put the inputs in their order by length. */
static bool
order_inputs(tfm_context *context, const task_call *call, lanes *l)
{
	tfm_text *inputs = tfm_alloc_array(context, call->count, sizeof(tfm_text));
	tfm_text *seconds = tfm_alloc_array(context, call->count, sizeof(tfm_text));

	l->order = tfm_alloc_array(context, call->count, sizeof(placed));
	if (inputs == NULL || seconds == NULL || l->order == NULL)
		return false;
	for (size_t i = 0; i < call->count; i++)
		l->order[i] = (placed) {.bytes = input_bytes(call, i), .place = i};
	qsort(l->order, call->count, sizeof(placed), compare_lengths);
	for (size_t i = 0; i < call->count; i++)
	{
		inputs[i] = call->inputs[l->order[i].place];
		if (call->seconds != NULL)
			seconds[i] = call->seconds[l->order[i].place];
	}
	l->call = *call;
	l->call.inputs = inputs;
	l->call.seconds = call->seconds != NULL ? seconds : NULL;
	return true;
}

static bool
cut_pieces(tfm_context *context, lanes *l)
{
	size_t threads = (size_t) l->device->threads;
	size_t rounds = (l->call.count + threads * PIECE - 1) / (threads * PIECE);

	l->count = rounds * threads;
	l->count = l->count > l->call.count ? l->call.count : l->count;
	l->pieces = tfm_alloc_zero(context, l->count * sizeof(piece));
	for (size_t i = 0; l->pieces != NULL && i < l->count; i++)
	{
		l->pieces[i].first = l->call.count * i / l->count;
		l->pieces[i].count = l->call.count * (i + 1) / l->count - l->pieces[i].first;
	}
	return l->pieces != NULL;
}

/* ---- Computing ---- */

/* The caller's thread may ask what the call asks; the others are told by it. */
static bool
caller_stops(void *argument)
{
	const lanes *l = argument;

	return (l->context->interrupted != NULL &&
			l->context->interrupted(l->context->interrupted_argument)) ||
		   threads_stopping(l->device->pool);
}

static bool
other_stops(void *argument)
{
	const lanes *l = argument;

	return threads_stopping(l->device->pool);
}

static void
run_piece(void *argument, int64_t item, int thread)
{
	lanes *l = argument;
	piece *p = &l->pieces[item];
	task_call call = l->call;
	tfm_context context = {
		.arena = l->device->lanes[thread],
		.interrupted = thread == 0 ? caller_stops : other_stops,
		.interrupted_argument = l,
		.threads = 1,
		.isa = l->context->isa,
	};

	call.count = p->count;
	call.inputs += p->first;
	if (call.seconds != NULL)
		call.seconds += p->first;
	task_call_run(&context, l->models, &call, &p->answer);
	p->usage = context.usage;
	p->error = context.error;
}

/* ---- The answer ---- */

/* The first error of a piece becomes the call's. */
static bool
check_pieces(tfm_context *context, const lanes *l)
{
	for (size_t i = 0; i < l->count && !tfm_failed(context); i++)
		if (l->pieces[i].error.kind != TFM_OK)
			context->error = l->pieces[i].error;
	return !tfm_failed(context);
}

/* Rows of a piece go to their inputs' places; NULL where the kind has no such numbers. */
static void
place_rows(void *to, const void *from, const placed *order, size_t count, size_t row)
{
	for (size_t i = 0; from != NULL && i < count; i++)
		memcpy((char *) to + order[i].place * row, (const char *) from + i * row, row);
}

/* The same of texts, which leave the piece's arena. */
static void
place_texts(tfm_context *context, tfm_text *to, const tfm_text *from, const placed *order,
			size_t count)
{
	for (size_t i = 0; from != NULL && i < count; i++)
		to[order[i].place] = (tfm_text) {
			tfm_strndup(context, from[i].data, from[i].length),
			from[i].length,
		};
}

static bool
join_answers(tfm_context *context, const lanes *l, task_answer *answer)
{
	size_t columns = (size_t) l->pieces[0].answer.columns;

	*answer = (task_answer) {.columns = (int) columns};
	if (l->pieces[0].answer.values != NULL)
		answer->values = tfm_alloc_array(context, l->call.count, columns * sizeof(float));
	if (l->pieces[0].answer.scores != NULL)
		answer->scores = tfm_alloc_array(context, l->call.count, columns * sizeof(double));
	if (l->pieces[0].answer.texts != NULL)
		answer->texts = tfm_alloc_array(context, l->call.count, sizeof(tfm_text));
	if (tfm_failed(context))
		return false;
	for (size_t i = 0; i < l->count; i++)
	{
		const piece *p = &l->pieces[i];

		place_rows(answer->values, p->answer.values, l->order + p->first, p->count,
				   columns * sizeof(float));
		place_rows(answer->scores, p->answer.scores, l->order + p->first, p->count,
				   columns * sizeof(double));
		place_texts(context, answer->texts, p->answer.texts, l->order + p->first, p->count);
		tfm_add_usage(&context->usage, &p->usage);
	}
	return !tfm_failed(context);
}

/* Each thread has an arena, with its part of the call's memory; marks are where they stand. */
static bool
prepare_lanes(tfm_context *context, serve_device *device, arena_mark **marks)
{
	size_t threads = (size_t) device->threads;

	*marks = tfm_alloc_array(context, threads, sizeof(arena_mark));
	if (device->lanes == NULL)
		device->lanes = calloc(threads, sizeof(arena *));
	if (device->lanes == NULL || *marks == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	for (size_t i = 0; i < threads; i++)
	{
		if (device->lanes[i] == NULL)
			device->lanes[i] = arena_create(0);
		if (device->lanes[i] == NULL)
			return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		arena_set_limit(device->lanes[i], arena_limit(context->arena) / threads);
		(*marks)[i] = arena_save(device->lanes[i]);
	}
	return true;
}

bool
serve_lanes_run(tfm_context *context, serve_device *device, const task_models *models,
				const task_call *call, task_answer *answer)
{
	lanes l = {.context = context, .device = device, .models = models};
	arena_mark *marks;

	if (!prepare_lanes(context, device, &marks))
		return false;
	if (order_inputs(context, call, &l) && cut_pieces(context, &l))
		threads_run(context, run_piece, &l, (int64_t) l.count);
	if (!tfm_failed(context) && check_pieces(context, &l))
		join_answers(context, &l, answer);
	for (int i = 0; i < device->threads; i++)
		arena_restore(device->lanes[i], marks[i]);
	return !tfm_failed(context);
}

size_t
serve_lanes_held(const serve_device *device)
{
	size_t held = 0;

	for (int i = 0; device->lanes != NULL && i < device->threads; i++)
		if (device->lanes[i] != NULL)
			held += arena_held(device->lanes[i]);
	return held;
}

void
serve_lanes_trim(serve_device *device, size_t kept)
{
	for (int i = 0; device->lanes != NULL && i < device->threads; i++)
		if (device->lanes[i] != NULL)
			arena_trim(device->lanes[i], kept);
}

void
serve_lanes_destroy(serve_device *device)
{
	for (int i = 0; device->lanes != NULL && i < device->threads; i++)
		arena_destroy(device->lanes[i]);
	free(device->lanes);
	device->lanes = NULL;
}
