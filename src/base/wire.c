/*
 * wire.c
 *	  Numbers and texts one after the other in a byte string.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/wire.h"

#include <string.h>

#include "base/utf8.h"

/* The length of a string that is NULL. */
#define NO_STRING INT64_C(-1)

void
wire_put_int(tfm_context *context, buffer *to, int64_t number)
{
	buffer_append(context, to, &number, sizeof(number));
}

void
wire_put_double(tfm_context *context, buffer *to, double number)
{
	buffer_append(context, to, &number, sizeof(number));
}

void
wire_put_text(tfm_context *context, buffer *to, tfm_text text)
{
	wire_put_int(context, to, (int64_t) text.length);
	buffer_append(context, to, text.data, text.length);
}

void
wire_put_string(tfm_context *context, buffer *to, const char *string)
{
	if (string == NULL)
		wire_put_int(context, to, NO_STRING);
	else
		wire_put_text(context, to, (tfm_text) {string, strlen(string) + 1});
}

wire_reader
wire_read(tfm_text data)
{
	return (wire_reader) {.at = data.data, .left = data.length};
}

const void *
wire_get_bytes(wire_reader *r, size_t size)
{
	const void *bytes = r->at;

	if (r->bad || size > r->left)
	{
		r->bad = true;
		return NULL;
	}
	r->at += size;
	r->left -= size;
	return bytes;
}

int64_t
wire_get_int(wire_reader *r)
{
	int64_t number = 0;
	const void *bytes = wire_get_bytes(r, sizeof(number));

	if (bytes != NULL)
		memcpy(&number, bytes, sizeof(number));
	return number;
}

int64_t
wire_get_int_between(wire_reader *r, int64_t least, int64_t most)
{
	int64_t number = wire_get_int(r);

	if (number >= least && number <= most)
		return number;
	r->bad = true;
	return least;
}

double
wire_get_double(wire_reader *r)
{
	double number = 0;
	const void *bytes = wire_get_bytes(r, sizeof(number));

	if (bytes != NULL)
		memcpy(&number, bytes, sizeof(number));
	return number;
}

tfm_text
wire_get_text(wire_reader *r)
{
	size_t length = wire_get_count(r, 1);
	const char *bytes = wire_get_bytes(r, length);

	if (bytes == NULL || !utf8_valid(bytes, length))
	{
		r->bad = true;
		return (tfm_text) {"", 0};
	}
	return (tfm_text) {bytes, length};
}

const char *
wire_get_string(wire_reader *r)
{
	int64_t length = wire_get_int_between(r, NO_STRING, (int64_t) r->left);
	const char *bytes = length < 0 ? NULL : wire_get_bytes(r, (size_t) length);

	if (bytes == NULL)
		return NULL;
	if (length > 0 && memchr(bytes, '\0', (size_t) length) == bytes + length - 1)
		return bytes;
	r->bad = true;
	return NULL;
}

size_t
wire_get_count(wire_reader *r, size_t size)
{
	int64_t count = wire_get_int(r);

	if (!r->bad && count >= 0 && (uint64_t) count <= r->left / size)
		return (size_t) count;
	r->bad = true;
	return 0;
}

bool
wire_end(tfm_context *context, const wire_reader *r, const char *what)
{
	if (!r->bad && r->left == 0)
		return !tfm_failed(context);
	return tfm_fail(context, TFM_CORRUPTED, "%s is damaged", what);
}
