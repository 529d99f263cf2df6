/*
 * methods.c
 *	  Methods of dicts, lists, numbers and the few objects of Jinja's own.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/methods.h"

#include <math.h>
#include <stdlib.h>

#include "text/jinja/number.h"
#include "text/jinja/text.h"

/* ---- dict ---- */

static jinja_value
dict_get(jinja_state *s, const jinja_value *a)
{
	const jinja_entry *entry = jinja_find(s, a[0].dict, a[1]);

	if (entry != NULL)
		return entry->value;
	return a[2].type == JINJA_MISSING ? jinja_none() : a[2];
}

static jinja_value
make_view(jinja_state *s, jinja_dict *dict, int kind)
{
	jinja_view *view = jinja_alloc_zero(s, sizeof(*view));

	if (view == NULL)
		return jinja_none();
	view->dict = dict;
	view->kind = kind;
	return jinja_object(JINJA_VIEW, view);
}

static jinja_value
dict_items(jinja_state *s, const jinja_value *a)
{
	return make_view(s, a[0].dict, JINJA_ITEMS);
}

static jinja_value
dict_keys(jinja_state *s, const jinja_value *a)
{
	return make_view(s, a[0].dict, JINJA_KEYS);
}

static jinja_value
dict_values(jinja_state *s, const jinja_value *a)
{
	return make_view(s, a[0].dict, JINJA_VALUES);
}

/* Nothing changes a dict or a list, so that a copy can be the same. */
static jinja_value
copy(jinja_state *s, const jinja_value *a)
{
	(void) s;
	return a[0];
}

static jinja_value
dict_fromkeys(jinja_state *s, const jinja_value *a)
{
	jinja_dict *dict = jinja_dict_create(s);
	jinja_iterator *iterator = jinja_iterate(s, a[1]);
	jinja_value key;

	while (iterator != NULL && dict != NULL && jinja_next(s, iterator, &key))
		if (!jinja_put(s, dict, key, a[2].type == JINJA_MISSING ? jinja_none() : a[2]))
			return jinja_none();
	return tfm_failed(s->context) ? jinja_none() : jinja_object(JINJA_DICT, dict);
}

static const jinja_function dict_rows[] = {
	{"copy", "self", 1, copy, NULL},
	{"fromkeys", "self iterable value", 2, dict_fromkeys, NULL},
	{"get", "self key default", 2, dict_get, NULL},
	{"items", "self", 1, dict_items, NULL},
	{"keys", "self", 1, dict_keys, NULL},
	{"values", "self", 1, dict_values, NULL},
};

/* ---- list, tuple, range ---- */

static jinja_value
sequence_count(jinja_state *s, const jinja_value *a)
{
	jinja_iterator *iterator = jinja_iterate(s, a[0]);
	int64_t count = 0;
	jinja_value item;

	while (iterator != NULL && jinja_next(s, iterator, &item))
		count += jinja_same(item, a[1]) || jinja_equal(s, item, a[1]);
	return jinja_int(count);
}

static jinja_value
sequence_index(jinja_state *s, const jinja_value *a)
{
	jinja_iterator *iterator = jinja_iterate(s, a[0]);
	int64_t start = 0, stop = INT64_MAX, length;
	const jinja_string *text;
	jinja_value item;

	jinja_length(s, a[0], &length);
	if ((a[2].type != JINJA_MISSING && !jinja_get_index(s, a[2], &start)) ||
		(a[3].type != JINJA_MISSING && !jinja_get_index(s, a[3], &stop)))
		return jinja_none();
	if (start < 0)
		start += length;
	if (stop < 0)
		stop += length;
	for (int64_t i = 0; iterator != NULL && jinja_next(s, iterator, &item); i++)
		if (i >= start && i < stop && (jinja_same(item, a[1]) || jinja_equal(s, item, a[1])))
			return jinja_int(i);
	text = tfm_failed(s->context) ? NULL : jinja_repr(s, a[1]);
	if (text != NULL && a[0].type != JINJA_TUPLE)
		jinja_raise(s, "%.*s is not in %s", JINJA_TEXT(text), jinja_type_name(a[0]));
	else if (text != NULL)
		jinja_raise(s, "tuple.index(x): x not in tuple");
	return jinja_none();
}

