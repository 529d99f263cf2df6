/*
 * methods_string.c
 *	  Methods of str.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/methods.h"

#include <string.h>

#include "base/utf8.h"
#include "text/jinja/characters.h"
#include "text/jinja/format.h"
#include "text/jinja/number.h"
#include "text/jinja/text.h"

/* A string argument; NULL with a TypeError. */
static const jinja_string *
get_text(jinja_state *s, const char *method, jinja_value value)
{
	if (value.type == JINJA_STRING)
		return value.string;
	jinja_raise(s, "%s() argument must be str, not %s", method, jinja_type_name(value));
	return NULL;
}

static bool
is_given(jinja_value value)
{
	return value.type != JINJA_MISSING && value.type != JINJA_NONE;
}

/* ---- Case ---- */

static jinja_value
method_upper(jinja_state *s, const jinja_value *a)
{
	return jinja_upper(s, a[0].string);
}

static jinja_value
method_lower(jinja_state *s, const jinja_value *a)
{
	return jinja_lower(s, a[0].string);
}

static jinja_value
method_capitalize(jinja_state *s, const jinja_value *a)
{
	return jinja_capitalize(s, a[0].string);
}

static jinja_value
method_title(jinja_state *s, const jinja_value *a)
{
	return jinja_title(s, a[0].string);
}

static jinja_value
method_swapcase(jinja_state *s, const jinja_value *a)
{
	return jinja_swapcase(s, a[0].string);
}

static jinja_value
method_casefold(jinja_state *s, const jinja_value *a)
{
	return jinja_casefold(s, a[0].string);
}

/* ---- Stripping and padding ---- */

static jinja_value
strip(jinja_state *s, const jinja_value *a, const char *name, int sides)
{
	if (is_given(a[1]) && a[1].type != JINJA_STRING)
		return jinja_raise(s, "%s arg must be None or str", name);
	return jinja_strip(s, a[0].string, is_given(a[1]) ? a[1].string : NULL, sides);
}

static jinja_value
method_strip(jinja_state *s, const jinja_value *a)
{
	return strip(s, a, "strip", JINJA_LEFT | JINJA_RIGHT);
}

static jinja_value
method_lstrip(jinja_state *s, const jinja_value *a)
{
	return strip(s, a, "lstrip", JINJA_LEFT);
}

static jinja_value
method_rstrip(jinja_state *s, const jinja_value *a)
{
	return strip(s, a, "rstrip", JINJA_RIGHT);
}

static jinja_value
pad(jinja_state *s, const jinja_value *a, char align)
{
	uint32_t fill = ' ';
	int64_t width;
	int bytes;

	if (!jinja_get_index(s, a[1], &width))
		return jinja_none();
	if (a[2].type != JINJA_MISSING)
	{
		if (a[2].type != JINJA_STRING || a[2].string->count != 1)
			return jinja_raise(s, "The fill character must be exactly one character long");
		fill = utf8_decode(a[2].string->data, &bytes);
	}
	return jinja_pad(s, a[0].string, width, fill, align);
}

static jinja_value
method_center(jinja_state *s, const jinja_value *a)
{
	return pad(s, a, '^');
}

static jinja_value
method_ljust(jinja_state *s, const jinja_value *a)
{
	return pad(s, a, '<');
}

static jinja_value
method_rjust(jinja_state *s, const jinja_value *a)
{
	return pad(s, a, '>');
}

static jinja_value
method_zfill(jinja_state *s, const jinja_value *a)
{
	const jinja_string *text = a[0].string;
	bool sign = text->bytes > 0 && (text->data[0] == '-' || text->data[0] == '+');
	jinja_value digits, result;
	int64_t width;

	if (!jinja_get_index(s, a[1], &width))
		return jinja_none();
	digits = jinja_part(s, text, sign, text->bytes);
	if (digits.type != JINJA_STRING)
		return jinja_none();
	digits = jinja_pad(s, digits.string, width - sign, '0', '>');
	if (!sign || digits.type != JINJA_STRING)
		return digits;
	result = jinja_part(s, text, 0, 1);
	return result.type == JINJA_STRING ? jinja_concat(s, result.string, digits.string) : result;
}

