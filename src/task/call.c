/*
 * call.c
 *	  Calls of tasks: what each kind is called, computes, and has in common.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/call.h"

#include <string.h>

#include "base/compare.h"
#include "task/classes.h"
#include "runtime/forward.h"
#include "task/distinct.h"
#include "task/multiple_choice.h"
#include "task/pipeline.h"
#include "task/rerank.h"
#include "task/zero_shot_classification.h"

/* ---- What each kind computes ---- */

static generate_request
generation(const task_models *models, const task_call *call)
{
	return (generate_request) {
		.generator = models->generator,
		.assistant = models->assistant,
		.options = call->options,
		.arguments = call->arguments,
		.instruction = call->instruction,
	};
}

static bool
run_embed_call(tfm_context *context, const task_models *models, const task_call *call,
			   task_answer *answer)
{
	return task_embed(context, models->model, call->inputs, call->count, &call->embed,
					  &answer->columns, &answer->values);
}

static bool
run_generate_call(tfm_context *context, const task_models *models, const task_call *call,
				  task_answer *answer)
{
	generate_request request = generation(models, call);
	generate_result *results;
	size_t made;

	answer->texts = tfm_alloc_array(context, call->count, sizeof(tfm_text));
	if (answer->texts == NULL ||
		!task_generate(context, &request, call->inputs, call->count, &results, &made))
		return false;
	/* several texts of a prompt: the first is the last one here to be set */
	for (size_t i = made; i-- > 0;)
		answer->texts[results[i].prompt] = results[i].text;
	return true;
}

static bool
run_label_call(tfm_context *context, const task_models *models, const task_call *call,
			   task_answer *answer)
{
	generate_request request = generation(models, call);

	answer->columns = (int) call->label_count;
	answer->scores = tfm_alloc_array(context, call->count, call->label_count * sizeof(double));
	return answer->scores != NULL &&
		   task_choose_labels(context, &request, call->inputs, call->count, call->labels,
							  call->label_count, answer->scores);
}

static bool
run_chat_call(tfm_context *context, const task_models *models, const task_call *call,
			  task_answer *answer)
{
	generate_request request = generation(models, call);

	answer->texts = tfm_alloc_array(context, call->count, sizeof(tfm_text));
	return answer->texts != NULL &&
		   task_chat(context, &request, call->chat, call->inputs, call->count, answer->texts);
}

static bool
run_rerank_call(tfm_context *context, const task_models *models, const task_call *call,
				task_answer *answer)
{
	answer->columns = 1;
	answer->scores = tfm_alloc_array(context, call->count, sizeof(double));
	return answer->scores != NULL && task_rerank(context, models->model, call->inputs,
												 call->seconds, call->count, answer->scores);
}

static bool
run_tokenize_call(tfm_context *context, const task_models *models, const task_call *call,
				  task_answer *answer)
{
	tokenize_input *inputs = tfm_alloc_array(context, call->count, sizeof(tokenize_input));
	tok_encoding *encodings;
	tokenize_plan plan;

	answer->ids = tfm_alloc_array(context, call->count, sizeof(gen_ids));
	if (inputs == NULL || answer->ids == NULL)
		return false;
	for (size_t i = 0; i < call->count; i++)
		inputs[i] = (tokenize_input) {
			.text = call->inputs[i],
			.pair = call->seconds != NULL ? call->seconds[i] : (tfm_text) {"", 0},
			.has_pair = call->seconds != NULL,
		};
	if (!task_tokenize_plan(context, models->model, &call->tokenize, 0, &plan) ||
		!task_tokenize(context, models->model, inputs, call->count, &plan, &encodings))
		return false;
	for (size_t i = 0; i < call->count; i++)
		answer->ids[i] = (gen_ids) {.ids = encodings[i].ids, .count = encodings[i].count};
	return true;
}

