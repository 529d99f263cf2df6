/*
 * compare.c
 *	  Equality, order, "in" and sorting, as Python has them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE /* memmem */

#include <math.h>
#include <string.h>

#include "text/jinja/number.h"

bool
jinja_string_equal(const jinja_string *a, const jinja_string *b)
{
	return a->bytes == b->bytes && (a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0);
}

bool
jinja_is_text(const jinja_string *a, const char *text)
{
	return a->bytes == strlen(text) && memcmp(a->data, text, a->bytes) == 0;
}

bool
jinja_same(jinja_value a, jinja_value b)
{
	if (a.type != b.type)
		return false;
	switch (a.type)
	{
		case JINJA_NONE:
		case JINJA_MISSING:
			return true;
		case JINJA_BOOL:
			return a.boolean == b.boolean;
		case JINJA_INT:
			/* CPython keeps one object for each of these. */
			return a.integer == b.integer && a.integer >= -5 && a.integer <= 256;
		case JINJA_FLOAT:
			return false;
		case JINJA_STRING:
			return a.string == b.string ||
				   (a.string->bytes <= 1 && jinja_string_equal(a.string, b.string));
		default:
			return a.object == b.object;
	}
}

/* ---- Equality ---- */

static bool
equal_lists(jinja_state *s, const jinja_list *a, const jinja_list *b)
{
	bool equal = a->count == b->count;

	for (size_t i = 0; equal && i < a->count; i++)
		equal = jinja_same(a->items[i], b->items[i]) || jinja_equal(s, a->items[i], b->items[i]);
	return equal;
}

static bool
equal_dicts(jinja_state *s, const jinja_dict *a, const jinja_dict *b)
{
	bool equal = a->count == b->count;

	for (size_t i = 0; equal && i < a->count; i++)
	{
		const jinja_entry *other = jinja_find(s, b, a->entries[i].key);

		equal = other != NULL && (jinja_same(a->entries[i].value, other->value) ||
								  jinja_equal(s, a->entries[i].value, other->value));
	}
	return equal;
}

static bool
equal_ranges(const jinja_range *a, const jinja_range *b)
{
	return a->count == b->count &&
		   (a->count == 0 || (a->start == b->start && (a->count == 1 || a->step == b->step)));
}

static bool
equal_views(jinja_state *s, const jinja_view *a, const jinja_view *b)
{
	bool equal = a->dict->count == b->dict->count;

	if (a->kind != b->kind || a->kind == JINJA_VALUES)
		return false;
	if (a->kind == JINJA_ITEMS)
		return equal_dicts(s, a->dict, b->dict);
	for (size_t i = 0; equal && i < a->dict->count; i++)
		equal = jinja_find(s, b->dict, a->dict->entries[i].key) != NULL;
	return equal;
}

static bool
equal_by_type(jinja_state *s, jinja_value a, jinja_value b)
{
	switch (a.type)
	{
		case JINJA_UNDEFINED:
		case JINJA_NONE:
			return true;
		case JINJA_STRING:
			jinja_step(s, a.string->bytes / 64);
			return jinja_string_equal(a.string, b.string);
		case JINJA_LIST:
		case JINJA_TUPLE:
			return equal_lists(s, a.list, b.list);
		case JINJA_DICT:
			return equal_dicts(s, a.dict, b.dict);
		case JINJA_VIEW:
			return equal_views(s, a.view, b.view);
		case JINJA_RANGE:
			return equal_ranges(a.range, b.range);
		case JINJA_METHOD:
			return a.method->function == b.method->function &&
				   jinja_same(a.method->self, b.method->self);
		default:
			return a.object == b.object;
	}
}

bool
jinja_equal(jinja_state *s, jinja_value a, jinja_value b)
{
	bool equal = false;

	if (jinja_is_number(a) && jinja_is_number(b))
		return jinja_number_compare(a, b) == 0;
	if (a.type != b.type)
		return false;
	if (jinja_enter(s))
		equal = equal_by_type(s, a, b);
	jinja_leave(s);
	return equal;
}

/* ---- Order ---- */

