/*
 * pipeline.c
 *	  Pipelines against Transformers: every directory <pipelines>/<task>/<case> is a checkpoint with
 *	  request.json, calls of a pipeline, and expected.json, what transformers.pipeline gives.  The first
 *	  call of each is also run with memory that runs out at any moment.
 *
 * TFM_PIPELINES is the directory <pipelines> (default: <golden>/pipeline), TFM_PIPELINE a task or
 * <task>/<case> (default: all).  A case with a "runner" is none of a pipeline.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/threads.h"
#include "oom.h"
#include "task/pipeline.h"

#define FILE_LIMIT (1 << 24)

/* How many sizes of memory that are too small are tried. */
#define LIMITS 300

/* How far a number may be off, beside what rounding of the weights moves it by ("moves"). */
#define TOLERANCE 1e-4
#define MOVES 3

typedef struct pipeline_case
{
	tfm_context context;
	const char *directory;
	char image[64]; /* temporary file */
	task_models models;
	int failed; /* calls */
} pipeline_case;

static void
assert_done(const tfm_context *context)
{
	if (tfm_failed(context))
		fail_msg("%s %s", context->error.message, context->error.detail);
}

/* ---- Comparing ---- */

/* Where two values differ; NULL: nowhere. */
static const char *compare(tfm_context *context, json a, json b, double tolerance,
						   const char *path);

static const char *
compare_members(tfm_context *context, json a, json b, double tolerance, const char *path)
{
	if (json_size(a) != json_size(b))
		return tfm_sprintf(context, "%s has %zu members, expected %zu", path, json_size(b),
						   json_size(a));
	for (json x = json_first(a); json_present(x); x = json_next(x))
	{
		const char *at = tfm_sprintf(context, "%s.%s", path, json_key(x));
		const char *why = compare(context, x, json_member(b, json_key(x)), tolerance, at);

		if (why != NULL)
			return why;
	}
	return NULL;
}

static const char *
compare_elements(tfm_context *context, json a, json b, double tolerance, const char *path)
{
	json y = json_first(b);
	int i = 0;

	if (json_size(a) != json_size(b))
		return tfm_sprintf(context, "%s has %zu elements, expected %zu", path, json_size(b),
						   json_size(a));
	for (json x = json_first(a); json_present(x); x = json_next(x), y = json_next(y), i++)
	{
		const char *at = tfm_sprintf(context, "%s[%d]", path, i);
		const char *why = compare(context, x, y, tolerance, at);

		if (why != NULL)
			return why;
	}
	return NULL;
}

static const char *
compare(tfm_context *context, json a, json b, double tolerance, const char *path)
{
	if (json_is_object(a) && json_is_object(b))
		return compare_members(context, a, b, tolerance, path);
	if (json_is_array(a) && json_is_array(b))
		return compare_elements(context, a, b, tolerance, path);
	if (json_is_string(a) && json_is_string(b))
		return strcmp(json_as_string(a), json_as_string(b)) == 0
				   ? NULL
				   : tfm_sprintf(context, "%s is \"%s\", expected \"%s\"", path, json_as_string(b),
								 json_as_string(a));
	if (json_is_number(a) && json_is_number(b))
	{
		double x = json_as_number(a), y = json_as_number(b);

		return fabs(x - y) <= tolerance * fmax(1, fabs(x))
				   ? NULL
				   : tfm_sprintf(context, "%s is %.9g, expected %.9g", path, y, x);
	}
	if (json_is_bool(a) && json_is_bool(b) && json_as_bool(a) == json_as_bool(b))
		return NULL;
	if (!json_present(a) && !json_present(b))
		return NULL;
	return tfm_sprintf(context, "%s is of another type or value", path);
}

/* ---- Cases ---- */

/* How far "moves" lets a number be off. */
static double
tolerance_of(json expected)
{
	json moves = json_member(expected, "moves");

	return TOLERANCE + (json_is_number(moves) ? MOVES * json_as_number(moves) : 0);
}

static tfm_text
text_of(tfm_context *context, json value)
{
	buffer *b = buffer_create(context);

	if (json_present(value))
		json_append(context, b, value);
	assert_done(context);
	return (tfm_text) {b->data, b->length};
}

static task_call
make_request(tfm_context *context, const char *task, json call, tfm_text *input)
{
	*input = text_of(context, json_member(call, "inputs"));
	return (task_call) {
		.kind = TASK_PIPELINE,
		.task = task,
		.is_json = true,
		.options = text_of(context, json_member(call, "parameters")),
		.count = 1,
		.inputs = input,
	};
}

static void
run_call(pipeline_case *c, const char *task, json call, json expected)
{
	tfm_context *context = &c->context;
	tfm_text input;
	task_call request = make_request(context, task, call, &input);
	bool fails = json_bool(context, call, "expect_error", false);
	const char *id = json_as_string(json_member(call, "id"));
	const char *why = NULL;
	task_answer answer;

	if (!task_call_run(context, &c->models, &request, &answer))
		why = fails ? NULL
					: tfm_sprintf(context, "%s %s %s", context->error.message,
								  context->error.detail, context->error.hint);
	else if (fails)
		why = "there was no error";
	else
	{
		json output = json_parse(context, answer.texts[0].data, answer.texts[0].length, "output");

		assert_done(context);
		why = compare(context, json_member(expected, "output"), output, tolerance_of(expected),
					  "output");
	}
	tfm_clear_error(context);
	if (why == NULL)
		return;
	print_error("%s %s: %s\n", c->directory, id, why);
	c->failed++;
}