static jinja_value
method_expandtabs(jinja_state *s, const jinja_value *a)
{
	jinja_output output = {0};
	int64_t size = 8, column = 0;

	if (a[1].type != JINJA_MISSING && !jinja_get_index(s, a[1], &size))
		return jinja_none();
	for (size_t i = 0; i < a[0].string->bytes;)
	{
		int width;
		uint32_t c = utf8_decode(a[0].string->data + i, &width);

		i += (size_t) width;
		if (c != '\t')
		{
			if (!jinja_write_character(s, &output, c) || !jinja_step(s, 1))
				return jinja_none();
			column = c == '\n' || c == '\r' ? 0 : column + 1;
			continue;
		}
		if (size <= 0)
			continue;
		do
			if (!jinja_write_text(s, &output, " ") || !jinja_step(s, 1))
				return jinja_none();
		while (++column % size != 0);
	}
	return jinja_written(s, &output);
}

/* ---- Splitting and joining ---- */

static jinja_value
split(jinja_state *s, const jinja_value *a, bool from_right)
{
	int64_t limit = -1;

	if (is_given(a[1]) && a[1].type != JINJA_STRING)
		return jinja_raise(s, "must be str or None, not %s", jinja_type_name(a[1]));
	if (a[2].type != JINJA_MISSING && !jinja_get_index(s, a[2], &limit))
		return jinja_none();
	return jinja_object(JINJA_LIST, jinja_split(s, a[0].string, is_given(a[1]) ? a[1].string : NULL,
												limit, from_right));
}

static jinja_value
method_split(jinja_state *s, const jinja_value *a)
{
	return split(s, a, false);
}

static jinja_value
method_rsplit(jinja_state *s, const jinja_value *a)
{
	return split(s, a, true);
}

static jinja_value
method_splitlines(jinja_state *s, const jinja_value *a)
{
	bool keep_ends = a[1].type != JINJA_MISSING && jinja_truth(s, a[1]);

	return jinja_object(JINJA_LIST, jinja_split_lines(s, a[0].string, keep_ends));
}

static jinja_value
partition(jinja_state *s, const jinja_value *a, bool last)
{
	const jinja_string *text = a[0].string, *separator = get_text(s, "partition", a[1]);
	jinja_list *parts = jinja_list_create(s, 3);
	int64_t found;
	size_t end;

	if (separator == NULL || parts == NULL)
		return jinja_none();
	if (separator->bytes == 0)
		return jinja_raise(s, "empty separator");
	found = jinja_find_bytes(s, text, separator, 0, text->bytes, last);
	end = found < 0 ? 0 : (size_t) found + separator->bytes;
	if (found < 0 && !last)
	{
		jinja_append(s, parts, a[0]);
		jinja_append(s, parts, jinja_part(s, text, 0, 0));
		jinja_append(s, parts, jinja_part(s, text, 0, 0));
	}
	else
	{
		jinja_append(s, parts, jinja_part(s, text, 0, found < 0 ? 0 : (size_t) found));
		jinja_append(s, parts, jinja_part(s, text, found < 0 ? 0 : (size_t) found, end));
		jinja_append(s, parts, jinja_part(s, text, end, text->bytes));
	}
	return jinja_object(JINJA_TUPLE, parts);
}

static jinja_value
method_partition(jinja_state *s, const jinja_value *a)
{
	return partition(s, a, false);
}

static jinja_value
method_rpartition(jinja_state *s, const jinja_value *a)
{
	return partition(s, a, true);
}

static jinja_value
method_join(jinja_state *s, const jinja_value *a)
{
	jinja_iterator *iterator;
	jinja_output output = {0};
	jinja_value item, result;

	if (!jinja_is_iterable(a[1]))
		return jinja_raise(s, "can only join an iterable");
	iterator = jinja_iterate(s, a[1]);
	for (size_t i = 0; iterator != NULL && jinja_next(s, iterator, &item); i++)
	{
		if (a[0].string->markup)
			item = jinja_escape(s, item);
		if (item.type != JINJA_STRING)
			return jinja_raise(s, "sequence item %zu: expected str instance, %s found", i,
							   jinja_type_name(item));
		if (i > 0)
			jinja_write_string(s, &output, a[0].string);
		if (!jinja_write_string(s, &output, item.string))
			return jinja_none();
	}
	result = jinja_written(s, &output);
	return result.type == JINJA_STRING ? jinja_marked(s, result.string, a[0].string->markup)
									   : result;
}

/* ---- Searching ---- */

