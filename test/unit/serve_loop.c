/*
 * serve_loop.c
 *	  An engine process that serves sessions: many at once, cancelled, gone, talking nonsense.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve.h"

#define SESSIONS 8
#define CALLS 12
#define TEXTS 5

static const char words[] =
	"a query of some words the document a little longer than it cafe and so on "
	"until it ends or goes on for a while longer than anybody would like to read";

static serve_request
embed_request(const char *image, const tfm_text *texts, size_t count)
{
	return (serve_request) {
		.image = image,
		.call = {.kind = TASK_EMBED, .embed = EMBED_DEFAULTS, .count = count, .inputs = texts},
	};
}

/* ---- Many sessions ---- */

typedef struct client
{
	pthread_t thread;
	const char *path, *image;
	unsigned seed;
	int good; /* calls whose answer was right */
	char said[256];
} client;

/* Some calls of some texts, each as it would be computed here. */
static void *
run_client(void *argument)
{
	client *c = argument;
	session s;

	if (session_open(&s, c->path))
		for (int i = 0; i < CALLS; i++)
		{
			arena_mark mark = arena_save(s.context.arena);
			tfm_text texts[TEXTS];
			serve_request request;
			serve_reply reply;
			task_answer expected;

			request = embed_request(c->image, texts, 1 + (unsigned) rand_r(&c->seed) % TEXTS);
			request.session = c->seed;
			request.call.embed.normalize = rand_r(&c->seed) % 8 == 0 ? 1 : -1;
			for (size_t t = 0; t < request.call.count; t++)
				texts[t] = (tfm_text) {words, (size_t) rand_r(&c->seed) % sizeof(words)};
			if (!session_call(&s, &request, &reply) ||
				!compute_here(&s.context, &request, &expected) ||
				!same_answer(&reply.answer, &expected, request.call.count))
				break;
			c->good++;
			arena_restore(s.context.arena, mark);
		}
	snprintf(c->said, sizeof(c->said), "%.200s", s.context.error.message);
	session_close(&s);
	return NULL;
}

static void
many_sessions_get_what_each_would_alone(void **state)
{
	scratch *s = *state;
	server engine;
	client clients[SESSIONS];
	const char *image = compile_golden(s, "sentence/dense", "image");
	serve_loop_options options = SERVE_LOOP_DEFAULTS;
	session watcher;
	serve_status status;

	options.engine.threads = 2;
	server_start(&engine, s, options);
	for (unsigned i = 0; i < SESSIONS; i++)
	{
		clients[i] = (client) {.path = engine.path, .image = image, .seed = i + 1};
		assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
	}
	for (int i = 0; i < SESSIONS; i++)
	{
		pthread_join(clients[i].thread, NULL);
		if (clients[i].good != CALLS)
			fail_msg("session %d: %d good calls, %s", i, clients[i].good, clients[i].said);
	}
	assert_true(session_open(&watcher, engine.path));
	status = session_status(&watcher);
	assert_int_equal(status.calls, SESSIONS * CALLS);
	assert_int_equal(status.waiting + status.running, 0);
	assert_int_equal(status.models, 1);
	assert_true(status.passes > 0 && status.passes <= SESSIONS * CALLS * TEXTS);
	assert_true(status.memory > 0);
	session_close(&watcher);
	server_stop(&engine);
}

/* A text like no other: equal ones would be computed once. */
static tfm_text
numbered_text(scratch *s, size_t number, size_t length)
{
	const char *text = tfm_sprintf(&s->context, "%zu %.*s", number, (int) length, words);

	assert_non_null(text);
	return (tfm_text) {text, strlen(text)};
}

/* ---- Portions, usage, errors ---- */

