/*
 * engine.c
 *	  What computes the calls of many sessions.
 *
 * The mutex is held only to look at the queue and to hand calls over, never while anything is
 * computed.  Models, generators and memory belong to the computing thread.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/engine.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/threads.h"
#include "serve/lanes.h"
#include "serve/running.h"

/* Scratch memory that is kept while there is nothing to do. */
#define SCRATCH_KEPT ((size_t) 8 * 1024 * 1024)

/* So many times as long as the engine was idle at first, it waits to look again for images that are gone. */
#define IDLE_TIMES 30

struct serve_engine
{
	serve_engine_options options;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* calls came or went, or the engine is to stop */
	atomic_bool stop;

	/* Under the mutex. */
	serve_queue queue;
	serve_call *calls;					/* all it has that are not collected */
	serve_call *first_done, *last_done; /* those that are done */
	serve_status status;

	/* The computing thread's. */
	serve_device device;
	serve_running running;
};

/* ---- Calls that come and go; the mutex is held ---- */

static void
link_call(serve_engine *e, serve_call *call)
{
	call->before = NULL;
	call->after = e->calls;
	if (e->calls != NULL)
		e->calls->before = call;
	e->calls = call;
}

static void
unlink_call(serve_engine *e, serve_call *call)
{
	if (call->before != NULL)
		call->before->after = call->after;
	else
		e->calls = call->after;
	if (call->after != NULL)
		call->after->before = call->before;
}

/* A portion of a call is handed out. */
static void
begin_portion(serve_engine *e, serve_call *call)
{
	if (call->running++ > 0 || call->begun > 0)
		return;
	call->begun = clock_now();
	e->status.waiting--;
	e->status.running++;
}

/*
 * Whether nothing of a call is computed or waits any more: it is the caller's then to conclude it, and
 * nobody else's.
 */
static bool
is_over(serve_engine *e, serve_call *call)
{
	if (call->done || call->running > 0 || call->job.waiting)
		return false;
	call->done = true;
	if (call->begun > 0)
		e->status.running--;
	else
		e->status.waiting--;
	e->status.calls++;
	return true;
}

static void
hand_back(serve_engine *e, serve_call *call)
{
	call->next = NULL;
	if (e->first_done == NULL)
		e->first_done = call;
	else
		e->last_done->next = call;
	e->last_done = call;
}

/* ---- Batches ---- */

/* A portion has been computed, or failed to be. */
static void
end_portion(serve_engine *e, serve_call *call)
{
	bool over;

	pthread_mutex_lock(&e->mutex);
	call->running--;
	if (call->error.kind != TFM_OK)
		serve_queue_remove(&e->queue, &call->job);
	over = is_over(e, call);
	pthread_mutex_unlock(&e->mutex);
	if (!over)
		return;
	serve_call_conclude(call, clock_now());
	pthread_mutex_lock(&e->mutex);
	hand_back(e, call);
	pthread_mutex_unlock(&e->mutex);
}

/* Take the next batch, if it is time for it: its calls, linked; the mutex is held. */
static serve_call *
take_batch(serve_engine *e, serve_job **batch)
{
	serve_call *first = NULL, **link = &first;

	if (serve_queue_wait(&e->queue, clock_now()) != 0)
		return NULL;
	*batch = serve_queue_take(&e->queue);
	for (serve_job *job = *batch; job != NULL; job = job->batch_next)
	{
		serve_call *call = serve_call_of(job);

		begin_portion(e, call);
		*link = call;
		call->next = NULL;
		link = &call->next;
	}
	return first;
}

/* Compute the calls of a batch. */
static void
run_batch(serve_engine *e, serve_job *batch, serve_call *calls)
{
	int64_t count = 0;

	serve_batch_run(&e->device, batch);
	for (serve_call *call = calls, *next; call != NULL; call = next)
	{
		next = call->next;
		end_portion(e, call);
		count++;
	}
	pthread_mutex_lock(&e->mutex);
	serve_queue_end(&e->queue, count, clock_now());
	pthread_mutex_unlock(&e->mutex);
	e->options.wake(e->options.wake_argument);
}

/* ---- Sequences ---- */

static void
end_sequence(void *argument, serve_call *call)
{
	serve_engine *e = argument;

	end_portion(e, call);
	e->options.wake(e->options.wake_argument);
}

/* An input of a call that generates, if one waits. */
static serve_sequence *
take_sequence(void *argument)
{
	serve_engine *e = argument;
	serve_sequence *s = NULL;
	serve_job *job;

	pthread_mutex_lock(&e->mutex);
	job = serve_queue_take_generating(&e->queue);
	if (job != NULL)
		begin_portion(e, serve_call_of(job));
	pthread_mutex_unlock(&e->mutex);
	if (job == NULL)
		return NULL;
	s = serve_sequence_create(&e->device, serve_call_of(job), job->first, job->count);
	if (s == NULL)
	{
		tfm_context context = {0};

		tfm_fail(&context, TFM_OUT_OF_MEMORY, "out of memory");
		serve_call_fail(serve_call_of(job), &context.error);
		end_sequence(e, serve_call_of(job));
	}
	return s;
}

/* ---- The computing thread ---- */

