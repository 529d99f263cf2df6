/*
 * normalizer_strip.c
 *	  The normalizers Strip and Prepend, which change the ends of the text.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "base/utf8.h"
#include "text/compile.h"
#include "text/unicode.h"

#define STRIP_LEFT 1u
#define STRIP_RIGHT 2u

static bool
compile_strip(tok_compiler *compiler, json spec, buffer *payload)
{
	uint64_t sides = 0;

	if (tok_require_bool(compiler, spec, "strip_left"))
		sides |= STRIP_LEFT;
	if (tok_require_bool(compiler, spec, "strip_right"))
		sides |= STRIP_RIGHT;
	return !tfm_failed(compiler->context) &&
		   buffer_append(compiler->context, payload, &sides, sizeof(sides));
}

static size_t
leading_space(const char *bytes, size_t length)
{
	size_t start = 0;
	int width;

	while (start < length && tok_is_space(utf8_decode(bytes + start, &width)))
		start += (size_t) width;
	return start;
}

static bool
run_strip(tok_work *work, tok_payload payload)
{
	tok_string *string = &work->string;
	uint64_t sides;
	size_t start = 0;

	if (payload.length < sizeof(sides))
		return tok_fail_damaged(work->context);
	memcpy(&sides, payload.bytes, sizeof(sides));
	if ((sides & STRIP_RIGHT) != 0)
		string->length = tok_trim_end(string->bytes, string->length, tok_is_space);
	if ((sides & STRIP_LEFT) != 0)
		start = leading_space(string->bytes, string->length);
	if (start == 0)
		return true;
	string->length -= start;
	memmove(string->bytes, string->bytes + start, string->length);
	if (string->keeps_sources)
		memmove(string->sources, string->sources + start, string->length * sizeof(int32_t));
	return true;
}

/* The payload is the string, not terminated. */
static bool
compile_prepend(tok_compiler *compiler, json spec, buffer *payload)
{
	const char *prepend = json_require_string(compiler->context, spec, "prepend");

	return !tfm_failed(compiler->context) &&
		   buffer_append(compiler->context, payload, prepend, strlen(prepend));
}

/* What is put before the text stems from its first character. */
static bool
run_prepend(tok_work *work, tok_payload payload)
{
	tok_string *string = &work->string;

	if (string->length == 0 || payload.length == 0)
		return true;
	if (payload.length > TOK_TOKEN_MAX || !utf8_valid(payload.bytes, payload.length))
		return tok_fail_damaged(work->context);
	if (!tok_reserve_string(work, string, payload.length))
		return false;
	memmove(string->bytes + payload.length, string->bytes, string->length);
	memcpy(string->bytes, payload.bytes, payload.length);
	if (string->keeps_sources)
	{
		memmove(string->sources + payload.length, string->sources,
				string->length * sizeof(int32_t));
		for (size_t i = 0; i < payload.length; i++)
			string->sources[i] = string->sources[payload.length];
	}
	string->length += payload.length;
	return true;
}

const tok_normalizer tok_normalizer_strip = {
	.row = {"Strip", compile_strip},
	.run = run_strip,
};
const tok_normalizer tok_normalizer_prepend = {
	.row = {"Prepend", compile_prepend},
	.run = run_prepend,
};
