/*
 * pipeline.c
 *	  Pipelines by name: inputs of rows and lists taken apart, results put together again.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/pipeline.h"

#include <math.h>
#include <string.h>

#include "runtime/loaded.h"

/* How inputs and parameters are called in messages. */
#define INPUTS "inputs"
#define OPTIONS "options"

const pipeline_task *const task_pipelines[] = {
	&task_fill_mask,
	&task_multiple_choice,
	&task_next_sentence_prediction,
	&task_question_answering,
	&task_text_classification,
	&task_token_classification,
	&task_zero_shot_classification,
	&task_feature_extraction,
	&task_sentence_similarity,
	&task_rag,
	&task_table_question_answering,
	&task_text_generation,
	&task_text2text_generation,
	&task_summarization,
	&task_translation,
	NULL,
};

/* ---- Names ---- */

static bool
is_name(const char *name, const char *task)
{
	size_t length = strlen(name);

	if (length > 0 && name[length - 1] == '*')
		return strncmp(name, task, length - 1) == 0;
	return strcmp(name, task) == 0;
}

static bool
is_among(const char *const *names, const char *name)
{
	for (; *names != NULL; names++)
		if (is_name(*names, name))
			return true;
	return false;
}

const pipeline_task *
task_find_pipeline(const char *task)
{
	for (const pipeline_task *const *p = task_pipelines; *p != NULL; p++)
		if (is_among((*p)->names, task))
			return *p;
	return NULL;
}

/* "a, b, c", for a message. */
static const char *
join_names(tfm_context *context, const char *const *names)
{
	buffer *b = buffer_create(context);

	for (size_t i = 0; b != NULL && names[i] != NULL; i++)
		buffer_printf(context, b, "%s%s", i > 0 ? ", " : "", names[i]);
	return b == NULL ? "" : buffer_text(context, b);
}

static const pipeline_task *
require_task(tfm_context *context, const char *name)
{
	const pipeline_task *task = task_find_pipeline(name);
	buffer *known;

	if (task != NULL)
		return task;
	tfm_fail(context, TFM_UNDEFINED, "there is no pipeline \"%.64s\"", name);
	known = buffer_create(context);
	for (size_t i = 0; known != NULL && task_pipelines[i] != NULL; i++)
		buffer_printf(context, known, "%s%s", i > 0 ? ", " : "", task_pipelines[i]->names[0]);
	if (known != NULL)
		tfm_hint(context, "Pipelines are %s.", buffer_text(context, known));
	return NULL;
}

/* ---- Models ---- */

static bool
check_model(tfm_context *context, const pipeline_task *task, const run_model *model)
{
	const char *head;

	if (!run_check_weights(context, model))
		return false;
	head = model->class.head->task;
	if (task->heads == NULL || is_among(task->heads, head))
		return true;
	tfm_fail(context, TFM_UNSUPPORTED, "the model is not made for the task \"%s\"", task->names[0]);
	return tfm_detail(context, "Its architecture %s is made for %s.",
					  model->info.architecture != NULL ? model->info.architecture : "", head);
}

/* ---- Parameters ---- */

static json
read_object(tfm_context *context, tfm_text text)
{
	json object = {.source = OPTIONS};

	if (text.length == 0)
		return object;
	object = json_parse(context, text.data, text.length, OPTIONS);
	if (!tfm_failed(context) && json_present(object) && !json_is_object(object))
		tfm_fail(context, TFM_INVALID_ARGUMENT, "options are not a JSON object");
	return object;
}

static bool
check_names(tfm_context *context, const pipeline_task *task, json object)
{
	for (json member = json_first(object); json_present(member); member = json_next(member))
		if (!is_among(task->parameters, json_key(member)))
		{
			tfm_fail(context, TFM_INVALID_ARGUMENT,
					 "the pipeline \"%s\" has no parameter \"%.64s\"", task->names[0],
					 json_key(member));
			return tfm_hint(context, "It has %s.", join_names(context, task->parameters));
		}
	return true;
}

