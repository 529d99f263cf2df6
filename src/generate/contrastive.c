/*
 * contrastive.c
 *	  Contrastive search: of the k likeliest tokens the one whose hidden state is least like those before.
 *
 * Su et al. 2022, as Transformers had it up to version 4: a candidate's score is (1 - alpha) times its
 * probability less alpha times the largest cosine of its hidden state with those of all tokens before it.
 * All candidates are run as copies of the sequence, of which the chosen one remains.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "generate/run.h"

#define CHUNK 64 /* tokens of a prompt whose scores are taken at once, for their hidden states */
#define SEQUENCES_AT_ONCE 64

typedef struct contrast
{
	gen_row row;
	buffer states; /* float [tokens][state_size], each of length 1 */
	buffer next;   /* float [vocabulary] scores of the next token */
} contrast;

typedef struct contrasts
{
	contrast *items; /* [prompt_count] */
	int64_t started, at_once, k;
	int32_t *copies; /* [at_once * k] sequences of the candidates of a step; -1: closed */
} contrasts;

/* The candidates of one row. */
typedef struct choices
{
	contrast *item;
	int32_t *ids;		  /* [k] */
	float *probabilities; /* [k] */
	double *logarithms;	  /* [k] of probabilities */
} choices;

static bool
begin_contrasts(tfm_context *context, gen_run *run)
{
	contrasts *all = tfm_alloc_zero(context, sizeof(contrasts));
	int64_t count = run->request.prompt_count, room;

	if (run->config->top_k > GEN_MAX_BEAMS)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"\"top_k\" must be at most %d where \"penalty_alpha\" is given",
						GEN_MAX_BEAMS);
	if (all == NULL)
		return false;
	run->state = all;
	all->k =
		run->config->top_k < run->decoder.vocabulary ? run->config->top_k : run->decoder.vocabulary;
	room = all->k + 1 > SEQUENCES_AT_ONCE ? all->k + 1 : SEQUENCES_AT_ONCE;
	all->at_once = gen_find_room(run, all->k + 1, room) / (all->k + 1);
	all->items = tfm_alloc_zero(context, ((size_t) count + 1) * sizeof(contrast));
	all->copies = tfm_alloc_array(context, (size_t) (all->at_once * all->k), sizeof(int32_t));
	if (all->items == NULL || all->copies == NULL)
		return false;
	for (int64_t i = 0; i < all->at_once * all->k; i++)
		all->copies[i] = -1;
	for (int64_t i = 0; i < count; i++)
		if (!gen_row_begin(context, run, &all->items[i].row, i, 0))
			return false;
	return true;
}

/* ---- Hidden states ---- */

/* Remember a hidden state, made one of length 1. */
static bool
add_state(tfm_context *context, const gen_run *run, contrast *item, const float *state)
{
	int64_t size = run->decoder.state_size;
	double squares = 0;
	float *to;

	if (!buffer_reserve(context, &item->states, (size_t) size * sizeof(float)))
		return false;
	for (int64_t i = 0; i < size; i++)
		squares += (double) state[i] * (double) state[i];
	to = (float *) (void *) (item->states.data + item->states.length);
	for (int64_t i = 0; i < size; i++)
		to[i] = (float) ((double) state[i] / sqrt(squares));
	item->states.length += (size_t) size * sizeof(float);
	return true;
}

/* The largest cosine of a state with those of the sequence. */
static double
find_likeness(const gen_run *run, const contrast *item, const float *state)
{
	int64_t size = run->decoder.state_size;
	const float *states = (const float *) (const void *) item->states.data;
	int64_t count = (int64_t) (item->states.length / ((size_t) size * sizeof(float)));
	double squares = 0, best = -INFINITY;

	for (int64_t i = 0; i < size; i++)
		squares += (double) state[i] * (double) state[i];
	for (int64_t t = 0; t < count; t++, states += size)
	{
		double sum = 0;

		for (int64_t i = 0; i < size; i++)
			sum += (double) states[i] * (double) state[i];
		best = sum > best ? sum : best;
	}
	return best / sqrt(squares);
}

static bool
keep_scores(tfm_context *context, const gen_run *run, contrast *item, const float *logits)
{
	item->next.length = 0;
	return buffer_append(context, &item->next, logits,
						 (size_t) run->decoder.vocabulary * sizeof(float));
}

