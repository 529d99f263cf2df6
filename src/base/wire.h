/*
 * wire.h
 *	  Numbers and texts one after the other in a byte string, for another process of the same build
 *	  on the same machine.
 *
 * Numbers are in the machine's order.  A text is its length and its bytes; a string (zero-terminated,
 * or NULL) is so, too.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_WIRE_H
#define TFM_BASE_WIRE_H

#include "base/buffer.h"

/* Append; an error is recorded in the context, so that one check at the end will do. */
extern void wire_put_int(tfm_context *context, buffer *to, int64_t number);
extern void wire_put_double(tfm_context *context, buffer *to, double number);
extern void wire_put_text(tfm_context *context, buffer *to, tfm_text text);
extern void wire_put_string(tfm_context *context, buffer *to, const char *string);

/*
 * What is left to be read.  Whoever reads beyond the end, or what cannot be, gets 0, empty texts or
 * NULL and makes the reader bad, for good.
 */
typedef struct wire_reader
{
	const char *at;
	size_t left;
	bool bad;
} wire_reader;

extern wire_reader wire_read(tfm_text data);
extern int64_t wire_get_int(wire_reader *r);

/* A number from least to most. */
extern int64_t wire_get_int_between(wire_reader *r, int64_t least, int64_t most);
extern double wire_get_double(wire_reader *r);

/*
 * What they point to is in the data.  A text is valid UTF-8; a string has no zero but at its end, and
 * may be of any bytes.
 */
extern tfm_text wire_get_text(wire_reader *r);
extern const char *wire_get_string(wire_reader *r);

/* How many things follow, of which each takes at least size bytes: never more than there is room for. */
extern size_t wire_get_count(wire_reader *r, size_t size);

/* The next size bytes; NULL if there are fewer. */
extern const void *wire_get_bytes(wire_reader *r, size_t size);

/* Whether all went well and nothing is left; if not, CORRUPTED: what is damaged. */
extern bool wire_end(tfm_context *context, const wire_reader *r, const char *what);

#endif
