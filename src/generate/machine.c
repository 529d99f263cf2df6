/*
 * machine.c
 *	  The states of a machine and how bytes lead from one to another.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/machine.h"

#include <stdlib.h>
#include <string.h>

#include "generate/characters.h"
#include "generate/forget.h"

#define MASKS_MIN 8
#define MASKS_MAX 1024

static bool
fail_memory(tfm_context *context)
{
	return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
}

/* ---- Tables ---- */

static uint32_t
hash_words(const void *bytes, size_t length)
{
	const unsigned char *at = bytes;
	uint64_t h = length;

	for (size_t i = 0; i < length; i += 4)
	{
		uint32_t word;

		memcpy(&word, at + i, 4);
		h = (h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
		h ^= h >> 29;
	}
	return (uint32_t) (h >> 16);
}

static uint32_t
hash_frame(const gen_frame *frame)
{
	return hash_words(frame, sizeof(*frame));
}

void
gen_index_put(gen_index *index, uint32_t hash, uint32_t number)
{
	uint32_t slot = hash & (index->capacity - 1);

	while (index->slots[slot] != 0)
		slot = (slot + 1) & (index->capacity - 1);
	index->slots[slot] = number;
	index->used++;
}

/* Room for one more number. */
static bool
make_room(tfm_context *context, gen_machine *m, gen_index *index)
{
	uint32_t wanted = index->capacity == 0 ? 256 : index->capacity * 2;
	gen_index larger = {.capacity = wanted};

	if (index->used * 2 < index->capacity)
		return true;
	larger.slots = calloc(wanted, sizeof(uint32_t));
	if (larger.slots == NULL)
		return fail_memory(context);
	for (uint32_t i = 0; i < index->capacity; i++)
	{
		uint32_t number = index->slots[i];

		if (number != 0)
			gen_index_put(&larger,
						  index == &m->frame_index ? hash_frame(&m->frames[number])
												   : m->states[number].hash,
						  number);
	}
	free(index->slots);
	*index = larger;
	return true;
}

/* Make room for more items behind count in a malloc'ed array. */
static bool
grow(tfm_context *context, void *array, uint32_t count, uint32_t more, uint32_t *capacity,
	 size_t size)
{
	uint32_t wanted = *capacity == 0 ? 32 : *capacity;
	void *old, *grown;

	if (count + more <= *capacity)
		return true;
	while (wanted < count + more)
		wanted *= 2;
	memcpy(&old, array, sizeof(old));
	grown = realloc(old, wanted * size);
	if (grown == NULL)
		return fail_memory(context);
	memcpy(array, &grown, sizeof(grown));
	*capacity = wanted;
	return true;
}

void
gen_machine_reindex(gen_machine *m)
{
	memset(m->frame_index.slots, 0, m->frame_index.capacity * sizeof(uint32_t));
	memset(m->state_index.slots, 0, m->state_index.capacity * sizeof(uint32_t));
	m->frame_index.used = m->state_index.used = 0;
	for (uint32_t i = 1; i < m->frame_count; i++)
		gen_index_put(&m->frame_index, hash_frame(&m->frames[i]), i);
	for (uint32_t i = GEN_STATE_DEAD + 1; i < m->state_count; i++)
	{
		gen_state *state = &m->states[i];

		state->hash =
			hash_words(m->places + state->first, state->count * sizeof(gen_place)) + state->accepts;
		gen_index_put(&m->state_index, state->hash, i);
	}
}

uint32_t
gen_machine_frame(tfm_context *context, gen_machine *m, gen_frame frame)
{
	uint32_t slot;

	frame.shortest = gen_add(gen_shortest_rest(m->grammar, frame.expression, frame.count, 0),
							 m->frames[frame.parent].shortest);
	if (frame.depth > GEN_DEPTH_MAX || !make_room(context, m, &m->frame_index) ||
		!grow(context, &m->frames, m->frame_count, 1, &m->frame_capacity, sizeof(gen_frame)))
		return 0;
	slot = hash_frame(&frame) & (m->frame_index.capacity - 1);
	for (; m->frame_index.slots[slot] != 0; slot = (slot + 1) & (m->frame_index.capacity - 1))
		if (memcmp(&m->frames[m->frame_index.slots[slot]], &frame, sizeof(frame)) == 0)
			return m->frame_index.slots[slot];
	m->frames[m->frame_count] = frame;
	m->frame_index.slots[slot] = m->frame_count;
	m->frame_index.used++;
	return m->frame_count++;
}

/* ---- States ---- */

static int
compare_places(const void *one, const void *other)
{
	const gen_place *a = one, *b = other;

	if (a->expression != b->expression)
		return a->expression < b->expression ? -1 : 1;
	if (a->frame != b->frame)
		return a->frame < b->frame ? -1 : 1;
	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	return a->partial < b->partial ? -1 : a->partial > b->partial;
}

/* The places in their order, each once. */
static void
sort_places(gen_closing *c)
{
	uint32_t kept = 0;

	if (c->count > 1)
		qsort(c->places, c->count, sizeof(gen_place), compare_places);
	for (uint32_t i = 0; i < c->count; i++)
		if (i == 0 || compare_places(&c->places[i - 1], &c->places[i]) != 0)
			c->places[kept++] = c->places[i];
	c->count = kept;
}

uint32_t
gen_machine_rest(const gen_machine *m, const gen_place *place)
{
	return gen_add(gen_shortest_rest(m->grammar, place->expression, place->count,
									 gen_character_left(place->partial)),
				   m->frames[place->frame].shortest);
}

static uint32_t
find_shortest(const gen_machine *m, const gen_closing *c)
{
	uint32_t shortest = c->accepts ? 0 : GEN_UNBOUNDED;

	for (uint32_t i = 0; i < c->count && shortest > 0; i++)
	{
		uint32_t rest = gen_machine_rest(m, &c->places[i]);

		shortest = rest < shortest ? rest : shortest;
	}
	return shortest;
}

/* The number of the state that was closed. */
static uint32_t
intern_state(tfm_context *context, gen_machine *m, gen_closing *c)
{
	uint32_t hash, slot;
	gen_state *state;

	if (c->count == 0 && !c->accepts)
		return GEN_STATE_DEAD;
	sort_places(c);
	hash = hash_words(c->places, c->count * sizeof(gen_place)) + c->accepts;
	if (!make_room(context, m, &m->state_index))
		return GEN_STATE_UNKNOWN;
	slot = hash & (m->state_index.capacity - 1);
	for (; m->state_index.slots[slot] != 0; slot = (slot + 1) & (m->state_index.capacity - 1))
	{
		state = &m->states[m->state_index.slots[slot]];
		if (state->hash == hash && state->count == c->count && state->accepts == c->accepts &&
			(c->count == 0 ||
			 memcmp(m->places + state->first, c->places, c->count * sizeof(gen_place)) == 0))
			return m->state_index.slots[slot];
	}
	if (!grow(context, &m->states, m->state_count, 1, &m->state_capacity, sizeof(gen_state)) ||
		!grow(context, &m->places, m->place_count, c->count, &m->place_capacity, sizeof(gen_place)))
		return GEN_STATE_UNKNOWN;
	state = &m->states[m->state_count];
	memset(state, 0, sizeof(*state));
	state->first = m->place_count;
	state->count = c->count;
	state->hash = hash;
	state->mask = -1;
	state->accepts = c->accepts;
	state->shortest = find_shortest(m, c);
	if (c->count > 0)
		memcpy(m->places + state->first, c->places, c->count * sizeof(gen_place));
	m->place_count += c->count;
	m->state_index.slots[slot] = m->state_count;
	m->state_index.used++;
	return m->state_count++;
}

/* Let a place see a byte. */
static bool
step_place(tfm_context *context, gen_machine *m, gen_place place, unsigned char byte)
{
	const gen_node *node = &m->grammar->nodes[place.expression];
	uint32_t partial;

	if (node->kind == GEN_LITERAL)
	{
		if ((unsigned char) m->grammar->bytes->data[node->first + place.count] != byte)
			return true;
		place.count++;
		return gen_closing_enter(context, m->closing, place);
	}
	switch (gen_character_step(&m->grammar->sets[node->first], place.partial, byte, &partial))
	{
		case GEN_CHARACTER_NONE:
			return true;
		case GEN_CHARACTER_PART:
			place.partial = partial;
			return gen_closing_wait(context, m->closing, place);
		default:
			place.partial = 0;
			if (node->maximum != GEN_UNBOUNDED || place.count < node->minimum)
				place.count++;
			return gen_closing_enter(context, m->closing, place);
	}
}

uint32_t
gen_machine_find(tfm_context *context, gen_machine *m, const uint32_t *state, unsigned char byte)
{
	uint32_t next, first, count;

	if (tfm_failed(context) || !gen_machine_forget(context, m))
		return GEN_STATE_UNKNOWN;
	first = m->states[*state].first;
	count = m->states[*state].count;
	gen_closing_begin(m->closing);
	for (uint32_t i = 0; i < count; i++)
		if (!step_place(context, m, m->places[first + i], byte))
			return GEN_STATE_UNKNOWN;
	if (!gen_closing_run(context, m, m->closing))
		return GEN_STATE_UNKNOWN;
	next = intern_state(context, m, m->closing);
	if (next != GEN_STATE_UNKNOWN)
		m->states[*state].next[byte] = (uint16_t) next;
	return next;
}

/* ---- Making one ---- */

static void
free_machine(void *argument)
{
	gen_machine *m = argument;

	free(m->states);
	free(m->frames);
	free(m->places);
	free(m->state_index.slots);
	free(m->frame_index.slots);
	free(m->masks);
	free(m->mask_bits);
	gen_closing_free(m->closing);
}

/* Masks are kept for as many states as memory is meant for. */
static bool
make_masks(tfm_context *context, gen_machine *m)
{
	size_t words = ((size_t) m->vocabulary->size + 63) / 64;
	size_t count = GEN_MASK_BYTES / (8 * (words + 1));

	count = count < MASKS_MIN ? MASKS_MIN : count > MASKS_MAX ? MASKS_MAX : count;
	/* One more is for a mask that is not kept. */
	m->masks = calloc(count + 1, sizeof(gen_mask));
	m->mask_bits = malloc((count + 1) * (words + 1) * sizeof(uint64_t));
	if (m->masks == NULL || m->mask_bits == NULL)
		return fail_memory(context);
	for (size_t i = 0; i <= count; i++)
		m->masks[i].bits = m->mask_bits + i * (words + 1);
	m->mask_count = (uint32_t) count;
	return true;
}

/* States 0 and 1 are none; frame 0 is that of the root. */
static bool
make_start(tfm_context *context, gen_machine *m)
{
	if (!grow(context, &m->states, 0, 2, &m->state_capacity, sizeof(gen_state)) ||
		!grow(context, &m->frames, 0, 1, &m->frame_capacity, sizeof(gen_frame)))
		return false;
	memset(m->states, 0, 2 * sizeof(gen_state));
	memset(m->frames, 0, sizeof(gen_frame));
	m->state_count = 2;
	m->frame_count = 1;
	gen_closing_begin(m->closing);
	if (!gen_closing_enter(context, m->closing, (gen_place) {.expression = m->grammar->root}) ||
		!gen_closing_run(context, m, m->closing))
		return false;
	m->start = intern_state(context, m, m->closing);
	return m->start != GEN_STATE_UNKNOWN;
}

gen_machine *
gen_machine_create(tfm_context *context, const gen_grammar *grammar,
				   const gen_vocabulary *vocabulary)
{
	gen_machine *m = tfm_alloc_zero(context, sizeof(gen_machine));

	if (m == NULL)
		return NULL;
	m->grammar = grammar;
	m->vocabulary = vocabulary;
	if (!arena_on_release(context->arena, free_machine, m))
	{
		fail_memory(context);
		return NULL;
	}
	m->closing = gen_closing_create(context);
	return m->closing != NULL && make_masks(context, m) && make_start(context, m) ? m : NULL;
}