/* Run a prompt, whose states are wanted from its beginning on. */
static bool
run_prompt(tfm_context *context, gen_run *run, contrast *item)
{
	gen_row *row = &item->row;
	int64_t padding = run->prompts[row->prompt].padding, left = gen_row_count(row) - padding;
	const int32_t *ids = gen_row_ids(row) + padding;
	float *logits = NULL, *states = NULL;

	while (row->given < left)
	{
		int64_t count = left - row->given < CHUNK ? left - row->given : CHUNK;
		arena_mark mark = arena_save(context->arena);
		run_step step = {
			.sequence = row->sequence, .ids = ids + row->given, .count = count, .wanted = count};

		if (!run->decoder.step(context, run->decoder.argument, &step, 1, &logits, &states))
			return false;
		for (int64_t i = 0; i < count; i++)
			if (!add_state(context, run, item, states + i * run->decoder.state_size))
				return false;
		row->given += count;
		if (row->given == left &&
			!keep_scores(context, run, item, logits + (count - 1) * run->decoder.vocabulary))
			return false;
		arena_restore(context->arena, mark);
	}
	return true;
}

static bool
begin_prompt(tfm_context *context, gen_run *run, contrast *item)
{
	gen_row *row = &item->row;
	int64_t given = 0;

	if (run->decoder.has_encoder)
	{
		if (!gen_open_prompts(context, run, &row->prompt, 1, &row->sequence, &given))
			return false;
	}
	else
		row->sequence = run->decoder.open(context, run->decoder.argument, NULL, 0, NULL);
	return row->sequence >= 0 && run_prompt(context, run, item);
}

/* ---- A step ---- */

static bool
find_choices(tfm_context *context, gen_run *run, contrast *item, int64_t k, choices *c)
{
	gen_row *row = &item->row;
	size_t bytes = (size_t) run->decoder.vocabulary * sizeof(float);
	gen_scores scores = {.values = tfm_alloc(context, bytes), .count = run->decoder.vocabulary};
	gen_prefix prefix = gen_row_prefix(run, row);
	const int32_t last = prefix.ids[prefix.count - 1];
	double logarithm;

	*c = (choices) {.item = item,
					.ids = tfm_alloc_array(context, (size_t) k, sizeof(int32_t)),
					.probabilities = tfm_alloc_array(context, (size_t) k, sizeof(float)),
					.logarithms = tfm_alloc_array(context, (size_t) k, sizeof(double))};
	if (scores.values == NULL || c->ids == NULL || c->probabilities == NULL ||
		c->logarithms == NULL)
		return false;
	memcpy(scores.values, item->next.data, bytes);
	if (run->config->output_logits && !gen_keep_logits(context, run, row, scores.values))
		return false;
	if (gen_is_guided(run) && !gen_guide_scores(context, run, &(gen_guide *) {&row->guide},
												&row->prompt, &last, 1, &scores.values))
		return false;
	if (!gen_process(context, run->processors, GEN_ALL, &prefix, &scores, 1))
		return false;
	gen_pick(scores.values, scores.count, k, c->ids);
	logarithm = gen_log_sum_exp(&scores);
	for (int64_t i = 0; i < k; i++)
	{
		c->logarithms[i] = (double) scores.values[c->ids[i]] - logarithm;
		c->probabilities[i] = (float) exp(c->logarithms[i]);
	}
	return true;
}

/* The best choice; states[k] are theirs. */
static int64_t
find_best(const gen_run *run, const choices *c, int64_t k, const float *states)
{
	double alpha = run->config->penalty_alpha;
	float best = -INFINITY;
	int64_t chosen = 0;

	for (int64_t i = 0; i < k; i++)
	{
		double likeness = find_likeness(run, c->item, states + i * run->decoder.state_size);
		float score = (float) (1 - alpha) * c->probabilities[i] - (float) (alpha * likeness);

		if (score > best)
		{
			best = score;
			chosen = i;
		}
	}
	return chosen;
}

/* The row goes on by the best of its choices, whose sequence becomes its own. */
static bool
take_choice(tfm_context *context, gen_run *run, const choices *c, int64_t k, int32_t *copies,
			const float *logits, const float *states)
{
	gen_row *row = &c->item->row;
	int64_t chosen = find_best(run, c, k, states), size = run->decoder.vocabulary;
	int32_t id = c->ids[chosen];

	run->decoder.close(run->decoder.argument, row->sequence, false);
	row->sequence = copies[chosen];
	copies[chosen] = -1;
	row->given++;
	if (run->config->output_scores)
	{
		row->score += c->logarithms[chosen];
		if (!gen_append_float(context, &row->scores, c->logarithms[chosen]))
			return false;
	}
	if (row->matcher != NULL && !gen_has_id(run->config->eos_token_id, id) &&
		!gen_matcher_accept(context, row->matcher, id))
		return false;
	row->finish = gen_check_end(context, run, row->prompt, gen_row_ids(row), gen_row_count(row), id,
								row->matcher);
	/* The next token is to be run, too, before it is chosen. */
	if (row->finish == GEN_UNFINISHED && row->given >= run->decoder.max_length)
		row->finish = GEN_LENGTH;
	context->usage.made++;
	return !tfm_failed(context) && gen_append_id(context, &row->ids, id) &&
		   keep_scores(context, run, c->item, logits + chosen * size) &&
		   add_state(context, run, c->item, states + chosen * run->decoder.state_size);
}

