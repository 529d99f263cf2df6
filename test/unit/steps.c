/*
 * steps.c
 *	  Generation by steps against whole passes: of every checkpoint under test/golden whose model
 *	  generates, the scores after each token are the same whether the tokens before it come in one
 *	  pass or in many, alone or in company, and after a sequence was forked, cut or taken up again.
 *
 * TFM_GOLDEN is the directory (default: test/golden), TFM_FAMILY a folder or <folder>/<case>.
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

#include "base/threads.h"
#include "runtime/forward.h"
#include "runtime/loaded.h"
#include "runtime/session.h"

/* Tokens of a sequence, fewer than the smallest model has positions. */
#define TOKENS 15

/* The largest difference, as a share of the largest score. */
#define TOLERANCE 1e-5

typedef struct steps
{
	tfm_context context;
	char image[64];
	run_model *model;
	run_session *session; /* NULL: the model does not generate */
	int64_t vocabulary;
	int32_t a[TOKENS], b[TOKENS]; /* two sequences */
	float *whole_a, *whole_b;	  /* [TOKENS][vocabulary] after one pass each */
} steps;

static int generating; /* models so far */

static void
assert_done(const tfm_context *context)
{
	if (tfm_failed(context))
		fail_msg("%s %s", context->error.message, context->error.detail);
}

static void
open_model(steps *s, const char *directory)
{
	int descriptor;

	strcpy(s->image, "/tmp/tfm-steps-XXXXXX");
	descriptor = mkstemp(s->image);
	assert_true(descriptor >= 0);
	close(descriptor);
	run_compile(&s->context, directory, s->image, &(run_compile_options) {0});
	s->model = run_model_open(&s->context, s->image, COMPUTE_F32);
	assert_done(&s->context);
	if (s->model->class.family == NULL)
		return; /* a checkpoint without weights */
	s->session =
		run_session_create(&s->context, s->model, &(run_session_options) {.keep_limit = 1 << 20});
	if (s->session != NULL)
		return;
	assert_int_equal(s->context.error.kind, TFM_UNSUPPORTED);
	tfm_clear_error(&s->context);
}

static int
setup(void **state)
{
	steps *s = calloc(1, sizeof(steps));

	assert_non_null(s);
	s->context.arena = arena_create(0);
	s->context.threads = 1;
	assert_non_null(s->context.arena);
	open_model(s, *state);
	if (s->session != NULL)
		s->vocabulary = run_session_vocabulary(s->session);
	for (int64_t i = 0; i < TOKENS && s->session != NULL; i++)
	{
		s->a[i] = (int32_t) (5 + (7 * i * i + 3 * i) % (s->vocabulary - 5));
		s->b[i] = (int32_t) (5 + (3 * i * i + 11) % (s->vocabulary - 5));
	}
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	steps *s = *state;

	arena_destroy(s->context.arena);
	unlink(s->image);
	free(s);
	return 0;
}

/* ---- Sequences and scores ---- */

/* A sequence that continues nothing; of an encoder-decoder one that looks at some tokens. */
static int32_t
open_sequence(steps *s)
{
	static const int32_t input[] = {7, 9, 11, 6, 8, 2};
	run_sequence encoded = {.ids = input, .count = 6};
	int64_t reused;
	int32_t sequence;

	if (run_session_has_encoder(s->session))
		run_session_encode(&s->context, s->session, &encoded, 1, &sequence);
	else
		sequence = run_session_open(&s->context, s->session, NULL, 0, &reused);
	assert_done(&s->context);
	return sequence;
}

/* Scores after the last wanted of count tokens. */
static float *
step(steps *s, int32_t sequence, const int32_t *ids, int64_t count, int64_t wanted)
{
	const run_step one = {.sequence = sequence, .ids = ids, .count = count, .wanted = wanted};
	float *logits = NULL;

	run_session_step(&s->context, s->session, &one, 1, &logits, NULL);
	assert_done(&s->context);
	return logits;
}

