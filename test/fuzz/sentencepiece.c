/*
 * sentencepiece.c
 *	  Any bytes as a SentencePiece model, and a compiled Unigram tokenizer with damage.
 *
 * An input is a byte of flags, the length of a text, the text, and a model, or for flag 128 damage:
 * four bytes each, an offset in the compiled tokenizer (of three bytes, little endian) and the value
 * to put there.  Flags: 3 the type of model to write (0: the file's), 4 distinct units, 8 some units
 * left out and others put in.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/sentencepiece.h"

#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

#define MEMORY_LIMIT ((size_t) 512 * 1024 * 1024)

#define METASPACE                                                                                  \
	"{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\",\"prepend_scheme\":\"first\"}"

/* Maps A to a, e and U+0301 to e acute, U+FB01 to fi, U+0001 to nothing, a tab to a space. */
#define CHARSMAP                                                                                   \
	"AAQAAAAMAAAAAACAAQ0AAMwQAgABAACAAwAAgIEFAAAIAACArAACAIEJAAAJOQAABQAAgA4AAAAPAAAADAAA"         \
	"AA0AAAASAAAAEwAAABAAAAARAAAAFgAAABcAAAAUAAAAFQAAABoAAAAbAAAAGAAAABkAAAAeAAAAHwAAABwA"         \
	"AAAdAAAAIgAAACMAAAAgAAAAIQAAACYAAAAnAAAAJAAAACUAAAAqAAAAKwAAACgAAAApAAAALgAAAC8AAAAs"         \
	"AAAALQAAADIAAAAzAAAAMAAAADEAAAA2AAAANwAAADQAAAA1AAAAOgAAADsAAAA4AAAAOQAAAD4AAAA/AAAA"         \
	"PAAAAD0AAABCAAAAQwAAAEEdAQBBAAAARgAAAEcAAABEAAAARQAAAEoAAABLAAAASAAAAEkAAABOAAAATwAA"         \
	"AEwAAABNAAAAUgAAAFMAAABQAAAAUQAAAFYAAABXAAAAVAAAAFUAAABaAAAAWwAAAFgAAABZAAAAXgAAAF8A"         \
	"AABcAAAAXQAAAGIAAABjAAAAYAAAAGEAAABmAAAAZwAAAGWkAgBlAAAAagAAAGsAAABoAAAAaQAAAG4AAABv"         \
	"AAAAbAAAAG0AAAByAAAAcwAAAHAAAABxAAAAdgAAAHcAAAB0AAAAdQAAAHoAAAB7AAAAeAAAAHkAAAB+AAAA"         \
	"fwAAAHwAAAB9AAAAggAAAIMAAACAAAAAgQAAAIYAAACHAAAAhAAAAIUAAACKAAAAiwAAAIgAAACJAAAAjgAA"         \
	"AI8AAACMAAAAjQAAAJIAAACTAAAAkAAAAJEAAACWAAAAlwAAAJQAAACVAAAAmgAAAJsAAACYAAAAmQAAAJ4A"         \
	"AACfAAAAnAAAAJ0AAACiAAAAowAAAKAAAAChAAAApgAAAKcAAACkAAAApQAAAKoAAACrAAAAqAAAAKkAAACu"         \
	"AAAArwAAAKwAAACtAAAAsgAAALMAAACwAAAAsQAAALYAAAC3AAAAtAAAALUAAAC6AAAAuwAAALgAAAC5AAAA"         \
	"vgAAAL8AAAC8AAAAvQAAAMIAAADDAAAAwAAAAMEAAADGAAAAxwAAAMQAAADFAAAAygAAAMsAAADIAAAAyQAA"         \
	"AM4AAADPAAAAzAAAAM0AAADSAAAA0wAAANAAAADRAAAA1gAAANcAAADUAAAA1QAAANoAAADbAAAA2AAAANkA"         \
	"AADeAAAA3wAAANwAAADdAAAA4gAAAOMAAADgAAAA4QAAAOYAAADnAAAA5AAAAOUAAADqAAAA6wAAAOgAAADp"         \
	"AAAA7yABAO8AAADsAAAA7QAAAPIAAADzAAAA8AAAAPEAAAD2AAAA9wAAAPQAAAD1AAAA+gAAAPsAAAD4AAAA"         \
	"+QAAAP4AAAD/AAAA/AAAAP0AAAAAIABhAGZpAMOpAA=="

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* What is damaged. */
static const char sound[] =
	"{\"added_tokens\":[],\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":"
	"\"" CHARSMAP "\"},\"pre_tokenizer\":" METASPACE ",\"post_processor\":null,"
	"\"decoder\":" METASPACE ",\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"byte_fallback\":true,"
	"\"vocab\":[[\"<unk>\",0],[\"a\",-1],[\"b\",-2],[\"ab\",-2.5],[\"\xC3\xA9\",-3],"
	"[\"\xE2\x96\x81\",-2],[\"\xE2\x96\x81"
	"a\",-3],[\"<0x01>\",0],[\"fi\",-4]]}}";

