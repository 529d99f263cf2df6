/*
 * byte_level.c
 *	  ByteLevel: a normalizer, a pre-tokenizer and a decoder.
 *
 * Bytes become characters that can be seen, as GPT-2 has it.  Where the model knows what bytes its
 * tokens stand for, the pre-tokenizer splits the text and leaves its bytes as they are.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/byte_level.h"

#include <string.h>

#include "base/utf8.h"
#include "text/blob.h"
#include "text/components.h"
#include "text/scan.h"

/* ---- The alphabet ---- */

/* Bytes that are no characters to be seen come after U+0100, in their order. */
uint32_t
tok_byte_character(unsigned char byte)
{
	if (byte <= ' ')
		return 0x100u + byte;
	if (byte >= 0x7F && byte <= 0xA0)
		return 0x121u + byte - 0x7F;
	return byte == 0xAD ? 0x143u : byte;
}

/* The byte that a character stands for; -1: none. */
static int
read_byte(uint32_t character)
{
	if (character >= 0x100)
		return character <= 0x120	? (int) (character - 0x100)
			   : character <= 0x142 ? (int) (character - 0x121 + 0x7F)
			   : character == 0x143 ? 0xAD
									: -1;
	return tok_byte_character((unsigned char) character) == character ? (int) character : -1;
}

int64_t
tok_alphabet_bytes(const char *text, size_t length, char *bytes)
{
	int64_t count = 0;

	for (size_t i = 0; i < length;)
	{
		int width, byte = read_byte(utf8_decode(text + i, &width));

		if (byte < 0)
			return -1;
		bytes[count++] = (char) byte;
		i += (size_t) width;
	}
	return count;
}

/* ---- Normalizer and pre-tokenizer ---- */

#define ADD_PREFIX_SPACE 1u
#define USE_REGEX 2u
#define KEEP_BYTES 4u

typedef struct byte_level_payload
{
	uint32_t flags;
	uint32_t padding;
} byte_level_payload;

bool
tok_keep_bytes(tok_compiler *compiler, bool keep)
{
	buffer *section = compiler->sections[TOK_SECTION_PRE_TOKENIZERS];
	size_t offset = 0, last = 0;
	byte_level_payload payload;
	blob_record record = {.length = 0};

	while (offset < section->length)
	{
		last = offset;
		memcpy(&record, section->data + offset, sizeof(record));
		offset += sizeof(record) + (size_t) record.length;
		offset += (8 - offset % 8) % 8;
	}
	if (strcmp(record.type, tok_pre_tokenizer_byte_level.row.type) != 0)
		return false;
	memcpy(&payload, section->data + last + sizeof(record), sizeof(payload));
	if (keep)
		payload.flags |= KEEP_BYTES;
	memcpy(section->data + last + sizeof(record), &payload, sizeof(payload));
	return true;
}

static bool
compile_pre_tokenizer(tok_compiler *compiler, json spec, buffer *payload)
{
	byte_level_payload byte_level = {0};

	if (tok_require_bool(compiler, spec, "add_prefix_space"))
		byte_level.flags |= ADD_PREFIX_SPACE;
	if (json_bool(compiler->context, spec, "use_regex", true))
		byte_level.flags |= USE_REGEX;
	tok_require_bool(compiler, spec, "trim_offsets");
	return !tfm_failed(compiler->context) &&
		   buffer_append(compiler->context, payload, &byte_level, sizeof(byte_level));
}

/* Append the span's bytes to the next string. */
static bool
copy_span(tok_work *work, tok_span span)
{
	size_t length = span.end - span.start;
	tok_string *next = &work->next;

	if (!tok_reserve_string(work, next, length))
		return false;
	memcpy(next->bytes + next->length, work->string.bytes + span.start, length);
	if (next->keeps_sources)
		memcpy(next->sources + next->length, work->string.sources + span.start,
			   length * sizeof(int32_t));
	next->length += length;
	return true;
}

/* Append the span's bytes to the next string in the alphabet. */
static bool
map_span(tok_work *work, tok_span span)
{
	const tok_string *string = &work->string;

	if (!tok_reserve_string(work, &work->next, 2 * (size_t) (span.end - span.start)))
		return false;
	for (size_t i = span.start; i < span.end; i++)
		if (!tok_append_character(work, &work->next,
								  tok_byte_character((unsigned char) string->bytes[i]),
								  tok_source(string, i)))
			return false;
	return true;
}

static bool
put_space(tok_work *work, tok_span span)
{
	if (span.start == span.end || work->string.bytes[span.start] == ' ')
		return true;
	return tok_append_character(work, &work->next, ' ', tok_source(&work->string, span.start));
}

typedef enum rewriting
{
	WITH_SPACES, /* a space before each span that does not begin with one */
	WITH_ALPHABET
} rewriting;

