/*
 * tapas_numbers.c
 *	  Numbers and dates in questions and tables, as TAPAS sees them.
 *	  Follows parse_text and what it is used for in tokenization_tapas.py, which follow number_utils.py
 *	  and number_annotation_utils.py of TAPAS.
 *
 * A text is cut at what is neither letter nor digit into words; numbers are looked for by a pattern
 * and in words, dates in up to five words.  Of what is found within each other the longest counts.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/tapas_numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/python/unicode.h"

/* Years that are taken for years. */
#define MIN_YEAR 1700
#define MAX_YEAR 2016

#define MAX_DATE_WORDS 5

/* The longest text of a number, and of a date. */
#define NUMBER_LENGTH 512
#define DATE_LENGTH 64

/* Part of the rows of a column that must have values of a kind. */
#define MIN_CONSOLIDATION 0.7

/* Where a value was found. */
typedef struct span
{
	size_t begin, end;
	tapas_value value;
	size_t order; /* in which it was found */
} span;

typedef struct scan
{
	tfm_context *context;
	uint32_t *text; /* characters */
	size_t length;
	span *spans;
	size_t count, capacity;
	size_t numbers, passed; /* spans of the pattern, and how many of them lie before a word */
} scan;

/* ---- Text ---- */

static bool
load_text(scan *s, tfm_text text)
{
	bool spaced = true;

	s->text = tfm_alloc_array(s->context, 3 * text.length + 1, sizeof(uint32_t));
	if (s->text == NULL)
		return false;
	for (size_t i = 0; i < text.length;)
	{
		uint32_t lower[3];
		int width, count;
		uint32_t c = utf8_decode(text.data + i, &width);

		i += (size_t) width;
		if (tok_python_is_space(c))
		{
			if (!spaced)
				s->text[s->length++] = ' ';
			spaced = true;
			continue;
		}
		spaced = false;
		count = tok_python_lower(c, lower);
		for (int j = 0; j < count; j++)
			s->text[s->length++] = lower[j];
	}
	if (s->length > 0 && s->text[s->length - 1] == ' ')
		s->length--;
	return true;
}

static bool
is_digit_at(const scan *s, size_t i)
{
	return i < s->length && tok_python_is_digit(s->text[i]);
}

static bool
is_word_at(const scan *s, size_t i)
{
	return i < s->length && tok_python_is_alphanumeric(s->text[i]);
}

/* The value of a decimal digit of any script: they stand in runs of ten. */
static int
digit_value(uint32_t c)
{
	uint32_t first = c;

	while (first > 0 && tok_python_is_digit(first - 1))
		first--;
	return (int) ((c - first) % 10);
}

static bool
add_span(scan *s, size_t begin, size_t end, tapas_value value)
{
	if (s->count == s->capacity)
	{
		size_t more = s->capacity == 0 ? 16 : 2 * s->capacity;
		span *spans = tfm_alloc_array(s->context, more, sizeof(span));

		if (spans == NULL)
			return false;
		if (s->count > 0)
			memcpy(spans, s->spans, s->count * sizeof(span));
		s->spans = spans;
		s->capacity = more;
	}
	s->spans[s->count] = (span) {.begin = begin, .end = end, .value = value, .order = s->count};
	s->count++;
	return true;
}

static bool
add_number(scan *s, size_t begin, size_t end, double number)
{
	return add_span(s, begin, end, (tapas_value) {.number = number, .parts = {-1, -1, -1}});
}

/* ---- Numbers ---- */

/* Characters begin .. end - 1 as ASCII, digits of other scripts too; false if they are none. */
static bool
copy_ascii(const scan *s, size_t begin, size_t end, char *to, size_t size)
{
	if (end - begin >= size)
		return false;
	for (size_t i = begin; i < end; i++)
	{
		uint32_t c = s->text[i];

		if (c >= 128 && !tok_python_is_digit(c))
			return false;
		*to++ = c < 128 ? (char) c : (char) ('0' + digit_value(c));
	}
	*to = '\0';
	return true;
}

