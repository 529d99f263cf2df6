/*
 * bpe.h
 *	  The tables of a compiled BPE model, and looking things up in them.
 *
 * A word begins as symbols: the ids of its characters, or of its bytes where ByteLevel has left them
 * as they are.  Merges join neighbours, the one listed first before the others.  Three things make
 * that quick, none of which changes the result:
 *
 * - Words that become one token are in a table of their own; which they are is found out when the
 *   model is compiled, by merging the text of every token.
 * - A merge is found in one probe: a slot holds both ids and the rank.  Most pairs have none, which a
 *   table of bits tells that stays in the caches.  The first round looks in a table of all pairs of
 *   bytes (of ASCII characters).
 * - Where no merge joins what ends with one byte to what begins with another, a word can be cut there
 *   and its parts merged alone.  So a text that is not split into words is cut before "▁", and a long
 *   word wherever it may be.
 *
 * The payload is a bpe_payload, then the tables in the order of their sizes there.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_BPE_H
#define TFM_TEXT_BPE_H

#include <string.h>

#include "text/pipeline.h"

/* Both ids of a pair and the rank of their merge are in one number of 64 bits. */
#define BPE_ID_BITS 21
#define BPE_RANK_BITS 22
#define BPE_ID_MAX (((int64_t) 1 << BPE_ID_BITS) - 2)
#define BPE_RANK_MAX (((int64_t) 1 << BPE_RANK_BITS) - 2)
#define BPE_NO_MERGE UINT32_MAX
#define BPE_EMPTY UINT64_MAX

#define BPE_AFFIX_MAX 63

/* How SentencePiece writes a space. */
#define BPE_SPACE "\xE2\x96\x81"

/* The bits of flags. */
#define BPE_BYTES 1u		 /* symbols are bytes */
#define BPE_BYTE_FALLBACK 2u /* an unknown character becomes the tokens of its bytes */
#define BPE_FUSE_UNKNOWN 4u	 /* unknown characters that follow each other are one */
#define BPE_HAS_UNKNOWN 8u	 /* there is an unknown token */
#define BPE_ORDERED 16u		 /* tokens tell their text: the next merge is the best of all pairs */
#define BPE_CUTS 32u		 /* seams tell where a word may be cut */
#define BPE_CUTS_SPACES 64u	 /* and so does before_space */
#define BPE_IGNORES_MERGES 128u /* a word that is a token is that token */

/* Where in its word a symbol stands decides what is put around it: two bits. */
#define BPE_CONTINUES 1 /* not the first */
#define BPE_LAST 2

/* Of a word that is one token only where merges are ignored, beside the id. */
#define BPE_WHOLE_WORD 0x80000000u

typedef struct bpe_payload
{
	uint32_t flags;
	int32_t unknown_id;	   /* -1: the unknown token is not in the vocabulary, or there is none */
	uint32_t merge_bits;   /* log2 of the slots of merges */
	uint32_t merge_probes; /* the most slots that have to be looked at */
	uint32_t merge_count;  /* new ids, by rank */
	uint32_t word_bits;
	uint32_t word_probes;
	uint32_t longest_word; /* bytes of the longest word in the table */
	uint32_t key_bytes;	   /* bytes of the texts of words longer than eight bytes */
	uint32_t prefix_length;
	uint32_t suffix_length;
	int32_t
		first_new_id; /* of the first merge, where those of the others follow; -1: they do not */
	char prefix[BPE_AFFIX_MAX + 1]; /* put before a symbol that is not the first of its word */
	char suffix[BPE_AFFIX_MAX + 1]; /* and after the last */
	int32_t symbols[4][256];		/* of bytes, or of ASCII; by place in the word; -1: none */
	int32_t fallback[256];			/* tokens of bytes, for byte_fallback; -1: none */
	uint64_t
		before_space[4]; /* bit: a merge joins "▁" to what ends with that byte but is not "▁" */
	uint64_t seams[256][4]; /* bit: a merge joins what ends and what begins with those bytes */
} bpe_payload;

/* A word that becomes one token: its bytes, or the hash of more than eight. */
typedef struct bpe_word
{
	uint64_t key;
	uint32_t id;	/* with BPE_WHOLE_WORD */
	uint32_t place; /* 0: an empty slot; 1 to 8: the length; else that of its text, plus 9 */
} bpe_word;

