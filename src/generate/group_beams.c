/*
 * group_beams.c
 *	  Diverse beam search, in groups that avoid each other's words, and beam search with words that must
 *	  appear.
 *
 * Both are as Transformers had them up to version 4: BeamSearchScorer and ConstrainedBeamSearchScorer
 * (Vijayakumar et al. 2016; Post and Vilar 2018).  Each group keeps the best of its size that have
 * ended, and is done when what goes on cannot be better.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "generate/beam.h"
#include "generate/force_words.h"

#define BEAMS_AT_ONCE 64

/* A group of beams of one prompt. */
typedef struct beam_group
{
	hypothesis *ended; /* [size + 1] in the order in which they ended */
	double *scores;	   /* [size + 1] */
	int64_t count;
	double worst;
	bool done;
} beam_group;

typedef struct group_search
{
	beam_set set;
	beam_group *groups; /* [num_beam_groups] */
	candidate *chosen;	/* [num_beams] of a step */
	bool over;
} group_search;

typedef struct group_searches
{
	group_search *items; /* [prompt_count] */
	int64_t started, at_once;
	int64_t groups, size; /* of each prompt; beams of each group */
} group_searches;

static bool
begin_item(tfm_context *context, gen_run *run, const group_searches *all, group_search *item,
		   int64_t prompt)
{
	size_t size = (size_t) all->size + 1;

	if (!gen_beams_begin(context, run, &item->set, prompt))
		return false;
	item->groups = tfm_alloc_zero(context, (size_t) all->groups * sizeof(beam_group));
	item->chosen = tfm_alloc_array(context, (size_t) run->config->num_beams, sizeof(candidate));
	if (item->groups == NULL || item->chosen == NULL)
		return false;
	for (int64_t g = 0; g < all->groups; g++)
	{
		item->groups[g].worst = 1e9;
		item->groups[g].ended = tfm_alloc_zero(context, size * sizeof(hypothesis));
		item->groups[g].scores = tfm_alloc_array(context, size, sizeof(double));
		if (item->groups[g].ended == NULL || item->groups[g].scores == NULL)
			return false;
	}
	for (int64_t i = 0; i < run->config->num_beams; i++)
		item->set.beams[i].score = i % all->size == 0 ? 0 : BEAM_DEAD;
	return true;
}

static bool
begin_groups(tfm_context *context, gen_run *run)
{
	int64_t beams = run->config->num_beams, count = run->request.prompt_count;
	int64_t limit = beams > BEAMS_AT_ONCE ? beams : BEAMS_AT_ONCE;
	group_searches *all = tfm_alloc_zero(context, sizeof(group_searches));

	if (all == NULL || !gen_words_check(context, &run->config->force_words))
		return false;
	run->state = all;
	all->groups = run->config->num_beam_groups;
	all->size = beams / all->groups;
	all->items = tfm_alloc_zero(context, ((size_t) count + 1) * sizeof(group_search));
	if (all->items == NULL)
		return false;
	all->at_once = gen_find_room(run, beams, limit) / beams;
	for (int64_t i = 0; i < count; i++)
		if (!begin_item(context, run, all, &all->items[i], i))
			return false;
	return true;
}

/* ---- What has ended ---- */

/* What a sum of log probabilities is worth at a length. */
static double
rate(const gen_run *run, double sum, int64_t length)
{
	return sum / pow((double) length, run->config->length_penalty);
}

/* Drop the worst of one too many, the first of equal ones. */
static void
drop_worst(beam_group *group)
{
	int64_t worst = 0;
	hypothesis dropped;

	for (int64_t i = 1; i < group->count; i++)
		if (group->scores[i] < group->scores[worst])
			worst = i;
	dropped = group->ended[worst];
	for (int64_t i = worst; i + 1 < group->count; i++)
	{
		group->ended[i] = group->ended[i + 1];
		group->scores[i] = group->scores[i + 1];
	}
	group->ended[--group->count] = dropped;
	group->worst = group->scores[0];
	for (int64_t i = 1; i < group->count; i++)
		if (group->scores[i] < group->worst)
			group->worst = group->scores[i];
}

