/*
 * added.c
 *	  Finding added tokens in a text, as the library's AddedVocabulary::find_matches does.
 *
 * Of the tokens that begin at the leftmost place the longest is taken; matches do not overlap, but
 * the white space that lstrip and rstrip take in may.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/pipeline.h"

#include <string.h>

#include "base/utf8.h"
#include "text/unicode.h"

/* A text being searched. */
typedef struct search
{
	tok_work *work;
	const char *text;
	size_t length;
	size_t done;		/* what comes before is in spans */
	size_t space_start; /* the last run of white space that rstrip looked at */
	size_t space_end;
	tok_spans *spans;
} search;

void
tok_open_matcher(tok_matcher *matcher)
{
	int starts = 0;

	matcher->only_start = -1;
	for (int byte = 1; byte < 256; byte++)
	{
		matcher->starts[byte] =
			matcher->keys.count > 0 &&
			trie_step(&matcher->keys, TRIE_ROOT, (unsigned char) byte) != TRIE_NONE;
		if (matcher->starts[byte])
		{
			matcher->only_start = byte;
			starts++;
		}
	}
	if (starts != 1)
		matcher->only_start = -1;
}

static bool
is_single_word(const search *s, size_t start, size_t end)
{
	size_t before;
	int width;

	if (start > 0 && tok_is_word(utf8_decode_before(s->text, start, &before)))
		return false;
	return end == s->length || !tok_is_word(utf8_decode(s->text + end, &width));
}

/* Where the white space before start begins, but not before the end of the last match. */
static size_t
strip_left(const search *s, size_t start)
{
	if (start < s->done)
		return s->done;
	while (start > s->done)
	{
		size_t before;

		if (!tok_is_space(utf8_decode_before(s->text, start, &before)))
			break;
		start = before;
	}
	return start;
}

/* Where the white space from end on ends.  A run is looked at once, however many tokens are in it. */
static size_t
strip_right(search *s, size_t end)
{
	size_t start = end;

	if (end >= s->space_start && end < s->space_end)
		return s->space_end;
	while (end < s->length)
	{
		int width;

		if (!tok_is_space(utf8_decode(s->text + end, &width)))
			break;
		end += (size_t) width;
	}
	s->space_start = start;
	s->space_end = end;
	return end;
}

static bool
add_match(search *s, size_t start, size_t end, uint32_t index)
{
	const tok_added *added = &s->work->tokenizer->added[index];

	if ((added->flags & TOK_ADDED_SINGLE_WORD) != 0 && !is_single_word(s, start, end))
		return true;
	if ((added->flags & TOK_ADDED_LSTRIP) != 0)
		start = strip_left(s, start);
	if ((added->flags & TOK_ADDED_RSTRIP) != 0)
		end = strip_right(s, end);
	/* The library panics here; a token without text is what remains of it. */
	if (start > end)
		start = end;
	if (s->done < start && !tok_append_span(s->work, s->spans, s->done, start, -1))
		return false;
	if (start < end && !tok_append_span(s->work, s->spans, start, end, (int32_t) added->id))
		return false;
	s->done = end;
	return true;
}

/* The next place from position on where a token may begin; length if there is none. */
static size_t
next_start(const tok_matcher *matcher, const char *text, size_t position, size_t length)
{
	if (matcher->only_start >= 0)
	{
		const char *place = memchr(text + position, matcher->only_start, length - position);

		return place == NULL ? length : (size_t) (place - text);
	}
	while (position < length && !matcher->starts[(unsigned char) text[position]])
		position++;
	return position;
}

bool
tok_find_added(tok_work *work, const tok_matcher *matcher, const char *text, size_t length,
			   tok_spans *spans)
{
	search s = {.work = work, .text = text, .length = length, .spans = spans};
	size_t position = 0;
	uint32_t polled = 0;

	if (length == 0)
		return true;
	while (matcher->keys.count > 0 &&
		   (position = next_start(matcher, text, position, length)) < length)
	{
		size_t matched = 1;
		uint32_t index =
			trie_longest(&matcher->keys, TRIE_ROOT, text + position, length - position, &matched);

		if (index < work->tokenizer->added_count &&
			!add_match(&s, position, position + matched, index))
			return false;
		position += index < work->tokenizer->added_count ? matched : 1;
		if ((++polled & 0xFFF) == 0 && tfm_stopped(work->context))
			return false;
	}
	return s.done >= length || tok_append_span(work, spans, s.done, length, -1);
}
