/*
 * embed.h
 *	  Embeddings of texts, as sentence-transformers' encode() gives them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_EMBED_H
#define TFM_TASK_EMBED_H

#include "runtime/model.h"

/* Start with EMBED_DEFAULTS: what the model's own files say. */
typedef struct embed_options
{
	const char *pooling; /* NULL: the model's; "mean", "cls", "max", "mean_sqrt_len_tokens", ... */
	int normalize;		/* -1: as the model's modules do; 0: leave out; 1: to length 1 at the end */
	int dimensions;		/* 0: all; else the first so many, before normalize => 1 is applied */
	const char *prompt; /* NULL: the model's default; a prompt's name, or the text to put before */
} embed_options;

#define EMBED_DEFAULTS ((embed_options) {.normalize = -1})

/*
 * Embed count texts.  *embeddings is [count, *dimensions] f32, row i of texts[i], in the context's
 * arena.  The rows do not depend, bit by bit, on what else is in the call or on the threads.
 * Errors: INVALID_ARGUMENT (an option), UNSUPPORTED (a model without token embeddings to pool),
 * CANCELLED, OUT_OF_MEMORY.
 */
extern bool task_embed(tfm_context *context, const run_model *model, const tfm_text *texts,
					   size_t count, const embed_options *options, int *dimensions,
					   float **embeddings);

#endif
