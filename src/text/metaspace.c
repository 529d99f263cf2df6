/*
 * metaspace.c
 *	  The pre-tokenizer and the decoder Metaspace: spaces as a character of their own, "▁".
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "text/compile.h"

typedef enum prepend_scheme
{
	PREPEND_ALWAYS,
	PREPEND_FIRST, /* only where the original text begins */
	PREPEND_NEVER
} prepend_scheme;

typedef struct metaspace_payload
{
	uint32_t scheme;
	uint32_t splits;
	uint32_t length; /* of the replacement */
	char replacement[4];
} metaspace_payload;

static bool
read_scheme(tok_compiler *compiler, json spec, metaspace_payload *metaspace)
{
	static const char *const names[] = {
		[PREPEND_ALWAYS] = "always",
		[PREPEND_FIRST] = "first",
		[PREPEND_NEVER] = "never",
	};
	const char *name = json_string(compiler->context, spec, "prepend_scheme", "always");

	while (metaspace->scheme <= PREPEND_NEVER && strcmp(name, names[metaspace->scheme]) != 0)
		metaspace->scheme++;
	if (metaspace->scheme > PREPEND_NEVER)
		return tfm_fail(compiler->context, TFM_CORRUPTED,
						"\"%s\": there is no prepend scheme \"%s\"", compiler->source, name);
	if (!json_bool(compiler->context, spec, "add_prefix_space", true) &&
		metaspace->scheme != PREPEND_NEVER)
		return tfm_fail(compiler->context, TFM_CORRUPTED,
						"\"%s\": \"add_prefix_space\" does not match \"prepend_scheme\"",
						compiler->source);
	return !tfm_failed(compiler->context);
}

static bool
compile_metaspace(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	const char *replacement = json_require_string(context, spec, "replacement");
	metaspace_payload metaspace = {.splits = json_bool(context, spec, "split", true)};
	int width = 0;

	if (tfm_failed(context))
		return false;
	if (*replacement != '\0')
		utf8_decode(replacement, &width);
	metaspace.length = (uint32_t) width;
	if (width == 0 || replacement[width] != '\0')
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\": \"replacement\" must be one character",
						compiler->source);
	memcpy(metaspace.replacement, replacement, metaspace.length);
	return read_scheme(compiler, spec, &metaspace) &&
		   buffer_append(context, payload, &metaspace, sizeof(metaspace));
}

static const metaspace_payload *
open_payload(tfm_context *context, tok_payload payload)
{
	const metaspace_payload *metaspace = payload.bytes;

	if (payload.length >= sizeof(*metaspace) && metaspace->length >= 1 && metaspace->length <= 4 &&
		utf8_valid(metaspace->replacement, metaspace->length))
		return metaspace;
	tok_fail_damaged(context);
	return NULL;
}

static bool
begins_with(const metaspace_payload *metaspace, const char *text, size_t length)
{
	return length >= metaspace->length &&
		   memcmp(text, metaspace->replacement, metaspace->length) == 0;
}

/* Whether a span gets the replacement before it. */
static bool
is_prepended(const tok_work *work, const metaspace_payload *metaspace, tok_span span)
{
	const tok_string *string = &work->string;
	const char *text = string->bytes + span.start;

	if (metaspace->scheme == PREPEND_NEVER || *text == ' ' ||
		begins_with(metaspace, text, span.end - span.start))
		return false;
	if (metaspace->scheme == PREPEND_ALWAYS)
		return true;
	return string->keeps_sources ? string->sources[span.start] == 0
								 : work->at_start && span.start == 0;
}

/* Write the replacement; the string written to has room. */
static inline void
put_replacement(tok_string *to, const metaspace_payload *metaspace, int32_t source)
{
	memcpy(to->bytes + to->length, metaspace->replacement, metaspace->length);
	if (to->keeps_sources)
		for (uint32_t i = 0; i < metaspace->length; i++)
			to->sources[to->length + i] = source;
	to->length += metaspace->length;
}

static size_t
count_spaces(const char *text, size_t length)
{
	size_t count = 0;

	for (size_t i = 0; i < length; i++)
		count += text[i] == ' ';
	return count;
}

