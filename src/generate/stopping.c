/*
 * stopping.c
 *	  Strings that end a text, over the texts of tokens.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/stopping.h"

#include <string.h>

#include "base/buffer.h"
#include "text/byte_level.h"

#define PREFIX "abcdef" /* Transformers', before a token to have its text as that of no first one */

/* How a token's text is had where it may be a part of a character. */
typedef enum token_bytes
{
	BYTES_NONE,		/* it is not */
	BYTES_LEVEL,	/* its characters stand for bytes */
	BYTES_FALLBACK, /* "<0x41>" is a byte */
} token_bytes;

struct gen_stops
{
	const tok_tokenizer *tokenizer;
	tfm_context keep; /* of the arena where texts are kept */
	const tfm_text *strings;
	size_t count;
	size_t longest;
	token_bytes mode;
	int32_t *ids; /* PREFIX's, and room for one more */
	size_t prefix_count;
	int32_t limit;
	tfm_text *texts; /* [limit] NULL where a token was not met yet */
	char *tail;		 /* working memory: [tail_size] */
	size_t tail_size;
};

/* Cut a text off after PREFIX, if that is in it. */
static void
drop_prefix(tfm_text *text)
{
	const size_t length = strlen(PREFIX);

	for (size_t i = 0; i + length <= text->length; i++)
		if (memcmp(text->data + i, PREFIX, length) == 0)
		{
			text->data += i + length;
			text->length -= i + length;
			return;
		}
}

/* The text of a token behind PREFIX. */
static bool
decode_token(tfm_context *context, const gen_stops *stops, int32_t id, tfm_text *text)
{
	stops->ids[stops->prefix_count] = id;
	if (!tok_decode(context, stops->tokenizer, stops->ids, stops->prefix_count + 1, false, text))
		return false;
	drop_prefix(text);
	return true;
}

static bool
decodes_to(tfm_context *context, const gen_stops *stops, const char *token, const char *expected)
{
	int32_t id =
		tok_token_to_id(stops->tokenizer, (tfm_text) {.data = token, .length = strlen(token)});
	tfm_text text;

	return id >= 0 && decode_token(context, stops, id, &text) && text.length == strlen(expected) &&
		   memcmp(text.data, expected, text.length) == 0;
}

/* How bytes are written is seen from tokens that every such vocabulary has. */
static token_bytes
find_mode(tfm_context *context, const gen_stops *stops)
{
	if (decodes_to(context, stops, "<0x41>", "A"))
		return BYTES_FALLBACK;
	if (decodes_to(context, stops, "\xC4\xA0", " ") || decodes_to(context, stops, "\xC4\x8A", "\n"))
		return BYTES_LEVEL;
	return BYTES_NONE;
}

gen_stops *
gen_stops_create(tfm_context *context, const tok_tokenizer *tokenizer, const gen_config *config)
{
	gen_stops *stops = tfm_alloc_zero(context, sizeof(gen_stops));
	tfm_text prefix = {.data = PREFIX, .length = strlen(PREFIX)};
	tok_encode_options options = {.add_special_tokens = false};
	tok_encoding encoding;

	if (stops == NULL || !tok_encode(context, tokenizer, prefix, NULL, &options, &encoding))
		return NULL;
	*stops = (gen_stops) {.tokenizer = tokenizer,
						  .keep = {.arena = context->arena},
						  .strings = config->stop_strings,
						  .count = config->stop_string_count,
						  .prefix_count = encoding.count,
						  .limit = tok_id_limit(tokenizer)};
	for (size_t i = 0; i < stops->count; i++)
		if (stops->strings[i].length > stops->longest)
			stops->longest = stops->strings[i].length;
	stops->ids = tfm_alloc_array(context, encoding.count + 1, sizeof(int32_t));
	stops->texts = tfm_alloc_zero(context, ((size_t) stops->limit + 1) * sizeof(tfm_text));
	if (stops->ids == NULL || stops->texts == NULL)
		return NULL;
	if (encoding.count > 0)
		memcpy(stops->ids, encoding.ids, encoding.count * sizeof(int32_t));
	stops->mode = find_mode(context, stops);
	return tfm_failed(context) ? NULL : stops;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes of a token that is written as such; false if it is not. */
static bool
read_bytes(const gen_stops *stops, const char *token, char *bytes, size_t *length)
{
	int64_t count = -1;

	if (stops->mode == BYTES_LEVEL)
		count = tok_alphabet_bytes(token, strlen(token), bytes);
	else if (stops->mode == BYTES_FALLBACK && strlen(token) == 6 && strncmp(token, "<0x", 3) == 0 &&
			 token[5] == '>' && hex_digit(token[3]) >= 0 && hex_digit(token[4]) >= 0)
	{
		bytes[0] = (char) (hex_digit(token[3]) << 4 | hex_digit(token[4]));
		count = 1;
	}
	*length = count < 0 ? 0 : (size_t) count;
	return count >= 0;
}

/* The text of a token, from the first time on kept. */
static tfm_text
token_text(tfm_context *context, gen_stops *stops, int32_t id)
{
	const char *token = id < 0 || id >= stops->limit ? NULL : tok_id_to_token(stops->tokenizer, id);
	tfm_text text = {.data = "", .length = 0};
	char *copy;

	if (token == NULL)
		return text;
	if (stops->texts[id].data != NULL)
		return stops->texts[id];
	copy = tfm_alloc(&stops->keep, strlen(token) + 1);
	if (copy != NULL && !read_bytes(stops, token, copy, &text.length))
	{
		/* what decoding makes of it, which may be longer */
		if (!decode_token(context, stops, id, &text))
			return (tfm_text) {.data = "", .length = 0};
		copy = tfm_strndup(&stops->keep, text.data, text.length);
	}
	if (copy == NULL)
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return (tfm_text) {.data = "", .length = 0};
	}
	stops->texts[id] = (tfm_text) {.data = copy, .length = text.length};
	return stops->texts[id];
}

/* The end of the text of ids and next, into stops->tail from *start on; so long that any string fits. */
static bool
make_tail(tfm_context *context, gen_stops *stops, const int32_t *ids, int64_t count, tfm_text last,
		  size_t *start)
{
	size_t wanted = stops->longest + last.length, used = last.length;

	if (wanted > stops->tail_size)
	{
		stops->tail = tfm_alloc(&stops->keep, 2 * wanted);
		stops->tail_size = stops->tail == NULL ? 0 : 2 * wanted;
		if (stops->tail == NULL)
			return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	}
	memcpy(stops->tail + wanted - used, last.data, last.length);
	while (used < wanted && count > 0)
	{
		tfm_text text = token_text(context, stops, ids[--count]);
		size_t length = text.length < wanted - used ? text.length : wanted - used;

		memcpy(stops->tail + wanted - used - length, text.data + text.length - length, length);
		used += length;
	}
	*start = wanted - used;
	return !tfm_failed(context);
}

bool
gen_stops_match(tfm_context *context, gen_stops *stops, const int32_t *ids, int64_t count,
				int32_t next)
{
	tfm_text last = token_text(context, stops, next);
	size_t end = stops->longest + last.length, start = 0;

	if (tfm_failed(context) || last.length == 0 ||
		!make_tail(context, stops, ids, count, last, &start))
		return false;
	for (size_t i = 0; i < stops->count; i++)
	{
		tfm_text string = stops->strings[i];

		/* each place of its end in the last token */
		for (size_t stop = end - last.length + 1; stop <= end; stop++)
			if (stop >= start + string.length &&
				memcmp(stops->tail + stop - string.length, string.data, string.length) == 0)
				return true;
	}
	return false;
}