static void
a_long_call_is_computed_in_portions(void **state)
{
	enum
	{
		COUNT = 300
	};
	scratch *s = *state;
	server engine;
	session one;
	tfm_text texts[COUNT];
	serve_request request =
		embed_request(compile_golden(s, "sentence/dense", "image"), texts, COUNT);
	serve_loop_options options = SERVE_LOOP_DEFAULTS;
	serve_reply reply;
	task_answer expected;

	for (size_t i = 0; i < COUNT; i++)
		texts[i] = numbered_text(s, i, 40 + i % 60);
	options.engine.queue.batch_tokens = 200;
	options.engine.threads = 2;
	server_meet(&engine, &one, s, options);
	session_call(&one, &request, &reply);
	assert_good(&one.context);
	assert_true(compute_here(&s->context, &request, &expected));
	assert_true(same_answer(&reply.answer, &expected, COUNT));
	assert_true(reply.usage.passes >= 10);
	assert_int_equal(reply.usage.tokens, s->context.usage.tokens);
	assert_int_equal(reply.batched, 0);
	assert_true(reply.waited >= 0 && reply.computed > 0);
	server_part(&engine, &one);
}

/* Two calls that are computed together, of which one has no memory: only that one fails. */
static void
an_error_is_of_the_call_that_has_it(void **state)
{
	enum
	{
		LONG = 400 * 1000
	};
	scratch *s = *state;
	server engine;
	session one;
	char *text = malloc(LONG);
	tfm_text short_text = TEXT("short"), long_text = {text, LONG};
	const char *image = compile_golden(s, "sentence/dense", "image");
	serve_request good = embed_request(image, &short_text, 1);
	serve_request bad = embed_request(image, &long_text, 1);
	serve_reply reply;
	buffer frames = {0};

	memset(text, 'a', LONG);
	good.max_memory = bad.max_memory = 1 << 20;
	good.session = 1;
	server_meet(&engine, &one, s, SERVE_LOOP_DEFAULTS);
	for (int turn = 0; turn < 5; turn++)
	{
		serve_write_request(&one.context, &frames, 1, &good);
		serve_write_request(&one.context, &frames, 2, &bad);
		serve_write_request(&one.context, &frames, 3, &good);
		assert_true(session_flush(&one, &frames));
		for (int i = 0; i < 3; i++)
		{
			assert_true(session_read(&one));
			assert_true(session_take(&one, 1, &reply) == (one.header.id != 2));
			if (one.header.id == 2)
				assert_failed(&one.context, TFM_OUT_OF_MEMORY, "memory");
		}
	}
	bad = embed_request(image, &short_text, 1);
	bad.call.embed.pooling = "none such";
	assert_false(session_call(&one, &bad, &reply));
	assert_failed(&one.context, TFM_INVALID_ARGUMENT, "pooling \"none such\" is not known");
	bad.image = "nowhere/image";
	assert_false(session_call(&one, &bad, &reply));
	assert_failed(&one.context, TFM_FILE_NOT_FOUND, "nowhere/image");
	assert_true(session_call(&one, &good, &reply));
	server_part(&engine, &one);
	free(text);
}

static void
a_call_without_texts_is_answered(void **state)
{
	scratch *s = *state;
	server engine;
	session one;
	tfm_text text = TEXT("");
	serve_request request = embed_request(compile_golden(s, "sentence/dense", "image"), &text, 0);
	serve_reply reply;

	server_meet(&engine, &one, s, SERVE_LOOP_DEFAULTS);
	session_call(&one, &request, &reply);
	assert_good(&one.context);
	server_part(&engine, &one);
}

/* ---- Models ---- */

/* How many models are open, once there are so many, or after some seconds. */
static int64_t
await_models(session *s, int64_t expected)
{
	for (int i = 0; i < 1000 && session_status(s).models != expected; i++)
		usleep(5000);
	return session_status(s).models;
}

