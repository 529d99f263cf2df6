/*
 * model_bpe.c
 *	  PythonBPE: byte pair encoding as the bpe() of Python tokenizers does it.
 *
 * The last character of a word has "</w>" behind it.  Of all pairs of neighbours the one that was
 * learned first is merged, at all its places from the left, before pairs are compared again; the
 * library merges place by place, which is another order where a merge makes an earlier pair.
 *
 * Symbols are the strings of the merges, numbered by a trie; a hash table has the pairs.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "text/python/models.h"

#define NO_SYMBOL UINT32_MAX
#define WORD_END "</w>"

typedef struct bpe_payload
{
	int64_t unknown;
	uint32_t symbols; /* nodes of the trie that follows */
	uint32_t pairs;	  /* places of the hash table after it, a power of 2 */
	uint64_t inner;	  /* whether tokens inside a word end with @@; else its last with </w> */
} bpe_payload;

/* A place of the hash table. */
typedef struct bpe_pair
{
	uint32_t left, right; /* NO_SYMBOL: the place is free */
	uint32_t rank;
	uint32_t merged;
} bpe_pair;

typedef struct bpe
{
	const bpe_payload *header;
	trie symbols;
	bpe_pair *pairs;
} bpe;

static uint32_t
hash_pair(uint32_t left, uint32_t right)
{
	uint64_t h = ((uint64_t) left << 32 | right) * UINT64_C(0x9E3779B97F4A7C15);

	return (uint32_t) (h >> 32);
}

/* The place of a pair, or the free one where it would be; NULL if the table is full. */
static bpe_pair *
find_pair(const bpe *m, uint32_t left, uint32_t right)
{
	uint32_t mask = m->header->pairs - 1, place = hash_pair(left, right);

	if (left == NO_SYMBOL || right == NO_SYMBOL)
		return NULL;
	for (uint32_t tried = 0; tried <= mask; tried++, place++)
	{
		bpe_pair *pair = &m->pairs[place & mask];

		if (pair->left == NO_SYMBOL || (pair->left == left && pair->right == right))
			return pair;
	}
	return NULL;
}

/* The two strings of a merge and what they make; false if they are not two strings. */
static bool
read_merge(tfm_context *context, json merge, const char *strings[3])
{
	json left = json_first(merge), right = json_next(left);

	if (!json_is_string(left) || !json_is_string(right) || json_present(json_next(right)))
		return false;
	strings[0] = json_as_string(left);
	strings[1] = json_as_string(right);
	strings[2] = tfm_sprintf(context, "%s%s", strings[0], strings[1]);
	return strings[2] != NULL && *strings[0] != '\0' && *strings[1] != '\0';
}

/* Three strings for each merge, and the trie of them all; equal ones get the first's number. */
static bool
compile_symbols(tok_compiler *compiler, json merges, const char **strings, size_t count,
				buffer *payload)
{
	tfm_context *context = compiler->context;
	trie_key *keys = tfm_alloc_array(context, count * 3, sizeof(trie_key));
	size_t i = 0;

	for (json merge = json_first(merges); keys != NULL && json_present(merge);
		 merge = json_next(merge), i += 3)
	{
		if (!read_merge(context, merge, strings + i))
			return tfm_fail(context, TFM_CORRUPTED, "\"%s\": merge %zu is not two strings",
							compiler->source, i / 3);
		for (size_t j = i; j < i + 3; j++)
			keys[j] = (trie_key) {
				.bytes = strings[j],
				.length = (uint32_t) strlen(strings[j]),
				.value = (uint32_t) j,
				.rank = (uint32_t) j,
			};
		if ((i & 0xFFF) == 0 && tfm_stopped(context))
			return false;
	}
	return keys != NULL && tok_trie_build(context, keys, count * 3, payload);
}

