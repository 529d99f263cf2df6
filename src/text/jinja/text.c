/*
 * text.c
 *	  What Python's str can do.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE /* memmem */

#include "text/jinja/text.h"

#include <string.h>

#include "base/utf8.h"
#include "text/jinja/characters.h"
#include "text/jinja/number.h"

#define CAPITAL_SIGMA 0x3A3
#define SMALL_SIGMA 0x3C3
#define FINAL_SIGMA 0x3C2

jinja_value
jinja_part(jinja_state *s, const jinja_string *string, size_t from, size_t to)
{
	jinja_value part = jinja_text_kept(s, string->data + from, to - from);

	return part.type == JINJA_STRING ? jinja_marked(s, part.string, string->markup) : part;
}

bool
jinja_get_index(jinja_state *s, jinja_value value, int64_t *index)
{
	value = jinja_as_int(value);
	*index = 0;
	if (value.type == JINJA_INT)
		*index = value.integer;
	else if (value.type == JINJA_BIG)
		*index = jinja_integer_sign(value) < 0 ? INT64_MIN / 4 : INT64_MAX / 4;
	else
	{
		jinja_raise(s, "'%s' object cannot be interpreted as an integer", jinja_type_name(value));
		return false;
	}
	return true;
}

const jinja_string *
jinja_soft_str(jinja_state *s, jinja_value value)
{
	return value.type == JINJA_STRING ? value.string : jinja_str(s, value);
}

/* ---- Case ---- */

typedef enum mapping
{
	MAP_UPPER,
	MAP_LOWER,
	MAP_TITLE,
	MAP_FOLD
} mapping;

/* Whether a sigma is the last letter of a word. */
static bool
is_final_sigma(const jinja_string *string, size_t from, size_t to)
{
	bool cased = false;

	while (from > 0)
	{
		uint32_t c = utf8_decode_before(string->data, from, &from);

		if (jinja_is_case_ignorable(c))
			continue;
		cased = jinja_is_cased(c);
		break;
	}
	while (cased && to < string->bytes)
	{
		int width;
		uint32_t c = utf8_decode(string->data + to, &width);

		to += (size_t) width;
		if (jinja_is_case_ignorable(c))
			continue;
		return !jinja_is_cased(c);
	}
	return cased;
}

static bool
write_mapped(jinja_state *s, jinja_output *output, const jinja_string *string, size_t at, int width,
			 uint32_t c, mapping map)
{
	uint32_t mapped[3];
	int count;

	if (map == MAP_LOWER && c == CAPITAL_SIGMA)
	{
		jinja_step(s, 8);
		mapped[0] = is_final_sigma(string, at, at + (size_t) width) ? FINAL_SIGMA : SMALL_SIGMA;
		count = 1;
	}
	else
		count = map == MAP_UPPER   ? jinja_to_upper(c, mapped)
				: map == MAP_LOWER ? jinja_to_lower(c, mapped)
				: map == MAP_TITLE ? jinja_to_title(c, mapped)
								   : jinja_to_folded(c, mapped);
	for (int i = 0; i < count; i++)
		if (!jinja_write_character(s, output, mapped[i]))
			return false;
	return jinja_step(s, 1);
}

typedef mapping choose_mapping(void *state, uint32_t character);

static jinja_value
map_characters(jinja_state *s, const jinja_string *string, choose_mapping *choose, void *state)
{
	jinja_output output = {0};
	jinja_value result;

	for (size_t i = 0; i < string->bytes;)
	{
		int width;
		uint32_t c = utf8_decode(string->data + i, &width);

		if (!write_mapped(s, &output, string, i, width, c, choose(state, c)))
			return jinja_none();
		i += (size_t) width;
	}
	result = jinja_written(s, &output);
	return result.type == JINJA_STRING ? jinja_marked(s, result.string, string->markup) : result;
}

static mapping
choose_always(void *state, uint32_t character)
{
	(void) character;
	return *(const mapping *) state;
}

static mapping
choose_capital(void *state, uint32_t character)
{
	bool *begun = state;
	mapping map = *begun ? MAP_LOWER : MAP_TITLE;

	(void) character;
	*begun = true;
	return map;
}

static mapping
choose_title(void *state, uint32_t character)
{
	bool *after_cased = state;
	mapping map = *after_cased ? MAP_LOWER : MAP_TITLE;

	*after_cased = jinja_is_cased(character);
	return map;
}

static mapping
choose_swapped(void *state, uint32_t character)
{
	(void) state;
	/* What is neither has no other case than its title. */
	return jinja_is_upper(character)   ? MAP_LOWER
		   : jinja_is_lower(character) ? MAP_UPPER
									   : MAP_TITLE;
}

jinja_value
jinja_upper(jinja_state *s, const jinja_string *string)
{
	return map_characters(s, string, choose_always, &(mapping) {MAP_UPPER});
}

jinja_value
jinja_lower(jinja_state *s, const jinja_string *string)
{
	return map_characters(s, string, choose_always, &(mapping) {MAP_LOWER});
}

