/*
 * replay.c
 *	  Runs a fuzzer over the inputs of a directory, without libFuzzer.
 *
 * Linked with one fuzzer; each file of the directory goes through it once, and
 * is reported as a test.  What is wrong with an input shows as a crash or a
 * report of the sanitizers, after the name of the file.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The file's bytes, to be freed, in a block of just their size, so that a read beyond it is seen. */
static uint8_t *
read_input(const char *path, size_t *size)
{
	uint8_t *data = NULL;
	FILE *file = fopen(path, "rb");
	long length;

	if (file == NULL)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) >= 0)
	{
		rewind(file);
		*size = (size_t) length;
		data = malloc(*size > 0 ? *size : 1);
		if (data != NULL && fread(data, 1, *size, file) != *size)
		{
			free(data);
			data = NULL;
		}
	}
	fclose(file);
	return data;
}

int
main(int argc, char **argv)
{
	struct dirent **entries = NULL;
	int count = argc == 2 ? scandir(argv[1], &entries, is_input, alphasort) : -1;
	int failures = 0;

	if (count <= 0)
	{
		fprintf(stderr, "usage: %s DIRECTORY, with at least one file in it\n", argv[0]);
		return 2;
	}
	printf("1..%d\n", count);
	for (int i = 0; i < count; i++)
	{
		char path[4096];
		size_t size = 0;
		uint8_t *data;

		snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
		printf("# %s\n", path);
		fflush(stdout);
		data = read_input(path, &size);
		if (data != NULL)
			LLVMFuzzerTestOneInput(data, size);
		else
			failures++;
		printf("%s %d - %s\n", data != NULL ? "ok" : "not ok", i + 1, entries[i]->d_name);
		free(data);
		free(entries[i]);
	}
	free(entries);
	return failures > 0;
}
