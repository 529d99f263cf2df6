/*
 * beam_words.c
 *	  Beams go on so that words that must appear do: ConstrainedBeamSearchScorer's step_sentence_constraint.
 *
 * Ways to go on are ranked by how far their words are, and the best of each rank are taken in turn.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "generate/beam.h"
#include "generate/force_words.h"

/* A way to go on, and how far its words are. */
typedef struct forced_candidate
{
	candidate c;
	int64_t rank;
	float weight; /* words before scores */
	int64_t turn; /* which of its rank it is */
} forced_candidate;

bool
gen_words_said(tfm_context *context, const gen_run *run, const int32_t *ids, int64_t count,
			   bool *said)
{
	gen_forced state;

	if (!gen_forced_create(context, &run->config->force_words, ids, count, &state))
		return false;
	*said = state.done;
	return true;
}

/* Whether a beam's going on by id is among what is there already. */
static bool
is_there(const beam_set *set, const forced_candidate *there, int64_t count, int64_t beam,
		 int32_t id)
{
	size_t bytes = (size_t) set->count * sizeof(int32_t);

	for (int64_t i = 0; i < count; i++)
		if (there[i].c.id == id && memcmp(beam_ids(&set->beams[there[i].c.parent]),
										  beam_ids(&set->beams[beam]), bytes) == 0)
			return true;
	return false;
}

static bool
add_forced(tfm_context *context, const gen_run *run, const beam_set *set, int64_t beam,
		   forced_candidate *all, int64_t *count)
{
	gen_forced before;
	gen_ids next;

	if (!gen_forced_create(context, &run->config->force_words, beam_ids(&set->beams[beam]),
						   set->count, &before))
		return false;
	if (before.done)
		return true;
	if (!gen_forced_next(context, &before, &next))
		return false;
	for (size_t i = 0; i < next.count; i++)
	{
		gen_forced after;

		if (next.ids[i] >= run->decoder.vocabulary || is_there(set, all, *count, beam, next.ids[i]))
			continue;
		if (!gen_forced_copy(context, &before, &after))
			return false;
		gen_forced_add(&after, next.ids[i]);
		all[(*count)++] = (forced_candidate) {.c = gen_make_candidate(set, beam, next.ids[i]),
											  .rank = gen_forced_rank(&after)};
	}
	return true;
}

/* Sort by weight, largest first; stable, and there are few. */
static void
sort_by_weight(forced_candidate *all, int64_t count)
{
	for (int64_t i = 1; i < count; i++)
	{
		forced_candidate moving = all[i];
		int64_t to = i;

		for (; to > 0 && all[to - 1].weight < moving.weight; to--)
			all[to] = all[to - 1];
		all[to] = moving;
	}
}

/* The beams go on with the best of each rank in turn. */
static void
deal(forced_candidate *all, int64_t count, candidate *chosen, int64_t beams)
{
	int64_t turn = -1, rank = all[0].rank, taken = 0;

	for (int64_t i = 0; i < count; i++)
	{
		turn = all[i].rank == rank ? turn + 1 : 0;
		rank = all[i].rank;
		all[i].turn = turn;
	}
	for (turn = 0; taken < beams && turn < count; turn++)
		for (int64_t i = 0; i < count && taken < beams; i++)
			if (all[i].turn == turn)
				chosen[taken++] = all[i].c;
}

bool
gen_force_words(tfm_context *context, const gen_run *run, const beam_set *set, candidate *chosen)
{
	const gen_words *words = &run->config->force_words;
	int64_t beams = run->config->num_beams, count = 0;
	forced_candidate *all =
		tfm_alloc_array(context, (size_t) beams * (words->lists.count + 1), sizeof(*all));

	if (all == NULL)
		return false;
	for (; count < beams; count++)
	{
		candidate c = chosen[count];
		gen_forced state;

		if (!gen_forced_create(context, words, beam_ids(&set->beams[c.parent]), set->count, &state))
			return false;
		gen_forced_add(&state, c.id);
		all[count] = (forced_candidate) {.c = c, .rank = gen_forced_rank(&state)};
	}
	for (int64_t b = 0; b < beams; b++)
		if (tfm_stopped(context) || !add_forced(context, run, set, b, all, &count))
			return false;
	if (count == beams)
		return true;
	for (int64_t i = 0; i < count; i++)
		all[i].weight = (float) (all[i].rank * 100) + all[i].c.total;
	sort_by_weight(all, count);
	deal(all, count, chosen, beams);
	return true;
}
