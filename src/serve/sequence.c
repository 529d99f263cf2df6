/*
 * sequence.c
 *	  One input of a call that generates: its fiber, its decoder, what it has open.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/sequence.h"

#include <stdlib.h>
#include <string.h>

/* ---- What is open ---- */

/* Note a sequence of the session; without memory for that it is closed again, and -1. */
static int32_t
note_opened(tfm_context *context, serve_voice *v, int32_t number)
{
	serve_sequence *s = v->sequence;

	if (number < 0)
		return -1;
	if (s->opened_count == s->opened_capacity)
	{
		size_t capacity = s->opened_capacity == 0 ? 8 : s->opened_capacity * 2;
		serve_opened *grown = realloc(s->opened, capacity * sizeof(serve_opened));

		if (grown == NULL)
		{
			run_session_close(v->session, number, false);
			tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
			return -1;
		}
		s->opened = grown;
		s->opened_capacity = capacity;
	}
	s->opened[s->opened_count++] = (serve_opened) {v->session, number};
	return number;
}

static void
forget_opened(serve_sequence *s, const run_session *session, int32_t number)
{
	for (size_t i = 0; i < s->opened_count; i++)
		if (s->opened[i].session == session && s->opened[i].number == number)
		{
			s->opened[i] = s->opened[--s->opened_count];
			return;
		}
}

/* ---- The decoder ---- */

static bool
keeps(const serve_voice *v)
{
	return v->sequence->call->request.prefix_cache > 0;
}

static int32_t
open_sequence(tfm_context *context, void *argument, const int32_t *ids, int64_t count,
			  int64_t *reused)
{
	serve_voice *v = argument;

	return note_opened(context, v,
					   run_session_open(context, v->session, keeps(v) ? ids : NULL, count, reused));
}

static bool
encode_inputs(tfm_context *context, void *argument, const gen_ids *inputs, int64_t count,
			  int32_t *sequences)
{
	serve_voice *v = argument;
	gen_decoder own = gen_decoder_of(v->session);
	bool good = own.encode(context, own.argument, inputs, count, sequences);

	for (int64_t i = 0; good && i < count; i++)
		sequences[i] = note_opened(context, v, sequences[i]);
	return !tfm_failed(context);
}

static int32_t
fork_sequence(tfm_context *context, void *argument, int32_t sequence)
{
	serve_voice *v = argument;

	return note_opened(context, v, run_session_fork(context, v->session, sequence));
}

static bool
truncate_sequence(tfm_context *context, void *argument, int32_t sequence, int64_t length)
{
	const serve_voice *v = argument;

	return run_session_truncate(context, v->session, sequence, length);
}

static void
close_sequence(void *argument, int32_t sequence, bool keep)
{
	serve_voice *v = argument;

	forget_opened(v->sequence, v->session, sequence);
	run_session_close(v->session, sequence, keep && keeps(v));
}

static bool
has_room(void *argument, int64_t count, int64_t tokens)
{
	const serve_voice *v = argument;
	tfm_context context = {0};

	return run_session_check_room(&context, v->session, count, tokens);
}

/* Rows of results, which the pass fills. */
static bool
allocate_rows(serve_step *step, const gen_decoder *decoder, bool states)
{
	size_t rows = 0;

	for (int64_t i = 0; i < step->count; i++)
	{
		rows += (size_t) step->steps[i].wanted;
		step->left += step->steps[i].count;
	}
	step->logits =
		tfm_alloc_array(step->context, rows, (size_t) decoder->vocabulary * sizeof(float));
	if (states)
		step->states =
			tfm_alloc_array(step->context, rows, (size_t) decoder->state_size * sizeof(float));
	return !tfm_failed(step->context);
}

/* Wait for the pass, or passes, that compute a step. */
static bool
step_sequences(tfm_context *context, void *argument, const run_step *steps, int64_t count,
			   float **logits, float **states)
{
	serve_voice *v = argument;
	serve_step *step = &v->sequence->step;

	if (tfm_failed(context))
		return false;
	*step =
		(serve_step) {.context = context, .session = v->session, .steps = steps, .count = count};
	if (!allocate_rows(step, &v->decoder, states != NULL))
		return false;
	*logits = step->logits;
	if (states != NULL)
		*states = step->states;
	if (step->left > 0)
		serve_fiber_pause(v->sequence->fiber);
	return !tfm_failed(context);
}

