/*
 * golden.c
 *	  Models against Transformers and sentence-transformers: every directory
 *	  <golden>/<folder>/<case> is a checkpoint with the outputs that those
 *	  libraries give; test/oracle makes them.
 *
 * TFM_GOLDEN is the directory <golden> (default: test/golden), TFM_FAMILY a
 * folder or <folder>/<case> (default: all), TFM_MINILM a directory with
 * all-MiniLM-L6-v2, without which its cases are not run.  Every case is run
 * under each instruction set that the machine has.
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
#include "task/embed.h"
#include "task/forward.h"
#include "task/rerank.h"
#include "task/tokenize.h"
#include "tensor.h"

#define FILE_LIMIT (1 << 24)

/*
 * The largest difference, as a share of the tensor's largest value.  The oracle keeps a case only if
 * rounding (float32 against float64) moves its outputs by less than a third of this, and the loss of
 * a weight, another GELU or another epsilon by more than ten times this.
 */
#define TOLERANCE 1e-5

/* Larger values stand for "never", and say nothing of the scale. */
#define MASKED 1000.0

/* For embeddings: the largest difference of a number (of about 1 or less), the least cosine. */
#define EMBEDDING_TOLERANCE 1e-5
#define EMBEDDING_COSINE 0.999999

/* A case while it runs. */
typedef struct golden
{
	tfm_context context;
	const char *directory; /* of the case, or where minilm.jsonl is */
	char image[64];		   /* temporary file */
	run_model *model;
} golden;

static void
assert_done(const tfm_context *context)
{
	if (tfm_failed(context))
		fail_msg("%s %s", context->error.message, context->error.detail);
}

/* The GGUF file in a directory, of a split one a part; NULL: there is none. */
static const char *
find_gguf(golden *g, const char *directory)
{
	static const char *const names[] = {"model.gguf", "model-00002-of-00003.gguf"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		const char *path = file_join(&g->context, directory, names[i]);

		if (file_exists(path))
			return path;
	}
	return NULL;
}

/*
 * Compile and open a checkpoint, or the GGUF file that is in the directory, with weights in a type; 0:
 * its own.  Of blocks the numbers are exact, as are those of the oracle.
 */
static void
open_model(golden *g, const char *directory, tfm_dtype dtype)
{
	const char *gguf = find_gguf(g, directory);
	int descriptor;

	strcpy(g->image, "/tmp/tfm-golden-XXXXXX");
	descriptor = mkstemp(g->image);
	assert_true(descriptor >= 0);
	close(descriptor);
	run_compile(&g->context, gguf != NULL ? gguf : directory, g->image,
				&(run_compile_options) {.dtype = dtype});
	g->model = run_model_open(&g->context, g->image, gguf != NULL ? COMPUTE_F32 : COMPUTE_AUTO);
	assert_done(&g->context);
	assert_non_null(g->model);
}

static golden *
create_golden(void)
{
	golden *g = calloc(1, sizeof(golden));

	assert_non_null(g);
	g->context.arena = arena_create(0);
	g->context.pool = threads_create(2);
	g->context.threads = 1;
	assert_non_null(g->context.arena);
	assert_non_null(g->context.pool);
	return g;
}

static void
destroy_golden(golden *g)
{
	arena_destroy(g->context.arena);
	threads_destroy(g->context.pool);
	unlink(g->image);
	free(g);
}

/*
 * Forward passes
 */

static double
largest_of(json numbers)
{
	double largest = 0;

	for (json number = json_first(numbers); json_present(number); number = json_next(number))
		if (fabs(json_as_number(number)) < MASKED)
			largest = fmax(largest, fabs(json_as_number(number)));
	return largest;
}

/* Positions that the mask leaves out are zeros on both sides, exactly. */
static void
compare_numbers(const char *name, json expected, json got)
{
	const double usual = TOLERANCE * largest_of(expected);
	json b = json_first(got);
	int index = 0;

	assert_int_equal(json_size(expected), json_size(got));
	for (json a = json_first(expected); json_present(a);
		 a = json_next(a), b = json_next(b), index++)
	{
		double magnitude = fabs(json_as_number(a));
		double tolerance = magnitude < MASKED ? usual : TOLERANCE * magnitude;
		double difference;

		assert_true(json_is_number(b));
		difference = fabs(json_as_number(a) - json_as_number(b));
		if (!(difference <= (magnitude == 0 ? 0 : tolerance)))
			fail_msg("%s[%d] is %.9g, expected %.9g (tolerance %.2g)", name, index,
					 json_as_number(b), json_as_number(a), tolerance);
	}
}

