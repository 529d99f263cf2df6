/*
 * generation.h
 *	  Reading the cases of golden/generation.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEST_UNIT_GENERATION_H
#define TFM_TEST_UNIT_GENERATION_H

#include <math.h>

#include "generate/generate.h"
#include "scratch.h"

#define FILE_LIMIT (1 << 28)

static inline char *
generation_path(scratch *s, const char *name)
{
	const char *golden = getenv("TFM_GOLDEN"), *directory = getenv("TFM_GENERATION");

	return directory != NULL ? tfm_sprintf(&s->context, "%s/%s", directory, name)
							 : tfm_sprintf(&s->context, "%s/generation/%s",
										   golden == NULL ? "test/golden" : golden, name);
}

/* The lines of a file as a list. */
static inline json
read_lines(scratch *s, const char *name)
{
	char *path = generation_path(s, name);
	size_t length;
	char *text = file_read(&s->context, path, FILE_LIMIT, &length);
	buffer *lines = buffer_create(&s->context);
	json list;

	assert_good(&s->context);
	for (size_t i = 0; i + 1 < length; i++)
		if (text[i] == '\n')
			text[i] = ',';
	buffer_append(&s->context, lines, "[", 1);
	buffer_append(&s->context, lines, text, length);
	buffer_append(&s->context, lines, "]", 1);
	list = json_parse(&s->context, lines->data, lines->length, path);
	assert_good(&s->context);
	assert_true(json_size(list) > 0);
	return list;
}

static inline double
number_of(json value)
{
	const char *text = json_as_string(value);

	if (json_is_number(value))
		return json_as_number(value);
	return strcmp(text, "nan") == 0	  ? (double) NAN
		   : strcmp(text, "inf") == 0 ? INFINITY
									  : -INFINITY;
}

static inline float *
floats_of(scratch *s, json list)
{
	float *values = tfm_alloc_array(&s->context, json_size(list) + 1, sizeof(float)),
		  *next = values;

	assert_non_null(values);
	for (json item = json_first(list); json_present(item); item = json_next(item))
		*next++ = (float) number_of(item);
	return values;
}

static inline gen_ids
ids_of(scratch *s, json list)
{
	gen_ids ids = {.count = json_size(list)};
	int32_t *items = tfm_alloc_array(&s->context, ids.count + 1, sizeof(int32_t));

	assert_non_null(items);
	ids.ids = items;
	for (json item = json_first(list); json_present(item); item = json_next(item))
		*items++ = (int32_t) json_as_number(item);
	return ids;
}

#endif
