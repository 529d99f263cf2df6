/*
 * decode.c
 *	  Ids back to a text.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/decode.h"

#include <string.h>

#include "text/pipeline.h"

const char *
tok_decoded_text(const tok_tokenizer *tokenizer, int32_t id)
{
	if (tokenizer->target_count == 0)
		return tok_id_to_token(tokenizer, id);
	if (id < 0 || (size_t) id >= tokenizer->target_count ||
		tokenizer->targets[id] >= tokenizer->strings_length)
		return NULL;
	return tokenizer->strings + tokenizer->targets[id];
}

/* The texts of the tokens that are not left out. */
static bool
list_texts(tfm_context *context, const tok_tokenizer *tokenizer, const int32_t *ids, size_t count,
		   bool skip_special_tokens, tfm_text *texts, size_t *listed)
{
	*listed = 0;
	for (size_t i = 0; i < count; i++)
	{
		const char *token = tok_decoded_text(tokenizer, ids[i]);

		if (token == NULL)
			return tfm_fail(context, TFM_INVALID_ARGUMENT, "there is no token with id %d", ids[i]);
		if (skip_special_tokens && ids[i] < tokenizer->settings->id_limit &&
			(tokenizer->id_flags[ids[i]] & TOK_ID_SKIPPED) != 0)
			continue;
		texts[(*listed)++] = (tfm_text) {.data = token, .length = strlen(token)};
	}
	return true;
}

static bool
join(tfm_context *context, const tfm_text *texts, size_t count, const char *separator,
	 tfm_text *text)
{
	buffer *joined = buffer_create(context);

	for (size_t i = 0; joined != NULL && i < count; i++)
		if ((i > 0 && !buffer_append_string(context, joined, separator)) ||
			!buffer_append(context, joined, texts[i].data, texts[i].length))
			return false;
	if (joined == NULL || buffer_text(context, joined) == NULL)
		return false;
	*text = (tfm_text) {.data = joined->data, .length = joined->length};
	return true;
}

size_t
tok_total_length(const tfm_text *texts, size_t count)
{
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += texts[i].length;
	return total;
}

bool
tok_fail_decoded(tfm_context *context)
{
	return tfm_fail(context, TFM_LIMIT_EXCEEDED, "the tokenizer's decoders make too long a text");
}

static bool
run_decoders(tfm_context *context, const tok_tokenizer *tokenizer, tfm_text *texts, size_t *count)
{
	size_t most = TOK_DECODED_MAX(tok_total_length(texts, *count), 64);

	for (size_t i = 0; i < tokenizer->decoders.count; i++)
	{
		const tok_component *component = &tokenizer->decoders.items[i];

		if (!component->type.decoder->run(context, component->payload, texts, count) ||
			tfm_stopped(context))
			return false;
		if (tok_total_length(texts, *count) > most)
			return tok_fail_decoded(context);
	}
	return true;
}

bool
tok_join_tokens(tfm_context *context, const tok_tokenizer *tokenizer, const tfm_text *tokens,
				size_t count, tfm_text *text)
{
	tfm_text *texts = tfm_alloc_array(context, count, sizeof(tfm_text));

	if (texts == NULL)
		return false;
	if (count > 0)
		memcpy(texts, tokens, count * sizeof(tfm_text));
	return run_decoders(context, tokenizer, texts, &count) &&
		   join(context, texts, count, tokenizer->decoders.count == 0 ? " " : "", text);
}

bool
tok_decode(tfm_context *context, const tok_tokenizer *tokenizer, const int32_t *ids, size_t count,
		   bool skip_special_tokens, tfm_text *text)
{
	return tok_decode_cleaned(context, tokenizer, ids, count, skip_special_tokens,
							  TOK_CLEAN_BY_FILES, text);
}

bool
tok_decode_cleaned(tfm_context *context, const tok_tokenizer *tokenizer, const int32_t *ids,
				   size_t count, bool skip_special_tokens, tok_cleaning cleaning, tfm_text *text)
{
	tfm_text *texts = tfm_alloc_array(context, count, sizeof(tfm_text));
	int32_t *kept = tfm_alloc_array(context, count, sizeof(int32_t));

	if (texts == NULL || kept == NULL)
		return false;
	if (count > 0)
		memcpy(kept, ids, count * sizeof(int32_t));
	if (!tok_filter_ids(context, tokenizer, kept, &count, skip_special_tokens) ||
		!list_texts(context, tokenizer, kept, count, skip_special_tokens, texts, &count) ||
		!run_decoders(context, tokenizer, texts, &count))
		return false;
	return join(context, texts, count, tokenizer->decoders.count == 0 ? " " : "", text) &&
		   tok_polish(context, tokenizer, cleaning, text);
}
