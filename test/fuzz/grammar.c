/*
 * grammar.c
 *	  A grammar, a regular expression or a schema, as the first byte says (g, r, s): whatever it is, compiling
 *	  it and finding a few masks ends, tokens that are allowed can be accepted, and of an
 *	  accepted text of a schema the end is JSON.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_check.h"
#include "base/utf8.h"
#include "generate/vocabulary.h"

#define BYTES 256
#define STEPS 24

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const char *const words[] = {"\"a\"", "{\"", "\": ", ", ",	   "true",
									"\"}",	 "12",	"abc",	"\xC3\xA9"};

#define SIZE (BYTES + sizeof(words) / sizeof(words[0]))

static gen_vocabulary *
make_vocabulary(tfm_context *context)
{
	static char all[BYTES];
	tfm_text tokens[SIZE];

	for (size_t i = 0; i < SIZE; i++)
	{
		if (i < BYTES)
			all[i] = (char) i;
		tokens[i] = i < BYTES ? (tfm_text) {&all[i], 1}
							  : (tfm_text) {words[i - BYTES], strlen(words[i - BYTES])};
	}
	return gen_vocabulary_of_tokens(context, tokens, (int64_t) SIZE);
}

static gen_constraint *
constrain(tfm_context *context, char kind, tfm_text source)
{
	json schema;

	if (kind == 'g')
		return gen_constrain_grammar(context, source);
	if (kind == 'r')
		return gen_constrain_regex(context, source);
	schema = json_parse(context, source.data, source.length, "schema");
	return tfm_failed(context) ? NULL : gen_constrain_schema(context, schema);
}

static void
walk(tfm_context *context, const gen_constraint *constraint, bool is_json)
{
	gen_vocabulary *vocabulary = make_vocabulary(context);
	gen_matcher *matcher =
		vocabulary == NULL ? NULL : gen_matcher_create(context, constraint, vocabulary);
	buffer *text = buffer_create(context);
	size_t offset;

	for (size_t step = 0; matcher != NULL && step < STEPS; step++)
	{
		float scores[SIZE] = {0};
		size_t id = 0, skip = (step * 7919) % SIZE;

		if (!gen_matcher_mask(context, matcher, scores, NULL, 0))
			break;
		while (id < SIZE && scores[(id + skip) % SIZE] == -INFINITY)
			id++;
		if (id == SIZE)
			break;
		id = (id + skip) % SIZE;
		if (!gen_matcher_accept(context, matcher, (int32_t) id))
			break;
		buffer_append(context, text, vocabulary->bytes + vocabulary->starts[id],
					  vocabulary->starts[id + 1] - vocabulary->starts[id]);
	}
	if (tfm_failed(context) && context->error.kind != TFM_LIMIT_EXCEEDED &&
		context->error.kind != TFM_OUT_OF_MEMORY)
		abort();
	if (tfm_failed(context) || matcher == NULL || !gen_matcher_may_end(matcher))
		return;
	if (!utf8_valid(text->data, text->length) ||
		(is_json && json_check(text->data, text->length, &offset) != NULL))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	tfm_context context = {.arena = arena_create((size_t) 512 * 1024 * 1024)};
	char *source;
	gen_constraint *constraint;

	if (length > 0 && length < 2000 && strchr("grs", bytes[0]) != NULL && bytes[0] != 0)
	{
		/* At the end of what was allocated, so that reading beyond it is seen. */
		source = malloc(length);
		memcpy(source, bytes, length);
		constraint = constrain(&context, source[0], (tfm_text) {source + 1, length - 1});
		if (constraint != NULL)
			walk(&context, constraint, source[0] == 's');
		arena_destroy(context.arena);
		free(source);
		return 0;
	}
	arena_destroy(context.arena);
	return 0;
}
