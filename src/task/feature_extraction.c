/*
 * feature_extraction.c
 *	  The pipeline "feature-extraction": the last hidden states of the base model.
 *	  Follows pipelines/feature_extraction.py of Transformers 5.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "runtime/loaded.h"
#include "task/items.h"
#include "task/pipeline_generation.h"

static const char *const parameters[] = {"truncation", "tokenize_kwargs", "return_tensors",
										 "batch_size", "num_workers",	  NULL};

static const char *const tokenizer_parameters[] = {"truncation", "max_length", "add_special_tokens",
												   "padding", NULL};

/* ---- Tokens ---- */

static bool
check_tokenizer_parameters(tfm_context *context, json object)
{
	for (json member = json_first(object); json_present(member); member = json_next(member))
	{
		const char *const *name = tokenizer_parameters;

		while (*name != NULL && strcmp(*name, json_key(member)) != 0)
			name++;
		if (*name == NULL)
			return tfm_fail(context, TFM_INVALID_ARGUMENT,
							"\"tokenize_kwargs\" has the parameter \"%.64s\", which is not known",
							json_key(member));
	}
	return true;
}

static bool
plan_tokens(tfm_context *context, const pipeline_call *call, tokenize_plan *plan)
{
	const tok_tokenizer *tokenizer = run_tokenizer(context, call->models->model);
	json given = task_parameter(call, "tokenize_kwargs");
	json truncation = json_member(given, "truncation");
	json padding = json_member(given, "padding");
	json length = json_member(given, "max_length");
	json special = json_member(given, "add_special_tokens");
	int64_t most;

	*plan = (tokenize_plan) {.encode = {.add_special_tokens = true, .want = TOK_WANT_TYPE_IDS}};
	if (tokenizer == NULL || !check_tokenizer_parameters(context, given))
		return false;
	if (json_present(truncation) && json_present(task_parameter(call, "truncation")))
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"\"truncation\" is given twice, once in \"tokenize_kwargs\"");
	if (!json_present(truncation))
		truncation = task_parameter(call, "truncation");
	if (json_is_string(padding) && strcmp(json_as_string(padding), "max_length") == 0)
		return tfm_fail(context, TFM_UNSUPPORTED, "\"padding\": \"max_length\" is not supported");
	if (json_is_bool(special))
		plan->encode.add_special_tokens = json_as_bool(special);
	if (tok_truncates_left(tokenizer))
		plan->encode.direction = TOK_TRUNCATE_LEFT;
	most = tok_model_max_length(tokenizer);
	if (json_present(length) && !json_to_int(length, 1, INT32_MAX, &most))
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"\"max_length\" is not a whole number above 0");
	if (task_truncates(context, truncation) && most > 0 && most < INT32_MAX)
		plan->encode.max_length = (int32_t) most;
	return !tfm_failed(context);
}

static task_item *
make_items(tfm_context *context, const pipeline_call *call)
{
	tokenize_input *inputs = tfm_alloc_zero(context, (call->count + 1) * sizeof(tokenize_input));
	task_item *items = tfm_alloc_array(context, call->count, sizeof(task_item));
	tok_encoding *encodings;
	tokenize_plan plan;

	if (inputs == NULL || items == NULL || !plan_tokens(context, call, &plan))
		return NULL;
	for (size_t i = 0; i < call->count; i++)
		if (!task_input_text(context, &call->inputs[i], "text", &inputs[i].text))
			return NULL;
	if (!task_tokenize(context, call->models->model, inputs, call->count, &plan, &encodings))
		return NULL;
	for (size_t i = 0; i < call->count; i++)
		items[i] = (task_item) {
			.place = i,
			.sequence = {.ids = encodings[i].ids,
						 .count = (int64_t) encodings[i].count,
						 .types = encodings[i].type_ids},
		};
	return items;
}

