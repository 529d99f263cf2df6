/*
 * matcher.c
 *	  Texts in a constraint: which tokens may come next, and going on by one.
 *
 * A mask is found by walking the vocabulary's trie and the machine's states together, and kept for the
 * state.  Where the text is inside of a run of characters of some set, as in a string, the tokens that are made of such
 * characters alone are known from a table, and only the others are walked to.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/constraint.h"

#include <math.h>
#include <string.h>

#include "generate/grammar.h"
#include "generate/machine.h"

#define CLASS_MIN 20 /* characters of a set that is worth a table */
#define POLL_NODES 16384

struct gen_constraint
{
	const gen_grammar *grammar;
	arena *arena;
	gen_machine **machines; /* one for each vocabulary that it was used with */
};

gen_constraint *
gen_constraint_create(tfm_context *context, gen_grammar *grammar)
{
	gen_constraint *constraint = tfm_alloc_zero(context, sizeof(gen_constraint));
	gen_machine **machines = tfm_alloc_zero(context, sizeof(gen_machine *));

	if (constraint == NULL || machines == NULL)
		return NULL;
	*constraint =
		(gen_constraint) {.grammar = grammar, .arena = context->arena, .machines = machines};
	return constraint;
}

/* The machine of a vocabulary, which is made at first and lives as long as the constraint. */
static gen_machine *
find_machine(tfm_context *context, const gen_constraint *constraint,
			 const gen_vocabulary *vocabulary)
{
	gen_machine *machine = *constraint->machines;
	arena *own = context->arena;

	while (machine != NULL && machine->vocabulary != vocabulary)
		machine = machine->next;
	if (machine != NULL)
		return machine;
	context->arena = constraint->arena;
	machine = gen_machine_create(context, constraint->grammar, vocabulary);
	context->arena = own;
	if (machine == NULL)
		return NULL;
	machine->next = *constraint->machines;
	*constraint->machines = machine;
	return machine;
}

/* ---- Matchers ---- */

static void
unlink_matcher(void *argument)
{
	gen_matcher *matcher = argument;

	if (matcher->next != NULL)
		matcher->next->previous = matcher->previous;
	if (matcher->previous != NULL)
		matcher->previous->next = matcher->next;
	else
		matcher->machine->matchers = matcher->next;
}

static gen_matcher *
new_matcher(tfm_context *context, gen_machine *machine, uint32_t state)
{
	gen_matcher *matcher = tfm_alloc_zero(context, sizeof(gen_matcher));

	if (matcher == NULL)
		return NULL;
	if (!arena_on_release(context->arena, unlink_matcher, matcher))
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	*matcher =
		(gen_matcher) {.machine = machine, .state = state, .left = -1, .next = machine->matchers};
	if (machine->matchers != NULL)
		machine->matchers->previous = matcher;
	machine->matchers = matcher;
	return matcher;
}

gen_matcher *
gen_matcher_create(tfm_context *context, const gen_constraint *constraint,
				   const gen_vocabulary *vocabulary)
{
	gen_machine *machine = find_machine(context, constraint, vocabulary);

	return machine == NULL ? NULL : new_matcher(context, machine, machine->start);
}

gen_matcher *
gen_matcher_copy(tfm_context *context, const gen_matcher *matcher)
{
	gen_matcher *copy = new_matcher(context, matcher->machine, matcher->state);

	if (copy != NULL)
		copy->left = matcher->left;
	return copy;
}

void
gen_matcher_limit(gen_matcher *matcher, int64_t left)
{
	matcher->left = left;
}

bool
gen_matcher_may_end(const gen_matcher *matcher)
{
	return matcher->machine->states[matcher->state].accepts;
}

bool
gen_matcher_must_end(const gen_matcher *matcher)
{
	return matcher->machine->states[matcher->state].count == 0;
}

bool
gen_matcher_accept_bytes(tfm_context *context, gen_matcher *matcher, const char *bytes,
						 size_t length)
{
	uint32_t *state = &matcher->machine->path[0];
	bool good = true;

	*state = matcher->state;
	matcher->machine->path_count = 1;
	for (size_t i = 0; good && i < length; i++)
	{
		*state = gen_machine_step(context, matcher->machine, state, (unsigned char) bytes[i]);
		good = *state > GEN_STATE_DEAD;
	}
	if (good)
		matcher->state = *state;
	matcher->machine->path_count = 0;
	return good ||
		   tfm_fail(context, TFM_INVALID_ARGUMENT, "the text does not match the constraint");
}

bool
gen_matcher_accept(tfm_context *context, gen_matcher *matcher, int32_t id)
{
	const gen_vocabulary *v = matcher->machine->vocabulary;

	if (id < 0 || id >= v->size || v->starts[id] == v->starts[id + 1])
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "token %d adds nothing to a text", (int) id);
	return gen_matcher_accept_bytes(context, matcher, v->bytes + v->starts[id],
									v->starts[id + 1] - v->starts[id]);
}