/* The bytes between two character indices that may be negative or not given. */
static bool
get_bounds(jinja_state *s, const jinja_string *text, jinja_value from, jinja_value to,
		   size_t *start, size_t *end)
{
	int64_t length = (int64_t) text->count, bounds[2] = {0, length};
	jinja_value given[2] = {from, to};

	for (int i = 0; i < 2; i++)
	{
		if (!is_given(given[i]))
			continue;
		if (!jinja_is_integer(given[i]))
		{
			jinja_raise(s, "slice indices must be integers or None or have an __index__ method");
			return false;
		}
		if (!jinja_get_index(s, given[i], &bounds[i]))
			return false;
		if (bounds[i] < 0)
			bounds[i] = bounds[i] + length < 0 ? 0 : bounds[i] + length;
	}
	*end = jinja_offset(text, (size_t) (bounds[1] > length ? length : bounds[1]));
	*start = bounds[0] > length ? text->bytes + 1 : jinja_offset(text, (size_t) bounds[0]);
	return jinja_step(s, text->count == text->bytes ? 0 : text->bytes / 64);
}

/* The character at which a part begins, -1 if it is not there. */
static int64_t
find(jinja_state *s, const jinja_value *a, const char *name, bool last)
{
	const jinja_string *part = get_text(s, name, a[1]);
	size_t start, end;
	int64_t found;

	if (part == NULL || !get_bounds(s, a[0].string, a[2], a[3], &start, &end) || start > end)
		return -1;
	found = jinja_find_bytes(s, a[0].string, part, start, end, last);
	return found <= 0 || a[0].string->count == a[0].string->bytes
			   ? found
			   : (int64_t) utf8_count(a[0].string->data, (size_t) found);
}

static jinja_value
method_find(jinja_state *s, const jinja_value *a)
{
	return jinja_int(find(s, a, "find", false));
}

static jinja_value
method_rfind(jinja_state *s, const jinja_value *a)
{
	return jinja_int(find(s, a, "rfind", true));
}

static jinja_value
found_or_raise(jinja_state *s, int64_t found)
{
	return found < 0 && !tfm_failed(s->context) ? jinja_raise(s, "substring not found")
												: jinja_int(found);
}

static jinja_value
method_index(jinja_state *s, const jinja_value *a)
{
	return found_or_raise(s, find(s, a, "index", false));
}

static jinja_value
method_rindex(jinja_state *s, const jinja_value *a)
{
	return found_or_raise(s, find(s, a, "rindex", true));
}

static jinja_value
method_count(jinja_state *s, const jinja_value *a)
{
	const jinja_string *part = get_text(s, "count", a[1]);
	size_t start, end;
	int64_t count = 0, found;

	if (part == NULL || !get_bounds(s, a[0].string, a[2], a[3], &start, &end) || start > end)
		return jinja_int(0);
	if (part->bytes == 0)
		return jinja_int((int64_t) utf8_count(a[0].string->data + start, end - start) + 1);
	while ((found = jinja_find_bytes(s, a[0].string, part, start, end, false)) >= 0 &&
		   jinja_step(s, 1))
	{
		start = (size_t) found + part->bytes;
		count++;
	}
	return jinja_int(count);
}

static bool
matches_side(const jinja_string *text, size_t start, size_t end, const jinja_string *part,
			 bool at_end)
{
	return start <= end && end - start >= part->bytes &&
		   memcmp(text->data + (at_end ? end - part->bytes : start), part->data, part->bytes) == 0;
}

static jinja_value
has_side(jinja_state *s, const jinja_value *a, const char *name, bool at_end)
{
	size_t start, end;

	if (!get_bounds(s, a[0].string, a[2], a[3], &start, &end))
		return jinja_none();
	if (a[1].type == JINJA_STRING)
		return jinja_bool(matches_side(a[0].string, start, end, a[1].string, at_end));
	if (a[1].type != JINJA_TUPLE)
		return jinja_raise(s, "%s first arg must be str or a tuple of str, not %s", name,
						   jinja_type_name(a[1]));
	for (size_t i = 0; i < a[1].list->count; i++)
	{
		jinja_value part = a[1].list->items[i];

		if (part.type != JINJA_STRING)
			return jinja_raise(s, "tuple for %s must only contain str, not %s", name,
							   jinja_type_name(part));
		if (matches_side(a[0].string, start, end, part.string, at_end))
			return jinja_bool(true);
	}
	return jinja_bool(false);
}