/* Copy a span with its spaces replaced; false, nothing recorded, only if memory is out. */
static bool
rewrite_span(tok_work *work, const metaspace_payload *metaspace, tok_span span)
{
	const tok_string *from = &work->string;
	tok_string *to = &work->next;
	size_t length = span.end - span.start;
	size_t start = to->length;

	if (!tok_reserve_string(work, to,
							length + 4 * (count_spaces(from->bytes + span.start, length) + 1)))
		return false;
	if (is_prepended(work, metaspace, span))
		put_replacement(to, metaspace, tok_source(from, span.start));
	for (size_t i = span.start; i < span.end; i++)
	{
		bool space = from->bytes[i] == ' ';

		/* Where the replacement stands, a word begins. */
		if (metaspace->splits != 0 && to->length > start &&
			(space || begins_with(metaspace, from->bytes + i, span.end - i)))
		{
			if (!tok_append_span(work, &work->next_spans, start, to->length, -1))
				return false;
			start = to->length;
		}
		if (space)
			put_replacement(to, metaspace, tok_source(from, i));
		else
		{
			to->bytes[to->length] = from->bytes[i];
			if (to->keeps_sources)
				to->sources[to->length] = from->sources[i];
			to->length++;
		}
	}
	return tok_append_span(work, &work->next_spans, start, to->length, -1);
}

/* Copy an added token. */
static bool
copy_span(tok_work *work, tok_span span)
{
	const tok_string *from = &work->string;
	tok_string *to = &work->next;
	size_t start = to->length, length = span.end - span.start;

	if (!tok_reserve_string(work, to, length))
		return false;
	memcpy(to->bytes + start, from->bytes + span.start, length);
	if (to->keeps_sources)
		memcpy(to->sources + start, from->sources + span.start, length * sizeof(int32_t));
	to->length += length;
	return tok_append_span(work, &work->next_spans, start, to->length, span.added);
}

static bool
run_pre_tokenizer(tok_work *work, tok_payload payload)
{
	const metaspace_payload *metaspace = open_payload(work->context, payload);

	if (metaspace == NULL)
		return false;
	for (size_t i = 0; i < work->spans.count; i++)
	{
		tok_span span = work->spans.items[i];

		if (span.added >= 0 ? !copy_span(work, span) : !rewrite_span(work, metaspace, span))
			return false;
		if ((i & 0xFFF) == 0xFFF && tfm_stopped(work->context))
			return false;
	}
	tok_swap_strings(work);
	tok_swap_spans(work);
	return true;
}

static bool
needs_sources(tok_payload payload)
{
	const metaspace_payload *metaspace = payload.bytes;

	return payload.length >= sizeof(*metaspace) && metaspace->scheme == PREPEND_FIRST;
}

/* The text of a token: replacements become spaces, or nothing. */
static bool
decode_token(tfm_context *context, const metaspace_payload *metaspace, bool removes,
			 tfm_text *token)
{
	char *text;
	size_t length = 0;

	if (memchr(token->data, metaspace->replacement[0], token->length) == NULL)
		return true;
	text = tfm_alloc(context, token->length);
	if (text == NULL)
		return false;
	for (size_t i = 0; i < token->length;)
	{
		if (!begins_with(metaspace, token->data + i, token->length - i))
			text[length++] = token->data[i++];
		else
		{
			if (!removes)
				text[length++] = ' ';
			i += metaspace->length;
		}
	}
	*token = (tfm_text) {.data = text, .length = length};
	return true;
}

static bool
run_decoder(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	const metaspace_payload *metaspace = open_payload(context, payload);

	for (size_t i = 0; metaspace != NULL && i < *count; i++)
		if (!decode_token(context, metaspace, i == 0 && metaspace->scheme != PREPEND_NEVER,
						  &texts[i]))
			return false;
	return metaspace != NULL;
}

const tok_pre_tokenizer tok_pre_tokenizer_metaspace = {
	.row = {"Metaspace", compile_metaspace},
	.run = run_pre_tokenizer,
	.needs_sources = needs_sources,
};
const tok_decoder tok_decoder_metaspace = {
	.row = {"Metaspace", compile_metaspace},
	.run = run_decoder,
};
