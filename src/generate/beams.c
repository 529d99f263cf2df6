/*
 * beams.c
 *	  Beam search and beam sampling, as Transformers' _beam_search.
 *
 * Of all beams of a prompt the best (1 + ends) * num_beams continuations are looked at, so that enough are left
 * when the best of them end: num_beams go on, and the best that ended are kept with their scores, divided by a power
 * of their length.  Scores of what does not count are lowered by 1e9, in floats, as there.
 *
 * In a padded batch Transformers ends all prompts together; else each ends by itself.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "generate/beam.h"
#include "generate/sampling.h"

#define BEAMS_AT_ONCE 64

/* One prompt's search. */
typedef struct beam_search
{
	beam_set set;
	hypothesis *done, *done_next; /* [num_beams] the best that have ended, best first */
	bool improvable;			  /* whether what goes on could be better than what has ended */
	bool all_hit;				  /* all continuations ended */
	bool over;
	gen_random random;
} beam_search;

typedef struct beam_searches
{
	beam_search *items; /* [prompt_count] */
	int64_t started, at_once;
	bool alive; /* of a padded batch */
} beam_searches;

static bool
begin_item(tfm_context *context, gen_run *run, beam_search *item, int64_t prompt)
{
	size_t beams = (size_t) run->config->num_beams;

	if (!gen_beams_begin(context, run, &item->set, prompt))
		return false;
	item->done = tfm_alloc_zero(context, beams * sizeof(hypothesis));
	item->done_next = tfm_alloc_zero(context, beams * sizeof(hypothesis));
	if (item->done == NULL || item->done_next == NULL)
		return false;
	item->improvable = true;
	gen_random_seed(&item->random, run->config->seed, 0);
	for (size_t i = 0; i < beams; i++)
	{
		/* One alone counts at first, or all would be the same. */
		item->set.beams[i].score = i == 0 ? 0 : BEAM_DEAD;
		item->done[i].sequence = item->done_next[i].sequence = -1;
		item->done[i].score = BEAM_DEAD;
	}
	return true;
}

static bool
begin_beams(tfm_context *context, gen_run *run)
{
	int64_t beams = run->config->num_beams, count = run->request.prompt_count;
	beam_searches *all = tfm_alloc_zero(context, sizeof(beam_searches));

	run->state = all;
	if (all == NULL)
		return false;
	all->items = tfm_alloc_zero(context, ((size_t) count + 1) * sizeof(beam_search));
	if (all->items == NULL)
		return false;
	all->alive = true;
	all->at_once =
		run->request.padded
			? count
			: gen_find_room(run, beams, beams > BEAMS_AT_ONCE ? beams : BEAMS_AT_ONCE) / beams;
	for (int64_t i = 0; i < count; i++)
		if (!begin_item(context, run, &all->items[i], i))
			return false;
	return true;
}

/* ---- Continuations ---- */

/* Continuations drawn without putting back, in the order in which they were drawn. */
static bool
draw_some(tfm_context *context, const gen_run *run, beam_search *item, candidate *drawn,
		  int64_t keep)
{
	const beam_set *set = &item->set;
	int64_t beams = run->config->num_beams, size = run->decoder.vocabulary, n;
	float *weights = tfm_alloc_array(context, (size_t) (beams * size), sizeof(float)), best;
	int64_t *places = tfm_alloc_array(context, (size_t) keep, sizeof(int64_t));

	if (weights == NULL || places == NULL)
		return false;
	for (int64_t b = 0; b < beams; b++)
		for (int64_t i = 0; i < size; i++)
			weights[b * size + i] = set->scores[b].values[i] + set->beams[b].score;
	best = gen_max(weights, beams * size);
	gen_sum_exp(weights, beams * size, best, weights);
	n = gen_draw_several(context, weights, beams * size, keep, &item->random, places);
	for (int64_t i = 0; i < n; i++)
		drawn[i] = gen_make_candidate(set, places[i] / size, (int32_t) (places[i] % size));
	/* Transformers gives up where there are too few; what is impossible fills the rest. */
	for (int64_t i = n; i < keep; i++)
	{
		drawn[i] = gen_make_candidate(set, 0, (int32_t) (i % size));
		drawn[i].total = drawn[i].step = -INFINITY;
	}
	return !tfm_failed(context);
}

/* ---- What goes on and what has ended ---- */

/* The count best of scores[], equal ones in their order: places[count]. */
static bool
sort_places(tfm_context *context, const float *scores, int64_t total, int64_t count,
			int64_t *places)
{
	int32_t *best = tfm_alloc_array(context, (size_t) count, sizeof(int32_t));

	if (best == NULL)
		return false;
	gen_pick(scores, total, count, best);
	for (int64_t i = 0; i < count; i++)
		places[i] = best[i];
	return true;
}