static jinja_value
method_startswith(jinja_state *s, const jinja_value *a)
{
	return has_side(s, a, "startswith", false);
}

static jinja_value
method_endswith(jinja_state *s, const jinja_value *a)
{
	return has_side(s, a, "endswith", true);
}

static jinja_value
method_removeprefix(jinja_state *s, const jinja_value *a)
{
	const jinja_string *text = a[0].string, *part = get_text(s, "removeprefix", a[1]);

	if (part == NULL || !matches_side(text, 0, text->bytes, part, false))
		return a[0];
	return jinja_part(s, text, part->bytes, text->bytes);
}

static jinja_value
method_removesuffix(jinja_state *s, const jinja_value *a)
{
	const jinja_string *text = a[0].string, *part = get_text(s, "removesuffix", a[1]);

	if (part == NULL || !matches_side(text, 0, text->bytes, part, true))
		return a[0];
	return jinja_part(s, text, 0, text->bytes - part->bytes);
}

static jinja_value
method_replace(jinja_state *s, const jinja_value *a)
{
	const jinja_string *old = get_text(s, "replace", a[1]);
	jinja_value new = a[2];
	int64_t count = -1;

	if (a[0].string->markup)
		new = jinja_escape(s, new);
	if (old == NULL || get_text(s, "replace", new) == NULL ||
		(a[3].type != JINJA_MISSING && !jinja_get_index(s, a[3], &count)))
		return jinja_none();
	return jinja_replace(s, a[0].string, old, new.string, count);
}

/* ---- What a string consists of ---- */

typedef bool is_character(uint32_t character);

static jinja_value
all_are(jinja_state *s, const jinja_string *text, is_character *is, bool if_empty)
{
	for (size_t i = 0; i < text->bytes;)
	{
		int width;

		if (!is(utf8_decode(text->data + i, &width)))
			return jinja_bool(false);
		i += (size_t) width;
	}
	jinja_step(s, text->bytes / 16);
	return jinja_bool(text->bytes > 0 || if_empty);
}

static bool
is_ascii(uint32_t character)
{
	return character < 0x80;
}

#define PREDICATE(name, is, if_empty)                                                              \
	static jinja_value method_##name(jinja_state *s, const jinja_value *a)                         \
	{                                                                                              \
		return all_are(s, a[0].string, is, if_empty);                                              \
	}

PREDICATE(isalnum, jinja_is_alnum, false)
PREDICATE(isalpha, jinja_is_alpha, false)
PREDICATE(isascii, is_ascii, true)
PREDICATE(isdecimal, jinja_is_decimal, false)
PREDICATE(isdigit, jinja_is_digit, false)
PREDICATE(isnumeric, jinja_is_numeric, false)
PREDICATE(isprintable, jinja_is_printable, true)
PREDICATE(isspace, jinja_is_space, false)

static jinja_value
method_isidentifier(jinja_state *s, const jinja_value *a)
{
	const jinja_string *text = a[0].string;

	for (size_t i = 0; i < text->bytes;)
	{
		int width;

		if (!jinja_is_identifier(utf8_decode(text->data + i, &width), i == 0))
			return jinja_bool(false);
		i += (size_t) width;
	}
	jinja_step(s, text->bytes / 16);
	return jinja_bool(text->bytes > 0);
}

bool
jinja_text_is_case(const jinja_string *text, bool upper)
{
	bool cased = false;

	for (size_t i = 0; i < text->bytes;)
	{
		int width;
		uint32_t c = utf8_decode(text->data + i, &width);

		if ((upper ? jinja_is_lower(c) : jinja_is_upper(c)) || jinja_is_title(c))
			return false;
		cased = cased || (upper ? jinja_is_upper(c) : jinja_is_lower(c));
		i += (size_t) width;
	}
	return cased;
}

static jinja_value
method_isupper(jinja_state *s, const jinja_value *a)
{
	jinja_step(s, a[0].string->bytes / 16);
	return jinja_bool(jinja_text_is_case(a[0].string, true));
}

static jinja_value
method_islower(jinja_state *s, const jinja_value *a)
{
	jinja_step(s, a[0].string->bytes / 16);
	return jinja_bool(jinja_text_is_case(a[0].string, false));
}

