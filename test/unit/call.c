/*
 * call.c
 *	  Calls as values: what may be put together, and that equal inputs are computed once.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/call.h"

#include "scratch.h"
#include "task/distinct.h"

#define TEXT(literal) ((tfm_text) {literal, sizeof(literal) - 1})

static run_model *
open_golden(scratch *s, const char *name)
{
	const char *golden = getenv("TFM_GOLDEN");
	const char *image = file_join(&s->context, s->directory, "image");

	run_compile(&s->context, file_join(&s->context, golden != NULL ? golden : "test/golden", name),
				image, NULL);
	return run_model_open(&s->context, image, COMPUTE_AUTO);
}

static void
inputs_are_told_apart(void **state)
{
	scratch *s = *state;
	const tfm_text inputs[] = {TEXT("a longer text"), TEXT(""), TEXT("a longer text"),
							   TEXT("a longer text"), TEXT("")};
	const tfm_text seconds[] = {TEXT("x"), TEXT("x"), TEXT("x"), TEXT("y"), TEXT("x")};
	task_call call = {.kind = TASK_EMBED, .count = 5, .inputs = inputs};
	task_distinct d;

	assert_true(task_find_distinct(&s->context, &call, &d));
	assert_int_equal(d.count, 2);
	assert_int_equal(d.place[0], d.place[3]);
	assert_int_equal(d.place[1], d.place[4]);
	for (size_t i = 0; i < call.count; i++)
		assert_int_equal(inputs[d.first[d.place[i]]].length, inputs[i].length);
	call.seconds = seconds;
	assert_true(task_find_distinct(&s->context, &call, &d));
	assert_int_equal(d.count, 3);
	assert_int_not_equal(d.place[0], d.place[3]);
}

/* Many inputs, so that places in the table collide. */
static void
many_inputs_are_told_apart(void **state)
{
	enum
	{
		COUNT = 3000,
		DISTINCT = 1000
	};
	scratch *s = *state;
	tfm_text *inputs = tfm_alloc_array(&s->context, COUNT, sizeof(tfm_text));
	task_call call = {.kind = TASK_EMBED, .count = COUNT, .inputs = inputs};
	task_distinct d;

	for (int i = 0; i < COUNT; i++)
	{
		const char *text = tfm_sprintf(&s->context, "text number %d", i % DISTINCT);

		inputs[i] = (tfm_text) {text, strlen(text)};
	}
	assert_true(task_find_distinct(&s->context, &call, &d));
	assert_int_equal(d.count, DISTINCT);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(d.place[i], i % DISTINCT);
}

static void
equal_inputs_are_computed_once(void **state)
{
	scratch *s = *state;
	const task_models models = {.model = open_golden(s, "sentence/mean")};
	const tfm_text inputs[] = {TEXT("the cat sat"), TEXT("hello"), TEXT("the cat sat"),
							   TEXT("hello"), TEXT("hello")};
	task_call call = {.kind = TASK_EMBED, .embed = EMBED_DEFAULTS, .count = 2, .inputs = inputs};
	task_answer once, all;
	int64_t tokens;

	assert_false(tfm_failed(&s->context));
	assert_true(task_call_run(&s->context, &models, &call, &once));
	tokens = s->context.usage.tokens;
	assert_true(tokens > 0);
	call.count = 5;
	assert_true(task_call_run(&s->context, &models, &call, &all));
	assert_int_equal(s->context.usage.tokens, 2 * tokens);
	assert_int_equal(all.columns, once.columns);
	for (int i = 0; i < 5; i++)
		assert_memory_equal(all.values + i * all.columns,
							once.values + (i == 0 || i == 2 ? 0 : 1) * once.columns,
							(size_t) all.columns * sizeof(float));
}

static void
options_keep_calls_apart(void **state)
{
	const tfm_text labels[] = {TEXT("yes"), TEXT("no")}, others[] = {TEXT("yes"), TEXT("on")};
	const task_call base = {.kind = TASK_LABEL,
							.embed = EMBED_DEFAULTS,
							.labels = labels,
							.label_count = 2,
							.options = TEXT("{}")};
	task_call other = base;

	(void) state;
	other.count = 7;
	assert_true(task_call_same(&base, &other));
	other.labels = others;
	assert_false(task_call_same(&base, &other));
	other = base;
	other.instruction = TEXT("say");
	assert_false(task_call_same(&base, &other));
	other = base;
	other.embed.dimensions = 3;
	assert_false(task_call_same(&base, &other));
	other = base;
	other.embed.prompt = "query";
	assert_false(task_call_same(&base, &other));
	other = base;
	other.kind = TASK_GENERATE;
	assert_false(task_call_same(&base, &other));
	other = base;
	other.options = TEXT("{\"top_k\": 1}");
	assert_false(task_call_same(&base, &other));
	other = base;
	other.tokenize.max_length = 4;
	assert_false(task_call_same(&base, &other));
}

static void
unknown_kinds_are_refused(void **state)
{
	scratch *s = *state;
	task_call call = {.kind = (task_kind) 77};
	task_answer answer;

	assert_null(task_kind_name((task_kind) 77, NULL));
	assert_null(task_kind_name((task_kind) 0, NULL));
	assert_false(task_call_run(&s->context, &(task_models) {0}, &call, &answer));
	assert_int_equal(s->context.error.kind, TFM_INTERNAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(inputs_are_told_apart),		  scratch_test(many_inputs_are_told_apart),
		scratch_test(equal_inputs_are_computed_once), scratch_test(options_keep_calls_apart),
		scratch_test(unknown_kinds_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
