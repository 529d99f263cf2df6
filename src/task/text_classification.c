/*
 * text_classification.c
 *	  Labels of texts, or of pairs, by a model for sequence classification.
 *	  Follows transformers/pipelines/text_classification.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>
#include <strings.h>

#include "runtime/loaded.h"
#include "task/classes.h"
#include "task/tokenizing.h"

/* What is made of logits. */
typedef enum score_function
{
	FUNCTION_SIGMOID,
	FUNCTION_SOFTMAX,
	FUNCTION_NONE
} score_function;

typedef struct plan
{
	score_function function;
	bool ranked;	 /* top_k is given: a list, the best first; else the best alone */
	int64_t most;	 /* of the list; negative: all but so many */
	int64_t columns; /* labels */
	const tfm_text *labels;
	float *scores; /* [inputs, columns] */
} plan;

/* ---- Parameters ---- */

/* What the configuration says, where the caller does not. */
static score_function
default_function(tfm_context *context, const run_model *model)
{
	json config = run_model_json(context, model, "config.json");
	const char *type = json_string(context, config, "problem_type", "");

	if (strcmp(type, "regression") == 0)
		return FUNCTION_NONE;
	if (strcmp(type, "multi_label_classification") == 0 || run_config(model)->num_labels == 1)
		return FUNCTION_SIGMOID;
	return FUNCTION_SOFTMAX;
}

static score_function
read_function(tfm_context *context, const pipeline_call *call)
{
	static const char *const names[] = {
		[FUNCTION_SIGMOID] = "sigmoid",
		[FUNCTION_SOFTMAX] = "softmax",
		[FUNCTION_NONE] = "none",
	};
	const char *name = task_string_parameter(context, call, "function_to_apply", NULL);

	if (name == NULL)
		return default_function(context, call->models->model);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0)
			return (score_function) i;
	tfm_fail(context, TFM_INVALID_ARGUMENT, "function_to_apply \"%.64s\" is not known", name);
	tfm_hint(context, "Use sigmoid, softmax or none.");
	return FUNCTION_NONE;
}

static bool
read_plan(tfm_context *context, const pipeline_call *call, plan *p)
{
	*p = (plan) {
		.function = read_function(context, call),
		.ranked = task_has_parameter(call, "top_k"),
		.most = task_int_parameter(context, call, "top_k", INT32_MAX, INT32_MIN, INT32_MAX),
		.columns = run_config(call->models->model)->num_labels,
	};
	if (tfm_failed(context))
		return false;
	p->labels = task_read_labels(context, call->models->model, p->columns);
	p->scores = tfm_alloc_array(context, call->count, (size_t) p->columns * sizeof(float));
	return p->labels != NULL && p->scores != NULL;
}

/* ---- Inputs ---- */

/* {"text", "text_pair"}, a text, or [["text", "text_pair"]]. */
static bool
read_input(tfm_context *context, const pipeline_input *input, tokenize_input *to)
{
	pipeline_input given = *input;

	if (json_is_array(input->value))
	{
		json pair = json_first(input->value), second = json_next(json_first(pair));

		if (json_size(input->value) != 1 || json_size(pair) != 2 || !json_is_string(second))
		{
			tfm_fail(context, TFM_INVALID_ARGUMENT, "an input is a list");
			return tfm_hint(context,
							"A pair of texts is an object with \"text\" and \"text_pair\".");
		}
		given.value = json_first(pair);
		to->has_pair = true;
		to->pair = (tfm_text) {json_as_string(second), strlen(json_as_string(second))};
	}
	else
		to->has_pair = task_input_second(input, "text_pair", &to->pair);
	/* as Transformers' tokenizers have it for one text */
	to->has_pair &= to->pair.length > 0;
	return task_input_text(context, &given, "text", &to->text);
}

/* Without top_k the label of a text that stands alone comes in a list, that of an object does not. */
static pipeline_shape
find_shape(const pipeline_call *call, json inputs)
{
	if (json_is_array(inputs))
		return PIPELINE_LIST;
	return json_is_string(inputs) && !task_has_parameter(call, "top_k") ? PIPELINE_ONE_IN_LIST
																		: PIPELINE_ONE;
}

/* ---- Results ---- */

static bool
take_logits(tfm_context *context, void *argument, size_t place, const task_rows *outputs)
{
	plan *p = argument;

	if (outputs[0].data == NULL || outputs[0].count != 1 || outputs[0].columns != p->columns)
		return tfm_fail(context, TFM_UNSUPPORTED, "the model does not give a score for each label");
	memcpy(p->scores + place * (size_t) p->columns, outputs[0].data,
		   (size_t) p->columns * sizeof(float));
	return true;
}

static bool
append_label(tfm_context *context, buffer *b, const plan *p, const float *scores, int64_t label)
{
	buffer_append_string(context, b, "{\"label\":");
	json_append_string(context, b, p->labels[label].data, p->labels[label].length);
	buffer_append_string(context, b, ",\"score\":");
	task_append_float(context, b, scores[label]);
	return buffer_append_string(context, b, "}");
}

static bool
append_result(tfm_context *context, buffer *b, const plan *p, float *scores)
{
	int64_t most = p->most < 0 ? p->columns + p->most : p->most;
	int32_t *best;

	if (p->function == FUNCTION_SIGMOID)
		task_sigmoid(scores, p->columns);
	else if (p->function == FUNCTION_SOFTMAX)
		task_softmax(scores, p->columns);
	if (!p->ranked)
		return append_label(context, b, p, scores, task_largest(scores, p->columns));
	if (most > p->columns)
		most = p->columns;
	best = task_best(context, scores, p->columns, most < 0 ? 0 : most, false);
	buffer_append_string(context, b, "[");
	for (int64_t i = 0; best != NULL && i < most; i++)
	{
		buffer_append_string(context, b, i > 0 ? "," : "");
		append_label(context, b, p, scores, best[i]);
	}
	return buffer_append_string(context, b, "]") && !tfm_failed(context);
}

static bool
run(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	static const char *const outputs[] = {"logits", NULL};
	const run_model *model = call->models->model;
	tokenize_input *inputs = tfm_alloc_zero(context, (call->count + 1) * sizeof(tokenize_input));
	tokenizing how;
	task_item *items;
	plan p;

	if (inputs == NULL || !read_plan(context, call, &p) ||
		!task_read_tokenizing(context, call, 0, &how))
		return false;
	for (size_t i = 0; i < call->count; i++)
		if (!read_input(context, &call->inputs[i], &inputs[i]))
			return false;
	items = task_tokenize_items(context, model, &how, inputs, call->count);
	if (items == NULL ||
		!task_run_items(context, model, items, call->count, outputs, take_logits, &p))
		return false;
	for (size_t i = 0; i < call->count; i++)
	{
		buffer *b = buffer_create(context);

		if (b == NULL || !append_result(context, b, &p, p.scores + i * (size_t) p.columns))
			return false;
		results[i] = (tfm_text) {b->data, b->length};
	}
	return true;
}

const pipeline_task task_text_classification = {
	.names = (const char *const[]) {"text-classification", "sentiment-analysis", NULL},
	.heads = (const char *const[]) {"text-classification", NULL},
	.parameters = (const char *const[]) {"function_to_apply", "top_k", TASK_TOKENIZER_PARAMETERS,
										 TASK_PIPELINE_PARAMETERS, NULL},
	.shape = find_shape,
	.run = run,
};
