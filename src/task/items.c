/*
 * items.c
 *	  Texts that go through an encoder together: tokenized, ordered by length, in batches.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/items.h"

#include <string.h>

#include "runtime/loaded.h"

/*
 * Tokens of a batch: enough to read the weights once for many rows and to give each thread its
 * tiles, few enough that a layer's tensors, which take some kilobytes a token, stay in the caches and
 * a session small.
 */
#define BATCH_TOKENS 512

/*
 * Order the items by length, the longest first, and those of one length as they came.  By counting:
 * qsort of the C library allocates.
 */
static task_item *
order_items(tfm_context *context, const task_item *items, size_t count)
{
	task_item *ordered = tfm_alloc_array(context, count, sizeof(task_item));
	size_t longest = 0, place = 0;
	size_t *places; /* by length: where the next item of that length goes */

	for (size_t i = 0; i < count; i++)
		if ((size_t) items[i].sequence.count > longest)
			longest = (size_t) items[i].sequence.count;
	places = tfm_alloc_array(context, longest + 1, sizeof(size_t));
	if (ordered == NULL || places == NULL)
		return NULL;
	memset(places, 0, (longest + 1) * sizeof(size_t));
	for (size_t i = 0; i < count; i++)
		places[items[i].sequence.count]++;
	for (size_t length = longest + 1; length-- > 0;)
	{
		size_t here = places[length];

		places[length] = place;
		place += here;
	}
	for (size_t i = 0; i < count; i++)
		ordered[places[items[i].sequence.count]++] = items[i];
	return ordered;
}

task_item *
task_make_items(tfm_context *context, const run_model *model, const tokenize_input *inputs,
				size_t count)
{
	task_item *items = tfm_alloc_array(context, count, sizeof(task_item));
	const tokenize_plan options = {.encode = {.add_special_tokens = true,
											  .max_length = model->info.max_tokens,
											  .want = TOK_WANT_TYPE_IDS}};
	tok_encoding *encodings;

	if (items == NULL || !task_tokenize(context, model, inputs, count, &options, &encodings))
		return NULL;
	for (size_t i = 0; i < count; i++)
		items[i] = (task_item) {
			.place = i,
			.sequence = {.ids = encodings[i].ids,
						 .count = (int64_t) encodings[i].count,
						 .types = encodings[i].type_ids},
		};
	return count < 2 ? items : order_items(context, items, count);
}

size_t
task_batch_items(const task_item *items, size_t count)
{
	int64_t tokens = items[0].sequence.count;
	size_t n = 1;

	while (n < count && tokens + items[n].sequence.count <= BATCH_TOKENS)
		tokens += items[n++].sequence.count;
	return n;
}

bool
task_make_batch(tfm_context *context, const run_model *model, const task_item *items, size_t count,
				nn_batch *batch)
{
	run_sequence *sequences = tfm_alloc_array(context, count, sizeof(run_sequence));

	for (size_t i = 0; sequences != NULL && i < count; i++)
		sequences[i] = items[i].sequence;
	return sequences != NULL && run_make_batch(context, model, sequences, (int64_t) count, batch);
}
