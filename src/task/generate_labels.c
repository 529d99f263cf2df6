/*
 * generate_labels.c
 *	  Which label a text generator gives a text.
 *
 * The answer is constrained to the labels: at each of its tokens those that lead to no label are
 * left out, and what remains makes up the whole probability.  A label's score is the product along
 * its tokens.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/generate.h"

#include <math.h>
#include <string.h>

#include "generate/scores.h"
#include "task/generate_plan.h"

#define MAX_LABELS 256

typedef struct labels
{
	const generate_plan *plan;
	gen_ids *ids; /* [count] of each label as the text goes on */
	size_t count;
} labels;

static tfm_text
make_instruction(tfm_context *context, const tfm_text *names, size_t count)
{
	buffer *b = buffer_create(context);

	if (b == NULL)
		return (tfm_text) {"", 0};
	buffer_append_string(context, b,
						 "Classify the text below. Answer with one of these labels only: ");
	for (size_t i = 0; i < count; i++)
	{
		buffer_append_string(context, b, i == 0 ? "" : ", ");
		buffer_append(context, b, names[i].data, names[i].length);
	}
	buffer_append_string(context, b, ".");
	return (tfm_text) {b->data, b->length};
}

/* The logarithm of the probability of id among scores that are not masked. */
static double
log_probability(const float *scores, int64_t count, int32_t id)
{
	float most = gen_max(scores, count);

	if (isinf(most))
		return -INFINITY;
	return (double) scores[id] - (double) most - log(gen_sum_exp(scores, count, most, NULL));
}

/* The score of a label, along rows [ids.count + 1] of scores: before each token, and at its end. */
static bool
score_label(tfm_context *context, const labels *l, gen_ids ids, const float *prompt_scores,
			const float *rows, double *score)
{
	const gen_ids *ends = &l->plan->config.eos_token_id;
	int64_t columns = run_session_vocabulary(l->plan->session);
	float *scores = tfm_alloc_array(context, (size_t) columns, sizeof(float));
	gen_matcher *matcher = gen_matcher_create(context, l->plan->constraint, l->plan->vocabulary);

	*score = 0.0;
	for (size_t i = 0; scores != NULL && matcher != NULL && i <= ids.count; i++)
	{
		const float *from = i == 0 ? prompt_scores : rows + (int64_t) (i - 1) * columns;
		int32_t id = i < ids.count ? ids.ids[i] : ends->count > 0 ? ends->ids[0] : -1;

		if (id < 0 || (i == ids.count && gen_matcher_must_end(matcher)))
			break;
		memcpy(scores, from, (size_t) columns * sizeof(float));
		if (!gen_matcher_mask(context, matcher, scores, ends->ids, ends->count))
			return false;
		*score += log_probability(scores, columns, id);
		if (i < ids.count && !gen_matcher_accept(context, matcher, id))
			return false;
	}
	return !tfm_failed(context);
}

/* Scores of all labels after a prompt: every label is a copy of its sequence that goes on. */
static bool
score_labels(tfm_context *context, const labels *l, int32_t prompt, const float *prompt_scores,
			 double *scores)
{
	run_session *session = l->plan->session;
	run_step *steps = tfm_alloc_array(context, l->count, sizeof(run_step));
	int64_t columns = run_session_vocabulary(session);
	float *rows;
	size_t opened = 0;
	bool done;

	for (; steps != NULL && opened < l->count; opened++)
	{
		steps[opened] = (run_step) {
			.sequence = run_session_fork(context, session, prompt),
			.ids = l->ids[opened].ids,
			.count = (int64_t) l->ids[opened].count,
			.wanted = (int64_t) l->ids[opened].count,
		};
		if (steps[opened].sequence < 0)
			break;
	}
	done = !tfm_failed(context) &&
		   run_session_step(context, session, steps, (int64_t) l->count, &rows, NULL);
	for (size_t i = 0; i < opened; i++)
		run_session_close(session, steps[i].sequence, false);
	for (size_t i = 0; done && i < l->count; i++)
	{
		done = score_label(context, l, l->ids[i], prompt_scores, rows, &scores[i]);
		rows += (int64_t) l->ids[i].count * columns;
	}
	return done;
}

/* Logarithms to shares of 1. */
static void
normalize_scores(double *scores, size_t count)
{
	double most = -INFINITY, sum = 0.0;

	for (size_t i = 0; i < count; i++)
		most = fmax(most, scores[i]);
	for (size_t i = 0; i < count; i++)
		sum += scores[i] = exp(scores[i] - most);
	for (size_t i = 0; i < count; i++)
		scores[i] /= sum;
}

static bool
check_labels(tfm_context *context, const generate_plan *plan, const tfm_text *names, size_t count)
{
	if (run_session_has_encoder(plan->session))
		return tfm_fail(context, TFM_UNSUPPORTED,
						"labels are not supported for encoder-decoder models");
	if (count < 1 || count > MAX_LABELS)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "there must be 1 to %d labels", MAX_LABELS);
	for (size_t i = 0; i < count; i++)
		if (names[i].length == 0)
			return tfm_fail(context, TFM_INVALID_ARGUMENT, "a label must not be empty");
	return true;
}

bool
task_choose_label(tfm_context *context, const generate_request *request, tfm_text text,
				  const tfm_text *names, size_t count, double *scores)
{
	generate_plan plan;
	labels l = {.plan = &plan, .count = count};
	gen_ids prompt;
	run_step step;
	int64_t reused;
	float *prompt_scores;
	bool done;

	if (!generate_plan_make(context, request, true, &plan) ||
		!check_labels(context, &plan, names, count))
		return false;
	plan.constraint = gen_constrain_choices(context, names, count);
	plan.vocabulary = generate_plan_vocabulary(context, request->generator);
	l.ids = tfm_alloc_array(context, count, sizeof(gen_ids));
	for (size_t i = 0; l.ids != NULL && i < count; i++)
		if (!generate_plan_encode(context, &plan, names[i], false, &l.ids[i]))
			return false;
	if (tfm_failed(context) ||
		!generate_plan_prompt(context, &plan, make_instruction(context, names, count), text,
							  &prompt))
		return false;
	step = (run_step) {.wanted = 1};
	step.sequence =
		run_session_open(context, plan.session, prompt.ids, (int64_t) prompt.count, &reused);
	if (step.sequence < 0)
		return false;
	step.ids = prompt.ids + reused;
	step.count = (int64_t) prompt.count - reused;
	done = run_session_step(context, plan.session, &step, 1, &prompt_scores, NULL) &&
		   score_labels(context, &l, step.sequence, prompt_scores, scores);
	run_session_close(plan.session, step.sequence, done);
	if (done)
		normalize_scores(scores, count);
	return done;
}