static void
models_are_kept_and_let_go(void **state)
{
	scratch *s = *state;
	server engine;
	session one;
	const tfm_text text = TEXT("short");
	const char *images[] = {compile_golden(s, "sentence/dense", "a"),
							compile_golden(s, "sentence/mean", "b"),
							compile_golden(s, "sentence/cls", "c")};
	serve_loop_options options = SERVE_LOOP_DEFAULTS;
	serve_request request;
	serve_reply reply;

	options.engine.models = 2;
	options.engine.idle = 0.002;
	server_meet(&engine, &one, s, options);
	for (int i = 0; i < 6; i++)
	{
		request = embed_request(images[i % 3], &text, 1);
		assert_true(session_call(&one, &request, &reply));
	}
	assert_int_equal(await_models(&one, 2), 2);

	/* The file of an image goes: the model stays for who uses it, and no longer. */
	assert_int_equal(unlink(images[2]), 0);
	assert_int_equal(await_models(&one, 1), 1);
	assert_false(session_call(&one, &request, &reply));
	assert_failed(&one.context, TFM_FILE_NOT_FOUND, "c");
	server_part(&engine, &one);
}

/* ---- Cancelling ---- */

/* A call that takes long, for a machine of today. */
static serve_request
long_request(scratch *s, const char *image, tfm_text *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		texts[i] = numbered_text(s, i, sizeof(words) - 1);
	return embed_request(image, texts, count);
}

static void
a_cancelled_call_ends(void **state)
{
	enum
	{
		COUNT = 20000
	};
	scratch *s = *state;
	server engine;
	session one;
	tfm_text *texts = malloc(COUNT * sizeof(tfm_text));
	tfm_text text = TEXT("short");
	const char *image = compile_golden(s, "sentence/dense", "image");
	serve_request request = long_request(s, image, texts, COUNT), other;
	serve_reply reply;

	other = embed_request(image, &text, 1);
	server_meet(&engine, &one, s, SERVE_LOOP_DEFAULTS);
	assert_true(session_ask(&one, 5, &request));
	assert_true(session_ask(&one, 6, &request));
	assert_true(session_cancel(&one, 6));
	assert_true(session_cancel(&one, 4));
	assert_true(session_read(&one));
	assert_int_equal(one.header.id, 6);
	assert_false(session_take(&one, COUNT, &reply));
	assert_failed(&one.context, TFM_CANCELLED, "");
	assert_true(session_cancel(&one, 5));
	assert_true(session_cancel(&one, 5));
	assert_true(session_read(&one));
	assert_int_equal(one.header.id, 5);
	assert_false(session_take(&one, COUNT, &reply));
	assert_failed(&one.context, TFM_CANCELLED, "");
	assert_true(session_call(&one, &other, &reply));
	server_part(&engine, &one);
	free(texts);
}

/* Wait until the engine has nothing to do. */
static void
await_idle(session *s)
{
	for (int i = 0; i < 2000; i++)
	{
		serve_status status = session_status(s);

		if (status.waiting + status.running == 0)
			return;
		usleep(5000);
	}
	fail_msg("the engine goes on");
}

static void
a_session_that_goes_takes_its_calls_along(void **state)
{
	enum
	{
		COUNT = 20000
	};
	scratch *s = *state;
	server engine;
	session one, other;
	tfm_text *texts = malloc(COUNT * sizeof(tfm_text));
	serve_request request =
		long_request(s, compile_golden(s, "sentence/dense", "image"), texts, COUNT);
	buffer half = {0};

	server_start(&engine, s, SERVE_LOOP_DEFAULTS);
	assert_true(session_open(&other, engine.path));
	for (int turn = 0; turn < 3; turn++)
	{
		assert_true(session_open(&one, engine.path));
		for (uint64_t id = 0; id < 3; id++)
			assert_true(session_ask(&one, id, &request));
		session_close(&one);
		await_idle(&other);
	}

	/* In the middle of a frame. */
	assert_true(session_open(&one, engine.path));
	assert_true(serve_write_request(&one.context, &half, 1, &request));
	half.length /= 2;
	assert_true(session_flush(&one, &half));
	session_close(&one);
	await_idle(&other);
	session_close(&other);
	server_stop(&engine);
	free(texts);
}

