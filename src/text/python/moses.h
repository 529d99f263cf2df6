/*
 * moses.h
 *	  What the Moses tokenizer and detokenizer of sacremoses know of characters and languages.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_PYTHON_MOSES_H
#define TFM_TEXT_PYTHON_MOSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tok_moses_range
{
	uint32_t first, last;
} tok_moses_range;

/* Sets of characters, sorted: perluniprops, of the tokenizer and (currency, plain_alpha) the other. */
#define TOK_MOSES_SET(name)                                                                        \
	extern const tok_moses_range tok_moses_##name[];                                               \
	extern const size_t tok_moses_##name##_count

TOK_MOSES_SET(alnum);
TOK_MOSES_SET(alpha);
TOK_MOSES_SET(number);
TOK_MOSES_SET(lower);
TOK_MOSES_SET(currency);
TOK_MOSES_SET(plain_alpha);
TOK_MOSES_SET(hangul);
TOK_MOSES_SET(han);
TOK_MOSES_SET(hiragana);
TOK_MOSES_SET(katakana);

/* Prefixes that a full stop stays with: always, and before a number. */
typedef struct tok_moses_prefixes
{
	const char *language;
	const char *plain, *numeric; /* "\nMr\nMrs\n" */
} tok_moses_prefixes;

extern const tok_moses_prefixes tok_moses_languages[]; /* ended by NULL */

static inline bool
tok_moses_is_in(uint32_t character, const tok_moses_range *ranges, size_t count)
{
	size_t low = 0, high = count;

	while (low < high)
	{
		size_t middle = (low + high) / 2;

		if (character > ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && character >= ranges[low].first;
}

#define TOK_MOSES_IS(character, name)                                                              \
	tok_moses_is_in(character, tok_moses_##name, tok_moses_##name##_count)

#endif
