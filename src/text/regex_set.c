/*
 * regex_set.c
 *	  Sets of characters, for compiling regular expressions.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/regex_set.h"

#include <stdlib.h>
#include <string.h>

#include <unicode/uchar.h>

#include "text/character_class.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

bool
tok_set_add(tfm_context *context, tok_set *set, uint32_t first, uint32_t last)
{
	if (set->count == set->capacity)
	{
		size_t capacity = set->capacity == 0 ? 8 : set->capacity * 2;
		tok_range *items = tfm_alloc_array(context, capacity, sizeof(tok_range));

		if (items == NULL)
			return false;
		if (set->count > 0)
			memcpy(items, set->items, set->count * sizeof(tok_range));
		set->items = items;
		set->capacity = capacity;
	}
	if (set->count > 0 && first <= set->items[set->count - 1].last)
		set->sorted = false;
	else if (set->count > 0 && first == set->items[set->count - 1].last + 1)
	{
		set->items[set->count - 1].last = last;
		return true;
	}
	else if (set->count == 0)
		set->sorted = true;
	set->items[set->count++] = (tok_range) {first, last};
	return true;
}

bool
tok_set_add_set(tfm_context *context, tok_set *set, const tok_set *other)
{
	for (size_t i = 0; i < other->count; i++)
		if (!tok_set_add(context, set, other->items[i].first, other->items[i].last))
			return false;
	return true;
}

static int
compare_ranges(const void *left, const void *right)
{
	const tok_range *a = left, *b = right;

	return (a->first > b->first) - (a->first < b->first);
}

void
tok_set_sort(tok_set *set)
{
	size_t kept = 0;

	if (set->sorted || set->count == 0)
		return;
	qsort(set->items, set->count, sizeof(tok_range), compare_ranges);
	for (size_t i = 1; i < set->count; i++)
	{
		tok_range *last = &set->items[kept];

		if (set->items[i].first > last->last + 1)
			set->items[++kept] = set->items[i];
		else if (set->items[i].last > last->last)
			last->last = set->items[i].last;
	}
	set->count = kept + 1;
	set->sorted = true;
}

bool
tok_set_invert(tfm_context *context, tok_set *set)
{
	tok_set inverse = {0};
	uint32_t next = 0;

	tok_set_sort(set);
	for (size_t i = 0; i < set->count; i++)
	{
		if (set->items[i].first > next &&
			!tok_set_add(context, &inverse, next, set->items[i].first - 1))
			return false;
		next = set->items[i].last + 1;
	}
	if (next <= TOK_LAST_CHARACTER && !tok_set_add(context, &inverse, next, TOK_LAST_CHARACTER))
		return false;
	*set = inverse;
	return true;
}

bool
tok_set_intersect(tfm_context *context, tok_set *set, tok_set *other)
{
	tok_set both = {0};

	tok_set_sort(set);
	tok_set_sort(other);
	for (size_t i = 0, j = 0; i < set->count && j < other->count;)
	{
		tok_range a = set->items[i], b = other->items[j];
		uint32_t first = a.first > b.first ? a.first : b.first;
		uint32_t last = a.last < b.last ? a.last : b.last;

		if (first <= last && !tok_set_add(context, &both, first, last))
			return false;
		if (a.last < b.last)
			i++;
		else
			j++;
	}
	*set = both;
	return true;
}

bool
tok_set_has(const tok_set *set, uint32_t character)
{
	size_t low = 0, high = set->count;

	while (low < high)
	{
		size_t middle = (low + high) / 2;

		if (character > set->items[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->count && character >= set->items[low].first;
}

bool
tok_set_add_where(tfm_context *context, tok_set *set,
				  bool (*test)(uint32_t character, int32_t argument), int32_t argument)
{
	for (uint32_t c = 0, last; c <= TOK_LAST_CHARACTER; c = last + 1)
	{
		last = tok_class_stretch(c);
		if (test(c, argument) && !tok_set_add(context, set, c, last))
			return false;
	}
	return true;
}

static bool
has_class(uint32_t character, int32_t mask)
{
	return (tok_character_class(character) & (uint32_t) mask) != 0;
}

bool
tok_set_add_classes(tfm_context *context, tok_set *set, uint32_t mask)
{
	return tok_set_add_where(context, set, has_class, (int32_t) mask);
}

/*
 * Pairs of cases that an older ICU does not know (Unicode 16): the first and last capital letter, and
 * how far away the small ones are.
 */
static const struct
{
	uint32_t first, last;
	int32_t distance;
} new_cases[] = {
	{0x1C89, 0x1C89, 1}, {0xA7CB, 0xA7CB, -42343}, {0xA7CC, 0xA7CC, 1},
	{0xA7DA, 0xA7DA, 1}, {0xA7DC, 0xA7DC, -42561}, {0x10D50, 0x10D65, 32},
};

/* Classes that characters with cases have. */
#define CASED (TOK_LU | TOK_LL | TOK_LT | TOK_MN | TOK_NL | TOK_SO)

static uint32_t
fold(uint32_t c)
{
	if ((tok_character_class(c) & CASED) == 0)
		return c;
	for (size_t i = 0; c >= new_cases[0].first && i < COUNT(new_cases); i++)
		if (c >= new_cases[i].first && c <= new_cases[i].last)
			return (uint32_t) ((int32_t) c + new_cases[i].distance);
	return (uint32_t) u_foldCase((UChar32) c, U_FOLD_CASE_DEFAULT);
}

/* Nothing beyond has cases. */
#define LAST_CASED 0x1FFFFu

bool
tok_set_fold(tfm_context *context, tok_set *set)
{
	/* What members fold to, then all that folds to a member: characters fold in one step. */
	for (int pass = 0; pass < 2; pass++)
	{
		tok_set more = {0};

		tok_set_sort(set);
		for (uint32_t c = 'A'; c <= LAST_CASED; c++)
		{
			uint32_t folded = fold(c);

			if (folded != c && tok_set_has(set, pass == 0 ? c : folded) &&
				!tok_set_add(context, &more, pass == 0 ? folded : c, pass == 0 ? folded : c))
				return false;
		}
		if (!tok_set_add_set(context, set, &more))
			return false;
	}
	tok_set_sort(set);
	return true;
}