static bool
compile_pairs(tok_compiler *compiler, bpe_payload *header, const char **strings, size_t count,
			  buffer *payload)
{
	tfm_context *context = compiler->context;
	bpe m = {.header = header};

	m.symbols.nodes = (const trie_node *) (const void *) (payload->data + sizeof(bpe_payload));
	m.symbols.count = header->symbols;
	for (header->pairs = 1; header->pairs < count * 2;)
		header->pairs *= 2;
	m.pairs = tfm_alloc_array(context, header->pairs, sizeof(bpe_pair));
	if (m.pairs == NULL)
		return false;
	memset(m.pairs, 0xFF, header->pairs * sizeof(bpe_pair));
	for (size_t i = 0; i < count; i++)
	{
		uint32_t left = tok_trie_find(&m.symbols, strings[3 * i], strlen(strings[3 * i]));
		uint32_t right = tok_trie_find(&m.symbols, strings[3 * i + 1], strlen(strings[3 * i + 1]));
		bpe_pair *pair = find_pair(&m, left, right);

		if (pair == NULL)
			return tfm_fail(context, TFM_INTERNAL, "the table of merges is full");
		/* Of equal merges the last one counts. */
		*pair = (bpe_pair) {
			.left = left,
			.right = right,
			.rank = (uint32_t) i,
			.merged = tok_trie_find(&m.symbols, strings[3 * i + 2], strlen(strings[3 * i + 2])),
		};
	}
	return buffer_append(context, payload, m.pairs, header->pairs * sizeof(bpe_pair));
}

static bool
compile_bpe(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	json merges = json_member(spec, "merges");
	size_t count = json_size(merges);
	const char **strings = tfm_alloc_array(context, count * 3, sizeof(char *));
	bpe_payload header = {.inner = json_bool(context, spec, "inner", false)};

	if (strings == NULL || tfm_failed(context) ||
		!tok_compile_token_map(compiler, json_member(spec, "vocab")))
		return false;
	if (count > INT32_MAX / 8)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED, "\"%s\": there are too many merges",
						compiler->source);
	header.unknown = tok_python_unknown(compiler, spec);
	if (!buffer_append(context, payload, &header, sizeof(header)) ||
		!compile_symbols(compiler, merges, strings, count, payload))
		return false;
	header.symbols = (uint32_t) ((payload->length - sizeof(header)) / sizeof(trie_node));
	if (!compile_pairs(compiler, &header, strings, count, payload))
		return false;
	memcpy(payload->data, &header, sizeof(header));
	return true;
}

static bool
check_bpe(tfm_context *context, const tok_tokenizer *tokenizer, tok_payload payload)
{
	const bpe_payload *header = payload.bytes;
	size_t rest;

	if (payload.length < sizeof(*header) || header->unknown < -1 ||
		header->unknown >= tokenizer->settings->id_limit || header->pairs == 0 ||
		(header->pairs & (header->pairs - 1)) != 0)
		return tok_fail_damaged(context);
	rest = payload.length - sizeof(*header);
	if (header->symbols > rest / sizeof(trie_node) ||
		header->pairs > (rest - header->symbols * sizeof(trie_node)) / sizeof(bpe_pair))
		return tok_fail_damaged(context);
	return true;
}

/* A symbol of the word in work: bytes from start on, up to the next symbol's. */
typedef struct node
{
	uint32_t symbol;
	uint32_t start;
	uint32_t next, previous; /* NO_SYMBOL: none */
} node;

/* A pair that may be merged, in the heap. */
typedef struct candidate
{
	uint32_t rank;
	uint32_t at; /* node of its left symbol */
	uint32_t left, right;
	uint32_t merged;
} candidate;

typedef struct merging
{
	const bpe *model;
	node *nodes;
	candidate *heap;
	size_t heap_count;
	candidate *pending; /* made by the merges of the round, for the next */
	size_t pending_count;
} merging;

