/*
 * scan.c
 *	  Hand-written scanners for the regular expressions that most tokenizers split by.
 *
 * The patterns have a few forms, whose variants differ in constants: each form is an inline function
 * that the compiler makes a copy of for each variant.  The alternatives of a pattern are tried in
 * order, and each comment says how the backtracking of the regular expression ends.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/scan.h"

#include <string.h>

#include "text/character_class.h"

#define WORDLESS (~(TOK_SPACE | TOK_LETTER | TOK_NUMBER)) /* [^\s\p{L}\p{N}] */

/* What comes after the characters from i on that are in a class. */
static inline size_t
skip(const char *text, size_t length, size_t i, uint32_t class)
{
	int width;

	while (i < length && (tok_class_at(text + i, length - i, &width) & class) != 0)
		i += (size_t) width;
	return i;
}

/* The same for at most count characters. */
static inline size_t
skip_some(const char *text, size_t length, size_t i, uint32_t class, int count)
{
	int width;

	for (; count > 0 && i < length && (tok_class_at(text + i, length - i, &width) & class) != 0;
		 count--)
		i += (size_t) width;
	return i;
}

/* Whether the character at i, if there is one, is in a class. */
static inline bool
is_at(const char *text, size_t length, size_t i, uint32_t class)
{
	int width;

	return i < length && (tok_class_at(text + i, length - i, &width) & class) != 0;
}

/*
 * 's|'t|'re|'ve|'m|'ll|'d at i; folded in any case, where the long s is an s.  i if there is none.
 */
