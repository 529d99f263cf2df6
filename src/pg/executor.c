/*
 * executor.c
 *	  Who computes a call: this session, or a worker for all sessions.
 *
 * A call that goes to a worker has passed all checks here: the session has located, compiled and
 * opened the model as its user may, and tells the worker the file of the image.  The answer is the
 * same, bit by bit.
 *
 * An engine process that ends takes the calls in it with it.  They are errors, also where tfm.executor
 * is auto: what a call did to the one process it might do to the next, and here that is the server.
 * Their SQLSTATE, serialization_failure, is what clients and pools try a transaction again for; the
 * server itself uses it so for a query that recovery ends.  Calls that have not been sent yet wait for
 * the next engine process, or are computed here.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/executor.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "pg/backend.h"
#include "pg/connection.h"
#include "pg/settings.h"
#include "pg/stat.h"
#include "pg/worker.h"
#include "serve/protocol.h"

/* Calls of so many texts fill batches of their own: auto computes them in the session. */
#define AUTO_TEXTS 32

/* What an attempt to have a call computed by a worker came to. */
typedef enum attempt
{
	ATTEMPT_DONE,	/* with an answer, or an error in the context */
	ATTEMPT_NOBODY, /* no worker was ready, or it was gone before it had the call */
	ATTEMPT_LOST	/* it ended with the call in it */
} attempt;

/* A call on its way. */
typedef struct errand
{
	tfm_context *context;
	const registry_handle *model;
	const registry_handle *assistant;
	const task_call *call;
	task_answer *answer;
	int worker; /* that was tried last, -1: none, and its engine process */
	int64 generation;
	TimestampTz until; /* how long workers are waited for */
} errand;

/* ---- In this session ---- */

static bool
run_here(tfm_context *context, const registry_handle *model, const registry_handle *assistant,
		 const task_call *call, task_answer *answer)
{
	task_models models = {.model = model->model};

	if (task_needs_generator(call, model->model))
	{
		models.generator = registry_generator(context, model);
		if (models.generator != NULL && assistant != NULL)
			models.assistant = registry_generator(context, assistant);
	}
	return !tfm_failed(context) && task_call_run(context, &models, call, answer);
}

/* ---- In a worker ---- */

/* The frame of the call. */
static buffer *
write_request(const errand *e, uint64 id)
{
	tfm_context *context = e->context;
	serve_request request = {
		.isa = tfm_backend.cpu_isa,
		.cache_type = (tfm_dtype) tfm_backend.cache_type,
		.max_memory = (int64_t) settings_max_memory(),
		.prefix_cache = (int64_t) settings_prefix_cache(),
		.session = (uint64) MyProcPid,
		.call = *e->call,
	};
	buffer *frame = buffer_create(context);

	request.image = registry_image(e->model, &request.compute);
	if (e->assistant != NULL)
		request.assistant = registry_image(e->assistant, &request.assistant_compute);
	return frame != NULL && serve_write_request(context, frame, id, &request) ? frame : NULL;
}

/* Whether an answer has what its kind has, before anybody looks at it. */
static bool
is_complete(const task_call *call, const task_answer *answer)
{
	switch (call->kind)
	{
		case TASK_EMBED:
			return answer->values != NULL && answer->columns > 0;
		case TASK_GENERATE:
		case TASK_PIPELINE:
			return answer->texts != NULL;
		case TASK_LABEL:
		case TASK_SCORE_LABELS:
			return answer->scores != NULL && (size_t) answer->columns == call->label_count;
		case TASK_RERANK:
			return answer->scores != NULL && answer->columns == 1;
		default:
			return false;
	}
}

static attempt
read_answer(const errand *e, serve_kind kind, tfm_text data)
{
	tfm_context *context = e->context;
	serve_reply reply;

	if (kind == SERVE_ERROR)
	{
		serve_read_error(context, data);
		if (context->error.kind != TFM_CANCELLED)
			return ATTEMPT_DONE;
		tfm_clear_error(context); /* not by us: it is about to end */
		return ATTEMPT_LOST;
	}
	if (kind != SERVE_ANSWER)
		tfm_fail(context, TFM_INTERNAL, "a worker answers with a frame of kind %d", (int) kind);
	else if (serve_read_reply(context, data, e->call->count, &reply))
	{
		if (!is_complete(e->call, &reply.answer))
			tfm_fail(context, TFM_INTERNAL, "the answer of a worker is not complete");
		tfm_add_usage(&context->usage, &reply.usage);
		*e->answer = reply.answer;
	}
	return ATTEMPT_DONE;
}

