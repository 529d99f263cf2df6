/*
 * loop.c
 *	  The side of an engine process that talks to sessions: one thread that waits for all of them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE /* accept4 */
#include "serve/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "serve/connection.h"

/* Connections that may wait to be accepted. */
#define BACKLOG 1024

/* Frames of one connection that are read before the others' turn. */
#define FRAMES_AT_ONCE 16

/* How long nobody is accepted when there are no descriptors left, in milliseconds. */
#define ACCEPT_PAUSE 100

/* Descriptors that are waited for before those of connections. */
enum
{
	POLL_LISTENER,
	POLL_WAKE,
	POLL_STOP,
	POLL_WATCHED,
	POLL_OTHERS
};

typedef struct loop
{
	const serve_loop_options *options;
	tfm_context *context;
	serve_engine *engine;
	int wake[2]; /* a pipe that the computing thread writes to */
	serve_connection *connections;
	size_t count;
	size_t waiting;		  /* bytes of calls */
	int64_t calls;		  /* that the engine has */
	struct pollfd *polls; /* [capacity] */
	size_t capacity;
	bool full;	  /* no descriptors are left */
	bool ending;  /* no more calls are taken */
	bool ended;	  /* the process that watches is gone, or this one cannot go on */
	double until; /* when ending takes too long */
} loop;

/* ---- Sockets ---- */

static bool
set_nonblocking(tfm_context *context, int descriptor)
{
	int flags = fcntl(descriptor, F_GETFL);

	if (flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 &&
		fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0)
		return true;
	return tfm_fail(context, TFM_IO, "could not prepare a descriptor: %s", strerror(errno));
}