static void
compare_shapes(const char *name, json expected, json got)
{
	json b = json_first(got);

	if (json_size(expected) != json_size(got))
		fail_msg("%s has %zu dimensions, expected %zu", name, json_size(got), json_size(expected));
	for (json a = json_first(expected); json_present(a); a = json_next(a), b = json_next(b))
		if (json_as_number(a) != json_as_number(b))
			fail_msg("%s has a dimension of %g, expected %g", name, json_as_number(b),
					 json_as_number(a));
}

/* Outputs have the names that Transformers gives, no more and no less. */
static void
compare_outputs(json expected, json got)
{
	for (json a = json_first(expected); json_present(a); a = json_next(a))
	{
		const char *name = json_key(a);
		json b = json_member(got, name);

		if (!json_is_object(b))
			fail_msg("there is no output \"%s\"", name);
		assert_string_equal(json_as_string(json_member(a, "dtype")),
							json_as_string(json_member(b, "dtype")));
		compare_shapes(name, json_member(a, "shape"), json_member(b, "shape"));
		compare_numbers(name, json_member(a, "data"), json_member(b, "data"));
	}
	for (json b = json_first(got); json_present(b); b = json_next(b))
		if (!json_present(json_member(expected, json_key(b))))
			fail_msg("there is an output \"%s\" that Transformers does not give", json_key(b));
}

static const buffer *
forward(golden *g, tfm_text inputs, int threads)
{
	buffer *outputs = buffer_create(&g->context);

	g->context.threads = threads;
	task_forward(&g->context, g->model, inputs, outputs);
	assert_done(&g->context);
	return outputs;
}

static void
test_forward(golden *g, json expected)
{
	tfm_text inputs;
	const buffer *alone;
	const buffer *together;

	inputs.data = file_read(&g->context, file_join(&g->context, g->directory, "inputs.json"),
							FILE_LIMIT, &inputs.length);
	assert_done(&g->context);
	alone = forward(g, inputs, 1);
	compare_outputs(expected, json_parse(&g->context, alone->data, alone->length, "outputs"));
	assert_done(&g->context);

	together = forward(g, inputs, 2);
	assert_int_equal(alone->length, together->length);
	assert_memory_equal(alone->data, together->data, alone->length);
}

/*
 * Embeddings
 */

/* Texts, and what tfm_embed is told of them. */
typedef struct embed_call
{
	tfm_text *texts;
	size_t count;
	embed_options options;
} embed_call;

static embed_call
read_call(golden *g, json call)
{
	json texts = json_member(call, "texts");
	json options = json_member(call, "options");
	embed_call c = {.count = json_size(texts), .options = EMBED_DEFAULTS};
	size_t i = 0;

	c.texts = tfm_alloc_array(&g->context, c.count, sizeof(tfm_text));
	for (json text = json_first(texts); json_present(text); text = json_next(text), i++)
		c.texts[i] = (tfm_text) {json_as_string(text), strlen(json_as_string(text))};
	c.options.pooling = json_string(&g->context, options, "pooling", NULL);
	c.options.prompt = json_string(&g->context, options, "prompt", NULL);
	c.options.dimensions = (int) json_int(&g->context, options, "dimensions", 0, 0, INT32_MAX);
	if (json_present(json_member(options, "normalize")))
		c.options.normalize = json_bool(&g->context, options, "normalize", false);
	assert_done(&g->context);
	return c;
}

static const float *
embed(golden *g, const embed_call *call, int threads, int *dimensions)
{
	float *embeddings = NULL;

	g->context.threads = threads;
	task_embed(&g->context, g->model, call->texts, call->count, &call->options, dimensions,
			   &embeddings);
	assert_done(&g->context);
	return embeddings;
}

/* Numbers may differ by a share of the largest, or 1; the cosine must be that at least. */
static void
compare_embedding(size_t row, json expected, const float *got, int dimensions, double share,
				  double cosine)
{
	double tolerance = share * fmax(1, largest_of(expected));
	double dot = 0, a_length = 0, b_length = 0;
	int i = 0;

	assert_int_equal(json_size(expected), dimensions);
	for (json number = json_first(expected); json_present(number); number = json_next(number), i++)
	{
		double a = json_as_number(number);
		double b = got[i];

		if (!(fabs(a - b) <= tolerance))
			fail_msg("number %d of embedding %zu is %.9g, expected %.9g", i, row, b, a);
		dot += a * b;
		a_length += a * a;
		b_length += b * b;
	}
	if (!(dot / sqrt(a_length * b_length) >= cosine))
		fail_msg("embedding %zu has a cosine of %.9g", row, dot / sqrt(a_length * b_length));
}

