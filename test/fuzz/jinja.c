/*
 * jinja.c
 *	  Any text as a template, over values that are any JSON.
 *
 * The input is the template, up to a line "%%", and the values after it; without that line the values
 * are our own.  What renders must be valid UTF-8, and render to the same again.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE /* memmem */

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const char values[] = "{\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":"
							 "\"user\",\"content\":[{\"type\":"
							 "\"text\",\"text\":\"h\\u00e9\"}]},{\"role\":\"assistant\","
							 "\"content\":null,\"tool_calls\":[{\"a\":"
							 "1.5}]}],\"d\":{\"a\":1,\"b\":[1,2.5,null,true]},\"l\":[3,1,2],\"s\":"
							 "\"H\\u00e9llo <w>\",\"n\":null,"
							 "\"x\":5,\"big\":123456789012345678901234567890}";

static const struct tm now = {.tm_year = 126, .tm_mday = 15, .tm_wday = 4, .tm_yday = 14};

/* A copy in a block of just its size, so that a read beyond it is seen. */
static tfm_text
copy_of(const void *bytes, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);

	if (length > 0)
		memcpy(copy, bytes, length);
	return (tfm_text) {.data = copy, .length = length};
}

static void
check(const tfm_context *context, bool good, tfm_text rendered)
{
	if (good == tfm_failed(context))
		abort();
	if (good && (!utf8_valid(rendered.data, rendered.length) ||
				 memchr(rendered.data, '\0', rendered.length) != NULL))
		abort();
	switch (context->error.kind)
	{
		case TFM_OK:
		case TFM_INVALID_ARGUMENT:
		case TFM_LIMIT_EXCEEDED:
		case TFM_UNSUPPORTED:
			return;
		default:
			abort();
	}
}

/* The values as messages, too, if they are an array. */
static void
render_chat(tfm_context *context, tfm_text source, tfm_text messages, jinja_limits limits)
{
	tok_chat chat = {.source = source,
					 .messages = messages,
					 .kwargs = {values, sizeof(values) - 1},
					 .continue_final_message = source.length % 2 == 0,
					 .now = &now,
					 .limits = limits};
	tfm_text rendered = {NULL, 0};

	check(context, tok_render_chat(context, &chat, &rendered), rendered);
	tfm_clear_error(context);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const uint8_t *split = memmem(bytes, length, "\n%%\n", 4);
	size_t head = split != NULL ? (size_t) (split - bytes) : length;
	tfm_context context = {.arena = arena_create(0)};
	jinja_request request = {
		.source = copy_of(bytes, head),
		.values = split != NULL ? copy_of(split + 4, length - head - 4)
								: copy_of(values, sizeof(values) - 1),
		.now = &now,
		.limits = {.steps = 300000, .memory = (size_t) 16 << 20, .output = (size_t) 1 << 20}};
	tfm_text first = {NULL, 0}, second = {NULL, 0};
	bool good = jinja_render(&context, &request, &first);

	check(&context, good, first);
	if (good && (!jinja_render(&context, &request, &second) || first.length != second.length ||
				 memcmp(first.data, second.data, first.length) != 0))
		abort();
	tfm_clear_error(&context);
	if (split != NULL && request.values.length > 0 && request.values.data[0] == '[')
		render_chat(&context, request.source, request.values, request.limits);
	arena_destroy(context.arena);
	free((char *) request.source.data);
	free((char *) request.values.data);
	return 0;
}
