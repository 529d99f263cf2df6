/*
 * engine.c
 *	  The engine alone, as a peer of the benchmark: no server, no SQL.
 *
 * usage: engine <checkpoint> <image> <texts.json> <threads>
 *
 * Reads lines and answers each with one: "measure short" embeds the texts of
 * that kind in batches of 32 and tells the seconds; "embed short" tells the
 * embedding of the first of them as a JSON array.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/threads.h"
#include "task/embed.h"

#define BATCH 32
#define MAX_TEXTS 4096

typedef struct bench
{
	tfm_context context;
	run_model *model;
	json kinds; /* name: {"texts": [...]}, sorted by length */
} bench;

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

static size_t
read_texts(const bench *b, const char *kind, tfm_text *texts)
{
	json all = json_member(json_member(b->kinds, kind), "texts");
	size_t count = 0;

	for (json text = json_first(all); json_present(text) && count < MAX_TEXTS;
		 text = json_next(text))
	{
		texts[count].data = json_as_string(text);
		texts[count].length = strlen(texts[count].data);
		count++;
	}
	return count;
}

static bool
embed(bench *b, const tfm_text *texts, size_t count, int *dimensions, float **embeddings)
{
	return task_embed(&b->context, b->model, texts, count, &EMBED_DEFAULTS, dimensions, embeddings);
}

static void
measure(bench *b, const tfm_text *texts, size_t count)
{
	double start = seconds_now();

	for (size_t i = 0; i < count && !tfm_failed(&b->context); i += BATCH)
	{
		arena_mark mark = arena_save(b->context.arena);
		float *embeddings;
		int dimensions;

		embed(b, texts + i, count - i < BATCH ? count - i : BATCH, &dimensions, &embeddings);
		arena_restore(b->context.arena, mark);
	}
	printf("%.6f\n", seconds_now() - start);
}

static void
print_first(bench *b, const tfm_text *texts)
{
	arena_mark mark = arena_save(b->context.arena);
	float *embeddings;
	int dimensions;

	if (embed(b, texts, 1, &dimensions, &embeddings))
		for (int i = 0; i < dimensions; i++)
			printf("%s%.9g", i == 0 ? "[" : ", ", (double) embeddings[i]);
	puts("]");
	arena_restore(b->context.arena, mark);
}

static void
answer(bench *b, char *line)
{
	static tfm_text texts[MAX_TEXTS];
	char *verb = strtok(line, " \n");
	char *kind = strtok(NULL, " \n");
	size_t count = kind ? read_texts(b, kind, texts) : 0;

	if (count > 0 && strcmp(verb, "measure") == 0)
		measure(b, texts, count);
	else if (count > 0 && strcmp(verb, "embed") == 0)
		print_first(b, texts);
	else
		puts("?");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	bench b = {0};
	char line[256];

	if (argc != 5)
	{
		fprintf(stderr, "usage: engine <checkpoint> <image> <texts.json> <threads>\n");
		return 2;
	}
	b.context.arena = arena_create(0);
	b.context.threads = atoi(argv[4]);
	b.context.pool = threads_create(b.context.threads);
	if (!b.context.arena || !b.context.pool)
		return 1;
	run_compile(&b.context, argv[1], argv[2], NULL);
	b.model = run_model_open(&b.context, argv[2], COMPUTE_AUTO);
	b.kinds = json_read(&b.context, argv[3], 1 << 28);
	while (!tfm_failed(&b.context) && fgets(line, sizeof(line), stdin))
		answer(&b, line);
	if (tfm_failed(&b.context))
		fprintf(stderr, "engine: %s\n", b.context.error.message);
	threads_destroy(b.context.pool);
	arena_destroy(b.context.arena);
	return tfm_failed(&b.context);
}
