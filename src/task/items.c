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
task_order_encodings(tfm_context *context, const tok_encoding *encodings, size_t count, bool types)
{
	task_item *items = tfm_alloc_array(context, count, sizeof(task_item));

	if (items == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		items[i] = (task_item) {
			.place = i,
			.sequence = {.ids = encodings[i].ids,
						 .count = (int64_t) encodings[i].count,
						 .types = types ? encodings[i].type_ids : NULL},
		};
	return count < 2 ? items : order_items(context, items, count);
}

bool
task_list_pieces(tfm_context *context, const tok_encoding *texts, size_t count, task_pieces *pieces)
{
	size_t n = 0;

	*pieces = (task_pieces) {.first = tfm_alloc_array(context, count + 1, sizeof(size_t))};
	if (pieces->first == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		pieces->count += 1 + texts[i].overflowing_count;
	pieces->encodings = tfm_alloc_array(context, pieces->count + 1, sizeof(tok_encoding));
	pieces->rows = tfm_alloc_array(context, pieces->count + 1, sizeof(size_t));
	if (pieces->encodings == NULL || pieces->rows == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
	{
		pieces->first[i] = n;
		pieces->encodings[n++] = texts[i];
		for (size_t k = 0; k < texts[i].overflowing_count; k++)
			pieces->encodings[n++] = texts[i].overflowing[k];
	}
	pieces->first[count] = n;
	pieces->rows[0] = 0;
	for (size_t i = 0; i < n; i++)
		pieces->rows[i + 1] = pieces->rows[i] + pieces->encodings[i].count;
	return true;
}

task_item *
task_make_items(tfm_context *context, const run_model *model, const tokenize_input *inputs,
				size_t count)
{
	const tok_tokenizer *tokenizer = run_tokenizer(context, model);
	const tokenize_plan options = {.encode = {.add_special_tokens = true,
											  .max_length = model->info.max_tokens,
											  .want = TOK_WANT_TYPE_IDS}};
	tok_encoding *encodings;

	if (tokenizer == NULL || !task_tokenize(context, model, inputs, count, &options, &encodings))
		return NULL;
	return task_order_encodings(context, encodings, count, tok_gives_type_ids(tokenizer));
}

int32_t
task_longest_input(const run_model *model)
{
	int64_t longest = model->tokenizer == NULL ? 0 : tok_model_max_length(model->tokenizer);

	return longest > 0 && longest <= INT32_MAX ? (int32_t) longest : model->info.max_tokens;
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

/* ---- Runs ---- */

/* Of an encoder-decoder: the decoder's batch, with the ids that the family makes, where it does. */
static bool
add_decoder(tfm_context *context, const run_model *model, const task_item *items, size_t count,
			nn_batch *batch)
{
	const nn_family *family = model->class.family;
	run_sequence *sequences;
	nn_batch *decoder;

	if (family->memory_layers == NULL || family->make_decoder_ids == NULL)
		return true;
	sequences = tfm_alloc_array(context, count, sizeof(run_sequence));
	decoder = tfm_alloc_zero(context, sizeof(nn_batch));
	for (size_t i = 0; sequences != NULL && i < count; i++)
	{
		const run_sequence *s = &items[i].sequence;
		int32_t *ids = tfm_alloc_array(context, (size_t) s->count, sizeof(int32_t));

		if (ids == NULL)
			return false;
		family->make_decoder_ids(model->config, s->ids, s->count, ids);
		sequences[i] = (run_sequence) {.ids = ids, .count = s->count};
	}
	batch->decoder = decoder;
	return sequences != NULL && decoder != NULL &&
		   run_make_decoder_batch(context, model, sequences, (int64_t) count, decoder);
}

static const nn_output *
find_output(const nn_output *outputs, const char *name)
{
	while (outputs != NULL && strcmp(outputs->name, name) != 0)
		outputs = outputs->next;
	return outputs;
}

/* Rows that each sequence has as many of, at least those of its tokens: of those that pad by themselves. */
static bool
find_padded_rows(const nn_batch *batch, const nn_output *output, int64_t i, task_rows *rows)
{
	const tensor *value = &output->value;
	int64_t tokens = batch->offsets[i + 1] - batch->offsets[i];

	if (output->axis != NN_AS_SHAPED || value->rank != 3 || value->shape[0] != batch->sequences ||
		value->shape[1] < tokens)
		return false;
	*rows = (task_rows) {.count = tokens, .columns = value->shape[2]};
	rows->data = (const float *) value->data + i * value->shape[1] * rows->columns;
	return true;
}

/* Sequence i's rows of an output. */
static bool
find_rows(tfm_context *context, const nn_batch *batch, const nn_output *output, int64_t i,
		  task_rows *rows)
{
	const nn_batch *of = output->axis == NN_PER_DECODER_TOKEN ? batch->decoder : batch;
	bool per_token = output->axis == NN_PER_TOKEN || output->axis == NN_PER_DECODER_TOKEN;
	int64_t first = i;

	if (find_padded_rows(batch, output, i, rows))
		return true;
	if (output->axis == NN_AS_SHAPED || of == NULL ||
		output->value.shape[0] != (per_token ? of->tokens : of->sequences))
		return tfm_fail(context, TFM_UNSUPPORTED, "the model's output \"%s\" is none of texts",
						output->name);
	*rows =
		(task_rows) {.count = 1, .columns = output->value.rank == 2 ? output->value.shape[1] : 1};
	if (per_token)
	{
		first = of->offsets[i];
		rows->count = of->offsets[i + 1] - of->offsets[i];
	}
	rows->data = (const float *) output->value.data + first * rows->columns;
	return true;
}

static bool
run_items(tfm_context *context, const run_model *model, const task_item *items, size_t count,
		  const char *const *names, task_take take, void *argument)
{
	const nn_output *outputs, *found[TASK_OUTPUTS_MAX] = {NULL};
	task_rows rows[TASK_OUTPUTS_MAX] = {{0}};
	nn_batch batch;

	if (!task_make_batch(context, model, items, count, &batch) ||
		!add_decoder(context, model, items, count, &batch) ||
		!run_forward(context, model, &batch, &outputs))
		return false;
	for (int n = 0; names[n] != NULL; n++)
		found[n] = find_output(outputs, names[n]);
	for (size_t i = 0; i < count; i++)
	{
		for (int n = 0; names[n] != NULL; n++)
			if (found[n] != NULL && !find_rows(context, &batch, found[n], (int64_t) i, &rows[n]))
				return false;
		if (!take(context, argument, items[i].place, rows))
			return false;
	}
	return true;
}

bool
task_run_items(tfm_context *context, const run_model *model, const task_item *items, size_t count,
			   const char *const *outputs, task_take take, void *argument)
{
	for (size_t i = 0; i < count; i++)
		if (items[i].sequence.count == 0)
			return tfm_fail(context, TFM_INVALID_ARGUMENT, "a text has no tokens");
	for (size_t done = 0; done < count;)
	{
		size_t n = task_batch_items(items + done, count - done);
		arena_mark mark = arena_save(context->arena);
		bool taken = run_items(context, model, items + done, n, outputs, take, argument);

		arena_restore(context->arena, mark);
		if (!taken || tfm_stopped(context))
			return false;
		done += n;
	}
	return true;
}
