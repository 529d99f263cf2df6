/*
 * serve_queue.c
 *	  Which calls are computed next: turns of sessions, batches, portions, waiting, cancelling.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST 64

/* A call of count texts that are estimated at tokens each. */
typedef struct given
{
	serve_request request;
	serve_job job;
	tfm_text texts[MOST];
} given;

static void
make(given *g, uint64_t session, task_kind kind, size_t count, size_t tokens)
{
	static const char text[4096];

	*g = (given) {.request = {.image = "model", .session = session}};
	for (size_t i = 0; i < count; i++)
		g->texts[i] = (tfm_text) {text, (tokens - 2) * 4};
	g->request.call =
		(task_call) {.kind = kind, .embed = EMBED_DEFAULTS, .count = count, .inputs = g->texts};
	g->job.request = &g->request;
}

static void
add(serve_queue *queue, given *g, uint64_t session, task_kind kind, size_t count, size_t tokens)
{
	make(g, session, kind, count, tokens);
	serve_queue_add(queue, &g->job, 0);
}

static serve_queue
create(int64_t tokens)
{
	return serve_queue_create(&(serve_queue_options) {.batch_tokens = tokens, .delay = 0.001});
}

/* The next batch as "session:first+count", one after the other. */
static void
assert_batch(serve_queue *queue, const char *expected)
{
	char found[1024] = "";

	for (serve_job *job = serve_queue_take(queue); job != NULL; job = job->batch_next)
		snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%d:%zu+%zu",
				 found[0] == '\0' ? "" : " ", (int) job->request->session, job->first, job->count);
	assert_string_equal(found, expected);
}

static void
calls_of_a_kind_are_put_together(void **state)
{
	(void) state;
	serve_queue queue = create(100);
	given g[5];

	add(&queue, &g[0], 1, TASK_EMBED, 1, 10);
	add(&queue, &g[1], 2, TASK_EMBED, 2, 10);
	make(&g[2], 3, TASK_EMBED, 1, 10);
	g[2].request.image = "another";
	serve_queue_add(&queue, &g[2].job, 0);
	make(&g[3], 4, TASK_EMBED, 1, 10);
	g[3].request.call.embed.dimensions = 5;
	serve_queue_add(&queue, &g[3].job, 0);
	make(&g[4], 5, TASK_EMBED, 1, 10);
	g[4].request.max_memory = 1;
	serve_queue_add(&queue, &g[4].job, 0);
	assert_batch(&queue, "1:0+1 2:0+2");
	assert_batch(&queue, "3:0+1");
	assert_batch(&queue, "4:0+1");
	assert_batch(&queue, "5:0+1");
	assert_batch(&queue, "");
	assert_int_equal(queue.tokens, 0);
}

static void
many_texts_do_not_keep_others_waiting(void **state)
{
	(void) state;
	serve_queue queue = create(60);
	given many, one, two;

	add(&queue, &many, 1, TASK_EMBED, 20, 10);
	assert_batch(&queue, "1:0+6");
	add(&queue, &one, 2, TASK_EMBED, 1, 10);
	add(&queue, &two, 3, TASK_EMBED, 2, 10);
	assert_batch(&queue, "1:6+3 2:0+1 3:0+2");
	assert_batch(&queue, "1:9+6");
	assert_batch(&queue, "1:15+5");
	assert_batch(&queue, "");
	assert_int_equal(queue.tokens, 0);
}

/* Where not all have room, those that came last come first the next time. */
static void
sessions_take_turns(void **state)
{
	(void) state;
	serve_queue queue = create(20);
	given g[3];

	for (int i = 0; i < 3; i++)
		add(&queue, &g[i], (uint64_t) i + 1, TASK_EMBED, 3, 10);
	assert_batch(&queue, "1:0+1 2:0+1");
	assert_batch(&queue, "2:1+1 3:0+1");
	assert_batch(&queue, "3:1+1 1:1+1");
	assert_batch(&queue, "1:2+1 2:2+1");
	assert_batch(&queue, "3:2+1");
	assert_batch(&queue, "");
}

