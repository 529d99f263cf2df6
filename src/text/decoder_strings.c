/*
 * decoder_strings.c
 *	  The decoders that change the text of each token, or fuse them: BPEDecoder, CTC, Strip,
 *	  ByteFallback and Fuse.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "base/compare.h"
#include "base/utf8.h"
#include "text/compile.h"
#include "text/decode.h"

static tfm_text
text_of(const char *string)
{
	return (tfm_text) {.data = string, .length = strlen(string)};
}

/* ---- Replacing ---- */

/* Where from is found next, at or after *at; false if it is not. */
static bool
find_text(tfm_text text, tfm_text from, size_t *at)
{
	for (size_t i = *at; text.length - i >= from.length; i++)
	{
		const char *place = memchr(text.data + i, from.data[0], text.length - from.length + 1 - i);

		if (place == NULL)
			return false;
		i = (size_t) (place - text.data);
		if (memcmp(place, from.data, from.length) == 0)
		{
			*at = i;
			return true;
		}
	}
	return false;
}

static bool
interleave(tfm_context *context, tfm_text to, tfm_text text, buffer *out)
{
	bool good = buffer_append(context, out, to.data, to.length);
	int width = 1;

	for (size_t i = 0; good && i < text.length; i += (size_t) width)
	{
		utf8_decode(text.data + i, &width);
		good = buffer_append(context, out, text.data + i, (size_t) width) &&
			   buffer_append(context, out, to.data, to.length);
	}
	return good;
}

bool
tok_replace_text(tfm_context *context, tfm_text from, tfm_text to, tfm_text *text)
{
	size_t done = 0, at = 0;
	buffer *out;

	if (from.length > 0 && !find_text(*text, from, &at))
		return true;
	out = buffer_create(context);
	if (out == NULL)
		return false;
	if (from.length == 0)
	{
		if (!interleave(context, to, *text, out))
			return false;
		done = text->length;
	}
	while (from.length > 0 && find_text(*text, from, &at))
	{
		if (!buffer_append(context, out, text->data + done, at - done) ||
			!buffer_append(context, out, to.data, to.length))
			return false;
		done = at += from.length;
	}
	if (!buffer_append(context, out, text->data + done, text->length - done))
		return false;
	*text = (tfm_text) {.data = out->data, .length = out->length};
	return true;
}

size_t
tok_replace_in_place(char *text, size_t length, const char *from, const char *to)
{
	size_t from_length = strlen(from), to_length = strlen(to), out = 0;

	for (size_t i = 0; i < length;)
	{
		const char *found = memchr(text + i, from[0], length - i);
		size_t plain = found == NULL ? length - i : (size_t) (found - text) - i;

		memmove(text + out, text + i, plain);
		out += plain;
		i += plain;
		if (found == NULL)
			break;
		if (length - i >= from_length && memcmp(text + i, from, from_length) == 0)
		{
			memcpy(text + out, to, to_length);
			out += to_length;
			i += from_length;
		}
		else
			text[out++] = text[i++];
	}
	return out;
}

/* ---- BPEDecoder ---- */

/* The payload is the suffix, not terminated. */
static bool
compile_bpe(tok_compiler *compiler, json spec, buffer *payload)
{
	const char *suffix = json_require_string(compiler->context, spec, "suffix");

	return !tfm_failed(compiler->context) &&
		   buffer_append(compiler->context, payload, suffix, strlen(suffix));
}

static bool
run_bpe(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	tfm_text suffix = {.data = payload.bytes, .length = payload.length};

	for (size_t i = 0; i < *count; i++)
		if (!tok_replace_text(context, suffix, text_of(i + 1 == *count ? "" : " "), &texts[i]))
			return false;
	return true;
}

/* ---- CTC ---- */

/* The two tokens follow, not terminated. */
typedef struct ctc_payload
{
	uint32_t cleanup;
	uint32_t pad_length;
	uint32_t delimiter_length;
	uint32_t padding;
} ctc_payload;

static bool
compile_ctc(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	tfm_text pad = text_of(json_require_string(context, spec, "pad_token"));
	tfm_text delimiter = text_of(json_require_string(context, spec, "word_delimiter_token"));
	ctc_payload ctc = {
		.cleanup = tok_require_bool(compiler, spec, "cleanup"),
		.pad_length = (uint32_t) pad.length,
		.delimiter_length = (uint32_t) delimiter.length,
	};

	return !tfm_failed(context) && buffer_append(context, payload, &ctc, sizeof(ctc)) &&
		   buffer_append(context, payload, pad.data, pad.length) &&
		   buffer_append(context, payload, delimiter.data, delimiter.length);
}

static bool
clean_up(tfm_context *context, tfm_text delimiter, tfm_text *text)
{
	char *cleaned = tfm_strndup(context, text->data, text->length);

	if (cleaned == NULL)
		return false;
	*text = (tfm_text) {.data = cleaned, .length = tok_clean_up(cleaned, text->length)};
	return tok_replace_text(context, delimiter, text_of(" "), text);
}

