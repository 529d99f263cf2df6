/*
 * tests.c
 *	  The table of tests: what stands after "is".
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/methods.h"
#include "text/jinja/number.h"

/* value % number == wanted */
static jinja_value
modulo_is(jinja_state *s, jinja_value value, jinja_value number, int wanted)
{
	jinja_value rest = jinja_binary(s, '%', value, number);

	return tfm_failed(s->context) ? rest : jinja_bool(jinja_equal(s, rest, jinja_int(wanted)));
}

static jinja_value
test_odd(jinja_state *s, const jinja_value *a)
{
	return modulo_is(s, a[0], jinja_int(2), 1);
}

static jinja_value
test_even(jinja_state *s, const jinja_value *a)
{
	return modulo_is(s, a[0], jinja_int(2), 0);
}

static jinja_value
test_divisibleby(jinja_state *s, const jinja_value *a)
{
	return modulo_is(s, a[0], a[1], 0);
}

static jinja_value
test_filter(jinja_state *s, const jinja_value *a)
{
	(void) s;
	return jinja_bool(a[0].type == JINJA_STRING && jinja_find_filter(a[0].string) != NULL);
}

static jinja_value
test_test(jinja_state *s, const jinja_value *a)
{
	(void) s;
	return jinja_bool(a[0].type == JINJA_STRING && jinja_find_test(a[0].string) != NULL);
}

static jinja_value
is_case(jinja_state *s, jinja_value value, bool upper)
{
	const jinja_string *text = jinja_str(s, value);

	return text != NULL ? jinja_bool(jinja_text_is_case(text, upper)) : jinja_none();
}

static jinja_value
test_lower(jinja_state *s, const jinja_value *a)
{
	return is_case(s, a[0], false);
}

static jinja_value
test_upper(jinja_state *s, const jinja_value *a)
{
	return is_case(s, a[0], true);
}

static jinja_value
test_sameas(jinja_state *s, const jinja_value *a)
{
	(void) s;
	return jinja_bool(jinja_same(a[0], a[1]));
}

static jinja_value
test_in(jinja_state *s, const jinja_value *a)
{
	return jinja_bool(jinja_contains(s, a[1], a[0]));
}

static jinja_value
test_sequence(jinja_state *s, const jinja_value *a)
{
	(void) s;
	return jinja_bool(jinja_has_length(a[0]) && a[0].type != JINJA_LOOP && a[0].type != JINJA_VIEW);
}

static jinja_value
test_eq(jinja_state *s, const jinja_value *a)
{
	return jinja_bool(jinja_equal(s, a[0], a[1]));
}

static jinja_value
test_ne(jinja_state *s, const jinja_value *a)
{
	return jinja_bool(!jinja_equal(s, a[0], a[1]));
}

/* Tests that say something of the value alone. */
#define SIMPLE(name, condition)                                                                    \
	static jinja_value test_##name(jinja_state *s, const jinja_value *a)                           \
	{                                                                                              \
		(void) s;                                                                                  \
		return jinja_bool(condition);                                                              \
	}

SIMPLE(defined, a[0].type != JINJA_UNDEFINED)
SIMPLE(undefined, a[0].type == JINJA_UNDEFINED)
SIMPLE(none, a[0].type == JINJA_NONE)
SIMPLE(boolean, a[0].type == JINJA_BOOL)
SIMPLE(true, a[0].type == JINJA_BOOL && a[0].boolean)
SIMPLE(false, a[0].type == JINJA_BOOL && !a[0].boolean)
SIMPLE(integer, a[0].type == JINJA_INT || a[0].type == JINJA_BIG)
SIMPLE(float, a[0].type == JINJA_FLOAT)
SIMPLE(string, a[0].type == JINJA_STRING)
SIMPLE(mapping, a[0].type == JINJA_DICT)
SIMPLE(number, jinja_is_number(a[0]))
SIMPLE(iterable, jinja_is_iterable(a[0]) || a[0].type == JINJA_TEMPLATE)
SIMPLE(callable, jinja_is_callable(a[0]))
SIMPLE(escaped, a[0].type == JINJA_STRING && a[0].string->markup)

#define ORDER(name, operator)                                                                      \
	static jinja_value test_##name(jinja_state *s, const jinja_value *a)                           \
	{                                                                                              \
		return jinja_bool(jinja_order(s, operator, a[0], a[1]));                                   \
	}

ORDER(lt, '<')
ORDER(le, 'l')
ORDER(gt, '>')
ORDER(ge, 'g')

static const jinja_function tests[] = {
	{"!=", "a b", 2, test_ne, NULL},
	{"<", "a b", 2, test_lt, NULL},
	{"<=", "a b", 2, test_le, NULL},
	{"==", "a b", 2, test_eq, NULL},
	{">", "a b", 2, test_gt, NULL},
	{">=", "a b", 2, test_ge, NULL},
	{"boolean", "value", 1, test_boolean, NULL},
	{"callable", "value", 1, test_callable, NULL},
	{"defined", "value", 1, test_defined, NULL},
	{"divisibleby", "value num", 2, test_divisibleby, NULL},
	{"eq", "a b", 2, test_eq, NULL},
	{"equalto", "a b", 2, test_eq, NULL},
	{"escaped", "value", 1, test_escaped, NULL},
	{"even", "value", 1, test_even, NULL},
	{"false", "value", 1, test_false, NULL},
	{"filter", "value", 1, test_filter, NULL},
	{"float", "value", 1, test_float, NULL},
	{"ge", "a b", 2, test_ge, NULL},
	{"greaterthan", "a b", 2, test_gt, NULL},
	{"gt", "a b", 2, test_gt, NULL},
	{"in", "value seq", 2, test_in, NULL},
	{"integer", "value", 1, test_integer, NULL},
	{"iterable", "value", 1, test_iterable, NULL},
	{"le", "a b", 2, test_le, NULL},
	{"lessthan", "a b", 2, test_lt, NULL},
	{"lower", "value", 1, test_lower, NULL},
	{"lt", "a b", 2, test_lt, NULL},
	{"mapping", "value", 1, test_mapping, NULL},
	{"ne", "a b", 2, test_ne, NULL},
	{"none", "value", 1, test_none, NULL},
	{"number", "value", 1, test_number, NULL},
	{"odd", "value", 1, test_odd, NULL},
	{"sameas", "value other", 2, test_sameas, NULL},
	{"sequence", "value", 1, test_sequence, NULL},
	{"string", "value", 1, test_string, NULL},
	{"test", "value", 1, test_test, NULL},
	{"true", "value", 1, test_true, NULL},
	{"undefined", "value", 1, test_undefined, NULL},
	{"upper", "value", 1, test_upper, NULL},
};

const jinja_function *
jinja_find_test(const jinja_string *name)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (jinja_is_text(name, tests[i].name))
			return &tests[i];
	return NULL;
}
