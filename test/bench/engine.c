/*
 * engine.c
 *	  The engine alone, as a peer of the benchmark: no server, no SQL.
 *
 * usage: engine <checkpoint> <image> <texts.json> <dtype> <compute> <threads>
 *
 * dtype is how the weights are kept (f32, f16, bf16, int8; auto: as the checkpoint has them), compute
 * the arithmetic (f32, bf16, int8, auto).  The image is compiled unless it is there.  Reads lines and
 * answers each with a line of JSON; times are in seconds, KIND names texts of texts.json:
 *
 *		load					what compiling (0: it was there) and opening the image took
 *		measure KIND BATCH		embed the texts in batches of so many, in their order
 *		latency KIND FIRST N	embed N texts one by one, from that one on: each one's time
 *		embed KIND BATCH		the embeddings of all texts
 *		tokenize KIND			time, number of tokens and sum of ids of all texts
 *		tokenize KIND FILE		the same with the tokenizer.json named, without special tokens
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/threads.h"
#include "task/embed.h"
#include "task/tokenize.h"
#include "text/tokenizer.h"

#define MAX_TEXTS 4096

typedef struct bench
{
	tfm_context context;
	run_model *model;
	json kinds;						/* name: {"texts": [...]} */
	const tok_tokenizer *tokenizer; /* of the file named last */
	char tokenizer_file[512];
	double compile_seconds;
	double open_seconds;
	tfm_text texts[MAX_TEXTS];
	size_t count;
} bench;

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

/* ---- Verbs ---- */

static void
read_texts(bench *b, const char *kind)
{
	json all = json_member(json_member(b->kinds, kind), "texts");

	b->count = 0;
	for (json text = json_first(all); json_present(text) && b->count < MAX_TEXTS;
		 text = json_next(text))
	{
		const char *string = json_as_string(text);

		b->texts[b->count++] = (tfm_text) {string, strlen(string)};
	}
}

static bool
embed(bench *b, size_t first, size_t batch, int *dimensions, float **embeddings)
{
	size_t count = b->count - first < batch ? b->count - first : batch;

	return task_embed(&b->context, b->model, b->texts + first, count, &EMBED_DEFAULTS, dimensions,
					  embeddings);
}

/* Seconds that the batch takes which starts with text first. */
static double
time_batch(bench *b, size_t first, size_t batch)
{
	arena_mark mark = arena_save(b->context.arena);
	double start = seconds_now();
	float *embeddings;
	int dimensions;

	embed(b, first, batch, &dimensions, &embeddings);
	arena_restore(b->context.arena, mark);
	return seconds_now() - start;
}

static void
measure(bench *b, size_t batch)
{
	double seconds = 0;

	for (size_t i = 0; i < b->count && !tfm_failed(&b->context); i += batch)
		seconds += time_batch(b, i, batch);
	printf("%.9f\n", seconds);
}

static void
latency(bench *b, size_t first, size_t calls)
{
	for (size_t i = 0; i < calls; i++)
		printf("%s%.9f", i == 0 ? "[" : ", ", time_batch(b, (first + i) % b->count, 1));
	puts("]");
}

static void
print_embeddings(bench *b, size_t batch)
{
	for (size_t i = 0; i < b->count && !tfm_failed(&b->context); i += batch)
	{
		arena_mark mark = arena_save(b->context.arena);
		size_t rows = b->count - i < batch ? b->count - i : batch;
		float *embeddings;
		int dimensions;

		if (embed(b, i, batch, &dimensions, &embeddings))
			for (size_t j = 0; j < rows * (size_t) dimensions; j++)
				printf("%s%.9g",
					   j % (size_t) dimensions > 0 ? ", "
					   : i + j > 0				   ? "], ["
												   : "[[",
					   (double) embeddings[j]);
		arena_restore(b->context.arena, mark);
	}
	puts("]]");
}

/* One text at a time on one thread, as a query over rows does; else as arrays of some hundred. */
static void
tokenize(bench *b)
{
	const tokenize_plan plan = {.encode = TOK_ENCODE_DEFAULTS};
	size_t batch = b->context.threads > 1 ? 512 : 1;
	double start = seconds_now();
	unsigned long long count = 0, sum = 0;

	for (size_t done = 0; done < b->count && !tfm_failed(&b->context); done += batch)
	{
		arena_mark mark = arena_save(b->context.arena);
		size_t n = b->count - done < batch ? b->count - done : batch;
		tokenize_input *inputs = tfm_alloc_array(&b->context, n, sizeof(tokenize_input));
		tok_encoding *tokens;

		for (size_t i = 0; inputs != NULL && i < n; i++)
			inputs[i] = (tokenize_input) {.text = b->texts[done + i]};
		if (inputs == NULL || !task_tokenize(&b->context, b->model, inputs, n, &plan, &tokens))
			break;
		for (size_t i = 0; i < n; i++)
		{
			for (size_t j = 0; j < tokens[i].count; j++)
				sum += (unsigned long long) tokens[i].ids[j];
			count += tokens[i].count;
		}
		arena_restore(b->context.arena, mark);
	}
	printf("{\"seconds\": %.9f, \"tokens\": %llu, \"sum\": %llu}\n", seconds_now() - start, count,
		   sum);
}

