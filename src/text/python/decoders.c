/*
 * decoders.c
 *	  What convert_tokens_to_string of Python tokenizers does: PythonJoin, PythonBytes, PythonCTC.
 *
 * Each makes one text of all tokens.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "base/utf8.h"
#include "text/compile.h"
#include "text/decode.h"
#include "text/python/set.h"
#include "text/python/text.h"
#include "text/python/unicode.h"
#include "text/unicode.h"

#define STRING_SIZE 56
#define REPLACEMENTS_MAX 4

/* A short string of a payload, zero-terminated. */
typedef struct short_string
{
	char bytes[STRING_SIZE];
} short_string;

static bool
compile_string(tok_compiler *compiler, const char *string, short_string *out)
{
	if (string == NULL || strlen(string) >= STRING_SIZE)
		return tfm_fail(compiler->context, TFM_CORRUPTED,
						"\"%s\": a string of the decoder is missing or too long", compiler->source);
	memset(out->bytes, 0, STRING_SIZE);
	memcpy(out->bytes, string, strlen(string));
	return true;
}

static bool
is_terminated(const short_string *strings, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (memchr(strings[i].bytes, '\0', STRING_SIZE) == NULL)
			return false;
	return true;
}

static tfm_text
text_of(const char *string)
{
	return (tfm_text) {.data = string, .length = strlen(string)};
}

static bool
is_same(tfm_text text, const char *string)
{
	return text.length == strlen(string) && memcmp(text.data, string, text.length) == 0;
}

/* All texts become one. */
static bool
set_single(tfm_text text, tfm_text *texts, size_t *count)
{
	if (*count == 0)
		return true;
	texts[0] = (tfm_text) {text.data == NULL ? "" : text.data, text.length};
	*count = 1;
	return true;
}

static bool
join(tfm_context *context, const tfm_text *texts, size_t count, const char *separator, buffer *b)
{
	for (size_t i = 0; i < count; i++)
		if ((i > 0 && !buffer_append_string(context, b, separator)) ||
			!buffer_append(context, b, texts[i].data, texts[i].length))
			return false;
	return true;
}

/* Followed by pairs of strings. */
typedef struct join_payload
{
	short_string separator;
	uint32_t strips;
	uint32_t every; /* of several tokens the first of each so many is left out; 0: none */
	uint64_t replacements;
} join_payload;

static bool
compile_join(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	json list = json_member(spec, "replace");
	join_payload decoder = {
		.strips = json_bool(context, spec, "strip", false),
		.every = (uint32_t) json_int(context, spec, "every", 0, 0, 2),
		.replacements = json_size(list),
	};

	if (!compile_string(compiler, json_string(context, spec, "separator", ""),
						&decoder.separator) ||
		!buffer_append(context, payload, &decoder, sizeof(decoder)))
		return false;
	for (json item = json_first(list); json_present(item); item = json_next(item))
		for (json string = json_first(item); json_present(string); string = json_next(string))
		{
			short_string out;

			if (!compile_string(compiler, json_is_string(string) ? json_as_string(string) : NULL,
								&out) ||
				!buffer_append(context, payload, &out, sizeof(out)))
				return false;
		}
	return !tfm_failed(context);
}

static bool
run_join(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	const join_payload *decoder = payload.bytes;
	const short_string *strings = (const short_string *) (decoder + 1);
	buffer *joined = buffer_create(context);
	tfm_text text;
	size_t kept = 0;

	if (payload.length < sizeof(*decoder) || decoder->replacements > REPLACEMENTS_MAX ||
		(payload.length - sizeof(*decoder)) / sizeof(short_string) < decoder->replacements * 2 ||
		!is_terminated(&decoder->separator, 1) ||
		!is_terminated(strings, decoder->replacements * 2))
		return tok_fail_damaged(context);
	for (size_t i = 0; *count > 1 && decoder->every > 0 && i < *count; i++)
		if (i % decoder->every != 0)
			texts[kept++] = texts[i];
	if (joined == NULL ||
		!join(context, texts, kept > 0 ? kept : *count, decoder->separator.bytes, joined))
		return false;
	text = (tfm_text) {joined->data, joined->length};
	for (size_t i = 0; i < decoder->replacements; i++)
	{
		tfm_text from = text_of(strings[2 * i].bytes), to = text_of(strings[2 * i + 1].bytes);

		if (from.length > 0 && !tok_replace_text(context, from, to, &text))
			return false;
	}
	if (decoder->strips != 0)
		text = tok_strip(text, tok_python_is_space);
	return set_single(text, texts, count);
}

/* Followed by the set of added tokens. */
typedef struct bytes_payload
{
	uint64_t replaces; /* invalid UTF-8 becomes U+FFFD; else it is left out */
} bytes_payload;

static bool
compile_bytes(tok_compiler *compiler, json spec, buffer *payload)
{
	bytes_payload decoder = {
		.replaces = strcmp(json_string(compiler->context, spec, "errors", ""), "replace") == 0,
	};

	return !tfm_failed(compiler->context) &&
		   buffer_append(compiler->context, payload, &decoder, sizeof(decoder)) &&
		   tok_strings_compile(compiler->context, json_member(spec, "added"), payload);
}