/* Tokens that are repeated are one; what is empty without its padding is none. */
static bool
run_ctc(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	const ctc_payload *ctc = payload.bytes;
	tfm_text pad, delimiter, last = {.data = NULL};
	size_t kept = 0;

	if (payload.length < sizeof(*ctc) || payload.length - sizeof(*ctc) < ctc->pad_length ||
		payload.length - sizeof(*ctc) - ctc->pad_length < ctc->delimiter_length)
		return tok_fail_damaged(context);
	pad = (tfm_text) {.data = (const char *) (ctc + 1), .length = ctc->pad_length};
	delimiter = (tfm_text) {.data = pad.data + pad.length, .length = ctc->delimiter_length};
	for (size_t i = 0; i < *count; i++)
	{
		tfm_text text = texts[i];

		if (i > 0 && tfm_same_text(text, last))
			continue;
		last = text;
		if (!tok_replace_text(context, pad, text_of(""), &text) ||
			(ctc->cleanup != 0 && !clean_up(context, delimiter, &text)))
			return false;
		if (text.length > 0)
			texts[kept++] = text;
	}
	*count = kept;
	return true;
}

/* ---- Strip ---- */

typedef struct strip_payload
{
	char content[4]; /* one character */
	uint32_t width;
	uint32_t start, stop; /* the most that is taken away at each end */
} strip_payload;

static bool
compile_strip(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	uint32_t content;
	strip_payload strip = {
		.start = (uint32_t) json_require_int(context, spec, "start", 0, UINT32_MAX),
		.stop = (uint32_t) json_require_int(context, spec, "stop", 0, UINT32_MAX),
	};

	if (!tok_require_character(compiler, spec, "content", &content))
		return false;
	strip.width = (uint32_t) utf8_encode(content, strip.content);
	return buffer_append(context, payload, &strip, sizeof(strip));
}

static bool
run_strip(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	const strip_payload *strip = payload.bytes;
	size_t width;

	if (payload.length < sizeof(*strip) || strip->width < 1 || strip->width > 4)
		return tok_fail_damaged(context);
	width = strip->width;
	for (size_t i = 0; i < *count; i++)
	{
		tfm_text *text = &texts[i];

		for (uint32_t n = 0; n < strip->start && text->length >= width &&
							 memcmp(text->data, strip->content, width) == 0;
			 n++)
		{
			text->data += width;
			text->length -= width;
		}
		for (uint32_t n = 0; n < strip->stop && text->length >= width &&
							 memcmp(text->data + text->length - width, strip->content, width) == 0;
			 n++)
			text->length -= width;
	}
	return true;
}

/* ---- ByteFallback ---- */

static int
hexadecimal(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Rust reads "+f", too. */
int
tok_fallback_byte(tfm_text token)
{
	int high, low;

	if (token.length != 6 || memcmp(token.data, "<0x", 3) != 0 || token.data[5] != '>')
		return -1;
	high = token.data[3] == '+' ? 0 : hexadecimal(token.data[3]);
	low = hexadecimal(token.data[4]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* A run of byte tokens becomes one text, or a replacement character for each byte. */
static bool
run_byte_fallback(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	size_t kept = 0, next;

	(void) payload;
	for (size_t i = 0; i < *count; i = next)
	{
		size_t length = 0;
		char *bytes;

		for (next = i; next < *count && tok_fallback_byte(texts[next]) >= 0;)
			next++;
		if (next == i)
		{
			texts[kept++] = texts[next++];
			continue;
		}
		bytes = tfm_alloc(context, next - i);
		if (bytes == NULL)
			return false;
		for (size_t j = i; j < next; j++)
			bytes[length++] = (char) tok_fallback_byte(texts[j]);
		if (utf8_valid(bytes, length))
			texts[kept++] = (tfm_text) {.data = bytes, .length = length};
		else
			while (length-- > 0)
				texts[kept++] = text_of("\xEF\xBF\xBD");
	}
	*count = kept;
	return true;
}

/* ---- Fuse ---- */

static bool
run_fuse(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	buffer *fused = buffer_create(context);

	(void) payload;
	if (fused == NULL)
		return false;
	for (size_t i = 0; i < *count; i++)
		if (!buffer_append(context, fused, texts[i].data, texts[i].length))
			return false;
	if (*count > 0)
	{
		texts[0] = (tfm_text) {.data = fused->data, .length = fused->length};
		*count = 1;
	}
	return true;
}

const tok_decoder tok_decoder_bpe = {.row = {"BPEDecoder", compile_bpe}, .run = run_bpe};
const tok_decoder tok_decoder_ctc = {.row = {"CTC", compile_ctc}, .run = run_ctc};
const tok_decoder tok_decoder_strip = {.row = {"Strip", compile_strip}, .run = run_strip};
const tok_decoder tok_decoder_byte_fallback = {
	.row = {"ByteFallback", NULL},
	.run = run_byte_fallback,
};
const tok_decoder tok_decoder_fuse = {.row = {"Fuse", NULL}, .run = run_fuse};
