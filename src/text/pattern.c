/*
 * pattern.c
 *	  What works by a pattern: the pre-tokenizer Split, the normalizer and the decoder Replace.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "base/size.h"
#include "text/decode.h"
#include "text/regex.h"
#include "text/scan.h"

typedef enum kind
{
	STRING,
	SCANNER,
	REGEX
} kind;

/* The payload of a component with a pattern; behind it what the offsets, from its start, point to. */
typedef struct pattern_payload
{
	uint32_t kind;
	uint32_t scanner;						 /* its number */
	uint32_t offset, length;				 /* of the string or the program */
	uint32_t content_offset, content_length; /* what Replace puts for a match */
	uint32_t behavior;						 /* what Split makes of it */
	uint32_t inverted;
} pattern_payload;

/* A pattern to be looked for. */
typedef struct pattern_finder
{
	const pattern_payload *payload;
	const tok_scanner *scanner; /* NULL: there is none */
	tok_find_function find;
	void *argument;
	tfm_text content;
	tfm_text string;
	tok_regex regex;
} pattern_finder;

/* An empty string is found as the empty regular expression is. */
static bool
compile_regex(tok_compiler *compiler, const char *text, pattern_payload *pattern, buffer *payload)
{
	const tok_pattern source = {compiler->source, text, strlen(text)};
	int scanner = tok_find_scanner(text);
	size_t offset;

	pattern->kind = scanner >= 0 ? SCANNER : REGEX;
	pattern->scanner = scanner >= 0 ? (uint32_t) scanner : 0;
	if (scanner >= 0)
		return true;
	if (!tok_regex_compile(compiler->context, &source, payload, &offset))
		return false;
	pattern->offset = (uint32_t) offset;
	pattern->length = (uint32_t) (payload->length - offset);
	return true;
}

/*
 * Compile the member "pattern" of a spec, {"String": ...} or {"Regex": ...}, to a payload that is
 * otherwise given, and append it with its content (NULL: none).
 */
static bool
compile_pattern(tok_compiler *compiler, json spec, pattern_payload pattern, const char *content,
				buffer *payload)
{
	tfm_context *context = compiler->context;
	json member = json_member(spec, "pattern");
	json string = json_member(member, "String"), regex = json_member(member, "Regex");

	if (json_size(member) != 1 || !(json_is_string(string) || json_is_string(regex)))
		return tfm_fail(context, TFM_CORRUPTED,
						"\"%s\": key \"pattern\" must be a \"String\" or a \"Regex\"",
						compiler->source);
	if (!buffer_append(context, payload, &pattern, sizeof(pattern)))
		return false;
	if (json_is_string(string) && *json_as_string(string) != '\0')
	{
		pattern.kind = STRING;
		pattern.offset = (uint32_t) payload->length;
		pattern.length = (uint32_t) strlen(json_as_string(string));
		if (!buffer_append(context, payload, json_as_string(string), pattern.length))
			return false;
	}
	else if (!compile_regex(compiler, json_is_string(string) ? "" : json_as_string(regex), &pattern,
							payload))
		return false;
	if (content != NULL)
	{
		pattern.content_offset = (uint32_t) payload->length;
		pattern.content_length = (uint32_t) strlen(content);
		if (!buffer_append(context, payload, content, pattern.content_length))
			return false;
	}
	memcpy(payload->data, &pattern, sizeof(pattern));
	return true;
}

/* A tok_find_function whose argument is the string to look for. */
static bool
find_string(void *argument, const char *text, size_t length, size_t from, size_t *start,
			size_t *end)
{
	const tfm_text *string = argument;

	while (length - from >= string->length)
	{
		const char *found =
			memchr(text + from, string->data[0], length - from - string->length + 1);

		if (found == NULL)
			return false;
		*start = (size_t) (found - text);
		*end = *start + string->length;
		if (memcmp(found, string->data, string->length) == 0)
			return true;
		from = *start + 1;
	}
	return false;
}