/* ---- Memory ---- */

/* A call, and the model; what it generates with is made anew. */
typedef struct memory_run
{
	const run_model *model;
	const task_call *request;
} memory_run;

static bool
run_once(tfm_context *context, void *argument)
{
	const memory_run *run = argument;
	task_models models = {.model = run->model};
	task_answer answer;

	if (task_needs_generator(run->request, run->model))
		models.generator = task_generator_create(context, run->model, &(run_session_options) {0});
	return !tfm_failed(context) && task_call_run(context, &models, run->request, &answer);
}

/* The same with an arena of so many bytes; 0: of any. */
static tfm_error_kind
run_within(memory_run *run, size_t limit, size_t *peak)
{
	tfm_context context = {.arena = arena_create(limit)};
	bool done = run_once(&context, run);
	tfm_error_kind kind = context.error.kind;

	assert_int_equal(done, kind == TFM_OK);
	*peak = arena_peak(context.arena);
	arena_destroy(context.arena);
	return kind;
}

static void
let_memory_run_out(pipeline_case *c, const char *task, json call)
{
	tfm_text input;
	task_call request = make_request(&c->context, task, call, &input);
	memory_run run = {.model = c->models.model, .request = &request};

	size_t peak, used, step;

	if (json_bool(&c->context, call, "expect_error", false))
		return;
	assert_int_equal(oom_run_all(run_once, &run), TFM_OK);
	assert_int_equal(run_within(&run, 0, &peak), TFM_OK);
	step = peak / LIMITS / ARENA_ALIGNMENT * ARENA_ALIGNMENT + ARENA_ALIGNMENT;
	for (size_t limit = ARENA_ALIGNMENT; limit < peak; limit += step)
		assert_int_equal(run_within(&run, limit, &used), TFM_OUT_OF_MEMORY);
}

/* ---- Checkpoints ---- */

static void
open_case(pipeline_case *c, const char *task)
{
	task_call call = {.kind = TASK_PIPELINE, .task = task};
	int descriptor;
	run_model *model;

	strcpy(c->image, "/tmp/tfm-pipeline-XXXXXX");
	descriptor = mkstemp(c->image);
	assert_true(descriptor >= 0);
	close(descriptor);
	run_compile(&c->context, c->directory, c->image, NULL);
	model = run_model_open(&c->context, c->image, COMPUTE_AUTO);
	assert_done(&c->context);
	c->models.model = model;
	if (task_needs_generator(&call, model))
		c->models.generator = task_generator_create(&c->context, model, &(run_session_options) {0});
	assert_done(&c->context);
}

static void
run_calls(pipeline_case *c)
{
	tfm_context *context = &c->context;
	json request = json_read(context, file_join(context, c->directory, "request.json"), FILE_LIMIT);
	json expected =
		json_read(context, file_join(context, c->directory, "expected.json"), FILE_LIMIT);
	const char *task = json_require_string(context, request, "task");
	json call = json_first(json_member(request, "calls"));
	json result = json_first(json_member(expected, "calls"));

	assert_done(context);
	if (task_find_pipeline(task) == NULL)
		fail_msg("there is no pipeline %s", task);
	open_case(c, task);
	assert_true(json_present(call));
	let_memory_run_out(c, task, call);
	for (; json_present(call); call = json_next(call), result = json_next(result))
		run_call(c, task, call, result);
}

static void
test_case(void **state)
{
	pipeline_case *c = calloc(1, sizeof(pipeline_case));

	assert_non_null(c);
	c->directory = *state;
	c->context.arena = arena_create(0);
	c->context.pool = threads_create(2);
	c->context.threads = 1;
	assert_non_null(c->context.arena);
	run_calls(c);
	assert_int_equal(c->failed, 0);
	arena_destroy(c->context.arena);
	threads_destroy(c->context.pool);
	unlink(c->image);
	free(c);
}

int
main(void)
{
	const char *directory = getenv("TFM_PIPELINES"), *golden = getenv("TFM_GOLDEN");
	const char *only = getenv("TFM_PIPELINE");
	struct CMUnitTest *tests;
	char pattern[4096];
	glob_t found;
	int failed;

	snprintf(pattern, sizeof(pattern), "%s%s/%s%s/request.json",
			 directory != NULL ? directory
			 : golden != NULL  ? golden
							   : "test/golden",
			 directory != NULL ? "" : "/pipeline", only == NULL ? "*" : only,
			 only != NULL && strchr(only, '/') != NULL ? "" : "/*");
	if (glob(pattern, 0, NULL, &found) != 0)
	{
		fprintf(stderr, "no cases in %s\n", pattern);
		return 1;
	}
	tests = calloc(found.gl_pathc, sizeof(struct CMUnitTest));
	for (size_t i = 0; tests != NULL && i < found.gl_pathc; i++)
	{
		*strrchr(found.gl_pathv[i], '/') = '\0';
		tests[i] = (struct CMUnitTest) {
			.name = found.gl_pathv[i], .test_func = test_case, .initial_state = found.gl_pathv[i]};
	}
	failed =
		tests == NULL ? 1 : _cmocka_run_group_tests("pipeline", tests, found.gl_pathc, NULL, NULL);
	globfree(&found);
	free(tests);
	return failed;
}
