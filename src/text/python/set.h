/*
 * set.h
 *	  A set of strings in a component's payload.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_PYTHON_SET_H
#define TFM_TEXT_PYTHON_SET_H

#include "text/pipeline.h"

/* Append the set of a list of strings (absent: the empty set) to the end of a payload. */
extern bool tok_strings_compile(tfm_context *context, json list, buffer *payload);

/* What stands in a payload from an offset, a multiple of 8, on; nothing if it is shorter. */
extern tok_payload tok_strings_after(tok_payload payload, size_t offset);

extern bool tok_strings_has(tok_payload set, const char *string, size_t length);

#endif
