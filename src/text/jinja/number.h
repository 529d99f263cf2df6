/*
 * number.h
 *	  Python's numbers: integers of any size (within reason), floats and their text.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_NUMBER_H
#define TFM_TEXT_JINJA_NUMBER_H

#include "text/jinja/value.h"

/* The magnitude of an integer beyond int64, least limb first; the highest limb is not 0. */
typedef struct jinja_big
{
	bool negative;
	uint32_t count;
	uint32_t limbs[];
} jinja_big;

/* Whether a value is a bool, an int or a big one; whether it is that or a float. */
static inline bool
jinja_is_integer(jinja_value value)
{
	return value.type == JINJA_BOOL || value.type == JINJA_INT || value.type == JINJA_BIG;
}

static inline bool
jinja_is_number(jinja_value value)
{
	return jinja_is_integer(value) || value.type == JINJA_FLOAT;
}

/* A bool as the int that it is; anything else as it is. */
static inline jinja_value
jinja_as_int(jinja_value value)
{
	return value.type == JINJA_BOOL ? jinja_int(value.boolean) : value;
}

/* Operations on integers (bool, int, big).  Division by zero is up to the caller. */
extern jinja_value jinja_integer_add(jinja_state *s, jinja_value a, jinja_value b, bool subtract);
extern jinja_value jinja_integer_multiply(jinja_state *s, jinja_value a, jinja_value b);
extern bool jinja_integer_divide(jinja_state *s, jinja_value a, jinja_value b,
								 jinja_value *quotient, jinja_value *remainder); /* floor */
extern jinja_value jinja_integer_power(jinja_state *s, jinja_value a, uint64_t exponent);
extern jinja_value jinja_integer_negate(jinja_state *s, jinja_value a);
extern int jinja_integer_sign(jinja_value a);

/* -1, 0, 1; 2 where one is no number at all (NaN).  Integers and floats, exactly. */
extern int jinja_number_compare(jinja_value a, jinja_value b);

/* Digits in a base from 2 to 36; they must be valid. */
extern jinja_value jinja_integer_parse(jinja_state *s, const char *digits, size_t length, int base,
									   bool negative);

/* The nearest float (infinite where it is too big), and a float without its fraction. */
extern double jinja_to_double(jinja_value number);
extern jinja_value jinja_truncate_float(jinja_state *s, double number);

/* Digits of an integer in base 10, 2, 8 or 16, with a sign. */
extern bool jinja_write_integer(jinja_state *s, jinja_output *output, jinja_value integer,
								int base);

/* Python's repr of a float: the shortest text that reads back the same.  text[40]. */
extern void jinja_float_text(double number, char *text);

/* Python's int(text, base) and float(text); false, without an error, where it is none. */
extern bool jinja_parse_int(jinja_state *s, const jinja_string *text, int base,
							jinja_value *result);
extern bool jinja_parse_float(const jinja_string *text, double *result);

/* A float of the decimal text of a literal or of JSON, without underscores. */
extern double jinja_read_float(const char *text, size_t length);

/* Python's round(number, digits). */
extern jinja_value jinja_round(jinja_state *s, jinja_value number, int64_t digits);

#endif