static bool
is_before(const candidate *a, const candidate *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void
push_candidate(merging *w, candidate c)
{
	size_t i = w->heap_count++;

	for (; i > 0 && is_before(&c, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = c;
}

static candidate
pop_candidate(merging *w)
{
	candidate top = w->heap[0], last = w->heap[--w->heap_count];
	size_t i = 0;

	for (;;)
	{
		size_t child = 2 * i + 1;

		if (child >= w->heap_count)
			break;
		if (child + 1 < w->heap_count && is_before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!is_before(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

/* Note the pair of a node and the next, if it has been learned. */
static void
note_pair(merging *w, uint32_t at)
{
	uint32_t next = at == NO_SYMBOL ? NO_SYMBOL : w->nodes[at].next;
	const bpe_pair *pair;

	if (next == NO_SYMBOL)
		return;
	pair = find_pair(w->model, w->nodes[at].symbol, w->nodes[next].symbol);
	if (pair != NULL && pair->left != NO_SYMBOL)
		w->pending[w->pending_count++] = (candidate) {
			.rank = pair->rank,
			.at = at,
			.left = pair->left,
			.right = pair->right,
			.merged = pair->merged,
		};
}

static void
merge_pair(merging *w, const candidate *c)
{
	node *left = &w->nodes[c->at], *right;

	if (left->next == NO_SYMBOL || left->symbol != c->left)
		return;
	right = &w->nodes[left->next];
	if (right->symbol != c->right)
		return;
	left->symbol = c->merged;
	left->next = right->next;
	right->symbol = NO_SYMBOL;
	if (left->next != NO_SYMBOL)
		w->nodes[left->next].previous = c->at;
	note_pair(w, left->previous);
	note_pair(w, c->at);
}

/* Rounds of merges until no pair is left. */
static bool
merge_all(tok_work *work, merging *w)
{
	uint32_t polled = 0;

	for (;;)
	{
		uint32_t rank;

		while (w->pending_count > 0)
			push_candidate(w, w->pending[--w->pending_count]);
		if (w->heap_count == 0)
			return true;
		rank = w->heap[0].rank;
		while (w->heap_count > 0 && w->heap[0].rank == rank)
		{
			candidate c = pop_candidate(w);

			merge_pair(w, &c);
			if ((++polled & 0xFFFF) == 0 && tfm_stopped(work->context))
				return false;
		}
	}
}

static uint32_t
find_symbol(const bpe *m, const char *bytes, size_t length, bool last)
{
	uint32_t at =
		m->symbols.count == 0 ? TRIE_NONE : tok_trie_walk(&m->symbols, TRIE_ROOT, bytes, length);

	if (at != TRIE_NONE && last)
		at = tok_trie_walk(&m->symbols, at, WORD_END, strlen(WORD_END));
	return at == TRIE_NONE ? NO_SYMBOL : trie_value(&m->symbols, at);
}

/* A node for each character; returns how many. */
static uint32_t
list_nodes(merging *w, const char *bytes, uint32_t start, uint32_t end)
{
	uint32_t count = 0;

	while (start < end)
	{
		int width;

		utf8_decode(bytes + start, &width);
		w->nodes[count] = (node) {
			.symbol = find_symbol(w->model, bytes + start, (size_t) width,
								  start + (uint32_t) width >= end),
			.start = start,
			.next = start + (uint32_t) width >= end ? NO_SYMBOL : count + 1,
			.previous = count == 0 ? NO_SYMBOL : count - 1,
		};
		count++;
		start += (uint32_t) width;
	}
	for (uint32_t i = 0; i < count; i++)
		note_pair(w, i);
	return count;
}

static bool
push_token(tok_work *work, const bpe_payload *header, uint32_t start, uint32_t end, bool last,
		   int32_t word)
{
	const char *suffix = header->inner ? (last ? "" : "@@") : (last ? WORD_END : "");
	int32_t id = tok_python_id(work, work->string.bytes + start, end - start, suffix,
							   (int32_t) header->unknown);

	if (id < 0)
		return false;
	tok_push_piece(work, id, start, end, word);
	return true;
}

static bool
run_merging(tok_work *work, const bpe *m, uint32_t start, uint32_t end, int32_t word)
{
	size_t length = end - start;
	merging w = {
		.model = m,
		.nodes = tok_work_alloc(work, length * sizeof(node)),
		/* A merge takes a node away and makes two candidates at most. */
		.heap = tok_work_alloc(work, length * 3 * sizeof(candidate)),
		.pending = tok_work_alloc(work, length * 3 * sizeof(candidate)),
	};

	if (w.nodes == NULL || w.heap == NULL || w.pending == NULL)
		return false;
	list_nodes(&w, work->string.bytes, start, end);
	if (!merge_all(work, &w))
		return false;
	for (uint32_t i = 0; i != NO_SYMBOL; i = w.nodes[i].next)
	{
		uint32_t next = w.nodes[i].next;

		if (!push_token(work, m->header, w.nodes[i].start,
						next == NO_SYMBOL ? end : w.nodes[next].start, next == NO_SYMBOL, word))
			return false;
	}
	return true;
}

static bool
run_bpe(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word)
{
	const bpe_payload *header = payload.bytes;
	const trie_node *nodes = (const trie_node *) (header + 1);
	bpe m = {
		.header = header,
		.symbols = {.nodes = nodes, .count = header->symbols},
		.pairs = (bpe_pair *) (uintptr_t) (nodes + header->symbols),
	};
	arena_mark mark;
	bool ok;

	if (start == end)
		return true;
	if (!tok_reserve_pieces(work, end - start))
		return false;
	mark = arena_save(work->scratch);
	ok = run_merging(work, &m, start, end, word);
	arena_restore(work->scratch, mark);
	return ok;
}

const tok_model tok_model_python_bpe = {
	.row = {"PythonBPE", compile_bpe},
	.check = check_bpe,
	.run = run_bpe,
};