/* The decoder's ids that an encoder-decoder makes of its inputs. */
static bool
add_decoder(tfm_context *context, const run_model *model, const task_item *items, size_t count,
			nn_batch *batch)
{
	const nn_family *family = model->class.family;
	nn_batch *decoder = tfm_alloc_zero(context, sizeof(nn_batch));
	run_sequence *sequences = tfm_alloc_array(context, count, sizeof(run_sequence));

	if (decoder == NULL || sequences == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
	{
		int32_t *ids =
			tfm_alloc_array(context, (size_t) items[i].sequence.count + 1, sizeof(int32_t));

		if (ids == NULL)
			return false;
		family->make_decoder_ids(model->config, items[i].sequence.ids, items[i].sequence.count,
								 ids);
		sequences[i] = (run_sequence) {.ids = ids, .count = items[i].sequence.count};
	}
	batch->decoder = decoder;
	return run_make_decoder_batch(context, model, sequences, (int64_t) count, decoder);
}

/* ---- Results ---- */

static void
append_rows(tfm_context *context, buffer *b, const float *rows, int64_t count, int64_t columns,
			bool is_flat)
{
	for (int64_t i = 0; i < count && !tfm_stopped(context); i++)
	{
		if (i > 0)
			buffer_append_string(context, b, ",");
		if (!is_flat)
			buffer_append_string(context, b, "[");
		for (int64_t j = 0; j < columns; j++)
		{
			if (j > 0)
				buffer_append_string(context, b, ",");
			task_append_float(context, b, rows[i * columns + j]);
		}
		if (!is_flat)
			buffer_append_string(context, b, "]");
	}
}

/* The states of a text as a batch of one: [1, tokens, hidden]. */
static bool
write_result(tfm_context *context, const float *rows, int64_t count, int64_t columns,
			 bool is_tensor, tfm_text *result)
{
	buffer *b = buffer_create(context);

	if (b == NULL)
		return false;
	if (is_tensor)
		buffer_printf(context, b, "{\"dtype\":\"float32\",\"shape\":[1,%lld,%lld],\"data\":[",
					  (long long) count, (long long) columns);
	else
		buffer_append_string(context, b, "[[");
	append_rows(context, b, rows, count, columns, is_tensor);
	buffer_append_string(context, b, is_tensor ? "]}" : "]]");
	*result = (tfm_text) {b->data, b->length};
	return !tfm_failed(context);
}

static bool
run_batch(tfm_context *context, const run_model *model, const task_item *items, size_t count,
		  bool is_tensor, tfm_text *results)
{
	const nn_family *family = model->class.family;
	const int32_t *offsets;
	nn_batch batch;
	tensor states;

	if (!task_make_batch(context, model, items, count, &batch))
		return false;
	if (family->memory_layers != NULL && family->make_decoder_ids != NULL &&
		!add_decoder(context, model, items, count, &batch))
		return false;
	if (!run_hidden_states(context, model, &batch, &states))
		return false;
	offsets = batch.decoder != NULL ? batch.decoder->offsets : batch.offsets;
	for (size_t i = 0; i < count; i++)
	{
		int64_t columns = states.shape[1];

		if (!write_result(context, (const float *) states.data + offsets[i] * columns,
						  offsets[i + 1] - offsets[i], columns, is_tensor,
						  &results[items[i].place]))
			return false;
	}
	return true;
}

static bool
run_feature_extraction(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	bool is_tensor = task_bool_parameter(context, call, "return_tensors", false);
	task_item *items = tfm_failed(context) ? NULL : make_items(context, call);

	for (size_t done = 0; items != NULL && done < call->count;)
	{
		size_t n = task_batch_items(items + done, call->count - done);

		if (!run_batch(context, call->models->model, items + done, n, is_tensor, results) ||
			tfm_stopped(context))
			return false;
		done += n;
	}
	return items != NULL;
}

static const char *const names[] = {"feature-extraction", NULL};

const pipeline_task task_feature_extraction = {
	.names = names,
	.parameters = parameters,
	.run = run_feature_extraction,
};
