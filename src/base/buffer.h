/*
 * buffer.h
 *	  A byte string that grows, in an arena or on its own.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_BUFFER_H
#define TFM_BASE_BUFFER_H

#include "base/context.h"

/*
 * Start with (buffer) {0}.  The bytes are malloc'ed; buffer_init registers the buffer with the
 * context's arena, which frees it.  A failed append records TFM_OUT_OF_MEMORY and leaves the
 * content as it was.
 */
typedef struct buffer
{
	char *data;		 /* NULL until the first append; zero-terminated only by buffer_text */
	size_t length;	 /* bytes in use */
	size_t capacity; /* bytes allocated */
} buffer;

/* A new empty buffer that lives, with its bytes, until the context's arena is released. */
extern buffer *buffer_create(tfm_context *context);

/* Append bytes, a zero-terminated string, a formatted string, count zero bytes. */
extern bool buffer_append(tfm_context *context, buffer *b, const void *bytes, size_t length);
extern bool buffer_append_string(tfm_context *context, buffer *b, const char *string);
extern bool buffer_printf(tfm_context *context, buffer *b, const char *format, ...)
	TFM_PRINTF(3, 4);
extern bool buffer_append_zeros(tfm_context *context, buffer *b, size_t count);

/* Make room for length more bytes without changing the content. */
extern bool buffer_reserve(tfm_context *context, buffer *b, size_t length);

/* The content as a zero-terminated string, valid until the next append; NULL if memory is out. */
extern const char *buffer_text(tfm_context *context, buffer *b);

#endif