/* The bytes that a first byte of UTF-8 announces, and the bounds of the second. */
static size_t
sequence_width(unsigned char first, unsigned char bounds[2])
{
	bounds[0] = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
	bounds[1] = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
	if (first < 0x80)
		return 1;
	if (first < 0xC2 || first > 0xF4)
		return 0;
	return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* bytes.decode("utf-8", errors): a maximal part of a sequence is one error. */
bool
tok_python_decode_utf8(tfm_context *context, const buffer *bytes, bool replaces, buffer *text)
{
	for (size_t i = 0; i < bytes->length;)
	{
		const unsigned char *s = (const unsigned char *) bytes->data + i;
		unsigned char bounds[2];
		size_t left = bytes->length - i, width = sequence_width(s[0], bounds), valid = 1;

		if (width > 1 && left > 1 && s[1] >= bounds[0] && s[1] <= bounds[1])
			for (valid = 2; valid < width && valid < left && (s[valid] & 0xC0) == 0x80;)
				valid++;
		if (valid == width ? !buffer_append(context, text, s, width)
						   : replaces && !buffer_append_string(context, text, "\xEF\xBF\xBD"))
			return false;
		i += valid;
	}
	return true;
}

static bool
run_bytes(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	const bytes_payload *decoder = payload.bytes;
	tok_payload added = tok_strings_after(payload, sizeof(*decoder));
	buffer *bytes = buffer_create(context), *text = buffer_create(context);

	if (payload.length < sizeof(*decoder))
		return tok_fail_damaged(context);
	for (size_t i = 0; bytes != NULL && i < *count; i++)
	{
		int width = 0;
		uint32_t c = texts[i].length == 0 ? 0 : utf8_decode(texts[i].data, &width);
		char byte = (char) c;

		if (texts[i].length == 0)
			continue;
		if (c > 0xFF || (size_t) width != texts[i].length ||
			tok_strings_has(added, texts[i].data, texts[i].length))
			buffer_append(context, bytes, texts[i].data, texts[i].length);
		else
			buffer_append(context, bytes, &byte, 1);
	}
	return !tfm_failed(context) &&
		   tok_python_decode_utf8(context, bytes, decoder->replaces != 0, text) &&
		   set_single((tfm_text) {text->data, text->length}, texts, count);
}

typedef struct ctc_payload
{
	short_string pad, delimiter, replacement, separator;
	uint64_t lowers;
	uint64_t drops; /* the delimiter is left out */
} ctc_payload;

static bool
compile_ctc(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	ctc_payload decoder = {
		.lowers = json_bool(context, spec, "lowercase", false),
		.drops = json_bool(context, spec, "drop_delimiter", false),
	};

	return compile_string(compiler, json_string(context, spec, "pad_token", ""), &decoder.pad) &&
		   compile_string(compiler, json_string(context, spec, "word_delimiter_token", ""),
						  &decoder.delimiter) &&
		   compile_string(compiler, json_string(context, spec, "replacement", ""),
						  &decoder.replacement) &&
		   compile_string(compiler, json_string(context, spec, "separator", ""),
						  &decoder.separator) &&
		   !tfm_failed(context) && buffer_append(context, payload, &decoder, sizeof(decoder));
}

/* str.lower of a whole text. */
static bool
lower(tfm_context *context, tfm_text *text)
{
	tok_work work = {.string = {.length = text->length}};
	tok_python_text *characters;
	bool ok;

	if (!tok_work_begin(&work, context))
		return false;
	work.string.bytes = tok_work_alloc(&work, text->length + 1);
	if (work.string.bytes != NULL && text->length > 0)
		memcpy(work.string.bytes, text->data, text->length);
	characters = work.string.bytes == NULL ? NULL : tok_python_load(&work, 0, text->length);
	ok = characters != NULL && tok_python_pass_lower(characters) && tok_python_store(characters);
	if (ok)
	{
		text->data =
			tfm_strndup(context, work.next.length == 0 ? "" : work.next.bytes, work.next.length);
		text->length = work.next.length;
	}
	tok_work_end(&work);
	return ok && text->data != NULL;
}

static bool
run_ctc(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	const ctc_payload *decoder = payload.bytes;
	buffer *joined = buffer_create(context);
	tfm_text previous = {.data = NULL}, text;
	size_t kept = 0;

	if (payload.length < sizeof(*decoder) || !is_terminated(&decoder->pad, 4))
		return tok_fail_damaged(context);
	for (size_t i = 0; i < *count; i++)
	{
		tfm_text token = texts[i];
		bool repeated = previous.data != NULL && token.length == previous.length &&
						memcmp(token.data, previous.data, token.length) == 0;

		previous = token;
		if (repeated || is_same(token, decoder->pad.bytes))
			continue;
		if (decoder->delimiter.bytes[0] != '\0' && is_same(token, decoder->delimiter.bytes))
		{
			if (decoder->drops != 0)
				continue;
			token = text_of(decoder->replacement.bytes);
		}
		texts[kept++] = token;
	}
	if (joined == NULL || !join(context, texts, kept, decoder->separator.bytes, joined))
		return false;
	text = tok_strip((tfm_text) {joined->data, joined->length}, tok_python_is_space);
	return (decoder->lowers == 0 || lower(context, &text)) && set_single(text, texts, count);
}

const tok_decoder tok_decoder_python_join = {
	.row = {"PythonJoin", compile_join},
	.run = run_join,
};
const tok_decoder tok_decoder_python_bytes = {
	.row = {"PythonBytes", compile_bytes},
	.run = run_bytes,
};
const tok_decoder tok_decoder_python_ctc = {
	.row = {"PythonCTC", compile_ctc},
	.run = run_ctc,
};
