/*
 * connection.h
 *	  One session's connection: bytes that come become frames, frames that go become bytes.
 *
 * Nothing here waits: what cannot be read or written now is, the next time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_SERVE_CONNECTION_H
#define TFM_SERVE_CONNECTION_H

#include "serve/call.h"

/* Bytes that wait to be sent beyond which no more calls are read of a session. */
#define SERVE_OUTPUT_MAX ((size_t) 64 * 1024 * 1024)

/* A frame that is being sent. */
typedef struct serve_output
{
	buffer frame;
	size_t sent;
	struct serve_output *next;
} serve_output;

typedef struct serve_connection
{
	int descriptor;
	bool greeted; /* the other side has said its version */
	bool closing; /* nothing more is read; it ends when all is sent */
	bool broken;  /* it is to be closed now */

	/* The frame that is being read. */
	serve_header header;
	size_t header_bytes;
	char *bytes; /* of what follows the header; NULL: none yet, or left out */
	size_t capacity, length;
	bool admitted;	 /* there is room for it */
	bool left_out;	 /* there was no memory: its bytes are read, and forgotten */
	size_t *waiting; /* bytes of all connections' calls, of which this one's are counted */

	serve_output *first, *last;
	size_t unsent; /* bytes */

	serve_call *calls; /* under way */
	int call_count;
	struct serve_connection *next;
} serve_connection;

/* A connection that has said hello, or NULL: memory is out.  It closes the descriptor. */
extern serve_connection *serve_connection_create(int descriptor, size_t *waiting);
extern void serve_connection_destroy(serve_connection *c);

/*
 * Read what there is, up to the end of a frame: whether there is a whole one now, which the caller
 * has until the next call.  limit: bytes of all calls beyond which a long one is not read.
 */
extern bool serve_connection_read(serve_connection *c, size_t limit);

/* Whether what is read next has room, so that it is worth looking whether there is any. */
extern bool serve_connection_reads(const serve_connection *c, size_t limit);

/* The frame has been dealt with.  keep: its bytes are somebody else's now, and stay counted. */
extern void serve_connection_next(serve_connection *c, bool keep);

/* Send a frame, which is taken over; without memory the connection breaks. */
extern void serve_connection_send(serve_connection *c, buffer *frame);
extern void serve_connection_send_error(serve_connection *c, uint64_t id, const tfm_error *error);

/* Write as much as can be. */
extern void serve_connection_flush(serve_connection *c);

#endif
