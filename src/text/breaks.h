/*
 * breaks.h
 *	  Where a text may be broken: at its paragraphs, sentences, words, characters.
 *
 * Sentences, words, lines and characters are those of ICU's break iterators for the root locale,
 * which know the words of Thai, Lao, Khmer, Burmese, Chinese and Japanese from dictionaries.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_BREAKS_H
#define TFM_TEXT_BREAKS_H

#include "base/context.h"

/*
 * How good a place is; what is good for one is good for those before it.  From TOK_BREAK_WORD on no
 * white space follows, so that it stays with what it ends.
 */
typedef enum tok_break
{
	TOK_BREAK_NONE,		 /* within a character as users see it (a grapheme cluster) */
	TOK_BREAK_CHARACTER, /* between two */
	TOK_BREAK_WORD,		 /* between words, or a word and punctuation */
	TOK_BREAK_LINE,		 /* between words, where a line may end: not before punctuation */
	TOK_BREAK_SENTENCE,	 /* between sentences, or lines that the text itself ends */
	TOK_BREAK_PARAGRAPH	 /* after an empty line */
} tok_break;

/*
 * Fill breaks[0 .. text.length]: what each byte offset is good for, as a tok_break.  Both ends are
 * TOK_BREAK_PARAGRAPH.  The text is valid UTF-8 of less than 2 GB.
 * Errors: CANCELLED, OUT_OF_MEMORY, INTERNAL (ICU has no data).
 */
extern bool tok_find_breaks(tfm_context *context, tfm_text text, uint8_t *breaks);

#endif
