/*
 * pre_tokenizers.c
 *	  PythonSplit: words as str.split() and re.findall give them; PythonBasicTokenizer: those of
 *	  BERT's BasicTokenizer in Python.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "base/utf8.h"
#include "text/compile.h"
#include "text/python/set.h"
#include "text/python/text.h"
#include "text/python/unicode.h"
#include "text/unicode.h"

/* Where PythonSplit splits. */
typedef enum split_mode
{
	WHITESPACE, /* str.split() */
	SPACE,		/* str.split(' '), without empty words */
	PHONES,		/* the same, without words that are white space */
	WITH_LINE,	/* re.findall("\\S+\n?") */
	REGEX_LINE, /* the same of the package regex, whose \s is White_Space */
	SPLIT_MODES
} split_mode;

static const char *const split_names[SPLIT_MODES] = {"whitespace", "space", "phones", "with_line",
													 "regex_line"};

static bool
compile_split(tok_compiler *compiler, json spec, buffer *payload)
{
	const char *name = json_require_string(compiler->context, spec, "mode");
	uint64_t mode = 0;

	if (tfm_failed(compiler->context))
		return false;
	while (mode < SPLIT_MODES && strcmp(split_names[mode], name) != 0)
		mode++;
	if (mode == SPLIT_MODES)
		return tfm_fail(compiler->context, TFM_UNSUPPORTED,
						"\"%s\": mode \"%s\" of PythonSplit is not supported", compiler->source,
						name);
	return buffer_append(compiler->context, payload, &mode, sizeof(mode));
}

static bool
is_split_at(uint32_t character, split_mode mode)
{
	switch (mode)
	{
		case SPACE:
		case PHONES:
			return character == ' ';
		case REGEX_LINE:
			return tok_is_space(character);
		default:
			return tok_python_is_space(character);
	}
}

static bool
is_blank(const tok_work *work, size_t start, size_t end)
{
	while (start < end)
	{
		int width;

		if (!tok_python_is_space(utf8_decode(work->string.bytes + start, &width)))
			return false;
		start += (size_t) width;
	}
	return true;
}

static bool
append_word(tok_work *work, split_mode mode, size_t start, size_t end)
{
	return (mode == PHONES && is_blank(work, start, end)) ||
		   tok_append_span(work, &work->next_spans, start, end, -1);
}

static bool
split_span(tok_work *work, split_mode mode, tok_span span)
{
	size_t start = span.start;
	bool inside = false;

	for (size_t i = span.start; i < span.end;)
	{
		int width;
		uint32_t c = utf8_decode(work->string.bytes + i, &width);
		bool space = is_split_at(c, mode);

		if (space && inside)
		{
			size_t end = i + (mode >= WITH_LINE && c == '\n');

			if (!append_word(work, mode, start, end))
				return false;
		}
		if (!space && !inside)
			start = i;
		inside = !space;
		i += (size_t) width;
	}
	return !inside || append_word(work, mode, start, span.end);
}

/* Split each span that is no added token's by step. */
static bool
split_spans(tok_work *work, bool (*step)(tok_work *, tok_payload, tok_span), tok_payload payload)
{
	for (size_t i = 0; i < work->spans.count; i++)
	{
		tok_span span = work->spans.items[i];
		bool ok = span.added >= 0
					  ? tok_append_span(work, &work->next_spans, span.start, span.end, span.added)
					  : step(work, payload, span);

		if (!ok || ((i & 0xFFF) == 0xFFF && tfm_stopped(work->context)))
			return false;
	}
	tok_swap_spans(work);
	return true;
}

static bool
split_step(tok_work *work, tok_payload payload, tok_span span)
{
	return split_span(work, (split_mode) * (const uint64_t *) payload.bytes, span);
}

static bool
run_split(tok_work *work, tok_payload payload)
{
	if (payload.length < sizeof(uint64_t))
		return tok_fail_damaged(work->context);
	return split_spans(work, split_step, payload);
}

#define EMPTY_SIZE 24
#define BASIC_LOWER 1u
#define BASIC_STRIP_ACCENTS 2u
#define BASIC_CHINESE 4u

