/*
 * moses_punctuation.c
 *	  Punctuation as XLM, FSMT and Flaubert want it: replace_unicode_punct of Transformers, and the
 *	  MosesPunctNormalizer of sacremoses.
 *
 * Each rule is a substitution of its own over the whole text, in the order of the original.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/text.h"

#include <string.h>

#include "text/python/unicode.h"

/* What a rule asks for beside its text. */
typedef enum condition
{
	NOTHING,
	SPACES_AFTER,	   /* \s* after it is replaced, too */
	REPEATED,		   /* one or more of its one character */
	AFTER_DIGIT,	   /* a digit before it, which stays */
	BETWEEN_DIGITS,	   /* digits around it, which stay */
	BEFORE_PUNCTUATION /* one of .!:?;, after it, which stays */
} condition;

typedef struct rule
{
	const char32_t *from, *to;
	condition condition;
} rule;

static const rule unicode_rules[] = {
	{U"，", U",", NOTHING},	 {U"。", U". ", SPACES_AFTER}, {U"、", U",", NOTHING},
	{U"”", U"\"", NOTHING},	 {U"“", U"\"", NOTHING},	   {U"∶", U":", NOTHING},
	{U"：", U":", NOTHING},	 {U"？", U"?", NOTHING},	   {U"《", U"\"", NOTHING},
	{U"》", U"\"", NOTHING}, {U"）", U")", NOTHING},	   {U"！", U"!", NOTHING},
	{U"（", U"(", NOTHING},	 {U"；", U";", NOTHING},	   {U"１", U"1", NOTHING},
	{U"」", U"\"", NOTHING}, {U"「", U"\"", NOTHING},	   {U"０", U"0", NOTHING},
	{U"３", U"3", NOTHING},	 {U"２", U"2", NOTHING},	   {U"５", U"5", NOTHING},
	{U"６", U"6", NOTHING},	 {U"９", U"9", NOTHING},	   {U"７", U"7", NOTHING},
	{U"８", U"8", NOTHING},	 {U"４", U"4", NOTHING},	   {U"．", U". ", SPACES_AFTER},
	{U"～", U"~", NOTHING},	 {U"’", U"'", NOTHING},		   {U"…", U"...", NOTHING},
	{U"━", U"-", NOTHING},	 {U"〈", U"<", NOTHING},	   {U"〉", U">", NOTHING},
	{U"【", U"[", NOTHING},	 {U"】", U"]", NOTHING},	   {U"％", U"%", NOTHING},
	{NULL, NULL, NOTHING},
};

/* The rules of quotes between letters are left out: those of quotes anywhere do the same. */
static const rule moses_rules[] = {
	{U"\r", U"", NOTHING},
	{U"(", U" (", NOTHING},
	{U")", U") ", NOTHING},
	{U" ", U" ", REPEATED},
	{U") ", U")", BEFORE_PUNCTUATION},
	{U"( ", U"(", NOTHING},
	{U" )", U")", NOTHING},
	{U" %", U"%", AFTER_DIGIT},
	{U" :", U":", NOTHING},
	{U" ;", U";", NOTHING},
	{U"`", U"'", NOTHING},
	{U"''", U" \" ", NOTHING},
	{U"„", U"\"", NOTHING},
	{U"“", U"\"", NOTHING},
	{U"”", U"\"", NOTHING},
	{U"–", U"-", NOTHING},
	{U"—", U" - ", NOTHING},
	{U" ", U" ", REPEATED},
	{U"´", U"'", NOTHING},
	{U"‘", U"'", NOTHING},
	{U"‚", U"'", NOTHING},
	{U"’", U"'", NOTHING},
	{U"''", U"\"", NOTHING},
	{U"…", U"...", NOTHING},
	{U"\u00A0«\u00A0", U"\"", NOTHING},
	{U"«\u00A0", U"\"", NOTHING},
	{U"«", U"\"", NOTHING},
	{U"\u00A0»\u00A0", U"\"", NOTHING},
	{U"\u00A0»", U"\"", NOTHING},
	{U"»", U"\"", NOTHING},
	{U"\u00A0%", U"%", NOTHING},
	{U"nº\u00A0", U"nº ", NOTHING},
	{U"\u00A0:", U":", NOTHING},
	{U"\u00A0ºC", U" ºC", NOTHING},
	{U"\u00A0cm", U" cm", NOTHING},
	{U"\u00A0?", U"?", NOTHING},
	{U"\u00A0!", U"!", NOTHING},
	{U"\u00A0;", U";", NOTHING},
	{U",\u00A0", U", ", NOTHING},
	{U" ", U" ", REPEATED},
	{NULL, NULL, NOTHING},
};

static const rule number_point[] = {{U"\u00A0", U".", BETWEEN_DIGITS}, {NULL, NULL, NOTHING}};
static const rule number_comma[] = {{U"\u00A0", U",", BETWEEN_DIGITS}, {NULL, NULL, NOTHING}};
static const rule comma_quote[] = {{U",\"", U"\",", NOTHING}, {NULL, NULL, NOTHING}};

