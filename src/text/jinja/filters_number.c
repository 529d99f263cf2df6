/*
 * filters_number.c
 *	  Filters of numbers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/filters.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "text/jinja/format.h"
#include "text/jinja/number.h"

jinja_value
jinja_filter_abs(jinja_state *s, const jinja_value *a)
{
	if (a[0].type == JINJA_FLOAT)
		return jinja_float(fabs(a[0].number));
	if (!jinja_is_integer(a[0]))
		return jinja_raise(s, "bad operand type for abs(): '%s'", jinja_type_name(a[0]));
	return jinja_integer_sign(a[0]) < 0 ? jinja_integer_negate(s, a[0]) : jinja_as_int(a[0]);
}

/* Python's float(); false where it is a TypeError or ValueError. */
static bool
to_float(jinja_value value, double *number)
{
	if (jinja_is_number(value))
	{
		*number = jinja_to_double(value);
		return true;
	}
	return value.type == JINJA_STRING && jinja_parse_float(value.string, number);
}

jinja_value
jinja_filter_float(jinja_state *s, const jinja_value *a)
{
	double number;

	if (a[0].type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, a[0].undefined);
	if (a[0].type == JINJA_BIG && isinf(jinja_to_double(a[0])))
		return jinja_raise(s, "int too large to convert to float");
	if (to_float(a[0], &number))
		return jinja_float(number);
	return a[1].type != JINJA_MISSING ? a[1] : jinja_float(0);
}

jinja_value
jinja_filter_int(jinja_state *s, const jinja_value *a)
{
	jinja_value fallback = a[1].type != JINJA_MISSING ? a[1] : jinja_int(0), result;
	int64_t base = 10;
	double number;

	if (a[0].type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, a[0].undefined);
	if (jinja_is_integer(a[0]))
		return jinja_as_int(a[0]);
	if (a[0].type == JINJA_FLOAT && isinf(a[0].number))
		return jinja_raise(s, "cannot convert float infinity to integer");
	if (a[2].type == JINJA_INT)
		base = a[2].integer;
	if (a[0].type == JINJA_STRING && (base == 0 || (base >= 2 && base <= 36)) &&
		jinja_parse_int(s, a[0].string, (int) base, &result))
		return result;
	if (tfm_failed(s->context) || !to_float(a[0], &number) || isnan(number) || isinf(number))
		return fallback;
	return jinja_truncate_float(s, number);
}

jinja_value
jinja_filter_filesizeformat(jinja_state *s, const jinja_value *a)
{
	static const char *const prefixes[][2] = {{"kB", "KiB"}, {"MB", "MiB"}, {"GB", "GiB"},
											  {"TB", "TiB"}, {"PB", "PiB"}, {"EB", "EiB"},
											  {"ZB", "ZiB"}, {"YB", "YiB"}};
	bool binary = jinja_flag(s, a[1], false);
	double base = binary ? 1024 : 1000, unit = base, bytes;
	jinja_spec spec = {.precision = 1, .type = 'f'};
	jinja_output output = {0};
	int i = 0;

	if (a[0].type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, a[0].undefined);
	if (!to_float(a[0], &bytes))
	{
		const jinja_string *text = jinja_repr(s, a[0]);

		if (text == NULL)
			return jinja_none();
		if (a[0].type == JINJA_STRING)
			return jinja_raise(s, "could not convert string to float: %.*s", JINJA_TEXT(text));
		return jinja_raise(s, "float() argument must be a string or a real number, not '%s'",
						   jinja_type_name(a[0]));
	}
	if (bytes == 1)
		return jinja_string_of(s, "1 Byte");
	if (bytes < base)
	{
		jinja_value whole = jinja_truncate_float(s, bytes);

		if (isnan(bytes) || isinf(bytes))
			return jinja_raise(s, "cannot convert float infinity to integer");
		jinja_write_integer(s, &output, whole, 10);
		jinja_write_text(s, &output, " Bytes");
		return jinja_written(s, &output);
	}
	for (unit *= base; i < 7 && !(bytes < unit); i++)
		unit *= base;
	jinja_format_float(s, &output, base * bytes / unit, &spec);
	jinja_write_format(s, &output, " %s", prefixes[i][binary]);
	return jinja_written(s, &output);
}

/* math.ceil or math.floor of value * 10**precision, over 10**precision. */
static jinja_value
round_to_side(jinja_state *s, jinja_value value, int64_t precision, bool up)
{
	jinja_value unit = jinja_binary(s, 'P', jinja_int(10), jinja_int(precision)), scaled;

	if (!jinja_is_number(value))
		return jinja_raise(s, "must be real number, not %s", jinja_type_name(value));
	scaled = tfm_failed(s->context) ? jinja_none() : jinja_binary(s, '*', value, unit);
	if (scaled.type == JINJA_FLOAT)
	{
		if (isnan(scaled.number) || isinf(scaled.number))
			return jinja_raise(s, "cannot convert float %s to integer",
							   isnan(scaled.number) ? "NaN" : "infinity");
		scaled = jinja_truncate_float(s, up ? ceil(scaled.number) : floor(scaled.number));
	}
	return tfm_failed(s->context) ? jinja_none() : jinja_binary(s, '/', scaled, unit);
}

jinja_value
jinja_filter_round(jinja_state *s, const jinja_value *a)
{
	int64_t precision = 0;
	bool up = a[2].type == JINJA_STRING && jinja_is_text(a[2].string, "ceil");
	bool down = a[2].type == JINJA_STRING && jinja_is_text(a[2].string, "floor");

	if (a[2].type != JINJA_MISSING && !up && !down &&
		!(a[2].type == JINJA_STRING && jinja_is_text(a[2].string, "common")))
		return jinja_raise(s, "method must be common, ceil or floor");
	if (!up && !down && !jinja_is_number(a[0]))
		return jinja_raise(s, "type %s doesn't define __round__ method", jinja_type_name(a[0]));
	if (a[1].type != JINJA_MISSING && !jinja_get_index(s, a[1], &precision))
		return jinja_none();
	if ((up || down) && a[0].type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, a[0].undefined);
	if (up || down)
		return round_to_side(s, a[0], precision, up);
	return jinja_round(s, a[0], precision);
}

jinja_value
jinja_filter_sum(jinja_state *s, const jinja_value *a)
{
	jinja_value sum = a[2].type != JINJA_MISSING ? a[2] : jinja_int(0), item;
	jinja_iterator *iterator = jinja_iterate(s, a[0]);
	bool attribute = a[1].type != JINJA_MISSING && a[1].type != JINJA_NONE;

	if (sum.type == JINJA_STRING)
		return jinja_raise(s, "sum() can't sum strings [use ''.join(seq) instead]");
	while (iterator != NULL && jinja_next(s, iterator, &item))
	{
		if (attribute)
			item = jinja_get_attribute(s, item, a[1], jinja_missing());
		if (tfm_failed(s->context))
			break;
		sum = jinja_binary(s, '+', sum, item);
	}
	return tfm_failed(s->context) ? jinja_none() : sum;
}