/* The tables, resolved. */
typedef struct bpe_tables
{
	const bpe_payload *payload;
	const uint64_t *merges;
	const uint64_t *hints;	 /* bits, several for a slot of merges; 0: there is no such merge */
	const uint32_t *pairs;	 /* ranks for two bytes, or for two of ASCII */
	const uint32_t *new_ids; /* by rank */
	const bpe_word *words;
	const char *keys; /* each a length of 32 bits and the text */
	const trie *vocabulary;
} bpe_tables;

/* A symbol of a word that is being merged. */
typedef struct bpe_symbol
{
	int32_t id;
	uint32_t length; /* bytes; 0: it has been joined to the one before */
	int32_t previous, next;
} bpe_symbol;

/* Where a word of so many symbols is merged. */
typedef struct bpe_room
{
	uint64_t *queue;	 /* two a symbol */
	bpe_symbol *symbols; /* in the end: the tokens, in order and without gaps */
	uint32_t *ranks;	 /* of the merge of each symbol and the next */
} bpe_room;

/* Pairs of bytes. */
#define BPE_PAIRS ((size_t) 65536)

/* log2 of the bits that a slot of merges has in hints. */
#define BPE_HINT_BITS 2

static inline size_t
bpe_hints_size(const bpe_payload *p)
{
	return ((size_t) 1 << (p->merge_bits + BPE_HINT_BITS)) / 8;
}

/* Bytes of the whole payload; words and keys are those of the header. */
static inline uint64_t
bpe_payload_size(const bpe_payload *p)
{
	return sizeof(bpe_payload) + ((uint64_t) sizeof(uint64_t) << p->merge_bits) +
		   ((uint64_t) sizeof(bpe_word) << p->word_bits) + BPE_PAIRS * sizeof(uint32_t) +
		   bpe_hints_size(p) + (uint64_t) p->merge_count * sizeof(uint32_t) + p->key_bytes;
}

/* Point to the tables of a payload whose size has been checked. */
static inline bpe_tables
bpe_resolve(const void *bytes, const trie *vocabulary)
{
	bpe_tables t = {.payload = bytes, .vocabulary = vocabulary};

	t.merges = (const uint64_t *) (t.payload + 1);
	t.hints = t.merges + ((size_t) 1 << t.payload->merge_bits);
	t.words = (const bpe_word *) (t.hints + bpe_hints_size(t.payload) / sizeof(uint64_t));
	t.pairs = (const uint32_t *) (t.words + ((size_t) 1 << t.payload->word_bits));
	t.new_ids = t.pairs + BPE_PAIRS;
	t.keys = (const char *) (t.new_ids + t.payload->merge_count);
	return t;
}

static inline uint64_t
bpe_pack(uint32_t left, uint32_t right, uint32_t rank)
{
	return (uint64_t) left << (BPE_ID_BITS + BPE_RANK_BITS) | (uint64_t) right << BPE_RANK_BITS |
		   rank;
}

/* The first bits of this are the number of a pair's slot, and some more of them that of its hint. */
static inline uint64_t
bpe_hash_pair(uint64_t pair)
{
	return (pair >> BPE_RANK_BITS) * 0x9E3779B97F4A7C15u;
}

/* The rank of the merge of two symbols, BPE_NO_MERGE if there is none. */
static inline uint32_t
bpe_find_merge(const bpe_tables *t, int32_t left, int32_t right)
{
	uint64_t pair = bpe_pack((uint32_t) left, (uint32_t) right, 0), hash = bpe_hash_pair(pair);
	uint32_t bits = t->payload->merge_bits;
	size_t mask = ((size_t) 1 << bits) - 1;
	size_t slot = (size_t) (hash >> (64 - bits));
	size_t hint = (size_t) (hash >> (64 - bits - BPE_HINT_BITS));

	if ((t->hints[hint / 64] >> (hint % 64) & 1) == 0)
		return BPE_NO_MERGE;
	for (uint32_t i = 0; i < t->payload->merge_probes; i++)
	{
		uint64_t found = t->merges[(slot + i) & mask];

		if ((found ^ pair) >> BPE_RANK_BITS == 0)
			return (uint32_t) (found & ((1u << BPE_RANK_BITS) - 1));
		if (found == BPE_EMPTY)
			break;
	}
	return BPE_NO_MERGE;
}

