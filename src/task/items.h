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

/* What a pass gave an item: its rows of an output, f32 [count, columns]; data NULL: no such output. */
typedef struct task_rows
{
	const float *data;
	int64_t count, columns;
} task_rows;

/*
 * Take what the pass gave the item of a place, in the order of the outputs asked for; false with an
 * error ends the run.  Rows, and what is allocated here, are gone with the batch.
 */
typedef bool (*task_take)(tfm_context *context, void *argument, size_t place,
						  const task_rows *outputs);

/* Tokenized texts, some of them in several pieces, one after the other. */
typedef struct task_pieces
{
	tok_encoding *encodings; /* [count] */
	size_t count;
	size_t *first; /* [texts + 1]: text i has the pieces first[i] to first[i + 1] - 1 */
	size_t *rows;  /* [count + 1]: the number of the first token of each, of all tokens */
} task_pieces;

/* What truncation cut off are pieces of their own, after the text's first. */
extern bool task_list_pieces(tfm_context *context, const tok_encoding *texts, size_t count,
							 task_pieces *pieces);

/* Outputs that a run can ask for at most. */
#define TASK_OUTPUTS_MAX 4

/*
 * Tokenize count inputs, with the tokenizer's special tokens and no longer than the model takes, and
 * order them by length, the longest first: [count] in the context's arena, NULL on error.
 */
extern task_item *task_make_items(tfm_context *context, const run_model *model,
								  const tokenize_input *inputs, size_t count);

/*
 * Tokenized texts as items in the same order, [count] in the context's arena, NULL on error; types:
 * with their type ids.
 */
extern task_item *task_order_encodings(tfm_context *context, const tok_encoding *encodings,
									   size_t count, bool types);

/*
 * Run the model's head over all items, a batch after the other, and hand what each of the outputs
 * (Transformers' names, ended by NULL) has of an item to take.  Of an encoder-decoder the decoder
 * gets the ids that the family makes of the item's.  INVALID_ARGUMENT for an item without tokens.
 */
extern bool task_run_items(tfm_context *context, const run_model *model, const task_item *items,
						   size_t count, const char *const *outputs, task_take take,
						   void *argument);

/* The longest input in tokens that a text is cut to, where its length is limited; 0: not known. */
extern int32_t task_longest_input(const run_model *model);

/*
 * How many items from the first on make a batch: about as many tokens as read the weights once for
 * many rows and give each thread its tiles, and stay in the caches.  At least 1 of count.
 */
extern size_t task_batch_items(const task_item *items, size_t count);

/* The batch of count items. */
extern bool task_make_batch(tfm_context *context, const run_model *model, const task_item *items,
							size_t count, nn_batch *batch);

#endif
