/*
 * connection.c
 *	  A session's connection to an engine process.
 *
 * The socket never blocks: what waits, waits for it and for the backend's latch together, and serves
 * interrupts.  An interrupt may throw in the middle of a frame.  One that was being read is read to
 * its end and forgotten by the next call; one that was being sent leaves nothing to be saved, and the
 * connection is closed.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "pg/connection.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pg/backend.h"
#include "pg/stat.h"
#include "pg/worker.h"

/* Time between attempts to connect where too many wait to be accepted, in milliseconds. */
#define CONNECT_PAUSE 10

/* What a call of the system gave, told apart. */
typedef enum io_result
{
	IO_DONE,
	IO_LOST,
	IO_TIMEOUT
} io_result;

/* ---- Waiting ---- */

/* Milliseconds until then, at least 0; -1: without end. */
static long
time_left(TimestampTz until)
{
	return until == 0 ? -1 : TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);
}

/* Wait for events of the socket, or for until; false if it is too late. */
static bool
wait_socket(const connection *c, int events, TimestampTz until)
{
	long timeout = time_left(until);
	int happened;

	if (timeout == 0 || (c->supervisor && ShutdownRequestPending))
		return false;
	happened = WaitLatchOrSocket(
		MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | events | (timeout > 0 ? WL_TIMEOUT : 0),
		c->socket, timeout, stat_wait_event(STAT_WAIT_WORKER));
	if (happened & WL_LATCH_SET)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	return true;
}

/* ---- Bytes ---- */

/* Whether the call of the system that just failed is to be made again. */
static bool
is_temporary(int code)
{
	return code == EAGAIN || code == EWOULDBLOCK || code == EINTR;
}

static io_result
send_bytes(connection *c, const char *bytes, size_t length, TimestampTz until)
{
	c->sending = true;
	while (length > 0)
	{
		ssize_t sent = send(c->socket, bytes, length, MSG_NOSIGNAL);

		if (sent >= 0)
		{
			bytes += sent;
			length -= (size_t) sent;
		}
		else if (!is_temporary(errno))
			return IO_LOST;
		else if (!wait_socket(c, WL_SOCKET_WRITEABLE, until))
			return IO_TIMEOUT;
	}
	c->sending = false;
	return IO_DONE;
}

/* Read at most length bytes, but one at least. */
static io_result
receive_bytes(connection *c, void *to, size_t length, TimestampTz until, size_t *count)
{
	for (;;)
	{
		ssize_t received = recv(c->socket, to, length, 0);

		if (received > 0)
		{
			*count = (size_t) received;
			return IO_DONE;
		}
		if (received == 0 || !is_temporary(errno))
			return IO_LOST;
		if (!wait_socket(c, WL_SOCKET_READABLE, until))
			return IO_TIMEOUT;
	}
}

/* ---- Frames ---- */

/* Read the rest of what follows the header: into to, or to forget it where that is NULL. */
static io_result
receive_rest(connection *c, char *to, TimestampTz until)
{
	char forgotten[8192];
	size_t count;

	while (c->left > 0)
	{
		io_result result =
			receive_bytes(c, to != NULL ? to : forgotten,
						  to != NULL ? c->left : Min(c->left, sizeof(forgotten)), until, &count);

		if (result != IO_DONE)
			return result;
		c->left -= count;
		if (to != NULL)
			to += count;
	}
	return IO_DONE;
}

/* Read the next header, after the rest of the frame before. */
static io_result
receive_header(connection *c, TimestampTz until)
{
	io_result result = receive_rest(c, NULL, until);
	size_t count;

	while (result == IO_DONE && c->header_read < sizeof(c->header))
	{
		result = receive_bytes(c, (char *) &c->header + c->header_read,
							   sizeof(c->header) - c->header_read, until, &count);
		if (result == IO_DONE)
			c->header_read += count;
	}
	if (result != IO_DONE)
		return result;
	c->header_read = 0;
	c->left = c->header.length;
	return c->header.length <= SERVE_FRAME_MAX ? IO_DONE : IO_LOST;
}

static connection_result
end_frame(connection *c, io_result result)
{
	if (result == IO_LOST)
		connection_close(c);
	return result == IO_DONE   ? CONNECTION_OK
		   : result == IO_LOST ? CONNECTION_LOST
							   : CONNECTION_TIMEOUT;
}

