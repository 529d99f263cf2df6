/*
 * config.c
 *	  Fuzzing the readers of config.json and of sentence-transformers' files.
 *
 * The input is the texts of the files below, each ended by a form feed; what is missing is a file
 * that is not there.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "runtime/loaded.h"

#define END_OF_FILE '\f'

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
	"config.json",
	"modules.json",
	"1_Pooling/config.json",
	"2_Dense/config.json",
	"3_Normalize/config.json",
	"sentence_bert_config.json",
	"config_sentence_transformers.json",
};

static const char *
read_part(tfm_context *context, const void *source, const char *name, size_t *length)
{
	const tfm_text *input = source;
	const char *start = input->data, *end = input->data + input->length;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && start < end; i++)
	{
		const char *stop = memchr(start, END_OF_FILE, (size_t) (end - start));

		if (stop == NULL)
			stop = end;
		if (strcmp(names[i], name) == 0)
		{
			*length = (size_t) (stop - start);
			return tfm_strndup(context, start, *length);
		}
		start = stop < end ? stop + 1 : end;
	}
	return NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tfm_context context = {.arena = arena_create((size_t) 64 * 1024 * 1024)};
	tfm_text input = {(const char *) data, size};
	run_files files = {.read = read_part, .source = &input, .prefix = "fuzz/"};
	run_model model = {0};

	if (context.arena == NULL)
		return 0;
	if (run_read_config(&context, &files, &model))
		run_sentence_dimensions(&model.sentence, run_config(&model)->hidden_size);
	arena_destroy(context.arena);
	return 0;
}