static int
compare_strings(const jinja_string *a, const jinja_string *b)
{
	size_t shorter = a->bytes < b->bytes ? a->bytes : b->bytes;
	int order = shorter > 0 ? memcmp(a->data, b->data, shorter) : 0;

	/* The order of UTF-8 is that of its characters. */
	if (order != 0)
		return order < 0 ? -1 : 1;
	return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static bool
says(char operator, int order)
{
	switch (operator)
	{
		case '<':
			return order < 0;
		case 'l':
			return order <= 0;
		case '>':
			return order == 1;
		default:
			return order == 0 || order == 1;
	}
}

static bool
order_lists(jinja_state *s, char operator, const jinja_list * a, const jinja_list *b)
{
	size_t i = 0;

	while (i < a->count && i < b->count &&
		   (jinja_same(a->items[i], b->items[i]) || jinja_equal(s, a->items[i], b->items[i])))
		i++;
	if (tfm_failed(s->context))
		return false;
	if (i < a->count && i < b->count)
		return jinja_order(s, operator, a->items[i], b->items[i]);
	return says(operator,(a->count > b->count) - (a->count < b->count));
}

static bool
raise_unordered(jinja_state *s, char operator, jinja_value a, jinja_value b)
{
	const char *name = operator== 'l' ? "<=" : operator== 'g' ? ">=" : operator== '<' ? "<" : ">";

	if (a.type == JINJA_UNDEFINED || b.type == JINJA_UNDEFINED)
		jinja_raise_undefined(s, a.type == JINJA_UNDEFINED ? a.undefined : b.undefined);
	else
		jinja_raise(s, "'%s' not supported between instances of '%s' and '%s'", name,
					jinja_type_name(a), jinja_type_name(b));
	return false;
}

bool
jinja_order(jinja_state *s, char operator, jinja_value a, jinja_value b)
{
	bool result = false;

	if (jinja_is_number(a) && jinja_is_number(b))
	{
		int order = jinja_number_compare(a, b);

		return order != 2 && says(operator, order);
	}
	if (a.type != b.type)
		return raise_unordered(s, operator, a, b);
	if (a.type == JINJA_STRING)
	{
		jinja_step(s, a.string->bytes / 64);
		return says(operator, compare_strings(a.string, b.string));
	}
	if (a.type != JINJA_LIST && a.type != JINJA_TUPLE)
		return raise_unordered(s, operator, a, b);
	if (jinja_enter(s))
		result = order_lists(s, operator, a.list, b.list);
	jinja_leave(s);
	return result;
}

/* ---- in ---- */

static bool
contains_range(const jinja_range *range, jinja_value item)
{
	int64_t offset;

	item = jinja_as_int(item);
	if (item.type == JINJA_FLOAT && fabs(item.number) < 9e18 && item.number == floor(item.number))
		item = jinja_int((int64_t) item.number);
	if (item.type != JINJA_INT || __builtin_sub_overflow(item.integer, range->start, &offset) ||
		offset == INT64_MIN)
		return false;
	return offset % range->step == 0 && offset / range->step >= 0 &&
		   offset / range->step < range->count;
}

static bool
contains_among(jinja_state *s, jinja_value container, jinja_value item)
{
	jinja_iterator *iterator = jinja_iterate(s, container);
	jinja_value other;

	while (iterator != NULL && jinja_next(s, iterator, &other))
		if (jinja_same(item, other) || jinja_equal(s, item, other))
			return !tfm_failed(s->context);
	return false;
}

bool
jinja_contains(jinja_state *s, jinja_value container, jinja_value item)
{
	switch (container.type)
	{
		case JINJA_STRING:
			if (item.type != JINJA_STRING)
			{
				jinja_raise(s, "'in <string>' requires string as left operand, not %s",
							jinja_type_name(item));
				return false;
			}
			jinja_step(s, container.string->bytes / 64);
			return item.string->bytes == 0 ||
				   (container.string->bytes >= item.string->bytes &&
					memmem(container.string->data, container.string->bytes, item.string->data,
						   item.string->bytes) != NULL);
		case JINJA_DICT:
			return jinja_find(s, container.dict, item) != NULL;
		case JINJA_VIEW:
			if (container.view->kind == JINJA_KEYS)
				return jinja_find(s, container.view->dict, item) != NULL;
			return contains_among(s, container, item);
		case JINJA_RANGE:
			return contains_range(container.range, item);
		default:
			if (!jinja_is_iterable(container))
			{
				jinja_raise(s, "argument of type '%s' is not iterable", jinja_type_name(container));
				return false;
			}
			return contains_among(s, container, item);
	}
}

/* ---- Sorting ---- */

typedef struct sorter
{
	jinja_state *s;
	jinja_value *items, *keys; /* keys may be items */
	jinja_value *spare_items, *spare_keys;
	bool reverse;
} sorter;

/* Whether the second must come before the first; equal ones stay as they are. */
static bool
swapped(sorter *sort, jinja_value first, jinja_value second)
{
	return sort->reverse ? jinja_order(sort->s, '<', first, second)
						 : jinja_order(sort->s, '<', second, first);
}

static void
merge(sorter *sort, size_t from, size_t middle, size_t to)
{
	size_t left = from, right = middle;

	for (size_t i = from; i < to; i++)
	{
		bool second =
			left == middle || (right < to && swapped(sort, sort->keys[left], sort->keys[right]));
		size_t taken = second ? right++ : left++;

		sort->spare_items[i] = sort->items[taken];
		sort->spare_keys[i] = sort->keys[taken];
	}
	memcpy(sort->items + from, sort->spare_items + from, (to - from) * sizeof(jinja_value));
	memcpy(sort->keys + from, sort->spare_keys + from, (to - from) * sizeof(jinja_value));
}

bool
jinja_sort(jinja_state *s, jinja_list *list, jinja_list *keys, bool reverse)
{
	size_t count = list->count;
	sorter sort = {.s = s, .items = list->items, .reverse = reverse};

	if (count < 2)
		return !tfm_failed(s->context);
	sort.keys = jinja_alloc(s, count * sizeof(jinja_value));
	sort.spare_items = jinja_alloc(s, count * sizeof(jinja_value));
	sort.spare_keys = jinja_alloc(s, count * sizeof(jinja_value));
	if (sort.keys == NULL || sort.spare_items == NULL || sort.spare_keys == NULL)
		return false;
	memcpy(sort.keys, keys != NULL ? keys->items : list->items, count * sizeof(jinja_value));
	for (size_t width = 1; width < count; width *= 2)
		for (size_t from = 0; from + width < count; from += 2 * width)
		{
			size_t to = from + 2 * width < count ? from + 2 * width : count;

			merge(&sort, from, from + width, to);
			if (!jinja_step(s, to - from))
				return false;
		}
	return true;
}
