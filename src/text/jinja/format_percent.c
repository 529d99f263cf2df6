/*
 * format_percent.c
 *	  "..." % values.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "base/utf8.h"
#include "text/jinja/format.h"
#include "text/jinja/number.h"
#include "text/jinja/program.h"

typedef struct formatter
{
	jinja_state *s;
	const char *start, *p, *end;
	jinja_output output;
	jinja_value values;
	size_t used; /* of a tuple, or 1 for a single value */
	bool escape; /* the format is safe, so that its values are to be made so */
} formatter;

static bool
next_value(formatter *f, jinja_value *value)
{
	if (f->values.type == JINJA_TUPLE && f->used < f->values.list->count)
		*value = f->values.list->items[f->used++];
	else if (f->values.type != JINJA_TUPLE && f->used++ == 0)
		*value = f->values;
	else
	{
		jinja_raise(f->s, "not enough arguments for format string");
		return false;
	}
	return true;
}

static bool
incomplete(formatter *f)
{
	jinja_raise(f->s, "incomplete format");
	return false;
}

/* "(key)": the value is the mapping's. */
static bool
read_key(formatter *f, jinja_value *value)
{
	const char *start = ++f->p;
	jinja_value key;
	int depth = 1;

	for (; f->p < f->end && depth > 0; f->p++)
		depth += *f->p == '(' ? 1 : *f->p == ')' ? -1 : 0;
	if (depth > 0)
	{
		jinja_raise(f->s, "incomplete format key");
		return false;
	}
	if (f->values.type != JINJA_DICT)
	{
		jinja_raise(f->s, "format requires a mapping");
		return false;
	}
	key = jinja_text_kept(f->s, start, (size_t) (f->p - start - 1));
	if (key.type != JINJA_STRING)
		return false;
	if (jinja_find(f->s, f->values.dict, key) == NULL)
	{
		const jinja_string *text = jinja_repr(f->s, key);

		if (text != NULL)
			jinja_raise(f->s, "%.*s", JINJA_TEXT(text));
		return false;
	}
	*value = jinja_find(f->s, f->values.dict, key)->value;
	return true;
}

static bool
read_size(formatter *f, int64_t *size)
{
	jinja_value value;

	*size = 0;
	if (f->p < f->end && *f->p == '*')
	{
		f->p++;
		if (!next_value(f, &value))
			return false;
		value = jinja_as_int(value);
		if (value.type != JINJA_INT)
		{
			jinja_raise(f->s, "* wants int");
			return false;
		}
		*size = value.integer;
	}
	for (; f->p < f->end && *f->p >= '0' && *f->p <= '9'; f->p++)
		*size = *size > 100000000 ? *size : *size * 10 + (*f->p - '0');
	if (*size > 100000000)
		return jinja_fail(f->s, TFM_LIMIT_EXCEEDED, f->s->line, "a format's width is too big");
	return true;
}

static bool
read_spec(formatter *f, jinja_spec *spec)
{
	*spec = (jinja_spec) {.precision = -1};
	for (; f->p < f->end && strchr("-+ #0", *f->p) != NULL && *f->p != '\0'; f->p++)
	{
		if (*f->p == '-')
			spec->align = '<';
		else if (*f->p == '+' || (*f->p == ' ' && spec->sign == 0))
			spec->sign = *f->p;
		spec->alternate = spec->alternate || *f->p == '#';
		spec->zero = spec->zero || *f->p == '0';
	}
	if (!read_size(f, &spec->width))
		return false;
	if (spec->width < 0)
	{
		spec->align = '<';
		spec->width = -(spec->width + 1) < 100000000 ? -spec->width : 100000000;
	}
	if (f->p < f->end && *f->p == '.')
	{
		f->p++;
		if (!read_size(f, &spec->precision))
			return false;
		if (spec->precision < 0)
			spec->precision = 0;
	}
	while (f->p < f->end && strchr("hlL", *f->p) != NULL && *f->p != '\0')
		f->p++;
	if (f->p == f->end)
		return incomplete(f);
	spec->type = *f->p;
	return true;
}

/* An integer with at least as many digits as the precision says. */
static bool
format_integer(formatter *f, jinja_value value, jinja_spec *spec)
{
	char type = spec->type;
	jinja_output digits = {0};
	jinja_spec plain = {.precision = -1, .sign = spec->sign, .alternate = spec->alternate};
	jinja_value text;
	int64_t precision = spec->precision;

	spec->type = plain.type = type == 'x' || type == 'X' || type == 'o' ? type : 'd';
	if (spec->align == '<')
		spec->zero = false;
	spec->precision = -1;
	if (precision < 0)
		return jinja_format_integer(f->s, &f->output, value, spec);
	/* The sign and the prefix do not count. */
	plain.zero = true;
	plain.width = precision + (jinja_integer_sign(value) < 0 || spec->sign != 0) +
				  (spec->alternate && plain.type != 'd' ? 2 : 0);
	if (!jinja_format_integer(f->s, &digits, value, &plain))
		return false;
	text = jinja_written(f->s, &digits);
	if (text.type != JINJA_STRING)
		return false;
	*spec = (jinja_spec) {
		.width = spec->width, .precision = -1, .align = spec->align == '<' ? '<' : '>'};
	return jinja_format_text(f->s, &f->output, text.string, spec);
}