static void
kinds_take_turns(void **state)
{
	(void) state;
	serve_queue queue = create(20);
	given a, b;

	add(&queue, &a, 1, TASK_EMBED, 4, 10);
	make(&b, 2, TASK_EMBED, 4, 10);
	b.request.image = "another";
	serve_queue_add(&queue, &b.job, 0);
	assert_batch(&queue, "1:0+2");
	assert_batch(&queue, "2:0+2");
	assert_batch(&queue, "1:2+2");
	assert_batch(&queue, "2:2+2");
}

static void
calls_of_a_session_keep_their_order(void **state)
{
	(void) state;
	serve_queue queue = create(20);
	given g[4];

	for (int i = 0; i < 4; i++)
		add(&queue, &g[i], i == 3 ? 2 : 1, TASK_EMBED, 1, 10);
	assert_ptr_equal(g[0].job.later, &g[1].job);
	assert_ptr_equal(g[0].job.last, &g[2].job);
	serve_queue_remove(&queue, &g[1].job);
	assert_ptr_equal(serve_queue_take(&queue), &g[0].job);
	assert_ptr_equal(g[0].job.batch_next, &g[3].job);
	add(&queue, &g[0], 1, TASK_EMBED, 1, 10);
	assert_ptr_equal(serve_queue_take(&queue), &g[2].job);
	assert_ptr_equal(g[2].job.batch_next, &g[0].job);
	assert_batch(&queue, "");
}

static void
a_text_too_long_for_a_batch_is_one(void **state)
{
	(void) state;
	serve_queue queue = create(20);
	given g[2];

	add(&queue, &g[0], 1, TASK_EMBED, 2, 500);
	add(&queue, &g[1], 2, TASK_EMBED, 1, 5);
	assert_int_equal(queue.tokens, 45);
	assert_batch(&queue, "1:0+1");
	assert_batch(&queue, "2:0+1");
	assert_batch(&queue, "1:1+1");
	assert_int_equal(queue.tokens, 0);
}

static void
calls_without_texts_are_handed_out(void **state)
{
	(void) state;
	serve_queue queue = create(20);
	given g[2];

	add(&queue, &g[0], 1, TASK_EMBED, 0, 5);
	add(&queue, &g[1], 2, TASK_EMBED, 1, 5);
	assert_batch(&queue, "1:0+0 2:0+1");
	add(&queue, &g[0], 1, TASK_GENERATE, 0, 5);
	assert_ptr_equal(serve_queue_take_generating(&queue), &g[0].job);
	assert_int_equal(g[0].job.count, 0);
	assert_null(serve_queue_take_generating(&queue));
}

static void
generating_calls_hand_out_one_by_one(void **state)
{
	(void) state;
	serve_queue queue = create(20);
	given g[3];
	static const int turns[] = {0, 1, 2, 0, 1, 0};
	size_t next[3] = {0};

	add(&queue, &g[0], 1, TASK_GENERATE, 3, 10);
	add(&queue, &g[1], 2, TASK_GENERATE, 2, 10);
	add(&queue, &g[2], 3, TASK_LABEL, 1, 10);
	assert_batch(&queue, "");
	assert_true(serve_queue_wait(&queue, 1) < 0);
	for (size_t i = 0; i < 6; i++)
	{
		serve_job *job = serve_queue_take_generating(&queue);

		assert_ptr_equal(job, &g[turns[i]].job);
		assert_int_equal(job->first, next[turns[i]]++);
		assert_int_equal(job->count, 1);
	}
	assert_null(serve_queue_take_generating(&queue));
}

