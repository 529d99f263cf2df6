/*
 * beam.c
 *	  Hypotheses of beam searches, and their sequences in the decoder.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/beam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool
gen_beams_begin(tfm_context *context, gen_run *run, beam_set *set, int64_t prompt)
{
	size_t beams = (size_t) run->config->num_beams;
	gen_ids ids = run->prompts[prompt].ids;

	*set = (beam_set) {.prompt = prompt, .count = (int64_t) ids.count};
	set->beams = tfm_alloc_zero(context, beams * sizeof(hypothesis));
	set->next = tfm_alloc_zero(context, beams * sizeof(hypothesis));
	set->guides = tfm_alloc_array(context, beams, sizeof(gen_guide));
	set->scores = tfm_alloc_array(context, beams, sizeof(gen_scores));
	if (set->beams == NULL || set->next == NULL || set->guides == NULL || set->scores == NULL)
		return false;
	for (size_t i = 0; i < beams; i++)
	{
		set->beams[i].sequence = set->next[i].sequence = -1;
		set->guides[i].sequence = -1;
	}
	for (size_t i = 0; i < beams; i++)
		if (!buffer_append(context, &set->beams[i].ids, ids.ids, ids.count * sizeof(int32_t)))
			return false;
	return true;
}

void
gen_hypotheses_free(hypothesis *hypotheses, int64_t count)
{
	for (int64_t i = 0; hypotheses != NULL && i < count; i++)
	{
		free(hypotheses[i].ids.data);
		free(hypotheses[i].scores.data);
	}
}

void
gen_beams_free(const gen_run *run, beam_set *set)
{
	gen_hypotheses_free(set->beams, run->config->num_beams);
	gen_hypotheses_free(set->next, run->config->num_beams);
	set->beams = set->next = NULL;
}

static void
close_hypothesis(gen_run *run, hypothesis *h)
{
	if (h->sequence >= 0)
		run->decoder.close(run->decoder.argument, h->sequence, false);
	h->sequence = -1;
}

void
gen_beams_close(gen_run *run, beam_set *set)
{
	if (set->closed || set->beams == NULL || set->next == NULL || set->guides == NULL)
		return;
	for (int64_t i = 0; i < run->config->num_beams; i++)
	{
		close_hypothesis(run, &set->beams[i]);
		close_hypothesis(run, &set->next[i]);
		gen_guide_close(run, &set->guides[i]);
	}
	set->closed = true;
}

/* ---- Scores ---- */

