/*
 * jinja.c
 *	  Any template with any values, alone or as a chat template with any conversation.
 *
 * An input is fields with 0xFF, which UTF-8 never has, between them: a template, values (a JSON
 * object), and for a conversation messages, tools and documents.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/chat.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define FIELDS 5

/* Less than by default, so that what is slow is seen as such; the depth is what the stack must bear. */
#define STEPS 1000000
#define MEMORY ((size_t) 64 << 20)
#define OUTPUT ((size_t) 1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void
expect(bool good)
{
	if (!good)
		abort();
}

/* What was rendered is UTF-8; what failed says why, and never that the engine itself is wrong. */
static void
check(const tfm_context *context, bool good, tfm_text rendered)
{
	expect(good == !tfm_failed(context));
	if (good)
		expect(rendered.length <= OUTPUT && utf8_valid(rendered.data, rendered.length));
	else
		expect(context->error.message[0] != '\0' && context->error.kind != TFM_INTERNAL &&
			   context->error.kind != TFM_CORRUPTED &&
			   utf8_valid(context->error.message, strlen(context->error.message)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static const struct tm now = {.tm_year = 126, .tm_mon = 1, .tm_mday = 3, .tm_wday = 2};
	const jinja_limits limits = {.steps = STEPS, .memory = MEMORY, .output = OUTPUT};
	tfm_context context = {.arena = arena_create((size_t) 512 << 20)};
	tfm_text fields[FIELDS] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}, {"", 0}};
	tfm_text rendered = {NULL, 0};
	size_t count = 0, start = 0;
	bool good;

	for (size_t i = 0; i <= length && count < FIELDS; i++)
		if (i == length || bytes[i] == 0xFF)
		{
			fields[count++] = (tfm_text) {(const char *) bytes + start, i - start};
			start = i + 1;
		}
	if (count > 2)
		good = tok_render_chat(&context,
							   &(tok_chat) {.source = fields[0],
											.kwargs = fields[1],
											.messages = fields[2],
											.tools = fields[3],
											.documents = fields[4],
											.add_generation_prompt = length % 2 == 0,
											.continue_final_message = length % 4 == 1,
											.now = &now,
											.limits = limits},
							   &rendered);
	else
		good = jinja_render(&context,
							&(jinja_request) {.source = fields[0],
											  .values = fields[1],
											  .name = "fuzz",
											  .now = length % 2 == 0 ? &now : NULL,
											  .limits = limits},
							&rendered);
	check(&context, good, rendered);
	arena_destroy(context.arena);
	return 0;
}
