/*
 * token_bytes.c
 *	  The bytes that each token of a vocabulary adds to a text.
 *
 * The decoders rewrite the texts of tokens in a row.  Those that look at each token alone are given
 * many of the vocabulary at once, between two that stand for the beginning and the end of a text; those that
 * join tokens to make characters of their bytes are replaced by what they do to one.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "text/byte_level.h"
#include "text/decode.h"

#define CHUNK 4096

/* Tokens of the vocabulary with one before and one after them, and what they have become so far. */
typedef struct token_row
{
	tfm_context *context;
	tfm_text *texts; /* [count] */
	size_t count;
	bool fused; /* what comes now looks at the ends of the whole text alone */
} token_row;

static bool
spell_bytes(token_row *row)
{
	for (size_t i = 1; i + 1 < row->count; i++)
	{
		tfm_text *text = &row->texts[i];
		char *bytes = tfm_alloc(row->context, text->length + 1);
		int64_t length;

		if (bytes == NULL)
			return false;
		length = tok_alphabet_bytes(text->data, text->length, bytes);
		if (length >= 0)
			*text = (tfm_text) {.data = bytes, .length = (size_t) length};
	}
	return true;
}

static bool
fall_back(token_row *row)
{
	for (size_t i = 1; i + 1 < row->count; i++)
	{
		int byte = tok_fallback_byte(row->texts[i]);
		char *text;

		if (byte < 0)
			continue;
		text = tfm_alloc(row->context, 1);
		if (text == NULL)
			return false;
		text[0] = (char) byte;
		row->texts[i] = (tfm_text) {.data = text, .length = 1};
	}
	return true;
}

static bool
replace_marks(token_row *row)
{
	const tfm_text mark = {.data = "\xE2\x96\x81", .length = 3}, space = {.data = " ", .length = 1};

	for (size_t i = 1; i + 1 < row->count; i++)
		if (!tok_replace_text(row->context, mark, space, &row->texts[i]))
			return false;
	return fall_back(row);
}

static bool
run_decoder(token_row *row, const tok_component *component)
{
	const tok_decoder *decoder = component->type.decoder;

	if (decoder == &tok_decoder_byte_level)
		return spell_bytes(row);
	if (decoder == &tok_decoder_byte_fallback)
		return fall_back(row);
	if (decoder == &tok_decoder_python_sentencepiece)
		return replace_marks(row);
	if (decoder == &tok_decoder_fuse || (decoder == &tok_decoder_strip && row->fused))
	{
		row->fused = true;
		return true;
	}
	if (decoder == &tok_decoder_bpe || decoder == &tok_decoder_metaspace ||
		decoder == &tok_decoder_replace || decoder == &tok_decoder_strip ||
		decoder == &tok_decoder_wordpiece)
		return decoder->run(row->context, component->payload, row->texts, &row->count);
	return tfm_fail(row->context, TFM_UNSUPPORTED,
					"the tokenizer's decoder \"%s\" does not say what a token adds to a text",
					decoder->row.type);
}

/* Tokens are joined by spaces where there is no decoder. */
static bool
put_spaces(token_row *row)
{
	for (size_t i = 1; i + 1 < row->count; i++)
	{
		char *text = tfm_alloc(row->context, row->texts[i].length + 1);

		if (text == NULL)
			return false;
		text[0] = ' ';
		memcpy(text + 1, row->texts[i].data, row->texts[i].length);
		row->texts[i] = (tfm_text) {.data = text, .length = row->texts[i].length + 1};
	}
	return true;
}

static bool
is_left_out(const tok_tokenizer *tokenizer, int32_t id)
{
	return id >= tokenizer->settings->id_limit || tokenizer->id_flags[id] != 0;
}

static bool
run_decoders(token_row *row, const tok_tokenizer *tokenizer)
{
	size_t count = row->count;

	if (tokenizer->decoders.count == 0)
		return put_spaces(row);
	for (size_t i = 0; i < tokenizer->decoders.count; i++)
		if (!run_decoder(row, &tokenizer->decoders.items[i]))
			return false;
	return row->count == count ||
		   tfm_fail(row->context, TFM_INTERNAL, "a decoder joined tokens of the vocabulary");
}

/* The bytes of tokens first..first + count - 1; texts has room for two more. */
static bool
append_chunk(tfm_context *context, const tok_tokenizer *tokenizer, int32_t first, int32_t count,
			 tfm_text *texts, buffer *bytes, uint32_t *ends)
{
	token_row row = {.context = context, .texts = texts, .count = (size_t) count + 2};

	texts[0] = texts[count + 1] = (tfm_text) {.data = "a", .length = 1};
	for (int32_t i = 0; i < count; i++)
	{
		const char *text =
			is_left_out(tokenizer, first + i) ? NULL : tok_decoded_text(tokenizer, first + i);

		texts[i + 1] = (tfm_text) {.data = text, .length = text == NULL ? 0 : strlen(text)};
		if (text == NULL)
			texts[i + 1].data = "";
	}
	if (!run_decoders(&row, tokenizer))
		return false;
	for (int32_t i = 0; i < count; i++)
	{
		if (!is_left_out(tokenizer, first + i) &&
			!buffer_append(context, bytes, texts[i + 1].data, texts[i + 1].length))
			return false;
		ends[first + i] = (uint32_t) bytes->length;
	}
	return bytes->length < UINT32_MAX / 2 || tok_fail_decoded(context);
}

bool
tok_token_bytes(tfm_context *context, const tok_tokenizer *tokenizer, int32_t count, buffer *bytes,
				uint32_t *ends)
{
	arena_mark start = arena_save(context->arena);
	tfm_text *texts = tfm_alloc_array(context, CHUNK + 2, sizeof(tfm_text));
	bool good = texts != NULL;

	for (int32_t first = 0; good && first < count; first += CHUNK)
	{
		arena_mark mark = arena_save(context->arena);

		good = !tfm_stopped(context) &&
			   append_chunk(context, tokenizer, first,
							count - first < CHUNK ? count - first : CHUNK, texts, bytes, ends);
		arena_restore(context->arena, mark);
	}
	arena_restore(context->arena, start);
	return good;
}
