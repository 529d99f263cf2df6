/*
 * moses_tokenize.c
 *	  The MosesTokenizer of sacremoses: words and punctuation apart, one space between.
 *
 * Each step is one of the original's regular expressions over the whole text, in its order; what a
 * match has consumed is not looked at again, as there.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE /* memmem */
#include "text/python/text.h"

#include <string.h>

#include "base/utf8.h"
#include "text/python/moses.h"
#include "text/python/unicode.h"

/* No prefix is longer, in bytes. */
#define PREFIX_MAX 64

typedef struct moses
{
	tok_python_text *text;
	const char *language;
	const tok_moses_prefixes *prefixes;
	bool hangul, han, kana; /* are letters, too */
} moses;

static bool
is_language(const moses *m, const char *language)
{
	return strcmp(m->language, language) == 0;
}

static bool
is_letter_of_language(const moses *m, uint32_t c)
{
	return c >= 0x1100 &&
		   ((m->hangul && TOK_MOSES_IS(c, hangul)) || (m->han && TOK_MOSES_IS(c, han)) ||
			(m->kana && (TOK_MOSES_IS(c, hiragana) || TOK_MOSES_IS(c, katakana))));
}

static bool
is_alnum(const moses *m, uint32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
	return TOK_MOSES_IS(c, alnum) || is_letter_of_language(m, c);
}

/* IsAlpha as the regular expressions of the class have it, without the letters of the language. */
static bool
is_alpha(uint32_t c)
{
	if (c < 0x80)
		return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
	return TOK_MOSES_IS(c, alpha);
}

static bool
is_number(uint32_t c)
{
	return c < 0x80 ? c >= '0' && c <= '9' : TOK_MOSES_IS(c, number);
}

/* \s+ becomes a space, control characters of ASCII go, and so do spaces at the ends. */
static bool
clean_spaces(tok_python_text *text)
{
	const tok_python_row *row = &text->row;

	for (size_t i = 0; i < row->length; i++)
	{
		uint32_t c = row->characters[i];

		if (tok_python_is_space(c))
		{
			if (i > 0 && tok_python_is_space(row->characters[i - 1]))
				continue;
			if (!tok_python_append(text, ' ', row->sources[i]))
				return false;
		}
		else if (c >= 0x20 && !tok_python_copy(text, i))
			return false;
	}
	return tok_python_turn(text) && tok_python_pass_strip(text);
}

static bool
is_padded(const moses *m, uint32_t c)
{
	if (c == '.' || c == '\'' || c == '`' || c == ',' || c == '-' || tok_python_is_space(c))
		return false;
	return !is_alnum(m, c);
}

static bool
pad_others(moses *m)
{
	tok_python_text *text = m->text;

	for (size_t i = 0; i < text->row.length; i++)
	{
		bool padded = is_padded(m, text->row.characters[i]);

		if ((padded && !tok_python_append(text, ' ', text->row.sources[i])) ||
			!tok_python_copy(text, i) ||
			(padded && !tok_python_append(text, ' ', text->row.sources[i])))
			return false;
	}
	return tok_python_turn(text);
}

/* foo-bar becomes foo @-@ bar */
static bool
split_hyphens(moses *m)
{
	tok_python_text *text = m->text;
	const tok_python_row *row = &text->row;

	for (size_t i = 0; i < row->length; i++)
	{
		if (!tok_python_copy(text, i))
			return false;
		if (i + 2 < row->length && row->characters[i + 1] == '-' &&
			is_alnum(m, row->characters[i]) && is_alnum(m, row->characters[i + 2]))
		{
			if (!tok_python_append_all(text, U" @-@ ", row->sources[i + 1]))
				return false;
			i++;
		}
	}
	return tok_python_turn(text);
}

/* Several points become DOT so many times, and MULTI. */
static bool
replace_points(tok_python_text *text)
{
	const tok_python_row *row = &text->row;

	for (size_t i = 0; i < row->length;)
	{
		size_t end = i;

		while (end < row->length && row->characters[end] == '.')
			end++;
		if (end < i + 2)
		{
			if (!tok_python_copy(text, i++))
				return false;
			continue;
		}
		if (!tok_python_append(text, ' ', row->sources[i]))
			return false;
		for (; i < end; i++)
			if (!tok_python_append_all(text, U"DOT", row->sources[i]))
				return false;
		if (!tok_python_append_all(text, end < row->length ? U"MULTI " : U"MULTI",
								   row->sources[end - 1]))
			return false;
	}
	return tok_python_turn(text);
}

static bool
starts_with(const tok_python_row *row, size_t i, const char32_t *string)
{
	for (; *string != 0; string++, i++)
		if (i >= row->length || row->characters[i] != *string)
			return false;
	return true;
}

