/*
 * attributes.c
 *	  Members of values: a.b, a['b'], a[1], a[1:2], as the sandbox lets them be seen.
 *
 * a.b is Python's attribute, then the item; a['b'] is the item, then the attribute.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "text/jinja/number.h"
#include "text/jinja/program.h"

/* ---- Attributes by type ---- */

static jinja_value
cycler_attribute(jinja_value object, const jinja_string *name)
{
	if (jinja_is_text(name, "current"))
		return object.cycler->items->items[object.cycler->position];
	if (jinja_is_text(name, "pos"))
		return jinja_int((int64_t) object.cycler->position);
	if (jinja_is_text(name, "items"))
		return jinja_object(JINJA_TUPLE, object.cycler->items);
	return jinja_missing();
}

static jinja_value
joiner_attribute(jinja_value object, const jinja_string *name)
{
	if (jinja_is_text(name, "sep"))
		return *object.joiner->separator;
	return jinja_is_text(name, "used") ? jinja_bool(object.joiner->used) : jinja_missing();
}

static jinja_value
macro_attribute(jinja_state *s, const jinja_macro *macro, const jinja_string *name)
{
	const jinja_scope_plans *plans = macro->node->plans;
	jinja_list *names;

	if (jinja_is_text(name, "name"))
		return macro->node->kind == NODE_MACRO ? jinja_object(JINJA_STRING, macro->node->name)
											   : jinja_none();
	if (jinja_is_text(name, "catch_kwargs"))
		return jinja_bool(plans->takes_kwargs);
	if (jinja_is_text(name, "catch_varargs"))
		return jinja_bool(plans->takes_varargs);
	if (jinja_is_text(name, "caller"))
		return jinja_bool(plans->takes_caller);
	if (jinja_is_text(name, "explicit_caller"))
		return jinja_bool(plans->explicit_caller);
	if (!jinja_is_text(name, "arguments"))
		return jinja_missing();
	names = jinja_list_create(s, macro->node->items.count);
	for (size_t i = 0; i < macro->node->items.count; i++)
		jinja_append(s, names, jinja_object(JINJA_STRING, macro->node->items.items[i]->name));
	return jinja_object(JINJA_TUPLE, names);
}

static jinja_value
block_attribute(jinja_state *s, jinja_value object, const jinja_string *name)
{
	if (jinja_is_text(name, "name"))
		return jinja_object(JINJA_STRING, object.block->node->name);
	if (jinja_is_text(name, "super"))
		return jinja_undefined_hint(s, "there is no parent block called '%.*s'.",
									JINJA_TEXT(object.block->node->name));
	return jinja_missing();
}

static jinja_value
number_attribute(jinja_value object, const jinja_string *name)
{
	if (jinja_is_text(name, "real"))
		return jinja_as_int(object);
	if (jinja_is_text(name, "imag"))
		return object.type == JINJA_FLOAT ? jinja_float(0) : jinja_int(0);
	if (object.type == JINJA_FLOAT)
		return jinja_missing();
	if (jinja_is_text(name, "numerator"))
		return jinja_as_int(object);
	return jinja_is_text(name, "denominator") ? jinja_int(1) : jinja_missing();
}

static jinja_value
namespace_attribute(jinja_value object, const jinja_string *name)
{
	const jinja_entry *entry = jinja_find_string(object.names->attributes, name);

	return entry != NULL ? entry->value : jinja_missing();
}

static jinja_value
own_attribute(jinja_state *s, jinja_value object, const jinja_string *name)
{
	switch (object.type)
	{
		case JINJA_NAMESPACE:
			return namespace_attribute(object, name);
		case JINJA_LOOP:
			return jinja_loop_attribute(s, object.loop, name);
		case JINJA_CYCLER:
			return cycler_attribute(object, name);
		case JINJA_JOINER:
			return joiner_attribute(object, name);
		case JINJA_MACRO:
			return macro_attribute(s, object.macro, name);
		case JINJA_BLOCK:
			return block_attribute(s, object, name);
		case JINJA_BOOL:
		case JINJA_INT:
		case JINJA_BIG:
		case JINJA_FLOAT:
			return number_attribute(object, name);
		case JINJA_RANGE:
			if (jinja_is_text(name, "start"))
				return jinja_int(object.range->start);
			if (jinja_is_text(name, "stop"))
				return jinja_int(object.range->stop);
			return jinja_is_text(name, "step") ? jinja_int(object.range->step) : jinja_missing();
		case JINJA_TUPLE:
			if (object.list->group && jinja_is_text(name, "grouper"))
				return object.list->items[0];
			return object.list->group && jinja_is_text(name, "list") ? object.list->items[1]
																	 : jinja_missing();
		default:
			return jinja_missing();
	}
}

