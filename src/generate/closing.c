/*
 * closing.c
 *	  From where an expression begins or ends to the places that wait for a byte.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/machine.h"

#include <stdlib.h>
#include <string.h>

/* Double an array, at most to a limit; false with an error. */
static bool
grow(tfm_context *context, gen_place **array, uint32_t *capacity)
{
	uint32_t wanted = *capacity == 0 ? 64 : *capacity * 2;
	gen_place *grown;

	if (wanted > GEN_STATE_PLACES_MAX * 2)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED,
						"the constraint is too ambiguous: a text stands at more than %d places",
						GEN_STATE_PLACES_MAX);
	grown = realloc(*array, wanted * sizeof(gen_place));
	if (grown == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	*array = grown;
	*capacity = wanted;
	return true;
}

gen_closing *
gen_closing_create(tfm_context *context)
{
	gen_closing *closing = calloc(1, sizeof(gen_closing));

	if (closing == NULL)
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	return closing;
}

void
gen_closing_free(gen_closing *closing)
{
	if (closing == NULL)
		return;
	free(closing->places);
	free(closing->work);
	free(closing->seen);
	free(closing->stamps);
	free(closing);
}

void
gen_closing_begin(gen_closing *c)
{
	c->count = c->work_count = c->seen_count = 0;
	c->accepts = c->too_deep = false;
	if (++c->stamp == 0 && c->stamps != NULL)
	{
		memset(c->stamps, 0, c->seen_capacity * sizeof(uint32_t));
		c->stamp = 1;
	}
}

bool
gen_closing_wait(tfm_context *context, gen_closing *c, gen_place place)
{
	if (c->count == c->capacity && !grow(context, &c->places, &c->capacity))
		return false;
	c->places[c->count++] = place;
	return true;
}

static bool
push(tfm_context *context, gen_closing *c, gen_place place)
{
	if (c->work_count == c->work_capacity && !grow(context, &c->work, &c->work_capacity))
		return false;
	c->work[c->work_count++] = place;
	return true;
}

static uint32_t
hash_place(const gen_place *place)
{
	uint64_t h = place->expression * UINT64_C(0x9E3779B97F4A7C15);

	h = (h ^ place->count) * UINT64_C(0xBF58476D1CE4E5B9);
	h = (h ^ place->frame) * UINT64_C(0x94D049BB133111EB);
	return (uint32_t) (h >> 32);
}

/* Put a place into the table; false if it is there. */
static bool
is_new(gen_closing *c, const gen_place *place)
{
	uint32_t slot = hash_place(place) & (c->seen_capacity - 1);

	for (; c->stamps[slot] == c->stamp; slot = (slot + 1) & (c->seen_capacity - 1))
		if (memcmp(&c->seen[slot], place, sizeof(*place)) == 0)
			return false;
	c->stamps[slot] = c->stamp;
	c->seen[slot] = *place;
	c->seen_count++;
	return true;
}

static bool
grow_seen(tfm_context *context, gen_closing *c)
{
	gen_closing larger = *c;

	larger.seen_capacity = c->seen_capacity == 0 ? 256 : c->seen_capacity * 2;
	larger.seen = malloc(larger.seen_capacity * sizeof(gen_place));
	larger.stamps = calloc(larger.seen_capacity, sizeof(uint32_t));
	if (larger.seen == NULL || larger.stamps == NULL)
	{
		free(larger.seen);
		free(larger.stamps);
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	}
	larger.seen_count = 0;
	for (uint32_t i = 0; i < c->seen_capacity; i++)
		if (c->stamps[i] == c->stamp)
			is_new(&larger, &c->seen[i]);
	free(c->seen);
	free(c->stamps);
	c->seen = larger.seen;
	c->stamps = larger.stamps;
	c->seen_capacity = larger.seen_capacity;
	return true;
}