/* "1st", "22nd": a number without its suffix. */
static void
cut_ordinal(char *text)
{
	static const char *const suffixes[] = {"st", "nd", "rd", "th"};
	size_t length = strlen(text);

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (length >= 2 && strcmp(text + length - 2, suffixes[i]) == 0)
		{
			text[length - 2] = '\0';
			return;
		}
}

static void
cut_commas(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++)
		if (*text != ',')
			*to++ = *text;
	*to = '\0';
}

/* A number as Python's float() reads it, but no words: digits, a point, an exponent. */
static bool
read_number(const char *text, double *number)
{
	char *end;

	while (*text == ' ')
		text++;
	if (text[strspn(text, "0123456789+-.e")] != '\0' || strpbrk(text, "0123456789") == NULL)
		return false;
	*number = strtod(text, &end);
	return *end == '\0' && *number != HUGE_VAL;
}

static bool
parse_number(const scan *s, size_t begin, size_t end, double *number)
{
	char text[NUMBER_LENGTH];

	if (!copy_ascii(s, begin, end, text, sizeof(text)))
		return false;
	cut_ordinal(text);
	cut_commas(text);
	return read_number(text, number);
}

/* Where a number without a sign that begins at i ends; i if none does. */
static size_t
match_number(const scan *s, size_t i)
{
	size_t end = i;

	if (i < s->length && s->text[i] == '.' && is_digit_at(s, i + 1))
		end++;
	while (is_digit_at(s, end))
		end++;
	if (end == i || s->text[i] == '.')
		return end;
	while (end < s->length && s->text[end] == ',' && is_digit_at(s, end + 1) &&
		   is_digit_at(s, end + 2) && is_digit_at(s, end + 3))
		end += 4;
	if (end < s->length && s->text[end] == '.')
		for (end++; is_digit_at(s, end);)
			end++;
	return end;
}

/* Where a sign that may stand before a number at i ends; i if there is none. */
static size_t
match_sign(const scan *s, size_t i)
{
	size_t at = i < s->length && s->text[i] == ' ' ? i + 1 : i;

	if ((at > i || i == 0) && at < s->length && (s->text[at] == '+' || s->text[at] == '-'))
		return at + 1;
	return i;
}

static bool
find_numbers(scan *s)
{
	size_t polled = 0;

	for (size_t i = 0; i < s->length;)
	{
		size_t sign = match_sign(s, i), end = match_number(s, sign);
		double number;

		if ((++polled & 0xFFF) == 0 && tfm_stopped(s->context))
			return false;
		if (end == sign)
		{
			sign = i;
			end = match_number(s, i);
		}
		if (end == sign)
		{
			i++;
			continue;
		}
		if (parse_number(s, i, end, &number) && !add_number(s, i, end, number))
			return false;
		i = end;
	}
	s->numbers = s->count;
	return true;
}

static bool
is_text(const scan *s, size_t begin, size_t end, const char *word)
{
	if (strlen(word) != end - begin)
		return false;
	for (size_t i = begin; i < end; i++)
		if (s->text[i] != (unsigned char) word[i - begin])
			return false;
	return true;
}

