/*
 * serve_lanes.c
 *	  Calls whose inputs are computed by a thread each: as if they were computed together.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve.h"

#include "base/threads.h"
#include "serve/lanes.h"

#define INPUTS 40
#define THREADS 3

/* A device, and texts of different lengths. */
typedef struct bench
{
	serve_device device;
	run_model *model;
	tfm_text inputs[INPUTS], seconds[INPUTS];
} bench;

static const char words[] = "one two three of some words that a text is made of until it ends";

static void
begin(scratch *s, bench *b, const char *checkpoint)
{
	const char *image = compile_golden(s, checkpoint, "image");

	*b = (bench) {.device = {.pool = threads_create(THREADS), .threads = THREADS}};
	b->model = run_model_open(&s->context, image, COMPUTE_AUTO);
	assert_non_null(b->model);
	for (size_t i = 0; i < INPUTS; i++)
	{
		b->inputs[i] = (tfm_text) {words, 1 + i * 7 % (sizeof(words) - 1)};
		b->seconds[i] = (tfm_text) {words, 1 + i * 5 % (sizeof(words) - 1)};
	}
	s->context.pool = b->device.pool;
	s->context.threads = THREADS;
}

static void
end(bench *b)
{
	serve_lanes_destroy(&b->device);
	threads_destroy(b->device.pool);
}

static void
assert_same(scratch *s, bench *b, const task_call *call)
{
	task_models models = {.model = b->model};
	task_answer whole, lanes;

	assert_true(task_call_run(&s->context, &models, call, &whole));
	assert_true(serve_lanes_run(&s->context, &b->device, &models, call, &lanes));
	assert_int_equal(lanes.columns, whole.columns);
	if (whole.values != NULL)
		assert_memory_equal(lanes.values, whole.values,
							call->count * (size_t) whole.columns * sizeof(float));
	if (whole.scores != NULL)
		assert_memory_equal(lanes.scores, whole.scores,
							call->count * (size_t) whole.columns * sizeof(double));
	for (size_t i = 0; whole.texts != NULL && i < call->count; i++)
	{
		assert_int_equal(lanes.texts[i].length, whole.texts[i].length);
		assert_memory_equal(lanes.texts[i].data, whole.texts[i].data, whole.texts[i].length);
	}
	assert_true(whole.values != NULL || whole.scores != NULL || whole.texts != NULL);
}

static void
embeddings_are_the_same(void **state)
{
	scratch *s = *state;
	bench b;

	begin(s, &b, "sentence/mean");
	for (size_t count = 1; count <= INPUTS; count += 3)
	{
		task_call call = {.kind = TASK_EMBED, .embed = EMBED_DEFAULTS, .count = count};

		call.inputs = b.inputs;
		assert_same(s, &b, &call);
	}
	assert_true(serve_lanes_held(&b.device) > 0);
	serve_lanes_trim(&b.device, 0);
	assert_int_equal(serve_lanes_held(&b.device), 0);
	end(&b);
}

static void
pairs_are_the_same(void **state)
{
	scratch *s = *state;
	task_call call = {.kind = TASK_RERANK, .embed = EMBED_DEFAULTS, .count = INPUTS};
	bench b;

	begin(s, &b, "cross_encoder/sigmoid");
	call.inputs = b.inputs;
	call.seconds = b.seconds;
	assert_same(s, &b, &call);
	end(&b);
}

/* They are JSON, which leaves the memory of the thread that made it. */
static void
results_of_pipelines_are_the_same(void **state)
{
	scratch *s = *state;
	task_call call = {.kind = TASK_PIPELINE, .task = "text-classification", .count = INPUTS};
	bench b;

	begin(s, &b, "pipeline/text-classification/single");
	call.inputs = b.inputs;
	assert_same(s, &b, &call);
	call.seconds = b.seconds;
	assert_same(s, &b, &call);
	end(&b);
}

static void
not_all_calls_suit(void **state)
{
	static const char much[4096];
	serve_device device = {.threads = THREADS};
	tfm_text inputs[INPUTS];
	task_call call = {.kind = TASK_EMBED, .inputs = inputs, .count = INPUTS};

	(void) state;
	for (size_t i = 0; i < INPUTS; i++)
		inputs[i] = (tfm_text) {words, 20};
	assert_true(serve_lanes_suit(&device, &call));
	inputs[0] = (tfm_text) {much, sizeof(much)};
	assert_false(serve_lanes_suit(&device, &call));
	inputs[0] = inputs[1];
	call.count = THREADS - 1;
	assert_false(serve_lanes_suit(&device, &call));
	call.count = INPUTS;
	call.kind = TASK_GENERATE;
	assert_false(serve_lanes_suit(&device, &call));
	call.kind = TASK_EMBED;
	device.threads = 1;
	assert_false(serve_lanes_suit(&device, &call));
}

static bool
always(void *argument)
{
	(void) argument;
	return true;
}

static void
errors_and_ends_are_told(void **state)
{
	scratch *s = *state;
	task_call call = {.kind = TASK_EMBED, .embed = EMBED_DEFAULTS, .count = INPUTS};
	task_models models;
	task_answer answer;
	bench b;

	begin(s, &b, "sentence/mean");
	models = (task_models) {.model = b.model};
	call.inputs = b.inputs;
	call.embed.dimensions = 100000;
	assert_false(serve_lanes_run(&s->context, &b.device, &models, &call, &answer));
	assert_int_equal(s->context.error.kind, TFM_INVALID_ARGUMENT);
	tfm_clear_error(&s->context);

	call.embed.dimensions = 0;
	s->context.interrupted = always;
	assert_false(serve_lanes_run(&s->context, &b.device, &models, &call, &answer));
	assert_int_equal(s->context.error.kind, TFM_CANCELLED);
	tfm_clear_error(&s->context);

	s->context.interrupted = NULL;
	assert_same(s, &b, &call);
	end(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(embeddings_are_the_same),			 scratch_test(pairs_are_the_same),
		scratch_test(results_of_pipelines_are_the_same), cmocka_unit_test(not_all_calls_suit),
		scratch_test(errors_and_ends_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
