/*
 * format.c
 *	  Numbers and texts by a format specification.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/format.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja/number.h"
#include "text/jinja/text.h"

#define MAX_PRECISION 1000
#define MAX_WIDTH 100000000

/* Text of so many characters with what pads it; prefix (a sign, 0x) stands before padding by '='. */
static bool
write_padded(jinja_state *s, jinja_output *output, const jinja_spec *spec, char align,
			 const char *prefix, const char *text, size_t bytes, int64_t count)
{
	uint32_t fill = spec->fill != 0 ? spec->fill : spec->zero ? '0' : ' ';
	int64_t missing = spec->width - count - (int64_t) strlen(prefix), before;

	if (missing < 0)
		missing = 0;
	before = align == '>' ? missing : align == '^' ? missing / 2 : 0;
	return jinja_write_fill(s, output, fill, before) && jinja_write_text(s, output, prefix) &&
		   jinja_write_fill(s, output, fill, align == '=' ? missing : 0) &&
		   jinja_write(s, output, text, bytes) &&
		   jinja_write_fill(s, output, fill, align == '<' || align == '^' ? missing - before : 0);
}

bool
jinja_format_text(jinja_state *s, jinja_output *output, const jinja_string *text,
				  const jinja_spec *spec)
{
	jinja_value cut = jinja_object(JINJA_STRING, text);

	if (spec->precision >= 0 && (size_t) spec->precision < text->count)
		cut = jinja_substring(s, text, 0, (size_t) spec->precision);
	if (cut.type != JINJA_STRING)
		return false;
	return write_padded(s, output, spec, spec->align != 0 ? spec->align : '<', "", cut.string->data,
						cut.string->bytes, (int64_t) cut.string->count);
}

/* ---- Numbers ---- */

/*
 * Digits (with what follows them) and their sign.  Groups are separated; with zeros as padding
 * these are grouped, too.
 */
static bool
write_number(jinja_state *s, jinja_output *output, const jinja_spec *spec, bool negative,
			 const char *base_prefix, const char *digits, size_t length)
{
	char prefix[8], align = spec->align != 0 ? spec->align : spec->zero ? '=' : '>';
	size_t whole = strspn(digits, "0123456789abcdefABCDEF"), group;
	jinja_output text = {0};
	int64_t zeros = 0, width;

	snprintf(prefix, sizeof(prefix), "%s%s",
			 negative			 ? "-"
			 : spec->sign == '+' ? "+"
			 : spec->sign == ' ' ? " "
								 : "",
			 base_prefix);
	if (spec->grouping == 0)
		return write_padded(s, output, spec, align, prefix, digits, length, (int64_t) length);
	group =
		spec->type == 'x' || spec->type == 'X' || spec->type == 'o' || spec->type == 'b' ? 4 : 3;
	if (group == 3)
		whole = strspn(digits, "0123456789");
	width =
		(int64_t) (whole + (whole > 0 ? (whole - 1) / group : 0) + length - whole + strlen(prefix));
	/* Padding by zeros takes part in the groups: as many as fill the width, or one more. */
	if (align == '=' && (spec->fill == '0' || (spec->fill == 0 && spec->zero)))
		while (width < spec->width)
		{
			zeros++;
			width = (int64_t) (whole + (size_t) zeros + (whole + (size_t) zeros - 1) / group +
							   length - whole + strlen(prefix));
		}
	for (size_t i = 0; i < whole + (size_t) zeros; i++)
	{
		size_t left = whole + (size_t) zeros - i;

		if (i > 0 && left % group == 0 && !jinja_write(s, &text, &spec->grouping, 1))
			return false;
		if (!jinja_write(s, &text, i < (size_t) zeros ? "0" : digits + i - zeros, 1))
			return false;
	}
	return jinja_write(s, &text, digits + whole, length - whole) &&
		   write_padded(s, output, spec, align, prefix, text.data, text.length,
						(int64_t) text.length);
}

static bool
write_inf(jinja_state *s, jinja_output *output, double number, const jinja_spec *spec)
{
	bool upper = spec->type == 'E' || spec->type == 'F' || spec->type == 'G';
	const char *text = isnan(number) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");
	jinja_spec plain = *spec;
	char percent[8];

	plain.grouping = 0;
	snprintf(percent, sizeof(percent), "%s%s", text, spec->type == '%' ? "%" : "");
	return write_number(s, output, &plain, !isnan(number) && number < 0, "", percent,
						strlen(percent));
}