static const jinja_function sequence_rows[] = {
	{"count", "self value", 2, sequence_count, NULL},
	{"index", "self value start stop", 2, sequence_index, NULL},
	{"copy", "self", 1, copy, NULL}, /* not of a tuple or range: kept last */
};

/* ---- Numbers ---- */

static jinja_value
number_itself(jinja_state *s, const jinja_value *a)
{
	(void) s;
	return jinja_as_int(a[0]);
}

static jinja_value
integer_bit_length(jinja_state *s, const jinja_value *a)
{
	jinja_value value = jinja_as_int(a[0]);
	int64_t bits = 0;

	(void) s;
	if (value.type == JINJA_BIG)
		return jinja_int((int64_t) value.big->count * 32 -
						 __builtin_clz(value.big->limbs[value.big->count - 1]));
	for (uint64_t rest = (uint64_t) llabs(value.integer); rest > 0; rest >>= 1)
		bits++;
	return jinja_int(bits);
}

static jinja_value
float_is_integer(jinja_state *s, const jinja_value *a)
{
	(void) s;
	return jinja_bool(!isinf(a[0].number) && a[0].number == floor(a[0].number));
}

static const jinja_function integer_rows[] = {
	{"bit_length", "self", 1, integer_bit_length, NULL},
	{"conjugate", "self", 1, number_itself, NULL},
};

static const jinja_function float_rows[] = {
	{"conjugate", "self", 1, number_itself, NULL},
	{"is_integer", "self", 1, float_is_integer, NULL},
};

/* ---- cycler ---- */

static jinja_value
cycler_next(jinja_state *s, const jinja_value *a)
{
	jinja_cycler *cycler = a[0].cycler;
	jinja_value current = cycler->items->items[cycler->position];

	(void) s;
	cycler->position = (cycler->position + 1) % cycler->items->count;
	return current;
}

static jinja_value
cycler_reset(jinja_state *s, const jinja_value *a)
{
	(void) s;
	a[0].cycler->position = 0;
	return jinja_none();
}

static const jinja_function cycler_rows[] = {
	{"next", "self", 1, cycler_next, NULL},
	{"reset", "self", 1, cycler_reset, NULL},
};

/* ---- Looking up ---- */

#define TABLE(rows) ((jinja_methods) {rows, sizeof(rows) / sizeof(rows[0])})

static jinja_methods
methods_of(jinja_value object)
{
	jinja_methods sequence = TABLE(sequence_rows);

	switch (object.type)
	{
		case JINJA_STRING:
			return jinja_string_methods;
		case JINJA_DICT:
			return TABLE(dict_rows);
		case JINJA_LIST:
			return sequence;
		case JINJA_TUPLE:
		case JINJA_RANGE:
			sequence.count--;
			return sequence;
		case JINJA_BOOL:
		case JINJA_INT:
		case JINJA_BIG:
			return TABLE(integer_rows);
		case JINJA_FLOAT:
			return TABLE(float_rows);
		case JINJA_CYCLER:
			return TABLE(cycler_rows);
		case JINJA_FUNCTION:
			/* The global "dict" has one method. */
			if (object.function->name[0] == 'd')
				return (jinja_methods) {&dict_rows[1], 1};
			return (jinja_methods) {NULL, 0};
		default:
			return (jinja_methods) {NULL, 0};
	}
}

const jinja_function *
jinja_find_method(jinja_value object, const jinja_string *name)
{
	jinja_methods methods = methods_of(object);

	for (size_t i = 0; i < methods.count; i++)
		if (jinja_is_text(name, methods.rows[i].name))
			return &methods.rows[i];
	return NULL;
}

bool
jinja_is_mutator(jinja_value object, const jinja_string *name)
{
	static const char *const of_dict[] = {"clear", "pop", "popitem", "setdefault", "update", NULL},
							 *const of_list[] = {"append", "clear",	 "pop",	   "reverse", "insert",
												 "sort",   "extend", "remove", NULL},
							 *const of_none[] = {NULL};
	const char *const *names = object.type == JINJA_DICT   ? of_dict
							   : object.type == JINJA_LIST ? of_list
														   : of_none;

	for (; *names != NULL; names++)
		if (jinja_is_text(name, *names))
			return true;
	return false;
}
