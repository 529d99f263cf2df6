/*
 * pre_tokenizer_bert.c
 *	  The pre-tokenizers BertPreTokenizer, WhitespaceSplit and Whitespace.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/pipeline.h"

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

typedef kind (*classify_function)(uint32_t character);

static kind
classify_bert(uint32_t character)
{
	if (tok_is_space(character))
		return SPACE;
	return tok_is_punctuation(character) ? ALONE : WORD;
}

static kind
classify_space(uint32_t character)
{
	return tok_is_space(character) ? SPACE : WORD;
}

/* The regular expression \w+|[^\w\s]+ */
static kind
classify_word(uint32_t character)
{
	if (tok_is_space(character))
		return SPACE;
	return tok_is_word(character) ? WORD : SYMBOL;
}

/* Split one span; ASCII is looked up in kinds. */
static bool
split_span(tok_work *work, const kind kinds[128], classify_function classify, tok_span span)
{
	const char *bytes = work->string.bytes;
	size_t start = span.start;
	kind current = SPACE; /* of what is from start on */

	for (size_t i = span.start; i < span.end;)
	{
		int width = 1;
		unsigned char byte = (unsigned char) bytes[i];
		kind next = byte < 0x80 ? kinds[byte] : classify(utf8_decode(bytes + i, &width));

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
split_spans(tok_work *work, classify_function classify)
{
	kind kinds[128];

	for (uint32_t c = 0; c < 128; c++)
		kinds[c] = classify(c);
	for (size_t i = 0; i < work->spans.count; i++)
	{
		tok_span span = work->spans.items[i];

		if (span.added >= 0)
		{
			if (!tok_append_span(work, &work->next_spans, span.start, span.end, span.added))
				return false;
		}
		else if (!split_span(work, kinds, classify, span))
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
	return split_spans(work, classify_bert);
}

static bool
run_whitespace_split(tok_work *work, tok_payload payload)
{
	(void) payload;
	return split_spans(work, classify_space);
}

static bool
run_whitespace(tok_work *work, tok_payload payload)
{
	(void) payload;
	return split_spans(work, classify_word);
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
