/*
 * decoder.h
 *	  What generate() wants of a model: sequences that are opened, copied, cut, given tokens, closed.
 *
 * A session is one (runtime/session.h, which says what each of these does); tests have others.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_DECODER_H
#define TFM_GENERATE_DECODER_H

#include "generate/config.h"
#include "runtime/session.h"

typedef struct gen_decoder
{
	void *argument;		/* handed to all */
	int64_t vocabulary; /* scores of a step */
	int64_t max_length; /* tokens that a sequence may have */
	bool has_encoder;
	bool keeps_states; /* tokens that a sequence was given cannot be taken back */
	int32_t (*open)(tfm_context *context, void *argument, const int32_t *ids, int64_t count,
					int64_t *reused);
	bool (*encode)(tfm_context *context, void *argument, const gen_ids *inputs, int64_t count,
				   int32_t *sequences);
	int32_t (*fork)(tfm_context *context, void *argument, int32_t sequence);
	bool (*truncate)(tfm_context *context, void *argument, int32_t sequence, int64_t length);
	bool (*step)(tfm_context *context, void *argument, const run_step *steps, int64_t count,
				 float **logits, float **states);
	void (*close)(void *argument, int32_t sequence, bool keep);
	/* Whether so many sequences of so many tokens have room; no error is recorded. */
	bool (*has_room)(void *argument, int64_t count, int64_t tokens);
	int64_t state_size; /* numbers of a hidden state; 0 if they are not had */
} gen_decoder;

extern gen_decoder gen_decoder_of(run_session *session);

#endif
