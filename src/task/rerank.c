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

/* Where scores go. */
typedef struct scoring
{
	double *scores;
	bool is_identity;
} scoring;

static bool
take_score(tfm_context *context, void *argument, size_t place, const task_rows *outputs)
{
	const scoring *s = argument;
	double logit;

	if (outputs[0].data == NULL)
		return tfm_fail(context, TFM_INTERNAL, "a classifier gave no logits");
	logit = outputs[0].data[0];
	s->scores[place] = s->is_identity ? logit : 1.0 / (1.0 + exp(-logit));
	return true;
}

bool
task_rerank(tfm_context *context, const run_model *model, const tfm_text *queries,
			const tfm_text *documents, size_t count, double *scores)
{
	static const char *const outputs[] = {"logits", NULL};
	tokenize_input *inputs = tfm_alloc_array(context, count, sizeof(tokenize_input));
	scoring s = {.scores = scores};
	task_item *items;

	if (inputs == NULL || !check_model(context, model) ||
		!read_activation(context, model, &s.is_identity))
		return false;
	for (size_t i = 0; i < count; i++)
		inputs[i] = (tokenize_input) {.text = queries[i], .pair = documents[i], .has_pair = true};
	items = task_make_items(context, model, inputs, count);
	return items != NULL && task_run_items(context, model, items, count, outputs, take_score, &s);
}