static bool
format_number(formatter *f, jinja_value value, jinja_spec *spec)
{
	bool decimal = strchr("diu", spec->type) != NULL;

	if (strchr("eEfFgG", spec->type) != NULL)
	{
		if (!jinja_is_number(value))
		{
			jinja_raise(f->s, "must be real number, not %s", jinja_type_name(value));
			return false;
		}
		if (spec->align == '<')
			spec->zero = false;
		return jinja_format_float(f->s, &f->output, jinja_to_double(value), spec);
	}
	if (decimal && value.type == JINJA_FLOAT)
	{
		if (value.number - value.number != 0)
		{
			jinja_raise(f->s, "cannot convert float %s to integer",
						value.number != value.number ? "NaN" : "infinity");
			return false;
		}
		value = jinja_truncate_float(f->s, value.number);
	}
	if (!jinja_is_integer(value))
	{
		jinja_raise(f->s, "%%%c format: %s is required, not %s", spec->type,
					decimal ? "a real number" : "an integer", jinja_type_name(value));
		return false;
	}
	return format_integer(f, value, spec);
}

static const jinja_string *
ascii_repr(jinja_state *s, jinja_value value)
{
	const jinja_string *text = jinja_repr(s, value);
	jinja_output output = {0};
	jinja_value ascii;

	for (size_t i = 0; text != NULL && i < text->bytes;)
	{
		int width;
		uint32_t c = utf8_decode(text->data + i, &width);

		i += (size_t) width;
		if (c < 0x80)
			jinja_write_character(s, &output, c);
		else
			jinja_write_format(s, &output,
							   c < 0x100	 ? "\\x%02x"
							   : c < 0x10000 ? "\\u%04x"
											 : "\\U%08x",
							   c);
	}
	ascii = jinja_written(s, &output);
	return ascii.type == JINJA_STRING ? ascii.string : NULL;
}

static bool
format_text(formatter *f, jinja_value value, jinja_spec *spec)
{
	const jinja_string *text = spec->type == 's'   ? jinja_str(f->s, value)
							   : spec->type == 'r' ? jinja_repr(f->s, value)
												   : ascii_repr(f->s, value);

	if (text != NULL && f->escape)
	{
		jinja_value safe =
			jinja_escape(f->s, spec->type == 's' ? value : jinja_object(JINJA_STRING, text));

		text = safe.type == JINJA_STRING ? safe.string : NULL;
	}
	spec->zero = false;
	if (spec->align == 0)
		spec->align = '>';
	return text != NULL && jinja_format_text(f->s, &f->output, text, spec);
}

static bool
format_character(formatter *f, jinja_value value, jinja_spec *spec)
{
	char text[4];

	value = jinja_as_int(value);
	if (value.type == JINJA_INT)
	{
		if (value.integer < 0 || value.integer > 0x10FFFF ||
			(value.integer >= 0xD800 && value.integer <= 0xDFFF))
		{
			jinja_raise(f->s, "%%c arg not in range(0x110000)");
			return false;
		}
		value = jinja_text(f->s, text, (size_t) utf8_encode((uint32_t) value.integer, text));
	}
	else if (value.type != JINJA_STRING || value.string->count != 1)
	{
		jinja_raise(f->s, "%%c requires int or char");
		return false;
	}
	spec->type = 's';
	spec->precision = -1;
	return format_text(f, value, spec);
}

static bool
format_one(formatter *f)
{
	jinja_value value = jinja_missing();
	jinja_spec spec;

	f->p++;
	if (f->p < f->end && *f->p == '(' && !read_key(f, &value))
		return false;
	if (!read_spec(f, &spec))
		return false;
	if (spec.type == '%')
	{
		f->p++;
		return jinja_write_text(f->s, &f->output, "%");
	}
	if (strchr("diuoxXeEfFgGcrsa", spec.type) == NULL || spec.type == '\0')
	{
		int width;
		uint32_t c = utf8_decode(f->p, &width);

		jinja_raise(f->s, "unsupported format character '%.*s' (0x%x) at index %zu", width, f->p, c,
					utf8_count(f->start, (size_t) (f->p - f->start)));
		return false;
	}
	f->p++;
	if (value.type == JINJA_MISSING && !next_value(f, &value))
		return false;
	if (strchr("rsa", spec.type) != NULL)
		return format_text(f, value, &spec);
	if (spec.type == 'c')
		return format_character(f, value, &spec);
	return format_number(f, value, &spec);
}

jinja_value
jinja_format_percent(jinja_state *s, const jinja_string *string, jinja_value value)
{
	formatter f = {.s = s,
				   .start = string->data,
				   .p = string->data,
				   .end = string->data + string->bytes,
				   .values = value,
				   .escape = string->markup};
	jinja_value result;
	bool mapping = value.type == JINJA_DICT || value.type == JINJA_LIST ||
				   value.type == JINJA_RANGE || value.type == JINJA_UNDEFINED ||
				   value.type == JINJA_NAMESPACE;

	while (f.p < f.end && !tfm_failed(s->context))
	{
		const char *percent = memchr(f.p, '%', (size_t) (f.end - f.p));
		const char *plain = percent != NULL ? percent : f.end;

		jinja_write(s, &f.output, f.p, (size_t) (plain - f.p));
		f.p = plain;
		if (percent != NULL && !format_one(&f))
			return jinja_none();
	}
	if (f.used < (value.type == JINJA_TUPLE ? value.list->count : mapping ? 0 : 1))
		return jinja_raise(s, "not all arguments converted during string formatting");
	result = jinja_written(s, &f.output);
	return result.type == JINJA_STRING ? jinja_marked(s, result.string, string->markup) : result;
}
