/*
 * threads.c
 *	  The pool: every item once, whatever the number of threads, and a stop that stops.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "oom.h"
#include "scratch.h"

#define ITEMS 1000

typedef struct tally
{
	atomic_int times[ITEMS];
	atomic_int highest; /* thread number seen */
	atomic_int total;
} tally;

static void
count_item(void *argument, int64_t item, int thread)
{
	tally *t = argument;
	int highest = atomic_load(&t->highest);

	atomic_fetch_add(&t->times[item], 1);
	atomic_fetch_add(&t->total, 1);
	while (thread > highest && !atomic_compare_exchange_weak(&t->highest, &highest, thread))
		;
}

static void
assert_each_once(tfm_context *context, int64_t items)
{
	tally *t = calloc(1, sizeof(tally));

	assert_non_null(t);
	assert_true(threads_run(context, count_item, t, items));
	for (int64_t i = 0; i < ITEMS; i++)
		assert_int_equal(t->times[i], i < items ? 1 : 0);
	assert_true(t->highest < (context->threads < 1 ? 1 : context->threads));
	free(t);
}

static void
each_item_runs_once(void **state)
{
	scratch *s = *state;

	for (int threads = 0; threads <= 8; threads += threads < 3 ? 1 : 5)
	{
		s->context.threads = threads;
		s->context.pool = threads_create(threads);
		assert_non_null(s->context.pool);
		for (int64_t items = 0; items <= ITEMS; items = items * 3 + 1)
			assert_each_once(&s->context, items);
		threads_destroy(s->context.pool);
	}
	s->context.pool = NULL;
	assert_each_once(&s->context, ITEMS);
}

/* A pool serves many runs, and runs of fewer threads than it has. */
static void
pool_is_used_again(void **state)
{
	scratch *s = *state;

	s->context.pool = threads_create(4);
	for (int run = 0; run < 2000; run++)
	{
		s->context.threads = run % 6;
		assert_each_once(&s->context, run % 17);
	}
	threads_destroy(s->context.pool);
	threads_destroy(NULL);
}

typedef struct stopper
{
	atomic_int done;
	int after;
} stopper;

static void
slow_item(void *argument, int64_t item, int thread)
{
	(void) item;
	(void) thread;
	usleep(100);
	atomic_fetch_add(&((stopper *) argument)->done, 1);
}

static bool
enough(void *argument)
{
	stopper *s = argument;

	return atomic_load(&s->done) >= s->after;
}

static void
stop_skips_the_rest(void **state)
{
	scratch *s = *state;

	for (int threads = 1; threads <= 3; threads++)
	{
		stopper stop = {.after = 20};

		s->context.threads = threads;
		s->context.pool = threads_create(threads);
		s->context.interrupted = enough;
		s->context.interrupted_argument = &stop;
		assert_false(threads_run(&s->context, slow_item, &stop, 100000));
		assert_true(stop.done >= 20 && stop.done < 2000);
		assert_failed(&s->context, TFM_CANCELLED, "");
		/* The pool is good for the next run. */
		s->context.interrupted = NULL;
		assert_each_once(&s->context, ITEMS);
		/* A failed context runs nothing. */
		tfm_fail(&s->context, TFM_IO, "before");
		assert_false(threads_run(&s->context, slow_item, NULL, 1));
		assert_failed(&s->context, TFM_IO, "before");
		threads_destroy(s->context.pool);
	}
}

static void
note_signals(void *argument, int64_t item, int thread)
{
	sigset_t blocked;

	(void) item;
	usleep(1000);
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	if (thread > 0 && !sigismember(&blocked, SIGTERM))
		atomic_fetch_add((atomic_int *) argument, 1);
}

/* A signal for the process must reach the caller's thread. */
static void
workers_block_signals(void **state)
{
	scratch *s = *state;
	atomic_int open = 0;
	sigset_t before, after;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	s->context.threads = 4;
	s->context.pool = threads_create(4);
	assert_true(threads_run(&s->context, note_signals, &open, 40));
	threads_destroy(s->context.pool);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(open, 0);
	for (int number = 1; number < 32; number++)
		assert_int_equal(sigismember(&before, number), sigismember(&after, number));
}

static void
memory_may_run_out(void **state)
{
	(void) state;
	for (long n = 1; n <= 2; n++)
	{
		oom_countdown = n;
		assert_null(threads_create(4));
	}
	oom_countdown = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(each_item_runs_once),	  scratch_test(pool_is_used_again),
		scratch_test(stop_skips_the_rest),	  scratch_test(workers_block_signals),
		cmocka_unit_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