/* Bytes of the payload; false if they are not inside. */
static bool
take_bytes(tok_payload payload, uint32_t offset, uint32_t length, tfm_text *bytes)
{
	if (offset > payload.length || length > payload.length - offset)
		return false;
	*bytes = (tfm_text) {.data = (const char *) payload.bytes + offset, .length = length};
	return true;
}

/*
 * Take a payload's pattern into use; regular expressions work in the scratch.  The finder must stay
 * where it is.  False with CORRUPTED for a damaged payload; its content is checked to be UTF-8.
 */
static bool
open_finder(pattern_finder *finder, tfm_context *context, arena *scratch, tok_payload payload)
{
	const pattern_payload *pattern = payload.bytes;

	if (payload.length < sizeof(*pattern) ||
		!take_bytes(payload, pattern->offset, pattern->length, &finder->string) ||
		!take_bytes(payload, pattern->content_offset, pattern->content_length, &finder->content) ||
		!utf8_valid(finder->content.data, finder->content.length))
		return tok_fail_damaged(context);
	finder->payload = pattern;
	finder->scanner = NULL;
	switch (pattern->kind)
	{
		case STRING:
			finder->find = find_string;
			finder->argument = &finder->string;
			return finder->string.length > 0 || tok_fail_damaged(context);
		case SCANNER:
			finder->find = tok_find_scanned;
			finder->scanner = tok_scanner_at(pattern->scanner);
			finder->argument = (void *) finder->scanner;
			return finder->scanner != NULL || tok_fail_damaged(context);
		case REGEX:
			finder->find = tok_regex_find;
			finder->argument = &finder->regex;
			return pattern->offset % 8 == 0
					   ? tok_regex_open(&finder->regex, context, scratch, finder->string.data,
										finder->string.length)
					   : tok_fail_damaged(context);
		default:
			return tok_fail_damaged(context);
	}
}

static bool
compile_split(tok_compiler *compiler, json spec, buffer *payload)
{
	pattern_payload pattern = {.kind = STRING};
	tok_behavior behavior = TOK_REMOVED;

	pattern.inverted = tok_require_bool(compiler, spec, "invert");
	if (tfm_failed(compiler->context) ||
		!tok_compile_behavior(compiler, spec, "behavior", true, &behavior))
		return false;
	pattern.behavior = behavior;
	return compile_pattern(compiler, spec, pattern, NULL, payload);
}

static bool
run_split(tok_work *work, tok_payload payload)
{
	pattern_finder finder;
	const pattern_payload *pattern;

	if (!open_finder(&finder, work->context, work->scratch, payload))
		return false;
	pattern = finder.payload;
	if (finder.scanner != NULL)
		return tok_split_scanned(work, (tok_behavior) pattern->behavior, pattern->inverted != 0,
								 finder.scanner);
	return tok_split_spans(work, (tok_behavior) pattern->behavior, pattern->inverted != 0,
						   finder.find, finder.argument);
}

static bool
compile_replace(tok_compiler *compiler, json spec, buffer *payload)
{
	const char *content = json_require_string(compiler->context, spec, "content");

	return !tfm_failed(compiler->context) &&
		   compile_pattern(compiler, spec, (pattern_payload) {.kind = STRING}, content, payload);
}

/* Append bytes of the work's string as they are. */
static bool
copy_bytes(tok_work *work, size_t start, size_t end)
{
	tok_string *to = &work->next;
	size_t length = end - start;

	if (!tok_reserve_string(work, to, length))
		return false;
	if (length > 0)
		memcpy(to->bytes + to->length, work->string.bytes + start, length);
	if (length > 0 && to->keeps_sources)
		memcpy(to->sources + to->length, work->string.sources + start, length * sizeof(int32_t));
	to->length += length;
	return true;
}

/*
 * Append what stands for a match: it stems from the last character of the match, or the one before; at
 * the beginning of the text from nothing.
 */
