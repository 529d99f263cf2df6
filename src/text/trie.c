/*
 * trie.c
 *	  Building a double-array trie, and looking up whole keys.
 *
 * Nodes are placed from the root down, all children of one node at once: the first free place that
 * fits the first child is tried, then the next, up to a number of places; then the array grows by a
 * block of 256, where every set of children fits.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/trie.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 256u
#define FREE UINT32_MAX
#define PLACES_TRIED 256
#define MAX_NODES (TRIE_TERMINAL - BLOCK_SIZE)

/* A run of keys that share their first depth bytes, and the node that those lead to. */
typedef struct key_run
{
	size_t first, end;
	uint32_t depth;
	uint32_t node;
} key_run;

typedef struct builder
{
	tfm_context *context;
	const trie_key *keys;
	buffer *nodes;		 /* trie_node */
	size_t offset;		 /* of the first node in the buffer */
	buffer next_free;	 /* uint32_t for each node: the next free one */
	uint32_t count;		 /* nodes */
	uint32_t first_free; /* head of the list of free nodes, newest block first; FREE at its end */
	buffer runs;		 /* stack of key_run */
} builder;

static trie_node *
node_at(builder *b, uint32_t index)
{
	return (trie_node *) (void *) (b->nodes->data + b->offset) + index;
}

static uint32_t *
next_free_at(builder *b, uint32_t index)
{
	return (uint32_t *) (void *) b->next_free.data + index;
}

static bool
add_block(builder *b)
{
	if (b->count > MAX_NODES)
		return tfm_fail(b->context, TFM_LIMIT_EXCEEDED, "the vocabulary is too large for a trie");
	if (!buffer_append_zeros(b->context, b->nodes, BLOCK_SIZE * sizeof(trie_node)) ||
		!buffer_append_zeros(b->context, &b->next_free, BLOCK_SIZE * sizeof(uint32_t)))
		return false;
	for (uint32_t i = b->count; i < b->count + BLOCK_SIZE; i++)
	{
		node_at(b, i)->check = FREE;
		*next_free_at(b, i) = i + 1 < b->count + BLOCK_SIZE ? i + 1 : b->first_free;
	}
	b->first_free = b->count == TRIE_ROOT ? TRIE_ROOT + 1 : b->count;
	b->count += BLOCK_SIZE;
	return true;
}

/* Whether all children fit at this base. */
static bool
children_fit(builder *b, uint32_t base, const unsigned char *labels, int label_count)
{
	for (int i = 0; i < label_count; i++)
	{
		uint32_t child = base ^ labels[i];

		if (child >= b->count || child == TRIE_ROOT || node_at(b, child)->check != FREE)
			return false;
	}
	return true;
}

/*
 * A base where all children fit.  Places that were taken since they were linked are unlinked on the
 * way.
 */
static bool
find_base(builder *b, const unsigned char *labels, int label_count, uint32_t *base)
{
	uint32_t *link = &b->first_free;

	for (int i = 0; i < PLACES_TRIED; i++)
	{
		while (*link != FREE && node_at(b, *link)->check != FREE)
			*link = *next_free_at(b, *link);
		if (*link == FREE)
			break;
		*base = *link ^ labels[0];
		if (children_fit(b, *base, labels, label_count))
			return true;
		link = next_free_at(b, *link);
	}
	*base = b->count;
	return add_block(b);
}

/* The byte after the run's common part of a key; 0 where the key ends. */
static unsigned char
label_of(const builder *b, size_t key, uint32_t depth)
{
	return depth < b->keys[key].length ? (unsigned char) b->keys[key].bytes[depth] : 0;
}

static bool
place_children(builder *b, key_run run)
{
	unsigned char labels[256];
	int label_count = 0;
	uint32_t base = 0;
	size_t key = run.first;

	for (size_t i = run.first; i < run.end; i++)
	{
		unsigned char label = label_of(b, i, run.depth);

		if (label_count == 0 || labels[label_count - 1] != label)
			labels[label_count++] = label;
	}
	if (!find_base(b, labels, label_count, &base))
		return false;
	node_at(b, run.node)->base = base | (labels[0] == 0 ? TRIE_TERMINAL : 0);
	for (int i = 0; i < label_count; i++)
	{
		key_run child = {.first = key, .depth = run.depth + 1, .node = base ^ labels[i]};

		node_at(b, child.node)->check = run.node;
		while (key < run.end && label_of(b, key, run.depth) == labels[i])
			key++;
		child.end = key;
		if (labels[i] == 0)
			node_at(b, child.node)->base = b->keys[child.first].value;
		else if (!buffer_append(b->context, &b->runs, &child, sizeof(child)))
			return false;
	}
	return true;
}

static int
compare_keys(const void *left, const void *right)
{
	const trie_key *a = left, *b = right;
	uint32_t length = a->length < b->length ? a->length : b->length;
	int order = memcmp(a->bytes, b->bytes, length);

	if (order != 0)
		return order;
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return a->rank < b->rank ? -1 : a->rank > b->rank;
}

bool
tok_trie_build(tfm_context *context, trie_key *keys, size_t count, buffer *nodes)
{
	builder b = {
		.context = context,
		.keys = keys,
		.nodes = nodes,
		.offset = nodes->length,
		.first_free = FREE,
	};
	key_run run = {.first = 0, .end = count, .depth = 0, .node = TRIE_ROOT};
	bool ok;

	if (count == 0)
		return true;
	qsort(keys, count, sizeof(trie_key), compare_keys);
	ok = add_block(&b) && buffer_append(context, &b.runs, &run, sizeof(run));
	while (ok && b.runs.length > 0)
	{
		b.runs.length -= sizeof(run);
		memcpy(&run, b.runs.data + b.runs.length, sizeof(run));
		ok = place_children(&b, run) && !tfm_failed(context);
	}
	free(b.runs.data);
	free(b.next_free.data);
	return ok;
}

uint32_t
tok_trie_walk(const trie *t, uint32_t node, const char *bytes, size_t length)
{
	if (node >= t->count)
		return TRIE_NONE;
	for (size_t i = 0; i < length && node != TRIE_NONE; i++)
		node = trie_step(t, node, (unsigned char) bytes[i]);
	return node;
}

uint32_t
tok_trie_find(const trie *t, const char *bytes, size_t length)
{
	uint32_t node = tok_trie_walk(t, TRIE_ROOT, bytes, length);

	return node == TRIE_NONE ? TRIE_NONE : trie_value(t, node);
}