jinja_value
jinja_casefold(jinja_state *s, const jinja_string *string)
{
	return map_characters(s, string, choose_always, &(mapping) {MAP_FOLD});
}

jinja_value
jinja_capitalize(jinja_state *s, const jinja_string *string)
{
	return map_characters(s, string, choose_capital, &(bool) {false});
}

jinja_value
jinja_title(jinja_state *s, const jinja_string *string)
{
	return map_characters(s, string, choose_title, &(bool) {false});
}

jinja_value
jinja_swapcase(jinja_state *s, const jinja_string *string)
{
	return map_characters(s, string, choose_swapped, NULL);
}

/* ---- Stripping and padding ---- */

static bool
is_stripped(const jinja_string *chars, const char *at, int width, uint32_t c)
{
	if (chars == NULL)
		return jinja_is_space(c);
	return chars->bytes > 0 && memmem(chars->data, chars->bytes, at, (size_t) width) != NULL;
}

jinja_value
jinja_strip(jinja_state *s, const jinja_string *string, const jinja_string *chars, int sides)
{
	size_t from = 0, to = string->bytes, start;
	int width;

	while ((sides & JINJA_LEFT) && from < to)
	{
		uint32_t c = utf8_decode(string->data + from, &width);

		if (!is_stripped(chars, string->data + from, width, c))
			break;
		from += (size_t) width;
	}
	while ((sides & JINJA_RIGHT) && to > from)
	{
		uint32_t c = utf8_decode_before(string->data, to, &start);

		if (!is_stripped(chars, string->data + start, (int) (to - start), c))
			break;
		to = start;
	}
	if (from == 0 && to == string->bytes)
		return jinja_object(JINJA_STRING, string);
	return jinja_part(s, string, from, to);
}

bool
jinja_write_fill(jinja_state *s, jinja_output *output, uint32_t fill, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		if (!jinja_write_character(s, output, fill) || !jinja_step(s, 1))
			return false;
	return true;
}

jinja_value
jinja_pad(jinja_state *s, const jinja_string *string, int64_t width, uint32_t fill, char align)
{
	int64_t missing = width - (int64_t) string->count, left = 0;
	jinja_output output = {0};
	jinja_value result;

	if (width <= 0 || missing <= 0)
		return jinja_object(JINJA_STRING, string);
	if (align == '>')
		left = missing;
	else if (align == '^')
		left = missing / 2 + (missing & width & 1); /* as CPython divides it */
	if (!jinja_write_fill(s, &output, fill, left) || !jinja_write_string(s, &output, string) ||
		!jinja_write_fill(s, &output, fill, missing - left))
		return jinja_none();
	result = jinja_written(s, &output);
	return result.type == JINJA_STRING ? jinja_marked(s, result.string, string->markup) : result;
}

/* ---- Searching ---- */

int64_t
jinja_find_bytes(jinja_state *s, const jinja_string *string, const jinja_string *part, size_t from,
				 size_t to, bool last)
{
	const char *found;

	if (to < from || to - from < part->bytes)
		return -1;
	if (part->bytes == 0)
		return (int64_t) (last ? to : from);
	if (!last)
	{
		found = memmem(string->data + from, to - from, part->data, part->bytes);
		jinja_step(s, (found != NULL ? (size_t) (found - string->data) - from : to - from) / 64);
		return found != NULL ? found - string->data : -1;
	}
	for (size_t i = to - part->bytes + 1; i-- > from;)
	{
		if (memcmp(string->data + i, part->data, part->bytes) == 0)
			return (int64_t) i;
		if (i % 1024 == 0 && !jinja_step(s, 16))
			break;
	}
	return -1;
}

/* Between all characters, for replacing nothing. */
static bool
replace_empty(jinja_state *s, jinja_output *output, const jinja_string *string,
			  const jinja_string *new, int64_t count)
{
	for (size_t i = 0; i <= string->bytes;)
	{
		int width = 1;

		if (count != 0 && !jinja_write_string(s, output, new))
			return false;
		count -= count > 0;
		if (i == string->bytes)
			break;
		utf8_decode(string->data + i, &width);
		if (!jinja_write(s, output, string->data + i, (size_t) width) || !jinja_step(s, 1))
			return false;
		i += (size_t) width;
	}
	return true;
}

jinja_value
jinja_replace(jinja_state *s, const jinja_string *string, const jinja_string *old,
			  const jinja_string *new, int64_t count)
{
	jinja_output output = {0};
	size_t from = 0;
	jinja_value result;

	if (old->bytes == 0)
		replace_empty(s, &output, string, new, count);
	else
	{
		while (count != 0 && jinja_step(s, 1))
		{
			const char *found =
				from < string->bytes
					? memmem(string->data + from, string->bytes - from, old->data, old->bytes)
					: NULL;

			if (found == NULL)
				break;
			count -= count > 0;
			if (!jinja_write(s, &output, string->data + from,
							 (size_t) (found - string->data) - from) ||
				!jinja_write_string(s, &output, new))
				break;
			from = (size_t) (found - string->data) + old->bytes;
		}
		if (from == 0 && !tfm_failed(s->context))
			return jinja_object(JINJA_STRING, string);
		jinja_write(s, &output, string->data + from, string->bytes - from);
	}
	result = jinja_written(s, &output);
	return result.type == JINJA_STRING ? jinja_marked(s, result.string, string->markup) : result;
}