/* The beams go on with the best that have not ended. */
static bool
go_on(tfm_context *context, gen_run *run, beam_search *item, const candidate *candidates,
	  int64_t keep)
{
	int64_t beams = run->config->num_beams;
	float *scores = tfm_alloc_array(context, (size_t) keep, sizeof(float));
	int64_t *places = tfm_alloc_array(context, (size_t) beams, sizeof(int64_t));
	candidate *chosen = tfm_alloc_array(context, (size_t) beams, sizeof(candidate));

	if (scores == NULL || places == NULL || chosen == NULL)
		return false;
	item->all_hit = true;
	for (int64_t i = 0; i < keep; i++)
	{
		bool hit = candidates[i].finish != GEN_UNFINISHED;

		scores[i] = candidates[i].total + (hit ? BEAM_DEAD : 0);
		item->all_hit &= hit;
	}
	if (!sort_places(context, scores, keep, beams, places))
		return false;
	for (int64_t i = 0; i < beams; i++)
	{
		chosen[i] = candidates[places[i]];
		chosen[i].total = scores[places[i]];
	}
	return gen_beams_advance(context, run, &item->set, chosen);
}

static bool
is_full(const gen_run *run, const beam_search *item)
{
	for (int64_t i = 0; i < run->config->num_beams; i++)
		if (item->done[i].finish == GEN_UNFINISHED)
			return false;
	return true;
}

/* What a continuation would be worth among those that have ended. */
static float
rate(const gen_run *run, const beam_search *item, const candidate *c, bool may_end, bool full)
{
	int64_t length = item->set.count + 1 - (int64_t) run->prompts[item->set.prompt].ids.count;
	float score = c->total / (float) pow((double) length, run->config->length_penalty);

	if (full && run->config->early_stopping == EARLY_STOPPING_TRUE)
		score += BEAM_DEAD;
	if (!item->improvable)
		score += BEAM_DEAD;
	if (!may_end || c->finish == GEN_UNFINISHED)
		score += BEAM_DEAD;
	return score;
}

/* Those that have ended: the best of what there was and what ends now. */
static bool
keep_ended(tfm_context *context, gen_run *run, beam_search *item, const candidate *candidates,
		   int64_t keep)
{
	int64_t beams = run->config->num_beams;
	float *scores = tfm_alloc_array(context, (size_t) (beams + keep), sizeof(float));
	int64_t *places = tfm_alloc_array(context, (size_t) beams, sizeof(int64_t));
	bool full = is_full(run, item);
	hypothesis *kept = item->done_next;

	if (scores == NULL || places == NULL)
		return false;
	for (int64_t i = 0; i < beams; i++)
		scores[i] = item->done[i].score;
	for (int64_t i = 0; i < keep; i++)
		scores[beams + i] = rate(run, item, &candidates[i], i < beams, full);
	if (!sort_places(context, scores, beams + keep, beams, places))
		return false;
	for (int64_t i = 0; i < beams; i++)
	{
		int64_t place = places[i] - beams;
		const candidate *c = place < 0 ? NULL : &candidates[place];
		const hypothesis *from = c == NULL ? &item->done[places[i]] : &item->set.beams[c->parent];

		if (!gen_beam_copy(context, run, from, c == NULL ? -1 : c->id, c == NULL ? 0 : c->step,
						   &kept[i]))
			return false;
		kept[i].score = scores[places[i]];
		if (c != NULL)
			kept[i].finish = place < beams ? c->finish : GEN_UNFINISHED;
	}
	item->done_next = item->done;
	item->done = kept;
	return true;
}

/* Whether the best that goes on could still be better than the worst that has ended. */
static bool
can_improve(const gen_run *run, const beam_search *item)
{
	const gen_config *config = run->config;
	const gen_prompt *prompt = &run->prompts[item->set.prompt];
	bool hopeful = config->early_stopping == EARLY_STOPPING_NEVER && config->length_penalty > 0;
	int64_t length = (hopeful ? prompt->max_length : item->set.count) - (int64_t) prompt->ids.count;
	float best = item->set.beams[0].score / (float) pow((double) length, config->length_penalty);
	float worst = item->done[0].score;

	for (int64_t i = 1; i < config->num_beams; i++)
		worst = item->done[i].score < worst ? item->done[i].score : worst;
	for (int64_t i = 0; i < config->num_beams; i++)
		if (best > (item->done[i].finish != GEN_UNFINISHED ? worst : BEAM_DEAD))
			return true;
	return false;
}

static bool
advance_item(tfm_context *context, gen_run *run, beam_search *item)
{
	int64_t beams = run->config->num_beams, keep = gen_beams_keep(run, beams);
	candidate *candidates = tfm_alloc_array(context, (size_t) keep, sizeof(candidate));

	if (candidates == NULL)
		return false;
	if (!(run->config->do_sample
			  ? draw_some(context, run, item, candidates, keep)
			  : gen_beams_pick(context, run, &item->set, 0, beams, keep, candidates)))
		return false;
	for (int64_t i = 0; i < keep; i++)
		if (!gen_beam_check(context, run, &item->set, &candidates[i]))
			return false;
	if (!keep_ended(context, run, item, candidates, keep) ||
		!go_on(context, run, item, candidates, keep))
		return false;
	item->improvable = item->improvable && can_improve(run, item);
	return true;
}

