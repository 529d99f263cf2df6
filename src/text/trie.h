/*
 * trie.h
 *	  A double-array trie from byte strings to numbers, used where it lies in the blob.
 *
 * From node n, byte b leads to child c = base(n) ^ b if check(c) == n.  A key that ends at n has
 * its value in the child for byte 0, whose base field is the value; TRIE_TERMINAL in n's base says
 * that there is one.  Keys have no NUL bytes.  Every step checks the bounds, so that walking a
 * damaged trie gives wrong values but reads nothing outside.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_TRIE_H
#define TFM_TEXT_TRIE_H

#include "base/buffer.h"

#define TRIE_ROOT 0u
#define TRIE_NONE UINT32_MAX
#define TRIE_TERMINAL 0x80000000u

typedef struct trie_node
{
	uint32_t base; /* or the value, in a leaf */
	uint32_t check;
} trie_node;

typedef struct trie
{
	const trie_node *nodes;
	uint32_t count; /* 0: an empty trie */
} trie;

typedef struct trie_key
{
	const char *bytes;
	uint32_t length;
	uint32_t value;
	uint32_t rank;
} trie_key;

/*
 * Append the nodes of a trie over the keys, which are sorted here; of equal keys the one with the
 * lowest rank stays.  Nothing is appended for no keys.  Keys must not hold NUL bytes, values must
 * not be TRIE_NONE.
 */
extern bool tok_trie_build(tfm_context *context, trie_key *keys, size_t count, buffer *nodes);

/* The child of node for a byte, TRIE_NONE if there is none; node must be below count. */
static inline uint32_t
trie_step(const trie *t, uint32_t node, unsigned char byte)
{
	uint32_t child = (t->nodes[node].base & ~TRIE_TERMINAL) ^ byte;

	return child < t->count && t->nodes[child].check == node ? child : TRIE_NONE;
}

/* The value of the key that ends at node, TRIE_NONE if there is none. */
static inline uint32_t
trie_value(const trie *t, uint32_t node)
{
	uint32_t base = t->nodes[node].base;

	if ((base & TRIE_TERMINAL) == 0 || (base & ~TRIE_TERMINAL) >= t->count)
		return TRIE_NONE;
	return t->nodes[base & ~TRIE_TERMINAL].base;
}

/* The node that a string leads to from node, TRIE_NONE if there is none. */
extern uint32_t tok_trie_walk(const trie *t, uint32_t node, const char *bytes, size_t length);

/* The value of a key, TRIE_NONE if it is absent. */
extern uint32_t tok_trie_find(const trie *t, const char *bytes, size_t length);

/*
 * The longest non-empty key that the text begins with, from node; its value, and its length in
 * *matched.  TRIE_NONE if there is none.
 */
static inline uint32_t
trie_longest(const trie *t, uint32_t node, const char *text, size_t length, size_t *matched)
{
	uint32_t value = TRIE_NONE;

	if (node >= t->count)
		return TRIE_NONE;
	for (size_t i = 0; i < length; i++)
	{
		uint32_t here;

		node = trie_step(t, node, (unsigned char) text[i]);
		if (node == TRIE_NONE)
			break;
		here = trie_value(t, node);
		if (here != TRIE_NONE)
		{
			value = here;
			*matched = i + 1;
		}
	}
	return value;
}

#endif