/* Up to eight bytes as a number, of a text in which readable bytes may be read. */
static inline uint64_t
bpe_load(const char *bytes, size_t length, size_t readable)
{
	uint64_t number = 0;

	if (readable < 8)
	{
		memcpy(&number, bytes, length);
		return number;
	}
	memcpy(&number, bytes, 8);
	return length < 8 ? number & ((UINT64_C(1) << 8 * length) - 1) : number;
}

static inline uint64_t
bpe_mix(uint64_t number)
{
	number *= 0xFF51AFD7ED558CCDu;
	return number ^ number >> 32;
}

/* The key of a word in the table: its bytes, or a hash. */
static inline uint64_t
bpe_word_key(const char *bytes, size_t length, size_t readable)
{
	uint64_t hash = length;

	if (length <= 8)
		return bpe_load(bytes, length, readable);
	for (size_t i = 0; i + 8 < length; i += 8)
		hash = bpe_mix(hash ^ bpe_load(bytes + i, 8, 8));
	return bpe_mix(hash ^ bpe_load(bytes + length - 8, 8, 8));
}

static inline size_t
bpe_word_slot(uint64_t key, size_t length, uint32_t bits)
{
	return (size_t) (bpe_mix(key + length) * 0x9E3779B97F4A7C15u >> (64 - bits));
}

/* Have the slot ready that bpe_find_word will look at. */
static inline void
bpe_prefetch_word(const bpe_tables *t, const char *bytes, size_t length, size_t readable)
{
	uint64_t key = bpe_word_key(bytes, length, readable);

	__builtin_prefetch(&t->words[bpe_word_slot(key, length, t->payload->word_bits)]);
}

/* Whether the text of a long word is the one at place. */
static inline bool
bpe_same_text(const bpe_tables *t, uint32_t place, const char *bytes, size_t length)
{
	size_t offset = place - 9, rest = t->payload->key_bytes;
	uint32_t known;

	if (place < 9 || offset > rest || rest - offset < sizeof(known) + length)
		return false;
	memcpy(&known, t->keys + offset, sizeof(known));
	return known == length && memcmp(t->keys + offset + sizeof(known), bytes, length) == 0;
}

/*
 * The token that a word of at least one byte becomes, with BPE_WHOLE_WORD; TRIE_NONE if the table
 * does not have it.  readable bytes may be read at bytes, length at least.
 */
static inline uint32_t
bpe_find_word(const bpe_tables *t, const char *bytes, size_t length, size_t readable)
{
	size_t mask = ((size_t) 1 << t->payload->word_bits) - 1;
	uint64_t key = bpe_word_key(bytes, length, readable);
	size_t slot = bpe_word_slot(key, length, t->payload->word_bits);

	for (uint32_t i = 0; i < t->payload->word_probes; i++)
	{
		const bpe_word *found = &t->words[(slot + i) & mask];

		if (found->key == key &&
			(length <= 8 ? found->place == length : bpe_same_text(t, found->place, bytes, length)))
			return found->id;
		if (found->place == 0)
			break;
	}
	return TRIE_NONE;
}

/*
 * bpe_merge.c: the most symbols that a word of so many bytes has, the bytes that room for them takes,
 * and that room in memory aligned to 8 bytes.
 */
extern size_t bpe_symbols_max(const bpe_payload *payload, size_t length);
extern size_t bpe_room_size(size_t symbols);
extern bpe_room bpe_room_in(void *memory, size_t symbols);

/*
 * Merge a word to tokens in room->symbols; how many they are, at most INT32_MAX.  readable is how
 * many bytes may be read at bytes.  -1 on error: CORRUPTED (an unknown character, without the unknown
 * token in the vocabulary), CANCELLED.
 */
extern int64_t bpe_merge(tfm_context *context, const bpe_tables *t, const char *bytes,
						 size_t length, size_t readable, const bpe_room *room);

#endif
