/*
 * json_check.h
 *	  Whether a text is JSON, before it is parsed.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_JSON_CHECK_H
#define TFM_BASE_JSON_CHECK_H

#include <stddef.h>

/*
 * Check that text[length], valid UTF-8, is one JSON value (RFC 8259) and nothing else, that it has
 * no escaped NUL or half of a surrogate pair, no number of more than 60 characters, and no more
 * than 200 levels.  NULL if so; else what is wrong, for a message, and at which byte.
 */
extern const char *json_check(const char *text, size_t length, size_t *offset);

#endif
