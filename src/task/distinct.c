/*
 * distinct.c
 *	  Inputs of a call that are equal.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/distinct.h"

#include <string.h>

#include "base/compare.h"

/* Fowler, Noll and Vo's, by eight bytes at a time: inputs are long, and few. */
static uint64_t
hash_text(uint64_t hash, tfm_text text)
{
	const uint64_t prime = 0x100000001B3;
	size_t i = 0;

	for (; i + sizeof(uint64_t) <= text.length; i += sizeof(uint64_t))
	{
		uint64_t word;

		memcpy(&word, text.data + i, sizeof(word));
		hash = (hash ^ word) * prime;
		hash ^= hash >> 32;
	}
	for (; i < text.length; i++)
		hash = (hash ^ (unsigned char) text.data[i]) * prime;
	return (hash ^ text.length) * prime;
}

static uint64_t
hash_input(const task_call *call, size_t i)
{
	uint64_t hash = hash_text(0xCBF29CE484222325, call->inputs[i]);

	return call->seconds == NULL ? hash : hash_text(hash, call->seconds[i]);
}

static bool
same_input(const task_call *call, size_t a, size_t b)
{
	return tfm_same_text(call->inputs[a], call->inputs[b]) &&
		   (call->seconds == NULL || tfm_same_text(call->seconds[a], call->seconds[b]));
}

bool
task_find_distinct(tfm_context *context, const task_call *call, task_distinct *distinct)
{
	size_t slots = 16;
	size_t *table; /* the number of a distinct input and 1; 0: free */

	*distinct = (task_distinct) {
		.first = tfm_alloc_array(context, call->count, sizeof(size_t)),
		.place = tfm_alloc_array(context, call->count, sizeof(size_t)),
	};
	while (slots < 2 * call->count)
		slots *= 2;
	table = tfm_alloc_zero(context, slots * sizeof(size_t));
	if (tfm_failed(context))
		return false;
	for (size_t i = 0; i < call->count; i++)
	{
		size_t slot = (size_t) hash_input(call, i) & (slots - 1);

		while (table[slot] != 0 && !same_input(call, distinct->first[table[slot] - 1], i))
			slot = (slot + 1) & (slots - 1);
		if (table[slot] == 0)
		{
			distinct->first[distinct->count++] = i;
			table[slot] = distinct->count;
		}
		distinct->place[i] = table[slot] - 1;
	}
	return true;
}