/* ---- Nonsense ---- */

/* Whether the engine closes a connection after some bytes. */
static void
assert_closed_after(const server *engine, bool greets, const void *bytes, size_t length)
{
	session s;

	assert_true(greets ? session_open(&s, engine->path) : session_connect(&s, engine->path));
	assert_true(session_write(&s, bytes, length));
	assert_false(session_read(&s));
	session_close(&s);
}

static void
nonsense_ends_a_connection(void **state)
{
	scratch *s = *state;
	server engine;
	session one;
	const serve_header unknown = {.kind = 99}, long_cancel = {.kind = SERVE_CANCEL, .length = 5};
	const serve_header answer = {.kind = SERVE_ANSWER},
					   too_long = {.length = SERVE_FRAME_MAX + 1, .kind = SERVE_CALL};
	const serve_header early = {.kind = SERVE_STATUS};
	const serve_header empty = {.kind = SERVE_CALL, .id = 3};
	const struct
	{
		serve_header header;
		int32_t version;
	} future = {{.kind = SERVE_HELLO, .length = 4}, SERVE_VERSION + 1};
	serve_reply reply;

	server_start(&engine, s, SERVE_LOOP_DEFAULTS);
	assert_closed_after(&engine, true, &unknown, sizeof(unknown));
	assert_closed_after(&engine, true, &long_cancel, sizeof(long_cancel));
	assert_closed_after(&engine, true, &answer, sizeof(answer));
	assert_closed_after(&engine, true, &too_long, sizeof(too_long));
	assert_closed_after(&engine, false, &early, sizeof(early));
	assert_closed_after(&engine, false, &future, sizeof(serve_header) + 4);

	/* A frame that is whole, and of which only the content is wrong, is answered. */
	assert_true(session_open(&one, engine.path));
	assert_true(session_write(&one, &empty, sizeof(empty)));
	assert_true(session_read(&one));
	assert_int_equal(one.header.id, 3);
	assert_false(session_take(&one, 1, &reply));
	assert_failed(&one.context, TFM_CORRUPTED, "damaged");
	session_status(&one);
	server_part(&engine, &one);
}

/* Requests of which some bytes are others are answered, somehow, and leave the engine as it was. */
static void
send_damaged(session *s, const serve_request *request, unsigned *seed)
{
	buffer frame = {0};
	serve_reply reply;

	assert_true(serve_write_request(&s->context, &frame, 1, request));
	for (int i = rand_r(seed) % 3; i >= 0; i--)
		frame.data[sizeof(serve_header) +
				   (size_t) rand_r(seed) % (frame.length - sizeof(serve_header))] =
			(char) (rand_r(seed) % 3 == 0 ? rand_r(seed) : rand_r(seed) % 4);
	assert_true(session_flush(s, &frame));
	assert_true(session_read(s));
	assert_true(s->header.kind == SERVE_ANSWER || s->header.kind == SERVE_ERROR);
	session_take(s, request->call.count, &reply);
	tfm_clear_error(&s->context);
}

static void
damaged_requests_leave_it_as_it_was(void **state)
{
	scratch *s = *state;
	server engine;
	session one;
	const tfm_text texts[] = {TEXT("short"), TEXT("a query"), TEXT("of three")};
	const tfm_text labels[] = {TEXT("good"), TEXT("bad")};
	serve_request good = embed_request(compile_golden(s, "sentence/dense", "image"), texts, 3);
	serve_request requests[] = {good, good, good, good};
	unsigned seed = 5;
	task_answer expected;
	serve_reply reply;

	requests[1].image = requests[2].image = compile_golden(s, "generation/llama", "other");
	requests[1].call.kind = TASK_GENERATE;
	requests[1].call.options = TEXT("{\"max_new_tokens\": 3}");
	requests[2].call.kind = TASK_LABEL;
	requests[2].call.labels = labels;
	requests[2].call.label_count = 2;
	requests[3].call.kind = TASK_RERANK;
	requests[3].call.seconds = texts;
	assert_true(compute_here(&s->context, &good, &expected));
	server_meet(&engine, &one, s, SERVE_LOOP_DEFAULTS);
	for (int i = 0; i < 2000; i++)
	{
		arena_mark mark = arena_save(one.context.arena);

		send_damaged(&one, &requests[i % 4], &seed);
		arena_restore(one.context.arena, mark);
	}
	assert_true(session_call(&one, &good, &reply));
	assert_true(same_answer(&reply.answer, &expected, 3));
	server_part(&engine, &one);
}