/* Open the prompts of sets that have not begun; given: ids that the decoder has of them. */
static bool
open_sets(tfm_context *context, gen_run *run, beam_set **sets, int64_t count, int64_t *given)
{
	int64_t *numbers = tfm_alloc_array(context, (size_t) count, sizeof(int64_t)), n = 0;
	int64_t *places = tfm_alloc_array(context, (size_t) count, sizeof(int64_t));
	int64_t *had = tfm_alloc_array(context, (size_t) count, sizeof(int64_t));
	int32_t *sequences = tfm_alloc_array(context, (size_t) count, sizeof(int32_t));
	bool good;

	if (numbers == NULL || places == NULL || had == NULL || sequences == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
		if (!sets[i]->begun)
		{
			places[n] = i;
			numbers[n++] = sets[i]->prompt;
		}
	good = n == 0 || gen_open_prompts(context, run, numbers, n, sequences, had);
	for (int64_t i = 0; i < n; i++)
	{
		sets[places[i]]->beams[0].sequence = sequences[i];
		given[places[i]] = had[i];
	}
	return good;
}

/* What the decoder is given: of a set that begins the prompt once, else a token for each beam. */
static int64_t
add_steps(const gen_run *run, const beam_set *set, int64_t given, run_step *steps)
{
	int64_t padding = run->prompts[set->prompt].padding, count = 0;

	if (!set->begun)
	{
		steps[0] = (run_step) {.sequence = set->beams[0].sequence,
							   .ids = beam_ids(&set->beams[0]) + padding + given,
							   .count = set->count - padding - given,
							   .wanted = 1};
		return 1;
	}
	for (; count < run->config->num_beams; count++)
		steps[count] = (run_step) {.sequence = set->beams[count].sequence,
								   .ids = beam_ids(&set->beams[count]) + set->count - 1,
								   .count = 1,
								   .wanted = 1};
	return count;
}

/* Where the scores of a set's beams are: all begin with the same. */
static bool
share_scores(tfm_context *context, const gen_run *run, beam_set *set, float **logits)
{
	int64_t size = run->decoder.vocabulary;

	for (int64_t i = 0; i < run->config->num_beams; i++)
	{
		float *values = *logits;

		if (set->begun || i == 0)
		{
			gen_log_softmax(values, size);
			*logits += set->begun ? size : 0;
		}
		if (!set->begun && i > 0)
		{
			values = tfm_alloc_array(context, (size_t) size, sizeof(float));
			if (values == NULL)
				return false;
			memcpy(values, set->scores[0].values, (size_t) size * sizeof(float));
		}
		set->scores[i] = (gen_scores) {.values = values, .count = size};
	}
	if (!set->begun)
		*logits += size;
	set->begun = true;
	return true;
}

static bool
guide_set(tfm_context *context, gen_run *run, beam_set *set)
{
	int64_t beams = run->config->num_beams;
	gen_guide **guides = tfm_alloc_array(context, (size_t) beams, sizeof(gen_guide *));
	int64_t *prompts = tfm_alloc_array(context, (size_t) beams, sizeof(int64_t));
	int32_t *last = tfm_alloc_array(context, (size_t) beams, sizeof(int32_t));
	float **scores = tfm_alloc_array(context, (size_t) beams, sizeof(float *));

	if (guides == NULL || prompts == NULL || last == NULL || scores == NULL)
		return false;
	for (int64_t i = 0; i < beams; i++)
	{
		guides[i] = &set->guides[i];
		prompts[i] = set->prompt;
		last[i] = beam_ids(&set->beams[i])[set->count - 1];
		scores[i] = set->scores[i].values;
	}
	return gen_guide_scores(context, run, guides, prompts, last, beams, scores);
}

/* Matchers are made anew of what each beam has said. */
static bool
match_set(tfm_context *context, gen_run *run, beam_set *set)
{
	int64_t begin = (int64_t) run->prompts[set->prompt].ids.count;

	set->matchers = NULL;
	if (run->request.constraint == NULL)
		return true;
	set->matchers =
		tfm_alloc_array(context, (size_t) run->config->num_beams, sizeof(gen_matcher *));
	for (int64_t i = 0; set->matchers != NULL && i < run->config->num_beams; i++)
	{
		set->matchers[i] =
			gen_matcher_create(context, run->request.constraint, run->request.vocabulary);
		/* a beam that is dead has said what it may not */
		for (int64_t j = begin;
			 set->matchers[i] != NULL && j < set->count && set->beams[i].score > BEAM_DEAD / 2; j++)
			if (!gen_matcher_accept(context, set->matchers[i], beam_ids(&set->beams[i])[j]))
				return false;
	}
	return !tfm_failed(context);
}

bool
gen_beams_process(tfm_context *context, gen_run *run, beam_set *set, int64_t first, int64_t count,
				  gen_ids earlier)
{
	const gen_prompt *prompt = &run->prompts[set->prompt];
	gen_prefix *prefixes = tfm_alloc_array(context, (size_t) count, sizeof(gen_prefix));

	if (prefixes == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
		prefixes[i] = (gen_prefix) {
			.ids = beam_ids(&set->beams[first + i]),
			.count = set->count,
			.padding = prompt->padding,
			.prompt_length = (int64_t) prompt->ids.count,
			.min_length = prompt->min_length,
			.max_length = prompt->max_length,
			.prompt = set->prompt,
			.encoder = prompt->inputs,
			.earlier = earlier,
			.matcher = set->matchers == NULL ? NULL : set->matchers[first + i],
		};
	return gen_process(context, run->processors, GEN_ALL, prefixes, set->scores + first, count);
}

bool
gen_beams_step(tfm_context *context, gen_run *run, beam_set **sets, int64_t count, bool process)
{
	int64_t *given = tfm_alloc_zero(context, (size_t) count * sizeof(int64_t)), n = 0;
	run_step *steps =
		tfm_alloc_array(context, (size_t) (count * run->config->num_beams), sizeof(run_step));
	float *logits;

	if (given == NULL || steps == NULL || !open_sets(context, run, sets, count, given))
		return false;
	for (int64_t i = 0; i < count; i++)
		n += add_steps(run, sets[i], given[i], steps + n);
	if (!run->decoder.step(context, run->decoder.argument, steps, n, &logits, NULL))
		return false;
	for (int64_t i = 0; i < count; i++)
	{
		if (tfm_stopped(context) || !share_scores(context, run, sets[i], &logits) ||
			(gen_is_guided(run) && !guide_set(context, run, sets[i])) ||
			!match_set(context, run, sets[i]))
			return false;
		if (process &&
			!gen_beams_process(context, run, sets[i], 0, run->config->num_beams, (gen_ids) {0}))
			return false;
	}
	return true;
}

/* ---- Continuations ---- */

static int
compare_candidates(const void *a, const void *b)
{
	const candidate *x = a, *y = b;

	if (x->total != y->total)
		return x->total > y->total || isnan(y->total) ? -1 : 1;
	if (x->parent != y->parent)
		return x->parent - y->parent;
	return (x->id > y->id) - (x->id < y->id);
}

candidate
gen_make_candidate(const beam_set *set, int64_t beam, int32_t id)
{
	float step = set->scores[beam].values[id];

	return (candidate) {
		.parent = (int) beam, .id = id, .step = step, .total = step + set->beams[beam].score};
}

int64_t
gen_beams_keep(const gen_run *run, int64_t beams)
{
	int64_t ends = (int64_t) run->config->eos_token_id.count;
	int64_t keep = (ends > 1 ? 1 + ends : 2) * beams, most = beams * run->decoder.vocabulary;

	return keep < most ? keep : most;
}

bool
gen_beams_pick(tfm_context *context, const gen_run *run, const beam_set *set, int64_t first,
			   int64_t beams, int64_t keep, candidate *best)
{
	int64_t count = 0, size = run->decoder.vocabulary;
	candidate *all = tfm_alloc_array(context, (size_t) (beams * keep), sizeof(candidate));
	int32_t *ids = tfm_alloc_array(context, (size_t) keep, sizeof(int32_t));

	if (all == NULL || ids == NULL)
		return false;
	for (int64_t b = first; b < first + beams; b++)
	{
		int64_t n = gen_pick(set->scores[b].values, size, keep, ids);

		for (int64_t i = 0; i < n; i++)
			all[count++] = gen_make_candidate(set, b, ids[i]);
	}
	qsort(all, (size_t) count, sizeof(candidate), compare_candidates);
	memcpy(best, all, (size_t) keep * sizeof(candidate));
	return true;
}

/* ---- Going on ---- */

bool
gen_beam_copy(tfm_context *context, const gen_run *run, const hypothesis *from, int32_t id,
			  float step, hypothesis *h)
{
	h->ids.length = h->scores.length = 0;
	h->score = from->score;
	h->finish = from->finish;
	if (!buffer_append(context, &h->ids, from->ids.data, from->ids.length) ||
		!buffer_append(context, &h->scores, from->scores.data, from->scores.length))
		return false;
	if (id < 0)
		return true;
	if (run->config->output_scores && !gen_append_float(context, &h->scores, (double) step))
		return false;
	return gen_append_id(context, &h->ids, id);
}

bool
gen_beam_check(tfm_context *context, gen_run *run, const beam_set *set, candidate *c)
{
	gen_matcher *matcher = set->matchers == NULL ? NULL : set->matchers[c->parent];

	if (matcher != NULL && c->step > -INFINITY && c->total > BEAM_DEAD / 2 &&
		!gen_has_id(run->config->eos_token_id, c->id))
	{
		matcher = gen_matcher_copy(context, matcher);
		if (matcher == NULL || !gen_matcher_accept(context, matcher, c->id))
			return false;
	}
	else
		matcher = NULL;
	c->finish = gen_check_end(context, run, set->prompt, beam_ids(&set->beams[c->parent]),
							  set->count, c->id, matcher);
	return !tfm_failed(context);
}

bool
gen_beams_advance(tfm_context *context, gen_run *run, beam_set *set, const candidate *chosen)
{
	hypothesis *grown = set->next;
	int64_t beams = run->config->num_beams;
	int32_t *sequences = tfm_alloc_array(context, (size_t) beams, sizeof(int32_t));

	if (sequences == NULL)
		return false;
	for (int64_t i = 0; i < beams; i++)
	{
		/* before the first step all beams are in the first's sequence */
		sequences[i] =
			set->beams[i].sequence >= 0 ? set->beams[i].sequence : set->beams[0].sequence;
		if (!gen_beam_copy(context, run, &set->beams[chosen[i].parent], chosen[i].id,
						   chosen[i].step, &grown[i]))
			return false;
		grown[i].score = chosen[i].total;
	}
	for (int64_t i = 0; i < beams; i++)
	{
		hypothesis *parent = &set->beams[chosen[i].parent];
		int32_t from = sequences[chosen[i].parent];

		if (parent->sequence >= 0)
		{
			grown[i].sequence = from;
			parent->sequence = -1;
			continue;
		}
		grown[i].sequence = run->decoder.fork(context, run->decoder.argument, from);
		if (grown[i].sequence < 0)
			return false;
	}
	for (int64_t i = 0; i < beams; i++)
		close_hypothesis(run, &set->beams[i]);
	set->next = set->beams;
	set->beams = grown;
	set->count++;
	return true;
}

gen_sequence
gen_beam_result(const gen_run *run, int64_t prompt, const hypothesis *h)
{
	int64_t begin = (int64_t) run->prompts[prompt].ids.count;
	int64_t count = (int64_t) (h->ids.length / sizeof(int32_t));

	return (gen_sequence) {
		.prompt = prompt,
		.begin = gen_prompt_begin(&run->prompts[prompt]),
		.ids = count > begin ? beam_ids(h) + begin : NULL,
		.count = count > begin ? count - begin : 0,
		.finish = h->finish,
		.score = (double) h->score,
		.scores = run->config->output_scores ? (const float *) (const void *) h->scores.data : NULL,
	};
}
