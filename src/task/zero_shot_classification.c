/*
 * zero_shot_classification.c
 *	  Labels of texts by a model for natural language inference, which was not made for them.
 *	  Follows transformers/pipelines/zero_shot_classification.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/zero_shot_classification.h"

#include <string.h>

#include "runtime/loaded.h"
#include "task/classes.h"
#include "task/tokenizing.h"

#define DEFAULT_TEMPLATE "This example is {}."

bool
task_is_entailment_model(const run_model *model)
{
	return model->no_weights == NULL && strcmp(model->class.head->task, "text-classification") == 0;
}

/* ---- Hypotheses ---- */

static bool
fail_template(tfm_context *context, const char *template)
{
	tfm_fail(context, TFM_INVALID_ARGUMENT,
			 "hypothesis_template \"%.64s\" has no place for a label", template);
	return tfm_hint(context, "Put {} once where the label goes; braces as such are {{ and }}.");
}

/* What Python's template.format(label) gives; {} and {0} are the label. */
static bool
format_label(tfm_context *context, const char *template, tfm_text label, tfm_text *hypothesis)
{
	buffer *b = buffer_create(context);
	int places = 0;

	for (const char *at = template; b != NULL && *at != '\0'; at++)
	{
		if ((at[0] == '{' || at[0] == '}') && at[1] == at[0])
			buffer_append(context, b, at++, 1);
		else if (strncmp(at, "{}", 2) == 0 || strncmp(at, "{0}", 3) == 0)
		{
			buffer_append(context, b, label.data, label.length);
			places += at[1] == '}';
			at = strchr(at, '}');
			if (places > 1)
				return fail_template(context, template);
		}
		else if (at[0] == '{' || at[0] == '}')
			return fail_template(context, template);
		else
			buffer_append(context, b, at, 1);
	}
	if (tfm_failed(context))
		return false;
	*hypothesis = (tfm_text) {b->data, b->length};
	if (b->length == strlen(template) &&
		(b->length == 0 || memcmp(b->data, template, b->length) == 0))
		return fail_template(context, template);
	return true;
}

static tfm_text *
make_hypotheses(tfm_context *context, const zero_shot *what)
{
	const char *template =
		what->hypothesis_template == NULL ? DEFAULT_TEMPLATE : what->hypothesis_template;
	tfm_text *hypotheses = tfm_alloc_array(context, what->label_count, sizeof(tfm_text));

	if (what->label_count == 0)
		tfm_fail(context, TFM_INVALID_ARGUMENT, "there must be at least one label");
	for (size_t i = 0; hypotheses != NULL && i < what->label_count; i++)
		if (tfm_stopped(context) ||
			!format_label(context, template, what->labels[i], &hypotheses[i]))
			return NULL;
	return tfm_failed(context) ? NULL : hypotheses;
}

/* ---- Pairs ---- */

/* Cut the text of a pair that is too long; where that is not enough, Transformers cuts nothing. */
static bool
shorten(tfm_context *context, const tok_tokenizer *tokenizer, const tokenize_input *pair,
		const tok_encode_options *options, tok_encoding *encoding)
{
	tok_encoding shorter;

	if (tok_encode(context, tokenizer, pair->text, &pair->pair, options, &shorter))
		*encoding = shorter;
	else if (context->error.kind == TFM_INVALID_ARGUMENT)
		tfm_clear_error(context);
	return !tfm_failed(context);
}

static task_item *
tokenize_pairs(tfm_context *context, const run_model *model, const tokenize_input *pairs,
			   size_t count)
{
	const tok_tokenizer *tokenizer = run_tokenizer(context, model);
	const tokenize_plan plan = {.encode = {.add_special_tokens = true, .want = TOK_WANT_TYPE_IDS}};
	tok_encode_options shorter = plan.encode;
	tok_encoding *encodings;

	if (tokenizer == NULL || !task_tokenize(context, model, pairs, count, &plan, &encodings))
		return NULL;
	shorter.max_length = task_longest_input(model);
	shorter.truncation = TOK_ONLY_FIRST;
	shorter.direction = tok_truncates_left(tokenizer) ? TOK_TRUNCATE_LEFT : TOK_TRUNCATE_RIGHT;
	for (size_t i = 0; i < count; i++)
		if (shorter.max_length > 0 && encodings[i].count > (size_t) shorter.max_length &&
			!shorten(context, tokenizer, &pairs[i], &shorter, &encodings[i]))
			return NULL;
	return task_order_encodings(context, encodings, count, tok_gives_type_ids(tokenizer));
}

