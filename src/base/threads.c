/*
 * threads.c
 *	  A small pool of threads that run the tiles of one computation.
 *
 * A run is announced by a new ticket, which also says how many workers it wants;
 * a worker that is among them takes items until there are none left and then
 * lowers "running".  What describes the run is written before the ticket, and
 * stays until running is 0, so that it needs no lock.
 *
 * Both sides look for the other for some microseconds before they sleep: the ops
 * of a forward pass follow each other closely, and waking a thread takes longer
 * than many of them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

/* How often to look before sleeping; some 20 microseconds. */
#define LOOKS 1000

/* A ticket: a count of runs above the number of workers that the last one wants. */
#define WANTED_BITS 16
#define WANTED_MASK (((uint64_t) 1 << WANTED_BITS) - 1)

typedef struct worker
{
	thread_pool *pool;
	pthread_t thread;
	int number;	   /* 1 .. */
	uint64_t seen; /* the last ticket it looked at */
} worker;

struct thread_pool
{
	void (*work)(void *, int64_t, int); /* the run's */
	void *argument;
	int64_t items;
	_Atomic int64_t next; /* first item that nobody has taken */
	atomic_bool stop;	  /* skip what is left */

	_Atomic uint64_t ticket;
	atomic_int running;		 /* workers of this run that have not finished */
	atomic_bool quit;		 /* all workers are to end */
	pthread_mutex_t mutex;	 /* for sleeping: what is waited for changes under it */
	pthread_cond_t start;	 /* a new ticket, or quit */
	pthread_cond_t finished; /* running has become 0 */

	int threads;	 /* most threads, the caller's included */
	int started;	 /* workers running */
	worker *workers; /* [threads - 1] */
};

static inline void
pause_shortly(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

thread_pool *
threads_create(int threads)
{
	thread_pool *pool = calloc(1, sizeof(thread_pool));

	if (pool == NULL)
		return NULL;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	pool->threads = threads < 1 ? 1 : threads;
	pool->workers = calloc((size_t) pool->threads, sizeof(worker));
	if (pool->workers == NULL)
	{
		free(pool);
		return NULL;
	}
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->start, NULL);
	pthread_cond_init(&pool->finished, NULL);
	return pool;
}

void
threads_destroy(thread_pool *pool)
{
	if (pool == NULL)
		return;
	pthread_mutex_lock(&pool->mutex);
	atomic_store(&pool->quit, true);
	pthread_cond_broadcast(&pool->start);
	pthread_mutex_unlock(&pool->mutex);
	for (int i = 0; i < pool->started; i++)
		pthread_join(pool->workers[i].thread, NULL);
	pthread_cond_destroy(&pool->finished);
	pthread_cond_destroy(&pool->start);
	pthread_mutex_destroy(&pool->mutex);
	free(pool->workers);
	free(pool);
}

static void
take_items(thread_pool *pool, int thread)
{
	while (!atomic_load_explicit(&pool->stop, memory_order_relaxed))
	{
		int64_t item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);

		if (item >= pool->items)
			return;
		pool->work(pool->argument, item, thread);
	}
}

/* Wait for a ticket that the worker has not seen; false if it is to end. */
static bool
await_ticket(worker *self)
{
	thread_pool *pool = self->pool;

	for (int i = 0; i < LOOKS && atomic_load(&pool->ticket) == self->seen; i++)
		pause_shortly();
	if (atomic_load(&pool->ticket) == self->seen)
	{
		pthread_mutex_lock(&pool->mutex);
		while (!atomic_load(&pool->quit) && atomic_load(&pool->ticket) == self->seen)
			pthread_cond_wait(&pool->start, &pool->mutex);
		pthread_mutex_unlock(&pool->mutex);
	}
	self->seen = atomic_load(&pool->ticket);
	return !atomic_load(&pool->quit);
}

static void *
worker_main(void *argument)
{
	worker *self = argument;
	thread_pool *pool = self->pool;

	while (await_ticket(self))
	{
		if (self->number > (int) (self->seen & WANTED_MASK))
			continue;
		take_items(pool, self->number);
		if (atomic_fetch_sub(&pool->running, 1) > 1)
			continue;
		pthread_mutex_lock(&pool->mutex);
		pthread_cond_signal(&pool->finished);
		pthread_mutex_unlock(&pool->mutex);
	}
	return NULL;
}

/* Let workers take part in a run that is described in the pool. */
static void
announce_run(thread_pool *pool, int workers)
{
	uint64_t ticket = atomic_load(&pool->ticket);

	atomic_store(&pool->next, 0);
	atomic_store(&pool->stop, false);
	atomic_store(&pool->running, workers);
	pthread_mutex_lock(&pool->mutex);
	atomic_store(&pool->ticket, ((ticket >> WANTED_BITS) + 1) << WANTED_BITS | (uint64_t) workers);
	pthread_cond_broadcast(&pool->start);
	pthread_mutex_unlock(&pool->mutex);
}

static void
await_workers(thread_pool *pool)
{
	for (int i = 0; i < LOOKS && atomic_load(&pool->running) > 0; i++)
		pause_shortly();
	if (atomic_load(&pool->running) == 0)
		return;
	pthread_mutex_lock(&pool->mutex);
	while (atomic_load(&pool->running) > 0)
		pthread_cond_wait(&pool->finished, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
}

/* Start workers until there are count of them, with every signal blocked; fewer is no error. */
static void
start_workers(thread_pool *pool, int count)
{
	sigset_t all, saved;

	if (pool->started >= count)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	while (pool->started < count)
	{
		worker *w = &pool->workers[pool->started];

		w->pool = pool;
		w->number = pool->started + 1;
		w->seen = atomic_load(&pool->ticket); /* takes part from the next run on */
		if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
			break;
		pool->started++;
	}
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
}

static bool
run_alone(tfm_context *context, void (*work)(void *, int64_t, int), void *argument, int64_t items)
{
	for (int64_t item = 0; item < items && !tfm_stopped(context); item++)
		work(argument, item, 0);
	return !tfm_failed(context);
}

bool
threads_run(tfm_context *context, void (*work)(void *argument, int64_t item, int thread),
			void *argument, int64_t items)
{
	thread_pool *pool = context->pool;
	int threads = pool == NULL ? 1 : pool->threads;

	if (tfm_failed(context))
		return false;
	if (threads > context->threads)
		threads = context->threads;
	if (threads > items)
		threads = (int) items;
	if (threads > 1)
		start_workers(pool, threads - 1);
	if (threads <= 1 || pool->started == 0)
		return run_alone(context, work, argument, items);

	pool->work = work;
	pool->argument = argument;
	pool->items = items;
	announce_run(pool, threads - 1 < pool->started ? threads - 1 : pool->started);
	for (;;)
	{
		int64_t item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);

		if (item >= items)
			break;
		work(argument, item, 0);
		if (tfm_stopped(context))
		{
			atomic_store(&pool->stop, true);
			break;
		}
	}

	await_workers(pool);
	return !tfm_failed(context);
}