/* Labels as texts that the input entails; the arguments are those of Transformers' pipeline. */
static bool
score_entailed(tfm_context *context, const run_model *model, const task_call *call, float *scores)
{
	zero_shot what = {.labels = call->labels, .label_count = call->label_count, .strict = true};

	if (call->arguments.length > 0)
	{
		json arguments =
			json_parse(context, call->arguments.data, call->arguments.length, "arguments");

		what.multi_label = json_bool(context, arguments, "multi_label", false);
		what.hypothesis_template = json_string(context, arguments, "hypothesis_template", NULL);
	}
	return !tfm_failed(context) &&
		   task_classify_zero_shot(context, model, &what, call->inputs, call->count, scores);
}

static bool
run_score_labels_call(tfm_context *context, const task_models *models, const task_call *call,
					  task_answer *answer)
{
	const run_model *model = models->model;
	size_t labels = call->label_count, cells = call->count * labels;
	float *scores = tfm_alloc_array(context, call->count + 1, (labels + 1) * sizeof(float));

	answer->columns = (int) labels;
	answer->scores = tfm_alloc_array(context, call->count + 1, (labels + 1) * sizeof(double));
	if (scores == NULL || answer->scores == NULL)
		return false;
	if (task_is_choice_model(model))
	{
		if (!task_score_choices(context, model, call->inputs, call->count, call->labels, labels,
								scores))
			return false;
		for (size_t i = 0; i < call->count; i++)
			task_softmax(scores + i * labels, (int64_t) labels);
	}
	else if (!score_entailed(context, model, call, scores))
		return false;
	for (size_t i = 0; i < cells; i++)
		answer->scores[i] = scores[i];
	return true;
}

static bool
run_pipeline_call(tfm_context *context, const task_models *models, const task_call *call,
				  task_answer *answer)
{
	answer->texts = tfm_alloc_array(context, call->count, sizeof(tfm_text));
	return answer->texts != NULL && task_run_pipeline(context, models, call, answer->texts);
}

static const struct
{
	const char *name;
	bool generates;
	bool sent; /* worth it: it takes a pass through the model */
	bool (*run)(tfm_context *context, const task_models *models, const task_call *call,
				task_answer *answer);
} kinds[TASK_KINDS] = {
	[TASK_EMBED] = {"embed", false, true, run_embed_call},
	[TASK_GENERATE] = {"generate", true, true, run_generate_call},
	[TASK_LABEL] = {"classify", true, true, run_label_call},
	[TASK_RERANK] = {"rerank", false, true, run_rerank_call},
	[TASK_CHAT] = {"chat", true, false, run_chat_call},
	[TASK_TOKENIZE] = {"tokenize", false, false, run_tokenize_call},
	[TASK_SCORE_LABELS] = {"classify", false, true, run_score_labels_call},
	[TASK_PIPELINE] = {"pipeline", false, true, run_pipeline_call},
};

static bool
is_kind(task_kind kind)
{
	return (unsigned) kind < TASK_KINDS && kinds[kind].name != NULL;
}

const char *
task_kind_name(task_kind kind, const char *task)
{
	const pipeline_task *pipeline = task == NULL ? NULL : task_find_pipeline(task);

	if (pipeline != NULL)
		return pipeline->names[0];
	return is_kind(kind) ? kinds[kind].name : NULL;
}

bool
task_kind_generates(task_kind kind, const char *task)
{
	const pipeline_task *pipeline = task == NULL ? NULL : task_find_pipeline(task);

	return pipeline != NULL ? pipeline->generates : is_kind(kind) && kinds[kind].generates;
}

bool
task_needs_generator(const task_call *call, const run_model *model)
{
	const pipeline_task *pipeline = call->task == NULL ? NULL : task_find_pipeline(call->task);

	if (!task_kind_generates(call->kind, call->task))
		return false;
	return pipeline == NULL || !pipeline->may_do_without ||
		   (run_model_no_weights(model) == NULL && run_has_encoder(model));
}

bool
task_kind_is_sent(task_kind kind)
{
	return is_kind(kind) && kinds[kind].sent;
}

