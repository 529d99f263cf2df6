/*
 * float.c
 *	  Floats as text, text as numbers, rounding: as Python does them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unicode/uchar.h>

#include "base/utf8.h"

#define MAX_NUMBER 400 /* longer texts of floats are cut: digits beyond change nothing */

/* The decimal point of printf and strtod is the locale's. */
static char
decimal_point(void)
{
	const char *point = localeconv()->decimal_point;

	return point[0];
}

static void
replace_character(char *text, char from, char to)
{
	char *found = from != to ? strchr(text, from) : NULL;

	if (found != NULL)
		*found = to;
}

void
jinja_float_text(double number, char *text)
{
	char digits[40], *e;
	int exponent, precision = 1;

	if (isnan(number) || isinf(number))
	{
		strcpy(text, isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
		return;
	}
	do
		snprintf(digits, sizeof(digits), "%.*e", precision - 1, number);
	while (strtod(digits, NULL) != number && ++precision <= 17);
	replace_character(digits, decimal_point(), '.');
	e = strchr(digits, 'e');
	exponent = atoi(e + 1);
	if (exponent < -4 || exponent >= 16)
	{
		strcpy(text, digits);
		return;
	}
	if (precision - 1 <= exponent)
		snprintf(text, 40, "%.1f", number);
	else
		snprintf(text, 40, "%.*f", precision - 1 - exponent, number);
	replace_character(text, decimal_point(), '.');
}

double
jinja_read_float(const char *text, size_t length)
{
	char copy[MAX_NUMBER];
	size_t used = 0;
	long skipped = 0;
	bool fraction = false;
	size_t i = 0;

	/* The first digits decide; of those left out before the point the exponent must know. */
	for (; i < length && text[i] != 'e' && text[i] != 'E'; i++)
	{
		if (used < sizeof(copy) - 40)
			copy[used++] = text[i] == '.' ? decimal_point() : text[i];
		else if (!fraction && text[i] != '.')
			skipped++;
		fraction = fraction || text[i] == '.';
	}
	if (i < length)
	{
		char exponent[24] = "";
		size_t rest = length - i - 1 < sizeof(exponent) - 1 ? length - i - 1 : sizeof(exponent) - 1;

		memcpy(exponent, text + i + 1, rest);
		skipped += strtol(exponent, NULL, 10) % 1000000000;
		if (length - i - 1 > 18)
			skipped = exponent[0] == '-' ? -1000000000 : 1000000000;
	}
	snprintf(copy + used, sizeof(copy) - used, "e%ld", skipped);
	return strtod(copy, NULL);
}

/* The ASCII form of a number's text, without space around, other scripts' digits made ASCII. */
static bool
simplify(const jinja_string *text, char *result, size_t size)
{
	size_t used = 0, end = 0;

	for (size_t i = 0; i < text->bytes;)
	{
		int width;
		uint32_t c = utf8_decode(text->data + i, &width);

		i += (size_t) width;
		if (u_isUWhiteSpace((UChar32) c) || (c >= 0x1C && c <= 0x1F))
		{
			if (used > 0 && used < size)
				result[used++] = ' ';
			continue;
		}
		if (c >= 0x80)
		{
			int digit = u_charDigitValue((UChar32) c);

			if (digit < 0)
				return false;
			c = (uint32_t) ('0' + digit);
		}
		if (used + 1 >= size || c == 0)
			return false;
		result[used++] = (char) c;
		end = used;
	}
	result[end] = '\0';
	return end > 0 && strchr(result, ' ') == NULL;
}

/* Take out underscores, each of which must stand between digits (or after a base's prefix). */
static bool
drop_underscores(char *text, bool after_prefix)
{
	char *to = text;

	for (char *from = text; *from != '\0'; from++)
	{
		if (*from != '_')
			*to++ = *from;
		else if ((from == text && !after_prefix) || from[1] == '\0' || from[1] == '_' ||
				 strchr("+-.eE", from[1]) != NULL ||
				 (from > text && strchr("+-.eE_", from[-1]) != NULL))
			return false;
	}
	*to = '\0';
	return true;
}

/* Skip "0x" and the like; base 0 becomes the prefix's. */
static const char *
skip_prefix(const char *digits, int *base)
{
	int prefix = 0;

	if (digits[0] == '0')
		prefix = (digits[1] | 0x20) == 'x'	 ? 16
				 : (digits[1] | 0x20) == 'o' ? 8
				 : (digits[1] | 0x20) == 'b' ? 2
											 : 0;
	if (prefix != 0 && (*base == 0 || *base == prefix))
	{
		*base = prefix;
		return digits + 2;
	}
	if (*base == 0)
		*base = 10;
	return digits;
}

bool
jinja_parse_int(jinja_state *s, const jinja_string *text, int base, jinja_value *result)
{
	size_t size = text->bytes + 2;
	char *copy = jinja_alloc(s, size);
	char *digits, *after;
	bool negative, any = base == 0;

	if (copy == NULL || !simplify(text, copy, size))
		return false;
	negative = copy[0] == '-';
	digits = copy + (copy[0] == '-' || copy[0] == '+');
	after = (char *) skip_prefix(digits, &base);
	if (after[0] == '\0' || !drop_underscores(after, after > digits))
		return false;
	for (const char *c = after; *c != '\0'; c++)
	{
		int digit = *c >= '0' && *c <= '9'					   ? *c - '0'
					: (*c | 0x20) >= 'a' && (*c | 0x20) <= 'z' ? (*c | 0x20) - 'a' + 10
															   : 99;

		if (digit >= base)
			return false;
	}
	/* int("010", 0) is none: in Python's source it would be octal once. */
	if (any && after == digits && after[0] == '0' && strspn(after, "0") != strlen(after))
		return false;
	*result = jinja_integer_parse(s, after, strlen(after), base, negative);
	return true;
}

bool
jinja_parse_float(const jinja_string *text, double *result)
{
	char copy[MAX_NUMBER], *p = copy;
	size_t digits;
	double sign = 1;

	if (!simplify(text, copy, sizeof(copy)) || !drop_underscores(copy, false))
		return false;
	if (*p == '+' || *p == '-')
		sign = *p++ == '-' ? -1 : 1;
	for (char *c = p; *c != '\0'; c++)
		*c = (char) (*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
	if (strcmp(p, "inf") == 0 || strcmp(p, "infinity") == 0 || strcmp(p, "nan") == 0)
	{
		*result = p[0] == 'n' ? NAN : sign * HUGE_VAL;
		return true;
	}
	digits = strspn(p, "0123456789");
	if (p[digits] == '.')
	{
		size_t fraction = strspn(p + digits + 1, "0123456789");

		if (digits + fraction == 0)
			return false;
		digits += 1 + fraction;
	}
	if (digits == 0)
		return false;
	if (p[digits] == 'e')
	{
		const char *exponent = p + digits + 1 + (p[digits + 1] == '+' || p[digits + 1] == '-');
		size_t count = strspn(exponent, "0123456789");

		if (count == 0 || exponent[count] != '\0')
			return false;
	}
	else if (p[digits] != '\0')
		return false;
	*result = sign * jinja_read_float(p, strlen(p));
	return true;
}

/* Round an integer to a multiple of 10^places, half to even. */
static jinja_value
round_integer(jinja_state *s, jinja_value number, uint64_t places)
{
	jinja_value unit, quotient, rest, twice;
	int order;

	if (places > 4000)
		return jinja_int(0);
	unit = jinja_integer_power(s, jinja_int(10), places);
	if (tfm_failed(s->context) || !jinja_integer_divide(s, number, unit, &quotient, &rest))
		return jinja_none();
	twice = jinja_integer_add(s, rest, rest, false);
	order = tfm_failed(s->context) ? 0 : jinja_number_compare(twice, unit);
	if (order == 0)
	{
		jinja_value half, odd;

		if (!jinja_integer_divide(s, quotient, jinja_int(2), &half, &odd))
			return jinja_none();
		order = jinja_integer_sign(odd) != 0 ? 1 : -1;
	}
	if (order > 0)
		quotient = jinja_integer_add(s, quotient, jinja_int(1), false);
	return jinja_integer_multiply(s, quotient, unit);
}

jinja_value
jinja_round(jinja_state *s, jinja_value number, int64_t digits)
{
	char text[800];
	double x;

	if (jinja_is_integer(number))
	{
		if (digits >= 0)
			return jinja_as_int(number);
		return round_integer(s, number, 0 - (uint64_t) digits);
	}
	x = number.number;
	if (isnan(x) || isinf(x) || digits > 323)
		return number;
	if (digits < -308)
		return jinja_float(copysign(0, x));
	if (digits >= 0)
	{
		snprintf(text, sizeof(text), "%.*f", (int) digits, x);
		return jinja_float(strtod(text, NULL));
	}
	/* A multiple of ten: digits of the whole part, of which a fraction can only break ties. */
	{
		double unit = pow(10, (double) -digits), whole = floor(fabs(x) / unit);
		double rest = fabs(x) - whole * unit;

		if (rest * 2 > unit || (rest * 2 == unit && fmod(whole, 2) != 0))
			whole++;
		return jinja_float(copysign(whole * unit, x));
	}
}