/* Each row has the same bits alone, in another order, and with two threads. */
static void
compare_company(golden *g, const embed_call *call, const float *embeddings, int dimensions)
{
	size_t row_size = (size_t) dimensions * sizeof(float);
	embed_call other = *call;
	const float *rows = embed(g, call, 2, &dimensions);

	assert_memory_equal(embeddings, rows, call->count * row_size);
	for (size_t i = 0; i < call->count; i++)
	{
		other.texts = call->texts + i;
		other.count = 1;
		rows = embed(g, &other, 1, &dimensions);
		assert_memory_equal(embeddings + i * (size_t) dimensions, rows, row_size);
	}
	other.texts = tfm_alloc_array(&g->context, call->count, sizeof(tfm_text));
	other.count = call->count;
	for (size_t i = 0; i < call->count; i++)
		other.texts[i] = call->texts[call->count - 1 - i];
	rows = embed(g, &other, 2, &dimensions);
	for (size_t i = 0; i < call->count; i++)
		assert_memory_equal(embeddings + i * (size_t) dimensions,
							rows + (call->count - 1 - i) * (size_t) dimensions, row_size);
}

static void
test_embed(golden *g, json expected)
{
	json calls = json_member(expected, "calls");

	for (json call = json_first(calls); json_present(call); call = json_next(call))
	{
		embed_call c = read_call(g, call);
		int dimensions = 0;
		const float *embeddings = embed(g, &c, 1, &dimensions);
		size_t row = 0;

		for (json a = json_first(json_member(call, "embeddings")); json_present(a);
			 a = json_next(a))
		{
			compare_embedding(row, a, embeddings + row * (size_t) dimensions, dimensions,
							  EMBEDDING_TOLERANCE, EMBEDDING_COSINE);
			row++;
		}
		assert_int_equal(row, c.count);
		compare_company(g, &c, embeddings, dimensions);
	}
}

/*
 * Scores of pairs
 */

static const double *
rerank(golden *g, const tfm_text *queries, const tfm_text *documents, size_t count, int threads)
{
	double *scores = tfm_alloc_array(&g->context, count, sizeof(double));

	g->context.threads = threads;
	assert_done(&g->context);
	task_rerank(&g->context, g->model, queries, documents, count, scores);
	assert_done(&g->context);
	return scores;
}

/* Each pair has the same score alone, and with two threads. */
static void
test_rerank(golden *g, json expected)
{
	json pairs = json_member(expected, "pairs"),
		 score = json_first(json_member(expected, "scores"));
	size_t count = json_size(pairs), i = 0;
	tfm_text *texts[2];
	const double *alone, *together;

	for (int side = 0; side < 2; side++)
		texts[side] = tfm_alloc_array(&g->context, count, sizeof(tfm_text));
	for (json pair = json_first(pairs); json_present(pair); pair = json_next(pair), i++)
	{
		json text = json_first(pair);

		for (int side = 0; side < 2; side++, text = json_next(text))
			texts[side][i] = (tfm_text) {json_as_string(text), strlen(json_as_string(text))};
	}
	together = rerank(g, texts[0], texts[1], count, 2);
	for (i = 0; i < count; i++, score = json_next(score))
	{
		assert_true(fabs(together[i] - json_as_number(score)) <=
					TOLERANCE * fmax(1, fabs(json_as_number(score))));
		alone = rerank(g, &texts[0][i], &texts[1][i], 1, 1);
		assert_memory_equal(alone, &together[i], sizeof(double));
	}
}

/*
 * all-MiniLM-L6-v2
 */

static void
compare_tokens(golden *g, tfm_text text, json expected)
{
	const tokenize_plan plan = {.encode = TOK_ENCODE_DEFAULTS};
	const tokenize_input input = {.text = text};
	tok_encoding *tokens;
	size_t i = 0;

	task_tokenize(&g->context, g->model, &input, 1, &plan, &tokens);
	assert_done(&g->context);
	assert_int_equal(tokens->count, json_size(expected));
	for (json id = json_first(expected); json_present(id); id = json_next(id), i++)
		assert_int_equal(tokens->ids[i], (int) json_as_number(id));
}

#define MINILM_MAX 256

/* Lines of {"text", "tokens" (not truncated), "embedding"}; the embeddings go to cases. */
static embed_call
read_minilm(golden *g, json cases[MINILM_MAX])
{
	size_t length = 0, count = 0;
	char *lines = file_read(&g->context, file_join(&g->context, g->directory, "minilm.jsonl"),
							FILE_LIMIT, &length);
	embed_call call = {.options = EMBED_DEFAULTS};

	assert_done(&g->context);
	call.texts = tfm_alloc_array(&g->context, MINILM_MAX, sizeof(tfm_text));
	for (char *line = strtok(lines, "\n"); line && count < MINILM_MAX;
		 line = strtok(NULL, "\n"), count++)
	{
		const char *text;

		cases[count] = json_parse(&g->context, line, strlen(line), "minilm.jsonl");
		text = json_require_string(&g->context, cases[count], "text");
		assert_done(&g->context);
		call.texts[count] = (tfm_text) {text, strlen(text)};
		compare_tokens(g, call.texts[count], json_member(cases[count], "tokens"));
	}
	assert_true(count > 0);
	call.count = count;
	return call;
}

