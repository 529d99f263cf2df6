/*
 * serve_protocol.c
 *	  Calls, answers and frames as bytes: what is written is read, what is damaged is not.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "scratch.h"

#include "base/wire.h"
#include "oom.h"
#include "serve/protocol.h"

#define TEXT(literal) ((tfm_text) {literal, sizeof(literal) - 1})

static const tfm_text inputs[] = {TEXT("one"), TEXT(""), TEXT("caf\u00e9 \u4e2d")};
static const tfm_text seconds[] = {TEXT("two"), TEXT("three"), TEXT("")};
static const tfm_text labels[] = {TEXT("good"), TEXT("bad")};

static serve_request
full_request(void)
{
	return (serve_request) {
		.image = "tfm/images/0123",
		.compute = COMPUTE_BF16,
		.assistant = "tfm/images/4567",
		.assistant_compute = COMPUTE_F32,
		.cache_type = DTYPE_Q8_0,
		.max_memory = INT64_MAX,
		.prefix_cache = 12345,
		.session = UINT64_MAX,
		.call = {.kind = TASK_RERANK,
				 .embed = {.pooling = "mean", .normalize = -1, .dimensions = 7, .prompt = "q: "},
				 .options = TEXT("{\"a\": 1}"),
				 .arguments = TEXT("{}"),
				 .instruction = TEXT("do it"),
				 .labels = labels,
				 .label_count = 2,
				 .count = 3,
				 .inputs = inputs,
				 .seconds = seconds},
	};
}

/* The frame's header, and what follows it. */
static tfm_text
frame_data(const buffer *frame, serve_header *header)
{
	assert_true(frame->length >= sizeof(*header));
	memcpy(header, frame->data, sizeof(*header));
	assert_int_equal(header->length, frame->length - sizeof(*header));
	return (tfm_text) {frame->data + sizeof(*header), header->length};
}

static void
assert_text(tfm_text found, tfm_text expected)
{
	assert_int_equal(found.length, expected.length);
	if (found.length > 0)
		assert_memory_equal(found.data, expected.data, found.length);
}

static void
requests_are_read_as_written(void **state)
{
	scratch *s = *state;
	buffer *frame = buffer_create(&s->context);
	serve_request request = full_request(), found;
	serve_header header;

	assert_true(serve_write_request(&s->context, frame, 99, &request));
	assert_true(serve_read_request(&s->context, frame_data(frame, &header), &found));
	assert_int_equal(header.kind, SERVE_CALL);
	assert_int_equal(header.id, 99);
	assert_string_equal(found.image, request.image);
	assert_string_equal(found.assistant, request.assistant);
	assert_int_equal(found.compute, request.compute);
	assert_int_equal(found.assistant_compute, request.assistant_compute);
	assert_int_equal(found.cache_type, request.cache_type);
	assert_true(found.max_memory == request.max_memory);
	assert_true(found.prefix_cache == request.prefix_cache);
	assert_true(found.session == request.session);
	assert_true(task_call_same(&found.call, &request.call));
	assert_int_equal(found.call.count, 3);
	for (size_t i = 0; i < 3; i++)
	{
		assert_text(found.call.inputs[i], inputs[i]);
		assert_text(found.call.seconds[i], seconds[i]);
	}

	/* What is not there. */
	frame->length = 0;
	request = (serve_request) {.image = "i", .call = {.kind = TASK_EMBED, .embed = EMBED_DEFAULTS}};
	assert_true(serve_write_request(&s->context, frame, 1, &request));
	assert_true(serve_read_request(&s->context, frame_data(frame, &header), &found));
	assert_null(found.assistant);
	assert_null(found.call.seconds);
	assert_int_equal(found.call.count, 0);
	assert_true(task_call_same(&found.call, &request.call));
}

static void
replies_are_read_as_written(void **state)
{
	scratch *s = *state;
	buffer *frame = buffer_create(&s->context);
	float values[] = {1.5f, -2, 3, 4};
	double scores[] = {0.5, 0.25, 0.125, 1};
	tfm_text texts[] = {TEXT("x"), TEXT("")};
	serve_reply found,
		reply = {
			.usage = {.passes = 1, .tokens = 2, .reused = 3, .made = 4},
			.batched = 5,
			.waited = 0.5,
			.computed = 0.25,
			.answer = {.columns = 2, .values = values, .scores = scores, .texts = texts},
		};
	serve_header header;

	assert_true(serve_write_reply(&s->context, frame, 1, &reply, 2));
	assert_true(serve_read_reply(&s->context, frame_data(frame, &header), 2, &found));
	assert_memory_equal(&found.usage, &reply.usage, sizeof(reply.usage));
	assert_int_equal(found.batched, 5);
	assert_true(found.waited == 0.5 && found.computed == 0.25);
	assert_int_equal(found.answer.columns, 2);
	assert_memory_equal(found.answer.values, values, sizeof(values));
	assert_memory_equal(found.answer.scores, scores, sizeof(scores));
	assert_text(found.answer.texts[0], texts[0]);
	assert_text(found.answer.texts[1], texts[1]);
	for (size_t count = 0; count < 5; count++)
		if (count != 2)
		{
			assert_false(serve_read_reply(&s->context, frame_data(frame, &header), count, &found));
			assert_failed(&s->context, TFM_CORRUPTED, "damaged");
		}
}