/* Give back what is not needed while there is nothing to do. */
static void
rest(serve_engine *e)
{
	serve_models_forget(e->device.models);
	arena_trim(e->device.scratch, SCRATCH_KEPT);
	serve_lanes_trim(&e->device, SCRATCH_KEPT);
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

/* Figures that others ask for; the mutex is held. */
static void
tell_status(serve_engine *e)
{
	e->status.models = serve_models_count(e->device.models);
	e->status.passes = e->device.passes;
	e->status.memory = (int64_t) (serve_models_bytes(e->device.models) +
								  arena_held(e->device.scratch) + serve_lanes_held(&e->device));
}

/* Sleep until something changes, for so many seconds at most; the mutex is held.  Whether time is over. */
static bool
await_change(serve_engine *e, double seconds)
{
	double end = clock_now() + seconds;
	struct timespec until = {.tv_sec = (time_t) end};

	until.tv_nsec = (long) ((end - (double) until.tv_sec) * 1e9);
	return pthread_cond_timedwait(&e->changed, &e->mutex, &until) != 0;
}

/* Nothing can be computed now; the mutex is held. */
static void
sleep_idle(serve_engine *e, bool *rested)
{
	double wait = serve_queue_wait(&e->queue, clock_now());

	if (wait >= 0)
	{
		await_change(e, wait);
		return;
	}
	if (!await_change(e, *rested ? e->options.idle * IDLE_TIMES : e->options.idle))
		return;
	pthread_mutex_unlock(&e->mutex);
	rest(e);
	pthread_mutex_lock(&e->mutex);
	*rested = true;
}

/* Compute what there is to be computed; whether there was anything. */
static bool
compute_some(serve_engine *e)
{
	serve_job *batch;
	serve_call *calls;

	pthread_mutex_lock(&e->mutex);
	calls = take_batch(e, &batch);
	pthread_mutex_unlock(&e->mutex);
	if (calls != NULL)
		run_batch(e, batch, calls);
	serve_running_start(&e->running);
	if (e->running.count == 0)
		return calls != NULL;
	serve_running_step(&e->running);
	return true;
}

static void *
compute(void *argument)
{
	serve_engine *e = argument;
	bool rested = false;

	while (!atomic_load(&e->stop))
	{
		bool any = compute_some(e);

		pthread_mutex_lock(&e->mutex);
		tell_status(e);
		if (any)
			rested = false;
		else if (e->queue.generating.calls == 0 && !atomic_load(&e->stop))
			sleep_idle(e, &rested);
		pthread_mutex_unlock(&e->mutex);
	}
	serve_running_destroy(&e->running);
	return NULL;
}

/* ---- For the other thread ---- */

void
serve_engine_add(serve_engine *e, serve_call *call)
{
	pthread_mutex_lock(&e->mutex);
	call->came = clock_now();
	link_call(e, call);
	e->status.waiting++;
	serve_queue_add(&e->queue, &call->job, call->came);
	pthread_cond_signal(&e->changed);
	pthread_mutex_unlock(&e->mutex);
}

void
serve_engine_cancel(serve_engine *e, serve_call *call)
{
	bool over;

	pthread_mutex_lock(&e->mutex);
	atomic_store(&call->cancelled, true);
	serve_queue_remove(&e->queue, &call->job);
	over = is_over(e, call);
	if (over)
	{
		serve_call_conclude(call, clock_now());
		hand_back(e, call);
	}
	pthread_mutex_unlock(&e->mutex);
	if (over)
		e->options.wake(e->options.wake_argument);
}

serve_call *
serve_engine_collect(serve_engine *e)
{
	serve_call *first;

	pthread_mutex_lock(&e->mutex);
	first = e->first_done;
	e->first_done = e->last_done = NULL;
	for (serve_call *call = first; call != NULL; call = call->next)
		unlink_call(e, call);
	pthread_mutex_unlock(&e->mutex);
	return first;
}

serve_status
serve_engine_status(serve_engine *e)
{
	serve_status status;

	pthread_mutex_lock(&e->mutex);
	status = e->status;
	pthread_mutex_unlock(&e->mutex);
	return status;
}

/* ---- Beginning and end ---- */

static void
free_engine(serve_engine *e)
{
	for (serve_call *call = e->calls, *next; call != NULL; call = next)
	{
		next = call->after;
		serve_call_destroy(call);
	}
	threads_destroy(e->device.pool);
	serve_models_destroy(e->device.models);
	arena_destroy(e->device.scratch);
	serve_lanes_destroy(&e->device);
	free(e->running.sequences);
	free(e);
}

static bool
start_thread(serve_engine *e)
{
	pthread_condattr_t monotonic;
	sigset_t all, saved;
	int failed;

	pthread_mutex_init(&e->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&e->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	failed = pthread_create(&e->thread, NULL, compute, e);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	return failed == 0;
}

serve_engine *
serve_engine_create(tfm_context *context, const serve_engine_options *options)
{
	serve_engine *e = calloc(1, sizeof(serve_engine));

	if (e == NULL)
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	e->options = *options;
	e->queue = serve_queue_create(&options->queue);
	e->device = (serve_device) {
		.models = serve_models_create(
			&(serve_models_options) {.kept = options->models, .cache_limit = options->max_memory}),
		.scratch = arena_create(0),
		.pool = threads_create(options->threads),
		.threads = options->threads,
		.stop = &e->stop,
	};
	e->running = (serve_running) {
		.device = &e->device,
		.limit = (size_t) options->sequences,
		.take = take_sequence,
		.ended = end_sequence,
		.argument = e,
	};
	if (e->device.models == NULL || e->device.scratch == NULL || e->device.pool == NULL ||
		!serve_running_create(&e->running))
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	else if (!start_thread(e))
		tfm_fail(context, TFM_IO, "could not start a thread");
	else
		return e;
	free_engine(e);
	return NULL;
}

void
serve_engine_destroy(serve_engine *e)
{
	if (e == NULL)
		return;
	pthread_mutex_lock(&e->mutex);
	atomic_store(&e->stop, true);
	pthread_cond_signal(&e->changed);
	pthread_mutex_unlock(&e->mutex);
	pthread_join(e->thread, NULL);
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->mutex);
	free_engine(e);
}