static bool
is_punctuation(uint32_t character)
{
	return character != 0 && character < 0x80 && strchr(".!:?;,", (int) character) != NULL;
}

/* How many characters from i on a rule matches; 0: none.  *kept of them come first and stay. */
static size_t
match_rule(const tok_python_row *row, size_t i, const rule *r, size_t *kept)
{
	const uint32_t *text = row->characters;
	size_t end = i;

	*kept = 0;
	if (r->condition == AFTER_DIGIT || r->condition == BETWEEN_DIGITS)
	{
		if (!tok_python_is_digit(text[i]))
			return 0;
		*kept = 1;
		end++;
	}
	for (const char32_t *from = r->from; *from != 0; from++, end++)
		if (end >= row->length || text[end] != *from)
			return 0;
	if (r->condition == BEFORE_PUNCTUATION && (end >= row->length || !is_punctuation(text[end])))
		return 0;
	if (r->condition == BETWEEN_DIGITS && (end >= row->length || !tok_python_is_digit(text[end])))
		return 0;
	while (r->condition == SPACES_AFTER && end < row->length && tok_python_is_space(text[end]))
		end++;
	while (r->condition == REPEATED && end < row->length && text[end] == r->from[0])
		end++;
	return end - i;
}

static bool
apply_rule(tok_python_text *text, const rule *r)
{
	const tok_python_row *row = &text->row;
	size_t i = 0;

	while (i < row->length && row->characters[i] != r->from[0])
		i++;
	if (i == row->length)
		return true;
	for (i = 0; i < row->length;)
	{
		size_t kept, matched = match_rule(row, i, r, &kept);
		/* What comes after, and was looked at alone, is not looked at again. */
		bool behind = r->condition == BEFORE_PUNCTUATION || r->condition == BETWEEN_DIGITS;

		if (matched == 0)
		{
			if (!tok_python_copy(text, i++))
				return false;
			continue;
		}
		if ((kept > 0 && !tok_python_copy(text, i)) ||
			!tok_python_append_all(text, r->to, row->sources[i + kept]) ||
			(behind && !tok_python_copy(text, i + matched)))
			return false;
		i += matched + behind;
	}
	return tok_python_turn(text);
}

static bool
apply_rules(tok_python_text *text, const rule *rules)
{
	for (; rules->from != NULL; rules++)
		if (!apply_rule(text, rules))
			return false;
	return true;
}

/* "([,.]+) becomes the points, then the quote */
static bool
move_quotes_behind(tok_python_text *text)
{
	const tok_python_row *row = &text->row;

	for (size_t i = 0; i < row->length; i++)
	{
		size_t quote = i;

		if (row->characters[i] == '"')
			while (i + 1 < row->length &&
				   (row->characters[i + 1] == ',' || row->characters[i + 1] == '.'))
				if (!tok_python_copy(text, ++i))
					return false;
		if (!tok_python_copy(text, quote))
			return false;
	}
	return tok_python_turn(text);
}

/* (\.+)"(\s*[^<]) becomes the quote, then the points; where that does not match, 0. */
static size_t
match_points_quote(const tok_python_row *row, size_t i, size_t *quote)
{
	size_t end;

	*quote = i;
	while (*quote < row->length && row->characters[*quote] == '.')
		(*quote)++;
	if (*quote == i || *quote >= row->length || row->characters[*quote] != '"')
		return 0;
	for (end = *quote + 1; end < row->length && tok_python_is_space(row->characters[end]);)
		end++;
	if (end < row->length && row->characters[end] != '<')
		return end + 1 - i;
	return end == *quote + 1 ? 0 : end - i;
}

static bool
move_quotes_before(tok_python_text *text)
{
	const tok_python_row *row = &text->row;

	for (size_t i = 0; i < row->length;)
	{
		size_t quote, matched = match_points_quote(row, i, &quote);
		size_t end = matched > 0 ? i + matched : quote > i ? quote : i + 1;

		if (matched > 0 && !tok_python_copy(text, quote))
			return false;
		for (; i < end; i++)
			if ((matched == 0 || i != quote) && !tok_python_copy(text, i))
				return false;
	}
	return tok_python_turn(text);
}

static bool
is_among(const char *language, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, language) == 0)
			return true;
	return false;
}

bool
tok_python_pass_unicode_punctuation(tok_python_text *text)
{
	return apply_rules(text, unicode_rules);
}

bool
tok_python_pass_moses_punctuation(tok_python_text *text, const char *language)
{
	static const char *const quoting[] = {"de", "es", "fr", NULL};
	static const char *const commas[] = {"de", "es", "cz", "cs", "fr", NULL};

	if (!apply_rules(text, moses_rules))
		return false;
	if (strcmp(language, "en") == 0 && !move_quotes_behind(text))
		return false;
	if (is_among(language, quoting) &&
		(!apply_rules(text, comma_quote) || !move_quotes_before(text)))
		return false;
	return apply_rules(text, is_among(language, commas) ? number_comma : number_point) &&
		   tok_python_pass_strip(text);
}