/* Followed by the set of words that are never split. */
typedef struct basic_payload
{
	uint64_t flags;
	char empty[EMPTY_SIZE]; /* the word of a text that says nothing (TAPAS); "": there is none */
} basic_payload;

static bool
compile_basic(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	json strip = json_member(spec, "strip_accents");
	bool lower = json_bool(context, spec, "lowercase", false);
	const char *empty = json_string(context, spec, "empty", "");
	bool strips = json_present(strip) ? json_bool(context, spec, "strip_accents", false) : lower;
	basic_payload basic = {
		.flags = (lower ? BASIC_LOWER : 0) | (strips ? BASIC_STRIP_ACCENTS : 0) |
				 (json_bool(context, spec, "handle_chinese_chars", false) ? BASIC_CHINESE : 0),
	};

	if (strlen(empty) < EMPTY_SIZE)
		memcpy(basic.empty, empty, strlen(empty));
	return !tfm_failed(context) && buffer_append(context, payload, &basic, sizeof(basic)) &&
		   tok_strings_compile(context, json_member(spec, "never_split"), payload);
}

static bool
is_chinese(uint32_t c)
{
	return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
		   (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2CEAF) ||
		   (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/* _clean_text, and spaces around Chinese characters. */
static bool
clean(tok_python_text *text, bool chinese)
{
	for (size_t i = 0; i < text->row.length; i++)
	{
		uint32_t c = text->row.characters[i];
		int32_t source = text->row.sources[i];
		bool space = c == '\t' || c == '\n' || c == '\r' || tok_python_is_separator(c);
		bool padded = chinese && is_chinese(c);

		if (c == 0xFFFD || (!space && tok_python_is_other(c)))
			continue;
		if ((padded && !tok_python_append(text, ' ', source)) ||
			!tok_python_append(text, space ? ' ' : c, source) ||
			(padded && !tok_python_append(text, ' ', source)))
			return false;
	}
	return tok_python_turn(text);
}

/* The words of the text that may be split, one at a time: lower case, accents, punctuation. */
static bool
rewrite_word(tok_work *work, const basic_payload *basic, size_t start, size_t end)
{
	tok_python_text *text = tok_python_load(work, start, end);
	tok_string *next = &work->next;
	size_t word = next->length;

	if (text == NULL || ((basic->flags & BASIC_LOWER) != 0 && !tok_python_pass_lower(text)))
		return false;
	if ((basic->flags & BASIC_STRIP_ACCENTS) != 0 &&
		(!tok_python_pass_normalize(text, false, false) ||
		 !tok_python_pass_remove(text, tok_python_is_nonspacing_mark)))
		return false;
	for (size_t i = 0; i < text->row.length; i++)
	{
		uint32_t c = text->row.characters[i];
		bool alone = tok_python_is_punctuation(c);

		if (alone && next->length > word &&
			!tok_append_span(work, &work->next_spans, word, next->length, -1))
			return false;
		if (alone)
			word = next->length;
		if (!tok_append_character(work, next, c, text->row.sources[i]))
			return false;
		if (alone && !tok_append_span(work, &work->next_spans, word, next->length, -1))
			return false;
		if (alone)
			word = next->length;
	}
	return next->length == word || tok_append_span(work, &work->next_spans, word, next->length, -1);
}

static bool
keep_word(tok_work *work, size_t start, size_t end)
{
	tok_string *next = &work->next;
	size_t word = next->length;

	if (!tok_reserve_string(work, next, end - start))
		return false;
	memcpy(next->bytes + word, work->string.bytes + start, end - start);
	if (next->keeps_sources)
		memcpy(next->sources + word, work->string.sources + start, (end - start) * sizeof(int32_t));
	next->length += end - start;
	return tok_append_span(work, &work->next_spans, word, next->length, -1);
}

/* Whether TAPAS' format_text gives "EMPTY": no word, or one that stands for none. */
static bool
is_empty(const tok_python_text *text)
{
	static const char32_t *const nothing[] = {U"n/a", U"?", U"nan"};
	const tok_python_row *row = &text->row;
	size_t start = 0, end = row->length;

	while (start < end && tok_python_is_space(row->characters[start]))
		start++;
	while (end > start && tok_python_is_space(row->characters[end - 1]))
		end--;
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
	{
		size_t matched = 0;

		while (start + matched < end && nothing[i][matched] != 0 &&
			   (row->characters[start + matched] | 0x20u) == (nothing[i][matched] | 0x20u))
			matched++;
		if (start + matched == end && nothing[i][matched] == 0)
			return true;
	}
	for (; start < end; start++)
		if (tok_python_is_alphanumeric(row->characters[start]))
			return false;
	return true;
}

static bool
append_empty(tok_work *work, const basic_payload *basic)
{
	size_t length = strnlen(basic->empty, EMPTY_SIZE);
	size_t end = work->string.length;

	work->next.length = 0;
	if (!tok_reserve_string(work, &work->next, length))
		return false;
	memcpy(work->next.bytes, basic->empty, length);
	for (size_t i = 0; work->next.keeps_sources && i < length; i++)
		work->next.sources[i] = end == 0 ? 0 : work->string.sources[i + 1 == length ? end - 1 : 0];
	work->next.length = length;
	tok_swap_strings(work);
	work->spans.count = 0;
	return tok_append_span(work, &work->spans, 0, length, -1);
}

/* The whole string is cleaned and composed, then its words are rewritten to the next. */
static bool
run_basic(tok_work *work, tok_payload payload)
{
	const basic_payload *basic = payload.bytes;
	tok_payload set = tok_strings_after(payload, sizeof(*basic));
	tok_python_text *text;

	if (payload.length < sizeof(*basic))
		return tok_fail_damaged(work->context);
	text = tok_python_load(work, 0, work->string.length);
	work->next.length = 0;
	if (text != NULL && basic->empty[0] != '\0' && is_empty(text))
		return append_empty(work, basic);
	if (text == NULL || !clean(text, (basic->flags & BASIC_CHINESE) != 0) ||
		!tok_python_pass_normalize(text, false, true) || !tok_python_store(text))
		return false;
	tok_swap_strings(work);
	work->spans.count = work->next_spans.count = 0;
	if (work->string.length > 0 &&
		!split_span(work, WHITESPACE,
					(tok_span) {.start = 0, .end = (uint32_t) work->string.length}))
		return false;
	tok_swap_spans(work);
	for (size_t i = 0; i < work->spans.count; i++)
	{
		tok_span span = work->spans.items[i];
		const char *word = work->string.bytes + span.start;
		bool ok = tok_strings_has(set, word, span.end - span.start)
					  ? keep_word(work, span.start, span.end)
					  : rewrite_word(work, basic, span.start, span.end);

		if (!ok)
			return false;
	}
	tok_swap_strings(work);
	tok_swap_spans(work);
	return true;
}

/* PythonNormalizeWords: unicodedata.normalize("NFKC") of each word by itself. */
static bool
normalize_word(tok_work *work, tok_payload payload, tok_span span)
{
	tok_python_text *text = tok_python_load(work, span.start, span.end);
	size_t start = work->next.length;

	(void) payload;
	return text != NULL && tok_python_pass_normalize(text, true, true) && tok_python_store(text) &&
		   tok_append_span(work, &work->next_spans, start, work->next.length, -1);
}

static bool
run_normalize_words(tok_work *work, tok_payload payload)
{
	work->next.length = 0;
	if (!split_spans(work, normalize_word, payload))
		return false;
	tok_swap_strings(work);
	return true;
}

const tok_pre_tokenizer tok_pre_tokenizer_python_split = {
	.row = {"PythonSplit", compile_split},
	.run = run_split,
};
const tok_pre_tokenizer tok_pre_tokenizer_python_basic = {
	.row = {"PythonBasicTokenizer", compile_basic},
	.run = run_basic,
};
const tok_pre_tokenizer tok_pre_tokenizer_python_normalize_words = {
	.row = {"PythonNormalizeWords", NULL},
	.run = run_normalize_words,
};