/* Have the tokenizer of a file open. */
static bool
open_tokenizer(bench *b, const char *path)
{
	buffer *blob;
	tfm_text text;

	if (strcmp(b->tokenizer_file, path) == 0)
		return true;
	snprintf(b->tokenizer_file, sizeof(b->tokenizer_file), "%s", path);
	text.data = file_read(&b->context, b->tokenizer_file, 1 << 28, &text.length);
	blob = buffer_create(&b->context);
	if (text.data != NULL && blob != NULL &&
		tok_compile_json(&b->context, text, b->tokenizer_file, (tfm_text) {NULL, 0}, "none", blob))
		b->tokenizer = tok_open(&b->context, blob->data, blob->length);
	return !tfm_failed(&b->context);
}

static void
tokenize_with(bench *b, const char *path)
{
	tok_encode_options options = {.add_special_tokens = false};
	unsigned long long count = 0, sum = 0;
	double start;

	if (!open_tokenizer(b, path))
		return;
	start = seconds_now();
	for (size_t i = 0; i < b->count && !tfm_failed(&b->context); i++)
	{
		arena_mark mark = arena_save(b->context.arena);
		tok_encoding tokens = {.count = 0};

		tok_encode(&b->context, b->tokenizer, b->texts[i], NULL, &options, &tokens);
		for (size_t j = 0; j < tokens.count; j++)
			sum += (unsigned long long) tokens.ids[j];
		count += tokens.count;
		arena_restore(b->context.arena, mark);
	}
	printf("{\"seconds\": %.9f, \"tokens\": %llu, \"sum\": %llu}\n", seconds_now() - start, count,
		   sum);
}

static size_t
number_of(const char *word)
{
	return word == NULL ? 0 : strtoul(word, NULL, 10);
}

static void
answer(bench *b, char *line)
{
	const char *verb = strtok(line, " \n");
	const char *kind = strtok(NULL, " \n");
	const char *argument = strtok(NULL, " \n");
	size_t first = number_of(argument), second = number_of(strtok(NULL, " \n"));

	read_texts(b, kind == NULL ? "" : kind);
	if (verb != NULL && strcmp(verb, "load") == 0)
		printf("{\"compile\": %.9f, \"open\": %.9f}\n", b->compile_seconds, b->open_seconds);
	else if (b->count == 0)
		puts("null");
	else if (strcmp(verb, "tokenize") == 0 && argument != NULL)
		tokenize_with(b, argument);
	else if (strcmp(verb, "tokenize") == 0)
		tokenize(b);
	else if (strcmp(verb, "latency") == 0 && second > 0)
		latency(b, first, second);
	else if (strcmp(verb, "measure") == 0 && first > 0)
		measure(b, first);
	else if (strcmp(verb, "embed") == 0 && first > 0)
		print_embeddings(b, first);
	else
		puts("null");
	fflush(stdout);
}

/* ---- Start and end ---- */

static const struct
{
	const char *name;
	tfm_dtype dtype;
	tfm_compute compute;
} names[] = {{"auto", 0, COMPUTE_AUTO},
			 {"f32", DTYPE_F32, COMPUTE_F32},
			 {"f16", DTYPE_F16, COMPUTE_F32},
			 {"bf16", DTYPE_BF16, COMPUTE_BF16},
			 {"int8", DTYPE_I8, COMPUTE_INT8}};

/* The row of names for an argument; the first for a name that is not there. */
static int
find_name(const char *name)
{
	for (int i = 0; i < (int) (sizeof(names) / sizeof(names[0])); i++)
		if (strcmp(name, names[i].name) == 0)
			return i;
	return 0;
}

/* Compile and open, timed.  An image in another dtype than the one asked for would be compared wrongly. */
static void
load(bench *b, char **arguments)
{
	run_compile_options options = {.dtype = names[find_name(arguments[4])].dtype};
	double start = seconds_now();
	const char *kept;

	if (!file_exists(arguments[2]))
	{
		run_compile(&b->context, arguments[1], arguments[2], &options);
		b->compile_seconds = seconds_now() - start;
		start = seconds_now();
	}
	b->model = run_model_open(&b->context, arguments[2], names[find_name(arguments[5])].compute);
	b->open_seconds = seconds_now() - start;
	if (b->model == NULL)
		return;
	kept = run_model_describe(b->model)->dtype;
	if (options.dtype != 0 && strcmp(kept, dtype_name(options.dtype)) != 0)
		tfm_fail(&b->context, TFM_UNSUPPORTED, "the image keeps the weights in %s", kept);
}

int
main(int argc, char **argv)
{
	static bench b;
	char line[1024];

	if (argc != 7)
	{
		fputs("usage: engine <checkpoint> <image> <texts.json> <dtype> <compute> <threads>\n",
			  stderr);
		return 2;
	}
	b.context.arena = arena_create(0);
	b.context.threads = atoi(argv[6]);
	b.context.pool = threads_create(b.context.threads);
	if (!b.context.arena || !b.context.pool)
		return 1;
	load(&b, argv);
	b.kinds = json_read(&b.context, argv[3], 1 << 28);
	while (!tfm_failed(&b.context) && fgets(line, sizeof(line), stdin))
		answer(&b, line);
	if (tfm_failed(&b.context))
		fprintf(stderr, "engine: %s\n", b.context.error.message);
	threads_destroy(b.context.pool);
	arena_destroy(b.context.arena);
	return tfm_failed(&b.context);
}
