/*
 * serve_generate.c
 *	  Texts that an engine process generates for many sessions in one batch: each as if it were alone.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve.h"

#include "serve/fiber.h"

#define SESSIONS 8
#define CALLS 6
#define TEXTS 4

static const char words[] =
	"one two three of some words that a text goes on from until it ends or not, "
	"and whoever reads it would like to know what comes after the next of them";

/* Ways to generate that have little in common. */
static const char *const ways[] = {
	"{\"max_new_tokens\": 12}",
	"{\"max_new_tokens\": 5}",
	"{\"max_new_tokens\": 8, \"do_sample\": true, \"temperature\": 2.0, \"seed\": 3}",
	"{\"max_new_tokens\": 8, \"do_sample\": true, \"top_k\": 0, \"num_return_sequences\": 3}",
	"{\"max_new_tokens\": 6, \"num_beams\": 3}",
	"{\"max_new_tokens\": 6, \"num_beams\": 4, \"num_return_sequences\": 2}",
	"{\"max_new_tokens\": 6, \"penalty_alpha\": 0.6, \"top_k\": 4}",
	"{\"max_new_tokens\": 9, \"repetition_penalty\": 1.5, \"no_repeat_ngram_size\": 2}",
	"{\"max_new_tokens\": 12, \"regex\": \"[a-z]{3,9}( [a-z]+)*\"}",
	"{\"max_new_tokens\": 12, \"choices\": [\"one\", \"two\", \"twenty\"]}",
	"{\"max_new_tokens\": 6, \"guidance_scale\": 1.5}",
	"{\"max_new_tokens\": 10, \"prompt_lookup_num_tokens\": 3}",
	"{\"max_new_tokens\": 10, \"return_full_text\": true}",
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

static const tfm_text labels[] = {{"good", 4}, {"bad", 3}, {"in between", 10}};

static serve_request
generate_request_of(const char *image, const char *options, const tfm_text *texts, size_t count)
{
	return (serve_request) {
		.image = image,
		.call = {.kind = TASK_GENERATE,
				 .embed = EMBED_DEFAULTS,
				 .options = {options, strlen(options)},
				 .count = count,
				 .inputs = texts},
	};
}

static serve_request
label_request(const char *image, const tfm_text *texts, size_t count)
{
	serve_request request = generate_request_of(image, "", texts, count);

	request.call.kind = TASK_LABEL;
	request.call.labels = labels;
	request.call.label_count = 3;
	return request;
}

/* ---- Fibers ---- */

typedef struct counter
{
	serve_fiber *fiber;
	int done;
} counter;

static void
count_to_three(void *argument)
{
	counter *c = argument;

	while (++c->done < 3)
		serve_fiber_pause(c->fiber);
}

static void
fibers_take_turns(void **state)
{
	counter a = {0}, b = {0};

	(void) state;
	a.fiber = serve_fiber_create(count_to_three, &a);
	b.fiber = serve_fiber_create(count_to_three, &b);
	assert_int_equal(a.done + b.done, 0);
	assert_true(serve_fiber_resume(a.fiber));
	assert_true(serve_fiber_resume(a.fiber));
	assert_true(serve_fiber_resume(b.fiber));
	assert_int_equal(a.done, 2);
	assert_int_equal(b.done, 1);
	assert_false(serve_fiber_resume(a.fiber));
	assert_false(serve_fiber_resume(a.fiber));
	assert_int_equal(a.done, 3);
	serve_fiber_resume(b.fiber);
	serve_fiber_resume(b.fiber);
	serve_fiber_destroy(a.fiber);
	serve_fiber_destroy(b.fiber);

	/* One that never begins. */
	b.fiber = serve_fiber_create(count_to_three, &b);
	serve_fiber_destroy(b.fiber);
	assert_int_equal(b.done, 3);
}

/* ---- Many sessions ---- */

typedef struct client
{
	pthread_t thread;
	const char *path, *image, *assistant;
	unsigned seed;
	int good; /* calls whose answer was right */
	char said[256];
} client;

/* A call of a kind and a way by chance. */
static serve_request
any_request(client *c, tfm_text *texts)
{
	size_t count = 1 + (unsigned) rand_r(&c->seed) % TEXTS;
	serve_request request;

	for (size_t t = 0; t < count; t++)
	{
		size_t first = (size_t) rand_r(&c->seed) % 40;

		texts[t] = (tfm_text) {words + first, 1 + (size_t) rand_r(&c->seed) % 30};
	}
	if (rand_r(&c->seed) % 6 == 0)
		request = label_request(c->image, texts, count);
	else
		request =
			generate_request_of(c->image, ways[(size_t) rand_r(&c->seed) % WAYS], texts, count);
	request.session = c->seed;
	request.prefix_cache = rand_r(&c->seed) % 2 == 0 ? 1 << 20 : 0;
	if (rand_r(&c->seed) % 4 == 0)
		request.assistant = c->assistant;
	return request;
}

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
			serve_request request = any_request(c, texts);
			serve_reply reply;
			task_answer expected;

			if (!session_call(&s, &request, &reply) ||
				!compute_here(&s.context, &request, &expected) ||
				!same_answer(&reply.answer, &expected, request.call.count))
			{
				snprintf(c->said, sizeof(c->said), "%.100s: %.100s", request.call.options.data,
						 s.context.error.message);
				break;
			}
			c->good++;
			arena_restore(s.context.arena, mark);
		}
	session_close(&s);
	return NULL;
}

