/*
 * call_formats.h
 *	  Ways in which models write calls of tools.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_CALL_FORMATS_H
#define TFM_TASK_CALL_FORMATS_H

#include "base/buffer.h"
#include "base/json.h"

/* The calls found so far, as elements of a JSON array with commas between. */
typedef struct call_list
{
	tfm_context *context;
	buffer *calls;
	size_t count;
} call_list;

/* Text without the white space at its ends. */
extern tfm_text call_trim(tfm_text text);

/* Whether text begins with a string, which is then taken away. */
extern bool call_skip(tfm_text *text, const char *string);

/* Where a string is first; text.length if it is nowhere. */
extern size_t call_format_find(tfm_text text, const char *string);

/* The length of the JSON object or array that text begins with; 0 if there is no whole one. */
extern size_t call_json_length(tfm_text text);

/* A JSON text parsed, absent without an error if it is none. */
extern json call_json(tfm_context *context, tfm_text text);

/* Add a call: its arguments are JSON text of an object. */
extern bool call_add(call_list *list, tfm_text name, tfm_text arguments);

/*
 * Add the calls that a text consists of.  *understood is false, and nothing is added, if it consists of
 * anything else.  False with an error.
 */
extern bool call_parse(call_list *list, tfm_text text, bool *understood);

/* python_calls.c: the same for f(a=1, b=['x']), or several of these in brackets or lines. */
extern bool call_parse_python(call_list *list, tfm_text text, bool *understood);

/* JSON values that are calls by their keys; strict: only what can hardly be anything else. */
extern bool call_parse_json(call_list *list, tfm_text text, bool strict, bool *understood);

#endif