/* got [count][vocabulary] against the rows of whole from row first on. */
static void
compare(const steps *s, const char *what, const float *whole, int64_t first, int64_t count,
		const float *got)
{
	double largest = 0;

	for (int64_t i = 0; i < TOKENS * s->vocabulary; i++)
		largest = fmax(largest, fabs((double) whole[i]));
	assert_true(largest > 0);
	whole += first * s->vocabulary;
	for (int64_t i = 0; i < count * s->vocabulary; i++)
		if (!(fabs((double) got[i] - (double) whole[i]) <= TOLERANCE * largest))
			fail_msg("%s: score %d after token %d is %.9g instead of %.9g (the largest is %.3g)",
					 what, (int) (i % s->vocabulary), (int) (first + i / s->vocabulary),
					 (double) got[i], (double) whole[i], largest);
}

/* The scores after all tokens of a pass without cache. */
static float *
forward(steps *s, const int32_t *ids)
{
	run_sequence sequence = {.ids = ids, .count = TOKENS};
	const nn_output *outputs = NULL;
	nn_batch batch;

	run_make_batch(&s->context, s->model, &sequence, 1, &batch);
	run_forward(&s->context, s->model, &batch, &outputs);
	assert_done(&s->context);
	assert_string_equal(outputs->name, "logits");
	return outputs->value.data;
}

/*
 * In one pass: the cache is new, and of a decoder alone it is as if there was none.  ProphetNet's, as
 * Transformers has it, mixes distances up where it sees a whole text without a cache.
 */
static float *
one_pass(steps *s, const int32_t *ids)
{
	int32_t sequence = open_sequence(s);
	float *logits = step(s, sequence, ids, TOKENS, TOKENS);
	const char *family = s->model->class.family->name;

	if (!run_session_has_encoder(s->session) && strcmp(family, "prophetnet") != 0)
		compare(s, "one pass", forward(s, ids), 0, TOKENS, logits);
	run_session_close(s->session, sequence, false);
	return logits;
}

/* ---- Cases ---- */

/* Both sequences in the same passes, cut otherwise; some scores are not asked for. */
static void
check_pieces(steps *s)
{
	static const int64_t a[] = {5, 4, 1, 1, 1, 1, 1, 1};
	static const int64_t b[] = {1, 1, 7, 1, 2, 1, 1, 1};
	int32_t sequence_a = open_sequence(s), sequence_b = open_sequence(s);
	int64_t done_a = 0, done_b = 0;

	for (size_t i = 0; i < sizeof(a) / sizeof(a[0]); i++)
	{
		int64_t wanted_a = a[i] > 2 ? 2 : a[i];
		const run_step both[] = {
			{.sequence = sequence_a, .ids = s->a + done_a, .count = a[i], .wanted = wanted_a},
			{.sequence = sequence_b, .ids = s->b + done_b, .count = b[i], .wanted = b[i]},
		};
		float *logits = NULL;

		run_session_step(&s->context, s->session, both, 2, &logits, NULL);
		assert_done(&s->context);
		done_a += a[i];
		compare(s, "pieces", s->whole_a, done_a - wanted_a, wanted_a, logits);
		compare(s, "pieces in company", s->whole_b, done_b, b[i],
				logits + wanted_a * s->vocabulary);
		done_b += b[i];
	}
	assert_int_equal(run_session_length(s->session, sequence_a), TOKENS);
	run_session_close(s->session, sequence_a, false);
	run_session_close(s->session, sequence_b, false);
}

/* Two that begin alike and go on otherwise. */
static void
check_fork(steps *s)
{
	int32_t mixed[TOKENS], one = open_sequence(s), other;
	const float *whole;

	memcpy(mixed, s->a, sizeof(mixed));
	memcpy(mixed + 9, s->b + 9, (TOKENS - 9) * sizeof(int32_t));
	whole = one_pass(s, mixed);
	step(s, one, s->a, 9, 0);
	other = run_session_fork(&s->context, s->session, one);
	assert_done(&s->context);
	for (int64_t i = 9; i < TOKENS; i++)
	{
		compare(s, "a fork", whole, i, 1, step(s, other, mixed + i, 1, 1));
		compare(s, "what was forked", s->whole_a, i, 1, step(s, one, s->a + i, 1, 1));
	}
	run_session_close(s->session, one, false);
	run_session_close(s->session, other, false);
}