/* Rewrite the spans of the string that are not added tokens. */
static bool
rewrite_spans(tok_work *work, rewriting how)
{
	for (size_t i = 0; i < work->spans.count; i++)
	{
		tok_span *span = &work->spans.items[i];
		size_t start = work->next.length;
		bool ok = span->added >= 0	   ? copy_span(work, *span)
				  : how == WITH_SPACES ? put_space(work, *span) && copy_span(work, *span)
									   : map_span(work, *span);

		if (!ok || ((i & 0xFFF) == 0xFFF && tfm_stopped(work->context)))
			return false;
		span->start = (uint32_t) start;
		span->end = (uint32_t) work->next.length;
	}
	tok_swap_strings(work);
	return true;
}

static bool
run_pre_tokenizer(tok_work *work, tok_payload payload)
{
	static const tok_scanner scanner = {.scan = tok_scan_gpt2, .covers = true};
	const byte_level_payload *byte_level = payload.bytes;

	if (payload.length < sizeof(*byte_level))
		return tok_fail_damaged(work->context);
	if ((byte_level->flags & ADD_PREFIX_SPACE) != 0 && !rewrite_spans(work, WITH_SPACES))
		return false;
	if ((byte_level->flags & USE_REGEX) != 0 &&
		!tok_split_scanned(work, TOK_ISOLATED, false, &scanner))
		return false;
	return (byte_level->flags & KEEP_BYTES) != 0 || rewrite_spans(work, WITH_ALPHABET);
}

static bool
run_normalizer(tok_work *work, tok_payload payload)
{
	tok_span all = {.start = 0, .end = (uint32_t) work->string.length};

	(void) payload;
	if (!map_span(work, all))
		return false;
	tok_swap_strings(work);
	return true;
}

/* ---- Decoder ---- */

/* Append the bytes of a token; one with a character outside the alphabet stands for itself. */
static bool
append_bytes(tfm_context *context, buffer *bytes, const tfm_text *token)
{
	int64_t count;

	if (!buffer_reserve(context, bytes, token->length))
		return false;
	count = tok_alphabet_bytes(token->data, token->length, bytes->data + bytes->length);
	if (count < 0)
		return buffer_append(context, bytes, token->data, token->length);
	bytes->length += (size_t) count;
	return true;
}

/* The length of the sequence that a byte begins, 1 for one that begins none. */
static size_t
sequence_length(unsigned char byte)
{
	return byte >= 0xC2 && byte < 0xE0	 ? 2
		   : byte >= 0xE0 && byte < 0xF0 ? 3
		   : byte >= 0xF0 && byte < 0xF5 ? 4
										 : 1;
}

/* Whether a byte may follow the first one. */
static bool
may_follow(unsigned char first, unsigned char second)
{
	unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
	unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;

	return second >= low && second <= high;
}

/* The length of what is a character, or of what one U+FFFD replaces (Unicode's best practice). */
static size_t
next_sequence(const unsigned char *bytes, size_t length, bool *valid)
{
	size_t wanted = sequence_length(bytes[0]), have = 1;

	while (have < wanted && have < length &&
		   (have == 1 ? may_follow(bytes[0], bytes[1]) : (bytes[have] & 0xC0) == 0x80))
		have++;
	*valid = have == wanted && (wanted > 1 || bytes[0] < 0x80);
	return have;
}

/* As String::from_utf8_lossy. */
static bool
append_lossy(tfm_context *context, buffer *out, const buffer *bytes)
{
	for (size_t i = 0; i < bytes->length;)
	{
		bool valid;
		size_t length =
			next_sequence((const unsigned char *) bytes->data + i, bytes->length - i, &valid);

		if (!buffer_append(context, out, valid ? bytes->data + i : "\xEF\xBF\xBD",
						   valid ? length : 3))
			return false;
		i += length;
	}
	return true;
}

static bool
run_decoder(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	buffer *bytes = buffer_create(context), *text = buffer_create(context);

	(void) payload;
	if (bytes == NULL || text == NULL)
		return false;
	for (size_t i = 0; i < *count; i++)
		if (!append_bytes(context, bytes, &texts[i]))
			return false;
	if (*count == 0)
		return true;
	if (utf8_valid(bytes->data, bytes->length))
		text = bytes;
	else if (!append_lossy(context, text, bytes))
		return false;
	texts[0] = (tfm_text) {.data = text->data, .length = text->length};
	*count = 1;
	return true;
}

const tok_normalizer tok_normalizer_byte_level = {
	.row = {"ByteLevel", NULL},
	.run = run_normalizer,
};
const tok_pre_tokenizer tok_pre_tokenizer_byte_level = {
	.row = {"ByteLevel", compile_pre_tokenizer},
	.run = run_pre_tokenizer,
};
const tok_decoder tok_decoder_byte_level = {
	.row = {"ByteLevel", NULL},
	.run = run_decoder,
};