/* Ask an engine process that there is a place in. */
static attempt
ask(const errand *e, connection *c)
{
	connection_result result;
	serve_kind kind;
	buffer *frame;
	tfm_text data;

	if (!connection_open(c, e->generation, e->until))
		return ATTEMPT_NOBODY;
	frame = write_request(e, ++c->id);
	if (frame == NULL)
		return ATTEMPT_DONE;
	if (!connection_send(c, frame->data, frame->length))
		return ATTEMPT_NOBODY;
	worker_note_asked(e->generation);
	result = connection_receive(c, e->context, 0, &kind, &data);
	if (result == CONNECTION_OK)
		return read_answer(e, kind, data);
	CHECK_FOR_INTERRUPTS(); /* where the server ends, that is the cause */
	return result == CONNECTION_LOST ? ATTEMPT_LOST : ATTEMPT_DONE;
}

/* Ask the worker that has least to do. */
static attempt
try_worker(errand *e)
{
	volatile attempt result = ATTEMPT_NOBODY;
	stat_phase outer = stat_set_phase(STAT_WAITING, NULL);
	int worker = worker_take_place((int) Min(e->call->count, INT_MAX), &e->generation);

	e->worker = worker;
	if (worker < 0)
	{
		stat_set_phase(outer, NULL);
		return ATTEMPT_NOBODY;
	}
	PG_TRY();
	{
		result = ask(e, connection_get(worker));
	}
	PG_CATCH();
	{
		connection_cancel(connection_get(worker));
		worker_give_place_back(false);
		PG_RE_THROW();
	}
	PG_END_TRY();
	worker_give_place_back(result == ATTEMPT_LOST);
	stat_set_phase(outer, NULL);
	return result;
}

static _Noreturn void
throw_lost(const errand *e)
{
	ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					errmsg("worker %d lost its engine process while it computed", e->worker + 1),
					errdetail("The process ended; the server's log tells of what.  The next one is "
							  "being started."),
					errhint("The transaction might succeed if retried.")));
}

static _Noreturn void
throw_nobody(void)
{
	ereport(ERROR, (errcode(ERRCODE_CANNOT_CONNECT_NOW), errmsg("no worker is ready"),
					errhint("See the view tfm_stat_workers and the server's log, or compute in the "
							"session with SET tfm.executor = 'session'.")));
}

static void
check_workers(void)
{
	if (worker_memory == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there are no workers, which tfm.executor = 'worker' asks for"),
				 errhint("Add \"tfm\" to shared_preload_libraries and restart the server.")));
	if (!worker_exist())
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("there are no workers, which tfm.executor = 'worker' asks for"),
						errhint("Raise tfm.workers above 0 and restart the server.")));
}

/* What the attempt comes to; an image that has been removed is still open here, and only here. */
static bool
conclude(errand *e, attempt result)
{
	tfm_context *context = e->context;

	if (result == ATTEMPT_LOST)
		throw_lost(e);
	if (result == ATTEMPT_DONE && context->error.kind != TFM_FILE_NOT_FOUND)
		return !tfm_failed(context);
	tfm_clear_error(context);
	return run_here(context, e->model, e->assistant, e->call, e->answer);
}

/* Have a worker compute, whatever it takes. */
static bool
run_in_worker(errand *e)
{
	attempt result;

	check_workers();
	while ((result = try_worker(e)) == ATTEMPT_NOBODY)
		if (!worker_wait_ready(e->worker, e->generation, e->until))
			throw_nobody();
	return conclude(e, result);
}

/* Have a worker compute if one is ready, and this session if not. */
static bool
run_anywhere(errand *e)
{
	return conclude(e, try_worker(e));
}

/* ---- Who computes ---- */

/* As the setting says, where the kind of call leaves a choice. */
static bool
choose_executor(tfm_context *context, const registry_handle *model,
				const registry_handle *assistant, const task_call *call, task_answer *answer)
{
	errand e = {
		.context = context,
		.model = model,
		.assistant = assistant,
		.call = call,
		.answer = answer,
		.worker = -1,
	};

	if (call->count == 0 || !task_kind_is_sent(call->kind) ||
		tfm_backend.executor == EXECUTOR_SESSION ||
		(tfm_backend.executor == EXECUTOR_AUTO &&
		 (call->count >= AUTO_TEXTS || !worker_is_ready())))
		return run_here(context, model, assistant, call, answer);
	e.until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), WORKER_START_TIMEOUT);
	return tfm_backend.executor == EXECUTOR_WORKER ? run_in_worker(&e) : run_anywhere(&e);
}

bool
executor_run(tfm_context *context, const registry_handle *model, const registry_handle *assistant,
			 const task_call *call, task_answer *answer)
{
	const char *kind = task_kind_name(call->kind, call->task);
	stat_work work = stat_begin(context, model, kind, (int64) call->count);
	bool computed = choose_executor(context, model, assistant, call, answer);

	stat_end(context, model, &work, kind, (int64) call->count);
	return computed;
}
