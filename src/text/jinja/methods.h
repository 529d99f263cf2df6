/*
 * methods.h
 *	  Tables of methods by type.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_METHODS_H
#define TFM_TEXT_JINJA_METHODS_H

#include "text/jinja/program.h"

typedef struct jinja_methods
{
	const jinja_function *rows;
	size_t count;
} jinja_methods;

extern const jinja_methods jinja_string_methods; /* methods_string.c */

/* str.isupper and str.islower. */
extern bool jinja_text_is_case(const jinja_string *text, bool upper);

#endif
