/*
 * serve.h
 *	  An engine process in a thread, and sessions that talk to it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEST_UNIT_SERVE_H
#define TFM_TEST_UNIT_SERVE_H

#include "scratch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "serve/loop.h"

#define TEXT(literal) ((tfm_text) {literal, sizeof(literal) - 1})

/* ---- The server ---- */

typedef struct server
{
	serve_loop_options options;
	tfm_context context;
	char path[128];
	int stop[2], watched[2];
	pthread_t thread;
	bool served;
} server;

static inline void *
run_server(void *argument)
{
	server *s = argument;

	s->served = serve_loop_run(&s->context, &s->options);
	return NULL;
}

/* All but the thread, with options that the caller has prepared: SERVE_LOOP_DEFAULTS, or others. */
static inline void
server_prepare(server *s, const scratch *place, serve_loop_options options)
{
	*s = (server) {.options = options};
	snprintf(s->path, sizeof(s->path), "%s/socket", place->directory);
	assert_int_equal(pipe(s->stop), 0);
	assert_int_equal(pipe(s->watched), 0);
	s->options.listener = serve_listen(&s->context, s->path);
	assert_true(s->options.listener >= 0);
	s->options.stop = s->stop[0];
	s->options.watched = s->watched[0];
}

static inline void
server_start(server *s, const scratch *place, serve_loop_options options)
{
	server_prepare(s, place, options);
	assert_int_equal(pthread_create(&s->thread, NULL, run_server, s), 0);
}

static inline void
server_close(server *s)
{
	for (int i = 0; i < 2; i++)
	{
		close(s->stop[i]);
		if (s->watched[i] >= 0)
			close(s->watched[i]);
	}
	close(s->options.listener);
}

static inline void
server_join(server *s)
{
	pthread_join(s->thread, NULL);
	server_close(s);
	assert_true(s->served);
}

static inline void
server_stop(server *s)
{
	assert_int_equal(write(s->stop[1], "", 1), 1);
	server_join(s);
}

/* ---- A session; what it does wrong is reported by the thread that joins it ---- */

typedef struct session
{
	tfm_context context;
	int descriptor;
	serve_header header; /* of the frame that came last */
	char *bytes;
} session;

static inline bool
session_write(session *s, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length > 0)
	{
		ssize_t written = send(s->descriptor, at, length, MSG_NOSIGNAL);

		if (written <= 0)
			return false;
		at += written;
		length -= (size_t) written;
	}
	return true;
}

static inline bool
session_get(session *s, void *bytes, size_t length)
{
	char *at = bytes;

	while (length > 0)
	{
		ssize_t got = recv(s->descriptor, at, length, 0);

		if (got <= 0)
			return false;
		at += got;
		length -= (size_t) got;
	}
	return true;
}

/* The next frame; false if the engine has closed the connection. */
static inline bool
session_read(session *s)
{
	free(s->bytes);
	s->bytes = NULL;
	if (!session_get(s, &s->header, sizeof(s->header)))
		return false;
	s->bytes = malloc(s->header.length + 1);
	return session_get(s, s->bytes, s->header.length);
}

static inline tfm_text
session_data(const session *s)
{
	return (tfm_text) {s->bytes, s->header.length};
}

static inline bool
session_flush(session *s, buffer *frames)
{
	bool good = session_write(s, frames->data, frames->length);

	free(frames->data);
	*frames = (buffer) {0};
	return good;
}

/* A connection that has said nothing yet. */
static inline bool
session_connect(session *s, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*s = (session) {.context = {.arena = arena_create(0)}};
	strcpy(address.sun_path, path);
	s->descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
	return connect(s->descriptor, (const struct sockaddr *) &address, sizeof(address)) == 0 &&
		   session_read(s) && s->header.kind == SERVE_HELLO &&
		   serve_read_hello(&s->context, session_data(s));
}

static inline bool
session_open(session *s, const char *path)
{
	buffer frame = {0};

	return session_connect(s, path) && serve_write_hello(&s->context, &frame) &&
		   session_flush(s, &frame);
}

static inline void
session_close(session *s)
{
	close(s->descriptor);
	free(s->bytes);
	arena_destroy(s->context.arena);
}