/* ---- Scores ---- */

/* The logits of each pair that count. */
typedef struct entailment
{
	float contradicts, entails;
} entailment;

typedef struct verdicts
{
	int64_t entails; /* number of that class; negative: counted from the last */
	entailment *pairs;
} verdicts;

static bool
take_logits(tfm_context *context, void *argument, size_t place, const task_rows *outputs)
{
	verdicts *v = argument;
	int64_t columns = outputs[0].columns, entails = v->entails < 0 ? columns - 1 : v->entails;

	if (outputs[0].data == NULL || columns < 2 || entails >= columns)
		return tfm_fail(context, TFM_UNSUPPORTED,
						"the model does not tell entailment from contradiction");
	v->pairs[place] = (entailment) {
		.contradicts = outputs[0].data[entails == 0 ? columns - 1 : 0],
		.entails = outputs[0].data[entails],
	};
	return true;
}

/* The scores of one text's labels. */
static void
score_labels(const entailment *pairs, size_t count, bool multi_label, float *scores)
{
	for (size_t i = 0; i < count; i++)
		scores[i] = pairs[i].entails - (multi_label ? pairs[i].contradicts : 0);
	if (multi_label)
		task_sigmoid(scores, (int64_t) count);
	else
		task_softmax(scores, (int64_t) count);
}

bool
task_classify_zero_shot(tfm_context *context, const run_model *model, const zero_shot *what,
						const tfm_text *texts, size_t count, float *scores)
{
	static const char *const outputs[] = {"logits", NULL};
	size_t labels = what->label_count, pair_count;
	tfm_text *hypotheses;
	verdicts v = {0};
	tokenize_input *pairs;
	task_item *items;

	if (!run_check_weights(context, model))
		return false;
	if (!task_is_entailment_model(model))
		return tfm_fail(context, TFM_UNSUPPORTED,
						"the model does not classify sequences, pairs of a text and a label");
	v.entails = task_find_label(context, model, "entail");
	if (what->strict && v.entails < 0)
	{
		tfm_fail(context, TFM_UNSUPPORTED, "the model takes no labels: it has its own");
		return tfm_hint(context, "Labels are for models that generate, and for those with a label "
								 "\"entailment\", for natural language inference.");
	}
	hypotheses = make_hypotheses(context, what);
	if (hypotheses == NULL || tfm_failed(context))
		return false;
	if (count > SIZE_MAX / sizeof(tokenize_input) / labels)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory for pairs of texts and labels");
	pair_count = count * labels;
	pairs = tfm_alloc_array(context, pair_count, sizeof(tokenize_input));
	v.pairs = tfm_alloc_array(context, pair_count, sizeof(entailment));
	if (pairs == NULL || v.pairs == NULL)
		return false;
	for (size_t i = 0; i < pair_count; i++)
		pairs[i] = (tokenize_input) {
			.text = texts[i / labels], .pair = hypotheses[i % labels], .has_pair = true};
	items = tokenize_pairs(context, model, pairs, pair_count);
	if (items == NULL ||
		!task_run_items(context, model, items, pair_count, outputs, take_logits, &v))
		return false;
	for (size_t i = 0; i < count; i++)
		score_labels(v.pairs + i * labels, labels, what->multi_label || labels == 1,
					 scores + i * labels);
	return true;
}

/* ---- The pipeline ---- */

/* A label of a list that is a string, without spaces around it. */
static tfm_text
strip_label(const char *start, const char *end)
{
	while (start < end && strchr(" \t\n\r\v\f", *start) != NULL)
		start++;
	while (end > start && strchr(" \t\n\r\v\f", end[-1]) != NULL)
		end--;
	return (tfm_text) {start, (size_t) (end - start)};
}