/*
 * Tokens that were a mistake; a window may have lost what it would need for those before them, and
 * states have seen them.
 */
static void
check_cut(steps *s)
{
	int32_t sequence = open_sequence(s);

	step(s, sequence, s->a, 6, 0);
	step(s, sequence, s->b, 2, 0);
	if (!run_session_truncate(&s->context, s->session, sequence, 6))
	{
		assert_int_equal(s->context.error.kind, TFM_UNSUPPORTED);
		tfm_clear_error(&s->context);
		run_session_close(s->session, sequence, false);
		return;
	}
	compare(s, "a cut sequence", s->whole_a, 6, TOKENS - 6,
			step(s, sequence, s->a + 6, TOKENS - 6, TOKENS - 6));
	run_session_close(s->session, sequence, false);
}

/* One that begins as another did goes on from it. */
static void
check_reuse(steps *s)
{
	int32_t sequence = open_sequence(s);
	int64_t reused;

	if (run_session_has_encoder(s->session))
		return;
	step(s, sequence, s->a, 10, 0);
	run_session_close(s->session, sequence, true);
	sequence = run_session_open(&s->context, s->session, s->a, TOKENS, &reused);
	assert_done(&s->context);
	compare(s, "a sequence that is taken up again", s->whole_a, reused, TOKENS - reused,
			step(s, sequence, s->a + reused, TOKENS - reused, TOKENS - reused));
	run_session_close(s->session, sequence, false);
}

static void
run_case(void **state)
{
	steps *s = *state;

	if (s->session == NULL)
		return;
	generating++;
	assert_true(run_session_max_length(s->session) >= TOKENS);
	s->whole_a = one_pass(s, s->a);
	s->whole_b = one_pass(s, s->b);
	check_pieces(s);
	check_fork(s);
	check_cut(s);
	check_reuse(s);
}

static void
some_models_generate(void **state)
{
	(void) state;
	assert_true(generating > 0 || getenv("TFM_FAMILY") != NULL);
}

/* ---- Finding checkpoints ---- */

static bool
is_wanted(const char *name)
{
	const char *family = getenv("TFM_FAMILY");
	size_t length = family == NULL ? 0 : strlen(family);

	return length == 0 || strcmp(name, family) == 0 ||
		   (strncmp(name, family, length) == 0 && name[length] == '/');
}

/*
 * Each found config.json is cut to its directory, which is the test's name from name on; only those
 * are taken of which there is a forward pass.
 */
static size_t
list_cases(glob_t *found, size_t name, struct CMUnitTest *tests)
{
	size_t count = 0;

	for (size_t i = 0; i < found->gl_pathc; i++)
	{
		char *path = found->gl_pathv[i], expected[4096];

		*strrchr(path, '/') = '\0';
		snprintf(expected, sizeof(expected), "%s/expected.json", path);
		if (is_wanted(path + name) && access(expected, R_OK) == 0)
			tests[count++] = (struct CMUnitTest) {path + name, run_case, setup, teardown, path};
	}
	return count;
}

int
main(void)
{
	const char *directory = getenv("TFM_GOLDEN");
	struct CMUnitTest *tests;
	char pattern[4096];
	glob_t found;
	size_t count;
	int result = 1;

	if (directory == NULL || directory[0] == '\0')
		directory = "test/golden";
	snprintf(pattern, sizeof(pattern), "%s/*/*/config.json", directory);
	if (glob(pattern, 0, NULL, &found) != 0)
	{
		fprintf(stderr, "there is no case in %s\n", directory);
		return 1;
	}
	tests = calloc(found.gl_pathc + 1, sizeof(struct CMUnitTest));
	count = tests == NULL ? 0 : list_cases(&found, strlen(directory) + 1, tests);
	if (tests != NULL)
	{
		tests[count++] = (struct CMUnitTest) cmocka_unit_test(some_models_generate);
		result = _cmocka_run_group_tests("steps", tests, count, NULL, NULL);
	}
	free(tests);
	globfree(&found);
	return result;
}