/* ---- Fairness ---- */

/* Of a session with very many texts and one with few, the latter is not kept waiting. */
static void
short_calls_overtake_long_ones(void **state)
{
	enum
	{
		COUNT = 20000,
		SHORT = 5
	};
	scratch *s = *state;
	server engine;
	session one, other;
	tfm_text *texts = malloc(COUNT * sizeof(tfm_text));
	const tfm_text text = TEXT("short");
	const char *image = compile_golden(s, "sentence/dense", "image");
	serve_request many = long_request(s, image, texts, COUNT), few = embed_request(image, &text, 1);
	serve_reply reply;

	many.session = 1;
	few.session = 2;
	server_meet(&engine, &one, s, SERVE_LOOP_DEFAULTS);
	assert_true(session_open(&other, engine.path));
	assert_true(session_ask(&one, 1, &many));
	while (session_status(&other).running == 0)
		usleep(100);
	for (int i = 0; i < SHORT; i++)
	{
		assert_true(session_call(&other, &few, &reply));
		assert_int_equal(reply.batched, 1);
	}
	assert_int_equal(session_status(&other).running, 1);
	assert_true(session_cancel(&one, 1));
	assert_true(session_read(&one));
	session_close(&one);
	session_close(&other);
	server_stop(&engine);
	free(texts);
}

/* ---- Pressure ---- */

/* Calls that are longer than may wait inside are computed all the same, one after the other. */
static void
long_calls_wait_outside(void **state)
{
	enum
	{
		LONG = 300 * 1000,
		COUNT = 6
	};
	scratch *s = *state;
	server engine;
	session sessions[COUNT], watcher;
	char *text = malloc(LONG);
	tfm_text texts[] = {{text, LONG}};
	serve_request request = embed_request(compile_golden(s, "sentence/dense", "image"), texts, 1);
	serve_loop_options options = SERVE_LOOP_DEFAULTS;
	task_answer expected;
	serve_reply reply;

	for (size_t i = 0; i < LONG; i++)
		text[i] = words[i % (sizeof(words) - 1)];
	options.waiting_bytes = LONG * 2;
	server_start(&engine, s, options);
	assert_true(compute_here(&s->context, &request, &expected));
	assert_true(session_open(&watcher, engine.path));
	for (int i = 0; i < COUNT; i++)
	{
		assert_true(session_open(&sessions[i], engine.path));
		assert_int_equal(setsockopt(sessions[i].descriptor, SOL_SOCKET, SO_SNDBUF, &(int) {1 << 20},
									sizeof(int)),
						 0);
		assert_true(session_ask(&sessions[i], 1, &request));
	}
	session_status(&watcher);
	for (int i = 0; i < COUNT; i++)
	{
		assert_true(session_read(&sessions[i]));
		assert_true(session_take(&sessions[i], 1, &reply));
		assert_true(same_answer(&reply.answer, &expected, 1));
		session_close(&sessions[i]);
	}
	session_close(&watcher);
	server_stop(&engine);
	free(text);
}