/* A server and a session of it; and the end of both. */
static inline void
server_meet(server *engine, session *one, const scratch *place, serve_loop_options options)
{
	server_start(engine, place, options);
	assert_true(session_open(one, engine->path));
}

static inline void
server_part(server *engine, session *one)
{
	session_close(one);
	server_stop(engine);
}

static inline bool
session_ask(session *s, uint64_t id, const serve_request *request)
{
	buffer frame = {0};

	return serve_write_request(&s->context, &frame, id, request) && session_flush(s, &frame);
}

static inline bool
session_cancel(session *s, uint64_t id)
{
	buffer frame = {0};

	return serve_write(&s->context, &frame, SERVE_CANCEL, id, NULL, 0) && session_flush(s, &frame);
}

/* What came for a call of count inputs: a reply, or the error that is the context's then. */
static inline bool
session_take(session *s, size_t count, serve_reply *reply)
{
	if (s->header.kind == SERVE_ERROR)
		return serve_read_error(&s->context, session_data(s));
	return s->header.kind == SERVE_ANSWER &&
		   serve_read_reply(&s->context, session_data(s), count, reply);
}

static inline bool
session_call(session *s, const serve_request *request, serve_reply *reply)
{
	if (!session_ask(s, 1, request) || !session_read(s))
	{
		tfm_fail(&s->context, TFM_IO, "the connection has ended");
		return false;
	}
	return session_take(s, request->call.count, reply);
}

static inline serve_status
session_status(session *s)
{
	serve_status status = {0};
	buffer frame = {0};

	assert_true(serve_write(&s->context, &frame, SERVE_STATUS, 77, NULL, 0));
	assert_true(session_flush(s, &frame));
	assert_true(session_read(s));
	assert_int_equal(s->header.kind, SERVE_STATUS);
	assert_int_equal(s->header.id, 77);
	assert_true(serve_read_status(&s->context, session_data(s), &status));
	return status;
}

/* ---- Models ---- */

static inline const char *
golden_path(const char *name)
{
	static char path[512];
	const char *golden = getenv("TFM_GOLDEN");

	snprintf(path, sizeof(path), "%s/%s", golden == NULL ? "test/golden" : golden, name);
	return path;
}

/* The image of a golden checkpoint. */
static inline const char *
compile_golden(scratch *s, const char *name, const char *image)
{
	char *path = scratch_path(s, image);

	run_compile(&s->context, golden_path(name), path, NULL);
	assert_good(&s->context);
	return path;
}

/* What a call gives without an engine process, in the context's arena. */
static inline bool
compute_here(tfm_context *context, const serve_request *request, task_answer *answer)
{
	run_model *model = run_model_open(context, request->image, request->compute);
	const run_session_options options = {.cache_dtype = request->cache_type};
	task_models models = {.model = model};

	if (model != NULL && task_needs_generator(&request->call, model))
		models.generator = task_generator_create(context, model, &options);
	if (models.generator != NULL && request->assistant != NULL)
	{
		model = run_model_open(context, request->assistant, request->assistant_compute);
		if (model != NULL)
			models.assistant = task_generator_create(context, model, &options);
	}
	return !tfm_failed(context) && task_call_run(context, &models, &request->call, answer);
}

/* Whether two answers to a call are the same, bit by bit. */
static inline bool
same_answer(const task_answer *a, const task_answer *b, size_t count)
{
	size_t numbers = count * (size_t) a->columns;

	if (a->columns != b->columns || (a->values == NULL) != (b->values == NULL) ||
		(a->scores == NULL) != (b->scores == NULL) || (a->texts == NULL) != (b->texts == NULL))
		return false;
	if (a->values != NULL && memcmp(a->values, b->values, numbers * sizeof(float)) != 0)
		return false;
	if (a->scores != NULL && memcmp(a->scores, b->scores, numbers * sizeof(double)) != 0)
		return false;
	for (size_t i = 0; a->texts != NULL && i < count; i++)
		if (a->texts[i].length != b->texts[i].length ||
			memcmp(a->texts[i].data, b->texts[i].data, a->texts[i].length) != 0)
			return false;
	return true;
}

#endif
