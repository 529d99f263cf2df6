/*
 * fiber.c
 *	  Work that is left in its middle and gone on with later.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/fiber.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* Of the thread: addresses only, until it is used. */
#define STACK_SIZE ((size_t) 8 * 1024 * 1024)

struct serve_fiber
{
	void (*work)(void *);
	void *argument;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t turned;
	bool inside; /* it is the work's turn */
	bool ended;	 /* there is no work any more; never begun is ended before it begins */
	bool dropped;
};

/* The turn goes to the other side; the mutex is held. */
static void
turn(serve_fiber *f, bool inside)
{
	f->inside = inside;
	pthread_cond_broadcast(&f->turned);
}

static void
await_turn(serve_fiber *f, bool inside)
{
	while (f->inside != inside)
		pthread_cond_wait(&f->turned, &f->mutex);
}

static void *
run(void *argument)
{
	serve_fiber *f = argument;

	pthread_mutex_lock(&f->mutex);
	await_turn(f, true);
	if (!f->dropped)
	{
		pthread_mutex_unlock(&f->mutex);
		f->work(f->argument);
		pthread_mutex_lock(&f->mutex);
	}
	f->ended = true;
	turn(f, false);
	pthread_mutex_unlock(&f->mutex);
	return NULL;
}

static bool
start_thread(serve_fiber *f)
{
	pthread_attr_t attributes;
	sigset_t all, saved;
	int failed;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	failed = pthread_create(&f->thread, &attributes, run, f);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	pthread_attr_destroy(&attributes);
	return failed == 0;
}

serve_fiber *
serve_fiber_create(void (*work)(void *argument), void *argument)
{
	serve_fiber *f = calloc(1, sizeof(serve_fiber));

	if (f == NULL)
		return NULL;
	f->work = work;
	f->argument = argument;
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->turned, NULL);
	if (start_thread(f))
		return f;
	pthread_cond_destroy(&f->turned);
	pthread_mutex_destroy(&f->mutex);
	free(f);
	return NULL;
}

bool
serve_fiber_resume(serve_fiber *f)
{
	bool ended;

	pthread_mutex_lock(&f->mutex);
	if (!f->ended)
	{
		turn(f, true);
		await_turn(f, false);
	}
	ended = f->ended;
	pthread_mutex_unlock(&f->mutex);
	return !ended;
}

void
serve_fiber_pause(serve_fiber *f)
{
	pthread_mutex_lock(&f->mutex);
	turn(f, false);
	await_turn(f, true);
	pthread_mutex_unlock(&f->mutex);
}

void
serve_fiber_destroy(serve_fiber *f)
{
	if (f == NULL)
		return;
	pthread_mutex_lock(&f->mutex);
	f->dropped = true;
	turn(f, true);
	pthread_mutex_unlock(&f->mutex);
	pthread_join(f->thread, NULL);
	pthread_cond_destroy(&f->turned);
	pthread_mutex_destroy(&f->mutex);
	free(f);
}
