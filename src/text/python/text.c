/*
 * text.c
 *	  Python's str methods and unicodedata.normalize as passes over a text.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/text.h"

#include <string.h>

#include "base/size.h"
#include "base/utf8.h"
#include "text/python/unicode.h"

/* Runs of marks up to this length are sorted by insertion, longer ones by counting. */
#define SHORT_RUN 16
#define CAPITAL_SIGMA 0x3A3

static bool
reserve(tok_work *work, tok_python_row *row, size_t wanted)
{
	size_t capacity = row->capacity * 2 > wanted ? row->capacity * 2 : wanted + 64;
	size_t bytes;
	void *characters, *sources;

	if (wanted <= row->capacity)
		return true;
	if (capacity > INT32_MAX || !size_multiply(capacity, sizeof(uint32_t), &bytes))
		return tfm_fail(work->context, TFM_LIMIT_EXCEEDED, "the text is too long to tokenize");
	characters = tok_work_alloc(work, bytes);
	sources = tok_work_alloc(work, bytes);
	if (characters == NULL || sources == NULL)
		return false;
	if (row->length > 0)
	{
		memcpy(characters, row->characters, row->length * sizeof(uint32_t));
		memcpy(sources, row->sources, row->length * sizeof(int32_t));
	}
	row->characters = characters;
	row->sources = sources;
	row->capacity = capacity;
	return true;
}

bool
tok_python_grow(tok_python_text *text)
{
	return reserve(text->work, &text->next, text->next.length + 1);
}

tok_python_text *
tok_python_load(tok_work *work, size_t start, size_t end)
{
	tok_python_text *text = work->python;

	if (text == NULL)
	{
		text = tok_work_alloc(work, sizeof(*text));
		if (text == NULL)
			return NULL;
		*text = (tok_python_text) {.work = work};
		work->python = text;
	}
	text->row.length = text->next.length = 0;
	if (!reserve(work, &text->row, end - start))
		return NULL;
	while (start < end)
	{
		int width;

		text->row.characters[text->row.length] = utf8_decode(work->string.bytes + start, &width);
		text->row.sources[text->row.length++] = tok_source(&work->string, start);
		start += (size_t) width;
	}
	return text;
}

bool
tok_python_store(tok_python_text *text)
{
	for (size_t i = 0; i < text->row.length; i++)
		if (!tok_append_character(text->work, &text->work->next, text->row.characters[i],
								  text->row.sources[i]))
			return false;
	return true;
}

bool
tok_python_append_all(tok_python_text *text, const char32_t *characters, int32_t source)
{
	for (; *characters != 0; characters++)
		if (!tok_python_append(text, *characters, source))
			return false;
	return true;
}

bool
tok_python_turn(tok_python_text *text)
{
	tok_python_row swapped = text->row;

	text->row = text->next;
	text->next = swapped;
	text->next.length = 0;
	return !tfm_stopped(text->work->context);
}

/* Whether a sigma at i ends a word: a cased character before it, none after it. */
static bool
is_final_sigma(const tok_python_row *row, size_t i)
{
	size_t before = i, after = i + 1;

	while (before > 0 && tok_python_is_case_ignorable(row->characters[before - 1]))
		before--;
	if (before == 0 || !tok_python_is_cased(row->characters[before - 1]))
		return false;
	while (after < row->length && tok_python_is_case_ignorable(row->characters[after]))
		after++;
	return after == row->length || !tok_python_is_cased(row->characters[after]);
}

bool
tok_python_pass_lower(tok_python_text *text)
{
	const tok_python_row *row = &text->row;

	for (size_t i = 0; i < row->length; i++)
	{
		uint32_t lower[3], character = row->characters[i];
		int count = 1;

		if (character == CAPITAL_SIGMA)
			lower[0] = is_final_sigma(row, i) ? 0x3C2 : 0x3C3;
		else
			count = tok_python_lower(character, lower);
		for (int j = 0; j < count; j++)
			if (!tok_python_append(text, lower[j], row->sources[i]))
				return false;
	}
	return tok_python_turn(text);
}

bool
tok_python_pass_upper(tok_python_text *text)
{
	for (size_t i = 0; i < text->row.length; i++)
	{
		uint32_t upper[3];
		int count = tok_python_upper(text->row.characters[i], upper);

		for (int j = 0; j < count; j++)
			if (!tok_python_append(text, upper[j], text->row.sources[i]))
				return false;
	}
	return tok_python_turn(text);
}

static bool
decompose(tok_python_text *text, bool compatible)
{
	for (size_t i = 0; i < text->row.length; i++)
	{
		uint32_t parts[18];
		int count = tok_python_decompose(text->row.characters[i], compatible, parts);

		for (int j = 0; j < count; j++)
			if (!tok_python_append(text, parts[j], text->row.sources[i]))
				return false;
	}
	return tok_python_turn(text);
}