/* All sessions get what each would get alone. */
static void
run_clients(const char *path, const char *image, const char *assistant)
{
	client clients[SESSIONS];

	for (unsigned i = 0; i < SESSIONS; i++)
	{
		clients[i] = (client) {.path = path, .image = image, .assistant = assistant, .seed = i + 1};
		assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
	}
	for (int i = 0; i < SESSIONS; i++)
	{
		pthread_join(clients[i].thread, NULL);
		if (clients[i].good != CALLS)
			fail_msg("session %d: %d good calls, %s", i, clients[i].good, clients[i].said);
	}
}

/* The same of an engine with these options; assisted: some of the texts have drafts. */
static void
check_clients(scratch *s, serve_loop_options options, bool assisted)
{
	server engine;
	const char *image = compile_golden(s, "generation/llama_long", "image");

	server_start(&engine, s, options);
	run_clients(engine.path, image, assisted ? image : NULL);
	server_stop(&engine);
}

static void
texts_come_and_go_in_one_batch(void **state)
{
	serve_loop_options options = SERVE_LOOP_DEFAULTS;

	options.engine.threads = 2;
	check_clients(*state, options, true);
}

/* With memory for hardly more than one text. */
static void
texts_wait_for_memory(void **state)
{
	serve_loop_options options = SERVE_LOOP_DEFAULTS;

	options.engine.max_memory = 100 * 1024;
	check_clients(*state, options, false);
}

static void
few_texts_at_once_are_enough(void **state)
{
	serve_loop_options options = SERVE_LOOP_DEFAULTS;

	options.engine.sequences = 2;
	check_clients(*state, options, true);
}

/* ---- Single cases ---- */

/* A call gives what it would give here. */
static serve_reply
assert_same(scratch *s, session *one, const serve_request *request)
{
	serve_reply reply;
	task_answer expected;

	session_call(one, request, &reply);
	assert_good(&one->context);
	assert_true(compute_here(&s->context, request, &expected));
	assert_true(same_answer(&reply.answer, &expected, request->call.count));
	return reply;
}

static void
encoder_decoders_generate(void **state)
{
	scratch *s = *state;
	server engine;
	session one;
	const tfm_text texts[] = {TEXT("one two"), TEXT("three of some words"), TEXT("a")};
	serve_request request = generate_request_of(compile_golden(s, "generation/t5", "image"),
												"{\"max_new_tokens\": 6}", texts, 3);

	server_meet(&engine, &one, s, SERVE_LOOP_DEFAULTS);
	assert_same(s, &one, &request);
	request.call.options = TEXT("{\"max_new_tokens\": 6, \"num_beams\": 2}");
	assert_same(s, &one, &request);
	server_part(&engine, &one);
}

/* A prompt of more tokens than a pass has, while others go on. */
static void
long_prompts_are_run_in_pieces(void **state)
{
	enum
	{
		LONG = 1000
	};
	scratch *s = *state;
	server engine;
	session one;
	char *text = malloc(LONG);
	tfm_text texts[] = {{text, LONG}, {words, 20}, {words, 30}, {text + 1, LONG - 9}, {words, 9}};
	serve_request request = generate_request_of(compile_golden(s, "generation/llama_long", "image"),
												"{\"max_new_tokens\": 9}", texts, 5);

	for (size_t i = 0; i < LONG; i++)
		text[i] = words[i % (sizeof(words) - 1)];
	server_meet(&engine, &one, s, SERVE_LOOP_DEFAULTS);
	assert_same(s, &one, &request);
	server_part(&engine, &one);
	free(text);
}

