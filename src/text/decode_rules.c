/*
 * decode_rules.c
 *	  What Transformers' decode does beyond the library's.
 *
 * Follows clean_up_tokenization (transformers/tokenization_utils_base.py) and the decode methods of
 * models/clip/tokenization_clip.py, parakeet/tokenization_parakeet.py and
 * whisper/tokenization_whisper.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/pipeline.h"

#include <string.h>

#include "text/decode.h"
#include "text/unicode.h"

static int32_t
find_id(const tok_tokenizer *tokenizer, const char *token)
{
	int32_t id = tok_token_to_id(tokenizer, (tfm_text) {.data = token, .length = strlen(token)});

	return id < 0 ? tok_special_id(tokenizer, TOK_UNK) : id;
}

/* The same id in a row counts once, padding not at all. */
static size_t
group_ids(const tok_tokenizer *tokenizer, int32_t *ids, size_t count)
{
	int32_t pad = tok_special_id(tokenizer, TOK_PAD), before = -1;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
	{
		bool again = i > 0 && ids[i] == before;

		before = ids[i];
		if (!again && ids[i] != pad)
			ids[kept++] = ids[i];
	}
	return kept;
}

/* Whisper's prompt reaches from <|startofprev|> at the beginning to <|startoftranscript|>. */
static size_t
strip_prompt(const tok_tokenizer *tokenizer, int32_t *ids, size_t count)
{
	int32_t start = find_id(tokenizer, "<|startoftranscript|>");

	if (count == 0 || ids[0] != find_id(tokenizer, "<|startofprev|>"))
		return count;
	for (size_t i = 0; i < count; i++)
		if (ids[i] == start)
		{
			memmove(ids, ids + i, (count - i) * sizeof(int32_t));
			return count - i;
		}
	return 0;
}

bool
tok_filter_ids(tfm_context *context, const tok_tokenizer *tokenizer, int32_t *ids, size_t *count,
			   bool skip_special_tokens)
{
	uint32_t flags = tokenizer->settings->decode_flags;

	if ((flags & TOK_DECODE_GROUPS) != 0)
		*count = group_ids(tokenizer, ids, *count);
	if ((flags & TOK_DECODE_TIMESTAMPS) != 0 && skip_special_tokens)
		*count = strip_prompt(tokenizer, ids, *count);
	return !tfm_failed(context);
}

static void
clean_up(char *text, size_t *length)
{
	static const char *const pairs[][2] = {
		{" .", "."},	 {" ?", "?"},	{" !", "!"},   {" ,", ","},		{" ' ", "'"},
		{" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		*length = tok_replace_in_place(text, *length, pairs[i][0], pairs[i][1]);
}

static size_t
count_digits(const char *text, size_t length)
{
	size_t digits = 0;

	while (digits < length && text[digits] >= '0' && text[digits] <= '9')
		digits++;
	return digits;
}

/* The length of the timestamp <|1.20|> that the text begins with; 0 if it does not. */
static size_t
match_timestamp(const char *text, size_t length)
{
	size_t at = 2, digits;

	if (length < 7 || text[0] != '<' || text[1] != '|')
		return 0;
	digits = count_digits(text + at, length - at);
	at += digits;
	if (digits == 0 || at >= length || text[at++] != '.')
		return 0;
	digits = count_digits(text + at, length - at);
	at += digits;
	if (digits == 0 || length - at < 2 || text[at] != '|' || text[at + 1] != '>')
		return 0;
	return at + 2;
}

static void
remove_timestamps(char *text, size_t *length)
{
	size_t out = 0;

	for (size_t i = 0; i < *length;)
	{
		size_t matched = match_timestamp(text + i, *length - i);

		if (matched == 0)
			text[out++] = text[i++];
		i += matched;
	}
	*length = out;
}

bool
tok_polish(tfm_context *context, const tok_tokenizer *tokenizer, tok_cleaning cleaning,
		   tfm_text *text)
{
	uint32_t flags = tokenizer->settings->decode_flags & ~TOK_DECODE_GROUPS;
	char *copy;

	if (cleaning != TOK_CLEAN_BY_FILES)
		flags &= ~TOK_DECODE_CLEAN_UP;
	if (cleaning == TOK_CLEAN_ALWAYS)
		flags |= TOK_DECODE_CLEAN_UP;
	if (flags == 0)
		return true;
	copy = tfm_strndup(context, text->data, text->length);
	if (copy == NULL)
		return false;
	text->data = copy;
	if ((flags & TOK_DECODE_WORD_ENDS) != 0)
	{
		text->length = tok_replace_in_place(copy, text->length, "</w>", " ");
		*text = tok_strip(*text, tok_is_space);
		copy += text->data - copy;
	}
	if ((flags & TOK_DECODE_CLEAN_UP) != 0)
		clean_up(copy, &text->length);
	if ((flags & TOK_DECODE_TIMESTAMPS) != 0)
		remove_timestamps(copy, &text->length);
	copy[text->length] = '\0';
	return true;
}
