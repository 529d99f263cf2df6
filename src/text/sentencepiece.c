/*
 * sentencepiece.c
 *	  Reading SentencePiece's model files, which are protobuf messages (sentencepiece_model.proto).
 *
 * Only the wire format is needed: a message is a row of fields, each a number, a type of coding and a
 * value.  As protobuf does, fields that are unknown or coded in an unexpected way are passed over,
 * the last of several values counts, and parts of a message may come apart.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/sentencepiece.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"

#define UNITS_MAX (1 << 24)

/* Codings of values. */
enum
{
	VARINT = 0,
	FIXED64 = 1,
	BYTES = 2,
	FIXED32 = 5
};

/* Bytes still to be read. */
typedef struct input
{
	const unsigned char *at, *end;
} input;

/* A field: the value is in number, or its bytes in bytes. */
typedef struct field
{
	uint64_t tag;	 /* number and coding, as in the file */
	uint64_t number; /* of VARINT, FIXED32, FIXED64 */
	input bytes;
} field;

#define TAG(number, coding) ((uint64_t) (number) << 3 | (coding))

typedef struct reader
{
	tfm_context *context;
	const char *source;
	tok_sentencepiece *model;
	buffer *units;
	char *texts; /* room for those of all units */
	size_t texts_length;
} reader;

static bool
fail_field(const reader *r, const char *name)
{
	return tfm_fail(r->context, TFM_CORRUPTED, "\"%s\": field \"%s\" is damaged", r->source, name);
}