static void
beginnings_are_kept(void **state)
{
	scratch *s = *state;
	server engine;
	session one;
	const tfm_text text = {words, 30};
	serve_request request = generate_request_of(compile_golden(s, "generation/llama", "image"),
												"{\"max_new_tokens\": 6}", &text, 1);
	serve_reply reply;

	server_meet(&engine, &one, s, SERVE_LOOP_DEFAULTS);
	reply = assert_same(s, &one, &request);
	assert_int_equal(reply.usage.made, 6);
	assert_true(reply.usage.tokens > 6 && reply.usage.passes >= 6);
	assert_int_equal(assert_same(s, &one, &request).usage.reused, 0);
	request.prefix_cache = 1 << 20;
	assert_int_equal(assert_same(s, &one, &request).usage.reused, 0);
	assert_true(assert_same(s, &one, &request).usage.reused > 6);
	request.prefix_cache = 0;
	assert_int_equal(assert_same(s, &one, &request).usage.reused, 0);
	server_part(&engine, &one);
}

/* One that comes while others are generated joins them in their passes, and leaves before them. */
static void
a_text_joins_others(void **state)
{
	enum
	{
		COUNT = 31
	};
	scratch *s = *state;
	server engine;
	session one, other;
	tfm_text texts[COUNT];
	const char *image = compile_golden(s, "generation/llama_long", "image");
	serve_request many = generate_request_of(
		image, "{\"max_new_tokens\": 900, \"eos_token_id\": null}", texts, COUNT);
	serve_request few = generate_request_of(image, "{\"max_new_tokens\": 5}", texts, 1);
	serve_reply reply;

	for (size_t i = 0; i < COUNT; i++)
		texts[i] = (tfm_text) {words + i, 30};
	server_meet(&engine, &one, s, SERVE_LOOP_DEFAULTS);
	assert_true(session_open(&other, engine.path));
	assert_true(session_ask(&one, 1, &many));
	while (session_status(&other).passes < 3)
		usleep(100);
	assert_int_equal(assert_same(s, &other, &few).batched, 1);
	assert_int_equal(session_status(&other).running, 1);
	assert_true(session_cancel(&one, 1));
	assert_true(session_read(&one));
	assert_false(session_take(&one, COUNT, &reply));
	assert_failed(&one.context, TFM_CANCELLED, "");
	session_close(&one);
	session_close(&other);
	server_stop(&engine);
}

/* What is kept of closed sequences has its limit, though one is always open. */
static void
beginnings_do_not_pile_up(void **state)
{
	enum
	{
		TOKENS = 200,
		LIMIT = 300 * 1024
	};
	scratch *s = *state;
	const char *image = compile_golden(s, "generation/llama_long", "image");
	run_model *model = run_model_open(&s->context, image, COMPUTE_AUTO);
	run_session *open =
		run_session_create(&s->context, model, &(run_session_options) {.keep_limit = LIMIT});
	int32_t ids[TOKENS], always = run_session_open(&s->context, open, NULL, 0, NULL);
	size_t most = 0, each = 0;
	float *logits;

	for (int turn = 0; turn < 20; turn++)
	{
		run_step step = {.ids = ids, .count = TOKENS, .wanted = 1};
		arena_mark mark = arena_save(s->context.arena);

		for (int i = 0; i < TOKENS; i++)
			ids[i] = 3 + (i + turn) % 50;
		step.sequence = run_session_open(&s->context, open, ids, TOKENS, NULL);
		assert_true(run_session_step(&s->context, open, &step, 1, &logits, NULL));
		run_session_close(open, step.sequence, true);
		each = each == 0 ? run_session_bytes(open) : each;
		most = run_session_bytes(open) > most ? run_session_bytes(open) : most;
		arena_restore(s->context.arena, mark);
	}
	assert_true(each > 0 && most > each && most <= LIMIT + each);
	run_session_close(open, always, false);
}