/* The rows of size bytes each that distinct inputs gave, for all inputs. */
static void *
repeat_rows(tfm_context *context, const task_distinct *d, size_t count, const void *rows,
			size_t size)
{
	char *all = rows == NULL ? NULL : tfm_alloc_array(context, count, size);

	for (size_t i = 0; all != NULL && i < count; i++)
		memcpy(all + i * size, (const char *) rows + d->place[i] * size, size);
	return all;
}

/* Compute each of the distinct inputs once; equal inputs have equal results. */
static bool
run_distinct(tfm_context *context, const task_models *models, const task_call *call,
			 const task_distinct *d, task_answer *answer)
{
	tfm_text *inputs = tfm_alloc_array(context, 2 * d->count, sizeof(tfm_text));
	task_call once = *call;
	task_answer a = {0};
	size_t columns;

	if (inputs == NULL)
		return false;
	for (size_t i = 0; i < d->count; i++)
	{
		inputs[i] = call->inputs[d->first[i]];
		if (call->seconds != NULL)
			inputs[d->count + i] = call->seconds[d->first[i]];
	}
	once.count = d->count;
	once.inputs = inputs;
	once.seconds = call->seconds != NULL ? inputs + d->count : NULL;
	if (!kinds[call->kind].run(context, models, &once, &a))
		return false;
	columns = (size_t) a.columns;
	*answer = (task_answer) {
		.columns = a.columns,
		.values = repeat_rows(context, d, call->count, a.values, columns * sizeof(float)),
		.scores = repeat_rows(context, d, call->count, a.scores, columns * sizeof(double)),
		.texts = repeat_rows(context, d, call->count, a.texts, sizeof(tfm_text)),
		.ids = repeat_rows(context, d, call->count, a.ids, sizeof(gen_ids)),
	};
	return !tfm_failed(context);
}

bool
task_call_run(tfm_context *context, const task_models *models, const task_call *call,
			  task_answer *answer)
{
	task_distinct distinct;

	*answer = (task_answer) {0};
	if (!is_kind(call->kind))
		return tfm_fail(context, TFM_INTERNAL, "%d is no kind of task", (int) call->kind);
	if (call->count < 2)
		return kinds[call->kind].run(context, models, call, answer);
	if (!task_find_distinct(context, call, &distinct))
		return false;
	return distinct.count < call->count ? run_distinct(context, models, call, &distinct, answer)
										: kinds[call->kind].run(context, models, call, answer);
}

/* ---- What calls have in common ---- */

static bool
same_labels(const task_call *a, const task_call *b)
{
	if (a->label_count != b->label_count)
		return false;
	for (size_t i = 0; i < a->label_count; i++)
		if (!tfm_same_text(a->labels[i], b->labels[i]))
			return false;
	return true;
}

static bool
same_tokenize(const tokenize_options *a, const tokenize_options *b)
{
	return a->add_special_tokens == b->add_special_tokens && a->max_length == b->max_length &&
		   a->stride == b->stride && tfm_same_string(a->truncation, b->truncation) &&
		   tfm_same_string(a->truncation_side, b->truncation_side) &&
		   tfm_same_string(a->padding, b->padding) &&
		   a->pad_to_multiple_of == b->pad_to_multiple_of &&
		   tfm_same_string(a->padding_side, b->padding_side);
}

bool
task_call_same(const task_call *a, const task_call *b)
{
	return a->kind == b->kind && tfm_same_string(a->embed.pooling, b->embed.pooling) &&
		   a->embed.normalize == b->embed.normalize && a->embed.dimensions == b->embed.dimensions &&
		   tfm_same_string(a->embed.prompt, b->embed.prompt) && tfm_same_string(a->task, b->task) &&
		   a->is_json == b->is_json && tfm_same_text(a->options, b->options) &&
		   tfm_same_text(a->arguments, b->arguments) &&
		   tfm_same_text(a->instruction, b->instruction) && same_labels(a, b) &&
		   a->chat == b->chat && same_tokenize(&a->tokenize, &b->tokenize) &&
		   (a->seconds == NULL) == (b->seconds == NULL);
}
