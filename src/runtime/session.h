/*
 * session.h
 *	  Generation's side of a loaded model: sequences that grow by tokens, and the scores of what may
 *	  come next.
 *
 * A session has the caches of one model in one backend, and outlives calls: a sequence that is closed
 * is remembered as long as there is room, and one that is opened over the same beginning goes on
 * where it ends (system prompts, growing chats).  All tokens of a step run as one ragged batch;
 * sequences come and go between steps.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_RUNTIME_SESSION_H
#define TFM_RUNTIME_SESSION_H

#include "nn/model.h"
#include "runtime/model.h"

typedef struct run_session run_session;

typedef struct run_session_options
{
	tfm_dtype cache_dtype; /* F32, F16, BF16, Q8_0; 0: what suits the arithmetic */
	size_t cache_limit;	   /* bytes of the caches; 0: no limit */
	size_t keep_limit;	   /* bytes that sequences which are closed may go on taking */
} run_session_options;

/*
 * A session in the context's arena, which must outlive it.  UNSUPPORTED for a model that does not
 * generate.
 */
extern run_session *run_session_create(tfm_context *context, const run_model *model,
									   const run_session_options *options);

/* Other limits from now on. */
extern void run_session_set_limits(run_session *session, size_t cache_limit, size_t keep_limit);

extern const run_model *run_session_model(const run_session *session);

/* Tokens of the vocabulary: the length of a row of scores. */
extern int64_t run_session_vocabulary(const run_session *session);

/* Most tokens that a sequence may have (positions of the decoder); INT64_MAX: no limit. */
extern int64_t run_session_max_length(const run_session *session);

/* Whether the model is an encoder-decoder: sequences begin with run_session_encode. */
extern bool run_session_has_encoder(const run_session *session);

/* Whether layers keep a state of all tokens, so that none can be taken back. */
extern bool run_session_keeps_states(const run_session *session);

/*
 * A new sequence, which ids are going to be given to, or its number below 0 after an error.
 * *reused: how many of the first ids it has already, always fewer than count; of what remains the
 * caller makes its first step.  ids NULL: nothing is reused.
 */
extern int32_t run_session_open(tfm_context *context, run_session *session, const int32_t *ids,
								int64_t count, int64_t *reused);

/*
 * Encode inputs of an encoder-decoder, all in one batch, and open a decoder's sequence for each:
 * sequences[count].
 */
struct run_sequence;
extern bool run_session_encode(tfm_context *context, run_session *session,
							   const struct run_sequence *inputs, int64_t count,
							   int32_t *sequences);

/* A sequence with what another has now (beams). */
extern int32_t run_session_fork(tfm_context *context, run_session *session, int32_t sequence);

/*
 * Drop the tokens from length on (drafts that were not accepted).  UNSUPPORTED, and nothing has
 * changed, if windows or states forbid it.
 */
extern bool run_session_truncate(tfm_context *context, run_session *session, int32_t sequence,
								 int64_t length);

extern int64_t run_session_length(const run_session *session, int32_t sequence);

/* The sequence ends.  keep: another may go on from it. */
extern void run_session_close(run_session *session, int32_t sequence, bool keep);

/* Forget all sequences: after an error or a cancelled call. */
extern void run_session_reset(run_session *session);

/* Tokens that a sequence is given. */
typedef struct run_step
{
	int32_t sequence;
	const int32_t *ids; /* [count] */
	int64_t count;		/* >= 1 */
	int64_t wanted;		/* scores after the last so many of them are wanted, 0 .. count */
} run_step;

/*
 * Give all sequences their tokens in one pass, or in several where they are many.  *logits gets the
 * scores that are wanted, row by row in the order of steps and tokens, [sum of wanted][vocabulary],
 * and *states, if it is not NULL, the last hidden states of the same tokens; both are the context's
 * arena's.  LIMIT_EXCEEDED names a limit that would be passed: positions, the cache's bytes.
 */
extern bool run_session_step(tfm_context *context, run_session *session, const run_step *steps,
							 int64_t count, float **logits, float **states);

/*
 * Whether count sequences of tokens tokens each fit the cache's limit, all others given up;
 * LIMIT_EXCEEDED if not, before any memory is taken.
 */
extern bool run_session_check_room(tfm_context *context, const run_session *session, int64_t count,
								   int64_t tokens);

/* Bytes of the caches in use. */
extern size_t run_session_bytes(const run_session *session);

#endif
