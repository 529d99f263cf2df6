/*
 * regex.c
 *	  A pattern, a zero byte, and a text: whatever they are, matching ends, and where a scanner stands
 *	  for the pattern it finds the same.  A first byte below that of a space picks such a pattern.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/regex.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/scan.h"

#define TEXT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void
search(tok_regex *regex, const tok_scanner *scanner, const char *text, size_t length)
{
	tok_matches matches = {tok_regex_find, regex, text, length, 0, 0, false};
	tok_matches scanned = {tok_find_scanned, (void *) scanner, text, length, 0, 0, false};
	size_t start, end, from = 0, start2, end2;

	while (tok_next_match(&matches, &start, &end))
	{
		if (start > end || end > length || start < from)
			abort();
		from = end;
		if (scanner != NULL &&
			(!tok_next_match(&scanned, &start2, &end2) || start != start2 || end != end2))
			abort();
	}
	switch (regex->context->error.kind)
	{
		case TFM_OK:
			if (scanner != NULL && tok_next_match(&scanned, &start, &end))
				abort();
			break;
		case TFM_LIMIT_EXCEEDED:
			break;
		default:
			abort();
	}
}

static void
match(tfm_context *context, const buffer *program, size_t offset, const tok_scanner *scanner,
	  const char *text, size_t length)
{
	tok_regex regex;

	if (!tok_regex_open(&regex, context, arena_scratch(context->arena), program->data + offset,
						program->length - offset))
		abort();
	if (utf8_valid(text, length))
		search(&regex, scanner, text, length);
	else
	{
		/* Nothing is promised but that nothing outside is read. */
		size_t start, end, from = 0;

		while (from <= length && tok_regex_find(&regex, text, length, from, &start, &end))
			from = end > from ? end : from + 1;
		for (from = 0; scanner != NULL && from < length; from++)
			scanner->scan(text, length, from);
	}
}

/* The program of a scanner's pattern, which takes long to compile and is kept. */
static const buffer *
scanner_program(uint32_t number)
{
	static tfm_context context;
	static buffer *programs[256];
	const char *text = tok_scanner_at(number)->pattern;
	const tok_pattern pattern = {"scanner", text, strlen(text)};
	size_t offset;

	if (context.arena == NULL)
		context.arena = arena_create(0);
	if (programs[number] == NULL)
	{
		programs[number] = buffer_create(&context);
		if (!tok_regex_compile(&context, &pattern, programs[number], &offset))
			abort();
	}
	return programs[number];
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const uint8_t *zero = length == 0 ? NULL : memchr(bytes, 0, length);
	tfm_context context = {.arena = arena_create((size_t) 512 * 1024 * 1024)};
	tok_pattern pattern = {.source = "input", .text = (const char *) bytes};
	const tok_scanner *scanner;
	buffer *program = buffer_create(&context);
	size_t offset, text_length;
	char *text;

	if (zero == NULL || (size_t) (zero - bytes) > 1000)
	{
		arena_destroy(context.arena);
		return 0;
	}
	pattern.length = (size_t) (zero - bytes);
	text_length = length - pattern.length - 1;
	text_length = text_length > TEXT_MAX ? TEXT_MAX : text_length;
	/* At the end of what was allocated, so that reading beyond it is seen. */
	text = malloc(text_length > 0 ? text_length : 1);
	memcpy(text, zero + 1, text_length);
	scanner = pattern.length > 0 ? tok_scanner_at(bytes[0]) : NULL;
	if (scanner != NULL)
		match(&context, scanner_program(bytes[0]), 0, scanner, text, text_length);
	else if (utf8_valid(pattern.text, pattern.length) &&
			 tok_regex_compile(&context, &pattern, program, &offset))
		match(&context, program, offset, NULL, text, text_length);
	arena_destroy(context.arena);
	free(text);
	return 0;
}