static bool
read_varint(input *in, uint64_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 64 && in->at < in->end; shift += 7)
	{
		unsigned char byte = *in->at++;

		*value |= (uint64_t) (byte & 0x7F) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static bool
read_fixed(input *in, size_t width, uint64_t *value)
{
	*value = 0;
	if ((size_t) (in->end - in->at) < width)
		return false;
	for (size_t i = 0; i < width; i++)
		*value |= (uint64_t) in->at[i] << (8 * i);
	in->at += width;
	return true;
}

/* The next field; false if it is damaged. */
static bool
read_field(input *in, field *f)
{
	if (!read_varint(in, &f->tag) || f->tag >> 3 == 0 || f->tag > UINT32_MAX)
		return false;
	switch (f->tag & 7)
	{
		case VARINT:
			return read_varint(in, &f->number);
		case FIXED64:
			return read_fixed(in, 8, &f->number);
		case FIXED32:
			return read_fixed(in, 4, &f->number);
		case BYTES:
			if (!read_varint(in, &f->number) || f->number > (uint64_t) (in->end - in->at))
				return false;
			f->bytes = (input) {.at = in->at, .end = in->at + f->number};
			in->at += f->number;
			return true;
		default:
			return false;
	}
}

static bool
is_text(input bytes)
{
	size_t length = (size_t) (bytes.end - bytes.at);

	return memchr(bytes.at, '\0', length) == NULL && utf8_valid((const char *) bytes.at, length);
}

/* A string in the arena. */
static bool
read_string(reader *r, input bytes, const char *name, const char **string)
{
	if (!is_text(bytes))
		return fail_field(r, name);
	*string = tfm_strndup(r->context, (const char *) bytes.at, (size_t) (bytes.end - bytes.at));
	return *string != NULL;
}

static bool
read_bytes(reader *r, input bytes, tfm_text *text)
{
	size_t length = (size_t) (bytes.end - bytes.at);

	text->data = tfm_strndup(r->context, (const char *) bytes.at, length);
	text->length = length;
	return text->data != NULL;
}

static float
float_of(uint64_t number)
{
	uint32_t bits = (uint32_t) number;
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* A piece of the vocabulary. */
static bool
read_unit(reader *r, input in)
{
	tok_unit unit = {.type = TOK_UNIT_NORMAL};
	input text = {.at = in.at, .end = in.at};
	size_t length;

	while (in.at < in.end)
	{
		field f;

		if (!read_field(&in, &f))
			return fail_field(r, "pieces");
		if (f.tag == TAG(1, BYTES))
			text = f.bytes;
		else if (f.tag == TAG(2, FIXED32))
			unit.score = float_of(f.number);
		else if (f.tag == TAG(3, VARINT) && f.number >= TOK_UNIT_NORMAL &&
				 f.number <= TOK_UNIT_BYTE)
			unit.type = (tok_unit_type) f.number;
	}
	if (!is_text(text) || !isfinite(unit.score))
		return fail_field(r, "pieces");
	if (r->model->count >= UNITS_MAX)
		return tfm_fail(r->context, TFM_LIMIT_EXCEEDED, "\"%s\": there are too many pieces",
						r->source);
	length = (size_t) (text.end - text.at);
	unit.text = memcpy(r->texts + r->texts_length, text.at, length);
	r->texts[r->texts_length + length] = '\0';
	r->texts_length += length + 1;
	r->model->count++;
	return buffer_append(r->context, r->units, &unit, sizeof(unit));
}

static bool
read_trainer(reader *r, input in)
{
	tok_sentencepiece *model = r->model;

	while (in.at < in.end)
	{
		field f;
		bool ok = read_field(&in, &f);

		if (!ok)
			return fail_field(r, "trainer_spec");
		switch (f.tag)
		{
			case TAG(3, VARINT):
				if (f.number >= TOK_SENTENCEPIECE_UNIGRAM && f.number <= TOK_SENTENCEPIECE_CHAR)
					model->type = (tok_sentencepiece_type) f.number;
				break;
			case TAG(24, VARINT):
				model->treat_whitespace_as_suffix = f.number != 0;
				break;
			case TAG(35, VARINT):
				model->byte_fallback = f.number != 0;
				break;
			case TAG(40, VARINT):
				model->unk_id = (int32_t) f.number;
				break;
			case TAG(41, VARINT):
				model->bos_id = (int32_t) f.number;
				break;
			case TAG(42, VARINT):
				model->eos_id = (int32_t) f.number;
				break;
			case TAG(43, VARINT):
				model->pad_id = (int32_t) f.number;
				break;
			case TAG(45, BYTES):
				ok = read_string(r, f.bytes, "unk_piece", &model->unk_piece);
				break;
			case TAG(46, BYTES):
				ok = read_string(r, f.bytes, "bos_piece", &model->bos_piece);
				break;
			case TAG(47, BYTES):
				ok = read_string(r, f.bytes, "eos_piece", &model->eos_piece);
				break;
			case TAG(48, BYTES):
				ok = read_string(r, f.bytes, "pad_piece", &model->pad_piece);
				break;
			default:
				break;
		}
		if (!ok)
			return false;
	}
	return true;
}

static bool
read_normalizer(reader *r, input in)
{
	tok_sentencepiece *model = r->model;

	while (in.at < in.end)
	{
		field f;

		if (!read_field(&in, &f))
			return fail_field(r, "normalizer_spec");
		if (f.tag == TAG(1, BYTES) && !read_string(r, f.bytes, "name", &model->normalizer))
			return false;
		if (f.tag == TAG(2, BYTES) && !read_bytes(r, f.bytes, &model->charsmap))
			return false;
		if (f.tag == TAG(3, VARINT))
			model->add_dummy_prefix = f.number != 0;
		if (f.tag == TAG(4, VARINT))
			model->remove_extra_whitespaces = f.number != 0;
		if (f.tag == TAG(5, VARINT))
			model->escape_whitespaces = f.number != 0;
	}
	return true;
}

static bool
read_denormalizer(reader *r, input in)
{
	while (in.at < in.end)
	{
		field f;

		if (!read_field(&in, &f))
			return fail_field(r, "denormalizer_spec");
		if (f.tag == TAG(2, BYTES) && !read_bytes(r, f.bytes, &r->model->denormalizer_charsmap))
			return false;
	}
	return true;
}

static bool
read_model(reader *r, input in)
{
	while (in.at < in.end)
	{
		field f;
		bool ok = true;

		if (!read_field(&in, &f))
			return tfm_fail(r->context, TFM_CORRUPTED, "\"%s\" is not a SentencePiece model",
							r->source);
		if (f.tag == TAG(1, BYTES))
			ok = read_unit(r, f.bytes);
		else if (f.tag == TAG(2, BYTES))
			ok = read_trainer(r, f.bytes);
		else if (f.tag == TAG(3, BYTES))
			ok = read_normalizer(r, f.bytes);
		else if (f.tag == TAG(5, BYTES))
			ok = read_denormalizer(r, f.bytes);
		if (!ok || ((r->model->count & 0xFFF) == 0xFFF && tfm_stopped(r->context)))
			return false;
	}
	if (r->model->count == 0)
		return tfm_fail(r->context, TFM_CORRUPTED, "\"%s\": field \"pieces\" is missing",
						r->source);
	return true;
}

const tok_sentencepiece *
tok_read_sentencepiece(tfm_context *context, tfm_text file, const char *source)
{
	tok_sentencepiece defaults = {
		.source = source,
		.type = TOK_SENTENCEPIECE_UNIGRAM,
		.unk_id = 0,
		.bos_id = 1,
		.eos_id = 2,
		.pad_id = -1,
		.unk_piece = "<unk>",
		.bos_piece = "<s>",
		.eos_piece = "</s>",
		.pad_piece = "<pad>",
		.normalizer = "",
		.add_dummy_prefix = true,
		.remove_extra_whitespaces = true,
		.escape_whitespaces = true,
	};
	const unsigned char *bytes = (const unsigned char *) file.data;
	reader r = {.context = context, .source = source};

	if (tfm_failed(context))
		return NULL;
	r.model = tfm_alloc(context, sizeof(tok_sentencepiece));
	r.units = buffer_create(context);

	/* A unit takes two bytes of the file beside its text, which needs one more. */
	r.texts = tfm_alloc(context, file.length + 1);
	if (r.model == NULL || r.units == NULL || r.texts == NULL)
		return NULL;
	*r.model = defaults;
	if (!read_model(&r, (input) {.at = bytes, .end = bytes + file.length}))
		return NULL;
	r.model->units = (const tok_unit *) (const void *) r.units->data;
	return r.model;
}