connection_result
connection_receive(connection *c, tfm_context *context, TimestampTz until, serve_kind *kind,
				   tfm_text *data)
{
	io_result result = receive_header(c, until);
	char *bytes;

	while (result == IO_DONE && c->header.id != c->id)
		result = receive_header(c, until);
	if (result != IO_DONE)
		return end_frame(c, result);
	*kind = (serve_kind) c->header.kind;
	bytes = tfm_alloc(context, c->left + 1);
	if (bytes == NULL)
		return CONNECTION_FAILED;
	*data = (tfm_text) {.data = bytes, .length = c->left};
	return end_frame(c, receive_rest(c, bytes, until));
}

bool
connection_send(connection *c, const char *frames, size_t length)
{
	if (send_bytes(c, frames, length, 0) == IO_DONE)
		return true;
	connection_close(c);
	return false;
}

void
connection_cancel(connection *c)
{
	serve_header header = {.kind = SERVE_CANCEL, .id = c->id};

	if (c->generation == 0)
		return;
	if (c->sending || send(c->socket, &header, sizeof(header), MSG_NOSIGNAL) != sizeof(header))
		connection_close(c);
}

/* ---- Opening and closing ---- */

void
connection_close(connection *c)
{
	if (c->generation == 0)
		return;
	close(c->socket);
	ReleaseExternalFD();
	*c = (connection) {.worker = c->worker, .supervisor = c->supervisor};
}

connection *
connection_get(int worker)
{
	if (tfm_backend.connections == NULL)
		tfm_backend.connections =
			MemoryContextAllocZero(TopMemoryContext, sizeof(connection) * WORKERS_MAX);
	tfm_backend.connections[worker].worker = worker;
	return &tfm_backend.connections[worker];
}

/* A socket of ours, not connected. */
static void
create_socket(connection *c, int64 generation)
{
	if (!AcquireExternalFD())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("too many files are open to connect to worker %d", c->worker + 1),
						errhint("Consider raising the setting \"max_files_per_process\" and the "
								"operating system's limit.")));
	c->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->socket < 0)
	{
		ReleaseExternalFD();
		ereport(ERROR, (errcode_for_socket_access(),
						errmsg("could not create a socket to worker %d: %m", c->worker + 1)));
	}
	c->generation = generation;
}

static bool
connect_socket(connection *c, TimestampTz until)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	worker_socket_path(c->worker, address.sun_path);
	while (connect(c->socket, (struct sockaddr *) &address, sizeof(address)) != 0)
	{
		if (!is_temporary(errno) || time_left(until) == 0)
			return false;
		pg_usleep(CONNECT_PAUSE * 1000L);
		CHECK_FOR_INTERRUPTS();
	}
	return true;
}

/* Each side says which version it speaks. */
static bool
greet(connection *c, TimestampTz until)
{
	struct
	{
		serve_header header;
		int32 version;
	} hello = {{.length = sizeof(int32), .kind = SERVE_HELLO}, SERVE_VERSION};
	int32 version;

	if (send_bytes(c, (const char *) &hello, sizeof(hello.header) + sizeof(int32), until) !=
			IO_DONE ||
		receive_header(c, until) != IO_DONE || c->header.kind != SERVE_HELLO ||
		c->left != sizeof(version) || receive_rest(c, (char *) &version, until) != IO_DONE)
		return false;
	if (version != SERVE_VERSION)
	{
		ereport(
			LOG,
			(errmsg("the engine process of worker %d is of another version of the extension",
					c->worker + 1),
			 errdetail("It speaks version %d, and the server version %d.", version, SERVE_VERSION),
			 errhint("Restart the server after an upgrade of the extension.")));
		return false;
	}
	return true;
}

bool
connection_open(connection *c, int64 generation, TimestampTz until)
{
	volatile bool opened = false;

	if (c->generation == generation)
		return true;
	connection_close(c);
	create_socket(c, generation);
	PG_TRY();
	{
		opened = connect_socket(c, until) && greet(c, until);
	}
	PG_FINALLY();
	{
		if (!opened)
			connection_close(c);
	}
	PG_END_TRY();
	return opened;
}
