/*
 * bpe_merge.c
 *	  From a word to symbols, and from those to tokens.
 *
 * Follows BPE::merge_word and Word::merge_all of the library, oddities included: bytes that stand for
 * an unknown character come before an unknown one that was still being fused, and a merge that has
 * waited in the queue is done if what is there now becomes the same token.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/bpe.h"

#include "base/utf8.h"

/* As many symbols are merged without a queue; their numbers fit in the bits below the rank. */
#define FEW 64
#define FEW_BITS 6

/* ---- Symbols ---- */

size_t
bpe_symbols_max(const bpe_payload *payload, size_t length)
{
	if ((payload->flags & BPE_BYTE_FALLBACK) == 0)
		return length;
	return length * (1 + (size_t) payload->prefix_length) + payload->suffix_length;
}

/* A word being split. */
typedef struct splitter
{
	tfm_context *context;
	const bpe_tables *tables;
	bpe_symbol *symbols;
	int32_t count;
	uint32_t unknown; /* bytes of unknown characters that have no symbol yet */
	char text[2 * BPE_AFFIX_MAX + 4];
	size_t text_length; /* the character with its prefix and suffix */
} splitter;

static void
add_symbol(splitter *s, int32_t id, uint32_t length)
{
	s->symbols[s->count] = (bpe_symbol) {
		.id = id,
		.length = length,
		.previous = s->count - 1,
		.next = s->count + 1,
	};
	s->count++;
}

static void
append_text(splitter *s, const char *bytes, size_t length)
{
	memcpy(s->text + s->text_length, bytes, length);
	s->text_length += length;
}

/* The character as the vocabulary would have it. */
static void
set_text(splitter *s, const char *bytes, size_t width, int place)
{
	const bpe_payload *p = s->tables->payload;

	s->text_length = 0;
	if ((place & BPE_CONTINUES) != 0)
		append_text(s, p->prefix, p->prefix_length);
	append_text(s, bytes, width);
	if ((place & BPE_LAST) != 0)
		append_text(s, p->suffix, p->suffix_length);
}

/* The id of a character; -1 if it is unknown. */
static int32_t
find_character(splitter *s, const char *bytes, size_t width, size_t readable, int place)
{
	const bpe_tables *t = s->tables;
	bool plain = (t->payload->prefix_length | t->payload->suffix_length) == 0;

	if (width == 1)
		return t->payload->symbols[place][(unsigned char) bytes[0]];
	if (plain)
	{
		uint32_t id = bpe_find_word(t, bytes, width, readable);

		if (id != TRIE_NONE)
			return (int32_t) (id & ~BPE_WHOLE_WORD);
	}
	set_text(s, bytes, width, place);
	return (int32_t) tok_trie_find(t->vocabulary, s->text, s->text_length);
}

/* Symbols for the bytes of an unknown character; false if there are none. */
static bool
add_fallback(splitter *s, const char *bytes, size_t width, int place)
{
	const bpe_payload *p = s->tables->payload;

	if ((p->flags & BPE_BYTE_FALLBACK) == 0)
		return false;
	set_text(s, bytes, width, place);
	for (size_t i = 0; i < s->text_length; i++)
		if (p->fallback[(unsigned char) s->text[i]] < 0)
			return false;
	for (size_t i = 0; i < s->text_length; i++)
		add_symbol(s, p->fallback[(unsigned char) s->text[i]], 1);
	return true;
}

static bool
add_unknown(splitter *s, uint32_t width)
{
	const bpe_payload *p = s->tables->payload;

	if ((p->flags & BPE_HAS_UNKNOWN) == 0)
		return true;
	if (p->unknown_id < 0)
		return tfm_fail(s->context, TFM_CORRUPTED,
						"a character is not in the vocabulary, nor is the unknown token");
	if (s->unknown > 0 && (p->flags & BPE_FUSE_UNKNOWN) == 0)
	{
		add_symbol(s, p->unknown_id, s->unknown);
		s->unknown = 0;
	}
	s->unknown += width;
	return true;
}

