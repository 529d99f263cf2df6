/*
 * pre_tokenizer_bert.c
 *	  The pre-tokenizers BertPreTokenizer, WhitespaceSplit and Whitespace.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include "base/utf8.h"
#include "text/unicode.h"

/* What a character is to a pre-tokenizer. */
typedef enum kind
{
	SPACE,	/* between words */
	ALONE,	/* a word of its own */
	WORD,	/* goes with its like */
	SYMBOL, /* goes with its like, too */
} kind;

/* How the characters of text are to be split. */
typedef enum splitter
{
	BERT,			  /* at spaces, and around each punctuation character */
	WHITESPACE_SPLIT, /* at spaces */
	WHITESPACE		  /* the regular expression \w+|[^\w\s]+ */
} splitter;

static kind
classify(uint32_t character, splitter s)
{
	if (tok_is_space(character))
		return SPACE;
	switch (s)
	{
		case BERT:
			return tok_is_punctuation(character) ? ALONE : WORD;
		case WHITESPACE:
			return tok_is_word(character) ? WORD : SYMBOL;
		default:
			return WORD;
	}
}

static kind
classify_ascii(unsigned char character, splitter s)
{
	if ((tok_ascii[character] & TOK_ASCII_SPACE) != 0)
		return SPACE;
	if (s == BERT)
		return (tok_ascii[character] & TOK_ASCII_PUNCTUATION) != 0 ? ALONE : WORD;
	return s == WHITESPACE && (tok_ascii[character] & TOK_ASCII_WORD) == 0 ? SYMBOL : WORD;
}

static bool
split_span(tok_work *work, splitter s, tok_span span)
{
	const char *bytes = work->string.bytes;
	size_t start = span.start;
	kind current = SPACE; /* of what is from start on */

	for (size_t i = span.start; i < span.end;)
	{
		int width = 1;
		unsigned char byte = (unsigned char) bytes[i];
		kind next =
			byte < 0x80 ? classify_ascii(byte, s) : classify(utf8_decode(bytes + i, &width), s);

		if (next != current || next == ALONE)
		{
			if (current != SPACE && !tok_append_span(work, &work->next_spans, start, i, -1))
				return false;
			start = i;
			current = next;
		}
		i += (size_t) width;
	}
	return current == SPACE || tok_append_span(work, &work->next_spans, start, span.end, -1);
}

static bool
split_spans(tok_work *work, splitter s)
{
	for (size_t i = 0; i < work->spans.count; i++)
	{
		tok_span span = work->spans.items[i];

		if (span.added >= 0)
		{
			if (!tok_append_span(work, &work->next_spans, span.start, span.end, span.added))
				return false;
		}
		else if (!split_span(work, s, span))
			return false;
		if ((i & 0xFFF) == 0xFFF && tfm_stopped(work->context))
			return false;
	}
	tok_swap_spans(work);
	return true;
}

static bool
run_bert(tok_work *work, tok_payload payload)
{
	(void) payload;
	return split_spans(work, BERT);
}

static bool
run_whitespace_split(tok_work *work, tok_payload payload)
{
	(void) payload;
	return split_spans(work, WHITESPACE_SPLIT);
}

static bool
run_whitespace(tok_work *work, tok_payload payload)
{
	(void) payload;
	return split_spans(work, WHITESPACE);
}

const tok_pre_tokenizer tok_pre_tokenizer_bert = {.row = {"BertPreTokenizer", NULL},
												  .run = run_bert};
const tok_pre_tokenizer tok_pre_tokenizer_whitespace = {
	.row = {"Whitespace", NULL},
	.run = run_whitespace,
};
const tok_pre_tokenizer tok_pre_tokenizer_whitespace_split = {
	.row = {"WhitespaceSplit", NULL},
	.run = run_whitespace_split,
};