json
task_parameter(const pipeline_call *call, const char *name)
{
	json value = json_member(call->arguments, name);

	return json_present(value) ? value : json_member(call->options, name);
}

static bool
has_member(json object, const char *name)
{
	for (json member = json_first(object); json_present(member); member = json_next(member))
		if (strcmp(json_key(member), name) == 0)
			return true;
	return false;
}

bool
task_has_parameter(const pipeline_call *call, const char *name)
{
	return has_member(call->arguments, name) || has_member(call->options, name);
}

static bool
fail_parameter(tfm_context *context, const char *name, const char *wanted)
{
	return tfm_fail(context, TFM_INVALID_ARGUMENT, "the parameter \"%s\" is not %s", name, wanted);
}

int64_t
task_int_parameter(tfm_context *context, const pipeline_call *call, const char *name,
				   int64_t fallback, int64_t minimum, int64_t maximum)
{
	json value = task_parameter(call, name);
	int64_t number = fallback;

	if (json_present(value) && !json_to_int(value, minimum, maximum, &number))
		tfm_fail(context, TFM_INVALID_ARGUMENT,
				 "the parameter \"%s\" is not a whole number from %lld to %lld", name,
				 (long long) minimum, (long long) maximum);
	return number;
}

bool
task_bool_parameter(tfm_context *context, const pipeline_call *call, const char *name,
					bool fallback)
{
	json value = task_parameter(call, name);

	if (!json_present(value))
		return fallback;
	if (json_is_bool(value))
		return json_as_bool(value);
	fail_parameter(context, name, "true or false");
	return fallback;
}

const char *
task_string_parameter(tfm_context *context, const pipeline_call *call, const char *name,
					  const char *fallback)
{
	json value = task_parameter(call, name);

	if (!json_present(value))
		return fallback;
	if (json_is_string(value))
		return json_as_string(value);
	fail_parameter(context, name, "a string");
	return fallback;
}

/* ---- Inputs ---- */

static tfm_text
text_of(json string)
{
	const char *text = json_as_string(string);

	return (tfm_text) {text, strlen(text)};
}

bool
task_input_text(tfm_context *context, const pipeline_input *input, const char *key, tfm_text *text)
{
	json value = input->value;

	*text = input->text;
	if (!json_present(value))
		return true;
	if (json_is_object(value))
		value = json_member(value, key);
	if (!json_is_string(value))
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"an input is neither a text nor an object with the text \"%s\"", key);
	*text = text_of(value);
	return true;
}

bool
task_input_second(const pipeline_input *input, const char *key, tfm_text *text)
{
	json member = json_member(input->value, key);

	*text = input->second;
	if (!json_present(input->value))
		return input->has_second;
	if (!json_is_string(member))
		return false;
	*text = text_of(member);
	return true;
}

/* A row of the call: its inputs are those from first on. */
typedef struct row_inputs
{
	size_t first, count;
	pipeline_shape shape;
} row_inputs;

static bool
is_list(pipeline_shape shape)
{
	return shape == PIPELINE_LIST || shape == PIPELINE_LIST_BUT_FOR_ONE;
}

static pipeline_shape
find_shape(const pipeline_task *task, const pipeline_call *call, json inputs)
{
	if (task->shape != NULL)
		return task->shape(call, inputs);
	if (task->is_list != NULL ? task->is_list(inputs) : json_is_array(inputs))
		return PIPELINE_LIST;
	return task->list_of_one ? PIPELINE_ONE_IN_LIST : PIPELINE_ONE;
}

static json
parse_inputs(tfm_context *context, tfm_text text)
{
	json value = json_parse(context, text.data, text.length, INPUTS);

	if (context->error.kind != TFM_CORRUPTED)
		return value;
	context->error.kind = TFM_INVALID_ARGUMENT;
	tfm_hint(context, "A text that is the input itself is a JSON string: to_jsonb makes it one.");
	return value;
}

