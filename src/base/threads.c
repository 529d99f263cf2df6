/*
 * threads.c
 *	  A small pool of threads that run the tiles of one computation.
 *
 * A run is one atomic word: its number, how many workers it wants, whether it is
 * open, and how many workers are in it.  A worker that sees a new number joins
 * while the run is open, takes items until there are none left, and leaves.  The
 * caller takes items, too, then closes the run and waits for those that are in
 * it: a worker that has not woken by then, on a busy machine, is not waited for.
 * What describes the run changes only while it is closed and nobody is in it.
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
#include <time.h>

/* How often to look before sleeping; some 100 microseconds: attention and sampling lie between ops. */
#define LOOKS 5000

/* How long the caller sleeps between two looks for an interrupt; nanoseconds. */
#define POLL_INTERVAL 10000000

/* The parts of the word, from the lowest bit up; the number of the run is above them. */
#define INSIDE_MASK ((uint64_t) 0xFFFF)
#define WANTED_SHIFT 16
#define WANTED_MASK ((uint64_t) 0x7FFF)
#define OPEN ((uint64_t) 1 << 31)
#define NUMBER_SHIFT 32

typedef struct worker
{
	thread_pool *pool;
	pthread_t thread;
	int number;	   /* 1 .. */
	uint64_t seen; /* number of the last run it looked at */
} worker;

struct thread_pool
{
	void (*work)(void *, int64_t, int); /* the run's */
	void *argument;
	int64_t items;
	_Atomic int64_t next; /* first item that nobody has taken */
	atomic_bool stop;	  /* skip what is left */

	_Atomic uint64_t run;
	atomic_bool quit;	   /* all workers are to end */
	pthread_mutex_t mutex; /* for sleeping: what is waited for is seen to change under it */
	pthread_cond_t start;  /* a new run, or quit */
	pthread_cond_t left;   /* a worker has left a closed run */

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
	pthread_condattr_t monotonic;

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
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->left, &monotonic);
	pthread_condattr_destroy(&monotonic);
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
	pthread_cond_destroy(&pool->left);
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

/* Wait for a run that the worker has not seen; false if it is to end. */
static bool
await_run(worker *self)
{
	thread_pool *pool = self->pool;

	for (int i = 0; i < LOOKS && atomic_load(&pool->run) >> NUMBER_SHIFT == self->seen; i++)
		pause_shortly();
	if (atomic_load(&pool->run) >> NUMBER_SHIFT == self->seen)
	{
		pthread_mutex_lock(&pool->mutex);
		while (!atomic_load(&pool->quit) && atomic_load(&pool->run) >> NUMBER_SHIFT == self->seen)
			pthread_cond_wait(&pool->start, &pool->mutex);
		pthread_mutex_unlock(&pool->mutex);
	}
	return !atomic_load(&pool->quit);
}

/* Join the run there is; false if it is closed or wants fewer workers. */
static bool
join_run(worker *self)
{
	thread_pool *pool = self->pool;
	uint64_t run = atomic_load(&pool->run);

	do
	{
		self->seen = run >> NUMBER_SHIFT;
		if ((run & OPEN) == 0 || (uint64_t) self->number > (run >> WANTED_SHIFT & WANTED_MASK))
			return false;
	} while (!atomic_compare_exchange_weak(&pool->run, &run, run + 1));
	return true;
}

static void
leave_run(thread_pool *pool)
{
	uint64_t before = atomic_fetch_sub(&pool->run, 1);

	if ((before & OPEN) != 0 || (before & INSIDE_MASK) > 1)
		return;
	pthread_mutex_lock(&pool->mutex);
	pthread_cond_signal(&pool->left);
	pthread_mutex_unlock(&pool->mutex);
}

static void *
worker_main(void *argument)
{
	worker *self = argument;

	while (await_run(self))
		if (join_run(self))
		{
			take_items(self->pool, self->number);
			leave_run(self->pool);
		}
	return NULL;
}

/* Let workers join a run that is described in the pool. */
static void
open_run(thread_pool *pool, int workers)
{
	uint64_t number = (atomic_load(&pool->run) >> NUMBER_SHIFT) + 1;

	atomic_store(&pool->next, 0);
	atomic_store(&pool->stop, false);
	pthread_mutex_lock(&pool->mutex);
	atomic_store(&pool->run, number << NUMBER_SHIFT | OPEN | (uint64_t) workers << WANTED_SHIFT);
	pthread_cond_broadcast(&pool->start);
	pthread_mutex_unlock(&pool->mutex);
}

/* Sleep until a worker leaves, or for one interval; the mutex is held. */
static void
await_leaving(thread_pool *pool)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += POLL_INTERVAL;
	if (until.tv_nsec >= 1000000000)
	{
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&pool->left, &pool->mutex, &until);
}

/*
 * Let no more workers in, and wait until those that are have left.  An item of theirs may be long:
 * those that look at threads_stopping learn of an interrupt.
 */
static void
close_run(tfm_context *context, thread_pool *pool)
{
	atomic_fetch_and(&pool->run, ~OPEN);
	for (int i = 0; i < LOOKS && (atomic_load(&pool->run) & INSIDE_MASK) != 0; i++)
		pause_shortly();
	while ((atomic_load(&pool->run) & INSIDE_MASK) != 0)
	{
		pthread_mutex_lock(&pool->mutex);
		if ((atomic_load(&pool->run) & INSIDE_MASK) != 0)
			await_leaving(pool);
		pthread_mutex_unlock(&pool->mutex);
		if ((atomic_load(&pool->run) & INSIDE_MASK) != 0 && tfm_stopped(context))
			atomic_store(&pool->stop, true);
	}
}

bool
threads_stopping(const thread_pool *pool)
{
	return atomic_load_explicit(&pool->stop, memory_order_relaxed);
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
		w->seen = atomic_load(&pool->run) >> NUMBER_SHIFT; /* takes part from the next run on */
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
	open_run(pool, threads - 1 < pool->started ? threads - 1 : pool->started);
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

	close_run(context, pool);
	return !tfm_failed(context);
}