/* ---- Steps ---- */

static void
end_item(gen_run *run, beam_search *item)
{
	item->over = true;
	gen_beams_close(run, &item->set);
}

/* End what is over: each by itself, or in a padded batch all at once. */
static void
end_items(gen_run *run, beam_searches *all)
{
	bool early = run->config->early_stopping == EARLY_STOPPING_TRUE;
	bool improvable = false, full = true, hit = true;

	for (int64_t i = 0; i < all->started; i++)
	{
		beam_search *item = &all->items[i];
		bool filled = is_full(run, item), settled = filled && (early || !item->improvable);

		improvable |= item->improvable;
		full &= filled;
		hit &= item->over || item->all_hit;
		if (item->over)
			continue;
		/* What is settled does not change any more, whatever the others do. */
		if (settled || (!run->request.padded && (!item->improvable || item->all_hit)))
			end_item(run, item);
	}
	if (run->request.padded && (!improvable || (full && early) || hit))
		all->alive = false;
}

static int64_t
list_open(beam_searches *all, beam_set **sets, beam_search **items)
{
	int64_t count = 0;

	for (int64_t i = 0; i < all->started; i++)
		if (!all->items[i].over)
		{
			items[count] = &all->items[i];
			sets[count++] = &all->items[i].set;
		}
	return count;
}

static bool
advance_beams(tfm_context *context, gen_run *run, bool *more)
{
	beam_searches *all = run->state;
	size_t size = (size_t) run->request.prompt_count + 1;
	beam_set **sets = tfm_alloc_array(context, size, sizeof(beam_set *));
	beam_search **items = tfm_alloc_array(context, size, sizeof(beam_search *));
	int64_t count;

	if (sets == NULL || items == NULL)
		return false;
	count = list_open(all, sets, items);
	while (count < all->at_once && all->started < run->request.prompt_count)
	{
		items[count] = &all->items[all->started];
		sets[count++] = &all->items[all->started++].set;
	}
	if (count > 0 && !gen_beams_step(context, run, sets, count, true))
		return false;
	for (int64_t i = 0; i < count; i++)
		if (!advance_item(context, run, items[i]))
			return false;
	end_items(run, all);
	for (int64_t i = 0; i < all->started && !all->alive; i++)
		end_item(run, &all->items[i]);
	*more = all->started < run->request.prompt_count || list_open(all, sets, items) > 0;
	return true;
}

/* ---- The end ---- */

/* Where nothing has ended yet, what there is counts. */
static void
expire_item(const gen_run *run, beam_search *item)
{
	int64_t next = 0;

	for (int64_t i = 0; i < run->config->num_beams; i++)
	{
		hypothesis *done = &item->done[i], swapped = *done;
		int64_t length = item->set.count - (int64_t) run->prompts[item->set.prompt].ids.count;

		if (done->finish != GEN_UNFINISHED)
			continue;
		*done = item->set.beams[next];
		item->set.beams[next++] = swapped;
		item->set.beams[next - 1].sequence = done->sequence;
		done->sequence = -1;
		done->finish = GEN_TIME;
		done->score /= (float) pow(length > 0 ? (double) length : 1, run->config->length_penalty);
	}
}

static void
expire_beams(gen_run *run)
{
	beam_searches *all = run->state;

	for (int64_t i = 0; i < run->request.prompt_count; i++)
		if (!all->items[i].over)
			expire_item(run, &all->items[i]);
}

static bool
beam_results(tfm_context *context, gen_run *run, gen_sequence **sequences, int64_t *count)
{
	beam_searches *all = run->state;
	int64_t wanted = run->config->num_return_sequences;

	*count = run->request.prompt_count * wanted;
	*sequences = tfm_alloc_array(context, (size_t) *count + 1, sizeof(gen_sequence));
	if (*sequences == NULL)
		return false;
	for (int64_t i = 0; i < *count; i++)
		(*sequences)[i] =
			gen_beam_result(run, i / wanted, &all->items[i / wanted].done[i % wanted]);
	return true;
}

static void
close_beams(gen_run *run, bool keep)
{
	beam_searches *all = run->state;

	(void) keep;
	for (int64_t i = 0; all->items != NULL && i < run->request.prompt_count; i++)
		gen_beams_close(run, &all->items[i].set);
}

static void
free_beams(gen_run *run)
{
	beam_searches *all = run->state;

	for (int64_t i = 0; all->items != NULL && i < run->request.prompt_count; i++)
	{
		beam_search *item = &all->items[i];

		gen_beams_free(run, &item->set);
		gen_hypotheses_free(item->done, run->config->num_beams);
		gen_hypotheses_free(item->done_next, run->config->num_beams);
	}
}

const gen_method gen_method_beams = {
	.name = "beam search",
	.begin = begin_beams,
	.step = advance_beams,
	.expire = expire_beams,
	.results = beam_results,
	.close = close_beams,
	.free = free_beams,
};
