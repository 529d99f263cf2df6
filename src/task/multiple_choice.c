/*
 * multiple_choice.c
 *	  Which of some texts goes on with a prompt, by a model for multiple choice.
 *
 * Transformers has no pipeline for it: a prompt and each choice are a pair, cut where they are too
 * long together, and the softmax of the pairs' logits is what the choices score.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/multiple_choice.h"

#include <string.h>

#include "runtime/loaded.h"
#include "task/classes.h"
#include "task/tokenizing.h"

bool
task_is_choice_model(const run_model *model)
{
	return model->no_weights == NULL && strcmp(model->class.head->task, "multiple-choice") == 0;
}

static bool
take_logit(tfm_context *context, void *argument, size_t place, const task_rows *outputs)
{
	float *logits = argument;

	if (outputs[0].data == NULL || outputs[0].count != 1 || outputs[0].columns != 1)
		return tfm_fail(context, TFM_UNSUPPORTED, "the model does not score choices");
	logits[place] = outputs[0].data[0];
	return true;
}

/* The logits of pairs, each cut where it is too long. */
static bool
score_pairs(tfm_context *context, const run_model *model, const tokenize_input *pairs, size_t count,
			float *logits)
{
	static const char *const outputs[] = {"logits", NULL};
	const tok_tokenizer *tokenizer = run_tokenizer(context, model);
	tok_encoding *encodings;
	tokenize_plan plan;
	task_item *items;

	if (tokenizer == NULL || !run_check_weights(context, model))
		return false;
	plan = (tokenize_plan) {
		.encode = {
			.add_special_tokens = true,
			.max_length = task_longest_input(model),
			.direction = tok_truncates_left(tokenizer) ? TOK_TRUNCATE_LEFT : TOK_TRUNCATE_RIGHT,
			.want = TOK_WANT_TYPE_IDS,
		}};
	if (!task_tokenize(context, model, pairs, count, &plan, &encodings))
		return false;
	items = task_order_encodings(context, encodings, count, tok_gives_type_ids(tokenizer));
	return items != NULL &&
		   task_run_items(context, model, items, count, outputs, take_logit, logits);
}

bool
task_score_choices(tfm_context *context, const run_model *model, const tfm_text *prompts,
				   size_t count, const tfm_text *choices, size_t choice_count, float *logits)
{
	tokenize_input *pairs;

	if (choice_count == 0)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "there must be at least one choice");
	if (count > SIZE_MAX / sizeof(tokenize_input) / choice_count)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory for prompts and choices");
	pairs = tfm_alloc_array(context, count * choice_count, sizeof(tokenize_input));
	for (size_t i = 0; pairs != NULL && i < count * choice_count; i++)
		pairs[i] = (tokenize_input) {
			.text = prompts[i / choice_count], .pair = choices[i % choice_count], .has_pair = true};
	return pairs != NULL && score_pairs(context, model, pairs, count * choice_count, logits);
}

/* ---- As a pipeline: {"prompt", "choices"} ---- */

static bool
append_tensor(tfm_context *context, buffer *b, const char *name, const float *values, size_t count)
{
	buffer_printf(context, b, ",\"%s\":{\"dtype\":\"float32\",\"shape\":[%zu],\"data\":[", name,
				  count);
	for (size_t i = 0; i < count; i++)
	{
		buffer_append_string(context, b, i > 0 ? "," : "");
		task_append_float(context, b, values[i]);
	}
	return buffer_append_string(context, b, "]}");
}

static bool
append_result(tfm_context *context, buffer *b, float *logits, size_t count)
{
	float *scores = tfm_alloc_array(context, count, sizeof(float));

	if (scores == NULL)
		return false;
	memcpy(scores, logits, count * sizeof(float));
	task_softmax(scores, (int64_t) count);
	buffer_printf(context, b, "{\"choice\":%lld",
				  (long long) task_largest(scores, (int64_t) count));
	append_tensor(context, b, "scores", scores, count);
	append_tensor(context, b, "logits", logits, count);
	return buffer_append_string(context, b, "}") && !tfm_failed(context);
}

static bool
run_input(tfm_context *context, const run_model *model, const pipeline_input *input, buffer *b)
{
	json list = json_member(input->value, "choices"), prompt = json_member(input->value, "prompt");
	size_t count = 0;
	tfm_text *choices = tfm_alloc_array(context, json_size(list) + 1, sizeof(tfm_text)), text;
	float *logits = tfm_alloc_array(context, json_size(list) + 1, sizeof(float));

	if (choices == NULL || logits == NULL)
		return false;
	if (!json_is_string(prompt) || !json_is_array(list))
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"an input is not an object with \"prompt\" and a list of \"choices\"");
	for (json choice = json_first(list); json_present(choice); choice = json_next(choice))
	{
		if (!json_is_string(choice))
			return tfm_fail(context, TFM_INVALID_ARGUMENT, "a choice is not a string");
		choices[count++] = (tfm_text) {json_as_string(choice), strlen(json_as_string(choice))};
	}
	text = (tfm_text) {json_as_string(prompt), strlen(json_as_string(prompt))};
	return task_score_choices(context, model, &text, 1, choices, count, logits) &&
		   append_result(context, b, logits, count);
}

static bool
run(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	for (size_t i = 0; i < call->count; i++)
	{
		buffer *b = buffer_create(context);

		if (b == NULL || !run_input(context, call->models->model, &call->inputs[i], b))
			return false;
		results[i] = (tfm_text) {b->data, b->length};
	}
	return true;
}

const pipeline_task task_multiple_choice = {
	.names = (const char *const[]) {"multiple-choice", NULL},
	.heads = (const char *const[]) {"multiple-choice", NULL},
	.parameters = (const char *const[]) {TASK_PIPELINE_PARAMETERS, NULL},
	.run = run,
};
