/*
 * moses_detokenize.c
 *	  MosesDetokenizer: words back to a text, as FSMT and BioGPT do with sacremoses.
 *
 * Czech and Finnish have rules of their own there, which are not here.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "text/compile.h"
#include "text/python/moses.h"
#include "text/python/text.h"
#include "text/python/unicode.h"

#define LANGUAGE_SIZE 16

/* A kind of quotation mark, and how many of it there were. */
typedef struct quote
{
	size_t start, end; /* its first one; the text itself where it stands for several kinds */
	size_t count;
	bool standard; /* those that count as " */
} quote;

typedef struct detokenizer
{
	tok_python_text *text;
	const char *language;
	size_t start, end;					 /* the token */
	size_t previous_start, previous_end; /* the one before; equal if there is none */
	size_t next;						 /* where the one after begins, or the text's end */
	bool spaced;						 /* a space is put before the next token */
	quote *quotes;
	size_t quote_count, quote_capacity;
} detokenizer;

static bool
compile_detokenizer(tok_compiler *compiler, json spec, buffer *payload)
{
	const char *language = json_require_string(compiler->context, spec, "language");
	char stored[LANGUAGE_SIZE] = "";

	if (tfm_failed(compiler->context))
		return false;
	if (strcmp(language, "cs") == 0 || strcmp(language, "fi") == 0 ||
		strlen(language) >= LANGUAGE_SIZE)
		return tfm_fail(compiler->context, TFM_UNSUPPORTED,
						"\"%s\": Moses' detokenizer for language \"%s\" is not supported",
						compiler->source, language);
	memcpy(stored, language, strlen(language));
	return buffer_append(compiler->context, payload, stored, sizeof(stored));
}

static bool
is_language(const detokenizer *d, const char *language)
{
	return strcmp(d->language, language) == 0;
}

static uint32_t
at(const detokenizer *d, size_t i)
{
	return d->text->row.characters[i];
}

static bool
is_cjk(uint32_t c)
{
	static const tok_moses_range ranges[] = {
		{0x1100, 0x11FF},	{0x2E80, 0xA4CF},	{0xA840, 0xA87F},	{0xAC00, 0xD7AF},
		{0xF900, 0xFAFF},	{0xFE30, 0xFE4F},	{0xFF65, 0xFFDC},	{0x17000, 0x18AFF},
		{0x1B000, 0x1B12F}, {0x1B170, 0x1B2FF}, {0x20000, 0x2FFFF},
	};

	return tok_moses_is_in(c, ranges, sizeof(ranges) / sizeof(ranges[0]));
}

static bool
is_currency(uint32_t c)
{
	return c == '(' || c == '[' || c == '{' || c == 0xBF || c == 0xA1 || TOK_MOSES_IS(c, currency);
}

static bool
is_punctuation(uint32_t c)
{
	return c != 0 && c < 0x80 && strchr(",.?!:;\\%}])", (int) c) != NULL;
}

static bool
is_quote(uint32_t c)
{
	return c == '\'' || c == '"' || c == '`' || c == 0x201E || c == 0x201C;
}

static bool
is_curly(uint32_t c)
{
	return c == 0x201E || c == 0x201C || c == 0x201D;
}

static bool
is_all(const detokenizer *d, bool (*is)(uint32_t))
{
	for (size_t i = d->start; i < d->end; i++)
		if (!is(at(d, i)))
			return false;
	return true;
}

static bool
is_alpha_at(const detokenizer *d, size_t i)
{
	return i < d->text->row.length && TOK_MOSES_IS(at(d, i), plain_alpha);
}

static bool
append_token(detokenizer *d, bool space_before, bool space_after)
{
	tok_python_text *text = d->text;

	if (space_before && d->spaced && !tok_python_append(text, ' ', 0))
		return false;
	for (size_t i = d->start; i < d->end; i++)
		if (!tok_python_copy(text, i))
			return false;
	d->spaced = space_after;
	return true;
}

static bool
append_punctuation(detokenizer *d)
{
	if (is_language(d, "fr") && d->end - d->start == 1 && at(d, d->start) != ',' &&
		is_punctuation(at(d, d->start)) && strchr(".}])", (int) at(d, d->start)) == NULL &&
		!tok_python_append(d->text, ' ', 0))
		return false;
	return append_token(d, false, true);
}

/* The count of the token's kind of quotation mark; NULL on failure. */
static size_t *
find_quote(detokenizer *d)
{
	bool standard = is_all(d, is_curly) || (d->end - d->start == 1 && at(d, d->start) == '"');
	size_t length = d->end - d->start;

	for (size_t i = 0; i < d->quote_count; i++)
	{
		quote *q = &d->quotes[i];

		if (standard
				? q->standard
				: !q->standard && q->end - q->start == length &&
					  memcmp(d->text->row.characters + q->start, d->text->row.characters + d->start,
							 length * sizeof(uint32_t)) == 0)
			return &q->count;
	}
	if (d->quote_count == d->quote_capacity)
	{
		size_t capacity = d->quote_capacity * 2 + 8;
		quote *quotes = tok_work_alloc(d->text->work, capacity * sizeof(quote));

		if (quotes == NULL)
			return NULL;
		if (d->quote_count > 0)
			memcpy(quotes, d->quotes, d->quote_count * sizeof(quote));
		d->quotes = quotes;
		d->quote_capacity = capacity;
	}
	d->quotes[d->quote_count] = (quote) {.start = d->start, .end = d->end, .standard = standard};
	return &d->quotes[d->quote_count++].count;
}

