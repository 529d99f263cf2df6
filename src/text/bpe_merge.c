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

/* A word being split, then merged. */
typedef struct merger
{
	tfm_context *context;
	const bpe_tables *tables;
	bpe_symbol *symbols;
	uint32_t *ranks; /* of the merge of each symbol and the next, before anything is merged */
	int32_t count;
	int last;		  /* the byte (the ASCII character) that the last symbol is, -1 for any other */
	uint32_t unknown; /* bytes of unknown characters that have no symbol yet */
	char text[2 * BPE_AFFIX_MAX + 4];
	size_t text_length; /* a character with its prefix and suffix */
} merger;

/* ---- Room ---- */

size_t
bpe_symbols_max(const bpe_payload *payload, size_t length)
{
	if ((payload->flags & BPE_BYTE_FALLBACK) == 0)
		return length;
	return length * (1 + (size_t) payload->prefix_length) + payload->suffix_length;
}

/* Every merge takes one item from the queue and adds at most two, so it never has two a symbol. */
size_t
bpe_room_size(size_t symbols)
{
	return symbols * (2 * sizeof(uint64_t) + sizeof(bpe_symbol) + sizeof(uint32_t));
}

bpe_room
bpe_room_in(void *memory, size_t symbols)
{
	bpe_room room = {.queue = memory};

	room.symbols = (bpe_symbol *) (room.queue + 2 * symbols);
	room.ranks = (uint32_t *) (room.symbols + symbols);
	return room;
}

/* ---- Symbols ---- */

/* The rank of the merge of two tokens. */
static inline uint32_t
find_rank(const merger *m, int32_t left, int32_t right)
{
	uint32_t rank = bpe_find_merge(m->tables, left, right);

	return rank < m->tables->payload->merge_count ? rank : BPE_NO_MERGE;
}

/* Add a symbol, which is that byte or -1, and find out how it merges with the one before. */
static inline void
add_symbol(merger *m, int32_t id, uint32_t length, int byte)
{
	int32_t at = m->count++;

	m->symbols[at] = (bpe_symbol) {.id = id, .length = length, .previous = at - 1, .next = at + 1};
	m->ranks[at] = BPE_NO_MERGE;
	if (byte >= 0 && id != m->tables->payload->symbols[0][byte])
		byte = -1;
	if (at > 0 && byte >= 0 && m->last >= 0)
	{
		uint32_t rank = m->tables->pairs[(size_t) m->last << 8 | (size_t) byte];

		m->ranks[at - 1] = rank < m->tables->payload->merge_count ? rank : BPE_NO_MERGE;
	}
	else if (at > 0)
		m->ranks[at - 1] = find_rank(m, m->symbols[at - 1].id, id);
	m->last = byte;
}

static void
append_text(merger *m, const char *bytes, size_t length)
{
	memcpy(m->text + m->text_length, bytes, length);
	m->text_length += length;
}

/* The character as the vocabulary would have it. */
static void
set_text(merger *m, const char *bytes, size_t width, int place)
{
	const bpe_payload *p = m->tables->payload;

	m->text_length = 0;
	if ((place & BPE_CONTINUES) != 0)
		append_text(m, p->prefix, p->prefix_length);
	append_text(m, bytes, width);
	if ((place & BPE_LAST) != 0)
		append_text(m, p->suffix, p->suffix_length);
}

/* The id of a character; -1 if it is unknown. */
static int32_t
find_character(merger *m, const char *bytes, size_t width, size_t readable, int place)
{
	const bpe_tables *t = m->tables;
	bool plain = (t->payload->prefix_length | t->payload->suffix_length) == 0;

	if (width == 1)
		return t->payload->symbols[place][(unsigned char) bytes[0]];
	if (plain)
	{
		uint32_t id = bpe_find_word(t, bytes, width, readable);

		if (id != TRIE_NONE)
			return (int32_t) (id & ~BPE_WHOLE_WORD);
	}
	set_text(m, bytes, width, place);
	return (int32_t) tok_trie_find(t->vocabulary, m->text, m->text_length);
}

/* Symbols for the bytes of an unknown character; false if there are none. */
static bool
add_fallback(merger *m, const char *bytes, size_t width, int place)
{
	const bpe_payload *p = m->tables->payload;

	if ((p->flags & BPE_BYTE_FALLBACK) == 0)
		return false;
	set_text(m, bytes, width, place);
	for (size_t i = 0; i < m->text_length; i++)
		if (p->fallback[(unsigned char) m->text[i]] < 0)
			return false;
	for (size_t i = 0; i < m->text_length; i++)
		add_symbol(m, p->fallback[(unsigned char) m->text[i]], 1, -1);
	return true;
}

static bool
add_unknown(merger *m, uint32_t width)
{
	const bpe_payload *p = m->tables->payload;

	if ((p->flags & BPE_HAS_UNKNOWN) == 0)
		return true;
	if (p->unknown_id < 0)
		return tfm_fail(m->context, TFM_CORRUPTED,
						"a character is not in the vocabulary, nor is the unknown token");
	if (m->unknown > 0 && (p->flags & BPE_FUSE_UNKNOWN) == 0)
	{
		add_symbol(m, p->unknown_id, m->unknown, -1);
		m->unknown = 0;
	}
	m->unknown += width;
	return true;
}