/* An error, a cancel and a session that goes hit nobody else. */
static void
check_ends(scratch *s, serve_loop_options options)
{
	server engine;
	session one, other;
	const char *image = compile_golden(s, "generation/llama", "image");
	tfm_text texts[64], text = {words, 20};
	serve_request good = generate_request_of(image, "{\"max_new_tokens\": 30}", &text, 1);
	serve_request too_long = generate_request_of(image, "{\"max_new_tokens\": 600}", &text, 1);
	serve_request unknown = generate_request_of(image, "{\"nothing\": 600}", &text, 1);
	serve_request many = generate_request_of(image, "{\"max_new_tokens\": 40}", texts, 64);
	serve_request embedding = {
		.image = image,
		.call = {.kind = TASK_EMBED, .embed = EMBED_DEFAULTS, .count = 1, .inputs = &text}};
	serve_reply reply;
	task_answer expected;
	buffer frames = {0};

	for (size_t i = 0; i < 64; i++)
		texts[i] = (tfm_text) {words + i % 9, 10};
	assert_true(compute_here(&s->context, &good, &expected));
	server_start(&engine, s, options);
	for (int turn = 0; turn < 4; turn++)
	{
		int ends = 0;

		assert_true(session_open(&one, engine.path));
		assert_true(session_open(&other, engine.path));
		assert_true(session_ask(&other, 1, &many));
		serve_write_request(&one.context, &frames, 0, &good);
		serve_write_request(&one.context, &frames, 1, &too_long);
		serve_write_request(&one.context, &frames, 2, &many);
		serve_write_request(&one.context, &frames, 3, &unknown);
		serve_write_request(&one.context, &frames, 4, &embedding);
		serve_write(&one.context, &frames, SERVE_CANCEL, 2, NULL, 0);
		assert_true(session_flush(&one, &frames));
		while (ends++ < 5)
		{
			assert_true(session_read(&one));
			if (session_take(&one, 1, &reply))
			{
				assert_true(one.header.id == 0 || one.header.id == 4);
				assert_true(one.header.id == 4 || same_answer(&reply.answer, &expected, 1));
			}
			else if (one.header.id == 1)
				assert_failed(&one.context, TFM_LIMIT_EXCEEDED, "positions");
			else if (one.header.id == 2)
				assert_failed(&one.context, TFM_CANCELLED, "");
			else if (one.header.id == 3)
				assert_failed(&one.context, TFM_INVALID_ARGUMENT, "nothing");
			else
				assert_good(&one.context);
		}
		session_close(&other);
		session_close(&one);
	}
	server_stop(&engine);
}

static void
one_that_ends_leaves_the_others(void **state)
{
	serve_loop_options options = SERVE_LOOP_DEFAULTS;

	check_ends(*state, options);
	options.engine.max_memory = 64 * 1024; /* so that some are put off when they are cancelled */
	check_ends(*state, options);
}

static void
a_model_that_does_not_generate_says_so(void **state)
{
	scratch *s = *state;
	server engine;
	session one;
	const tfm_text text = TEXT("one");
	serve_request request =
		generate_request_of(compile_golden(s, "sentence/dense", "image"), "", &text, 1);
	serve_reply reply;

	server_meet(&engine, &one, s, SERVE_LOOP_DEFAULTS);
	assert_false(session_call(&one, &request, &reply));
	assert_failed(&one.context, TFM_UNSUPPORTED, "does not generate");
	server_part(&engine, &one);
}

static void
it_ends_in_the_middle_of_texts(void **state)
{
	scratch *s = *state;
	server engine;
	session one;
	tfm_text texts[256];
	serve_request request =
		generate_request_of(compile_golden(s, "generation/llama_long", "image"),
							"{\"max_new_tokens\": 400, \"eos_token_id\": null}", texts, 256);
	serve_loop_options options = SERVE_LOOP_DEFAULTS;

	for (size_t i = 0; i < 256; i++)
		texts[i] = (tfm_text) {words, 10};
	options.grace = 0;
	server_meet(&engine, &one, s, options);
	assert_true(session_ask(&one, 1, &request));
	while (session_status(&one).passes < 3)
		usleep(1000);
	assert_int_equal(write(engine.stop[1], "", 1), 1);
	assert_false(session_read(&one));
	session_close(&one);
	server_join(&engine);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fibers_take_turns),
		scratch_test(texts_come_and_go_in_one_batch),
		scratch_test(texts_wait_for_memory),
		scratch_test(few_texts_at_once_are_enough),
		scratch_test(encoder_decoders_generate),
		scratch_test(long_prompts_are_run_in_pieces),
		scratch_test(beginnings_are_kept),
		scratch_test(a_text_joins_others),
		scratch_test(beginnings_do_not_pile_up),
		scratch_test(one_that_ends_leaves_the_others),
		scratch_test(a_model_that_does_not_generate_says_so),
		scratch_test(it_ends_in_the_middle_of_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