/* h, of a sum of log probabilities, has ended, with length tokens generated. */
static hypothesis *
add_ended(tfm_context *context, const gen_run *run, beam_group *group, int64_t size,
		  const hypothesis *h, double sum, int64_t length)
{
	double score = rate(run, sum, length);
	hypothesis *to = &group->ended[group->count];

	if (group->count >= size && !(score > group->worst))
		return NULL;
	if (!gen_beam_copy(context, run, h, -1, 0, to))
		return NULL;
	to->score = (float) score;
	group->scores[group->count++] = score;
	if (score < group->worst)
		group->worst = score;
	return to;
}

/* The end is not among what ended, and is written behind it, the first kind always, if it fits. */
static bool
write_end(tfm_context *context, const gen_run *run, int64_t prompt, hypothesis *h, double step)
{
	int64_t count = (int64_t) (h->ids.length / sizeof(int32_t));

	if (run->config->eos_token_id.count == 0 || count >= run->prompts[prompt].max_length)
		return true;
	if (run->config->output_scores && !gen_append_float(context, &h->scores, step))
		return false;
	return gen_append_id(context, &h->ids, run->config->eos_token_id.ids[0]);
}

/* A beam ends by a candidate, which is an end token. */
static bool
end_beam(tfm_context *context, gen_run *run, group_search *item, beam_group *group, int64_t size,
		 const candidate *c)
{
	const beam_set *set = &item->set;
	int64_t length = set->count + 1 - (int64_t) run->prompts[set->prompt].ids.count;
	hypothesis *h =
		add_ended(context, run, group, size, &set->beams[c->parent], (double) c->total, length);
	int32_t end = run->config->eos_token_id.ids[0];

	if (h == NULL)
		return !tfm_failed(context);
	h->finish = GEN_STOPPED;
	if (!write_end(context, run, set->prompt, h, (double) set->scores[c->parent].values[end]))
		return false;
	if (group->count > size)
		drop_worst(group);
	return true;
}

/* Whether nothing that goes on could be better than the worst that has ended. */
static bool
is_done(const gen_run *run, const group_search *item, const beam_group *group, int64_t size,
		double best)
{
	const gen_config *config = run->config;
	const gen_prompt *prompt = &run->prompts[item->set.prompt];
	int64_t length = item->set.count + 1;

	if (group->count < size)
		return false;
	if (config->early_stopping == EARLY_STOPPING_TRUE)
		return true;
	if (config->early_stopping == EARLY_STOPPING_NEVER && config->length_penalty > 0)
		length = prompt->max_length;
	return group->worst >= rate(run, best, length - (int64_t) prompt->ids.count);
}

/* ---- A step ---- */

/* A group that is done goes on by padding, which nobody sees but the groups after it. */
static void
pad_group(const gen_run *run, group_search *item, int64_t first, int64_t size)
{
	int32_t pad = gen_config_pad(run->config);

	for (int64_t i = first; i < first + size; i++)
		item->chosen[i] =
			(candidate) {.parent = (int) i, .id = pad < run->decoder.vocabulary ? pad : 0};
}

/* Choose how the beams of a group go on, and keep what ends. */
static bool
choose_group(tfm_context *context, gen_run *run, group_search *item, beam_group *group,
			 int64_t first, int64_t size)
{
	int64_t keep = gen_beams_keep(run, size), n = 0;
	candidate *best = tfm_alloc_array(context, (size_t) keep, sizeof(candidate));
	bool forced = run->config->force_words.count > 0, fulfilled = true;

	if (best == NULL || !gen_beams_pick(context, run, &item->set, first, size, keep, best))
		return false;
	for (int64_t i = 0; i < keep && n < size; i++)
	{
		if (!gen_has_id(run->config->eos_token_id, best[i].id))
		{
			item->chosen[first + n++] = best[i];
			continue;
		}
		if (i >= size)
			continue;
		if (forced && !gen_words_said(context, run, beam_ids(&item->set.beams[best[i].parent]),
									  item->set.count, &fulfilled))
			return false;
		if (fulfilled && !end_beam(context, run, item, group, size, &best[i]))
			return false;
	}
	/* A vocabulary of ends alone leaves too few. */
	for (; n < size; n++)
	{
		item->chosen[first + n] = best[0];
		item->chosen[first + n].total = BEAM_DEAD;
	}
	if (forced && !gen_force_words(context, run, &item->set, item->chosen))
		return false;
	group->done = is_done(run, item, group, size, (double) best[0].total);
	return true;
}