static int64_t
split_characters(splitter *s, const char *bytes, size_t length, size_t readable)
{
	const bpe_payload *p = s->tables->payload;

	for (size_t i = 0; i < length;)
	{
		int width, place;
		int32_t id;

		utf8_decode(bytes + i, &width);
		if ((size_t) width > length - i)
			width = 1;
		place = (i > 0 ? BPE_CONTINUES : 0) | (i + (size_t) width == length ? BPE_LAST : 0);
		id = find_character(s, bytes + i, (size_t) width, readable - i, place);
		if (id >= 0)
		{
			if (s->unknown > 0)
				add_symbol(s, p->unknown_id, s->unknown);
			s->unknown = 0;
			add_symbol(s, id, (uint32_t) width);
		}
		else if (!add_fallback(s, bytes + i, (size_t) width, place) &&
				 !add_unknown(s, (uint32_t) width))
			return -1;
		i += (size_t) width;
	}
	if (s->unknown > 0)
		add_symbol(s, p->unknown_id, s->unknown);
	return s->count;
}

int64_t
bpe_split(tfm_context *context, const bpe_tables *t, const char *bytes, size_t length,
		  size_t readable, bpe_symbol *symbols)
{
	splitter s = {.context = context, .tables = t, .symbols = symbols};

	if ((t->payload->flags & BPE_BYTES) == 0)
		return split_characters(&s, bytes, length, readable);
	for (size_t i = 0; i + 1 < length; i++)
		add_symbol(&s, t->payload->symbols[0][(unsigned char) bytes[i]], 1);
	if (length > 0)
		add_symbol(&s, t->payload->symbols[BPE_LAST][(unsigned char) bytes[length - 1]], 1);
	return s.count;
}

/* ---- Merges ---- */

/* A word being merged. */
typedef struct merger
{
	const bpe_tables *tables;
	bpe_symbol *symbols;
	int32_t count;
	const unsigned char *bytes; /* where symbols are bytes, else NULL */
} merger;

/* The rank of the merge of a symbol and the next. */
static inline uint32_t
rank_at(const merger *m, int32_t symbol)
{
	int32_t next = m->symbols[symbol].next;
	uint32_t rank;

	if (next >= m->count)
		return BPE_NO_MERGE;
	rank = bpe_find_merge(m->tables, m->symbols[symbol].id, m->symbols[next].id);
	return rank < m->tables->payload->merge_count ? rank : BPE_NO_MERGE;
}

/* The same before anything is merged. */
static inline uint32_t
first_rank_at(const merger *m, int32_t symbol)
{
	uint32_t rank;

	if (m->bytes == NULL || (symbol + 2 == m->count && m->tables->payload->suffix_length > 0))
		return rank_at(m, symbol);
	if (symbol + 1 >= m->count)
		return BPE_NO_MERGE;
	rank = m->tables->pairs[(size_t) m->bytes[symbol] << 8 | m->bytes[symbol + 1]];
	return rank < m->tables->payload->merge_count ? rank : BPE_NO_MERGE;
}

/* Join a symbol and the next. */
static inline void
join_symbols(merger *m, int32_t symbol, uint32_t rank)
{
	bpe_symbol *left = &m->symbols[symbol], *right = &m->symbols[left->next];

	left->id = (int32_t) m->tables->new_ids[rank];
	left->length += right->length;
	left->next = right->next;
	right->length = 0;
	if (right->next < m->count)
		m->symbols[right->next].previous = symbol;
}

/* For few symbols, each with the rank of its merge: the least is looked for among all. */
static void
merge_few(merger *m)
{
	uint32_t ranks[FEW]; /* rank and number of the symbol */

	for (int32_t i = 0; i < m->count; i++)
	{
		uint32_t rank = first_rank_at(m, i);

		ranks[i] = rank == BPE_NO_MERGE ? rank : rank << FEW_BITS | (uint32_t) i;
	}
	for (;;)
	{
		uint32_t best = BPE_NO_MERGE, rank;
		int32_t symbol, previous;

		for (int32_t i = 0; i < m->count; i++)
			best = ranks[i] < best ? ranks[i] : best;
		if (best == BPE_NO_MERGE)
			break;
		symbol = (int32_t) (best & (FEW - 1));
		ranks[m->symbols[symbol].next] = BPE_NO_MERGE;
		join_symbols(m, symbol, best >> FEW_BITS);
		rank = rank_at(m, symbol);
		ranks[symbol] = rank == BPE_NO_MERGE ? rank : rank << FEW_BITS | (uint32_t) symbol;
		previous = m->symbols[symbol].previous;
		if (previous < 0)
			continue;
		rank = rank_at(m, previous);
		ranks[previous] = rank == BPE_NO_MERGE ? rank : rank << FEW_BITS | (uint32_t) previous;
	}
}