static void
sort_short(tok_python_row *row, size_t start, size_t end)
{
	for (size_t i = start + 1; i < end; i++)
	{
		uint32_t character = row->characters[i];
		int32_t source = row->sources[i];
		uint8_t class = tok_python_combining_class(character);
		size_t place = i;

		for (; place > start && tok_python_combining_class(row->characters[place - 1]) > class;
			 place--)
		{
			row->characters[place] = row->characters[place - 1];
			row->sources[place] = row->sources[place - 1];
		}
		row->characters[place] = character;
		row->sources[place] = source;
	}
}

static bool
sort_long(tok_python_text *text, size_t start, size_t end)
{
	tok_python_row *row = &text->row, *copy = &text->next;
	size_t places[257] = {0};

	if (!reserve(text->work, copy, end - start))
		return false;
	for (size_t i = start; i < end; i++)
		places[tok_python_combining_class(row->characters[i]) + 1]++;
	for (int class = 0; class < 256; class ++)
		places[class + 1] += places[class];
	for (size_t i = start; i < end; i++)
	{
		size_t place = places[tok_python_combining_class(row->characters[i])]++;

		copy->characters[place] = row->characters[i];
		copy->sources[place] = row->sources[i];
	}
	memcpy(row->characters + start, copy->characters, (end - start) * sizeof(uint32_t));
	memcpy(row->sources + start, copy->sources, (end - start) * sizeof(int32_t));
	return true;
}

/* Canonical order: marks between others sorted, stably, by their class. */
static bool
order(tok_python_text *text)
{
	tok_python_row *row = &text->row;

	for (size_t i = 0; i < row->length; i++)
	{
		size_t end = i;

		while (end < row->length && tok_python_combining_class(row->characters[end]) != 0)
			end++;
		if (end - i > SHORT_RUN)
		{
			if (!sort_long(text, i, end))
				return false;
		}
		else if (end - i > 1)
			sort_short(row, i, end);
		if (end > i)
			i = end;
	}
	return true;
}

static bool
compose(tok_python_text *text)
{
	tok_python_row *row = &text->row, *next = &text->next;
	size_t starter = SIZE_MAX;
	uint8_t last = 0; /* class of the last character behind the starter */

	for (size_t i = 0; i < row->length; i++)
	{
		uint32_t character = row->characters[i];
		uint8_t class = tok_python_combining_class(character);

		if (starter != SIZE_MAX && (next->length == starter + 1 || last < class))
		{
			uint32_t composite = tok_python_compose(next->characters[starter], character);

			if (composite != 0)
			{
				next->characters[starter] = composite;
				continue;
			}
		}
		if (class == 0)
			starter = next->length;
		last = class;
		if (!tok_python_copy(text, i))
			return false;
	}
	return tok_python_turn(text);
}

bool
tok_python_pass_normalize(tok_python_text *text, bool compatible, bool composes)
{
	size_t i = 0;

	while (i < text->row.length && text->row.characters[i] < 0x80)
		i++;
	if (i == text->row.length)
		return true;
	return decompose(text, compatible) && order(text) && (!composes || compose(text));
}

bool
tok_python_pass_remove(tok_python_text *text, bool (*removed)(uint32_t))
{
	for (size_t i = 0; i < text->row.length; i++)
		if (!removed(text->row.characters[i]) && !tok_python_copy(text, i))
			return false;
	return tok_python_turn(text);
}

bool
tok_python_pass_strip(tok_python_text *text)
{
	tok_python_row *row = &text->row;
	size_t start = 0;

	while (row->length > 0 && tok_python_is_space(row->characters[row->length - 1]))
		row->length--;
	while (start < row->length && tok_python_is_space(row->characters[start]))
		start++;
	if (start > 0)
	{
		row->length -= start;
		memmove(row->characters, row->characters + start, row->length * sizeof(uint32_t));
		memmove(row->sources, row->sources + start, row->length * sizeof(int32_t));
	}
	return true;
}

bool
tok_python_pass_replace(tok_python_text *text, const char32_t *from, const char32_t *to)
{
	const tok_python_row *row = &text->row;
	size_t width = 0, i = 0;

	while (from[width] != 0)
		width++;
	while (width > 0 && i < row->length && row->characters[i] != from[0])
		i++;
	if (width == 0 || i == row->length)
		return true;
	for (i = 0; i < row->length;)
	{
		size_t matched = 0;

		while (matched < width && i + matched < row->length &&
			   row->characters[i + matched] == from[matched])
			matched++;
		if (matched == width ? !tok_python_append_all(text, to, row->sources[i])
							 : !tok_python_copy(text, i))
			return false;
		i += matched == width ? width : 1;
	}
	return tok_python_turn(text);
}
