/*
 * pre_tokenizer_characters.c
 *	  The pre-tokenizers that look at one character after the other: Punctuation, Digits,
 *	  CharDelimiterSplit, UnicodeScripts and FixedLength.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "base/utf8.h"
#include "text/compile.h"
#include "text/split.h"
#include "text/unicode.h"

/* The payload of all; a number has a meaning of its own for each. */
typedef struct characters_payload
{
	uint32_t behavior; /* tok_behavior */
	uint32_t number;   /* the delimiter, or the length */
} characters_payload;

static bool
append_payload(tok_compiler *compiler, tok_behavior behavior, uint32_t number, buffer *payload)
{
	characters_payload characters = {.behavior = behavior, .number = number};

	return !tfm_failed(compiler->context) &&
		   buffer_append(compiler->context, payload, &characters, sizeof(characters));
}

static bool
split_by(tok_work *work, tok_payload payload, bool inverted, tok_find_function find)
{
	const characters_payload *characters = payload.bytes;
	uint32_t number;

	if (payload.length < sizeof(*characters))
		return tok_fail_damaged(work->context);
	number = characters->number;
	return tok_split_spans(work, (tok_behavior) characters->behavior, inverted, find, &number);
}

/* ---- Punctuation ---- */

static bool
compile_punctuation(tok_compiler *compiler, json spec, buffer *payload)
{
	tok_behavior behavior = TOK_ISOLATED;

	return tok_compile_behavior(compiler, spec, "behavior", false, &behavior) &&
		   append_payload(compiler, behavior, 0, payload);
}

static bool
find_punctuation(void *argument, const char *text, size_t length, size_t from, size_t *start,
				 size_t *end)
{
	(void) argument;
	for (int width; from < length; from += (size_t) width)
		if (tok_is_punctuation(utf8_decode(text + from, &width)))
		{
			*start = from;
			*end = from + (size_t) width;
			return true;
		}
	return false;
}

static bool
run_punctuation(tok_work *work, tok_payload payload)
{
	return split_by(work, payload, false, find_punctuation);
}

/* ---- Digits ---- */

static bool
compile_digits(tok_compiler *compiler, json spec, buffer *payload)
{
	bool individual = tok_require_bool(compiler, spec, "individual_digits");

	return append_payload(compiler, individual ? TOK_ISOLATED : TOK_CONTIGUOUS, 0, payload);
}

static bool
find_digit(void *argument, const char *text, size_t length, size_t from, size_t *start, size_t *end)
{
	(void) argument;
	for (int width; from < length; from += (size_t) width)
		if (tok_is_numeric(utf8_decode(text + from, &width)))
		{
			*start = from;
			*end = from + (size_t) width;
			return true;
		}
	return false;
}

static bool
run_digits(tok_work *work, tok_payload payload)
{
	return split_by(work, payload, false, find_digit);
}

/* ---- CharDelimiterSplit ---- */

static bool
compile_delimiter(tok_compiler *compiler, json spec, buffer *payload)
{
	uint32_t delimiter;

	return tok_require_character(compiler, spec, "delimiter", &delimiter) &&
		   append_payload(compiler, TOK_REMOVED, delimiter, payload);
}

static bool
find_delimiter(void *argument, const char *text, size_t length, size_t from, size_t *start,
			   size_t *end)
{
	const uint32_t *delimiter = argument;

	for (int width; from < length; from += (size_t) width)
		if (utf8_decode(text + from, &width) == *delimiter)
		{
			*start = from;
			*end = from + (size_t) width;
			return true;
		}
	return false;
}

static bool
run_delimiter(tok_work *work, tok_payload payload)
{
	return split_by(work, payload, false, find_delimiter);
}

/* ---- UnicodeScripts ---- */

/* What is without a script goes with what is before it; at the beginning it is dropped. */
static bool
find_script(void *argument, const char *text, size_t length, size_t from, size_t *start,
			size_t *end)
{
	int script = -1;
	int width;

	(void) argument;
	for (; from < length; from += (size_t) width)
	{
		int next = tok_script(utf8_decode(text + from, &width));

		if (next < 0 || next == script)
			continue;
		if (script >= 0)
			break;
		script = next;
		*start = from;
	}
	*end = from;
	return script >= 0;
}

static bool
compile_scripts(tok_compiler *compiler, json spec, buffer *payload)
{
	(void) spec;
	return append_payload(compiler, TOK_REMOVED, 0, payload);
}

static bool
run_scripts(tok_work *work, tok_payload payload)
{
	return split_by(work, payload, true, find_script);
}

/* ---- FixedLength ---- */

static bool
compile_length(tok_compiler *compiler, json spec, buffer *payload)
{
	int64_t length = json_int(compiler->context, spec, "length", 5, 1, UINT32_MAX);

	return append_payload(compiler, TOK_ISOLATED, (uint32_t) length, payload);
}

static bool
find_length(void *argument, const char *text, size_t length, size_t from, size_t *start,
			size_t *end)
{
	const uint32_t *count = argument;
	int width;

	*start = from;
	for (uint32_t i = 0; i < *count && from < length; i++)
	{
		utf8_decode(text + from, &width);
		from += (size_t) width;
	}
	*end = from;
	return *end > *start;
}

static bool
run_length(tok_work *work, tok_payload payload)
{
	return split_by(work, payload, false, find_length);
}

const tok_pre_tokenizer tok_pre_tokenizer_punctuation = {
	.row = {"Punctuation", compile_punctuation},
	.run = run_punctuation,
};
const tok_pre_tokenizer tok_pre_tokenizer_digits = {
	.row = {"Digits", compile_digits},
	.run = run_digits,
};
const tok_pre_tokenizer tok_pre_tokenizer_delimiter = {
	.row = {"CharDelimiterSplit", compile_delimiter},
	.run = run_delimiter,
};
const tok_pre_tokenizer tok_pre_tokenizer_scripts = {
	.row = {"UnicodeScripts", compile_scripts},
	.run = run_scripts,
};
const tok_pre_tokenizer tok_pre_tokenizer_length = {
	.row = {"FixedLength", compile_length},
	.run = run_length,
};