/* The inputs of all rows, one after the other, and where each row's are. */
static pipeline_input *
read_inputs(tfm_context *context, const pipeline_task *task, const task_call *call,
			const pipeline_call *p, row_inputs *rows, size_t *count)
{
	json *values = tfm_alloc_array(context, call->count, sizeof(json));
	pipeline_input *inputs;
	size_t n = 0;

	*count = 0;
	for (size_t i = 0; values != NULL && i < call->count; i++)
	{
		rows[i] = (row_inputs) {.first = n, .count = 1};
		if (call->is_json)
		{
			values[i] = parse_inputs(context, call->inputs[i]);
			rows[i].shape = find_shape(task, p, values[i]);
		}
		if (is_list(rows[i].shape))
			rows[i].count = json_size(values[i]);
		n += rows[i].count;
	}
	inputs = tfm_failed(context) ? NULL : tfm_alloc_zero(context, (n + 1) * sizeof(pipeline_input));
	for (size_t i = 0; inputs != NULL && i < call->count; i++)
	{
		pipeline_input *input = inputs + rows[i].first;

		if (is_list(rows[i].shape))
			for (json v = json_first(values[i]); json_present(v); v = json_next(v))
				*input++ = (pipeline_input) {.value = v, .in_list = true};
		else if (call->is_json)
			input->value = values[i];
		else
		{
			input->text = call->inputs[i];
			input->has_second = call->seconds != NULL;
			if (input->has_second)
				input->second = call->seconds[i];
		}
	}
	*count = n;
	return inputs;
}

/* ---- Results ---- */

/* What the pipeline gives for a row. */
static tfm_text
join_results(tfm_context *context, const row_inputs *row, const tfm_text *results)
{
	buffer *b;

	if (row->shape == PIPELINE_ONE || (row->shape == PIPELINE_LIST_BUT_FOR_ONE && row->count == 1))
		return results[row->first];
	b = buffer_create(context);
	if (b == NULL)
		return (tfm_text) {"", 0};
	buffer_append_string(context, b, "[");
	for (size_t i = 0; i < row->count; i++)
	{
		if (i > 0)
			buffer_append_string(context, b, ",");
		buffer_append(context, b, results[row->first + i].data, results[row->first + i].length);
	}
	buffer_append_string(context, b, "]");
	return (tfm_text) {b->data, b->length};
}

/* NaN and infinities, which JSON does not have, are null. */
static bool
append_number(tfm_context *context, buffer *b, double number, int digits)
{
	return isfinite(number) ? buffer_printf(context, b, "%.*g", digits, number)
							: buffer_append_string(context, b, "null");
}

bool
task_append_float(tfm_context *context, buffer *b, float score)
{
	return append_number(context, b, score, 9);
}

bool
task_append_double(tfm_context *context, buffer *b, double score)
{
	return append_number(context, b, score, 17);
}

/* ---- The call ---- */

bool
task_run_pipeline(tfm_context *context, const task_models *models, const task_call *call,
				  tfm_text *texts)
{
	const pipeline_task *task = require_task(context, call->task);
	row_inputs *rows = tfm_alloc_array(context, call->count, sizeof(row_inputs));
	pipeline_call p = {.models = models, .task = call->task};
	tfm_text *results;

	if (task == NULL || rows == NULL || !check_model(context, task, models->model))
		return false;
	p.arguments = read_object(context, call->arguments);
	p.options = read_object(context, call->options);
	p.inputs = read_inputs(context, task, call, &p, rows, &p.count);
	results = tfm_alloc_zero(context, (p.count + 1) * sizeof(tfm_text));
	if (p.inputs == NULL || results == NULL)
		return false;
	if (task->parameters != NULL &&
		(!check_names(context, task, p.arguments) || !check_names(context, task, p.options)))
		return false;
	if (!task->run(context, &p, results))
		return false;
	for (size_t i = 0; i < call->count; i++)
		texts[i] = join_results(context, &rows[i], results);
	return !tfm_failed(context);
}