/* A queue of merges, the least rank and then the first symbol at its head: a binary heap. */
typedef struct queue
{
	uint64_t *items; /* rank, and below it the number of the symbol */
	size_t count;
} queue;

static void
sift_down(queue *q, size_t at)
{
	uint64_t item = q->items[at];

	for (;;)
	{
		size_t child = 2 * at + 1;

		if (child >= q->count)
			break;
		if (child + 1 < q->count && q->items[child + 1] < q->items[child])
			child++;
		if (item <= q->items[child])
			break;
		q->items[at] = q->items[child];
		at = child;
	}
	q->items[at] = item;
}

static void
push_merge(queue *q, uint32_t rank, int32_t symbol)
{
	uint64_t item = (uint64_t) rank << 32 | (uint32_t) symbol;
	size_t at = q->count++;

	while (at > 0 && q->items[(at - 1) / 2] > item)
	{
		q->items[at] = q->items[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	q->items[at] = item;
}

static uint64_t
pop_merge(queue *q)
{
	uint64_t first = q->items[0];

	q->items[0] = q->items[--q->count];
	if (q->count > 0)
		sift_down(q, 0);
	return first;
}

/* Every merge takes one item from the queue and adds at most two, so it never has two a symbol. */
size_t
bpe_room_size(size_t symbols)
{
	return 2 * symbols * sizeof(uint64_t);
}

static void
fill_queue(const merger *m, queue *q)
{
	for (int32_t i = 0; i + 1 < m->count; i++)
	{
		uint32_t rank = first_rank_at(m, i);

		if (rank != BPE_NO_MERGE)
			q->items[q->count++] = (uint64_t) rank << 32 | (uint32_t) i;
	}
	for (size_t i = q->count / 2; i-- > 0;)
		sift_down(q, i);
}

static bool
merge_many(tfm_context *context, merger *m, void *room)
{
	queue q = {.items = room};
	uint32_t polled = 0;

	fill_queue(m, &q);
	while (q.count > 0)
	{
		uint64_t top = pop_merge(&q);
		int32_t symbol = (int32_t) (top & UINT32_MAX), previous;
		uint32_t rank = m->symbols[symbol].length == 0 ? BPE_NO_MERGE : rank_at(m, symbol);
		uint32_t queued = (uint32_t) (top >> 32);

		if ((++polled & 0xFFFF) == 0 && tfm_stopped(context))
			return false;
		if (rank == BPE_NO_MERGE || m->tables->new_ids[rank] != m->tables->new_ids[queued])
			continue;
		join_symbols(m, symbol, queued);
		previous = m->symbols[symbol].previous;
		rank = previous < 0 ? BPE_NO_MERGE : rank_at(m, previous);
		if (rank != BPE_NO_MERGE)
			push_merge(&q, rank, previous);
		rank = rank_at(m, symbol);
		if (rank != BPE_NO_MERGE)
			push_merge(&q, rank, symbol);
	}
	return true;
}

int64_t
bpe_merge(tfm_context *context, const bpe_tables *t, const char *bytes, bpe_symbol *symbols,
		  size_t count, void *room)
{
	merger m = {.tables = t, .symbols = symbols, .count = (int32_t) count};
	int64_t left = 0;

	if ((t->payload->flags & BPE_BYTES) != 0)
		m.bytes = (const unsigned char *) bytes;
	if (count <= FEW && (t->payload->flags & BPE_ORDERED) != 0)
		merge_few(&m);
	else if (!merge_many(context, &m, room))
		return -1;
	for (int32_t i = 0; i < m.count; i = symbols[i].next)
		symbols[left++] = symbols[i];
	return left;
}
