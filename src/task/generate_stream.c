/*
 * generate_stream.c
 *	  A text that is handed out while it grows.
 *
 * What is handed out is what the whole text has more than what was handed out before: a decoder may
 * change its mind about the last characters (half a character's bytes, a space), so these wait until
 * more is known.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/generate.h"

#include <string.h>

#include "task/generate_plan.h"

struct generate_stream
{
	generate_plan plan;
	gen_ids prompt;
	gen_run *run;
	size_t given; /* bytes of the text that were handed out */
	bool more;
};

/* U+FFFD: what a decoder makes of the bytes of half a character. */
static const char replacement[] = "\xef\xbf\xbd";

generate_stream *
task_generate_begin(tfm_context *context, const generate_request *request, tfm_text prompt)
{
	generate_stream *stream = tfm_alloc_zero(context, sizeof(generate_stream));
	gen_request what;
	gen_config *config;

	if (stream == NULL || !generate_plan_make(context, request, true, &stream->plan) ||
		!generate_plan_encode(context, &stream->plan, prompt, true, &stream->prompt))
		return NULL;
	config = &stream->plan.config;
	if (config->num_beams > 1 || config->num_return_sequences > 1)
	{
		tfm_fail(context, TFM_INVALID_ARGUMENT,
				 "a text of several beams or sequences cannot be handed out while it grows");
		return NULL;
	}
	what = generate_plan_request(&stream->plan, &stream->prompt, 1);
	stream->run = gen_begin(context, &what);
	stream->more = true;
	return stream->run == NULL ? NULL : stream;
}

/* The bytes of a text that what is to come cannot change any more. */
static size_t
settled_length(tfm_text text, bool more)
{
	size_t length = text.length;

	while (more && length >= strlen(replacement) &&
		   memcmp(text.data + length - strlen(replacement), replacement, strlen(replacement)) == 0)
		length -= strlen(replacement);
	return length;
}

bool
task_generate_next(tfm_context *context, generate_stream *stream, tfm_text *piece, bool *done)
{
	*piece = (tfm_text) {"", 0};
	while (stream->more && piece->length == 0)
	{
		gen_sequence sequence;
		tfm_text text;
		size_t settled;

		if (!gen_step(context, stream->run, &stream->more))
			return false;
		sequence = gen_partial(stream->run, 0);
		if (!generate_plan_decode(context, &stream->plan, stream->prompt, &sequence, &text))
			return false;
		settled = settled_length(text, stream->more);
		if (settled <= stream->given)
			continue;
		*piece = (tfm_text) {text.data + stream->given, settled - stream->given};
		stream->given = settled;
	}
	*done = piece->length == 0;
	if (*done && stream->run != NULL)
	{
		gen_sequence *sequences;
		int64_t count;

		gen_finish_run(context, stream->run, &sequences, &count);
		stream->run = NULL;
	}
	return !tfm_failed(context);
}
