/*
 * base64.h
 *	  Bytes as text (RFC 4648, section 4).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_BASE64_H
#define TFM_BASE_BASE64_H

#include "base/buffer.h"

/*
 * Append the bytes that a text stands for.  False, with nothing recorded but TFM_OUT_OF_MEMORY, if
 * it is not canonical: its length no multiple of 4, padding amiss, another character.
 */
extern bool base64_decode(tfm_context *context, const char *text, size_t length, buffer *bytes);

/* Append bytes as text. */
extern bool base64_encode(tfm_context *context, const void *bytes, size_t length, buffer *text);

#endif
