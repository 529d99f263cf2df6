/*
 * protocol.c
 *	  Frames between sessions and an engine process.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/protocol.h"

#include <stdio.h>
#include <string.h>

#include "base/wire.h"

/* ---- Frames ---- */

/* Begin a frame, whose length is not known yet; where it begins. */
static size_t
begin_frame(tfm_context *context, buffer *to, serve_kind kind, uint64_t id)
{
	const serve_header header = {.kind = kind, .id = id};
	size_t start = to->length;

	buffer_append(context, to, &header, sizeof(header));
	return start;
}

/* The length of a frame that is whole now, or what was written of it taken back. */
static bool
end_frame(tfm_context *context, buffer *to, size_t start)
{
	size_t length = to->length - start;
	uint32_t following;

	if (!tfm_failed(context) && length - sizeof(serve_header) > SERVE_FRAME_MAX)
		tfm_fail(context, TFM_LIMIT_EXCEEDED,
				 "a call or its answer has %zu MB, more than the limit of %zu MB", length >> 20,
				 SERVE_FRAME_MAX >> 20);
	if (tfm_failed(context))
	{
		to->length = start;
		return false;
	}
	following = (uint32_t) (length - sizeof(serve_header));
	memcpy(to->data + start + offsetof(serve_header, length), &following, sizeof(following));
	return true;
}

bool
serve_write(tfm_context *context, buffer *to, serve_kind kind, uint64_t id, const void *bytes,
			size_t length)
{
	size_t start = begin_frame(context, to, kind, id);

	buffer_append(context, to, bytes, length);
	return end_frame(context, to, start);
}

/* What a frame of a fixed size has, copied. */
static bool
read_fixed(tfm_context *context, tfm_text data, void *value, size_t size, const char *what)
{
	if (data.length != size)
		return tfm_fail(context, TFM_CORRUPTED, "%s is damaged", what);
	memcpy(value, data.data, size);
	return !tfm_failed(context);
}

/* ---- Hello ---- */

bool
serve_write_hello(tfm_context *context, buffer *to)
{
	const int32_t version = SERVE_VERSION;

	return serve_write(context, to, SERVE_HELLO, 0, &version, sizeof(version));
}

bool
serve_read_hello(tfm_context *context, tfm_text data)
{
	int32_t version = 0;

	if (!read_fixed(context, data, &version, sizeof(version), "a greeting"))
		return false;
	if (version == SERVE_VERSION)
		return true;
	return tfm_fail(context, TFM_UNSUPPORTED,
					"the other side speaks version %d of the protocol, not version %d", version,
					SERVE_VERSION);
}

/* ---- Requests ---- */

bool
serve_write_request(tfm_context *context, buffer *to, uint64_t id, const serve_request *request)
{
	size_t start = begin_frame(context, to, SERVE_CALL, id);

	wire_put_string(context, to, request->image);
	wire_put_int(context, to, request->compute);
	wire_put_string(context, to, request->assistant);
	wire_put_int(context, to, request->assistant_compute);
	wire_put_int(context, to, request->isa);
	wire_put_int(context, to, request->cache_type);
	wire_put_int(context, to, request->max_memory);
	wire_put_int(context, to, request->prefix_cache);
	wire_put_int(context, to, (int64_t) request->session);
	task_call_write(context, to, &request->call);
	return end_frame(context, to, start);
}

static bool
is_cache_type(tfm_dtype type)
{
	return type == 0 || type == DTYPE_F32 || type == DTYPE_F16 || type == DTYPE_BF16 ||
		   type == DTYPE_Q8_0;
}