/* The inverse, which finds (DOT)+MULTI of the original text as well. */
static bool
restore_points(tok_python_text *text)
{
	const tok_python_row *row = &text->row;

	for (size_t i = 0; i < row->length;)
	{
		size_t end = i;

		while (starts_with(row, end, U"DOT"))
			end += 3;
		if (end == i)
		{
			if (!tok_python_copy(text, i++))
				return false;
			continue;
		}
		if (!starts_with(row, end, U"MULTI"))
		{
			for (; i < end; i++)
				if (!tok_python_copy(text, i))
					return false;
			continue;
		}
		for (; i < end; i += 3)
			if (!tok_python_append(text, '.', row->sources[i]))
				return false;
		i += 5;
	}
	return tok_python_turn(text);
}

/* A comma after (before) something that is no number gets spaces around it. */
static bool
split_commas(tok_python_text *text, bool after)
{
	const tok_python_row *row = &text->row;

	for (size_t i = 0; i < row->length; i++)
	{
		size_t comma = after ? i + 1 : i, other = after ? i : i + 1;

		if (i + 1 < row->length && row->characters[comma] == ',' &&
			!is_number(row->characters[other]))
		{
			if ((after && !tok_python_copy(text, other)) ||
				!tok_python_append_all(text, U" , ", row->sources[comma]) ||
				(!after && !tok_python_copy(text, other)))
				return false;
			i++;
		}
		else if (!tok_python_copy(text, i))
			return false;
	}
	return tok_python_turn(text);
}

static bool
split_last_comma(tok_python_text *text)
{
	tok_python_row *row = &text->row;
	size_t length = row->length;

	if (length < 2 || row->characters[length - 1] != ',' || !is_number(row->characters[length - 2]))
		return true;
	for (size_t i = 0; i + 1 < length; i++)
		if (!tok_python_copy(text, i))
			return false;
	return tok_python_append_all(text, U" , ", row->sources[length - 1]) && tok_python_turn(text);
}

/* What stands before and after an apostrophe, and what it becomes. */
typedef enum neighbour
{
	ALPHA,
	NOT_ALPHA,
	NOT_ALPHA_NUMBER,
	NUMBER,
	LETTER_S
} neighbour;

typedef struct apostrophe
{
	neighbour before, after;
	const char32_t *replacement;
} apostrophe;

static bool
is_neighbour(uint32_t c, neighbour n)
{
	switch (n)
	{
		case ALPHA:
			return is_alpha(c);
		case NOT_ALPHA:
			return !is_alpha(c);
		case NOT_ALPHA_NUMBER:
			return !is_alpha(c) && !is_number(c);
		case NUMBER:
			return is_number(c);
		case LETTER_S:
			return c == 's';
	}
	return false;
}

static bool
split_apostrophe(tok_python_text *text, const apostrophe *rule)
{
	const tok_python_row *row = &text->row;

	for (size_t i = 0; i < row->length; i++)
	{
		if (!tok_python_copy(text, i))
			return false;
		if (i + 2 < row->length && row->characters[i + 1] == '\'' &&
			is_neighbour(row->characters[i], rule->before) &&
			is_neighbour(row->characters[i + 2], rule->after))
		{
			if (!tok_python_append_all(text, rule->replacement, row->sources[i + 1]) ||
				!tok_python_copy(text, i + 2))
				return false;
			i += 2;
		}
	}
	return tok_python_turn(text);
}

static bool
split_apostrophes(moses *m)
{
	static const apostrophe english[] = {
		{NOT_ALPHA, NOT_ALPHA, U" ' "}, {NOT_ALPHA_NUMBER, ALPHA, U" ' "},
		{ALPHA, NOT_ALPHA, U" ' "},		{ALPHA, ALPHA, U" '"},
		{NUMBER, LETTER_S, U" '"},
	};
	static const apostrophe french[] = {
		{NOT_ALPHA, NOT_ALPHA, U" ' "},
		{NOT_ALPHA, ALPHA, U" ' "},
		{ALPHA, NOT_ALPHA, U" ' "},
		{ALPHA, ALPHA, U"' "},
	};
	bool is_french = is_language(m, "fr") || is_language(m, "it");
	size_t count =
		is_french ? sizeof(french) / sizeof(french[0]) : sizeof(english) / sizeof(english[0]);

	if (!is_french && !is_language(m, "en"))
		return tok_python_pass_replace(m->text, U"'", U" ' ");
	for (size_t i = 0; i < count; i++)
		if (!split_apostrophe(m->text, is_french ? &french[i] : &english[i]))
			return false;
	return true;
}

/* Whether characters start..end are a word of a list. */
static bool
is_listed(const tok_python_row *row, size_t start, size_t end, const char *list)
{
	char word[PREFIX_MAX + 8];
	size_t length = 0;

	word[length++] = '\n';
	for (; start < end && length < PREFIX_MAX; start++)
		length += (size_t) utf8_encode(row->characters[start], word + length);
	word[length++] = '\n';
	return start == end && memmem(list, strlen(list), word, length) != NULL;
}

