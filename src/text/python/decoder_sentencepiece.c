/*
 * decoder_sentencepiece.c
 *	  PythonSentencePiece: SentencePieceProcessor.decode of the tokens between special ones.
 *
 * Follows SentencePieceProcessor::Decode (sentencepiece_processor.cc) and convert_tokens_to_string of
 * Transformers' classes, which differ in the spaces around special tokens.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/python/sentencepiece.h"
#include "text/python/set.h"
#include "text/python/text.h"
#include "text/python/unicode.h"
#include "text/unicode.h"

#define SPACE "\xE2\x96\x81"
#define UNKNOWN " \xE2\x81\x87 "

/* Spaces at the beginning that are left out, of pieces one after the other. */
#define ONE_SPACE 1
#define ALL_SPACES 2

/* Then the trie of pieces to their types, and the set of special tokens. */
typedef struct decoder_payload
{
	uint32_t nodes;
	uint32_t drops_space;	 /* at the beginning: it is the model's own */
	uint32_t space_before;	 /* of the first special token in a row */
	uint32_t space_after;	 /* of each special token */
	uint32_t strips, uppers; /* the whole; what is no special token */
	uint32_t replaces;		 /* ▁ is a space everywhere */
	uint32_t padding;
} decoder_payload;

typedef struct decoding
{
	tfm_context *context;
	const decoder_payload *payload;
	trie pieces;
	buffer *text; /* of the tokens since the last special one */
	buffer *out;
	bool expects_space, seen;
	unsigned char bytes[4]; /* of a character in pieces of bytes */
	size_t byte_count;
} decoding;

const tok_sentencepiece *
tok_python_read_model(tok_compiler *compiler, json spec)
{
	tfm_context *context = compiler->context;
	const char *digits = json_require_string(context, spec, "file");
	size_t length = tfm_failed(context) ? 0 : strlen(digits) / 2;
	char *bytes = tfm_alloc(context, length + 1);

	for (size_t i = 0; bytes != NULL && i < length; i++)
	{
		unsigned value = 0;

		for (size_t j = 2 * i; j < 2 * i + 2; j++)
			value =
				value << 4 | (unsigned) (digits[j] >= 'a' ? digits[j] - 'a' + 10 : digits[j] - '0');
		bytes[i] = (char) value;
	}
	if (bytes == NULL || tfm_failed(context))
		return NULL;
	return tok_read_sentencepiece(context, (tfm_text) {.data = bytes, .length = length},
								  compiler->source);
}

static bool
compile_decoder(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	const tok_sentencepiece *file = tok_python_read_model(compiler, spec);
	trie_key *keys = tfm_alloc_array(context, file == NULL ? 0 : file->count, sizeof(trie_key));
	decoder_payload decoder = {
		.space_before = json_bool(context, spec, "space_before", false),
		.space_after = json_bool(context, spec, "space_after", false),
		.strips = json_bool(context, spec, "strip", false),
		.uppers = json_bool(context, spec, "uppercase", false),
		.replaces = json_bool(context, spec, "replace", false),
	};
	size_t count = 0;

	if (file == NULL || keys == NULL || tfm_failed(context))
		return false;
	if (file->remove_extra_whitespaces)
		decoder.drops_space = ALL_SPACES;
	else
		decoder.drops_space =
			file->add_dummy_prefix && !json_bool(context, spec, "no_dummy_prefix", false)
				? ONE_SPACE
				: 0;
	if (!buffer_append(context, payload, &decoder, sizeof(decoder)))
		return false;
	for (size_t i = 0; i < file->count; i++)
		if (file->units[i].text[0] != '\0')
			keys[count++] = (trie_key) {
				.bytes = file->units[i].text,
				.length = (uint32_t) strlen(file->units[i].text),
				.value = (uint32_t) file->units[i].type,
				.rank = (uint32_t) i,
			};
	if (!tok_trie_build(context, keys, count, payload))
		return false;
	decoder.nodes = (uint32_t) ((payload->length - sizeof(decoder)) / sizeof(trie_node));
	if (!tok_strings_compile(context, json_member(spec, "special"), payload))
		return false;
	memcpy(payload->data, &decoder, sizeof(decoder));
	return true;
}

/* Pieces of bytes that make no character are replacement characters, one for each. */
static size_t
announced_width(const decoding *d)
{
	return d->bytes[0] < 0x80 ? 1 : d->bytes[0] < 0xE0 ? 2 : d->bytes[0] < 0xF0 ? 3 : 4;
}

/* Hand on the character that the bytes begin with; a byte that begins none becomes U+FFFD. */
static bool
take_character(decoding *d)
{
	const char *bytes = (const char *) d->bytes;
	size_t width = announced_width(d);
	bool valid = width <= d->byte_count && utf8_valid(bytes, width);

	if (valid ? !buffer_append(d->context, d->text, bytes, width)
			  : !buffer_append_string(d->context, d->text, "\xEF\xBF\xBD"))
		return false;
	width = valid ? width : 1;
	memmove(d->bytes, d->bytes + width, d->byte_count - width);
	d->byte_count -= width;
	return true;
}

static bool
flush_bytes(decoding *d)
{
	while (d->byte_count > 0)
		if (!take_character(d))
			return false;
	return true;
}