static void
test_minilm(golden *g, tfm_dtype dtype, double share, double cosine)
{
	json cases[MINILM_MAX];
	embed_call call;

	open_model(g, getenv("TFM_MINILM"), dtype);
	call = read_minilm(g, cases);
	FOR_EACH_ISA(set)
	{
		const float *embeddings;
		int dimensions = 0;

		g->context.isa = set;
		embeddings = embed(g, &call, 1, &dimensions);
		for (size_t i = 0; i < call.count; i++)
			compare_embedding(i, json_member(cases[i], "embedding"),
							  embeddings + i * (size_t) dimensions, dimensions, share, cosine);
		compare_company(g, &call, embeddings, dimensions);
	}
}

/*
 * Finding and running the cases
 */

/* A test's initial state is the directory of its case. */
static int
setup(void **state)
{
	golden *g = create_golden();

	g->directory = *state;
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	destroy_golden(*state);
	return 0;
}

static void
run_case(void **state)
{
	golden *g = *state;
	json expected;

	open_model(g, g->directory, 0);
	expected =
		json_read(&g->context, file_join(&g->context, g->directory, "expected.json"), FILE_LIMIT);
	assert_done(&g->context);
	FOR_EACH_ISA(set)
	{
		g->context.isa = set;
		if (json_present(json_member(expected, "calls")))
			test_embed(g, expected);
		else if (json_present(json_member(expected, "pairs")))
			test_rerank(g, expected);
		else
			test_forward(g, expected);
	}
}

static void
run_minilm(void **state)
{
	test_minilm(*state, DTYPE_F32, EMBEDDING_TOLERANCE, EMBEDDING_COSINE);
}

static void
run_minilm_f16(void **state)
{
	test_minilm(*state, DTYPE_F16, 1, 0.99999);
}

static void
run_minilm_bf16(void **state)
{
	test_minilm(*state, DTYPE_BF16, 1, 0.9995);
}

static void
run_minilm_int8(void **state)
{
	test_minilm(*state, DTYPE_I8, 1, 0.99);
}

static const struct CMUnitTest minilm_cases[] = {
	{.name = "minilm/f32", .test_func = run_minilm},
	{.name = "minilm/f16", .test_func = run_minilm_f16},
	{.name = "minilm/bf16", .test_func = run_minilm_bf16},
	{.name = "minilm/int8", .test_func = run_minilm_int8},
};

#define MINILM_CASES (sizeof(minilm_cases) / sizeof(minilm_cases[0]))

/* Whether a case, "<folder>/<case>", belongs to the family that is asked for. */
static bool
is_wanted(const char *name)
{
	const char *family = getenv("TFM_FAMILY");
	size_t length = family ? strlen(family) : 0;

	return length == 0 || strcmp(name, family) == 0 ||
		   (strncmp(name, family, length) == 0 && name[length] == '/');
}

/* Each found expected.json is cut to its directory, which is the test's name from name on. */
static size_t
list_cases(glob_t *found, size_t name, struct CMUnitTest *tests)
{
	size_t count = 0;

	for (size_t i = 0; i < found->gl_pathc; i++)
	{
		char *path = found->gl_pathv[i];

		*strrchr(path, '/') = '\0';
		if (is_wanted(path + name))
			tests[count++] = (struct CMUnitTest) {path + name, run_case, setup, teardown, path};
	}
	return count;
}

int
main(void)
{
	const char *directory = getenv("TFM_GOLDEN");
	const char *minilm = getenv("TFM_MINILM");
	struct CMUnitTest *tests;
	char pattern[4096];
	glob_t found;
	size_t count;
	int result = 1;

	if (!directory || !*directory)
		directory = "test/golden";
	snprintf(pattern, sizeof(pattern), "%s/*/*/expected.json", directory);
	if (glob(pattern, 0, NULL, &found) != 0)
	{
		fprintf(stderr, "there is no case in %s\n", directory);
		return 1;
	}
	tests = calloc(found.gl_pathc + MINILM_CASES, sizeof(struct CMUnitTest));
	count = tests ? list_cases(&found, strlen(directory) + 1, tests) : 0;
	for (size_t i = 0; tests && minilm && *minilm && i < MINILM_CASES; i++)
		if (is_wanted(minilm_cases[i].name))
			tests[count++] = (struct CMUnitTest) {minilm_cases[i].name, minilm_cases[i].test_func,
												  setup, teardown, (void *) directory};
	if (count > 0)
		result = _cmocka_run_group_tests("golden", tests, count, NULL, NULL);
	else
		fprintf(stderr, "there is no case of that name\n");
	free(tests);
	globfree(&found);
	return result;
}