bool
serve_read_request(tfm_context *context, tfm_text data, serve_request *request)
{
	wire_reader r = wire_read(data);

	*request = (serve_request) {0};
	request->image = wire_get_string(&r);
	request->compute = (tfm_compute) wire_get_int_between(&r, COMPUTE_AUTO, COMPUTE_INT8);
	request->assistant = wire_get_string(&r);
	request->assistant_compute = (tfm_compute) wire_get_int_between(&r, COMPUTE_AUTO, COMPUTE_INT8);
	request->isa = (int32_t) wire_get_int_between(&r, 0, INT32_MAX);
	request->cache_type = (tfm_dtype) wire_get_int_between(&r, 0, DTYPE_LAST);
	request->max_memory = wire_get_int_between(&r, 0, INT64_MAX);
	request->prefix_cache = wire_get_int_between(&r, 0, INT64_MAX);
	request->session = (uint64_t) wire_get_int(&r);
	if (r.bad || request->image == NULL || !is_cache_type(request->cache_type))
		return tfm_fail(context, TFM_CORRUPTED, "a request is damaged");
	if (!run_has_isa(request->isa))
		return tfm_fail(context, TFM_UNSUPPORTED, "this machine has no instruction set %d",
						request->isa);
	return task_call_read(context, (tfm_text) {r.at, r.left}, &request->call);
}

/* ---- Replies ---- */

bool
serve_write_reply(tfm_context *context, buffer *to, uint64_t id, const serve_reply *reply,
				  size_t count)
{
	size_t start = begin_frame(context, to, SERVE_ANSWER, id);

	wire_put_int(context, to, reply->usage.passes);
	wire_put_int(context, to, reply->usage.tokens);
	wire_put_int(context, to, reply->usage.reused);
	wire_put_int(context, to, reply->usage.made);
	wire_put_int(context, to, reply->batched);
	wire_put_double(context, to, reply->waited);
	wire_put_double(context, to, reply->computed);
	task_answer_write(context, to, &reply->answer, count);
	return end_frame(context, to, start);
}

bool
serve_read_reply(tfm_context *context, tfm_text data, size_t count, serve_reply *reply)
{
	wire_reader r = wire_read(data);

	*reply = (serve_reply) {0};
	reply->usage.passes = wire_get_int(&r);
	reply->usage.tokens = wire_get_int(&r);
	reply->usage.reused = wire_get_int(&r);
	reply->usage.made = wire_get_int(&r);
	reply->batched = (int32_t) wire_get_int_between(&r, 0, INT32_MAX);
	reply->waited = wire_get_double(&r);
	reply->computed = wire_get_double(&r);
	if (r.bad)
		return tfm_fail(context, TFM_CORRUPTED, "a reply is damaged");
	return task_answer_read(context, (tfm_text) {r.at, r.left}, &reply->answer, count);
}

bool
serve_write_error(tfm_context *context, buffer *to, uint64_t id, const tfm_error *error)
{
	size_t start = begin_frame(context, to, SERVE_ERROR, id);

	wire_put_int(context, to, error->kind);
	wire_put_string(context, to, error->message);
	wire_put_string(context, to, error->detail);
	wire_put_string(context, to, error->hint);
	return end_frame(context, to, start);
}

bool
serve_read_error(tfm_context *context, tfm_text data)
{
	wire_reader r = wire_read(data);
	int64_t kind = wire_get_int_between(&r, TFM_OK + 1, TFM_INTERNAL);
	const char *message = wire_get_string(&r);
	const char *detail = wire_get_string(&r);
	const char *hint = wire_get_string(&r);

	if (message == NULL || detail == NULL || hint == NULL)
		r.bad = true;
	if (!wire_end(context, &r, "an error"))
		return false;
	tfm_fail(context, (tfm_error_kind) kind, "%s", message);
	if (detail[0] != '\0')
		tfm_detail(context, "%s", detail);
	if (hint[0] != '\0')
		tfm_hint(context, "%s", hint);
	return false;
}

/* ---- Status ---- */

bool
serve_write_status(tfm_context *context, buffer *to, uint64_t id, const serve_status *status)
{
	return serve_write(context, to, SERVE_STATUS, id, status, sizeof(*status));
}

bool
serve_read_status(tfm_context *context, tfm_text data, serve_status *status)
{
	return read_fixed(context, data, status, sizeof(*status), "a status");
}
