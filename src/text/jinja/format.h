/*
 * format.h
 *	  Python's ways of formatting: "%d" % x, "{:d}".format(x), format(x, "d").
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_FORMAT_H
#define TFM_TEXT_JINJA_FORMAT_H

#include "text/jinja/value.h"

/* How to format a number or a text. */
typedef struct jinja_spec
{
	uint32_t fill;	/* 0: a space, or a zero with zero set */
	char align;		/* < > = ^, 0: by the value's type */
	char sign;		/* + - or space, 0: - */
	bool alternate; /* # */
	bool zero;
	int64_t width;
	char grouping;	   /* , or _, 0: none */
	int64_t precision; /* -1: not given */
	char type;		   /* 0: by the value's type */
} jinja_spec;

/* string % value */
extern jinja_value jinja_format_percent(jinja_state *s, const jinja_string *string,
										jinja_value value);

/* string.format(*positional, **named) */
extern jinja_value jinja_format_string(jinja_state *s, const jinja_string *string,
									   const jinja_call *call);

/* format(value, spec) */
extern bool jinja_format_value(jinja_state *s, jinja_output *output, jinja_value value,
							   const jinja_string *spec);

/* The parts of that, for a spec that has been read. */
extern bool jinja_format_text(jinja_state *s, jinja_output *output, const jinja_string *text,
							  const jinja_spec *spec);
extern bool jinja_format_integer(jinja_state *s, jinja_output *output, jinja_value value,
								 const jinja_spec *spec);
extern bool jinja_format_float(jinja_state *s, jinja_output *output, double number,
							   const jinja_spec *spec);

#endif