/* A float without type: as str() has it, with a precision like 'g' but with a digit after the point. */
static void
print_general(double number, int precision, char *text, size_t size)
{
	char probe[MAX_PRECISION + 400], *e;
	int exponent;

	if (precision < 0)
	{
		jinja_float_text(number, text);
		return;
	}
	if (precision == 0)
		precision = 1;
	snprintf(probe, sizeof(probe), "%.*e", precision - 1, number);
	e = strchr(probe, 'e');
	exponent = atoi(e + 1);
	if (exponent >= precision - 1 && exponent < precision)
	{
		/* 'g' would print no point here, and this type wants one digit behind it: the exponent. */
		char *end = e;

		while (end > probe && end[-1] == '0' && memchr(probe, '.', (size_t) (end - probe)) != NULL)
			end--;
		if (end > probe && (end[-1] < '0' || end[-1] > '9'))
			end--;
		snprintf(text, size, "%.*s%s", (int) (end - probe), probe, e);
		return;
	}
	snprintf(text, size, "%.*g", precision, number);
	if (strspn(text, "0123456789") == strlen(text))
		strncat(text, ".0", size - strlen(text) - 1);
}

bool
jinja_format_float(jinja_state *s, jinja_output *output, double number, const jinja_spec *spec)
{
	char text[MAX_PRECISION + 400], format[16];
	char type = spec->type == '%' || spec->type == 0 ? 'f' : spec->type == 'n' ? 'g' : spec->type;
	int precision = spec->precision < 0 ? 6 : (int) spec->precision;
	char *point;

	if (spec->precision > MAX_PRECISION)
		return jinja_fail(s, TFM_LIMIT_EXCEEDED, s->line, "precision too big");
	if (isnan(number) || isinf(number))
		return write_inf(s, output, number, spec);
	if (spec->type == 0)
		print_general(fabs(number), (int) spec->precision, text, sizeof(text));
	else
	{
		snprintf(format, sizeof(format), "%%%s.*%c", spec->alternate ? "#" : "", type);
		snprintf(text, sizeof(text), format, precision,
				 fabs(number) * (spec->type == '%' ? 100 : 1));
	}
	point = strchr(text, localeconv()->decimal_point[0]);
	if (point != NULL)
		*point = '.';
	if (spec->type == '%')
		strncat(text, "%", sizeof(text) - strlen(text) - 1);
	return write_number(s, output, spec, signbit(number), "", text, strlen(text));
}

bool
jinja_format_integer(jinja_state *s, jinja_output *output, jinja_value value,
					 const jinja_spec *spec)
{
	bool negative = jinja_integer_sign(value) < 0, upper = spec->type == 'X';
	int base = spec->type == 'x' || upper ? 16 : spec->type == 'o' ? 8 : spec->type == 'b' ? 2 : 10;
	const char *prefix = !spec->alternate || base == 10 ? ""
						 : upper						? "0X"
						 : base == 16					? "0x"
						 : base == 8					? "0o"
														: "0b";
	jinja_output digits = {0};

	if (!jinja_write_integer(s, &digits, value, base))
		return false;
	for (size_t i = 0; upper && i < digits.length; i++)
		if (digits.data[i] >= 'a')
			digits.data[i] -= 0x20;
	/* What follows the digits is looked at: let there be an end. */
	if (!jinja_write(s, &digits, "", 1))
		return false;
	return write_number(s, output, spec, negative, prefix, digits.data + negative,
						digits.length - 1 - negative);
}

/* ---- Specifications ---- */

static bool
is_align(const char *p, const char *end)
{
	return p < end && strchr("<>=^", *p) != NULL && *p != '\0';
}

static const char *
read_size(const char *p, const char *end, int64_t *size)
{
	for (*size = 0; p < end && *p >= '0' && *p <= '9'; p++)
		*size = *size > MAX_WIDTH ? *size : *size * 10 + (*p - '0');
	return p;
}

