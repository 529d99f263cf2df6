/*
 * operators.c
 *	  Arithmetic, and what + and * do with sequences.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "text/jinja/format.h"
#include "text/jinja/number.h"
#include "text/jinja/program.h"

static jinja_value
raise_types(jinja_state *s, char operator, jinja_value a, jinja_value b)
{
	const char *name = operator== 'F' ? "//" :
					   operator== 'P' ? "** or pow()"
									  : (const char[]) {operator, '\0' };

	return jinja_raise(s, "unsupported operand type(s) for %s: '%s' and '%s'", name,
					   jinja_type_name(a), jinja_type_name(b));
}

/* ---- Numbers ---- */

/* Python's float divmod: the remainder has the divisor's sign. */
static double
float_modulo(double a, double b, double *quotient)
{
	double rest = fmod(a, b), whole = (a - rest) / b;

	if (rest != 0 && (b < 0) != (rest < 0))
	{
		rest += b;
		whole -= 1;
	}
	else if (rest == 0)
		rest = copysign(0, b);
	if (whole != 0)
	{
		*quotient = floor(whole);
		if (whole - *quotient > 0.5)
			*quotient += 1;
	}
	else
		*quotient = copysign(0, a / b);
	return rest;
}

static jinja_value
float_power(jinja_state *s, double a, double b)
{
	double result;

	if (a == 0 && b < 0)
		return jinja_raise(s, "0.0 cannot be raised to a negative power");
	if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b))
	{
		jinja_fail(s, TFM_UNSUPPORTED, s->line, "complex numbers are not supported");
		return jinja_none();
	}
	result = pow(a, b);
	if (isinf(result) && isfinite(a) && isfinite(b))
		return jinja_raise(s, "(34, 'Numerical result out of range')");
	return jinja_float(result);
}

/* An integer as a float; false where it is too big for one. */
static bool
get_double(jinja_state *s, jinja_value value, double *number)
{
	*number = jinja_to_double(value);
	if (value.type == JINJA_BIG && isinf(*number))
	{
		jinja_raise(s, "int too large to convert to float");
		return false;
	}
	return true;
}

static jinja_value
float_operation(jinja_state *s, char operator, jinja_value left, jinja_value right)
{
	double a, b, quotient;

	if (!get_double(s, left, &a) || !get_double(s, right, &b))
		return jinja_none();
	if (b == 0 && operator== '/')
		return jinja_raise(s, left.type == JINJA_FLOAT || right.type == JINJA_FLOAT
								  ? "float division by zero"
								  : "division by zero");
	if (b == 0 && operator== 'F')
		return jinja_raise(s, "float floor division by zero");
	if (b == 0 && operator== '%')
		return jinja_raise(s, "float modulo");
	switch (operator)
	{
		case '+':
			return jinja_float(a + b);
		case '-':
			return jinja_float(a - b);
		case '*':
			return jinja_float(a * b);
		case '/':
			return jinja_float(a / b);
		case 'P':
			return float_power(s, a, b);
		default:
			a = float_modulo(a, b, &quotient);
			return jinja_float(operator== '%' ? a : quotient);
	}
}

/* int / int, to the nearest float: beyond 2^53 the operands are no floats themselves. */
static jinja_value
divide_integers(jinja_state *s, jinja_value a, jinja_value b)
{
	a = jinja_as_int(a);
	b = jinja_as_int(b);
	if (a.type == JINJA_INT && b.type == JINJA_INT && b.integer != 0)
		return jinja_float((double) ((long double) a.integer / (long double) b.integer));
	return float_operation(s, '/', a, b);
}

static jinja_value
integer_operation(jinja_state *s, char operator, jinja_value a, jinja_value b)
{
	jinja_value quotient, rest;

	switch (operator)
	{
		case '+':
		case '-':
			return jinja_integer_add(s, a, b, operator== '-');
		case '*':
			return jinja_integer_multiply(s, a, b);
		case '/':
			return divide_integers(s, a, b);
		case 'P':
			if (jinja_integer_sign(b) < 0)
				return float_operation(s, operator, a, b);
			b = jinja_as_int(b);
			return jinja_integer_power(s, a,
									   b.type == JINJA_INT ? (uint64_t) b.integer : UINT64_MAX);
		default:
			if (jinja_integer_sign(b) == 0)
				return jinja_raise(s, operator== '%' ? "integer modulo by zero"
													 : "integer division or modulo by zero");
			if (!jinja_integer_divide(s, a, b, &quotient, &rest))
				return jinja_none();
			return operator== '%' ? rest : quotient;
	}
}

/* ---- Sequences ---- */