static bool
put_content(tok_work *work, tfm_text content, size_t end)
{
	tok_string *to = &work->next;
	int32_t source = tok_source(&work->string, end == 0 ? 0 : end - 1);

	if (end == 0 && source >= 0)
		source = TOK_BEFORE(source);
	if (!tok_reserve_string(work, to, content.length))
		return false;
	if (content.length > 0)
		memcpy(to->bytes + to->length, content.data, content.length);
	if (to->keeps_sources)
		for (size_t i = 0; i < content.length; i++)
			to->sources[to->length + i] = source;
	to->length += content.length;
	return true;
}

static bool
run_replace(tok_work *work, tok_payload payload)
{
	pattern_finder finder;
	tok_matches matches = {.text = work->string.bytes, .length = work->string.length};
	size_t done = 0, start, end;

	if (!open_finder(&finder, work->context, work->scratch, payload))
		return false;
	if (work->string.length == 0)
		return true;
	matches.find = finder.find;
	matches.argument = finder.argument;
	for (uint32_t polled = 1; tok_next_match(&matches, &start, &end); polled++)
	{
		if (!copy_bytes(work, done, start) || !put_content(work, finder.content, end) ||
			((polled & 0xFFF) == 0 && tfm_stopped(work->context)))
			return false;
		done = end;
	}
	if (tfm_failed(work->context) || !copy_bytes(work, done, work->string.length))
		return false;
	tok_swap_strings(work);
	return true;
}

/* Replace in one token; what it becomes is in the arena, and at most as long. */
static bool
decode_token(tfm_context *context, pattern_finder *finder, size_t most, tfm_text *token)
{
	tok_matches matches = {finder->find, finder->argument, token->data, token->length, 0, 0, false};
	buffer *text = NULL;
	size_t done = 0, start, end;

	/* The memory of a token may have been another's. */
	if (finder->payload->kind == REGEX)
		tok_regex_forget(&finder->regex);
	while (token->length > 0 && tok_next_match(&matches, &start, &end))
	{
		if ((text == NULL && (text = buffer_create(context)) == NULL) ||
			!buffer_append(context, text, token->data + done, start - done) ||
			!buffer_append(context, text, finder->content.data, finder->content.length))
			return false;
		if (text->length > most)
			return tok_fail_decoded(context);
		done = end;
	}
	if (tfm_failed(context))
		return false;
	if (text == NULL)
		return true;
	if (!buffer_append(context, text, token->data + done, token->length - done))
		return false;
	*token = (tfm_text) {.data = text->data, .length = text->length};
	return true;
}

static bool
decode_tokens(tfm_context *context, pattern_finder *finder, tfm_text *texts, size_t count)
{
	size_t most = TOK_DECODED_MAX(tok_total_length(texts, count), 8);

	for (size_t i = 0; i < count; i++)
	{
		if (!decode_token(context, finder, most, &texts[i]) ||
			((i & 0xFFF) == 0xFFF && tfm_stopped(context)))
			return false;
		most -= texts[i].length < most ? texts[i].length : most;
	}
	return true;
}

static bool
decode_replace(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	arena *scratch = arena_scratch(context->arena);
	pattern_finder finder;
	arena_mark mark;
	bool ok;

	if (scratch == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory while decoding");
	mark = arena_save(scratch);
	ok = open_finder(&finder, context, scratch, payload) &&
		 decode_tokens(context, &finder, texts, *count);
	arena_restore(scratch, mark);
	return ok;
}

const tok_pre_tokenizer tok_pre_tokenizer_split = {
	.row = {"Split", compile_split},
	.run = run_split,
};
const tok_normalizer tok_normalizer_replace = {
	.row = {"Replace", compile_replace},
	.run = run_replace,
};
const tok_decoder tok_decoder_replace = {
	.row = {"Replace", compile_replace},
	.run = decode_replace,
};
