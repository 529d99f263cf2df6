/*
 * rerank.c
 *	  How well documents answer queries.
 *	  Follows CrossEncoder.predict of sentence-transformers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/rerank.h"

#include <math.h>
#include <string.h>

#include "runtime/loaded.h"
#include "task/items.h"

/* Whether scores are the logits themselves, by what the model's files say. */
static bool
read_activation(tfm_context *context, const run_model *model, bool *is_identity)
{
	const char *name = model->sentence.score_activation;
	const char *class = name == NULL ? "Sigmoid" : strrchr(name, '.');

	if (class != NULL && class[0] == '.')
		class ++;
	*is_identity = class != NULL && strcmp(class, "Identity") == 0;
	if (*is_identity || (class != NULL && strcmp(class, "Sigmoid") == 0))
		return true;
	return tfm_fail(context, TFM_UNSUPPORTED, "the activation \"%.64s\" of scores is not supported",
					name);
}

static bool
check_model(tfm_context *context, const run_model *model)
{
	const char *task;

	if (!run_check_weights(context, model) || run_tokenizer(context, model) == NULL)
		return false;
	task = model->class.head->task;
	if (strcmp(task, "text-classification") != 0)
	{
		tfm_fail(context, TFM_UNSUPPORTED, "the model does not score pairs of texts");
		return tfm_detail(context,
						  "Its task is %s.  Reranking takes a cross-encoder: a model "
						  "for sequence classification with one label.",
						  task);
	}
	if (run_config(model)->num_labels != 1)
		return tfm_fail(context, TFM_UNSUPPORTED,
						"the model has %lld labels, where a reranker has one",
						(long long) run_config(model)->num_labels);
	return true;
}

static const nn_output *
find_logits(const nn_output *outputs)
{
	while (outputs != NULL && strcmp(outputs->name, "logits") != 0)
		outputs = outputs->next;
	return outputs;
}

/* Scores of the items of one batch, each in its place. */
static bool
score_batch(tfm_context *context, const run_model *model, bool is_identity, const task_item *items,
			size_t count, double *scores)
{
	const nn_output *outputs, *logits;
	nn_batch batch;

	if (!task_make_batch(context, model, items, count, &batch) ||
		!run_forward(context, model, &batch, &outputs))
		return false;
	logits = find_logits(outputs);
	if (logits == NULL || logits->axis != NN_PER_SEQUENCE)
		return tfm_fail(context, TFM_INTERNAL, "a classifier gave no logits");
	for (size_t i = 0; i < count; i++)
	{
		double logit = ((const float *) logits->value.data)[i];

		scores[items[i].place] = is_identity ? logit : 1.0 / (1.0 + exp(-logit));
	}
	return true;
}

bool
task_rerank(tfm_context *context, const run_model *model, const tfm_text *queries,
			const tfm_text *documents, size_t count, double *scores)
{
	tokenize_input *inputs = tfm_alloc_array(context, count, sizeof(tokenize_input));
	task_item *items;
	bool is_identity;

	if (inputs == NULL || !check_model(context, model) ||
		!read_activation(context, model, &is_identity))
		return false;
	for (size_t i = 0; i < count; i++)
		inputs[i] = (tokenize_input) {.text = queries[i], .pair = documents[i], .has_pair = true};
	items = task_make_items(context, model, inputs, count);
	for (size_t done = 0; items != NULL && done < count;)
	{
		size_t n = task_batch_items(items + done, count - done);
		arena_mark mark = arena_save(context->arena);
		bool scored = score_batch(context, model, is_identity, items + done, n, scores);

		arena_restore(context->arena, mark);
		if (!scored || tfm_stopped(context))
			return false;
		done += n;
	}
	return items != NULL;
}