static bool
split_characters(merger *m, const char *bytes, size_t length, size_t readable)
{
	const bpe_payload *p = m->tables->payload;

	for (size_t i = 0; i < length;)
	{
		int width, place;
		int32_t id;

		utf8_decode(bytes + i, &width);
		if ((size_t) width > length - i)
			width = 1;
		place = (i > 0 ? BPE_CONTINUES : 0) | (i + (size_t) width == length ? BPE_LAST : 0);
		id = find_character(m, bytes + i, (size_t) width, readable - i, place);
		if (id >= 0)
		{
			if (m->unknown > 0)
				add_symbol(m, p->unknown_id, m->unknown, -1);
			m->unknown = 0;
			add_symbol(m, id, (uint32_t) width, width == 1 ? (unsigned char) bytes[i] : -1);
		}
		else if (!add_fallback(m, bytes + i, (size_t) width, place) &&
				 !add_unknown(m, (uint32_t) width))
			return false;
		i += (size_t) width;
	}
	if (m->unknown > 0)
		add_symbol(m, p->unknown_id, m->unknown, -1);
	return true;
}

static void
split_bytes(merger *m, const char *bytes, size_t length)
{
	const bpe_payload *p = m->tables->payload;

	for (size_t i = 0; i < length; i++)
	{
		unsigned char byte = (unsigned char) bytes[i];

		add_symbol(m, p->symbols[i + 1 == length ? BPE_LAST : 0][byte], 1, byte);
	}
}

/* ---- Merges ---- */

/* The rank of the merge of a symbol and the next. */
static inline uint32_t
rank_at(const merger *m, int32_t symbol)
{
	int32_t next = m->symbols[symbol].next;

	if (next >= m->count)
		return BPE_NO_MERGE;
	return find_rank(m, m->symbols[symbol].id, m->symbols[next].id);
}

/* What a merge makes. */
static inline int32_t
new_id(const merger *m, uint32_t rank)
{
	if (m->tables->payload->first_new_id >= 0)
		return m->tables->payload->first_new_id + (int32_t) rank;
	return (int32_t) m->tables->new_ids[rank];
}

/* Join a symbol and the next. */
static inline void
join_symbols(merger *m, int32_t symbol, uint32_t rank)
{
	bpe_symbol *left = &m->symbols[symbol], *right = &m->symbols[left->next];

	left->id = new_id(m, rank);
	left->length += right->length;
	left->next = right->next;
	right->length = 0;
	if (right->next < m->count)
		m->symbols[right->next].previous = symbol;
}

/* The rank, and below it the number of the symbol. */
static inline uint32_t
pack_rank(uint32_t rank, int32_t symbol)
{
	return rank == BPE_NO_MERGE ? rank : rank << FEW_BITS | (uint32_t) symbol;
}

/* For few symbols, each with the rank of its merge: the least is looked for among all. */
static void
merge_few(merger *m)
{
	uint32_t *ranks = m->ranks;

	for (int32_t i = 0; i < m->count; i++)
		ranks[i] = pack_rank(ranks[i], i);
	for (;;)
	{
		uint32_t best = BPE_NO_MERGE;
		int32_t symbol, previous;

		for (int32_t i = 0; i < m->count; i++)
			best = ranks[i] < best ? ranks[i] : best;
		if (best == BPE_NO_MERGE)
			break;
		symbol = (int32_t) (best & (FEW - 1));
		ranks[m->symbols[symbol].next] = BPE_NO_MERGE;
		join_symbols(m, symbol, best >> FEW_BITS);
		ranks[symbol] = pack_rank(rank_at(m, symbol), symbol);
		previous = m->symbols[symbol].previous;
		if (previous >= 0)
			ranks[previous] = pack_rank(rank_at(m, previous), previous);
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

static void
fill_queue(const merger *m, queue *q)
{
	for (int32_t i = 0; i + 1 < m->count; i++)
		if (m->ranks[i] != BPE_NO_MERGE)
			q->items[q->count++] = (uint64_t) m->ranks[i] << 32 | (uint32_t) i;
	for (size_t i = q->count / 2; i-- > 0;)
		sift_down(q, i);
}

static bool
merge_many(merger *m, uint64_t *items)
{
	queue q = {.items = items};
	uint32_t polled = 0;

	fill_queue(m, &q);
	while (q.count > 0)
	{
		uint64_t top = pop_merge(&q);
		int32_t symbol = (int32_t) (top & UINT32_MAX), previous;
		uint32_t rank = m->symbols[symbol].length == 0 ? BPE_NO_MERGE : rank_at(m, symbol);
		uint32_t queued = (uint32_t) (top >> 32);

		if ((++polled & 0xFFFF) == 0 && tfm_stopped(m->context))
			return false;
		if (rank == BPE_NO_MERGE || new_id(m, rank) != new_id(m, queued))
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
bpe_merge(tfm_context *context, const bpe_tables *t, const char *bytes, size_t length,
		  size_t readable, const bpe_room *room)
{
	merger m;
	int64_t left = 0;

	/* Not as a whole: its text is not used for most words. */
	m.context = context;
	m.tables = t;
	m.symbols = room->symbols;
	m.ranks = room->ranks;
	m.count = 0;
	m.last = -1;
	m.unknown = 0;
	if ((t->payload->flags & BPE_BYTES) != 0)
		split_bytes(&m, bytes, length);
	else if (!split_characters(&m, bytes, length, readable))
		return -1;
	if (m.count <= FEW && (t->payload->flags & BPE_ORDERED) != 0)
		merge_few(&m);
	else if (!merge_many(&m, room->queue))
		return -1;
	for (int32_t i = 0; i < m.count; i = m.symbols[i].next)
		m.symbols[left++] = m.symbols[i];
	return left;
}