static bool
append_byte(decoding *d, tfm_text piece)
{
	char digits[3] = {piece.length == 6 ? piece.data[3] : '0',
					  piece.length == 6 ? piece.data[4] : '0', '\0'};

	d->bytes[d->byte_count++] = (unsigned char) strtoul(digits, NULL, 16);
	while (d->byte_count > 0 && d->byte_count >= announced_width(d))
		if (!take_character(d))
			return false;
	return true;
}

static bool
append_spaced(tfm_context *context, buffer *out, const char *text, size_t length)
{
	for (size_t i = 0; i < length;)
	{
		bool space = length - i >= 3 && memcmp(text + i, SPACE, 3) == 0;

		if (!buffer_append(context, out, space ? " " : text + i, 1))
			return false;
		i += space ? 3 : 1;
	}
	return true;
}

static bool
append_piece(decoding *d, tfm_text piece)
{
	uint32_t type =
		d->pieces.count == 0 ? TRIE_NONE : tok_trie_find(&d->pieces, piece.data, piece.length);

	if (type == TOK_UNIT_BYTE)
		return append_byte(d, piece);
	if (!flush_bytes(d))
		return false;
	if (d->seen || d->text->length > 0)
		d->expects_space = false;
	d->seen = false;
	if (type == TOK_UNIT_CONTROL)
		return true;
	if (type == TOK_UNIT_UNKNOWN)
		return buffer_append_string(d->context, d->text, UNKNOWN);
	if (type == TRIE_NONE)
		return buffer_append(d->context, d->text, piece.data, piece.length);
	if (d->expects_space && d->payload->drops_space != 0 && piece.length >= 3 &&
		memcmp(piece.data, SPACE, 3) == 0)
	{
		piece.data += 3;
		piece.length -= 3;
		d->seen = d->payload->drops_space == ONE_SPACE;
	}
	return append_spaced(d->context, d->text, piece.data, piece.length);
}

static bool
upper(tfm_context *context, buffer *b)
{
	tok_work work = {.string = {.bytes = b->data, .length = b->length}};
	tok_python_text *text;
	bool ok;

	if (b->length == 0)
		return true;
	if (!tok_work_begin(&work, context))
		return false;
	text = tok_python_load(&work, 0, b->length);
	ok = text != NULL && tok_python_pass_upper(text) && tok_python_store(text);
	b->length = 0;
	ok = ok && buffer_append(context, b, work.next.bytes, work.next.length);
	tok_work_end(&work);
	return ok;
}

/* The end of a run of ordinary tokens. */
static bool
flush_text(decoding *d)
{
	bool ok =
		flush_bytes(d) && (d->payload->uppers == 0 || upper(d->context, d->text)) &&
		(d->text->length == 0 || buffer_append(d->context, d->out, d->text->data, d->text->length));

	d->text->length = 0;
	d->expects_space = true;
	d->seen = false;
	return ok;
}

static bool
append_all(decoding *d, tok_payload special, const tfm_text *texts, size_t count)
{
	bool after_special = false;

	for (size_t i = 0; i < count; i++)
	{
		bool is_special = tok_strings_has(special, texts[i].data, texts[i].length);

		if (!is_special)
		{
			if (!append_piece(d, texts[i]))
				return false;
		}
		else if ((d->payload->space_before != 0 && !after_special &&
				  !buffer_append(d->context, d->out, " ", 1)) ||
				 !flush_text(d) ||
				 !buffer_append(d->context, d->out, texts[i].data, texts[i].length) ||
				 (d->payload->space_after != 0 && !buffer_append(d->context, d->out, " ", 1)))
			return false;
		after_special = is_special;
	}
	return flush_text(d);
}

static bool
run_decoder(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	const decoder_payload *decoder = payload.bytes;
	buffer *spaced = buffer_create(context);
	decoding d = {
		.context = context,
		.payload = decoder,
		.text = buffer_create(context),
		.out = buffer_create(context),
		.expects_space = true,
	};

	if (payload.length < sizeof(*decoder) ||
		(payload.length - sizeof(*decoder)) / sizeof(trie_node) < decoder->nodes)
		return tok_fail_damaged(context);
	d.pieces.nodes = (const trie_node *) (const void *) (decoder + 1);
	d.pieces.count = decoder->nodes;
	if (*count == 0)
		return true;
	if (spaced == NULL || d.text == NULL || d.out == NULL ||
		!append_all(
			&d, tok_strings_after(payload, sizeof(*decoder) + decoder->nodes * sizeof(trie_node)),
			texts, *count))
		return false;
	if (decoder->replaces != 0)
	{
		if (!append_spaced(context, spaced, d.out->data, d.out->length))
			return false;
		d.out = spaced;
	}
	if (buffer_text(context, d.out) == NULL)
		return false;
	texts[0] = (tfm_text) {.data = d.out->data, .length = d.out->length};
	if (decoder->strips != 0)
		texts[0] = tok_strip(texts[0], tok_python_is_space);
	*count = 1;
	return true;
}

const tok_decoder tok_decoder_python_sentencepiece = {
	.row = {"PythonSentencePiece", compile_decoder},
	.run = run_decoder,
};