bool
gen_closing_enter(tfm_context *context, gen_closing *c, gen_place place)
{
	if (c->seen_count >= GEN_STATE_PLACES_MAX * 4)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED,
						"the constraint is too ambiguous: a text stands at more than %d places",
						GEN_STATE_PLACES_MAX);
	if (c->seen_count * 2 >= c->seen_capacity && !grow_seen(context, c))
		return false;
	place.partial = 0;
	return !is_new(c, &place) || push(context, c, place);
}

/* What comes after the end of a place's expression. */
static bool
leave(tfm_context *context, gen_machine *m, gen_closing *c, uint32_t frame)
{
	const gen_frame *f = &m->frames[frame];

	if (frame == 0)
	{
		c->accepts = true;
		return true;
	}
	return gen_closing_enter(
		context, c,
		(gen_place) {.expression = f->expression, .count = f->count, .frame = f->parent});
}

/* Enter a part, after which its expression has come to count; last: it has nothing to do then. */
static bool
call(tfm_context *context, gen_machine *m, gen_closing *c, const gen_place *from, uint32_t part,
	 uint32_t count, bool last)
{
	uint32_t frame = from->frame;

	if (!m->grammar->nodes[part].productive)
		return true;
	if (!last)
	{
		frame = gen_machine_frame(context, m,
								  (gen_frame) {.expression = from->expression,
											   .count = count,
											   .parent = from->frame,
											   .depth = m->frames[from->frame].depth + 1});
		if (frame == 0)
		{
			c->too_deep = true;
			return !tfm_failed(context);
		}
	}
	return gen_closing_enter(context, c, (gen_place) {.expression = part, .frame = frame});
}

/* One more time; beyond the minimum nobody counts where there is no maximum. */
static uint32_t
count_up(const gen_node *node, uint32_t count)
{
	return node->maximum == GEN_UNBOUNDED && count >= node->minimum ? count : count + 1;
}

static bool
look_at_characters(tfm_context *context, gen_machine *m, gen_closing *c, gen_place *place,
				   const gen_node *node)
{
	uint32_t next = count_up(node, place->count);

	if (place->count >= node->minimum && !leave(context, m, c, place->frame))
		return false;
	if (place->count >= node->maximum)
		return true;
	if (node->other != 0 && !call(context, m, c, place, node->other, next, next == node->maximum))
		return false;
	return m->grammar->sets[node->first].count == 0 || gen_closing_wait(context, c, *place);
}

static bool
look_at(tfm_context *context, gen_machine *m, gen_closing *c, gen_place *place)
{
	const gen_grammar *g = m->grammar;
	const gen_node *node = &g->nodes[place->expression];
	const gen_expression *parts = g->parts + node->first;
	uint32_t next;

	switch (node->kind)
	{
		case GEN_LITERAL:
			return place->count == node->count ? leave(context, m, c, place->frame)
											   : gen_closing_wait(context, c, *place);
		case GEN_CHARACTERS:
			return look_at_characters(context, m, c, place, node);
		case GEN_SEQUENCE:
			if (place->count == node->count)
				return leave(context, m, c, place->frame);
			next = place->count + 1;
			return call(context, m, c, place, parts[place->count], next, next == node->count);
		case GEN_REPEAT:
			if (place->count >= node->minimum && !leave(context, m, c, place->frame))
				return false;
			next = count_up(node, place->count);
			return place->count >= node->maximum ||
				   call(context, m, c, place, parts[0], next, next == node->maximum);
		default: /* the last first, as the work is a stack */
			for (uint32_t i = node->count; i-- > 0;)
				if (!call(context, m, c, place, parts[i], 0, true))
					return false;
			return true;
	}
}

bool
gen_closing_run(tfm_context *context, gen_machine *m, gen_closing *c)
{
	while (c->work_count > 0)
	{
		gen_place place = c->work[--c->work_count];

		if (!look_at(context, m, c, &place))
			return false;
	}
	return true;
}
