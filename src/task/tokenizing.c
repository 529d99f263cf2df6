/*
 * tokenizing.c
 *	  The inputs of pipelines over encoders: parameters of Transformers' tokenizers, texts to items.
 *	  Follows _get_padding_truncation_strategies of transformers/tokenization_utils_base.py.
 *
 * Padding changes nothing here, where batches are ragged: what is padded is masked.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/tokenizing.h"

#include <string.h>

#include "runtime/loaded.h"

/* Whether truncation is asked for, and how; length is that of max_length, 0 where it is not given. */
static bool
read_truncation(tfm_context *context, const pipeline_call *call, int64_t length, const char **name)
{
	json truncation = task_parameter(call, "truncation"), padding = task_parameter(call, "padding");
	bool pads = json_present(padding) && !(json_is_bool(padding) && !json_as_bool(padding));

	*name = NULL;
	if (!json_present(truncation))
		return length > 0 && !pads;
	if (json_is_bool(truncation))
		return json_as_bool(truncation);
	if (json_is_string(truncation))
	{
		*name = json_as_string(truncation);
		return strcmp(*name, "do_not_truncate") != 0;
	}
	return tfm_fail(context, TFM_INVALID_ARGUMENT,
					"the parameter \"truncation\" is neither true or false nor a string");
}

bool
task_read_tokenizing(tfm_context *context, const pipeline_call *call, int want, tokenizing *result)
{
	const run_model *model = call->models->model;
	const tok_tokenizer *tokenizer = run_tokenizer(context, model);
	tokenize_options options = TOKENIZE_DEFAULTS;
	int64_t length, stride;

	if (tokenizer == NULL)
		return false;
	length = task_int_parameter(context, call, "max_length", 0, 1, INT32_MAX);
	stride = task_int_parameter(context, call, "stride", 0, 0, INT32_MAX);
	options.add_special_tokens = task_bool_parameter(context, call, "add_special_tokens", true);
	if (read_truncation(context, call, length, &options.truncation))
		options.max_length = length > 0 ? (int) length : task_longest_input(model);
	else
		options.truncation = NULL;
	result->types =
		task_bool_parameter(context, call, "return_token_type_ids", tok_gives_type_ids(tokenizer));
	if (tfm_failed(context) ||
		!task_tokenize_plan(context, model, &options, want | TOK_WANT_TYPE_IDS, &result->plan))
		return false;
	result->plan.encode.stride = (int32_t) stride;
	return true;
}

task_item *
task_tokenize_items(tfm_context *context, const run_model *model, const tokenizing *how,
					const tokenize_input *inputs, size_t count)
{
	tok_encoding *encodings;

	if (!task_tokenize(context, model, inputs, count, &how->plan, &encodings))
		return NULL;
	return task_order_encodings(context, encodings, count, how->types);
}