/* Names that every object has and that begin with an underscore. */
static bool
is_internal(jinja_value object, const jinja_string *name)
{
	static const char *const names[] = {
		"__class__",   "__delattr__", "__dir__",		   "__doc__",		  "__eq__",
		"__format__",  "__ge__",	  "__getattribute__",  "__getstate__",	  "__gt__",
		"__hash__",	   "__init__",	  "__init_subclass__", "__le__",		  "__lt__",
		"__ne__",	   "__new__",	  "__reduce__",		   "__reduce_ex__",	  "__repr__",
		"__setattr__", "__sizeof__",  "__str__",		   "__subclasshook__"};

	if (name->bytes < 2 || name->data[0] != '_' || object.type == JINJA_NAMESPACE)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (jinja_is_text(name, names[i]))
			return true;
	return false;
}

static jinja_value
unsafe_undefined(jinja_state *s, jinja_value object, const jinja_string *name)
{
	const jinja_string *text = jinja_repr(s, jinja_object(JINJA_STRING, name));

	if (text == NULL)
		return jinja_none();
	return jinja_undefined_hint(s, "access to attribute %.*s of '%s' object is unsafe.",
								JINJA_TEXT(text), jinja_type_name(object));
}

jinja_value
jinja_attribute_only(jinja_state *s, jinja_value object, const jinja_string *name)
{
	const jinja_function *function;
	jinja_method *method;
	jinja_value value;

	if (is_internal(object, name) || jinja_is_mutator(object, name))
		return unsafe_undefined(s, object, name);
	value = own_attribute(s, object, name);
	function = value.type == JINJA_MISSING ? jinja_find_method(object, name) : NULL;
	if (function == NULL)
		return value;
	method = jinja_alloc(s, sizeof(*method));
	if (method == NULL)
		return jinja_none();
	*method = (jinja_method) {.function = function, .self = object};
	return jinja_object(JINJA_METHOD, method);
}

/* ---- Items ---- */

/* Python's index of a sequence: from the end if negative.  False where there is none. */
static bool
find_place(jinja_value index, int64_t length, size_t *place)
{
	index = jinja_as_int(index);
	if (index.type != JINJA_INT)
		return false;
	if (index.integer < 0)
		index.integer += length;
	*place = (size_t) index.integer;
	return index.integer >= 0 && index.integer < length;
}

static jinja_value
block_reference(jinja_state *s, jinja_value index)
{
	jinja_block_reference *block;

	for (size_t i = 0; index.type == JINJA_STRING && i < s->template->blocks.count; i++)
	{
		if (!jinja_string_equal(s->template->blocks.items[i]->name, index.string))
			continue;
		block = jinja_alloc(s, sizeof(*block));
		if (block == NULL)
			return jinja_none();
		*block = (jinja_block_reference) {.node = s->template->blocks.items[i], .scope = s->scope};
		return jinja_object(JINJA_BLOCK, block);
	}
	return jinja_missing();
}

/* obj[index], MISSING where Python raises TypeError or LookupError. */
static jinja_value
find_item(jinja_state *s, jinja_value object, jinja_value index)
{
	const jinja_entry *entry;
	int64_t length;
	size_t place;

	switch (object.type)
	{
		case JINJA_DICT:
			entry = jinja_is_hashable(s, index) ? jinja_find(s, object.dict, index) : NULL;
			return entry != NULL ? entry->value : jinja_missing();
		case JINJA_STRING:
		case JINJA_LIST:
		case JINJA_TUPLE:
		case JINJA_RANGE:
			jinja_length(s, object, &length);
			return find_place(index, length, &place) ? jinja_item(s, object, place)
													 : jinja_missing();
		case JINJA_TEMPLATE:
			return block_reference(s, index);
		default:
			return jinja_missing();
	}
}

jinja_value
jinja_getattr(jinja_state *s, jinja_value object, const jinja_string *name)
{
	jinja_value value;

	if (object.type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, object.undefined);
	value = jinja_attribute_only(s, object, name);
	if (value.type == JINJA_MISSING)
		value = find_item(s, object, jinja_object(JINJA_STRING, name));
	if (value.type == JINJA_MISSING)
		value = jinja_undefined_member(s, object, jinja_object(JINJA_STRING, name));
	return value;
}

jinja_value
jinja_getitem(jinja_state *s, jinja_value object, jinja_value index)
{
	jinja_value value;

	if (object.type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, object.undefined);
	value = find_item(s, object, index);
	if (value.type == JINJA_MISSING && index.type == JINJA_STRING)
		value = jinja_attribute_only(s, object, index.string);
	if (value.type == JINJA_MISSING)
		value = jinja_undefined_member(s, object, index);
	return value;
}

/* ---- Slices ---- */