static void
too_many_calls_of_a_session_are_an_error(void **state)
{
	enum
	{
		MORE = 10,
		COUNT = 2000
	};
	scratch *s = *state;
	server engine;
	session one;
	tfm_text *texts = malloc(COUNT * sizeof(tfm_text)), text = TEXT("short");
	const char *image = compile_golden(s, "sentence/dense", "image");
	serve_request request = long_request(s, image, texts, COUNT), small;
	serve_reply reply;
	buffer frames = {0};
	int refused = 0;

	small = embed_request(image, &text, 1);
	small.call.embed.dimensions = 1;
	server_meet(&engine, &one, s, SERVE_LOOP_DEFAULTS);
	serve_write_request(&one.context, &frames, 0, &request);
	for (uint64_t id = 1; id < SERVE_CALLS_MAX + MORE; id++)
		serve_write_request(&one.context, &frames, id, &small);
	assert_true(session_flush(&one, &frames));
	for (int i = 0; i < SERVE_CALLS_MAX + MORE; i++)
	{
		assert_true(session_read(&one));
		if (session_take(&one, one.header.id == 0 ? COUNT : 1, &reply))
			continue;
		assert_failed(&one.context, TFM_LIMIT_EXCEEDED, "calls of one session");
		refused++;
	}
	assert_true(refused <= MORE);
	server_part(&engine, &one);
	free(texts);
}

/* ---- The end ---- */

static void
it_finishes_what_was_asked_for(void **state)
{
	enum
	{
		COUNT = 200
	};
	scratch *s = *state;
	server engine;
	session one, other;
	serve_status status;
	tfm_text texts[COUNT];
	serve_request request =
		long_request(s, compile_golden(s, "sentence/dense", "image"), texts, COUNT);
	serve_loop_options options = SERVE_LOOP_DEFAULTS;
	serve_reply reply;

	options.grace = 60;
	server_meet(&engine, &one, s, options);
	assert_true(session_ask(&one, 1, &request));
	assert_true(session_open(&other, engine.path));
	do
		status = session_status(&other);
	while (status.waiting + status.running + status.calls == 0);
	session_close(&other);
	assert_int_equal(write(engine.stop[1], "", 1), 1);
	assert_true(session_read(&one));
	assert_true(session_take(&one, COUNT, &reply));
	assert_false(session_read(&one));
	session_close(&one);
	server_join(&engine);
}

static void
it_does_not_wait_for_ever(void **state)
{
	enum
	{
		COUNT = 50000
	};
	scratch *s = *state;
	server engine;
	session one;
	tfm_text *texts = malloc(COUNT * sizeof(tfm_text));
	serve_request request =
		long_request(s, compile_golden(s, "sentence/dense", "image"), texts, COUNT);
	serve_loop_options options = SERVE_LOOP_DEFAULTS;

	options.grace = 0.01;
	server_meet(&engine, &one, s, options);
	assert_true(session_ask(&one, 1, &request));
	session_status(&one);
	assert_int_equal(write(engine.stop[1], "", 1), 1);
	assert_false(session_read(&one));
	session_close(&one);
	server_join(&engine);

	/* Nor for anything once its supervisor is gone. */
	server_meet(&engine, &one, s, options);
	assert_true(session_ask(&one, 1, &request));
	session_status(&one);
	close(engine.watched[1]);
	engine.watched[1] = -1;
	assert_false(session_read(&one));
	session_close(&one);
	server_join(&engine);
	free(texts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(many_sessions_get_what_each_would_alone),
		scratch_test(a_long_call_is_computed_in_portions),
		scratch_test(an_error_is_of_the_call_that_has_it),
		scratch_test(a_call_without_texts_is_answered),
		scratch_test(models_are_kept_and_let_go),
		scratch_test(a_cancelled_call_ends),
		scratch_test(a_session_that_goes_takes_its_calls_along),
		scratch_test(nonsense_ends_a_connection),
		scratch_test(damaged_requests_leave_it_as_it_was),
		scratch_test(short_calls_overtake_long_ones),
		scratch_test(long_calls_wait_outside),
		scratch_test(too_many_calls_of_a_session_are_an_error),
		scratch_test(it_finishes_what_was_asked_for),
		scratch_test(it_does_not_wait_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