static bool
add_number_word(scan *s, size_t begin, size_t end)
{
	static const char *const words[][2] = {
		{"zero", "zeroth"},	   {"one", "first"},  {"two", "second"}, {"three", "third"},
		{"four", "fourth"},	   {"five", "fifth"}, {"six", "sixth"},	 {"seven", "seventh"},
		{"eight", "eighth"},   {"nine", "ninth"}, {"ten", "tenth"},	 {"eleven", "eleventh"},
		{"twelve", "twelfth"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is_text(s, begin, end, words[i][0]) || is_text(s, begin, end, words[i][1]))
			return add_number(s, begin, end, (double) i);
	return true;
}

/* Whether the pattern found a number just there; asked from the first word to the last. */
static bool
is_taken(scan *s, size_t begin, size_t end)
{
	while (s->passed < s->numbers && s->spans[s->passed].begin < begin)
		s->passed++;
	return s->passed < s->numbers && s->spans[s->passed].begin == begin &&
		   s->spans[s->passed].end == end;
}

static bool
add_word(scan *s, size_t begin, size_t end)
{
	double number;

	if (is_taken(s, begin, end))
		return true;
	if (parse_number(s, begin, end, &number) && !add_number(s, begin, end, number))
		return false;
	return add_number_word(s, begin, end);
}

/* ---- Dates ---- */

static const char *const months[] = {"january",	  "february", "march",	  "april",
									 "may",		  "june",	  "july",	  "august",
									 "september", "october",  "november", "december"};
static const char *const weekdays[] = {"monday", "tuesday",	 "wednesday", "thursday",
									   "friday", "saturday", "sunday"};

/* strptime's formats, of which the first that fits counts; a space is any number of them. */
static const char *const formats[] = {
	"%B",		"%Y",		 "%Ys",		  "%b %Y",	   "%B %Y",		"%B %d",	"%b %d",
	"%d %b",	"%d %B",	 "%B %d, %Y", "%d %B %Y",  "%m-%d-%Y",	"%Y-%m-%d", "%Y-%m",
	"%d %b %Y", "%b %d, %Y", "%d.%m.%Y",  "%A, %b %d", "%A, %B %d",
};

/* A name at the beginning of text, cut to width if that is not 0: its number, and where it ends. */
static bool
match_name(const char **text, const char *const *names, int count, size_t width, int *number)
{
	for (int i = 0; i < count; i++)
	{
		size_t length = width > 0 ? width : strlen(names[i]);

		if (strncmp(*text, names[i], length) == 0)
		{
			*number = i + 1;
			*text += length;
			return true;
		}
	}
	return false;
}

/* A whole number of at most digits digits (exactly so many for a year) from 1 to most. */
static bool
match_digits(const char **text, size_t digits, int most, int *number)
{
	size_t count = strspn(*text, "0123456789");

	*number = 0;
	if (count == 0 || (digits == 4 && count < digits))
		return false;
	for (size_t i = 0; i < count && i < digits; i++)
		*number = *number * 10 + (*text)[i] - '0';
	*text += count < digits ? count : digits;
	return *number >= 1 && *number <= most;
}

static bool
match_field(const char **text, char field, int *parts)
{
	int weekday;

	switch (field)
	{
		case 'A':
			return match_name(text, weekdays, 7, 0, &weekday);
		case 'B':
			return match_name(text, months, 12, 0, &parts[TAPAS_MONTH]);
		case 'b':
			return match_name(text, months, 12, 3, &parts[TAPAS_MONTH]);
		case 'Y':
			return match_digits(text, 4, 9999, &parts[TAPAS_YEAR]);
		case 'm':
			return match_digits(text, 2, 12, &parts[TAPAS_MONTH]);
		default:
			return match_digits(text, 2, 31, &parts[TAPAS_DAY]);
	}
}

static bool
match_format(const char *text, const char *format, int *parts)
{
	for (int i = 0; i < TAPAS_DATE_PARTS; i++)
		parts[i] = -1;
	for (; *format != '\0'; format++)
	{
		if (*format == '%')
		{
			if (!match_field(&text, *++format, parts))
				return false;
		}
		else if (*text++ != *format)
			return false;
	}
	return *text == '\0';
}

/* Whether there is such a day; where no year is known it is one of 1900. */
static bool
is_date(const int *parts)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year = parts[TAPAS_YEAR] < 0 ? 1900 : parts[TAPAS_YEAR];
	int month = parts[TAPAS_MONTH] < 0 ? 1 : parts[TAPAS_MONTH];
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return parts[TAPAS_DAY] <= lengths[month - 1] + (month == 2 && leap) && year >= MIN_YEAR &&
		   year <= MAX_YEAR;
}

static bool
add_date(scan *s, size_t begin, size_t end)
{
	tapas_value value = {.is_date = true};
	char text[DATE_LENGTH];

	/* strptime knows no digits of other scripts */
	for (size_t i = begin; i < end; i++)
		if (s->text[i] >= 128)
			return true;
	if (!copy_ascii(s, begin, end, text, sizeof(text)))
		return true;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (match_format(text, formats[i], value.parts) && is_date(value.parts))
			return add_span(s, begin, end, value);
	return true;
}