static bool
choose_all(tfm_context *context, gen_run *run, const group_searches *all, group_search *item)
{
	int32_t *earlier = tfm_alloc_array(context, (size_t) run->config->num_beams, sizeof(int32_t));

	if (earlier == NULL)
		return false;
	for (int64_t g = 0; g < all->groups; g++)
	{
		beam_group *group = &item->groups[g];
		int64_t first = g * all->size;
		gen_ids before = {.count = (size_t) first, .ids = earlier};

		if (group->done)
			pad_group(run, item, first, all->size);
		else if (!gen_beams_process(context, run, &item->set, first, all->size, before) ||
				 !choose_group(context, run, item, group, first, all->size))
			return false;
		for (int64_t i = first; i < first + all->size; i++)
			earlier[i] = item->chosen[i].id;
	}
	return true;
}

/* Whether all groups are done, or all beams have come to some other end. */
static bool
is_over(tfm_context *context, gen_run *run, const group_searches *all, group_search *item)
{
	bool done = true, ended = true;

	for (int64_t g = 0; g < all->groups; g++)
		done &= item->groups[g].done;
	for (int64_t i = 0; i < run->config->num_beams; i++)
	{
		if (!gen_beam_check(context, run, &item->set, &item->chosen[i]))
			return true;
		ended &= item->chosen[i].finish != GEN_UNFINISHED;
	}
	return done || ended;
}

/* ---- The end ---- */

static bool
add_open(tfm_context *context, gen_run *run, const group_searches *all, group_search *item,
		 int64_t beam, gen_finish finish)
{
	beam_group *group = &item->groups[beam / all->size];
	hypothesis *from = &item->set.beams[beam], *h;
	int64_t length = item->set.count - (int64_t) run->prompts[item->set.prompt].ids.count;

	h = add_ended(context, run, group, all->size, from, (double) from->score,
				  length > 0 ? length : 1);
	if (h == NULL)
		return !tfm_failed(context);
	h->finish = finish;
	if (finish == GEN_STOPPED && !write_end(context, run, item->set.prompt, h, 0))
		return false;
	if (group->count > all->size)
		drop_worst(group);
	return true;
}

/* Beams that go on count as ended now, those first that have all words. */
static bool
end_open(tfm_context *context, gen_run *run, const group_searches *all, group_search *item)
{
	int64_t beams = run->config->num_beams, whole = 0;
	bool *fulfilled = tfm_alloc_zero(context, (size_t) beams * sizeof(bool));
	bool forced = run->config->force_words.count > 0;

	if (fulfilled == NULL)
		return false;
	for (int64_t i = 0; i < beams; i++)
	{
		if (item->groups[i / all->size].done)
			continue;
		if (forced && !gen_words_said(context, run, beam_ids(&item->set.beams[i]), item->set.count,
									  &fulfilled[i]))
			return false;
		whole += fulfilled[i];
		if ((!forced || fulfilled[i]) &&
			!add_open(context, run, all, item, i, item->chosen[i].finish))
			return false;
	}
	for (int64_t i = 0; forced && whole < run->config->num_return_sequences && i < beams; i++)
		if (!fulfilled[i] && !item->groups[i / all->size].done &&
			!add_open(context, run, all, item, i, item->chosen[i].finish))
			return false;
	return true;
}

