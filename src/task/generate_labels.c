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

/* Rows of scores of the whole vocabulary that are held at once, about. */
#define ROWS_AT_ONCE 128

typedef struct labels
{
	const generate_plan *plan;
	gen_decoder decoder;
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

/* Sequences of labels that go on from prompts, and what steps give them. */
typedef struct branches
{
	run_step *steps; /* [prompts * labels], those of a prompt one after the other */
	size_t opened;
} branches;

static bool
open_branches(tfm_context *context, const labels *l, const run_step *prompts, size_t count,
			  branches *b)
{
	b->steps = tfm_alloc_array(context, count * l->count, sizeof(run_step));
	for (b->opened = 0; b->steps != NULL && b->opened < count * l->count; b->opened++)
	{
		const gen_ids *ids = &l->ids[b->opened % l->count];
		int32_t sequence =
			l->decoder.fork(context, l->decoder.argument, prompts[b->opened / l->count].sequence);

		if (sequence < 0)
			return false;
		b->steps[b->opened] = (run_step) {.sequence = sequence,
										  .ids = ids->ids,
										  .count = (int64_t) ids->count,
										  .wanted = (int64_t) ids->count};
	}
	return b->steps != NULL;
}

/*
 * Scores of all labels after count prompts, which have been run: every label is a copy of the
 * prompt's sequence that goes on.
 */
static bool
score_labels(tfm_context *context, const labels *l, const run_step *prompts, size_t count,
			 const float *prompt_rows, double *scores)
{
	const gen_decoder *d = &l->decoder;
	branches b = {0};
	float *rows = NULL;
	bool done = open_branches(context, l, prompts, count, &b) &&
				d->step(context, d->argument, b.steps, (int64_t) b.opened, &rows, NULL);

	for (size_t i = 0; i < b.opened; i++)
		d->close(d->argument, b.steps[i].sequence, false);
	for (size_t i = 0; done && i < b.opened; i++)
	{
		done =
			score_label(context, l, l->ids[i % l->count],
						prompt_rows + (int64_t) (i / l->count) * d->vocabulary, rows, &scores[i]);
		rows += b.steps[i].count * d->vocabulary;
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

/* A sequence for each prompt, and its step of what no other has computed. */
static size_t
open_prompts(tfm_context *context, const gen_decoder *d, const gen_ids *prompts, size_t count,
			 run_step *steps)
{
	size_t opened = 0;

	for (; opened < count; opened++)
	{
		const gen_ids *prompt = &prompts[opened];
		int64_t reused;
		int32_t sequence =
			d->open(context, d->argument, prompt->ids, (int64_t) prompt->count, &reused);

		if (sequence < 0)
			break;
		steps[opened] = (run_step) {.sequence = sequence,
									.ids = prompt->ids + reused,
									.count = (int64_t) prompt->count - reused,
									.wanted = 1};
	}
	return opened;
}

/* Scores of all labels for texts that go together. */
static bool
label_group(tfm_context *context, const labels *l, const gen_ids *prompts, size_t count,
			double *scores)
{
	const gen_decoder *d = &l->decoder;
	run_step *steps = tfm_alloc_array(context, count, sizeof(run_step));
	size_t opened = steps == NULL ? 0 : open_prompts(context, d, prompts, count, steps);
	float *rows;
	bool done = opened == count && !tfm_failed(context) &&
				d->step(context, d->argument, steps, (int64_t) count, &rows, NULL) &&
				score_labels(context, l, steps, count, rows, scores);

	for (size_t i = 0; i < opened; i++)
		d->close(d->argument, steps[i].sequence, done);
	for (size_t i = 0; done && i < count; i++)
		normalize_scores(scores + i * l->count, l->count);
	return done;
}

/* Ids of the labels; how many there are in all. */
static size_t
encode_labels(tfm_context *context, labels *l, const tfm_text *names)
{
	size_t tokens = 0;

	l->ids = tfm_alloc_array(context, l->count, sizeof(gen_ids));
	for (size_t i = 0; l->ids != NULL && i < l->count; i++)
	{
		if (!generate_plan_encode(context, l->plan, names[i], false, &l->ids[i]))
			return 0;
		tokens += l->ids[i].count;
	}
	return tokens;
}

static gen_ids *
make_prompts(tfm_context *context, const generate_plan *plan, tfm_text instruction,
			 const tfm_text *texts, size_t count)
{
	gen_ids *prompts = tfm_alloc_array(context, count, sizeof(gen_ids));

	for (size_t i = 0; prompts != NULL && i < count; i++)
		if (!generate_plan_prompt(context, plan, instruction, texts[i], &prompts[i]))
			return NULL;
	return prompts;
}

bool
task_choose_labels(tfm_context *context, const generate_request *request, const tfm_text *texts,
				   size_t count, const tfm_text *names, size_t label_count, double *scores)
{
	generate_plan plan;
	labels l = {.plan = &plan, .count = label_count};
	tfm_text instruction = request->instruction;
	gen_ids *prompts;
	size_t tokens, group;

	if (!generate_plan_make(context, request, true, &plan) ||
		!check_labels(context, &plan, names, label_count))
		return false;
	l.decoder = generate_plan_decoder(&plan);
	plan.constraint = gen_constrain_choices(context, names, label_count);
	plan.vocabulary = generate_plan_vocabulary(context, request->generator);
	tokens = encode_labels(context, &l, names);
	if (instruction.length == 0)
		instruction = make_instruction(context, names, label_count);
	if (tfm_failed(context))
		return false;
	prompts = make_prompts(context, &plan, instruction, texts, count);
	group = tokens < ROWS_AT_ONCE ? ROWS_AT_ONCE / (tokens == 0 ? 1 : tokens) : 1;
	for (size_t first = 0; prompts != NULL && first < count; first += group)
	{
		size_t n = count - first < group ? count - first : group;
		arena_mark mark = arena_save(context->arena);
		bool done = label_group(context, &l, prompts + first, n, scores + first * label_count);

		arena_restore(context->arena, mark);
		if (!done || tfm_stopped(context))
			return false;
	}
	return prompts != NULL;
}