/* ---- Masks ---- */

/* A run of characters in which a state is: the table of its set, and how many may come. */
typedef struct run
{
	const gen_class_table *table;
	uint8_t most;
	uint32_t rest; /* bytes that are needed at least after one of its tokens, or less */
} run;

static uint32_t
count_characters(const tok_set *set)
{
	uint32_t count = 0;

	for (size_t i = 0; i < set->count; i++)
		count += set->items[i].last - set->items[i].first + 1;
	return count;
}

/* The run of most characters that may come, of the largest set. */
static run
find_run(tfm_context *context, const gen_machine *m, const gen_state *state)
{
	const gen_node *best = NULL;
	uint32_t best_size = CLASS_MIN - 1, best_left = 0;
	run found = {.table = NULL};

	for (uint32_t i = 0; i < state->count; i++)
	{
		const gen_place *place = &m->places[state->first + i];
		const gen_node *node = &m->grammar->nodes[place->expression];
		uint32_t size, left;

		if (node->kind != GEN_CHARACTERS || place->partial != 0)
			continue;
		size = count_characters(&m->grammar->sets[node->first]);
		left = node->maximum == GEN_UNBOUNDED ? GEN_UNBOUNDED : node->maximum - place->count;
		if (left > 1 && (size > best_size || (size == best_size && left > best_left)))
		{
			best = node;
			found.rest = gen_machine_rest(m, place);
			best_size = size;
			best_left = left;
		}
	}
	if (best != NULL)
		found.table = gen_vocabulary_class(context, m->vocabulary, &m->grammar->sets[best->first]);
	found.most = (uint8_t) (best_left < GEN_TOKEN_MAX ? best_left : GEN_TOKEN_MAX);
	return found;
}

/* The tokens of the run alone: eight at a time become the bits of a byte. */
static void
set_run(const gen_vocabulary *v, run inside, uint64_t *bits)
{
	for (int64_t id = 0; id < v->size; id += 64)
	{
		int count = v->size - id < 64 ? (int) (v->size - id) : 64;
		uint8_t flags[64] = {0};
		uint64_t word = 0;

		for (int i = 0; i < count; i++)
			flags[i] = inside.table->tokens[id + i] <= inside.most;
		for (int i = 0; i < 8; i++)
		{
			uint64_t eight = 0;

			for (int k = 0; k < 8; k++)
				eight |= (uint64_t) flags[i * 8 + k] << (8 * k);
			word |= (eight * UINT64_C(0x0102040810204080) >> 56) << (8 * i);
		}
		bits[id / 64] = word;
	}
}

/* What a walk looks for, and what it found. */
typedef struct search
{
	run inside;
	uint32_t most; /* bytes that may be needed after a token, at least */
	uint64_t *bits;
	uint32_t longest, least; /* bytes that are needed after those taken, after any, at least */
} search;

static void
take_tokens(const gen_vocabulary *v, search *s, uint32_t node, uint32_t needed)
{
	s->least = needed < s->least ? needed : s->least;
	if (needed > s->most)
		return;
	s->longest = needed > s->longest ? needed : s->longest;
	for (uint32_t i = v->node_tokens[node]; i < v->node_tokens[node + 1]; i++)
		s->bits[v->ids[i] / 64] |= UINT64_C(1) << (v->ids[i] % 64);
}

/* Walk to the tokens that the run has not, from the state at the beginning of the path. */
static bool
walk(tfm_context *context, gen_machine *m, search *s)
{
	const gen_vocabulary *v = m->vocabulary;
	const run *inside = &s->inside;
	uint32_t visited = 0;

	for (uint32_t node = 0; node < v->node_count;)
	{
		uint32_t depth = v->node_depths[node], next;

		if (inside->table != NULL && inside->table->nodes[node] <= inside->most)
		{
			node = v->node_ends[node];
			continue;
		}
		m->path_count = depth + 1;
		next = gen_machine_step(context, m, &m->path[depth], v->node_bytes[node]);
		if (next <= GEN_STATE_DEAD)
		{
			if (next == GEN_STATE_UNKNOWN)
				return false;
			node = v->node_ends[node];
			continue;
		}
		m->path[depth + 1] = next;
		if (v->node_tokens[node] < v->node_tokens[node + 1])
			take_tokens(v, s, node, m->states[next].shortest);
		node++;
		if (++visited % POLL_NODES == 0 && tfm_stopped(context))
			return false;
	}
	return true;
}

