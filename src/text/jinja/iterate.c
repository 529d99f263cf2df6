/*
 * iterate.c
 *	  What a value is to Python: its type's name, truth, length, items.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "base/utf8.h"
#include "text/jinja/number.h"
#include "text/jinja/program.h"

const char *
jinja_type_name(jinja_value value)
{
	static const char *const names[] = {
		[JINJA_MISSING] = "MissingType",
		[JINJA_UNDEFINED] = "Undefined",
		[JINJA_NONE] = "NoneType",
		[JINJA_BOOL] = "bool",
		[JINJA_INT] = "int",
		[JINJA_BIG] = "int",
		[JINJA_FLOAT] = "float",
		[JINJA_STRING] = "str",
		[JINJA_LIST] = "list",
		[JINJA_TUPLE] = "tuple",
		[JINJA_DICT] = "dict",
		[JINJA_VIEW] = "dict_items",
		[JINJA_RANGE] = "range",
		[JINJA_ITERATOR] = "generator",
		[JINJA_NAMESPACE] = "TemplateNamespace",
		[JINJA_MACRO] = "Macro",
		[JINJA_LOOP] = "LoopContext",
		[JINJA_CYCLER] = "Cycler",
		[JINJA_JOINER] = "Joiner",
		[JINJA_METHOD] = "builtin_function_or_method",
		[JINJA_FUNCTION] = "function",
		[JINJA_TEMPLATE] = "TemplateReference",
		[JINJA_BLOCK] = "BlockReference",
	};

	if (value.type == JINJA_STRING && value.string->markup)
		return "Markup";
	if (value.type == JINJA_TUPLE && value.list->group)
		return "_GroupTuple";
	if (value.type == JINJA_ITERATOR)
		return value.iterator->type_name;
	if (value.type == JINJA_VIEW && value.view->kind != JINJA_ITEMS)
		return value.view->kind == JINJA_KEYS ? "dict_keys" : "dict_values";
	return names[value.type];
}

bool
jinja_has_length(jinja_value value)
{
	switch (value.type)
	{
		case JINJA_UNDEFINED:
		case JINJA_STRING:
		case JINJA_LIST:
		case JINJA_TUPLE:
		case JINJA_DICT:
		case JINJA_VIEW:
		case JINJA_RANGE:
		case JINJA_LOOP:
			return true;
		default:
			return false;
	}
}

bool
jinja_length(jinja_state *s, jinja_value value, int64_t *length)
{
	*length = 0;
	switch (value.type)
	{
		case JINJA_UNDEFINED:
			return true;
		case JINJA_STRING:
			*length = (int64_t) value.string->count;
			return true;
		case JINJA_LIST:
		case JINJA_TUPLE:
			*length = (int64_t) value.list->count;
			return true;
		case JINJA_DICT:
			*length = (int64_t) value.dict->count;
			return true;
		case JINJA_VIEW:
			*length = (int64_t) value.view->dict->count;
			return true;
		case JINJA_RANGE:
			*length = value.range->count;
			return true;
		case JINJA_LOOP:
			return jinja_loop_length(s, value.loop, length);
		default:
			jinja_raise(s, "object of type '%s' has no len()", jinja_type_name(value));
			return false;
	}
}

bool
jinja_truth(jinja_state *s, jinja_value value)
{
	int64_t length = 1;

	switch (value.type)
	{
		case JINJA_MISSING:
		case JINJA_UNDEFINED:
		case JINJA_NONE:
			return false;
		case JINJA_BOOL:
			return value.boolean;
		case JINJA_INT:
			return value.integer != 0;
		case JINJA_FLOAT:
			return value.number != 0;
		default:
			if (jinja_has_length(value))
				jinja_length(s, value, &length);
			return length != 0;
	}
}

bool
jinja_is_callable(jinja_value value)
{
	switch (value.type)
	{
		case JINJA_UNDEFINED:
		case JINJA_MACRO:
		case JINJA_LOOP:
		case JINJA_JOINER:
		case JINJA_METHOD:
		case JINJA_FUNCTION:
		case JINJA_BLOCK:
			return true;
		default:
			return false;
	}
}

/* ---- Iterators ---- */

static bool
next_of_string(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	const jinja_string *string = iterator->source.string;
	int width;

	if (iterator->position >= string->bytes)
		return false;
	utf8_decode(string->data + iterator->position, &width);
	*value = jinja_text_kept(s, string->data + iterator->position, (size_t) width);
	iterator->position += (size_t) width;
	return true;
}

static bool
next_of_list(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	const jinja_list *list = iterator->source.list;

	(void) s;
	if (iterator->position >= list->count)
		return false;
	*value = list->items[iterator->position++];
	return true;
}

static bool
next_of_dict(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	bool view = iterator->source.type == JINJA_VIEW;
	const jinja_dict *dict = view ? iterator->source.view->dict : iterator->source.dict;
	const jinja_entry *entry;

	if (iterator->position >= dict->count)
		return false;
	entry = &dict->entries[iterator->position++];
	if (!view || iterator->source.view->kind == JINJA_KEYS)
		*value = entry->key;
	else if (iterator->source.view->kind == JINJA_VALUES)
		*value = entry->value;
	else
		*value = jinja_pair(s, entry->key, entry->value);
	return true;
}