static void
close_copies(gen_run *run, contrasts *all)
{
	for (int64_t i = 0; i < all->at_once * all->k; i++)
	{
		if (all->copies[i] >= 0)
			run->decoder.close(run->decoder.argument, all->copies[i], false);
		all->copies[i] = -1;
	}
}

/* Run all choices of all rows at once. */
static bool
try_choices(tfm_context *context, gen_run *run, contrasts *all, choices *c, int64_t count)
{
	run_step *steps = tfm_alloc_array(context, (size_t) (count * all->k), sizeof(run_step));
	float *logits, *states;

	if (steps == NULL)
		return false;
	for (int64_t i = 0; i < count * all->k; i++)
	{
		choices *own = &c[i / all->k];

		all->copies[i] = run->decoder.fork(context, run->decoder.argument, own->item->row.sequence);
		if (all->copies[i] < 0)
			return false;
		steps[i] = (run_step) {
			.sequence = all->copies[i], .ids = &own->ids[i % all->k], .count = 1, .wanted = 1};
	}
	if (!run->decoder.step(context, run->decoder.argument, steps, count * all->k, &logits, &states))
		return false;
	for (int64_t i = 0; i < count; i++)
		if (!take_choice(context, run, &c[i], all->k, all->copies + i * all->k,
						 logits + i * all->k * run->decoder.vocabulary,
						 states + i * all->k * run->decoder.state_size))
			return false;
	close_copies(run, all);
	return true;
}

static void
close_item(gen_run *run, contrast *item, bool keep)
{
	if (item->row.sequence >= 0)
		run->decoder.close(run->decoder.argument, item->row.sequence, keep);
	item->row.sequence = -1;
	gen_guide_close(run, &item->row.guide);
}

static bool
advance_contrasts(tfm_context *context, gen_run *run, bool *more)
{
	contrasts *all = run->state;
	choices *c = tfm_alloc_array(context, (size_t) all->at_once, sizeof(choices));
	int64_t count = 0;

	if (c == NULL)
		return false;
	for (int64_t i = 0; i < run->request.prompt_count && count < all->at_once; i++)
	{
		contrast *item = &all->items[i];

		if (item->row.finish != GEN_UNFINISHED)
			continue;
		if ((item->row.sequence < 0 && !begin_prompt(context, run, item)) ||
			!find_choices(context, run, item, all->k, &c[count++]))
			return false;
	}
	if (count > 0 && !try_choices(context, run, all, c, count))
		return false;
	*more = false;
	for (int64_t i = 0; i < run->request.prompt_count; i++)
	{
		if (all->items[i].row.finish == GEN_UNFINISHED)
			*more = true;
		else
			close_item(run, &all->items[i], true);
	}
	return true;
}

/* ---- The end ---- */

static void
expire_contrasts(gen_run *run)
{
	contrasts *all = run->state;

	for (int64_t i = 0; i < run->request.prompt_count; i++)
		if (all->items[i].row.finish == GEN_UNFINISHED)
			all->items[i].row.finish = GEN_TIME;
}

static bool
contrast_results(tfm_context *context, gen_run *run, gen_sequence **sequences, int64_t *count)
{
	contrasts *all = run->state;

	*count = run->request.prompt_count;
	*sequences = tfm_alloc_array(context, (size_t) *count + 1, sizeof(gen_sequence));
	if (*sequences == NULL)
		return false;
	for (int64_t i = 0; i < *count; i++)
		(*sequences)[i] = gen_row_result(run, &all->items[i].row);
	return true;
}

static gen_sequence
contrast_partial(const gen_run *run, int64_t prompt)
{
	const contrasts *all = run->state;

	return gen_row_result(run, &all->items[prompt].row);
}

static void
close_contrasts(gen_run *run, bool keep)
{
	contrasts *all = run->state;

	close_copies(run, all);
	for (int64_t i = 0; i < run->request.prompt_count; i++)
		close_item(run, &all->items[i], keep);
}

static void
free_contrasts(gen_run *run)
{
	contrasts *all = run->state;

	for (int64_t i = 0; all->items != NULL && i < run->request.prompt_count; i++)
	{
		gen_row_free(&all->items[i].row);
		free(all->items[i].states.data);
		free(all->items[i].next.data);
	}
}

const gen_method gen_method_contrastive = {
	.name = "contrastive search",
	.begin = begin_contrasts,
	.step = advance_contrasts,
	.expire = expire_contrasts,
	.results = contrast_results,
	.partial = contrast_partial,
	.close = close_contrasts,
	.free = free_contrasts,
};
