/*
 * threads.c
 *	  A small pool of threads that run the tiles of one computation.
 *
 * Everything that both sides touch is in struct thread_pool, under its mutex,
 * but for "next" and "stop", which are atomic.  A run raises "generation"; a
 * worker that sees a new one, and is among the "wanted", takes items until there
 * are none left and then lowers "running".
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct worker
{
	thread_pool *pool;
	pthread_t thread;
	int number;	   /* 1 .. */
	uint64_t seen; /* the last generation it looked at */
} worker;

struct thread_pool
{
	pthread_mutex_t mutex;
	pthread_cond_t start;	 /* a new generation, or quit */
	pthread_cond_t finished; /* running has become 0 */
	uint64_t generation;	 /* counts runs */
	int wanted;				 /* workers that take part in this run */
	int running;			 /* of these, how many have not finished */
	bool quit;
	void (*work)(void *, int64_t, int);
	void *argument;
	int64_t items;
	_Atomic int64_t next; /* first item that nobody has taken */
	atomic_bool stop;	  /* skip what is left */
	int threads;		  /* most threads, the caller's included */
	int started;		  /* workers running */
	worker *workers;	  /* [threads - 1] */
};

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
	pool->quit = true;
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

static void *
worker_main(void *argument)
{
	worker *self = argument;
	thread_pool *pool = self->pool;

	pthread_mutex_lock(&pool->mutex);
	for (;;)
	{
		while (!pool->quit && (pool->generation == self->seen || self->number > pool->wanted))
		{
			self->seen = pool->generation;
			pthread_cond_wait(&pool->start, &pool->mutex);
		}
		if (pool->quit)
			break;
		self->seen = pool->generation;
		pthread_mutex_unlock(&pool->mutex);
		take_items(pool, self->number);
		pthread_mutex_lock(&pool->mutex);
		if (--pool->running == 0)
			pthread_cond_signal(&pool->finished);
	}
	pthread_mutex_unlock(&pool->mutex);
	return NULL;
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
		w->seen = pool->generation; /* takes part from the next run on */
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

	pthread_mutex_lock(&pool->mutex);
	pool->work = work;
	pool->argument = argument;
	pool->items = items;
	atomic_store(&pool->next, 0);
	atomic_store(&pool->stop, false);
	pool->wanted = pool->running = threads - 1 < pool->started ? threads - 1 : pool->started;
	pool->generation++;
	pthread_cond_broadcast(&pool->start);
	pthread_mutex_unlock(&pool->mutex);

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

	pthread_mutex_lock(&pool->mutex);
	while (pool->running > 0)
		pthread_cond_wait(&pool->finished, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
	return !tfm_failed(context);
}
