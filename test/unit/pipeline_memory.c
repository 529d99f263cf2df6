/*
 * pipeline_memory.c
 *	  Pipelines out of memory: each allocation of a call fails once.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "oom.h"

#include "task/pipeline.h"

/* A call of a pipeline over a checkpoint. */
typedef struct memory_call
{
	const char *directory, *task, *inputs, *options;
	char image[64]; /* temporary file */
} memory_call;

static memory_call calls[] = {
	{"table-question-answering/tapas", "table-question-answering",
	 "{\"table\": {\"a\": [\"7 May 1904\", 2], \"b\": [\"\", \"x y\"]}, \"query\": [\"after "
	 "1903\"]}",
	 "{\"sequential\": true}", ""},
	{"table-question-answering/tapex", "table-question-answering",
	 "{\"table\": [[\"a\"], [\"a cell that is cut\"]], \"query\": \"x\"}",
	 "{\"max_new_tokens\": 2}", ""},
	{"translation/nllb", "translation", "[\"a\"]",
	 "{\"src_lang\": \"eng_Latn\", \"tgt_lang\": \"ron_Latn\", \"max_new_tokens\": 2, "
	 "\"num_beams\": 1}",
	 ""},
	{"text-generation/bytes", "text-generation", "[[{\"role\": \"user\", \"content\": \"a\"}]]",
	 "{\"max_new_tokens\": 2, \"stop_sequence\": [\"x\"]}", ""},
	{"feature-extraction/words", "feature-extraction", "[\"a\", \"b c\"]",
	 "{\"tokenize_kwargs\": {\"truncation\": true}}", ""},
	{"summarization/bart", "retrieval-augmented-generation",
	 "{\"question\": \"x\", \"passages\": [\"a\", \"b\"], \"titles\": [\"c\", \"d\"]}",
	 "{\"max_new_tokens\": 2, \"num_beams\": 1}", ""},
};

static bool
run_call(tfm_context *context, void *argument)
{
	const memory_call *c = argument;
	tfm_text input = {c->inputs, strlen(c->inputs)};
	task_call call = {
		.kind = TASK_PIPELINE,
		.task = c->task,
		.is_json = true,
		.options = {c->options, strlen(c->options)},
		.count = 1,
		.inputs = &input,
	};
	task_models models = {.model = run_model_open(context, c->image, COMPUTE_AUTO)};
	task_answer answer;

	if (models.model == NULL)
		return false;
	if (task_needs_generator(&call, models.model))
	{
		models.generator = task_generator_create(context, models.model, &(run_session_options) {0});
		if (models.generator == NULL)
			return false;
	}
	return task_call_run(context, &models, &call, &answer);
}

static void
test_call(void **state)
{
	memory_call *c = *state;
	const char *golden = getenv("TFM_GOLDEN");
	tfm_context context = {.arena = arena_create(0)};
	char directory[4096];
	int descriptor;

	snprintf(directory, sizeof(directory), "%s/pipeline/%s",
			 golden != NULL ? golden : "test/golden", c->directory);
	strcpy(c->image, "/tmp/tfm-memory-XXXXXX");
	descriptor = mkstemp(c->image);
	assert_true(descriptor >= 0);
	close(descriptor);
	assert_true(run_compile(&context, directory, c->image, NULL));
	assert_int_equal(oom_run_all(run_call, c), TFM_OK);
	arena_destroy(context.arena);
	unlink(c->image);
}

int
main(void)
{
	struct CMUnitTest tests[sizeof(calls) / sizeof(calls[0])];

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		tests[i] = (struct CMUnitTest) {
			.name = calls[i].directory, .test_func = test_call, .initial_state = &calls[i]};
	return cmocka_run_group_tests_name("pipeline_memory", tests, NULL, NULL);
}
