/*
 * generator.c
 *	  Generation by the engine alone, as a peer of the benchmark: no server, no SQL.
 *
 * usage: generator <checkpoint or GGUF file> <image> <dtype> <compute> <threads>
 *
 * dtype and compute as of engine.c.  The image is compiled unless it is there.  Prompts are ids that
 * all peers make alike: token i of prompt p is 1000 + (7919 i + 104729 p) mod 30000.  Reads lines and
 * answers each with a line of JSON; times are in seconds:
 *
 *		load				what compiling (0: it was there) and opening the image took; its bytes
 *		bandwidth			bytes a second that the threads read from memory
 *		prompt N			one pass over a prompt of N tokens
 *		generate B P N		N steps of B sequences after prompts of P tokens
 *		turn P N			a prompt of P + N tokens, of which an earlier one had P
 *		write N				N steps of free text
 *		write N SCHEMA		N tokens of JSON that a schema allows, written as often as that takes
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/threads.h"
#include "runtime/precision.h"
#include "task/generate.h"

#define BANDWIDTH_BYTES ((size_t) 512 << 20)
#define BANDWIDTH_ITEM ((size_t) 1 << 20)

typedef struct bench
{
	tfm_context context;
	run_model *model;
	run_session *session;
	generator *generator;
	double compile_seconds, open_seconds;
	int next_prompt;
	char *memory; /* for the bandwidth */
} bench;

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

/* ---- Memory ---- */

typedef struct reading
{
	const char *memory;
	_Atomic uint64_t sum;
} reading;

static void
read_item(void *argument, int64_t item, int thread)
{
	reading *r = argument;
	const uint64_t *words = (const uint64_t *) (r->memory + (size_t) item * BANDWIDTH_ITEM);
	uint64_t sums[8] = {0};

	(void) thread;
	for (size_t i = 0; i < BANDWIDTH_ITEM / sizeof(uint64_t); i += 8)
	{
		__builtin_prefetch((const char *) (words + i) + 4096);
		for (int j = 0; j < 8; j++)
			sums[j] += words[i + (size_t) j];
	}
	for (int j = 0; j < 8; j++)
		atomic_fetch_add(&r->sum, sums[j]);
}

static void
bandwidth(bench *b)
{
	reading r;
	double start;

	if (b->memory == NULL)
	{
		b->memory = malloc(BANDWIDTH_BYTES);
		if (b->memory == NULL)
		{
			puts("null");
			return;
		}
		memset(b->memory, 1, BANDWIDTH_BYTES);
	}
	r.memory = b->memory;
	atomic_init(&r.sum, 0);
	start = seconds_now();
	threads_run(&b->context, read_item, &r, BANDWIDTH_BYTES / BANDWIDTH_ITEM);
	printf("%.9g\n", (double) BANDWIDTH_BYTES / (seconds_now() - start));
}

/* ---- Generation ---- */

/* A prompt that no earlier one begins like. */
static int32_t *
make_prompt(bench *b, int64_t count, int number)
{
	int32_t *ids = tfm_alloc_array(&b->context, (size_t) count, sizeof(int32_t));

	for (int64_t i = 0; ids != NULL && i < count; i++)
		ids[i] = (int32_t) (1000 + (7919 * i + 104729 * (int64_t) number) % 30000);
	return ids;
}

/* Seconds of the pass over what is left of a prompt. */
static double
run_prompt(bench *b, const int32_t *ids, int64_t count, bool keep)
{
	int64_t reused = 0;
	run_step step = {.wanted = 1};
	float *logits;
	double start = seconds_now();

	step.sequence = run_session_open(&b->context, b->session, ids, count, &reused);
	step.ids = ids + reused;
	step.count = count - reused;
	if (!tfm_failed(&b->context))
		run_session_step(&b->context, b->session, &step, 1, &logits, NULL);
	run_session_close(b->session, step.sequence, keep);
	return seconds_now() - start;
}

static void
prompt(bench *b, int64_t count)
{
	int32_t *ids = make_prompt(b, count, b->next_prompt++);

	if (ids != NULL)
		printf("%.9f\n", run_prompt(b, ids, count, false));
}

static void
turn(bench *b, int64_t first, int64_t more)
{
	int32_t *ids = make_prompt(b, first + more, b->next_prompt++);
	double whole, second;

	if (ids == NULL)
		return;
	whole = run_prompt(b, ids, first, true);
	second = run_prompt(b, ids, first + more, false);
	printf("{\"first\": %.9f, \"second\": %.9f}\n", whole, second);
}