static bool
read_spec(jinja_state *s, const jinja_string *text, jinja_value value, jinja_spec *spec)
{
	const char *p = text->data, *end = p + text->bytes, *digits;
	int width = 0;

	*spec = (jinja_spec) {.precision = -1};
	if (p < end)
		spec->fill = utf8_decode(p, &width);
	if (p < end && is_align(p + width, end))
	{
		p += width;
		spec->align = *p++;
	}
	else
	{
		spec->fill = 0;
		if (is_align(p, end))
			spec->align = *p++;
	}
	if (p < end && strchr("+- ", *p) != NULL)
		spec->sign = *p++;
	if (p < end && *p == 'z')
		p++;
	if (p < end && *p == '#')
		spec->alternate = *p++ == '#';
	if (p < end && *p == '0')
		spec->zero = *p++ == '0';
	p = read_size(p, end, &spec->width);
	if (p < end && (*p == ',' || *p == '_'))
		spec->grouping = *p++;
	if (p < end && *p == '.')
	{
		digits = ++p;
		p = read_size(p, end, &spec->precision);
		if (p == digits)
		{
			jinja_raise(s, "Format specifier missing precision");
			return false;
		}
	}
	if (p < end)
		spec->type = *p++;
	if (p < end)
	{
		jinja_raise(s, "Invalid format specifier '%.*s' for object of type '%s'", JINJA_TEXT(text),
					jinja_type_name(value));
		return false;
	}
	if (spec->width > MAX_WIDTH)
		return jinja_fail(s, TFM_LIMIT_EXCEEDED, s->line, "a format's width is too big");
	return true;
}

static bool
raise_type(jinja_state *s, const jinja_spec *spec, jinja_value value)
{
	jinja_raise(s, "Unknown format code '%c' for object of type '%s'", spec->type,
				jinja_type_name(value));
	return false;
}

static bool
format_number(jinja_state *s, jinja_output *output, jinja_value value, const jinja_spec *spec)
{
	char character[4];
	jinja_value text;

	if (spec->type != 0 && strchr("eEfFgG%", spec->type) != NULL)
		return jinja_format_float(s, output, jinja_to_double(value), spec);
	if (value.type == JINJA_FLOAT)
		return spec->type == 0 || spec->type == 'n'
				   ? jinja_format_float(s, output, value.number, spec)
				   : raise_type(s, spec, value);
	if (spec->precision >= 0)
	{
		jinja_raise(s, "Precision not allowed in integer format specifier");
		return false;
	}
	if (spec->type == 'c')
	{
		value = jinja_as_int(value);
		if (value.type != JINJA_INT || value.integer < 0 || value.integer > 0x10FFFF ||
			(value.integer >= 0xD800 && value.integer <= 0xDFFF))
		{
			jinja_raise(s, "%%c arg not in range(0x110000)");
			return false;
		}
		text = jinja_text(s, character, (size_t) utf8_encode((uint32_t) value.integer, character));
		return text.type == JINJA_STRING && jinja_format_text(s, output, text.string, spec);
	}
	if (spec->type != 0 && strchr("dnxXob", spec->type) == NULL)
		return raise_type(s, spec, value);
	return jinja_format_integer(s, output, value, spec);
}

bool
jinja_format_value(jinja_state *s, jinja_output *output, jinja_value value,
				   const jinja_string *text)
{
	jinja_spec spec;

	if (text->bytes == 0)
		return jinja_write_str(s, output, value);
	if (value.type != JINJA_STRING && !jinja_is_number(value))
	{
		jinja_raise(s, "unsupported format string passed to %s.__format__", jinja_type_name(value));
		return false;
	}
	if (!read_spec(s, text, value, &spec))
		return false;
	if (value.type != JINJA_STRING)
		return format_number(s, output, value, &spec);
	if (spec.type != 0 && spec.type != 's')
		return raise_type(s, &spec, value);
	if (spec.sign != 0 || spec.alternate || spec.align == '=' || spec.grouping != 0)
	{
		jinja_raise(s, "%s not allowed in string format specifier",
					spec.sign != 0	  ? "Sign"
					: spec.alternate  ? "Alternate form (#)"
					: spec.align != 0 ? "'=' alignment"
									  : "Cannot specify ',' with 's'.");
		return false;
	}
	return jinja_format_text(s, output, value.string, &spec);
}
