/*
 * breaks.c
 *	  Where a text may be broken: at its paragraphs, sentences, words, characters.
 *
 * Each iterator marks its places with a bit of its own; then the bits of a place, and the white space
 * before and after it, are made into one value.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/breaks.h"

#include <string.h>
#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include "base/utf8.h"
#include "text/unicode.h"

#define PARAGRAPH_SEPARATOR 0x2029
#define POLL_INTERVAL 4096

/* The iterators, and the bits of their places. */
static const struct
{
	UBreakIteratorType type;
	uint8_t bit;
} iterators[] = {
	{UBRK_CHARACTER, 1},
	{UBRK_WORD, 2},
	{UBRK_LINE, 4},
	{UBRK_SENTENCE, 8},
};

static bool
fail_icu(tfm_context *context, UErrorCode status)
{
	return tfm_fail(context, status == U_MEMORY_ALLOCATION_ERROR ? TFM_OUT_OF_MEMORY : TFM_INTERNAL,
					"could not look for the words and sentences of a text: %s",
					u_errorName(status));
}

static bool
mark_places(tfm_context *context, UBreakIterator *iterator, uint8_t bit, uint8_t *bits)
{
	uint32_t count = 0;

	for (int32_t place = ubrk_next(iterator); place != UBRK_DONE; place = ubrk_next(iterator))
	{
		bits[place] |= bit;
		if (++count % POLL_INTERVAL == 0 && tfm_stopped(context))
			return false;
	}
	return true;
}

static bool
run_iterator(tfm_context *context, UText *text, UBreakIteratorType type, uint8_t bit, uint8_t *bits)
{
	UErrorCode status = U_ZERO_ERROR;
	UBreakIterator *iterator = ubrk_open(type, "", NULL, 0, &status);

	if (U_SUCCESS(status))
		ubrk_setUText(iterator, text, &status);
	if (U_SUCCESS(status))
		mark_places(context, iterator, bit, bits);
	else
		fail_icu(context, status);
	if (iterator != NULL)
		ubrk_close(iterator);
	return !tfm_failed(context);
}

static tok_break
break_of_bits(uint8_t bits, bool space_follows, int newlines)
{
	if ((bits & 1) == 0)
		return TOK_BREAK_NONE;
	if (space_follows || (bits & (2 | 8)) == 0)
		return TOK_BREAK_CHARACTER;
	if ((bits & 8) == 0)
		return (bits & 4) == 0 ? TOK_BREAK_WORD : TOK_BREAK_LINE;
	return newlines > 1 ? TOK_BREAK_PARAGRAPH : TOK_BREAK_SENTENCE;
}

/* Turn the bits of each place into what it is good for. */
static void
rate_places(tfm_text text, uint8_t *breaks)
{
	int newlines = 0; /* in the white space before the place */
	int width;

	for (size_t i = 0; i < text.length; i += (size_t) width)
	{
		uint32_t character = utf8_decode(text.data + i, &width);
		bool space = tok_is_space(character);

		breaks[i] = (uint8_t) break_of_bits(breaks[i], space, newlines);
		for (int n = 1; n < width; n++)
			breaks[i + (size_t) n] = TOK_BREAK_NONE;
		if (!space)
			newlines = 0;
		else if (character == '\n' ||
				 (character == '\r' && (i + 1 == text.length || text.data[i + 1] != '\n')))
			newlines++;
		else if (character == PARAGRAPH_SEPARATOR)
			newlines += 2;
	}
	breaks[0] = breaks[text.length] = TOK_BREAK_PARAGRAPH;
}

bool
tok_find_breaks(tfm_context *context, tfm_text text, uint8_t *breaks)
{
	UText icu_text = UTEXT_INITIALIZER;
	UErrorCode status = U_ZERO_ERROR;

	memset(breaks, 0, text.length + 1);
	utext_openUTF8(&icu_text, text.length == 0 ? "" : text.data, (int64_t) text.length, &status);
	if (U_FAILURE(status))
		return fail_icu(context, status);
	for (size_t i = 0; i < sizeof(iterators) / sizeof(iterators[0]); i++)
		if (!run_iterator(context, &icu_text, iterators[i].type, iterators[i].bit, breaks))
			break;
	utext_close(&icu_text);
	if (tfm_failed(context))
		return false;
	rate_places(text, breaks);
	return true;
}