static void
errors_and_figures_are_read_as_written(void **state)
{
	scratch *s = *state;
	buffer *frame = buffer_create(&s->context);
	const serve_status status = {.waiting = 1, .running = 2, .memory = 3};
	serve_status found;
	serve_header header;
	tfm_error error;

	tfm_fail(&s->context, TFM_LIMIT_EXCEEDED, "too %s", "much");
	tfm_detail(&s->context, "of it");
	error = s->context.error;
	tfm_clear_error(&s->context);
	assert_true(serve_write_error(&s->context, frame, 1, &error));
	assert_false(serve_read_error(&s->context, frame_data(frame, &header)));
	assert_int_equal(s->context.error.kind, TFM_LIMIT_EXCEEDED);
	assert_string_equal(s->context.error.message, "too much");
	assert_string_equal(s->context.error.detail, "of it");
	assert_string_equal(s->context.error.hint, "");
	tfm_clear_error(&s->context);

	frame->length = 0;
	assert_true(serve_write_status(&s->context, frame, 1, &status));
	assert_true(serve_read_status(&s->context, frame_data(frame, &header), &found));
	assert_memory_equal(&found, &status, sizeof(status));
	assert_false(serve_read_status(&s->context, TEXT("short"), &found));
	assert_failed(&s->context, TFM_CORRUPTED, "a status");

	frame->length = 0;
	assert_true(serve_write_hello(&s->context, frame));
	assert_true(serve_read_hello(&s->context, frame_data(frame, &header)));
	assert_false(serve_read_hello(&s->context, TEXT("\1\1\1\1")));
	assert_failed(&s->context, TFM_UNSUPPORTED, "version");
}

/* Every beginning of a frame, and every byte of it changed, is refused or read, and nothing worse. */
static void
damage_is_seen(void **state)
{
	scratch *s = *state;
	buffer *frame = buffer_create(&s->context);
	serve_request request = full_request(), found;
	serve_header header;
	tfm_text data;

	assert_true(serve_write_request(&s->context, frame, 1, &request));
	data = frame_data(frame, &header);
	for (size_t length = 0; length < data.length; length++)
	{
		char *part = malloc(length > 0 ? length : 1); /* its end is the end of what is allocated */

		memcpy(part, data.data, length);
		assert_false(serve_read_request(&s->context, (tfm_text) {part, length}, &found));
		assert_failed(&s->context, TFM_CORRUPTED, "damaged");
		free(part);
	}
	for (size_t i = 0; i < data.length; i++)
	{
		char *byte = frame->data + sizeof(header) + i, saved = *byte;

		for (int value = 0; value < 256; value += 51)
		{
			arena_mark mark = arena_save(s->context.arena);

			*byte = (char) value;
			serve_read_request(&s->context, data, &found);
			assert_true(s->context.error.kind == TFM_OK || s->context.error.kind == TFM_CORRUPTED ||
						s->context.error.kind == TFM_UNSUPPORTED);
			tfm_clear_error(&s->context);
			arena_restore(s->context.arena, mark);
		}
		*byte = saved;
	}
	assert_true(serve_read_request(&s->context, data, &found));
}

static void
what_is_impossible_is_refused(void **state)
{
	scratch *s = *state;
	buffer *frame = buffer_create(&s->context);
	serve_request request = full_request(), found;
	const tfm_text bytes = TEXT("\xff");
	serve_header header;

	request.isa = 1000;
	assert_true(serve_write_request(&s->context, frame, 1, &request));
	assert_false(serve_read_request(&s->context, frame_data(frame, &header), &found));
	assert_failed(&s->context, TFM_UNSUPPORTED, "instruction set");

	frame->length = 0;
	request = full_request();
	request.cache_type = DTYPE_I8;
	assert_true(serve_write_request(&s->context, frame, 1, &request));
	assert_false(serve_read_request(&s->context, frame_data(frame, &header), &found));
	assert_failed(&s->context, TFM_CORRUPTED, "");

	frame->length = 0;
	request = full_request();
	request.call.seconds = NULL; /* pairs without second texts */
	assert_true(serve_write_request(&s->context, frame, 1, &request));
	assert_false(serve_read_request(&s->context, frame_data(frame, &header), &found));
	assert_failed(&s->context, TFM_CORRUPTED, "");

	frame->length = 0;
	request = full_request();
	request.call.count = 1;
	request.call.inputs = &bytes;
	assert_true(serve_write_request(&s->context, frame, 1, &request));
	assert_false(serve_read_request(&s->context, frame_data(frame, &header), &found));
	assert_failed(&s->context, TFM_CORRUPTED, "");

	/* Kinds that are computed where they are called. */
	frame->length = 0;
	request = full_request();
	request.call.kind = TASK_CHAT;
	assert_false(serve_write_request(&s->context, frame, 1, &request));
	assert_failed(&s->context, TFM_INTERNAL, "computed where");
	assert_int_equal(frame->length, 0);
}

static bool
write_and_read(tfm_context *context, void *argument)
{
	buffer *frame = buffer_create(context);
	serve_request request = full_request(), found;
	float value = 1;
	serve_reply got, reply = {.answer = {.columns = 1, .values = &value}};
	size_t first;

	(void) argument;
	if (frame == NULL || !serve_write_request(context, frame, 1, &request))
		return false;
	first = frame->length;
	return serve_read_request(
			   context,
			   (tfm_text) {frame->data + sizeof(serve_header), first - sizeof(serve_header)},
			   &found) &&
		   serve_write_reply(context, frame, 1, &reply, 1) &&
		   serve_read_reply(context,
							(tfm_text) {frame->data + first + sizeof(serve_header),
										frame->length - first - sizeof(serve_header)},
							1, &got);
}

static void
memory_runs_out(void **state)
{
	(void) state;
	assert_int_equal(oom_run_all(write_and_read, NULL), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(requests_are_read_as_written),
		scratch_test(replies_are_read_as_written),
		scratch_test(errors_and_figures_are_read_as_written),
		scratch_test(damage_is_seen),
		scratch_test(what_is_impossible_is_refused),
		scratch_test(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