static void
batches_wait_for_those_who_come_again(void **state)
{
	(void) state;
	serve_queue queue = create(100);
	given g[4];

	assert_true(serve_queue_wait(&queue, 5) < 0);
	make(&g[0], 1, TASK_EMBED, 1, 10);
	serve_queue_add(&queue, &g[0].job, 5);
	assert_true(serve_queue_wait(&queue, 5) == 0); /* idle: begin at once */
	assert_batch(&queue, "1:0+1");
	serve_queue_end(&queue, 3, 6);

	/* Three are expected: one waits, but not for long. */
	serve_queue_add(&queue, &g[0].job, 6);
	assert_true(serve_queue_wait(&queue, 6) > 0.0009);
	assert_true(serve_queue_wait(&queue, 6.0005) > 0.0004);
	assert_true(serve_queue_wait(&queue, 6.0011) == 0);
	for (int i = 1; i < 3; i++)
	{
		make(&g[i], (uint64_t) i + 1, TASK_EMBED, 1, 10);
		assert_true(serve_queue_wait(&queue, 6) > 0);
		serve_queue_add(&queue, &g[i].job, 6);
	}
	assert_true(serve_queue_wait(&queue, 6) == 0);
	assert_batch(&queue, "1:0+1 2:0+1 3:0+1");
	serve_queue_end(&queue, 3, 7);

	/* Enough for a batch is enough. */
	make(&g[3], 1, TASK_EMBED, 10, 10);
	serve_queue_add(&queue, &g[3].job, 7);
	assert_true(serve_queue_wait(&queue, 7) == 0);
}

/* Whatever comes and goes, each input is handed out once, and nothing stays. */
static void
random_calls_are_handed_out_once(void **state)
{
	(void) state;
	enum
	{
		CALLS = 40
	};
	static given g[CALLS];
	serve_queue queue = create(50);
	bool there[CALLS] = {false};

	srand(7);
	for (int turn = 0; turn < 20000; turn++)
	{
		int i = rand() % CALLS;

		if (!there[i])
		{
			make(&g[i], (uint64_t) (rand() % 9), rand() % 4 == 0 ? TASK_GENERATE : TASK_EMBED,
				 (size_t) (rand() % 8), (size_t) (2 + rand() % 30));
			g[i].request.isa = rand() % 2;
			serve_queue_add(&queue, &g[i].job, 0);
			there[i] = true;
		}
		else if (rand() % 8 == 0)
		{
			serve_queue_remove(&queue, &g[i].job);
			there[i] = false;
		}
		if (rand() % 3 == 0)
			for (serve_job *job = serve_queue_take(&queue); job != NULL; job = job->batch_next)
			{
				assert_int_equal(job->first + job->count, job->next);
				there[(given *) ((char *) job - offsetof(given, job)) - g] = job->waiting;
			}
		if (rand() % 2 == 0)
		{
			serve_job *job = serve_queue_take_generating(&queue);

			if (job != NULL)
				there[(given *) ((char *) job - offsetof(given, job)) - g] = job->waiting;
		}
	}
	for (int i = 0; i < CALLS; i++)
		assert_int_equal(there[i], g[i].job.waiting);
	while (serve_queue_take(&queue) != NULL || serve_queue_take_generating(&queue) != NULL)
		;
	assert_int_equal(queue.tokens, 0);
	assert_int_equal(queue.batched.calls + queue.generating.calls, 0);
	assert_null(queue.batched.turn);
	assert_null(queue.generating.turn);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_of_a_kind_are_put_together),
		cmocka_unit_test(many_texts_do_not_keep_others_waiting),
		cmocka_unit_test(sessions_take_turns),
		cmocka_unit_test(kinds_take_turns),
		cmocka_unit_test(calls_of_a_session_keep_their_order),
		cmocka_unit_test(a_text_too_long_for_a_batch_is_one),
		cmocka_unit_test(calls_without_texts_are_handed_out),
		cmocka_unit_test(generating_calls_hand_out_one_by_one),
		cmocka_unit_test(batches_wait_for_those_who_come_again),
		cmocka_unit_test(random_calls_are_handed_out_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