static bool
end_item(tfm_context *context, gen_run *run, const group_searches *all, group_search *item)
{
	item->over = true;
	gen_beams_close(run, &item->set);
	return end_open(context, run, all, item);
}

static bool
advance_item(tfm_context *context, gen_run *run, const group_searches *all, group_search *item)
{
	bool over;

	if (!choose_all(context, run, all, item))
		return false;
	over = is_over(context, run, all, item);
	if (tfm_failed(context) || !gen_beams_advance(context, run, &item->set, item->chosen))
		return false;
	return !over || end_item(context, run, all, item);
}

static bool
advance_groups(tfm_context *context, gen_run *run, bool *more)
{
	group_searches *all = run->state;
	beam_set **sets =
		tfm_alloc_array(context, (size_t) run->request.prompt_count + 1, sizeof(beam_set *));
	int64_t count = 0, open = 0;

	if (sets == NULL)
		return false;
	for (int64_t i = 0; i < run->request.prompt_count && count < all->at_once; i++)
		if (!all->items[i].over)
			sets[count++] = &all->items[i].set;
	if (count > 0 && !gen_beams_step(context, run, sets, count, false))
		return false;
	for (int64_t i = 0; i < count; i++)
		if (!advance_item(context, run, all, &all->items[sets[i]->prompt]))
			return false;
	for (int64_t i = 0; i < run->request.prompt_count; i++)
		open += !all->items[i].over;
	*more = open > 0;
	return true;
}

static void
expire_groups(gen_run *run)
{
	group_searches *all = run->state;

	for (int64_t i = 0; i < run->request.prompt_count; i++)
	{
		group_search *item = &all->items[i];

		for (int64_t b = 0; b < run->config->num_beams; b++)
			item->chosen[b].finish = GEN_TIME;
		if (!item->over)
			end_item(&run->keep, run, all, item);
	}
}

/* The best of all groups that is not taken; the later one of equal ones. */
static const hypothesis *
take_best(const group_searches *all, group_search *item)
{
	const hypothesis *best = NULL;
	double *score = NULL;

	for (int64_t g = 0; g < all->groups; g++)
		for (int64_t i = 0; i < item->groups[g].count; i++)
		{
			double *own = &item->groups[g].scores[i];

			if (isnan(*own) || (score != NULL && *own < *score))
				continue;
			score = own;
			best = &item->groups[g].ended[i];
		}
	if (score != NULL)
		*score = NAN;
	return best;
}

static bool
group_results(tfm_context *context, gen_run *run, gen_sequence **sequences, int64_t *count)
{
	group_searches *all = run->state;
	int64_t wanted = run->config->num_return_sequences;

	*count = run->request.prompt_count * wanted;
	*sequences = tfm_alloc_array(context, (size_t) *count + 1, sizeof(gen_sequence));
	if (*sequences == NULL)
		return false;
	for (int64_t i = 0; i < *count; i++)
	{
		const hypothesis *best = take_best(all, &all->items[i / wanted]);

		(*sequences)[i] = best != NULL ? gen_beam_result(run, i / wanted, best)
									   : gen_beam_result(run, i / wanted, &(hypothesis) {0});
	}
	return true;
}

static void
close_groups(gen_run *run, bool keep)
{
	group_searches *all = run->state;

	(void) keep;
	for (int64_t i = 0; all->items != NULL && i < run->request.prompt_count; i++)
		gen_beams_close(run, &all->items[i].set);
}

static void
free_groups(gen_run *run)
{
	group_searches *all = run->state;

	for (int64_t i = 0; all->items != NULL && i < run->request.prompt_count; i++)
	{
		group_search *item = &all->items[i];

		gen_beams_free(run, &item->set);
		for (int64_t g = 0; item->groups != NULL && g < all->groups; g++)
			gen_hypotheses_free(item->groups[g].ended, all->size + 1);
	}
}

const gen_method gen_method_groups = {
	.name = "group beam search",
	.begin = begin_groups,
	.step = advance_groups,
	.expire = expire_groups,
	.results = group_results,
	.close = close_groups,
	.free = free_groups,
};
