/*
 * forward.h
 *	  Forward passes of a loaded model: batches from rows of ids, the head, the embedding.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_RUNTIME_FORWARD_H
#define TFM_RUNTIME_FORWARD_H

#include "nn/model.h"
#include "runtime/model.h"
#include "tensor/pool.h"

/* One row of token ids, as the tokenizer or the caller gives it. */
typedef struct run_sequence
{
	const int32_t *ids;	 /* [count]; NULL: embeds are given */
	const float *embeds; /* [count, hidden size] in place of ids; NULL: ids are given */
	int64_t count;
	const uint8_t *mask;	  /* [count], 0 where attention_mask is; NULL: all are seen */
	const int32_t *types;	  /* [count]; NULL: zeros */
	const int32_t *positions; /* [count]; NULL: as the family counts them */
} run_sequence;

/*
 * Put rows together into a batch without padding.  Masked tokens are left out, but for a row's
 * first: the heads that look at the first token look at it even so; and where the family keeps them.
 * Errors: INVALID_ARGUMENT for an id beyond the vocabulary or a row beyond the model's positions.
 */
extern bool run_make_batch(tfm_context *context, const run_model *model,
						   const run_sequence *sequences, int64_t count, nn_batch *batch);

/*
 * Give the batch that was made of these rows the inputs that the family has of its own, in the order
 * of nn_family.inputs: those of tokens [sum of the rows' counts, width], row after row; the others as
 * the family wants them.
 */
extern bool run_add_inputs(tfm_context *context, const run_model *model,
						   const run_sequence *sequences, const nn_input *inputs, nn_batch *batch);

/* A batch of the ids that the decoder of an encoder-decoder is given. */
extern bool run_make_decoder_batch(tfm_context *context, const run_model *model,
								   const run_sequence *sequences, int64_t count, nn_batch *batch);

/*
 * The positions of a row's ids, of the decoder after an encoder or else, as a family that has
 * make_positions counts them.
 */
extern void run_make_positions(const run_model *model, bool decoder, const run_sequence *s,
							   int32_t *positions);

/* Whether the model generates after an encoder: batches of its steps have a memory. */
extern bool run_has_encoder(const run_model *model);

/*
 * Run the encoder over a batch, and put what each layer of the decoder makes of sequence i into
 * sequence cached[i] of cache, which is empty and has the family's memory_layers.  A step of
 * generation then is a pass of the head over the decoder's batch, whose memory is
 * {.cache = cache, .cached = ...}.  *states, if it is not NULL, gets the encoder's last hidden states
 * [tokens, hidden].
 */
extern bool run_encode(tfm_context *context, const run_model *model, const nn_batch *batch,
					   kv_cache *cache, const int32_t *cached, tensor *states);

/*
 * Run the head that config.json names; *outputs in the context's arena, in the order of
 * Transformers' ModelOutput.
 */
extern bool run_forward(tfm_context *context, const run_model *model, const nn_batch *batch,
						const nn_output **outputs);

/* The last hidden states [tokens, hidden], of the decoder where the batch has one. */
extern bool run_hidden_states(tfm_context *context, const run_model *model, const nn_batch *batch,
							  tensor *states);

/* What an embedding is made of; see run_sentence. */
typedef struct run_embedding_options
{
	const op_pooling *poolings; /* [pooling_count]; their results side by side */
	int pooling_count;
	const int32_t *skip;	/* [sequences] first tokens that pooling leaves out; NULL: none */
	bool normalize_modules; /* whether Normalize modules are run */
	int64_t dimensions;		/* at the end, keep the first so many columns; 0: all */
	bool normalize;			/* after that, scale the rows to length 1 */
} run_embedding_options;

/* Hidden states, pooling and the modules after it -> *result [sequences, dimensions]. */
extern bool run_embed(tfm_context *context, const run_model *model, const nn_batch *batch,
					  const run_embedding_options *options, tensor *result);

#endif