static inline size_t
skip_contraction(const char *text, size_t length, size_t i, bool folded)
{
	const unsigned char *s = (const unsigned char *) text + i;
	unsigned char first, second, fold = folded ? 0x20 : 0;

	if (length - i < 2 || s[0] != '\'')
		return i;
	first = s[1] | fold;
	if (first == 's' || first == 't' || first == 'm' || first == 'd')
		return i + 2;
	if (length - i < 3)
		return i;
	if (folded && s[1] == 0xC5 && s[2] == 0xBF)
		return i + 3;
	second = s[2] | fold;
	if (((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l'))
		return i + 3;
	return i;
}

/* \s+(?!\S)|\s+ at a white space: all of a run but its last character, unless that is all or the text
 * ends there.  end is the run's end. */
static inline size_t
leave_last_space(const char *text, size_t length, size_t from, size_t end)
{
	size_t last = end - 1;

	if (end == length)
		return end;
	while (((unsigned char) text[last] & 0xC0) == 0x80)
		last--;
	return last > from ? last : end;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ at a white space: up to the last line end of the run, if it has one. */
static inline size_t
skip_lines(const char *text, size_t length, size_t from)
{
	size_t end = skip(text, length, from, TOK_SPACE);

	for (size_t i = end; i > from; i--)
		if (text[i - 1] == '\n' || text[i - 1] == '\r')
			return i;
	return leave_last_space(text, length, from, end);
}

size_t
tok_scan_gpt2(const char *text, size_t length, size_t from)
{
	size_t next = skip_contraction(text, length, from, false);
	uint32_t class;
	int width;

	if (next > from)
		return next;
	class = tok_class_at(text + from, length - from, &width);
	next = from + (size_t) width;
	if (text[from] == ' ' && next < length)
	{
		class = tok_class_at(text + next, length - next, &width);
		next += (size_t) width;
	}
	if ((class & TOK_LETTER) != 0)
		return skip(text, length, next, TOK_LETTER);
	if ((class & TOK_NUMBER) != 0)
		return skip(text, length, next, TOK_NUMBER);
	if ((class & TOK_SPACE) == 0)
		return skip(text, length, next, WORDLESS);
	return leave_last_space(text, length, from, skip(text, length, from, TOK_SPACE));
}

/*
 * OpenAI's cl100k and its kin: (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?W+|\p{N}{1,digits}|
 *  ?[^\s W\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ where W, the word, is \p{L}, or [\p{L}\p{M}].
 */
static inline size_t
scan_cl100k(const char *text, size_t length, size_t from, uint32_t word, int digits)
{
	size_t next = skip_contraction(text, length, from, true);
	uint32_t class;
	int width;

	if (next > from)
		return next;
	class = tok_class_at(text + from, length - from, &width);
	next = from + (size_t) width;
	if ((class & word) != 0 ||
		((class & (TOK_NEWLINE | TOK_NUMBER)) == 0 && is_at(text, length, next, word)))
		return skip(text, length, next, word);
	if ((class & TOK_NUMBER) != 0)
		return skip_some(text, length, next, TOK_NUMBER, digits - 1);
	if (text[from] == ' ' && is_at(text, length, next, WORDLESS & ~word))
		class = TOK_PO;
	if ((class & TOK_SPACE) == 0)
		return skip(text, length, skip(text, length, next, WORDLESS & ~word), TOK_NEWLINE);
	return skip_lines(text, length, from);
}

static size_t
scan_llama3(const char *text, size_t length, size_t from)
{
	return scan_cl100k(text, length, from, TOK_LETTER, 3);
}

static size_t
scan_qwen2(const char *text, size_t length, size_t from)
{
	return scan_cl100k(text, length, from, TOK_LETTER, 1);
}

static size_t
scan_qwen3_5(const char *text, size_t length, size_t from)
{
	return scan_cl100k(text, length, from, TOK_LETTER | TOK_MARK, 1);
}

#define UPPER (TOK_LU | TOK_LT | TOK_LM | TOK_LO | TOK_MARK)
#define LOWER (TOK_LL | TOK_LM | TOK_LO | TOK_MARK)

/*
 * UPPER*LOWER+ from i on: lower-case letters after the upper-case ones; if there are none, up to the
 * last of those that count as both.  i if there is no match; *upper_end is that of UPPER*.
 */
static inline size_t
skip_capitalized(const char *text, size_t length, size_t i, size_t *upper_end)
{
	size_t both = i;
	int width;

	while (i < length)
	{
		uint32_t class = tok_class_at(text + i, length - i, &width);

		if ((class & UPPER) == 0)
		{
			*upper_end = i;
			return (class & LOWER) != 0 ? skip(text, length, i + (size_t) width, LOWER) : both;
		}
		i += (size_t) width;
		if ((class & LOWER) != 0)
			both = i;
	}
	*upper_end = i;
	return both;
}

/*
 * The words of o200k: [^\r\n\p{L}\p{N}]?UPPER*LOWER+ or [^\r\n\p{L}\p{N}]?UPPER+LOWER*, from a
 * character of that class and length on.
 */
static inline size_t
skip_cased_word(const char *text, size_t length, size_t from, uint32_t class, int width)
{
	bool prefix = (class & (TOK_NEWLINE | TOK_LETTER | TOK_NUMBER)) == 0;
	size_t next = from + (prefix ? (size_t) width : 0);
	size_t upper_end, plain_end = from, end = skip_capitalized(text, length, next, &upper_end);

	if (end > next)
		return end;
	if ((class & TOK_MARK) != 0)
	{
		/* The prefix may also begin the word. */
		end = skip_capitalized(text, length, from, &plain_end);
		if (end > from)
			return end;
	}
	return upper_end > next ? upper_end : plain_end;
}

/*
 * OpenAI's o200k and its kin: words of both cases, with contractions at their ends or without, then
 * \p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+.
 */
static inline size_t
scan_o200k(const char *text, size_t length, size_t from, int digits, bool contractions)
{
	int width;
	uint32_t class = tok_class_at(text + from, length - from, &width);
	size_t next = from + (size_t) width;
	size_t end = (class & (TOK_NEWLINE | TOK_NUMBER)) != 0
					 ? from
					 : skip_cased_word(text, length, from, class, width);

	if (end > from)
		return contractions ? skip_contraction(text, length, end, true) : end;
	if ((class & TOK_NUMBER) != 0)
		return skip_some(text, length, next, TOK_NUMBER, digits - 1);
	if (text[from] == ' ' && is_at(text, length, next, WORDLESS))
		class = TOK_PO;
	if ((class & TOK_SPACE) != 0)
		return skip_lines(text, length, from);
	for (end = skip(text, length, next, WORDLESS);
		 end < length && (text[end] == '\n' || text[end] == '\r' || text[end] == '/'); end++)
		;
	return end;
}

static size_t
scan_gpt4o(const char *text, size_t length, size_t from)
{
	return scan_o200k(text, length, from, 3, true);
}

static size_t
scan_tekken(const char *text, size_t length, size_t from)
{
	return scan_o200k(text, length, from, 1, false);
}

static inline bool
is_ascii_letter(unsigned char c)
{
	return (unsigned char) ((c | 0x20) - 'a') < 26;
}

static inline bool
is_ascii_punctuation(unsigned char c)
{
	return c < 0x80 && (tok_ascii_class(c) & (TOK_PUNCTUATION | TOK_SYMBOL)) != 0;
}

/*
 * DeepSeek-V3: [ASCII punctuation][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
 *  ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+, which does not cover digits and control characters.
 */
static size_t
scan_deepseek(const char *text, size_t length, size_t from)
{
	const uint32_t word = TOK_LETTER | TOK_MARK, marks = TOK_PUNCTUATION | TOK_SYMBOL;
	int width;
	uint32_t class = tok_class_at(text + from, length - from, &width);
	size_t next = from + (size_t) width;

	if (next < length && is_ascii_punctuation((unsigned char) text[from]) &&
		is_ascii_letter((unsigned char) text[next]))
	{
		while (next < length && is_ascii_letter((unsigned char) text[next]))
			next++;
		return next;
	}
	if ((class & word) != 0 ||
		((class & (TOK_NEWLINE | marks)) == 0 && is_at(text, length, next, word)))
		return skip(text, length, next, word);
	if (text[from] == ' ' && is_at(text, length, next, marks))
		class = TOK_PO;
	if ((class & marks) != 0)
		return skip(text, length, skip(text, length, next, marks), TOK_NEWLINE);
	return (class & TOK_SPACE) != 0 ? skip_lines(text, length, from) : from;
}

/* [一-龥぀-ゟ゠-ヿ]+, which are three bytes each. */
static size_t
scan_deepseek_ideographs(const char *text, size_t length, size_t from)
{
	int width;

	while (from < length && (unsigned char) text[from] >= 0xE3 && (unsigned char) text[from] < 0xEA)
	{
		uint32_t c = tok_character_at(text + from, length - from, &width);

		if (!(c >= 0x4E00 && c <= 0x9FA5) && !(c >= 0x3040 && c <= 0x30FF))
			break;
		from += (size_t) width;
	}
	return from;
}

/* CLIP: 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+ */
static size_t
scan_clip(const char *text, size_t length, size_t from)
{
	size_t next = skip_contraction(text, length, from, false);
	uint32_t class;
	int width;

	if (next > from)
		return next;
	class = tok_class_at(text + from, length - from, &width);
	next = from + (size_t) width;
	if ((class & TOK_NUMBER) != 0)
		return next;
	if ((class & TOK_SPACE) != 0)
		return from;
	return skip(text, length, next, (class & TOK_LETTER) != 0 ? TOK_LETTER : WORDLESS);
}

static size_t
scan_three_digits(const char *text, size_t length, size_t from)
{
	return skip_some(text, length, from, TOK_NUMBER, 3);
}

static size_t
scan_digit(const char *text, size_t length, size_t from)
{
	return skip_some(text, length, from, TOK_NUMBER, 1);
}

static size_t
scan_digits(const char *text, size_t length, size_t from)
{
	return skip(text, length, from, TOK_NUMBER);
}

/* Falcon: [0-9][0-9][0-9] */
static size_t
scan_falcon(const char *text, size_t length, size_t from)
{
	if (length - from < 3)
		return from;
	for (size_t i = 0; i < 3; i++)
		if (text[from + i] < '0' || text[from + i] > '9')
			return from;
	return from + 3;
}

/* [^(\s|[.,!?…。，、।۔،])], where the brackets and the bar stand for themselves. */
static inline bool
is_bloom_word(const char *text, size_t left, int *width)
{
	uint32_t c;

	if (strchr("(|).,!?", *text) != NULL && *text != '\0')
		return false;
	c = tok_character_at(text, left, width);
	if (c == 0x2026 || c == 0x3002 || c == 0xFF0C || c == 0x3001 || c == 0x964 || c == 0x6D4 ||
		c == 0x60C)
		return false;
	return (tok_character_class(c) & TOK_SPACE) == 0;
}

/* BLOOM: the characters above, one or more, with a space before them or without. */
static size_t
scan_bloom(const char *text, size_t length, size_t from)
{
	size_t start = from + (text[from] == ' '), end = start;
	int width;

	while (end < length && is_bloom_word(text + end, length - end, &width))
		end += (size_t) width;
	return end > start ? end : from;
}

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define LINES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPERS "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWERS "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define PREFIX "[^\\r\\n\\p{L}\\p{N}]?"

/* Payloads hold the place of a scanner here: new ones go to the end. */
static const tok_scanner scanners[] = {
	{CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", tok_scan_gpt2,
	 true},
	{"(?i:" CONTRACTIONS ")|" PREFIX "\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" LINES,
	 scan_llama3, true},
	{"(?i:" CONTRACTIONS ")|" PREFIX "\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" LINES,
	 scan_qwen2, true},
	{"(?i:" CONTRACTIONS ")|" PREFIX
	 "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" LINES,
	 scan_qwen3_5, true},
	{PREFIX UPPERS "*" LOWERS "+(?i:" CONTRACTIONS ")?|" PREFIX UPPERS "+" LOWERS
				   "*(?i:" CONTRACTIONS ")?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" LINES,
	 scan_gpt4o, true},
	{PREFIX UPPERS "*" LOWERS "+|" PREFIX UPPERS "+" LOWERS
				   "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" LINES,
	 scan_tekken, true},
	{"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?"
	 "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" LINES,
	 scan_deepseek, false},
	{"[一-龥\u3040-ゟ゠-ヿ]+", scan_deepseek_ideographs, false},
	{CONTRACTIONS "|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", scan_clip, false},
	{"\\p{N}{1,3}", scan_three_digits, false},
	{"\\p{N}", scan_digit, false},
	{"\\p{N}+", scan_digits, false},
	{"[0-9][0-9][0-9]", scan_falcon, false},
	{" ?[^(\\s|[.,!?…。，、।۔،])]+", scan_bloom, false},
};

#define COUNT (sizeof(scanners) / sizeof(scanners[0]))

int
tok_find_scanner(const char *pattern)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(scanners[i].pattern, pattern) == 0)
			return (int) i;
	return -1;
}

const tok_scanner *
tok_scanner_at(uint32_t number)
{
	return number < COUNT ? &scanners[number] : NULL;
}

bool
tok_find_scanned(void *argument, const char *text, size_t length, size_t from, size_t *start,
				 size_t *end)
{
	const tok_scanner *scanner = argument;
	int width;

	for (size_t i = from; i < length; i += (size_t) width)
	{
		*end = scanner->scan(text, length, i);
		if (*end > i)
		{
			*start = i;
			return true;
		}
		tok_character_at(text + i, length - i, &width);
	}
	return false;
}

/* All of a span, match by match, without gaps. */
static bool
split_covered(tok_work *work, const tok_scanner *scanner, tok_span span)
{
	const char *text = work->string.bytes + span.start;
	size_t length = span.end - span.start;
	uint32_t polled = 1;

	for (size_t start = 0, end; start < length; start = end)
	{
		end = scanner->scan(text, length, start);
		if (!tok_append_span(work, &work->next_spans, span.start + start, span.start + end, -1) ||
			((++polled & 0xFFFF) == 0 && tfm_stopped(work->context)))
			return false;
	}
	return true;
}

bool
tok_split_scanned(tok_work *work, tok_behavior behavior, bool inverted, const tok_scanner *scanner)
{
	if (!scanner->covers || (behavior != TOK_ISOLATED && !(behavior == TOK_REMOVED && inverted)))
		return tok_split_spans(work, behavior, inverted, tok_find_scanned, (void *) scanner);
	for (size_t i = 0; i < work->spans.count; i++)
	{
		tok_span span = work->spans.items[i];

		if (span.added >= 0
				? !tok_append_span(work, &work->next_spans, span.start, span.end, span.added)
				: !split_covered(work, scanner, span))
			return false;
		if ((i & 0xFFF) == 0xFFF && tfm_stopped(work->context))
			return false;
	}
	tok_swap_spans(work);
	return true;
}
