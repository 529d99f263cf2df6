/*
 * connection.c
 *	  One session's connection.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is allocated for a frame at first: not all that its header says, before it comes. */
#define FIRST_BYTES ((size_t) 64 * 1024)

serve_connection *
serve_connection_create(int descriptor, size_t *waiting)
{
	serve_connection *c = calloc(1, sizeof(serve_connection));
	tfm_context context = {0};
	buffer hello = {0};

	if (c == NULL)
		return NULL;
	c->descriptor = descriptor;
	c->waiting = waiting;
	if (!serve_write_hello(&context, &hello))
		c->broken = true;
	serve_connection_send(c, &hello);
	return c;
}

static void
free_output(serve_connection *c)
{
	serve_output *output = c->first;

	c->first = output->next;
	if (c->first == NULL)
		c->last = NULL;
	c->unsent -= output->frame.length - output->sent;
	free(output->frame.data);
	free(output);
}

void
serve_connection_destroy(serve_connection *c)
{
	while (c->first != NULL)
		free_output(c);
	serve_connection_next(c, false);
	close(c->descriptor);
	free(c);
}

/* ---- Reading ---- */

/* What a header may say: only a call has more than some bytes. */
static bool
check_header(const serve_header *header)
{
	switch (header->kind)
	{
		case SERVE_HELLO:
			return header->length == sizeof(int32_t);
		case SERVE_CALL:
			return header->length <= SERVE_FRAME_MAX;
		case SERVE_CANCEL:
		case SERVE_STATUS:
			return header->length == 0;
		default:
			return false;
	}
}

static bool
has_header(const serve_connection *c)
{
	return c->header_bytes == sizeof(serve_header);
}

/* Whether there is room for the frame's bytes: a long one needs it, unless it is the only one. */
static bool
has_room(const serve_connection *c, size_t limit)
{
	return c->admitted || c->header.length <= SERVE_FRAME_AT_ONCE || *c->waiting == 0 ||
		   *c->waiting + c->header.length <= limit;
}

bool
serve_connection_reads(const serve_connection *c, size_t limit)
{
	if (c->closing || c->broken || c->unsent > SERVE_OUTPUT_MAX)
		return false;
	return !has_header(c) || has_room(c, limit);
}

/* Some bytes, as many as there are; 0 if there are none now, or the connection has ended. */
static size_t
receive(serve_connection *c, void *to, size_t size)
{
	ssize_t got = recv(c->descriptor, to, size, 0);

	if (got > 0)
		return (size_t) got;
	if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		c->broken = true;
	return 0;
}

static void
read_header(serve_connection *c)
{
	c->header_bytes +=
		receive(c, (char *) &c->header + c->header_bytes, sizeof(serve_header) - c->header_bytes);
	if (has_header(c) && !check_header(&c->header))
		c->broken = true;
}

/* Room for more bytes of the frame; if there is no memory for them, all are left out. */
static void
grow(serve_connection *c)
{
	size_t capacity = c->capacity == 0 ? FIRST_BYTES : c->capacity * 2;
	char *bytes;

	if (capacity > c->header.length)
		capacity = c->header.length;
	bytes = realloc(c->bytes, capacity);
	if (bytes != NULL)
	{
		c->bytes = bytes;
		c->capacity = capacity;
		return;
	}
	free(c->bytes);
	c->bytes = NULL;
	c->left_out = true;
}

static void
read_bytes(serve_connection *c)
{
	char forgotten[4096];
	size_t left = c->header.length - c->length;

	if (!c->left_out && c->length == c->capacity)
		grow(c);
	if (c->left_out)
		c->length += receive(c, forgotten, left < sizeof(forgotten) ? left : sizeof(forgotten));
	else
		c->length += receive(c, c->bytes + c->length, c->capacity - c->length);
}

static void
admit(serve_connection *c)
{
	if (c->admitted)
		return;
	c->admitted = true;
	*c->waiting += c->header.length;
}

bool
serve_connection_read(serve_connection *c, size_t limit)
{
	if (!serve_connection_reads(c, limit))
		return false;
	if (!has_header(c))
		read_header(c);
	if (c->broken || !has_header(c) || !has_room(c, limit))
		return false;
	admit(c);
	if (c->length < c->header.length)
		read_bytes(c);
	return !c->broken && c->length == c->header.length;
}

void
serve_connection_next(serve_connection *c, bool keep)
{
	if (!keep)
	{
		free(c->bytes);
		if (c->admitted)
			*c->waiting -= c->header.length;
	}
	c->bytes = NULL;
	c->capacity = c->length = c->header_bytes = 0;
	c->admitted = c->left_out = false;
}

/* ---- Writing ---- */

void
serve_connection_send(serve_connection *c, buffer *frame)
{
	serve_output *output = frame->length == 0 ? NULL : calloc(1, sizeof(serve_output));

	if (output == NULL)
	{
		free(frame->data);
		*frame = (buffer) {0};
		c->broken = true;
		return;
	}
	output->frame = *frame;
	*frame = (buffer) {0};
	if (c->last == NULL)
		c->first = output;
	else
		c->last->next = output;
	c->last = output;
	c->unsent += output->frame.length;
}

void
serve_connection_send_error(serve_connection *c, uint64_t id, const tfm_error *error)
{
	tfm_context context = {0};
	buffer frame = {0};

	serve_write_error(&context, &frame, id, error);
	serve_connection_send(c, &frame);
}

void
serve_connection_flush(serve_connection *c)
{
	while (c->first != NULL && !c->broken)
	{
		serve_output *output = c->first;
		ssize_t sent = send(c->descriptor, output->frame.data + output->sent,
							output->frame.length - output->sent, MSG_NOSIGNAL);

		if (sent < 0)
		{
			if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
				c->broken = true;
			return;
		}
		output->sent += (size_t) sent;
		c->unsent -= (size_t) sent;
		if (output->sent == output->frame.length)
			free_output(c);
	}
	if (c->first == NULL && c->closing)
		c->broken = true;
}
