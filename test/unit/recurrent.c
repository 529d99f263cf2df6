/*
 * recurrent.c
 *	  Sessions of models whose layers keep states: what copies and later texts go on from, and that
 *	  nothing goes back.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>

#include "generate/generate.h"
#include "nn/recurrent.h"
#include "oom.h"
#include "runtime/forward.h"
#include "runtime/session.h"
#include "scratch.h"

#define TOKENS 12

static const int32_t ids[TOKENS] = {5, 9, 14, 6, 6, 21, 17, 8, 25, 13, 10, 7};

static const char *const models[] = {
	"mamba/MambaForCausalLM", "mamba2/Mamba2ForCausalLM",
	"jamba/JambaForCausalLM", "recurrent_gemma/RecurrentGemmaForCausalLM",
	"rwkv/RwkvForCausalLM",
};

#define MODELS (sizeof(models) / sizeof(models[0]))

static run_session *
open_session(scratch *s, const char *name)
{
	const char *image = scratch_path(s, "image"), *golden = getenv("TFM_GOLDEN");
	char path[512];
	const run_model *model;
	run_session *session;

	snprintf(path, sizeof(path), "%s/%s", golden == NULL ? "test/golden" : golden, name);
	run_compile(&s->context, path, image, NULL);
	model = run_model_open(&s->context, image, COMPUTE_F32);
	session = model == NULL ? NULL
							: run_session_create(&s->context, model,
												 &(run_session_options) {.keep_limit = 1 << 24});
	if (session == NULL)
		fail_msg("%s: %s", name, s->context.error.message);
	return session;
}

/* The scores after count more tokens of a sequence. */
static const float *
step(scratch *s, run_session *session, int32_t sequence, int first, int count)
{
	run_step one = {.sequence = sequence, .ids = ids + first, .count = count, .wanted = 1};
	float *logits = NULL;

	if (!run_session_step(&s->context, session, &one, 1, &logits, NULL))
		fail_msg("%s", s->context.error.message);
	return logits;
}

static void
assert_alike(const run_session *session, const float *a, const float *b)
{
	for (int64_t i = 0; i < run_session_vocabulary(session); i++)
		if (!(fabsf(a[i] - b[i]) < 2e-5f * (1 + fabsf(b[i]))))
			fail_msg("score %d is %g, not %g", (int) i, (double) a[i], (double) b[i]);
}

/* Rows of different lengths in one step are what each is alone. */
static void
ragged_steps_are_those_of_each(void **state)
{
	scratch *s = *state;

	for (size_t i = 0; i < MODELS; i++)
	{
		run_session *session = open_session(s, models[i]);
		run_step steps[3] = {{0}};
		float *logits;

		for (int j = 0; j < 3; j++)
			steps[j] =
				(run_step) {.sequence = run_session_open(&s->context, session, NULL, 0, NULL),
							.ids = ids + j,
							.count = 2 + 3 * j,
							.wanted = 1};
		assert_true(run_session_step(&s->context, session, steps, 3, &logits, NULL));
		for (int j = 0; j < 3; j++, logits += run_session_vocabulary(session))
		{
			int32_t alone = run_session_open(&s->context, session, NULL, 0, NULL);

			assert_alike(session, step(s, session, alone, j, 2 + 3 * j), logits);
		}
	}
}

/* A copy goes its own way, and so does what it is of. */
static void
copies_part(void **state)
{
	scratch *s = *state;

	for (size_t i = 0; i < MODELS; i++)
	{
		run_session *session = open_session(s, models[i]);
		int32_t whole = run_session_open(&s->context, session, NULL, 0, NULL);
		int32_t first = run_session_open(&s->context, session, NULL, 0, NULL), copy;
		const float *expected = step(s, session, whole, 0, 8);

		step(s, session, first, 0, 5);
		copy = run_session_fork(&s->context, session, first);
		step(s, session, copy, 9, 3);
		assert_alike(session, step(s, session, first, 5, 3), expected);
	}
}

static void
nothing_goes_back(void **state)
{
	scratch *s = *state;

	for (size_t i = 0; i < MODELS; i++)
	{
		run_session *session = open_session(s, models[i]);
		int32_t whole = run_session_open(&s->context, session, NULL, 0, NULL);
		int32_t sequence = run_session_open(&s->context, session, NULL, 0, NULL);
		const float *expected = step(s, session, whole, 0, 8);

		assert_true(run_session_keeps_states(session));
		step(s, session, sequence, 0, 5);
		assert_false(run_session_truncate(&s->context, session, sequence, 4));
		assert_int_equal(s->context.error.kind, TFM_UNSUPPORTED);
		tfm_clear_error(&s->context);
		assert_true(run_session_truncate(&s->context, session, sequence, 5));
		assert_int_equal(run_session_length(session, sequence), 5);
		assert_alike(session, step(s, session, sequence, 5, 3), expected);
		assert_true(run_session_truncate(&s->context, session, sequence, 0));
		assert_alike(session, step(s, session, sequence, 0, 8), expected);
	}
}

/* A later text goes on from all of an earlier one, or from nothing of it. */
static void
whole_texts_are_taken_up(void **state)
{
	scratch *s = *state;
	run_session *session = open_session(s, models[0]);
	int64_t reused;
	int32_t sequence = run_session_open(&s->context, session, NULL, 0, NULL);
	const float *expected = step(s, session, sequence, 0, TOKENS);

	run_session_close(session, sequence, true);
	sequence = run_session_open(&s->context, session, ids, TOKENS, &reused);
	assert_int_equal(reused, 0);
	step(s, session, sequence, 0, 6);
	run_session_close(session, sequence, true);
	sequence = run_session_open(&s->context, session, ids, TOKENS, &reused);
	assert_int_equal(reused, 6);
	assert_alike(session, step(s, session, sequence, 6, TOKENS - 6), expected);
}

static void
drafts_are_refused(void **state)
{
	scratch *s = *state;
	gen_ids prompt = {.count = 4, .ids = ids};
	gen_config config;
	gen_request request = {.session = open_session(s, models[0]),
						   .config = &config,
						   .prompts = &prompt,
						   .prompt_count = 1};
	gen_sequence *sequences;
	int64_t count;

	gen_config_init(&config);
	config.max_new_tokens = 3;
	config.num_beams = 3;
	assert_true(gen_generate(&s->context, &request, &sequences, &count));
	config.num_beams = 1;
	config.prompt_lookup_num_tokens = 2;
	assert_false(gen_generate(&s->context, &request, &sequences, &count));
	assert_int_equal(s->context.error.kind, TFM_UNSUPPORTED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ragged_steps_are_those_of_each, scratch_setup,
										scratch_teardown),
		cmocka_unit_test_setup_teardown(copies_part, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(nothing_goes_back, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(whole_texts_are_taken_up, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(drafts_are_refused, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests_name("recurrent", tests, NULL, NULL);
}