static bool
append_quote(detokenizer *d)
{
	size_t *count = find_quote(d);
	bool possessive = is_language(d, "en") && d->end - d->start == 1 && at(d, d->start) == '\'' &&
					  d->previous_end > d->previous_start && at(d, d->previous_end - 1) == 's';

	if (count == NULL)
		return false;
	if (*count % 2 == 0 && possessive)
		return append_token(d, false, true);
	(*count)++;
	return *count % 2 == 1 ? append_token(d, true, false) : append_token(d, false, true);
}

static bool
append_next(detokenizer *d)
{
	uint32_t first = at(d, d->start), last = at(d, d->end - 1);
	bool is_first = d->previous_start == d->previous_end;

	if (is_cjk(first) && !is_language(d, "ko"))
		return append_token(d, is_first || !is_cjk(at(d, d->previous_end - 1)), true);
	if (is_all(d, is_currency))
		return append_token(d, true, false);
	if (is_all(d, is_punctuation))
		return append_punctuation(d);
	if (is_language(d, "en") && !is_first && first == '\'' && d->end - d->start > 1 &&
		is_alpha_at(d, d->start + 1))
		return append_token(d, false, true);
	if ((is_language(d, "fr") || is_language(d, "it") || is_language(d, "ga")) && last == '\'' &&
		d->end - d->start > 1 && is_alpha_at(d, d->end - 2) && is_alpha_at(d, d->next))
		return append_token(d, true, false);
	if (is_all(d, is_quote))
		return append_quote(d);
	return append_token(d, true, true);
}

static size_t
skip_spaces(const detokenizer *d, size_t i)
{
	while (i < d->text->row.length && tok_python_is_space(at(d, i)))
		i++;
	return i;
}

static bool
append_tokens(detokenizer *d)
{
	size_t length = d->text->row.length;

	d->spaced = true;
	for (d->start = skip_spaces(d, 0); d->start < length; d->start = d->next)
	{
		for (d->end = d->start; d->end < length && !tok_python_is_space(at(d, d->end));)
			d->end++;
		d->next = skip_spaces(d, d->end);
		if (!append_next(d))
			return false;
		d->previous_start = d->start;
		d->previous_end = d->end;
	}
	return tok_python_turn(d->text);
}

/* In this order, one after the other. */
static bool
unescape(tok_python_text *text)
{
	static const char32_t *const rules[][2] = {
		{U" @-@ ", U"-"},  {U"&bar;", U"|"}, {U"&#124;", U"|"}, {U"&lt;", U"<"},
		{U"&gt;", U">"},   {U"&bra;", U"["}, {U"&ket;", U"]"},	{U"&quot;", U"\""},
		{U"&apos;", U"'"}, {U"&#91;", U"["}, {U"&#93;", U"]"},	{U"&amp;", U"&"},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!tok_python_pass_replace(text, rules[i][0], rules[i][1]))
			return false;
	return true;
}

/* The tokens joined, "</w>" as spaces, then words with one space around each. */
static bool
load_words(tok_work *work, const tfm_text *texts, size_t count, tok_python_text **text)
{
	static const char word_end[] = "</w>";
	tok_string *string = &work->string;

	for (size_t i = 0; i < count; i++)
	{
		if (!tok_reserve_string(work, string, texts[i].length + 1))
			return false;
		for (size_t j = 0; j < texts[i].length; j++)
		{
			bool ends = texts[i].length - j >= 4 && memcmp(texts[i].data + j, word_end, 4) == 0;

			if (texts[i].data[j] != ' ')
				string->bytes[string->length++] = ends ? ' ' : texts[i].data[j];
			j += ends ? 3 : 0;
		}
	}
	*text = tok_python_load(work, 0, string->length);
	if (*text == NULL || !tok_python_append(*text, ' ', 0))
		return false;
	for (size_t i = 0; i < (*text)->row.length; i++)
	{
		uint32_t c = (*text)->row.characters[i];
		bool space = tok_python_is_space(c);

		if (space && (*text)->next.characters[(*text)->next.length - 1] == ' ')
			continue;
		if (!tok_python_append(*text, space ? ' ' : c, 0))
			return false;
	}
	return ((*text)->next.characters[(*text)->next.length - 1] == ' ' ||
			tok_python_append(*text, ' ', 0)) &&
		   tok_python_turn(*text);
}

/* Runs of spaces to one, and none at the ends. */
static bool
join_spaces(tok_python_text *text)
{
	for (size_t i = 0; i < text->row.length; i++)
		if ((i == 0 || text->row.characters[i] != ' ' || text->row.characters[i - 1] != ' ') &&
			!tok_python_copy(text, i))
			return false;
	return tok_python_turn(text) && tok_python_pass_strip(text);
}

static bool
detokenize(tok_work *work, const char *language, tfm_text *texts, size_t *count)
{
	detokenizer d = {.language = language};
	char *result;

	if (!load_words(work, texts, *count, &d.text) || !unescape(d.text) || !append_tokens(&d) ||
		!join_spaces(d.text) || !tok_python_store(d.text))
		return false;
	result = tfm_strndup(work->context, work->next.length == 0 ? "" : work->next.bytes,
						 work->next.length);
	texts[0] = (tfm_text) {.data = result, .length = work->next.length};
	*count = 1;
	return result != NULL;
}

static bool
run_detokenizer(tfm_context *context, tok_payload payload, tfm_text *texts, size_t *count)
{
	tok_work work = {.words = 0};
	bool ok;

	if (payload.length < LANGUAGE_SIZE || memchr(payload.bytes, '\0', LANGUAGE_SIZE) == NULL)
		return tok_fail_damaged(context);
	if (*count == 0)
		return true;
	if (!tok_work_begin(&work, context))
		return false;
	ok = detokenize(&work, payload.bytes, texts, count);
	tok_work_end(&work);
	return ok;
}

const tok_decoder tok_decoder_moses = {
	.row = {"MosesDetokenizer", compile_detokenizer},
	.run = run_detokenizer,
};
