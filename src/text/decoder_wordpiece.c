/*
 * decoder_wordpiece.c
 *	  The WordPiece decoder: a space before each token but continuing ones, and a clean-up.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "text/compile.h"
#include "text/decode.h"

/* The prefix follows, not terminated. */
typedef struct wordpiece_payload
{
	uint32_t cleanup;
	uint32_t prefix_length;
} wordpiece_payload;

static const char *const cleanups[][2] = {
	{" .", "."},   {" ?", "?"},		{" !", "!"},	 {" ,", ","},
	{" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},	 {" do not", " don't"},
	{" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
};

static bool
compile_wordpiece(tok_compiler *compiler, json spec, buffer *payload)
{
	const char *prefix = json_require_string(compiler->context, spec, "prefix");
	wordpiece_payload decoder = {
		.cleanup = tok_require_bool(compiler, spec, "cleanup"),
		.prefix_length = (uint32_t) strlen(prefix),
	};

	return !tfm_failed(compiler->context) &&
		   buffer_append(compiler->context, payload, &decoder, sizeof(decoder)) &&
		   buffer_append(compiler->context, payload, prefix, decoder.prefix_length);
}

size_t
tok_clean_up(char *text, size_t length)
{
	for (size_t i = 0; i < sizeof(cleanups) / sizeof(cleanups[0]); i++)
		length = tok_replace_in_place(text, length, cleanups[i][0], cleanups[i][1]);
	return length;
}

static bool
decode_token(tfm_context *context, const wordpiece_payload *decoder, bool first, tfm_text *token)
{
	const char *prefix = (const char *) (decoder + 1);
	char *text = tfm_alloc(context, token->length + 1);
	size_t length = 0;

	if (text == NULL)
		return false;
	if (!first && token->length >= decoder->prefix_length &&
		memcmp(token->data, prefix, decoder->prefix_length) == 0)
	{
		token->data += decoder->prefix_length;
		token->length -= decoder->prefix_length;
	}
	else if (!first)
		text[length++] = ' ';
	memcpy(text + length, token->data, token->length);
	length += token->length;
	if (decoder->cleanup != 0)
		length = tok_clean_up(text, length);
	*token = (tfm_text) {.data = text, .length = length};
	return true;
}

static bool
run_wordpiece(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	const wordpiece_payload *decoder = payload.bytes;

	if (payload.length < sizeof(*decoder) ||
		payload.length - sizeof(*decoder) < decoder->prefix_length)
		return tok_fail_damaged(context);
	for (size_t i = 0; i < *count; i++)
		if (!decode_token(context, decoder, i == 0, &texts[i]))
			return false;
	return true;
}

const tok_decoder tok_decoder_wordpiece = {
	.row = {"WordPiece", compile_wordpiece},
	.run = run_wordpiece,
};
