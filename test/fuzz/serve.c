/*
 * serve.c
 *	  Any bytes as what follows a frame's header: requests, replies, errors, figures.
 *
 * A request that is read is written and read again, and must be the same.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "serve/protocol.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Look at all that a request has. */
static size_t
touch(const serve_request *request)
{
	const task_call *call = &request->call;
	size_t sum = strlen(request->image);

	for (size_t i = 0; i < call->count; i++)
	{
		for (size_t j = 0; j < call->inputs[i].length; j++)
			sum += (unsigned char) call->inputs[i].data[j];
		if (call->seconds != NULL)
			sum += call->seconds[i].length;
	}
	return sum;
}

static void
try_request(tfm_context *context, tfm_text data)
{
	buffer *frame = buffer_create(context);
	serve_request request, again;

	if (!serve_read_request(context, data, &request))
		return;
	if (!serve_write_request(context, frame, 1, &request) ||
		!serve_read_request(
			context,
			(tfm_text) {frame->data + sizeof(serve_header), frame->length - sizeof(serve_header)},
			&again) ||
		!task_call_same(&request.call, &again.call) || touch(&request) != touch(&again))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	tfm_context context = {.arena = arena_create(0)};
	char *copy = malloc(length > 0 ? length : 1); /* reading beyond its end is seen */
	tfm_text data = {copy, length};
	serve_status status;
	serve_reply reply;

	if (length > 0)
		memcpy(copy, bytes, length);
	try_request(&context, data);
	tfm_clear_error(&context);
	for (size_t count = 0; count < 3; count++)
	{
		serve_read_reply(&context, data, count, &reply);
		tfm_clear_error(&context);
	}
	serve_read_error(&context, data);
	tfm_clear_error(&context);
	serve_read_status(&context, data, &status);
	tfm_clear_error(&context);
	serve_read_hello(&context, data);
	arena_destroy(context.arena);
	free(copy);
	return 0;
}
