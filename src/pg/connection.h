/*
 * connection.h
 *	  A session's connection to an engine process (serve/protocol.h).
 *
 * A backend keeps one for each worker that it has used.  One call is asked for at a time; an answer
 * that comes too late, to a call that was cancelled, is passed over.  All that waits serves
 * interrupts, which may throw: the connection stays usable.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_CONNECTION_H
#define TFM_PG_CONNECTION_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "serve/protocol.h"

typedef struct connection
{
	int worker;
	bool supervisor;	 /* the supervisor's own: gives up when that is to end */
	int64 generation;	 /* of the engine process; 0: closed */
	int socket;			 /* where it is not closed */
	uint64 id;			 /* of the last call */
	bool sending;		 /* a frame has been sent in part */
	serve_header header; /* of the frame that is being read */
	size_t header_read;	 /* bytes of it */
	size_t left; /* bytes of what follows it that have not been read; 0: read the next header */
} connection;

/* This backend's connection to a worker, open or closed. */
extern connection *connection_get(int worker);

/*
 * Open it to the engine process of a generation, unless it is.  False if that does not answer until
 * then: it is being started or has ended.
 */
extern bool connection_open(connection *c, int64 generation, TimestampTz until);

extern void connection_close(connection *c);

/* Send whole frames; false if the other side is gone, and the connection closed. */
extern bool connection_send(connection *c, const char *frames, size_t length);

typedef enum connection_result
{
	CONNECTION_OK,
	CONNECTION_LOST,	/* the other side is gone or talks nonsense; the connection is closed */
	CONNECTION_TIMEOUT, /* it did not answer in time */
	CONNECTION_FAILED	/* no memory for the answer; the error is in the context */
} connection_result;

/* Wait for the frame about call c->id; until may be 0, without end.  *data is in the context's arena. */
extern connection_result connection_receive(connection *c, tfm_context *context, TimestampTz until,
											serve_kind *kind, tfm_text *data);

/* Tell the other side that c->id is not wanted any more; never waits or throws. */
extern void connection_cancel(connection *c);

#endif
