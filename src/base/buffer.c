/*
 * buffer.c
 *	  A byte string that grows.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

static void
release_buffer(void *argument)
{
	buffer *b = argument;

	free(b->data);
	b->data = NULL;
}

buffer *
buffer_create(tfm_context *context)
{
	buffer *b = tfm_alloc_zero(context, sizeof(buffer));

	if (b == NULL)
		return NULL;
	if (!arena_on_release(context->arena, release_buffer, b))
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	return b;
}

bool
buffer_reserve(tfm_context *context, buffer *b, size_t length)
{
	size_t wanted, capacity;
	char *data;

	if (!size_add(b->length, length, &wanted))
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	if (wanted <= b->capacity)
		return true;
	capacity = b->capacity < 64 ? 64 : b->capacity;
	while (capacity < wanted)
		if (!size_multiply(capacity, 2, &capacity))
			capacity = wanted;
	data = realloc(b->data, capacity);
	if (data == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY,
						"out of memory while growing a buffer to %zu bytes", capacity);
	b->data = data;
	b->capacity = capacity;
	return true;
}

bool
buffer_append(tfm_context *context, buffer *b, const void *bytes, size_t length)
{
	if (!buffer_reserve(context, b, length))
		return false;
	if (length > 0)
		memcpy(b->data + b->length, bytes, length);
	b->length += length;
	return true;
}

bool
buffer_append_string(tfm_context *context, buffer *b, const char *string)
{
	return buffer_append(context, b, string, strlen(string));
}

bool
buffer_append_zeros(tfm_context *context, buffer *b, size_t count)
{
	if (!buffer_reserve(context, b, count))
		return false;
	if (count > 0)
		memset(b->data + b->length, 0, count);
	b->length += count;
	return true;
}

bool
buffer_printf(tfm_context *context, buffer *b, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (n < 0)
		return tfm_fail(context, TFM_INTERNAL, "could not format \"%s\"", format);
	if (!buffer_reserve(context, b, (size_t) n + 1))
		return false;
	va_start(arguments, format);
	vsnprintf(b->data + b->length, (size_t) n + 1, format, arguments);
	va_end(arguments);
	b->length += (size_t) n;
	return true;
}

const char *
buffer_text(tfm_context *context, buffer *b)
{
	if (!buffer_reserve(context, b, 1))
		return NULL;
	b->data[b->length] = '\0';
	return b->data;
}