/* An index of a slice, between bounds; absent is none. */
static bool
slice_index(jinja_state *s, jinja_value value, int64_t length, int64_t low, int64_t high,
			int64_t absent, int64_t *index)
{
	value = jinja_as_int(value);
	*index = absent;
	if (value.type == JINJA_NONE)
		return true;
	if (!jinja_is_integer(value))
	{
		jinja_raise(s, "slice indices must be integers or None or have an __index__ method");
		return false;
	}
	if (value.type == JINJA_BIG)
		*index = jinja_integer_sign(value) < 0 ? low : high;
	else
	{
		*index = value.integer < 0 && value.integer >= INT64_MIN + length ? value.integer + length
																		  : value.integer;
		*index = *index < low ? low : *index > high ? high : *index;
	}
	return true;
}

static jinja_value
slice_string(jinja_state *s, const jinja_string *string, int64_t start, int64_t count, int64_t step)
{
	jinja_output output = {0};
	jinja_value result;
	size_t *offsets = NULL;

	if (step == 1)
		return jinja_substring(s, string, (size_t) start, (size_t) (start + count));
	/* Where each character begins, so that going back is no search. */
	if (string->count != string->bytes)
	{
		size_t character = 0;

		offsets = jinja_alloc(s, (string->count + 1) * sizeof(*offsets));
		if (offsets == NULL || !jinja_step(s, string->count / 8))
			return jinja_none();
		for (size_t i = 0; i < string->bytes; i++)
			if (((unsigned char) string->data[i] & 0xC0) != 0x80)
				offsets[character++] = i;
		offsets[character] = string->bytes;
	}
	for (int64_t i = 0; i < count; i++)
	{
		size_t c = (size_t) (start + i * step);
		size_t from = offsets != NULL ? offsets[c] : c,
			   to = offsets != NULL ? offsets[c + 1] : c + 1;

		if (!jinja_write(s, &output, string->data + from, to - from))
			return jinja_none();
	}
	result = jinja_written(s, &output);
	return string->markup && result.type == JINJA_STRING ? jinja_marked(s, result.string, true)
														 : result;
}

static jinja_value
slice_list(jinja_state *s, jinja_value object, int64_t start, int64_t count, int64_t step)
{
	jinja_list *list = jinja_list_create(s, (size_t) count);

	for (int64_t i = 0; i < count; i++)
		if (!jinja_append(s, list, object.list->items[start + i * step]))
			return jinja_none();
	return jinja_object(object.type, list);
}

static jinja_value
slice_range(jinja_state *s, const jinja_range *range, int64_t start, int64_t stop, int64_t count,
			int64_t step)
{
	jinja_range *part = jinja_alloc(s, sizeof(*part));

	if (part == NULL)
		return jinja_none();
	/* What overflows is the part of a range with huge steps; modulo 2^64 its items are right. */
	*part = (jinja_range) {
		.start = (int64_t) ((uint64_t) range->start + (uint64_t) start * (uint64_t) range->step),
		.stop = (int64_t) ((uint64_t) range->start + (uint64_t) stop * (uint64_t) range->step),
		.step = (int64_t) ((uint64_t) range->step * (uint64_t) step),
		.count = count};
	return jinja_object(JINJA_RANGE, part);
}

jinja_value
jinja_slice(jinja_state *s, jinja_value object, jinja_value from, jinja_value to, jinja_value step)
{
	int64_t length, start, stop, by, count;

	if (object.type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, object.undefined);
	if (object.type == JINJA_DICT)
		return jinja_raise(s, "unhashable type: 'slice'");
	if (object.type != JINJA_STRING && object.type != JINJA_LIST && object.type != JINJA_TUPLE &&
		object.type != JINJA_RANGE)
		return jinja_raise(s, "'%s' object is not subscriptable", jinja_type_name(object));
	jinja_length(s, object, &length);
	if (!slice_index(s, step, 0, -INT32_MAX, INT32_MAX, 1, &by))
		return jinja_none();
	if (by == 0)
		return jinja_raise(s, "slice step cannot be zero");
	if (!slice_index(s, from, length, by > 0 ? 0 : -1, by > 0 ? length : length - 1,
					 by > 0 ? 0 : length - 1, &start) ||
		!slice_index(s, to, length, by > 0 ? 0 : -1, by > 0 ? length : length - 1,
					 by > 0 ? length : -1, &stop))
		return jinja_none();
	count = by > 0 ? (stop > start ? (stop - start - 1) / by + 1 : 0)
				   : (start > stop ? (start - stop - 1) / -by + 1 : 0);
	if (object.type == JINJA_STRING)
		return slice_string(s, object.string, start, count, by);
	if (object.type == JINJA_RANGE)
		return slice_range(s, object.range, start, stop, count, by);
	return slice_list(s, object, start, count, by);
}
