/*
 * filters_sort.c
 *	  Filters that put things in order.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/filters.h"

#include <string.h>

/* What a value is compared by: the values of several attributes, "a.b,c". */
static jinja_value
sort_key(jinja_state *s, jinja_value item, jinja_value attributes, bool case_sensitive)
{
	static const jinja_string comma = {.data = ",", .bytes = 1, .count = 1};
	jinja_list *names, *key;

	if (attributes.type != JINJA_STRING)
	{
		item = jinja_get_attribute(s, item, attributes, jinja_missing());
		return tfm_failed(s->context) || case_sensitive ? item : jinja_ignore_case(s, item);
	}
	names = jinja_split(s, attributes.string, &comma, -1, false);
	key = names != NULL ? jinja_list_create(s, names->count) : NULL;
	for (size_t i = 0; key != NULL && i < names->count; i++)
	{
		jinja_value value = jinja_get_attribute(s, item, names->items[i], jinja_missing());

		if (tfm_failed(s->context) ||
			!jinja_append(s, key, case_sensitive ? value : jinja_ignore_case(s, value)))
			return jinja_none();
	}
	return jinja_object(JINJA_LIST, key);
}

/* The flag "reverse", which must be an integer to Python. */
static bool
get_reverse(jinja_state *s, jinja_value value, bool *reverse)
{
	int64_t integer = 0;

	if (value.type != JINJA_MISSING && !jinja_get_index(s, value, &integer))
		return false;
	*reverse = integer != 0;
	return true;
}

jinja_value
jinja_filter_sort(jinja_state *s, const jinja_value *a)
{
	bool reverse, case_sensitive = jinja_flag(s, a[2], false);
	jinja_list *list = jinja_to_list(s, a[0]), *keys;

	if (list == NULL || !get_reverse(s, a[1], &reverse))
		return jinja_none();
	keys = jinja_list_create(s, list->count);
	for (size_t i = 0; i < list->count; i++)
		if (!jinja_append(s, keys, sort_key(s, list->items[i], a[3], case_sensitive)) ||
			tfm_failed(s->context))
			return jinja_none();
	return jinja_sort(s, list, keys, reverse) ? jinja_object(JINJA_LIST, list) : jinja_none();
}

jinja_value
jinja_filter_dictsort(jinja_state *s, const jinja_value *a)
{
	bool case_sensitive = jinja_flag(s, a[1], false), reverse;
	bool by_value = a[2].type == JINJA_STRING && jinja_is_text(a[2].string, "value");
	jinja_list *pairs, *keys;

	if (a[2].type != JINJA_MISSING && !by_value &&
		!(a[2].type == JINJA_STRING && jinja_is_text(a[2].string, "key")))
		return jinja_raise(s, "You can only sort by either \"key\" or \"value\"");
	if (a[0].type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, a[0].undefined);
	if (a[0].type != JINJA_DICT)
		return jinja_raise(s, "'%s' object has no attribute 'items'", jinja_type_name(a[0]));
	if (!get_reverse(s, a[3], &reverse))
		return jinja_none();
	pairs = jinja_list_create(s, a[0].dict->count);
	keys = jinja_list_create(s, a[0].dict->count);
	for (size_t i = 0; i < a[0].dict->count; i++)
	{
		const jinja_entry *entry = &a[0].dict->entries[i];
		jinja_value key = by_value ? entry->value : entry->key;

		if (!jinja_append(s, pairs, jinja_pair(s, entry->key, entry->value)) ||
			!jinja_append(s, keys, case_sensitive ? key : jinja_ignore_case(s, key)))
			return jinja_none();
	}
	if (tfm_failed(s->context) || !jinja_sort(s, pairs, keys, reverse))
		return jinja_none();
	return jinja_object(JINJA_LIST, pairs);
}

/* One attribute's value, as min, max and groupby compare by. */
static jinja_value
attribute_key(jinja_state *s, jinja_value item, jinja_value attribute, jinja_value fallback,
			  bool case_sensitive)
{
	item = jinja_get_attribute(s, item, attribute, fallback);
	return tfm_failed(s->context) || case_sensitive ? item : jinja_ignore_case(s, item);
}

static jinja_value
find_extreme(jinja_state *s, const jinja_value *a, char operator)
{
	bool case_sensitive = jinja_flag(s, a[1], false), any = false;
	jinja_iterator *iterator = jinja_iterate(s, a[0]);
	jinja_value best = jinja_none(), best_key = jinja_none(), item;

	while (iterator != NULL && jinja_next(s, iterator, &item))
	{
		jinja_value key = attribute_key(s, item, a[2], jinja_missing(), case_sensitive);

		if (tfm_failed(s->context))
			return jinja_none();
		if (any && !jinja_order(s, operator, key, best_key))
			continue;
		best = item;
		best_key = key;
		any = true;
	}
	if (tfm_failed(s->context))
		return jinja_none();
	return any ? best : jinja_undefined_hint(s, "No aggregated item, sequence was empty.");
}

jinja_value
jinja_filter_min(jinja_state *s, const jinja_value *a)
{
	return find_extreme(s, a, '<');
}

jinja_value
jinja_filter_max(jinja_state *s, const jinja_value *a)
{
	return find_extreme(s, a, '>');
}

/* ---- groupby ---- */

/* The keys of items, of which the last group's are at the end. */
static jinja_list *
group_keys(jinja_state *s, const jinja_list *list, const jinja_value *a, bool case_sensitive)
{
	jinja_list *keys = jinja_list_create(s, list->count);

	for (size_t i = 0; i < list->count; i++)
		if (!jinja_append(s, keys, attribute_key(s, list->items[i], a[1], a[2], case_sensitive)) ||
			tfm_failed(s->context))
			return NULL;
	return keys;
}

jinja_value
jinja_filter_groupby(jinja_state *s, const jinja_value *a)
{
	bool case_sensitive = jinja_flag(s, a[3], false);
	jinja_list *list = jinja_to_list(s, a[0]), *keys, *groups = jinja_list_create(s, 0);
	jinja_list *group = NULL;

	keys = list != NULL ? group_keys(s, list, a, case_sensitive) : NULL;
	if (keys == NULL || !jinja_sort(s, list, keys, false))
		return jinja_none();
	keys = group_keys(s, list, a, case_sensitive);
	for (size_t i = 0; keys != NULL && i < list->count; i++)
	{
		if (i == 0 || !jinja_equal(s, keys->items[i - 1], keys->items[i]))
		{
			jinja_value name = jinja_get_attribute(s, list->items[i], a[1], a[2]), pair;

			group = jinja_list_create(s, 0);
			pair = jinja_pair(s, name, jinja_object(JINJA_LIST, group));
			if (tfm_failed(s->context))
				return jinja_none();
			pair.list->group = true;
			jinja_append(s, groups, pair);
		}
		if (!jinja_append(s, group, list->items[i]))
			return jinja_none();
	}
	return tfm_failed(s->context) ? jinja_none() : jinja_object(JINJA_LIST, groups);
}