static void
expect(bool good)
{
	if (!good)
		abort();
}

/* Ids alone must be those of the full encoding; damage may make either fail. */
static void
encode(tfm_context *context, const tok_tokenizer *tokenizer, tfm_text text)
{
	tok_encode_options options = TOK_ENCODE_DEFAULTS;
	tok_encoding full, fast;
	tfm_text decoded;

	if (!tok_encode(context, tokenizer, text, NULL, &options, &fast))
		return;
	options.want = TOK_WANT_OFFSETS | TOK_WANT_WORDS | TOK_WANT_TOKENS;
	if (!tok_encode(context, tokenizer, text, NULL, &options, &full))
		return;
	expect(full.count == fast.count);
	for (size_t i = 0; i < full.count; i++)
	{
		expect(full.ids[i] == fast.ids[i] && full.ids[i] >= 0 &&
			   full.ids[i] < tok_id_limit(tokenizer));
		expect(full.starts[i] >= 0 && (size_t) full.ends[i] <= text.length);
	}
	tok_decode(context, tokenizer, full.ids, full.count, false, &decoded);
}

static void
open_and_encode(tfm_context *context, const buffer *blob, tfm_text text)
{
	const tok_tokenizer *tokenizer = tok_open(context, blob->data, blob->length);

	if (tokenizer != NULL)
		encode(context, tokenizer, text);
}

static void
read_model(tfm_context *context, uint8_t flags, tfm_text file, tfm_text text)
{
	static const tok_extra_unit extra[] = {{"<first>", 0}, {"a", -100}};
	const tok_sentencepiece *model = tok_read_sentencepiece(context, file, "input");
	tok_sentencepiece_options options = {
		.type = (tok_sentencepiece_type) (flags & 3),
		.distinct = (flags & 4) != 0,
		.normalizer = "%charsmap%",
		.pre_tokenizer = METASPACE,
		.decoder = METASPACE,
	};
	buffer *json = buffer_create(context), *blob = buffer_create(context);

	if (model == NULL)
	{
		expect(context->error.kind == TFM_CORRUPTED || context->error.kind == TFM_OUT_OF_MEMORY);
		return;
	}
	if ((flags & 8) != 0)
	{
		options.skip = 1;
		options.first = options.last = extra;
		options.first_count = options.last_count = 2;
	}
	if (tok_write_sentencepiece(context, model, &options, json) &&
		tok_compile_json(context, (tfm_text) {json->data, json->length}, "input",
						 (tfm_text) {NULL, 0}, "none", blob))
		open_and_encode(context, blob, text);
}

static void
damage(tfm_context *context, const uint8_t *bytes, size_t length, tfm_text text)
{
	buffer *blob = buffer_create(context);

	expect(tok_compile_json(context, (tfm_text) {sound, strlen(sound)}, "sound",
							(tfm_text) {NULL, 0}, "none", blob));
	for (size_t i = 0; i + 4 <= length; i += 4)
	{
		size_t offset =
			(size_t) bytes[i] | (size_t) bytes[i + 1] << 8 | (size_t) bytes[i + 2] << 16;

		blob->data[offset % blob->length] = (char) bytes[i + 3];
	}
	open_and_encode(context, blob, text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	tfm_context context = {.arena = arena_create(MEMORY_LIMIT)};
	tfm_text text = {.data = (const char *) bytes + 2};

	if (length < 2 || length - 2 < bytes[1])
		return arena_destroy(context.arena), 0;
	text.length = bytes[1];
	bytes += 2 + text.length;
	length -= 2 + text.length;
	if (((uint8_t) text.data[-2] & 0x80) != 0)
		damage(&context, bytes, length, text);
	else
		read_model(&context, (uint8_t) text.data[-2], (tfm_text) {(const char *) bytes, length},
				   text);
	arena_destroy(context.arena);
	return 0;
}
