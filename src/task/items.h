/*
 * items.h
 *	  Texts that go through an encoder together: tokenized, ordered by length, in batches.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_ITEMS_H
#define TFM_TASK_ITEMS_H

#include "runtime/forward.h"
#include "task/tokenize.h"

/* A text, or a pair, as tokens, and its place in the caller's order. */
typedef struct task_item
{
	size_t place;
	run_sequence sequence;
} task_item;

/*
 * Tokenize count inputs, with the tokenizer's special tokens and no longer than the model takes, and
 * order them by length, the longest first: [count] in the context's arena, NULL on error.
 */
extern task_item *task_make_items(tfm_context *context, const run_model *model,
								  const tokenize_input *inputs, size_t count);

/*
 * How many items from the first on make a batch: about as many tokens as read the weights once for
 * many rows and give each thread its tiles, and stay in the caches.  At least 1 of count.
 */
extern size_t task_batch_items(const task_item *items, size_t count);

/* The batch of count items. */
extern bool task_make_batch(tfm_context *context, const run_model *model, const task_item *items,
							size_t count, nn_batch *batch);

#endif