int
serve_listen(tfm_context *context, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int listener;
	bool good;

	if (strlen(path) >= sizeof(address.sun_path))
	{
		tfm_fail(context, TFM_INVALID_ARGUMENT, "the path \"%s\" is too long for a socket", path);
		return -1;
	}
	strcpy(address.sun_path, path);
	unlink(path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	mask = umask(S_IXUSR | S_IRWXG | S_IRWXO);
	good = listener >= 0 &&
		   bind(listener, (const struct sockaddr *) &address, sizeof(address)) == 0 &&
		   listen(listener, BACKLOG) == 0;
	umask(mask);
	if (good)
		return listener;
	file_fail(context, errno, "listen at", path);
	if (listener >= 0)
		close(listener);
	return -1;
}

/* Called by the computing thread: a full pipe wakes, too. */
static void
wake(void *argument)
{
	const loop *l = argument;
	ssize_t written = write(l->wake[1], "", 1);

	(void) written;
}

static void
drain_pipe(int descriptor)
{
	char bytes[256];

	while (read(descriptor, bytes, sizeof(bytes)) == (ssize_t) sizeof(bytes))
		;
}

/* ---- Connections ---- */

/* Room to wait for one connection more. */
static bool
reserve_polls(loop *l)
{
	size_t wanted = POLL_OTHERS + l->count + 1;
	struct pollfd *polls;

	if (wanted <= l->capacity)
		return true;
	polls = realloc(l->polls, 2 * wanted * sizeof(struct pollfd));
	if (polls == NULL)
		return false;
	l->polls = polls;
	l->capacity = 2 * wanted;
	return true;
}

/* Others than the owner of this process have no business here. */
static bool
is_ours(int descriptor)
{
#ifdef SO_PEERCRED
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
		   (peer.uid == geteuid() || peer.uid == 0);
#else
	uid_t user;
	gid_t group;

	return getpeereid(descriptor, &user, &group) == 0 && (user == geteuid() || user == 0);
#endif
}

static void
add_connection(loop *l, int descriptor)
{
	serve_connection *c = NULL;

	if (!is_ours(descriptor))
		tfm_log(l->context, TFM_LOG_WARNING, "refused a connection of another user");
	else if (set_nonblocking(&(tfm_context) {0}, descriptor) && reserve_polls(l))
		c = serve_connection_create(descriptor, &l->waiting);
	if (c == NULL)
	{
		close(descriptor);
		return;
	}
	c->next = l->connections;
	l->connections = c;
	l->count++;
	serve_connection_flush(c);
}

static void
accept_connections(loop *l)
{
	int descriptor;

	while ((descriptor = accept(l->options->listener, NULL, NULL)) >= 0)
		add_connection(l, descriptor);
	l->full = errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS;
}

/* Its calls are nobody's any more. */
static void
close_connection(loop *l, serve_connection *c)
{
	for (serve_call *call = c->calls, *next; call != NULL; call = next)
	{
		next = call->next_owned;
		call->owner = NULL;
		serve_engine_cancel(l->engine, call);
	}
	serve_connection_destroy(c);
	l->count--;
	l->full = false;
}

static void
close_broken(loop *l)
{
	serve_connection **link = &l->connections;

	while (*link != NULL)
	{
		serve_connection *c = *link;

		if (!c->broken)
		{
			link = &c->next;
			continue;
		}
		*link = c->next;
		close_connection(l, c);
	}
}

/* ---- Frames ---- */

static void
refuse(serve_connection *c, const tfm_context *context)
{
	serve_connection_send_error(c, c->header.id, &context->error);
}

static void
take_hello(loop *l, serve_connection *c)
{
	tfm_context context = {0};

	c->greeted = serve_read_hello(&context, (tfm_text) {c->bytes, c->length});
	if (c->greeted)
		return;
	tfm_log(l->context, TFM_LOG_WARNING, "refused a connection: %s", context.error.message);
	c->closing = true;
}

/* A call of the frame's bytes, handed to the engine; false if the connection keeps the bytes. */
static bool
take_call(loop *l, serve_connection *c)
{
	tfm_context context = {0};
	serve_call *call = NULL;

	if (c->left_out)
		tfm_fail(&context, TFM_OUT_OF_MEMORY, "out of memory");
	else if (c->call_count >= SERVE_CALLS_MAX)
		tfm_fail(&context, TFM_LIMIT_EXCEEDED, "more than %d calls of one session are under way",
				 SERVE_CALLS_MAX);
	else
		call = serve_call_create(&context, c->bytes, c->length);
	if (call == NULL)
	{
		refuse(c, &context);
		return false;
	}
	call->id = c->header.id;
	call->owner = c;
	call->next_owned = c->calls;
	c->calls = call;
	c->call_count++;
	l->calls++;
	serve_engine_add(l->engine, call);
	return true;
}

static void
cancel_call(loop *l, const serve_connection *c)
{
	for (serve_call *call = c->calls; call != NULL; call = call->next_owned)
		if (call->id == c->header.id)
		{
			serve_engine_cancel(l->engine, call);
			return;
		}
}

static void
send_status(loop *l, serve_connection *c)
{
	const serve_status status = serve_engine_status(l->engine);
	tfm_context context = {0};
	buffer frame = {0};

	serve_write_status(&context, &frame, c->header.id, &status);
	serve_connection_send(c, &frame);
}

/* A whole frame has been read. */
static void
take_frame(loop *l, serve_connection *c)
{
	bool kept = false;

	if (!c->greeted && c->header.kind != SERVE_HELLO)
	{
		tfm_log(l->context, TFM_LOG_WARNING, "closed a connection that did not say its version");
		c->broken = true;
	}
	else if (c->left_out && c->header.kind != SERVE_CALL)
		c->broken = true;
	else if (c->header.kind == SERVE_HELLO)
		take_hello(l, c);
	else if (c->header.kind == SERVE_CALL)
		kept = take_call(l, c);
	else if (c->header.kind == SERVE_CANCEL)
		cancel_call(l, c);
	else
		send_status(l, c);
	serve_connection_next(c, kept);
}

static void
read_connection(loop *l, serve_connection *c)
{
	int frames = 0;

	while (frames < FRAMES_AT_ONCE && serve_connection_read(c, l->options->waiting_bytes))
	{
		take_frame(l, c);
		frames++;
	}
}

/* ---- Calls that are done ---- */

static void
disown(serve_connection *c, const serve_call *call)
{
	serve_call **link = &c->calls;

	while (*link != call)
		link = &(*link)->next_owned;
	*link = call->next_owned;
	c->call_count--;
}

static void
send_done(loop *l)
{
	for (serve_call *call = serve_engine_collect(l->engine), *next; call != NULL; call = next)
	{
		serve_connection *c = call->owner;

		next = call->next;
		if (c != NULL)
		{
			disown(c, call);
			serve_connection_send(c, &call->frame);
			serve_connection_flush(c);
		}
		l->calls--;
		l->waiting -= call->length;
		serve_call_destroy(call);
	}
}

/* ---- Waiting ---- */

static void
prepare_polls(loop *l)
{
	const serve_loop_options *o = l->options;
	size_t n = POLL_OTHERS;

	l->polls[POLL_LISTENER] =
		(struct pollfd) {.fd = l->full || l->ending ? -1 : o->listener, .events = POLLIN};
	l->polls[POLL_WAKE] = (struct pollfd) {.fd = l->wake[0], .events = POLLIN};
	l->polls[POLL_STOP] = (struct pollfd) {.fd = l->ending ? -1 : o->stop, .events = POLLIN};
	l->polls[POLL_WATCHED] = (struct pollfd) {.fd = o->watched, .events = POLLIN};
	for (const serve_connection *c = l->connections; c != NULL; c = c->next)
	{
		short events = c->first != NULL ? POLLOUT : 0;

		if (!l->ending && serve_connection_reads(c, o->waiting_bytes))
			events |= POLLIN;
		l->polls[n++] = (struct pollfd) {.fd = c->descriptor, .events = events};
	}
}

/* Milliseconds to wait; -1: until something happens. */
static int
find_timeout(const loop *l)
{
	double left = l->until - clock_now();

	if (l->ending)
		return left > 0 ? (int) (left * 1000) + 1 : 0;
	return l->full ? ACCEPT_PAUSE : -1;
}

/* Whether who watches has gone; what it may say is of no interest. */
static bool
has_ended(int descriptor)
{
	char bytes[64];
	ssize_t got = read(descriptor, bytes, sizeof(bytes));

	return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

static void
check_end(loop *l)
{
	if (l->polls[POLL_WATCHED].revents != 0 && has_ended(l->options->watched))
	{
		tfm_log(l->context, TFM_LOG_INFO, "ending, since the supervisor has");
		l->ended = true;
	}
	if (l->polls[POLL_STOP].revents != 0 && !l->ending)
	{
		l->ending = true;
		l->until = clock_now() + l->options->grace;
	}
}

/* Whether nothing is left of what was asked for. */
static bool
is_finished(const loop *l)
{
	if (l->calls > 0)
		return false;
	for (const serve_connection *c = l->connections; c != NULL; c = c->next)
		if (c->first != NULL)
			return false;
	return true;
}

static void
serve_connections(loop *l)
{
	const struct pollfd *p = l->polls + POLL_OTHERS;

	for (serve_connection *c = l->connections; c != NULL; c = c->next, p++)
	{
		if ((p->revents & POLLIN) != 0)
			read_connection(l, c);
		else if ((p->revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
			c->broken = true;
		if (c->first != NULL || c->closing)
			serve_connection_flush(c);
	}
}

static bool
serve_once(loop *l)
{
	prepare_polls(l);
	if (poll(l->polls, POLL_OTHERS + l->count, find_timeout(l)) < 0)
		return errno == EINTR ||
			   tfm_fail(l->context, TFM_IO, "could not wait for sessions: %s", strerror(errno));
	check_end(l);
	if (l->polls[POLL_WAKE].revents != 0)
		drain_pipe(l->wake[0]);
	serve_connections(l);
	send_done(l);
	close_broken(l);
	if (l->polls[POLL_LISTENER].revents != 0 || (l->full && !l->ending))
		accept_connections(l);
	if (l->ending && (is_finished(l) || clock_now() > l->until))
		l->ended = true;
	return true;
}

/* ---- Beginning and end ---- */

static bool
prepare(loop *l)
{
	serve_engine_options engine = l->options->engine;

	if (pipe(l->wake) != 0)
	{
		l->wake[0] = l->wake[1] = -1;
		return tfm_fail(l->context, TFM_IO, "could not create a pipe: %s", strerror(errno));
	}
	if (!reserve_polls(l))
		return tfm_fail(l->context, TFM_OUT_OF_MEMORY, "out of memory");
	engine.wake = wake;
	engine.wake_argument = l;
	return set_nonblocking(l->context, l->wake[0]) && set_nonblocking(l->context, l->wake[1]) &&
		   set_nonblocking(l->context, l->options->listener) &&
		   (l->options->watched < 0 || set_nonblocking(l->context, l->options->watched)) &&
		   (l->engine = serve_engine_create(l->context, &engine)) != NULL;
}

static void
clean_up(loop *l)
{
	serve_engine_destroy(l->engine);
	for (serve_connection *c = l->connections, *next; c != NULL; c = next)
	{
		next = c->next;
		serve_connection_destroy(c);
	}
	for (int i = 0; i < 2; i++)
		if (l->wake[i] >= 0)
			close(l->wake[i]);
	free(l->polls);
}

bool
serve_loop_run(tfm_context *context, const serve_loop_options *options)
{
	loop l = {.options = options, .context = context, .wake = {-1, -1}};

	if (prepare(&l))
		while (!l.ended && serve_once(&l))
			;
	clean_up(&l);
	return !tfm_failed(context);
}
