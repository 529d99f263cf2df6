/*
 * forget.c
 *	  What no text stands on any more is forgotten when a machine is full.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/forget.h"

#include <stdlib.h>
#include <string.h>

/* New numbers of the states and the frames that stay, 0 for the others. */
typedef struct renumbering
{
	uint32_t *states, *frames;
} renumbering;

/* Mark what has a root, and number it in its order; a frame's parent has a smaller number. */
static void
mark_roots(const gen_machine *m, renumbering *r)
{
	r->states[m->start] = 1;
	for (const gen_matcher *matcher = m->matchers; matcher != NULL; matcher = matcher->next)
		r->states[matcher->state] = 1;
	for (uint32_t i = 0; i < m->path_count; i++)
		r->states[m->path[i]] = 1;
	r->states[GEN_STATE_UNKNOWN] = r->states[GEN_STATE_DEAD] = 0;
	for (uint32_t i = GEN_STATE_DEAD + 1; i < m->state_count; i++)
		for (uint32_t p = 0; r->states[i] != 0 && p < m->states[i].count; p++)
		{
			uint32_t frame = m->places[m->states[i].first + p].frame;

			for (; frame != 0 && r->frames[frame] == 0; frame = m->frames[frame].parent)
				r->frames[frame] = 1;
		}
}

static void
move_frames(gen_machine *m, renumbering *r)
{
	uint32_t count = 1;

	for (uint32_t i = 1; i < m->frame_count; i++)
	{
		if (r->frames[i] == 0)
			continue;
		r->frames[i] = count;
		m->frames[count] = m->frames[i];
		m->frames[count].parent = r->frames[m->frames[i].parent];
		count++;
	}
	m->frame_count = count;
}

/* Places lie in the order of their states. */
static void
move_states(gen_machine *m, renumbering *r)
{
	uint32_t count = GEN_STATE_DEAD + 1, place_count = 0;

	for (uint32_t i = count; i < m->state_count; i++)
	{
		gen_state *state = &m->states[count];

		if (r->states[i] == 0)
			continue;
		r->states[i] = count++;
		*state = m->states[i];
		memmove(m->places + place_count, m->places + state->first,
				state->count * sizeof(gen_place));
		for (uint32_t p = 0; p < state->count; p++)
			m->places[place_count + p].frame = r->frames[m->places[place_count + p].frame];
		state->first = place_count;
		place_count += state->count;
		memset(state->next, 0, sizeof(state->next));
	}
	m->state_count = count;
	m->place_count = place_count;
}

/* Whoever names a state is given its new number. */
static void
tell_new_numbers(gen_machine *m, const renumbering *r)
{
	m->start = r->states[m->start];
	for (gen_matcher *matcher = m->matchers; matcher != NULL; matcher = matcher->next)
		matcher->state =
			matcher->state <= GEN_STATE_DEAD ? matcher->state : r->states[matcher->state];
	for (uint32_t i = 0; i < m->path_count; i++)
		m->path[i] = r->states[m->path[i]];
	for (uint32_t i = 0; i < m->mask_count; i++)
		m->masks[i].state = r->states[m->masks[i].state];
}

/* The order of frames changes neither by the move nor with it that of the places of a state. */
static void
forget(gen_machine *m, renumbering *r)
{
	mark_roots(m, r);
	move_frames(m, r);
	move_states(m, r);
	tell_new_numbers(m, r);
	gen_machine_reindex(m);
}

bool
gen_machine_forget(tfm_context *context, gen_machine *m)
{
	renumbering r;
	bool good;

	if (m->state_count < GEN_STATES_MAX && m->frame_count < GEN_FRAMES_MAX &&
		m->place_count < GEN_PLACES_MAX)
		return true;
	if (tfm_stopped(context))
		return false;
	r.states = calloc(m->state_count, sizeof(uint32_t));
	r.frames = calloc(m->frame_count, sizeof(uint32_t));
	good = r.states != NULL && r.frames != NULL;
	if (good)
		forget(m, &r);
	free(r.states);
	free(r.frames);
	if (!good)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	return (m->state_count < GEN_STATES_MAX / 2 && m->frame_count < GEN_FRAMES_MAX / 2 &&
			m->place_count < GEN_PLACES_MAX / 2) ||
		   tfm_fail(context, TFM_LIMIT_EXCEEDED,
					"the constraint is too ambiguous: its texts stand at too many places");
}
