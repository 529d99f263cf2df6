/*
 * filters_lazy.c
 *	  Filters that are generators in Jinja: what they give is made when it is asked for, once.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/filters.h"

#include <string.h>

static jinja_value
make_generator(jinja_state *s, bool (*next)(jinja_state *, jinja_iterator *, jinja_value *),
			   const jinja_value *a, size_t count)
{
	jinja_call call = {0};

	for (size_t i = 0; i < count; i++)
		if (!jinja_append(s, &call.positional, a[i]))
			return jinja_none();
	return jinja_object(JINJA_ITERATOR, jinja_generator(s, next, a[0], &call));
}

/* What is drawn from, at the first call. */
static bool
begin(jinja_state *s, jinja_iterator *iterator)
{
	if (!iterator->begun)
	{
		iterator->begun = true;
		iterator->inner = jinja_iterate(s, iterator->source);
	}
	return iterator->inner != NULL && !tfm_failed(s->context);
}

/* ---- items ---- */

static bool
next_item(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	jinja_view *view;

	if (iterator->source.type == JINJA_UNDEFINED)
		return false;
	if (iterator->source.type != JINJA_DICT && !iterator->begun)
	{
		jinja_raise(s, "Can only get item pairs from a mapping.");
		return false;
	}
	if (!iterator->begun)
	{
		view = jinja_alloc_zero(s, sizeof(*view));
		if (view == NULL)
			return false;
		view->dict = iterator->source.dict;
		view->kind = JINJA_ITEMS;
		iterator->source = jinja_object(JINJA_VIEW, view);
	}
	return begin(s, iterator) && jinja_next(s, iterator->inner, value);
}

jinja_value
jinja_filter_items(jinja_state *s, const jinja_value *a)
{
	return make_generator(s, next_item, a, 1);
}

/* ---- batch, slice ---- */

static bool
next_batch(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	const jinja_value *a = iterator->call->positional.items;
	jinja_list *batch = jinja_list_create(s, 0);
	jinja_value item;

	if (batch == NULL || !begin(s, iterator))
		return false;
	/* At least one, even where none are wanted: Jinja looks at the size before it adds. */
	while ((batch->count == 0 || !jinja_equal(s, jinja_int((int64_t) batch->count), a[1])) &&
		   jinja_next(s, iterator->inner, &item))
		if (!jinja_append(s, batch, item))
			return false;
	if (tfm_failed(s->context) || batch->count == 0)
		return false;
	if (a[2].type != JINJA_MISSING && a[2].type != JINJA_NONE)
	{
		int64_t count;

		if (!jinja_get_index(s, a[1], &count))
			return false;
		while ((int64_t) batch->count < count)
			if (!jinja_append(s, batch, a[2]))
				return false;
	}
	*value = jinja_object(JINJA_LIST, batch);
	return true;
}

jinja_value
jinja_filter_batch(jinja_state *s, const jinja_value *a)
{
	return make_generator(s, next_batch, a, 3);
}

static bool
next_slice(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	const jinja_value *a = iterator->call->positional.items;
	jinja_list *all, *part = jinja_list_create(s, 0);
	int64_t slices, number, each, extra, start, end;

	if (!iterator->begun)
	{
		iterator->begun = true;
		iterator->source = jinja_object(JINJA_LIST, jinja_to_list(s, iterator->source));
	}
	if (tfm_failed(s->context) || part == NULL || !jinja_get_index(s, a[1], &slices))
		return false;
	if (slices == 0)
		jinja_raise(s, "integer division or modulo by zero");
	number = (int64_t) iterator->position++;
	if (number >= slices || tfm_failed(s->context))
		return false;
	all = iterator->source.list;
	each = (int64_t) all->count / slices;
	extra = (int64_t) all->count % slices;
	start = number * each + (number < extra ? number : extra);
	end = start + each + (number < extra);
	for (int64_t i = start; i < end; i++)
		if (!jinja_append(s, part, all->items[i]))
			return false;
	if (a[2].type != JINJA_MISSING && a[2].type != JINJA_NONE && number >= extra)
		jinja_append(s, part, a[2]);
	*value = jinja_object(JINJA_LIST, part);
	return true;
}

jinja_value
jinja_filter_slice(jinja_state *s, const jinja_value *a)
{
	return make_generator(s, next_slice, a, 3);
}

/* ---- unique ---- */

static bool
next_unique(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	const jinja_value *a = iterator->call->positional.items;
	bool case_sensitive = jinja_flag(s, a[1], false);

	if (iterator->data == NULL)
		iterator->data = jinja_dict_create(s);
	if (iterator->data == NULL || !begin(s, iterator))
		return false;
	while (jinja_next(s, iterator->inner, value))
	{
		jinja_value key = jinja_get_attribute(s, *value, a[2], jinja_missing());
		size_t known = ((jinja_dict *) iterator->data)->count;

		if (!case_sensitive && !tfm_failed(s->context))
			key = jinja_ignore_case(s, key);
		if (tfm_failed(s->context) || !jinja_put(s, iterator->data, key, jinja_none()))
			return false;
		if (((jinja_dict *) iterator->data)->count > known)
			return true;
	}
	return false;
}

jinja_value
jinja_filter_unique(jinja_state *s, const jinja_value *a)
{
	return make_generator(s, next_unique, a, 3);
}

/* ---- map ---- */