/* All runs of up to so many words. */
static bool
find_in_words(scan *s, size_t most, bool (*add)(scan *s, size_t begin, size_t end))
{
	size_t starts[MAX_DATE_WORDS], count = 0;

	for (size_t i = 0; i < s->length; i++)
	{
		if ((i & 0xFFF) == 0xFFF && tfm_stopped(s->context))
			return false;
		if (!is_word_at(s, i))
			continue;
		if (i == 0 || !is_word_at(s, i - 1))
		{
			if (count == most)
				memmove(starts, starts + 1, --count * sizeof(size_t));
			starts[count++] = i;
		}
		for (size_t k = 0; k < count && !is_word_at(s, i + 1); k++)
			if (!add(s, starts[k], i + 1))
				return false;
	}
	return !tfm_stopped(s->context);
}

/* ---- Spans ---- */

/* By their beginning, the longest first; those of one place as they were found. */
static int
compare_spans(const void *a, const void *b)
{
	const span *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	if (x->end != y->end)
		return x->end > y->end ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* Leave out spans that lie within another one. */
static size_t
keep_longest(span *spans, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
	{
		const span *last = kept == 0 ? NULL : &spans[kept - 1];

		if (last == NULL || spans[i].end > last->end ||
			(spans[i].begin == last->begin && spans[i].end == last->end))
			spans[kept++] = spans[i];
	}
	return kept;
}

bool
tapas_parse(tfm_context *context, tfm_text text, tapas_value **values, size_t *count)
{
	scan s = {.context = context};

	*count = 0;
	*values = NULL;
	if (!load_text(&s, text) || !find_numbers(&s) || !find_in_words(&s, 1, add_word) ||
		!find_in_words(&s, MAX_DATE_WORDS, add_date))
		return false;
	if (s.count == 0)
		return true;
	*values = tfm_alloc_array(context, s.count, sizeof(tapas_value));
	if (*values == NULL)
		return false;
	qsort(s.spans, s.count, sizeof(span), compare_spans);
	*count = keep_longest(s.spans, s.count);
	for (size_t i = 0; i < *count; i++)
		(*values)[i] = s.spans[i].value;
	return true;
}

/* ---- Columns ---- */

bool
tapas_comparable(const tapas_value *const *values, size_t count, int *parts)
{
	*parts = 0;
	if (count == 0)
		return false;
	for (size_t i = 1; i < count; i++)
		if (values[i]->is_date != values[0]->is_date)
			return false;
	if (!values[0]->is_date)
		return true;
	for (int p = 0; p < TAPAS_DATE_PARTS; p++)
	{
		bool known = true;

		for (size_t i = 0; i < count; i++)
			known &= values[i]->parts[p] >= 0;
		if (known)
			*parts |= 1 << p;
	}
	return *parts != 0;
}

int
tapas_compare(const tapas_value *a, const tapas_value *b, int parts)
{
	if (parts == 0)
		return (a->number > b->number) - (a->number < b->number);
	for (int p = 0; p < TAPAS_DATE_PARTS; p++)
		if ((parts & 1 << p) != 0 && a->parts[p] != b->parts[p])
			return a->parts[p] < b->parts[p] ? -1 : 1;
	return 0;
}

static const tapas_value *
find_kind(const tapas_value *values, size_t count, bool is_date)
{
	for (size_t i = 0; i < count; i++)
		if (values[i].is_date == is_date)
			return &values[i];
	return NULL;
}

void
tapas_consolidate(const tapas_value *const *values, const size_t *counts, size_t count,
				  const tapas_value **column)
{
	size_t numbers = 0, dates = 0, most;

	for (size_t i = 0; i < count; i++)
	{
		numbers += find_kind(values[i], counts[i], false) != NULL;
		dates += find_kind(values[i], counts[i], true) != NULL;
	}
	most = numbers > dates ? numbers : dates;
	for (size_t i = 0; i < count; i++)
		column[i] = most == 0 || (double) most < (double) count * MIN_CONSOLIDATION
						? NULL
						: find_kind(values[i], counts[i], dates == most);
}
