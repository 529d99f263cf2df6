/*
 * json.c
 *	  Any text as JSON: what the check lets pass the parser must understand, and every reader
 *	  must stand every value.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Read a value in every way there is; recursion is as deep as the parser lets values nest. */
static void
read_value(tfm_context *context, json value, buffer *b)
{
	int64_t number;

	json_to_int(value, INT64_MIN, INT64_MAX, &number);
	b->length = 0;
	json_append_string(context, b, json_as_string(value), strlen(json_as_string(value)));
	for (json child = json_first(value); json_present(child); child = json_next(child))
	{
		const char *key = json_key(child);

		json_int(context, value, key, 0, -10, 10);
		tfm_clear_error(context);
		json_double(context, value, key, 0);
		tfm_clear_error(context);
		json_require_string(context, value, key);
		tfm_clear_error(context);
		json_bool(context, value, key, false);
		tfm_clear_error(context);
		read_value(context, child, b);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	tfm_context context = {.arena = arena_create(0)};
	char *text = malloc(length + 1);
	buffer *b = buffer_create(&context);
	json value;

	if (length > 0)
		memcpy(text, bytes, length);
	/* At the end of what was allocated, so that reading beyond it is seen. */
	text = realloc(text, length > 0 ? length : 1);
	value = json_parse(&context, text, length, "input");
	if (context.error.kind != TFM_OK && context.error.kind != TFM_CORRUPTED)
		abort();
	if (json_present(value))
		read_value(&context, value, b);
	arena_destroy(context.arena);
	free(text);
	return 0;
}
