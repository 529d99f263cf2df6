/*
 * serve_memory.c
 *	  An engine process whose memory runs out, again and again, goes on.
 *
 * It is a process of its own, so that only its allocations fail.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "allocations.h"

/* What both processes have in common. */
typedef struct shared
{
	atomic_int every; /* so many allocations and one fails; 0: none */
	atomic_int count;
	atomic_int failures;
} shared;

static shared *memory;
static bool is_engine;

static bool
allocation_fails(void)
{
	int every = is_engine ? atomic_load(&memory->every) : 0;

	if (every == 0 || atomic_fetch_add(&memory->count, 1) % every != 0)
		return false;
	atomic_fetch_add(&memory->failures, 1);
	return true;
}

static pid_t
start_engine(server *engine)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child > 0)
		return child;
	is_engine = true;
	alarm(120);				  /* should the parent fail, and not end it */
	signal(SIGSEGV, SIG_DFL); /* the test driver's is for the parent */
	signal(SIGABRT, SIG_DFL);
	_exit(serve_loop_run(&engine->context, &engine->options) ? 0 : 1);
}

/* A call that is answered well, or with the error that there is no memory, or by the connection's end. */
static bool
try_call(session *s, const server *engine, const serve_request *request,
		 const task_answer *expected)
{
	serve_reply reply;

	if (session_call(s, request, &reply))
	{
		assert_true(same_answer(&reply.answer, expected, request->call.count));
		return true;
	}
	assert_true(s->context.error.kind == TFM_OUT_OF_MEMORY || s->context.error.kind == TFM_IO);
	if (s->context.error.kind == TFM_IO)
	{
		atomic_store(&memory->every, 0);
		session_close(s);
		assert_true(session_open(s, engine->path));
	}
	tfm_clear_error(&s->context);
	return false;
}

static void
it_goes_on_without_memory(void **state)
{
	scratch *s = *state;
	const tfm_text texts[] = {TEXT("one two"), TEXT("three four five"), TEXT("six")};
	serve_request requests[] = {
		{.image = compile_golden(s, "sentence/dense", "image"),
		 .call = {.kind = TASK_EMBED, .embed = EMBED_DEFAULTS, .count = 3, .inputs = texts}},
		{.image = compile_golden(s, "generation/llama_long", "other"),
		 .prefix_cache = 1 << 20,
		 .call = {.kind = TASK_GENERATE,
				  .embed = EMBED_DEFAULTS,
				  .options = TEXT("{\"max_new_tokens\": 4, \"regex\": \"[a-z ]+\"}"),
				  .count = 3,
				  .inputs = texts}},
	};
	task_answer expected[2];
	serve_loop_options options = SERVE_LOOP_DEFAULTS;
	server engine;
	session one;
	int status, good = 0, failed = 0;
	pid_t child;

	memory = mmap(NULL, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	for (int i = 0; i < 2; i++)
		assert_true(compute_here(&s->context, &requests[i], &expected[i]));
	options.engine.models = 0; /* open them each time */
	server_prepare(&engine, s, options);
	child = start_engine(&engine);
	assert_true(session_open(&one, engine.path));
	for (int turn = 0; turn < 800; turn++)
	{
		atomic_store(&memory->every, 2 + turn * 7 % 97);
		failed += !try_call(&one, &engine, &requests[turn % 2], &expected[turn % 2]);
	}
	assert_true(failed > 100 && failed < 800);
	atomic_store(&memory->every, 0);
	for (int i = 0; i < 4; i++)
		good += try_call(&one, &engine, &requests[i % 2], &expected[i % 2]);
	assert_true(good >= 3); /* the first may find that its connection has ended */
	session_close(&one);
	assert_int_equal(write(engine.stop[1], "", 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	server_close(&engine);
	munmap(memory, sizeof(shared));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(it_goes_on_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