/* A list, or names between commas. */
static bool
read_labels(tfm_context *context, json value, zero_shot *what)
{
	size_t room = json_is_string(value) ? strlen(json_as_string(value)) : json_size(value);
	tfm_text *labels = tfm_alloc_array(context, room + 1, sizeof(tfm_text));

	what->labels = labels;
	if (labels == NULL)
		return false;
	if (json_is_string(value))
		for (const char *at = json_as_string(value), *end; *at != '\0'; at = end + (*end == ','))
		{
			end = at + strcspn(at, ",");
			labels[what->label_count] = strip_label(at, end);
			what->label_count += labels[what->label_count].length > 0;
		}
	for (json label = json_is_array(value) ? json_first(value) : (json) {0}; json_present(label);
		 label = json_next(label))
	{
		if (!json_is_string(label))
			return tfm_fail(context, TFM_INVALID_ARGUMENT, "a candidate label is not a string");
		labels[what->label_count++] =
			(tfm_text) {json_as_string(label), strlen(json_as_string(label))};
	}
	return true;
}

static bool
append_result(tfm_context *context, buffer *b, const zero_shot *what, tfm_text text,
			  const float *scores)
{
	int64_t count = (int64_t) what->label_count;
	int32_t *best = task_best(context, scores, count, count, true);

	buffer_append_string(context, b, "{\"sequence\":");
	json_append_string(context, b, text.data, text.length);
	buffer_append_string(context, b, ",\"labels\":[");
	for (int64_t i = 0; best != NULL && i < count; i++)
	{
		buffer_append_string(context, b, i > 0 ? "," : "");
		json_append_string(context, b, what->labels[best[i]].data, what->labels[best[i]].length);
	}
	buffer_append_string(context, b, "],\"scores\":[");
	for (int64_t i = 0; best != NULL && i < count; i++)
	{
		buffer_append_string(context, b, i > 0 ? "," : "");
		task_append_float(context, b, scores[best[i]]);
	}
	return buffer_append_string(context, b, "]}") && !tfm_failed(context);
}

static bool
read_texts(tfm_context *context, const pipeline_call *call, tfm_text *texts)
{
	for (size_t i = 0; i < call->count; i++)
	{
		if (!task_input_text(context, &call->inputs[i], "sequences", &texts[i]))
			return false;
		if (texts[i].length == 0 && json_present(call->inputs[i].value))
			return tfm_fail(context, TFM_INVALID_ARGUMENT, "an input is empty");
	}
	return true;
}

static bool
run(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	tfm_text *texts = tfm_alloc_array(context, call->count + 1, sizeof(tfm_text));
	zero_shot what = {
		.hypothesis_template = task_string_parameter(context, call, "hypothesis_template", NULL),
		.multi_label = task_bool_parameter(context, call, "multi_label", false),
	};
	float *scores;

	if (texts == NULL || tfm_failed(context) ||
		!read_labels(context, task_parameter(call, "candidate_labels"), &what) ||
		!read_texts(context, call, texts))
		return false;
	scores = tfm_alloc_array(context, call->count + 1, (what.label_count + 1) * sizeof(float));
	if (scores == NULL ||
		!task_classify_zero_shot(context, call->models->model, &what, texts, call->count, scores))
		return false;
	for (size_t i = 0; i < call->count; i++)
	{
		buffer *b = buffer_create(context);

		if (b == NULL || !append_result(context, b, &what, texts[i], scores + i * what.label_count))
			return false;
		results[i] = (tfm_text) {b->data, b->length};
	}
	return true;
}

const pipeline_task task_zero_shot_classification = {
	.names = (const char *const[]) {"zero-shot-classification", NULL},
	.heads = (const char *const[]) {"text-classification", NULL},
	.parameters = (const char *const[]) {"candidate_labels", "hypothesis_template", "multi_label",
										 TASK_PIPELINE_PARAMETERS, NULL},
	.run = run,
};