/* Fill a mask with the tokens after which so many bytes at least may be needed, at most. */
static bool
fill_mask(tfm_context *context, gen_matcher *matcher, uint32_t most, gen_mask *mask,
		  uint32_t *least)
{
	gen_machine *m = matcher->machine;
	size_t words = ((size_t) m->vocabulary->size + 63) / 64;
	search s = {.most = most, .bits = mask->bits, .least = GEN_UNBOUNDED};
	bool good;

	s.inside = find_run(context, m, &m->states[matcher->state]);
	if (tfm_failed(context))
		return false;
	if (s.inside.rest > most)
		s.inside.table = NULL;
	if (s.inside.table != NULL)
	{
		set_run(m->vocabulary, s.inside, mask->bits);
		s.longest = s.inside.rest;
	}
	else
		memset(mask->bits, 0, words * sizeof(uint64_t));
	m->path[0] = matcher->state;
	good = walk(context, m, &s);
	m->path_count = 0;
	mask->any = false;
	for (size_t i = 0; i < words; i++)
		mask->any |= mask->bits[i] != 0;
	mask->longest = s.longest;
	*least = s.least;
	return good;
}

/* The mask of the matcher's state, made if it is not kept; NULL with an error. */
static const gen_mask *
find_whole_mask(tfm_context *context, gen_matcher *matcher)
{
	gen_machine *m = matcher->machine;
	gen_mask *mask;
	uint32_t least;

	if (m->states[matcher->state].mask >= 0)
		return &m->masks[m->states[matcher->state].mask];
	mask = &m->masks[m->mask_next];
	if (mask->state != GEN_STATE_UNKNOWN)
		m->states[mask->state].mask = -1;
	mask->state = GEN_STATE_UNKNOWN;
	if (!fill_mask(context, matcher, GEN_UNBOUNDED, mask, &least))
		return NULL;
	mask->state = matcher->state;
	m->states[matcher->state].mask = (int32_t) m->mask_next;
	m->mask_next = (m->mask_next + 1) % m->mask_count;
	return mask;
}

/*
 * Or, where few tokens are left, one of those with which the text can still come to its end, a byte with
 * each at worst; where it cannot, of those that come nearest to it.
 */
static const gen_mask *
find_mask(tfm_context *context, gen_matcher *matcher)
{
	const gen_mask *whole = find_whole_mask(context, matcher);
	gen_mask *mask = &matcher->machine->masks[matcher->machine->mask_count];
	uint32_t most, least;

	if (whole == NULL || matcher->left < 0 || !whole->any)
		return whole;
	most = matcher->left > GEN_UNBOUNDED / 2 ? GEN_UNBOUNDED / 2
		   : matcher->left == 0				 ? 0
											 : (uint32_t) matcher->left - 1;
	if (whole->longest <= most)
		return whole;
	if (!fill_mask(context, matcher, most, mask, &least))
		return NULL;
	if (mask->any || gen_matcher_may_end(matcher))
		return mask;
	return fill_mask(context, matcher, least, mask, &least) ? mask : NULL;
}

static void
apply(const uint64_t *bits, int64_t size, float *scores)
{
	for (int64_t id = 0; id < size; id += 64)
	{
		uint64_t word = bits[id / 64];
		int64_t count = size - id < 64 ? size - id : 64;

		if (word == 0)
			for (int64_t i = 0; i < count; i++)
				scores[id + i] = -INFINITY;
		else if (word != UINT64_MAX)
			for (int64_t i = 0; i < count; i++)
				scores[id + i] = (word >> i & 1) != 0 ? scores[id + i] : -INFINITY;
	}
}

/* The mask, but for the tokens that end a text. */
static bool
apply_mask(tfm_context *context, gen_matcher *matcher, float *scores)
{
	const gen_mask *mask = find_mask(context, matcher);
	const gen_state *state = &matcher->machine->states[matcher->state];

	if (mask == NULL)
		return false;
	if (!mask->any && !state->accepts)
		return tfm_fail(
			context, TFM_INVALID_ARGUMENT,
			"no token of the vocabulary can go on with the text as the constraint asks");
	apply(mask->bits, matcher->machine->vocabulary->size, scores);
	return true;
}

bool
gen_matcher_mask(tfm_context *context, gen_matcher *matcher, float *scores, const int32_t *ends,
				 size_t end_count)
{
	int64_t size = matcher->machine->vocabulary->size;
	bool may_end = gen_matcher_may_end(matcher), good;
	float few[16], *kept = few;

	if (end_count > 16 && (kept = tfm_alloc_array(context, end_count, sizeof(float))) == NULL)
		return false;
	for (size_t i = 0; i < end_count; i++)
		kept[i] = ends[i] >= 0 && ends[i] < size ? scores[ends[i]] : 0;
	good = apply_mask(context, matcher, scores);
	for (size_t i = 0; i < end_count; i++)
		if (ends[i] >= 0 && ends[i] < size)
			scores[ends[i]] = may_end ? kept[i] : -INFINITY;
	return good;
}