/* The decoder of a session, in company. */
static void
make_voice(serve_sequence *s, serve_voice *v, run_session *session)
{
	*v = (serve_voice) {.sequence = s, .session = session, .decoder = gen_decoder_of(session)};
	v->decoder.argument = v;
	v->decoder.open = open_sequence;
	v->decoder.encode = encode_inputs;
	v->decoder.fork = fork_sequence;
	v->decoder.truncate = truncate_sequence;
	v->decoder.step = step_sequences;
	v->decoder.close = close_sequence;
	v->decoder.has_room = has_room;
}

/* ---- The models ---- */

/* A model's generator that decodes in company; NULL on error. */
static generator *
join_generator(serve_sequence *s, serve_model *model, serve_voice *v)
{
	const serve_request *request = &s->call->request;
	generator *g;

	if (model == NULL)
		return NULL;
	g = serve_model_generator(&s->context, s->device->models, model, request->cache_type,
							  (size_t) request->prefix_cache);
	if (g == NULL)
		return NULL;
	make_voice(s, v, task_generator_session(g));
	return task_generator_share(&s->context, g, &v->decoder);
}

static bool
open_models(serve_sequence *s)
{
	const serve_request *request = &s->call->request;

	s->model = serve_models_open(&s->context, s->device->models, request->image, request->compute);
	if (s->model == NULL)
		return false;
	s->models.model = serve_model_get(s->model);
	if (!task_needs_generator(&request->call, s->models.model))
		return true;
	s->models.generator = join_generator(s, s->model, &s->voice);
	if (s->models.generator == NULL || request->assistant == NULL)
		return s->models.generator != NULL;
	s->assistant = serve_models_open(&s->context, s->device->models, request->assistant,
									 request->assistant_compute);
	s->models.assistant = join_generator(s, s->assistant, &s->draft_voice);
	return s->models.assistant != NULL;
}

/* ---- A sequence's life ---- */

/* What the fiber does. */
static void
compute(void *argument)
{
	serve_sequence *s = argument;
	task_call call = s->call->request.call;

	call.count = s->count;
	call.inputs += s->first;
	if (call.seconds != NULL)
		call.seconds += s->first;
	if (open_models(s))
		task_call_run(&s->context, &s->models, &call, &s->answer);
}

bool
serve_sequence_is_wanted(const serve_sequence *s)
{
	return !serve_call_cancelled(s->call) && s->call->error.kind == TFM_OK &&
		   !atomic_load_explicit(s->device->stop, memory_order_relaxed);
}

static bool
is_unwanted(void *argument)
{
	return !serve_sequence_is_wanted(argument);
}

serve_sequence *
serve_sequence_create(serve_device *device, serve_call *call, size_t first, size_t count)
{
	serve_sequence *s = calloc(1, sizeof(serve_sequence));

	if (s == NULL)
		return NULL;
	s->device = device;
	s->call = call;
	s->first = first;
	s->count = count;
	return s;
}

bool
serve_sequence_begin(serve_sequence *s)
{
	s->arena = arena_create(0);
	s->fiber = s->arena == NULL ? NULL : serve_fiber_create(compute, s);
	if (s->fiber == NULL)
	{
		s->context = (tfm_context) {0};
		s->crowded = true; /* there may be threads and memory when others have ended */
		return tfm_fail(&s->context, TFM_OUT_OF_MEMORY, "out of memory");
	}
	s->context = serve_device_context(s->device, s->arena, &s->call->request);
	s->context.interrupted = is_unwanted;
	s->context.interrupted_argument = s;
	s->crowded = false;
	return serve_fiber_resume(s->fiber);
}

bool
serve_sequence_resume(serve_sequence *s)
{
	return serve_fiber_resume(s->fiber);
}

void
serve_sequence_tell(serve_sequence *s)
{
	if (tfm_failed(&s->context))
		serve_call_fail(s->call, &s->context.error);
	else
		serve_call_put(s->call, s->first, s->count, &s->answer, 0);
	serve_call_count(s->call, &s->context.usage, s->company);
}

void
serve_sequence_reset(serve_sequence *s)
{
	serve_fiber_destroy(s->fiber);
	s->fiber = NULL;
	arena_destroy(s->arena);
	s->arena = NULL;
	/* what an error has left open */
	while (s->opened_count > 0)
	{
		const serve_opened *o = &s->opened[--s->opened_count];

		run_session_close(o->session, o->number, false);
	}
	serve_models_close(s->device->models, s->assistant);
	serve_models_close(s->device->models, s->model);
	s->assistant = s->model = NULL;
	s->models = (task_models) {0};
}

void
serve_sequence_destroy(serve_sequence *s)
{
	serve_sequence_reset(s);
	free(s->opened);
	free(s);
}