/* ---- Splitting ---- */

static void
reverse_list(jinja_list *list)
{
	for (size_t i = 0; i < list->count / 2; i++)
	{
		jinja_value other = list->items[i];

		list->items[i] = list->items[list->count - 1 - i];
		list->items[list->count - 1 - i] = other;
	}
}

static size_t
skip_spaces(const jinja_string *string, size_t at, bool space)
{
	while (at < string->bytes)
	{
		int width;

		if (jinja_is_space(utf8_decode(string->data + at, &width)) != space)
			break;
		at += (size_t) width;
	}
	return at;
}

static size_t
skip_spaces_back(const jinja_string *string, size_t at, bool space)
{
	size_t start;

	while (at > 0 && jinja_is_space(utf8_decode_before(string->data, at, &start)) == space)
		at = start;
	return at;
}

static void
split_words(jinja_state *s, jinja_list *list, const jinja_string *string, int64_t limit)
{
	size_t at = skip_spaces(string, 0, true);

	while (at < string->bytes)
	{
		size_t end = limit == 0 ? string->bytes : skip_spaces(string, at, false);

		if (!jinja_append(s, list, jinja_part(s, string, at, end)))
			return;
		limit -= limit > 0;
		at = skip_spaces(string, end, true);
	}
}

static void
split_words_back(jinja_state *s, jinja_list *list, const jinja_string *string, int64_t limit)
{
	size_t at = skip_spaces_back(string, string->bytes, true);

	while (at > 0)
	{
		size_t start = limit == 0 ? 0 : skip_spaces_back(string, at, false);

		if (!jinja_append(s, list, jinja_part(s, string, start, at)))
			return;
		limit -= limit > 0;
		at = skip_spaces_back(string, start, true);
	}
	reverse_list(list);
}

static void
split_at(jinja_state *s, jinja_list *list, const jinja_string *string,
		 const jinja_string *separator, int64_t limit)
{
	size_t from = 0;

	while (limit != 0)
	{
		int64_t found = jinja_find_bytes(s, string, separator, from, string->bytes, false);

		if (found < 0 || !jinja_append(s, list, jinja_part(s, string, from, (size_t) found)))
			break;
		limit -= limit > 0;
		from = (size_t) found + separator->bytes;
	}
	jinja_append(s, list, jinja_part(s, string, from, string->bytes));
}

static void
split_at_back(jinja_state *s, jinja_list *list, const jinja_string *string,
			  const jinja_string *separator, int64_t limit)
{
	size_t to = string->bytes;

	while (limit != 0)
	{
		int64_t found = jinja_find_bytes(s, string, separator, 0, to, true);

		if (found < 0 ||
			!jinja_append(s, list, jinja_part(s, string, (size_t) found + separator->bytes, to)))
			break;
		limit -= limit > 0;
		to = (size_t) found;
	}
	jinja_append(s, list, jinja_part(s, string, 0, to));
	reverse_list(list);
}

jinja_list *
jinja_split(jinja_state *s, const jinja_string *string, const jinja_string *separator,
			int64_t limit, bool from_right)
{
	jinja_list *list = jinja_list_create(s, 0);

	if (list == NULL)
		return NULL;
	if (separator == NULL && from_right)
		split_words_back(s, list, string, limit);
	else if (separator == NULL)
		split_words(s, list, string, limit);
	else if (separator->bytes == 0)
		jinja_raise(s, "empty separator");
	else if (from_right)
		split_at_back(s, list, string, separator, limit);
	else
		split_at(s, list, string, separator, limit);
	return tfm_failed(s->context) ? NULL : list;
}

jinja_list *
jinja_split_lines(jinja_state *s, const jinja_string *string, bool keep_ends)
{
	jinja_list *list = jinja_list_create(s, 0);
	size_t start = 0;

	for (size_t i = 0; list != NULL && i < string->bytes;)
	{
		int width;
		uint32_t c = utf8_decode(string->data + i, &width);
		size_t end = i;

		i += (size_t) width;
		if (!jinja_is_line_end(c))
			continue;
		if (c == '\r' && i < string->bytes && string->data[i] == '\n')
			i++;
		if (!jinja_append(s, list, jinja_part(s, string, start, keep_ends ? i : end)))
			return NULL;
		start = i;
	}
	if (list != NULL && start < string->bytes)
		jinja_append(s, list, jinja_part(s, string, start, string->bytes));
	return tfm_failed(s->context) ? NULL : list;
}