static jinja_value
add_strings(jinja_state *s, jinja_value a, jinja_value b)
{
	bool markup = a.string->markup || b.string->markup;

	if (markup)
	{
		a = jinja_escape(s, a);
		b = jinja_escape(s, b);
		if (tfm_failed(s->context))
			return jinja_none();
	}
	return jinja_concat(s, a.string, b.string);
}

static jinja_value
add_lists(jinja_state *s, jinja_value a, jinja_value b)
{
	jinja_list *list = jinja_list_create(s, a.list->count + b.list->count);

	for (size_t i = 0; i < a.list->count; i++)
		if (!jinja_append(s, list, a.list->items[i]))
			return jinja_none();
	for (size_t i = 0; i < b.list->count; i++)
		if (!jinja_append(s, list, b.list->items[i]))
			return jinja_none();
	return jinja_object(a.type, list);
}

static jinja_value
add(jinja_state *s, jinja_value a, jinja_value b)
{
	if (a.type == JINJA_STRING && b.type == JINJA_STRING)
		return add_strings(s, a, b);
	if ((a.type == JINJA_LIST || a.type == JINJA_TUPLE) && a.type == b.type)
		return add_lists(s, a, b);
	if (a.type == JINJA_STRING || a.type == JINJA_LIST || a.type == JINJA_TUPLE)
		return jinja_raise(s, "can only concatenate %s (not \"%s\") to %s", jinja_type_name(a),
						   jinja_type_name(b), jinja_type_name(a));
	return raise_types(s, '+', a, b);
}

static jinja_value
repeat_string(jinja_state *s, const jinja_string *string, int64_t count)
{
	jinja_output output = {0};
	jinja_value result;

	if (string->bytes == 0)
		return jinja_object(JINJA_STRING, string);
	for (int64_t i = 0; i < count; i++)
		if (!jinja_step(s, 1) || !jinja_write_string(s, &output, string))
			return jinja_none();
	result = jinja_written(s, &output);
	return string->markup && result.type == JINJA_STRING ? jinja_marked(s, result.string, true)
														 : result;
}

static jinja_value
repeat(jinja_state *s, jinja_value sequence, jinja_value times)
{
	jinja_list *list;
	int64_t count;

	times = jinja_as_int(times);
	if (times.type == JINJA_BIG && jinja_integer_sign(times) > 0)
		return jinja_raise(s, "cannot fit 'int' into an index-sized integer");
	count = times.type == JINJA_INT && times.integer > 0 ? times.integer : 0;
	if (sequence.type == JINJA_STRING)
		return repeat_string(s, sequence.string, count);
	list = jinja_list_create(s, 0);
	for (int64_t i = 0; i < count && sequence.list->count > 0; i++)
		for (size_t j = 0; j < sequence.list->count; j++)
			if (!jinja_append(s, list, sequence.list->items[j]))
				return jinja_none();
	return jinja_object(sequence.type, list);
}

static bool
is_sequence(jinja_value value)
{
	return value.type == JINJA_STRING || value.type == JINJA_LIST || value.type == JINJA_TUPLE;
}

static jinja_value
multiply(jinja_state *s, jinja_value a, jinja_value b)
{
	if (is_sequence(a) && jinja_is_integer(b))
		return repeat(s, a, b);
	if (is_sequence(b) && jinja_is_integer(a))
		return repeat(s, b, a);
	if (is_sequence(a) || is_sequence(b))
		return jinja_raise(s, "can't multiply sequence by non-int of type '%s'",
						   jinja_type_name(is_sequence(a) ? b : a));
	return raise_types(s, '*', a, b);
}

/* ---- Public ---- */

jinja_value
jinja_binary(jinja_state *s, char operator, jinja_value a, jinja_value b)
{
	if (operator== '%' && a.type == JINJA_STRING)
		return jinja_format_percent(s, a.string, b);
	if (a.type == JINJA_UNDEFINED || b.type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, a.type == JINJA_UNDEFINED ? a.undefined : b.undefined);
	if (jinja_is_integer(a) && jinja_is_integer(b))
		return integer_operation(s, operator, a, b);
	if (jinja_is_number(a) && jinja_is_number(b))
		return float_operation(s, operator, a, b);
	if (operator== '+')
		return add(s, a, b);
	if (operator== '*')
		return multiply(s, a, b);
	return raise_types(s, operator, a, b);
}

jinja_value
jinja_unary(jinja_state *s, char operator, jinja_value value)
{
	if (value.type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, value.undefined);
	if (value.type == JINJA_FLOAT)
		return jinja_float(operator== '-' ? -value.number : value.number);
	if (jinja_is_integer(value))
		return operator== '-' ? jinja_integer_negate(s, value) : jinja_as_int(value);
	return jinja_raise(s, "bad operand type for unary %c: '%s'", operator, jinja_type_name(value));
}
