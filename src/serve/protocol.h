/*
 * protocol.h
 *	  What sessions and an engine process say to each other, over a local stream socket.
 *
 * The engine process (tfm_engine, src/serve/main.c) is no process of PostgreSQL: it has none of the
 * server's shared memory, so that whatever ends it, it ends nothing else.  A background worker starts
 * it and starts it again (src/pg/worker.c); sessions connect to its socket in the data directory,
 * where the image files are, too.  A session that goes away closes its socket, which cancels what it
 * asked for; an engine process that goes away closes all sockets, which is how sessions learn of it.
 *
 * Both sides are of one build and on one machine: numbers are in the machine's order, and the first
 * frame of each side, sent as soon as they are connected, says which version it speaks.  Frames are
 * a header and length bytes.
 *
 * A session may ask for several calls at once, each by an id of its own.  For each SERVE_CALL there
 * comes one SERVE_ANSWER or one SERVE_ERROR, in any order; also for one that is cancelled, whose
 * error is TFM_CANCELLED, unless it was done already.  What is no such frame ends the connection.
 *
 * A frame longer than SERVE_FRAME_AT_ONCE is read when there is room for it: until then its sender
 * waits in the middle of it, and may close the connection.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_SERVE_PROTOCOL_H
#define TFM_SERVE_PROTOCOL_H

#include "task/call.h"
#include "runtime/precision.h"

#define SERVE_VERSION 1

/* Longest frame: what one value of PostgreSQL may hold, and its head. */
#define SERVE_FRAME_MAX ((size_t) 1 << 30)

/* Frames up to this many bytes are always read, so that what comes after them is, too. */
#define SERVE_FRAME_AT_ONCE ((size_t) 256 * 1024)

/* Calls of one connection that may be under way; one more is an error, LIMIT_EXCEEDED. */
#define SERVE_CALLS_MAX 256

typedef enum serve_kind
{
	SERVE_HELLO = 1, /* both ways: the version as int32 */
	SERVE_CALL,		 /* session: serve_request */
	SERVE_CANCEL,	 /* session: the call of this id is not wanted any more */
	SERVE_ANSWER,	 /* engine: serve_reply of a call that went well */
	SERVE_ERROR,	 /* engine: the tfm_error of a call that did not */
	SERVE_STATUS,	 /* session: ask; engine: serve_status */
} serve_kind;

typedef struct serve_header
{
	uint32_t length; /* of what follows the header */
	uint32_t kind;
	uint64_t id; /* the caller's number of a call, of any value */
} serve_header;

/* A call, and with what. */
typedef struct serve_request
{
	const char *image; /* path of the model's image, relative to the data directory */
	tfm_compute compute;
	const char *assistant; /* image of the model of drafts; NULL: none */
	tfm_compute assistant_compute;
	int32_t isa;		  /* as tfm_context has it */
	tfm_dtype cache_type; /* of generation: F32, F16, BF16, Q8_0; 0: auto */
	int64_t max_memory;	  /* bytes of what the call computes with; 0: no limit */
	int64_t prefix_cache; /* bytes; 0: nothing is kept of the call, nor used for it */
	uint64_t session;	  /* whose it is, for fairness: the backend's process id */
	task_call call;
} serve_request;

typedef struct serve_reply
{
	tfm_usage usage; /* the call's share of what its batches took */
	int32_t batched; /* calls of others in the same pass, at most */
	double waited;	 /* seconds in the queue */
	double computed; /* seconds after that */
	task_answer answer;
} serve_reply;

/* How an engine process stands. */
typedef struct serve_status
{
	int64_t waiting; /* calls in the queue */
	int64_t running; /* calls that are computed now */
	int64_t models;	 /* open */
	int64_t calls;	 /* done since it started */
	int64_t passes;
	int64_t memory; /* bytes of its caches and scratch memory */
} serve_status;

/*
 * Whole frames, header included, appended to a buffer, which on error is left as it was;
 * LIMIT_EXCEEDED for one that is longer than a frame may be.
 */
extern bool serve_write(tfm_context *context, buffer *to, serve_kind kind, uint64_t id,
						const void *bytes, size_t length);
extern bool serve_write_hello(tfm_context *context, buffer *to);
extern bool serve_write_request(tfm_context *context, buffer *to, uint64_t id,
								const serve_request *request);
extern bool serve_write_reply(tfm_context *context, buffer *to, uint64_t id,
							  const serve_reply *reply, size_t count);
extern bool serve_write_error(tfm_context *context, buffer *to, uint64_t id,
							  const tfm_error *error);
extern bool serve_write_status(tfm_context *context, buffer *to, uint64_t id,
							   const serve_status *status);

/*
 * What follows a header, read.  Texts and strings point into data, arrays are in the context's
 * arena.  Errors: CORRUPTED, OUT_OF_MEMORY; UNSUPPORTED for another version's hello, and for an
 * instruction set that this machine does not have.
 */
extern bool serve_read_hello(tfm_context *context, tfm_text data);
extern bool serve_read_request(tfm_context *context, tfm_text data, serve_request *request);
extern bool serve_read_reply(tfm_context *context, tfm_text data, size_t count, serve_reply *reply);
extern bool serve_read_status(tfm_context *context, tfm_text data, serve_status *status);

/* The error of a SERVE_ERROR becomes the context's; always false. */
extern bool serve_read_error(tfm_context *context, tfm_text data);

#endif
