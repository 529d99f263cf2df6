/*
 * json_value.h
 *	  JSON and values: Python's json.loads and json.dumps.
 *
 * Unlike base/json.h this keeps 1 and 1.0 apart, integers whole, and the order of keys.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_JSON_VALUE_H
#define TFM_TEXT_JINJA_JSON_VALUE_H

#include "text/jinja/value.h"

/*
 * Read a JSON text (of two members of an object with one key the last counts); none with
 * INVALID_ARGUMENT if it is none: "WHAT is not JSON: ... at byte N".
 */
extern jinja_value jinja_json_read(jinja_state *s, tfm_text text, const char *what);

/* How json.dumps writes; indent and the separators may be NULL. */
typedef struct jinja_json_style
{
	bool ensure_ascii;
	bool sort_keys;
	const jinja_string *indent; /* of one level; NULL: all on one line */
	const jinja_string *item_separator, *key_separator;
} jinja_json_style;

extern bool jinja_json_write(jinja_state *s, jinja_output *output, jinja_value value,
							 const jinja_json_style *style);

#endif
