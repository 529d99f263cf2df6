/*
 * force_words.c
 *	  How far sequences have fulfilled the words that must appear.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/force_words.h"

#include <string.h>

/* Word w of all constraints' words. */
static gen_ids
get_word(const gen_words *words, size_t w)
{
	return gen_list(&words->lists, w);
}

static bool
begins_with(gen_ids word, const int32_t *ids, size_t count)
{
	return count == 0 ||
		   (word.count >= count && memcmp(word.ids, ids, count * sizeof(int32_t)) == 0);
}

bool
gen_words_check(tfm_context *context, const gen_words *words)
{
	for (size_t c = 0; c < words->count; c++)
		for (size_t a = words->starts[c]; a < words->starts[c + 1]; a++)
			for (size_t b = words->starts[c]; b < words->starts[c + 1]; b++)
			{
				gen_ids shorter = get_word(words, a);

				if (a != b && begins_with(get_word(words, b), shorter.ids, shorter.count))
					return tfm_fail(context, TFM_INVALID_ARGUMENT,
									"\"force_words_ids\": of words of which one will do, one "
									"is the beginning of another");
			}
	return true;
}

/* The longest word of a constraint. */
static size_t
find_height(const gen_words *words, size_t constraint)
{
	size_t height = 0;

	for (size_t w = words->starts[constraint]; w < words->starts[constraint + 1]; w++)
		if (get_word(words, w).count > height)
			height = get_word(words, w).count;
	return height;
}

static size_t
find_longest(const gen_words *words)
{
	size_t longest = 0;

	for (size_t c = 0; c < words->count; c++)
		if (find_height(words, c) > longest)
			longest = find_height(words, c);
	return longest;
}

static bool
allocate_state(tfm_context *context, const gen_words *words, gen_forced *state)
{
	*state = (gen_forced) {
		.words = words,
		.pending = tfm_alloc_array(context, words->count, sizeof(size_t)),
		.current = -1,
		.said = tfm_alloc_array(context, find_longest(words) + 1, sizeof(int32_t)),
	};
	return state->pending != NULL && state->said != NULL;
}

bool
gen_forced_create(tfm_context *context, const gen_words *words, const int32_t *ids, int64_t count,
				  gen_forced *state)
{
	if (!allocate_state(context, words, state))
		return false;
	state->pending_count = words->count;
	for (size_t i = 0; i < words->count; i++)
		state->pending[i] = i;
	for (int64_t i = 0; i < count && !state->done; i++)
		gen_forced_add(state, ids[i]);
	return true;
}

bool
gen_forced_copy(tfm_context *context, const gen_forced *from, gen_forced *to)
{
	gen_forced made;

	if (!allocate_state(context, from->words, &made))
		return false;
	memcpy(made.pending, from->pending, from->pending_count * sizeof(size_t));
	memcpy(made.said, from->said, from->said_count * sizeof(int32_t));
	*to = *from;
	to->pending = made.pending;
	to->said = made.said;
	return true;
}

/* Whether a constraint of which said[count] was said goes on by id; *whole: a word is said then. */
static bool
goes_on(const gen_words *words, size_t constraint, const int32_t *said, size_t count, int32_t id,
		bool *whole)
{
	bool found = false;

	*whole = false;
	for (size_t w = words->starts[constraint]; w < words->starts[constraint + 1]; w++)
	{
		gen_ids word = get_word(words, w);

		if (word.count <= count || !begins_with(word, said, count) || word.ids[count] != id)
			continue;
		found = true;
		*whole |= word.count == count + 1;
	}
	return found;
}

static void
complete(gen_forced *state)
{
	state->completed++;
	state->current = -1;
	state->said_count = 0;
	state->done = state->pending_count == 0;
}

/* The constraint that is begun goes on, is fulfilled, or waits again, behind the others. */
static void
add_to_current(gen_forced *state, int32_t id)
{
	bool whole;

	if (!goes_on(state->words, (size_t) state->current, state->said, state->said_count, id, &whole))
	{
		state->pending[state->pending_count++] = (size_t) state->current;
		state->current = -1;
		state->said_count = 0;
	}
	else if (whole)
		complete(state);
	else
		state->said[state->said_count++] = id;
}

void
gen_forced_add(gen_forced *state, int32_t id)
{
	if (state->done)
		return;
	if (state->current >= 0)
	{
		add_to_current(state, id);
		return;
	}
	for (size_t i = 0; i < state->pending_count; i++)
	{
		size_t constraint = state->pending[i];
		bool whole;

		if (!goes_on(state->words, constraint, NULL, 0, id, &whole))
			continue;
		state->pending_count--;
		memmove(state->pending + i, state->pending + i + 1,
				(state->pending_count - i) * sizeof(size_t));
		if (whole)
			complete(state);
		else
		{
			state->current = (int64_t) constraint;
			state->said[0] = id;
			state->said_count = 1;
		}
		return;
	}
}

/* The tokens by which a constraint goes on, each once. */
static void
list_next(const gen_words *words, size_t constraint, const int32_t *said, size_t count,
		  int32_t *next, size_t *next_count)
{
	size_t first = *next_count;

	for (size_t w = words->starts[constraint]; w < words->starts[constraint + 1]; w++)
	{
		gen_ids word = get_word(words, w);
		bool there = false;

		if (word.count <= count || !begins_with(word, said, count))
			continue;
		for (size_t i = first; i < *next_count; i++)
			there |= next[i] == word.ids[count];
		if (!there)
			next[(*next_count)++] = word.ids[count];
	}
}

bool
gen_forced_next(tfm_context *context, const gen_forced *state, gen_ids *next)
{
	int32_t *ids = tfm_alloc_array(context, state->words->lists.count + 1, sizeof(int32_t));

	*next = (gen_ids) {.ids = ids};
	if (ids == NULL)
		return false;
	if (state->current >= 0)
		list_next(state->words, (size_t) state->current, state->said, state->said_count, ids,
				  &next->count);
	for (size_t i = 0; state->current < 0 && i < state->pending_count; i++)
		list_next(state->words, state->pending[i], NULL, 0, ids, &next->count);
	return true;
}

int64_t
gen_forced_rank(const gen_forced *state)
{
	size_t longest = find_longest(state->words), rank = state->completed * longest;

	if (state->current >= 0)
		rank += longest - (find_height(state->words, (size_t) state->current) - state->said_count);
	return (int64_t) rank;
}