/* Whether the full stop at the end of the word start..end stays with it; next is the word after. */
static bool
is_nonbreaking(const moses *m, size_t start, size_t end, size_t next)
{
	const tok_python_row *row = &m->text->row;
	uint32_t follower = next < row->length ? row->characters[next] : 0;
	bool has_point = false, has_alpha = false;

	for (size_t i = start; i + 1 < end; i++)
	{
		uint32_t c = row->characters[i];

		has_point = has_point || c == '.';
		has_alpha = has_alpha || is_alpha(c) || is_letter_of_language(m, c);
	}
	if ((has_point && has_alpha) || is_listed(row, start, end - 1, m->prefixes->plain))
		return true;
	if (follower < 0x80 ? follower >= 'a' && follower <= 'z' : TOK_MOSES_IS(follower, lower))
		return true;
	return follower >= '0' && follower <= '9' &&
		   is_listed(row, start, end - 1, m->prefixes->numeric);
}

/* Words with one space between, and the full stops at their ends apart, but for those that stay. */
static bool
split_stops(moses *m)
{
	tok_python_text *text = m->text;
	const tok_python_row *row = &text->row;
	size_t next;

	for (size_t start = 0; start < row->length; start = next)
	{
		size_t end = start;

		while (start < row->length && tok_python_is_space(row->characters[start]))
			start++;
		for (end = start; end < row->length && !tok_python_is_space(row->characters[end]);)
			end++;
		for (next = end; next < row->length && tok_python_is_space(row->characters[next]);)
			next++;
		if (start == end)
			break;
		if (text->next.length > 0 && !tok_python_append(text, ' ', row->sources[start]))
			return false;
		for (size_t i = start; i < end; i++)
		{
			bool stop = i + 1 == end && i > start && row->characters[i] == '.';

			if ((stop && !is_nonbreaking(m, start, end, next) &&
				 !tok_python_append(text, ' ', row->sources[i])) ||
				!tok_python_copy(text, i))
				return false;
		}
	}
	return tok_python_turn(text);
}

/* .' at the end becomes two words; the text has no spaces at its ends by now. */
static bool
split_last_apostrophe(tok_python_text *text)
{
	const tok_python_row *row = &text->row;
	size_t length = row->length;

	if (length < 2 || row->characters[length - 1] != '\'' || row->characters[length - 2] != '.')
		return true;
	for (size_t i = 0; i + 2 < length; i++)
		if (!tok_python_copy(text, i))
			return false;
	return tok_python_append_all(text, U" .", row->sources[length - 2]) &&
		   tok_python_append_all(text, U" ' ", row->sources[length - 1]) && tok_python_turn(text);
}

static const char32_t *
escaped(uint32_t c)
{
	switch (c)
	{
		case '&':
			return U"&amp;";
		case '|':
			return U"&#124;";
		case '<':
			return U"&lt;";
		case '>':
			return U"&gt;";
		case '\'':
			return U"&apos;";
		case '"':
			return U"&quot;";
		case '[':
			return U"&#91;";
		case ']':
			return U"&#93;";
		default:
			return NULL;
	}
}

static bool
escape(tok_python_text *text)
{
	for (size_t i = 0; i < text->row.length; i++)
	{
		const char32_t *entity = escaped(text->row.characters[i]);

		if (entity != NULL ? !tok_python_append_all(text, entity, text->row.sources[i])
						   : !tok_python_copy(text, i))
			return false;
	}
	return tok_python_turn(text);
}

static moses
open_moses(tok_python_text *text, const char *language)
{
	moses m = {.text = text, .language = language};

	m.hangul = is_language(&m, "ko") || is_language(&m, "cjk");
	m.kana = is_language(&m, "ja") || is_language(&m, "cjk");
	m.han = is_language(&m, "zh") || m.kana;
	m.prefixes = tok_moses_languages;
	while (m.prefixes->language != NULL && !is_language(&m, m.prefixes->language))
		m.prefixes++;
	if (m.prefixes->language == NULL)
		for (m.prefixes = tok_moses_languages; strcmp(m.prefixes->language, "en") != 0;)
			m.prefixes++;
	return m;
}

bool
tok_python_pass_moses(tok_python_text *text, const char *language, uint32_t flags)
{
	moses m = open_moses(text, language);

	if (!clean_spaces(text) || !pad_others(&m) ||
		((flags & TOK_MOSES_AGGRESSIVE) != 0 && !split_hyphens(&m)))
		return false;
	if (!replace_points(text) || !split_commas(text, true) || !split_commas(text, false) ||
		!split_last_comma(text) || !split_apostrophes(&m) || !split_stops(&m))
		return false;
	return split_last_apostrophe(text) && restore_points(text) &&
		   ((flags & TOK_MOSES_ESCAPE) == 0 || escape(text));
}