static bool
next_of_range(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	const jinja_range *range = iterator->source.range;

	if ((int64_t) iterator->position >= range->count)
		return false;
	*value = jinja_item(s, iterator->source, iterator->position++);
	return true;
}

static bool
next_of_nothing(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	(void) s;
	(void) iterator;
	(void) value;
	return false;
}

/* A loop gives pairs of its items and itself. */
static bool
next_of_loop(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	jinja_value item;

	if (!jinja_loop_next(s, iterator->source.loop, &item))
		return false;
	*value = jinja_pair(s, item, iterator->source);
	return true;
}

static bool (*next_of(jinja_value value))(jinja_state *, jinja_iterator *, jinja_value *)
{
	switch (value.type)
	{
		case JINJA_UNDEFINED:
			return next_of_nothing;
		case JINJA_STRING:
			return next_of_string;
		case JINJA_LIST:
		case JINJA_TUPLE:
			return next_of_list;
		case JINJA_DICT:
		case JINJA_VIEW:
			return next_of_dict;
		case JINJA_RANGE:
			return next_of_range;
		case JINJA_LOOP:
			return next_of_loop;
		default:
			return NULL;
	}
}

bool
jinja_is_iterable(jinja_value value)
{
	return value.type == JINJA_ITERATOR || next_of(value) != NULL;
}

jinja_iterator *
jinja_iterate(jinja_state *s, jinja_value value)
{
	jinja_iterator *iterator;

	if (value.type == JINJA_ITERATOR)
		return value.iterator;
	if (next_of(value) == NULL)
	{
		jinja_raise(s, "'%s' object is not iterable", jinja_type_name(value));
		return NULL;
	}
	iterator = jinja_alloc_zero(s, sizeof(*iterator));
	if (iterator == NULL)
		return NULL;
	iterator->next = next_of(value);
	iterator->type_name = "iterator";
	iterator->source = value;
	return iterator;
}

bool
jinja_next(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	bool more = false;

	if (iterator->done)
		return false;
	/* A generator draws from another, and that from another. */
	if (jinja_enter(s))
		more = iterator->next(s, iterator, value) && !tfm_failed(s->context);
	jinja_leave(s);
	iterator->done = !more;
	return more;
}

jinja_list *
jinja_to_list(jinja_state *s, jinja_value value)
{
	jinja_iterator *iterator = jinja_iterate(s, value);
	jinja_list *list;
	jinja_value item;

	if (iterator == NULL)
		return NULL;
	list = jinja_list_create(
		s, value.type == JINJA_LIST || value.type == JINJA_TUPLE ? value.list->count : 0);
	while (list != NULL && jinja_next(s, iterator, &item))
		if (!jinja_append(s, list, item))
			return NULL;
	return tfm_failed(s->context) ? NULL : list;
}

jinja_iterator *
jinja_generator(jinja_state *s, bool (*next)(jinja_state *, jinja_iterator *, jinja_value *),
				jinja_value source, const jinja_call *call)
{
	jinja_iterator *iterator = jinja_alloc_zero(s, sizeof(*iterator));

	if (iterator == NULL)
		return NULL;
	iterator->next = next;
	iterator->type_name = "generator";
	iterator->source = source;
	if (call != NULL)
	{
		iterator->call = jinja_alloc(s, sizeof(*iterator->call));
		if (iterator->call == NULL)
			return NULL;
		*iterator->call = *call;
	}
	return iterator;
}

jinja_value
jinja_reversed(jinja_state *s, jinja_value value)
{
	static const struct
	{
		jinja_type type;
		const char *name;
	} rows[] = {{JINJA_LIST, "list_reverseiterator"},
				{JINJA_TUPLE, "reversed"},
				{JINJA_DICT, "dict_reversekeyiterator"},
				{JINJA_VIEW, "dict_reverseitemiterator"},
				{JINJA_STRING, "reversed"},
				{JINJA_RANGE, "range_iterator"},
				{JINJA_UNDEFINED, "reversed"}};
	jinja_list *list;
	jinja_iterator *iterator;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		if (rows[i].type != value.type)
			continue;
		list = jinja_to_list(s, value);
		if (list == NULL)
			return jinja_none();
		for (size_t j = 0; j < list->count / 2; j++)
		{
			jinja_value other = list->items[j];

			list->items[j] = list->items[list->count - 1 - j];
			list->items[list->count - 1 - j] = other;
		}
		iterator = jinja_iterate(s, jinja_object(JINJA_LIST, list));
		if (iterator != NULL)
			iterator->type_name = rows[i].name;
		return jinja_object(JINJA_ITERATOR, iterator);
	}
	return jinja_missing();
}

jinja_value
jinja_item(jinja_state *s, jinja_value value, size_t place)
{
	switch (value.type)
	{
		case JINJA_STRING:
			return jinja_substring(s, value.string, place, place + 1);
		case JINJA_LIST:
		case JINJA_TUPLE:
			return value.list->items[place];
		case JINJA_RANGE:
			return jinja_int(
				(int64_t) ((uint64_t) value.range->start + place * (uint64_t) value.range->step));
		default:
			return jinja_none();
	}
}
