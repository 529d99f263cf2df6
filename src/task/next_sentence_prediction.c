/*
 * next_sentence_prediction.c
 *	  Whether a text follows another, by a model that was trained to tell.
 *
 * Transformers has no pipeline for it: class 0 of ForNextSentencePrediction is that the second text
 * of a pair follows the first.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "base/json.h"
#include "runtime/loaded.h"
#include "task/classes.h"
#include "task/tokenizing.h"

#define FOLLOWS 0

static bool
take_logits(tfm_context *context, void *argument, size_t place, const task_rows *outputs)
{
	float *scores = argument, row[2];
	const task_rows *logits = outputs[0].data != NULL ? &outputs[0] : &outputs[1];

	if (logits->data == NULL || logits->count != 1 || logits->columns != 2)
		return tfm_fail(context, TFM_UNSUPPORTED,
						"the model does not tell whether a text follows another");
	memcpy(row, logits->data, sizeof(row));
	task_softmax(row, 2);
	scores[place] = row[FOLLOWS];
	return true;
}

static bool
append_result(tfm_context *context, buffer *b, float score)
{
	buffer_printf(context, b, "{\"is_next\":%s,\"score\":", json_truth(score >= 0.5f));
	task_append_float(context, b, score);
	return buffer_append_string(context, b, "}");
}

static bool
read_pair(tfm_context *context, const pipeline_input *input, tokenize_input *pair)
{
	if (!task_input_second(input, "text_pair", &pair->pair))
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"an input is no pair of \"text\" and \"text_pair\"");
	pair->has_pair = pair->pair.length > 0;
	return task_input_text(context, input, "text", &pair->text);
}

static bool
run(tfm_context *context, const pipeline_call *call, tfm_text *results)
{
	static const char *const outputs[] = {"seq_relationship_logits", "logits", NULL};
	const run_model *model = call->models->model;
	tokenize_input *pairs = tfm_alloc_array(context, call->count + 1, sizeof(tokenize_input));
	float *scores = tfm_alloc_array(context, call->count + 1, sizeof(float));
	tokenizing how;
	task_item *items;

	if (pairs == NULL || scores == NULL || !task_read_tokenizing(context, call, 0, &how))
		return false;
	for (size_t i = 0; i < call->count; i++)
		if (!read_pair(context, &call->inputs[i], &pairs[i]))
			return false;
	items = task_tokenize_items(context, model, &how, pairs, call->count);
	if (items == NULL ||
		!task_run_items(context, model, items, call->count, outputs, take_logits, scores))
		return false;
	for (size_t i = 0; i < call->count; i++)
	{
		buffer *b = buffer_create(context);

		if (b == NULL || !append_result(context, b, scores[i]))
			return false;
		results[i] = (tfm_text) {b->data, b->length};
	}
	return true;
}

const pipeline_task task_next_sentence_prediction = {
	.names = (const char *const[]) {"next-sentence-prediction", NULL},
	.heads = (const char *const[]) {"next-sentence-prediction", "fill-mask", NULL},
	.parameters = (const char *const[]) {TASK_TOKENIZER_PARAMETERS, TASK_PIPELINE_PARAMETERS, NULL},
	.run = run,
};