static void
generate(bench *b, int64_t batch, int64_t length, int64_t steps)
{
	gen_ids *prompts = tfm_alloc_array(&b->context, (size_t) batch, sizeof(gen_ids));
	gen_config config;
	gen_request request;
	gen_sequence *sequences;
	gen_run *run;
	int64_t made;
	double start;
	bool more = true;

	gen_config_init(&config);
	config.max_new_tokens = steps + 1;
	for (int64_t i = 0; prompts != NULL && i < batch; i++)
		prompts[i] =
			(gen_ids) {.ids = make_prompt(b, length, b->next_prompt++), .count = (size_t) length};
	request = (gen_request) {
		.session = b->session, .config = &config, .prompts = prompts, .prompt_count = batch};
	run = tfm_failed(&b->context) ? NULL : gen_begin(&b->context, &request);
	if (run == NULL || !gen_step(&b->context, run, &more))
		return;
	start = seconds_now();
	while (more && gen_step(&b->context, run, &more))
		;
	printf("%.9f\n", seconds_now() - start);
	gen_finish_run(&b->context, run, &sequences, &made);
}

/* Tokens a second of text, free or as a schema has it. */
static void
write_text(bench *b, int64_t tokens, const char *schema)
{
	static const char request_text[] = "Describe a person as JSON.";
	char arguments[1 << 16];
	generate_request request = {.generator = b->generator};
	int64_t done = 0;
	double start = seconds_now();

	snprintf(arguments, sizeof(arguments), "{\"max_new_tokens\": %lld%s%s%s}", (long long) tokens,
			 schema == NULL ? "" : ", \"json_schema\": ", schema == NULL ? "" : schema,
			 schema == NULL ? ", \"eos_token_id\": []" : "");
	request.arguments = (tfm_text) {arguments, strlen(arguments)};
	while (done < tokens && !tfm_failed(&b->context))
	{
		generate_result *results;
		tfm_text text = {request_text, strlen(request_text)};
		size_t count;

		if (task_generate(&b->context, &request, &text, 1, &results, &count))
			done += results[0].sequence.count;
	}
	printf("%.9f\n", (double) done / (seconds_now() - start));
}

static void
answer(bench *b, char *line)
{
	char verb[16] = "", schema[1 << 15] = "";
	long long a = 0, c = 0, d = 0;

	if (sscanf(line, "write %lld %32767[^\n]", &a, schema) == 2)
		write_text(b, a, schema);
	else if (sscanf(line, "%15s %lld %lld %lld", verb, &a, &c, &d) < 1)
		puts("null");
	else if (strcmp(verb, "load") == 0)
		printf("{\"compile\": %.9f, \"open\": %.9f, \"bytes\": %lld}\n", b->compile_seconds,
			   b->open_seconds, (long long) run_model_describe(b->model)->image_bytes);
	else if (strcmp(verb, "bandwidth") == 0)
		bandwidth(b);
	else if (strcmp(verb, "prompt") == 0 && a > 0)
		prompt(b, a);
	else if (strcmp(verb, "turn") == 0 && a > 0 && c > 0)
		turn(b, a, c);
	else if (strcmp(verb, "generate") == 0 && a > 0 && c > 0 && d > 0)
		generate(b, a, c, d);
	else if (strcmp(verb, "write") == 0 && a > 0)
		write_text(b, a, NULL);
	else
		puts("null");
	fflush(stdout);
}

/* ---- Start and end ---- */

static void
load(bench *b, char **arguments)
{
	static const run_session_options options = {.keep_limit = (size_t) 256 << 20};
	run_compile_options compile = {.dtype = 0};
	tfm_compute compute = COMPUTE_AUTO;
	double start = seconds_now();

	run_dtype_from_name(arguments[3], &compile.dtype);
	run_compute_from_name(arguments[4], &compute);
	if (!file_exists(arguments[2]))
	{
		run_compile(&b->context, arguments[1], arguments[2], &compile);
		b->compile_seconds = seconds_now() - start;
		start = seconds_now();
	}
	b->model = run_model_open(&b->context, arguments[2], compute);
	b->open_seconds = seconds_now() - start;
	if (b->model == NULL)
		return;
	b->session = run_session_create(&b->context, b->model, &options);
	b->generator = task_generator_create(&b->context, b->model, &options);
}

int
main(int argc, char **argv)
{
	static bench b;
	static char line[1 << 16];
	arena *kept;

	if (argc != 6)
	{
		fputs("usage: generator <checkpoint> <image> <dtype> <compute> <threads>\n", stderr);
		return 2;
	}
	b.context.arena = arena_create(0);
	b.context.threads = atoi(argv[5]);
	b.context.pool = threads_create(b.context.threads);
	if (!b.context.arena || !b.context.pool)
		return 1;
	load(&b, argv);
	/* calls end with an arena of their own: what the generator keeps stays in the other */
	kept = b.context.arena;
	b.context.arena = arena_create(0);
	while (b.context.arena != NULL && !tfm_failed(&b.context) && fgets(line, sizeof(line), stdin))
	{
		arena_mark mark = arena_save(b.context.arena);

		answer(&b, line);
		arena_restore(b.context.arena, mark);
	}
	if (tfm_failed(&b.context))
		fprintf(stderr, "generator: %s\n", b.context.error.message);
	free(b.memory);
	threads_destroy(b.context.pool);
	arena_destroy(b.context.arena);
	arena_destroy(kept);
	return tfm_failed(&b.context);
}
