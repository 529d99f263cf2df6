/*
 * decoder.c
 *	  A session as a decoder.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/decoder.h"

#include "runtime/forward.h"
#include "runtime/loaded.h"

static int32_t
open_sequence(tfm_context *context, void *argument, const int32_t *ids, int64_t count,
			  int64_t *reused)
{
	return run_session_open(context, argument, ids, count, reused);
}

static bool
encode_inputs(tfm_context *context, void *argument, const gen_ids *inputs, int64_t count,
			  int32_t *sequences)
{
	run_sequence *rows = tfm_alloc_array(context, (size_t) count, sizeof(run_sequence));

	if (rows == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
		rows[i] = (run_sequence) {.ids = inputs[i].ids, .count = (int64_t) inputs[i].count};
	return run_session_encode(context, argument, rows, count, sequences);
}

static int32_t
fork_sequence(tfm_context *context, void *argument, int32_t sequence)
{
	return run_session_fork(context, argument, sequence);
}

static bool
truncate_sequence(tfm_context *context, void *argument, int32_t sequence, int64_t length)
{
	return run_session_truncate(context, argument, sequence, length);
}

static bool
step_sequences(tfm_context *context, void *argument, const run_step *steps, int64_t count,
			   float **logits, float **states)
{
	return run_session_step(context, argument, steps, count, logits, states);
}

static void
close_sequence(void *argument, int32_t sequence, bool keep)
{
	run_session_close(argument, sequence, keep);
}

static bool
has_room(void *argument, int64_t count, int64_t tokens)
{
	tfm_context context = {0};

	return run_session_check_room(&context, argument, count, tokens);
}

gen_decoder
gen_decoder_of(run_session *session)
{
	return (gen_decoder) {
		.argument = session,
		.vocabulary = run_session_vocabulary(session),
		.max_length = run_session_max_length(session),
		.has_encoder = run_session_has_encoder(session),
		.keeps_states = run_session_keeps_states(session),
		.open = open_sequence,
		.encode = encode_inputs,
		.fork = fork_sequence,
		.truncate = truncate_sequence,
		.step = step_sequences,
		.close = close_sequence,
		.has_room = has_room,
		.state_size = run_config(run_session_model(session))->hidden_size,
	};
}