/* A filter or test of a name that is only known now. */
static const jinja_function *
find_by_name(jinja_state *s, jinja_value name, bool filter)
{
	const jinja_function *function = name.type != JINJA_STRING ? NULL
									 : filter				   ? jinja_find_filter(name.string)
															   : jinja_find_test(name.string);
	const jinja_string *text = function == NULL ? jinja_repr(s, name) : NULL;

	if (text != NULL)
		jinja_raise(s, "No %s named %.*s.", filter ? "filter" : "test", JINJA_TEXT(text));
	return function;
}

/* Call it with an item and the arguments of the call from a place on. */
static jinja_value
call_with(jinja_state *s, const jinja_function *function, jinja_value item, const jinja_call *call,
		  size_t from)
{
	jinja_call inner = {.named = call->named};

	jinja_append(s, &inner.positional, item);
	for (size_t i = from; i < call->positional.count; i++)
		if (!jinja_append(s, &inner.positional, call->positional.items[i]))
			return jinja_none();
	return jinja_call_function(s, function, NULL, &inner);
}

static jinja_value
map_attribute(jinja_state *s, const jinja_call *call, jinja_value item)
{
	const jinja_entry *attribute = jinja_find_name(call->named, "attribute");
	const jinja_entry *fallback = jinja_find_name(call->named, "default");

	for (size_t i = 0; i < call->named->count; i++)
		if (&call->named->entries[i] != attribute && &call->named->entries[i] != fallback)
		{
			const jinja_string *name = jinja_repr(s, call->named->entries[i].key);

			return name != NULL
					   ? jinja_raise(s, "Unexpected keyword argument %.*s", JINJA_TEXT(name))
					   : jinja_none();
		}
	return jinja_get_attribute(s, item, attribute->value,
							   fallback != NULL ? fallback->value : jinja_missing());
}

static bool
next_mapped(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	const jinja_call *call = iterator->call;
	bool attribute = call->positional.count < 2 && call->named != NULL &&
					 jinja_find_name(call->named, "attribute") != NULL;
	const jinja_function *filter = NULL;

	if (!iterator->begun && !jinja_truth(s, iterator->source))
		return false;
	if (!attribute && call->positional.count < 2)
	{
		jinja_raise(s, "map requires a filter argument");
		return false;
	}
	if (!begin(s, iterator) || !jinja_next(s, iterator->inner, value))
		return false;
	if (attribute)
		*value = map_attribute(s, call, *value);
	else if ((filter = find_by_name(s, call->positional.items[1], true)) != NULL)
		*value = call_with(s, filter, *value, call, 2);
	return !tfm_failed(s->context);
}

static jinja_value
make_lazy(jinja_state *s, bool (*next)(jinja_state *, jinja_iterator *, jinja_value *),
		  const jinja_call *call)
{
	if (call->positional.count == 0)
		return jinja_raise(s, "missing 1 required positional argument: 'value'");
	return jinja_object(JINJA_ITERATOR, jinja_generator(s, next, call->positional.items[0], call));
}

jinja_value
jinja_filter_map(jinja_state *s, jinja_value self, const jinja_call *call)
{
	(void) self;
	return make_lazy(s, next_mapped, call);
}

/* ---- select, reject, selectattr, rejectattr ---- */

/* Whether an item passes; with an attribute, that is what is tested. */
static bool
passes(jinja_state *s, const jinja_call *call, jinja_value item, bool attribute)
{
	size_t name = 1 + attribute;
	const jinja_function *test;

	if (attribute && call->positional.count < 2)
	{
		jinja_raise(s, "Missing parameter for attribute name");
		return false;
	}
	if (attribute)
		item = jinja_get_attribute(s, item, call->positional.items[1], jinja_missing());
	if (tfm_failed(s->context))
		return false;
	if (call->positional.count <= name)
		return jinja_truth(s, item);
	test = find_by_name(s, call->positional.items[name], false);
	return test != NULL && jinja_truth(s, call_with(s, test, item, call, name + 1));
}

static bool
next_chosen(jinja_state *s, jinja_iterator *iterator, jinja_value *value, bool attribute,
			bool wanted)
{
	if (!iterator->begun && !jinja_truth(s, iterator->source))
		return false;
	if (!begin(s, iterator))
		return false;
	while (jinja_next(s, iterator->inner, value))
	{
		bool passed = passes(s, iterator->call, *value, attribute);

		if (tfm_failed(s->context))
			return false;
		if (passed == wanted)
			return true;
	}
	return false;
}

static bool
next_selected(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	return next_chosen(s, iterator, value, false, true);
}

static bool
next_rejected(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	return next_chosen(s, iterator, value, false, false);
}

static bool
next_selected_attribute(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	return next_chosen(s, iterator, value, true, true);
}

static bool
next_rejected_attribute(jinja_state *s, jinja_iterator *iterator, jinja_value *value)
{
	return next_chosen(s, iterator, value, true, false);
}

jinja_value
jinja_filter_select(jinja_state *s, jinja_value self, const jinja_call *call)
{
	(void) self;
	return make_lazy(s, next_selected, call);
}

jinja_value
jinja_filter_reject(jinja_state *s, jinja_value self, const jinja_call *call)
{
	(void) self;
	return make_lazy(s, next_rejected, call);
}

jinja_value
jinja_filter_selectattr(jinja_state *s, jinja_value self, const jinja_call *call)
{
	(void) self;
	return make_lazy(s, next_selected_attribute, call);
}

jinja_value
jinja_filter_rejectattr(jinja_state *s, jinja_value self, const jinja_call *call)
{
	(void) self;
	return make_lazy(s, next_rejected_attribute, call);
}