static jinja_value
method_istitle(jinja_state *s, const jinja_value *a)
{
	bool cased = false, before = false;

	for (size_t i = 0; i < a[0].string->bytes;)
	{
		int width;
		uint32_t c = utf8_decode(a[0].string->data + i, &width);
		bool upper = jinja_is_upper(c) || jinja_is_title(c), lower = jinja_is_lower(c);

		if ((upper && before) || (lower && !before))
			return jinja_bool(false);
		before = upper || lower;
		cased = cased || before;
		i += (size_t) width;
	}
	jinja_step(s, a[0].string->bytes / 16);
	return jinja_bool(cased);
}

/* ---- format ---- */

static jinja_value
method_format(jinja_state *s, jinja_value self, const jinja_call *call)
{
	return jinja_format_string(s, self.string, call);
}

static jinja_value
method_format_map(jinja_state *s, const jinja_value *a)
{
	jinja_call call = {0};

	if (a[1].type != JINJA_DICT)
		return jinja_raise(s, "format_map() argument must be a mapping, not %s",
						   jinja_type_name(a[1]));
	call.named = a[1].dict;
	return jinja_format_string(s, a[0].string, &call);
}

static jinja_value
method_encode(jinja_state *s, jinja_value self, const jinja_call *call)
{
	(void) self;
	(void) call;
	jinja_fail(s, TFM_UNSUPPORTED, s->line,
			   "the method \"encode\" is not supported: there are no bytes");
	return jinja_none();
}

static const jinja_function rows[] = {
	{"capitalize", "self", 1, method_capitalize, NULL},
	{"casefold", "self", 1, method_casefold, NULL},
	{"center", "self width fillchar", 2, method_center, NULL},
	{"count", "self sub start end", 2, method_count, NULL},
	{"encode", NULL, 0, NULL, method_encode},
	{"endswith", "self suffix start end", 2, method_endswith, NULL},
	{"expandtabs", "self tabsize", 1, method_expandtabs, NULL},
	{"find", "self sub start end", 2, method_find, NULL},
	{"format", NULL, 0, NULL, method_format},
	{"format_map", "self mapping", 2, method_format_map, NULL},
	{"index", "self sub start end", 2, method_index, NULL},
	{"isalnum", "self", 1, method_isalnum, NULL},
	{"isalpha", "self", 1, method_isalpha, NULL},
	{"isascii", "self", 1, method_isascii, NULL},
	{"isdecimal", "self", 1, method_isdecimal, NULL},
	{"isdigit", "self", 1, method_isdigit, NULL},
	{"isidentifier", "self", 1, method_isidentifier, NULL},
	{"islower", "self", 1, method_islower, NULL},
	{"isnumeric", "self", 1, method_isnumeric, NULL},
	{"isprintable", "self", 1, method_isprintable, NULL},
	{"isspace", "self", 1, method_isspace, NULL},
	{"istitle", "self", 1, method_istitle, NULL},
	{"isupper", "self", 1, method_isupper, NULL},
	{"join", "self iterable", 2, method_join, NULL},
	{"ljust", "self width fillchar", 2, method_ljust, NULL},
	{"lower", "self", 1, method_lower, NULL},
	{"lstrip", "self chars", 1, method_lstrip, NULL},
	{"partition", "self sep", 2, method_partition, NULL},
	{"removeprefix", "self prefix", 2, method_removeprefix, NULL},
	{"removesuffix", "self suffix", 2, method_removesuffix, NULL},
	{"replace", "self old new count", 3, method_replace, NULL},
	{"rfind", "self sub start end", 2, method_rfind, NULL},
	{"rindex", "self sub start end", 2, method_rindex, NULL},
	{"rjust", "self width fillchar", 2, method_rjust, NULL},
	{"rpartition", "self sep", 2, method_rpartition, NULL},
	{"rsplit", "self sep maxsplit", 1, method_rsplit, NULL},
	{"rstrip", "self chars", 1, method_rstrip, NULL},
	{"split", "self sep maxsplit", 1, method_split, NULL},
	{"splitlines", "self keepends", 1, method_splitlines, NULL},
	{"startswith", "self prefix start end", 2, method_startswith, NULL},
	{"strip", "self chars", 1, method_strip, NULL},
	{"swapcase", "self", 1, method_swapcase, NULL},
	{"title", "self", 1, method_title, NULL},
	{"upper", "self", 1, method_upper, NULL},
	{"zfill", "self width", 2, method_zfill, NULL},
};

const jinja_methods jinja_string_methods = {rows, sizeof(rows) / sizeof(rows[0])};
