/*
 * compile_bpe_words.c
 *	  The table of words that become one token: those whose symbols are merged to it, and those that
 *	  are tokens where merges are ignored.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/compile_bpe.h"

#include <string.h>

#include "text/byte_level.h"

/* A token as a word of the text. */
typedef struct entry
{
	const char *bytes;
	uint32_t length;
	uint32_t id; /* with BPE_WHOLE_WORD */
} entry;

typedef struct lister
{
	bpe_builder *b;
	bpe_tables tables;
	entry *entries;
	size_t count;
	char *texts; /* room for the bytes of all tokens */
	size_t used;
	bpe_room room; /* for the longest */
} lister;

/* The text of a token, or NULL. */
static const char *
token_text(const bpe_builder *b, size_t id)
{
	const uint32_t *tokens =
		(const uint32_t *) (const void *) b->compiler->sections[TOK_SECTION_TOKENS]->data;

	if (tokens[id] == UINT32_MAX)
		return NULL;
	return b->compiler->sections[TOK_SECTION_STRINGS]->data + tokens[id];
}

/* Whether a word is merged to the token. */
static bool
becomes(lister *l, const char *bytes, size_t length, size_t id)
{
	return bpe_merge(l->b->compiler->context, &l->tables, bytes, length, length, &l->room) == 1 &&
		   l->room.symbols[0].id == (int32_t) id;
}

static void
list_entry(lister *l, const char *bytes, size_t length, uint32_t id)
{
	l->entries[l->count++] = (entry) {.bytes = bytes, .length = (uint32_t) length, .id = id};
}

/* The words that give a token: its text, or without the suffix that the last symbol has. */
static void
list_token(lister *l, size_t id)
{
	const bpe_payload *p = l->b->payload;
	const char *text = token_text(l->b, id);
	int64_t length = text == NULL ? 0 : (int64_t) strlen(text), suffix = p->suffix_length;
	bool ends = length > suffix && strcmp(text + length - suffix, p->suffix) == 0;

	if ((p->flags & BPE_BYTES) != 0)
	{
		if (suffix > 0 && ends)
			suffix = tok_alphabet_bytes(p->suffix, (size_t) suffix, l->texts + l->used);
		length = tok_alphabet_bytes(text, (size_t) length, l->texts + l->used);
		text = l->texts + l->used;
		l->used += length > 0 ? (size_t) length : 0;
	}
	if (length <= 0)
		return;
	if ((p->flags & BPE_IGNORES_MERGES) != 0)
	{
		bool merged = becomes(l, text, (size_t) length, id);

		list_entry(l, text, (size_t) length, (uint32_t) id | (merged ? 0 : BPE_WHOLE_WORD));
	}
	else if (ends && suffix >= 0 && becomes(l, text, (size_t) (length - suffix), id))
		list_entry(l, text, (size_t) (length - suffix), (uint32_t) id);
}

static bool
open_lister(lister *l, size_t limit)
{
	bpe_builder *b = l->b;
	tfm_context *context = b->compiler->context;
	size_t longest = 1, most;
	void *memory;

	for (size_t id = 0; id < limit; id++)
	{
		const char *text = token_text(b, id);
		size_t length = text == NULL ? 0 : strlen(text);

		longest = length > longest ? length : longest;
	}
	most = bpe_symbols_max(b->payload, longest);
	l->entries = tfm_alloc_array(context, limit, sizeof(entry));
	l->texts = tfm_alloc(context, b->compiler->sections[TOK_SECTION_STRINGS]->length + 1);
	memory = tfm_alloc(context, bpe_room_size(most));
	if (memory != NULL)
		l->room = bpe_room_in(memory, most);
	return !tfm_failed(context);
}

static bool
put_word(bpe_builder *b, const entry *e)
{
	bpe_payload *p = b->payload;
	bpe_word word = {
		.key = bpe_word_key(e->bytes, e->length, e->length),
		.id = e->id,
		.place = e->length,
	};
	size_t mask = ((size_t) 1 << p->word_bits) - 1;
	size_t slot = bpe_word_slot(word.key, e->length, p->word_bits);
	uint32_t probes = 1;

	while (b->words[slot].place != 0)
	{
		slot = (slot + 1) & mask;
		probes++;
	}
	if (e->length > 8)
	{
		if (b->keys->length > INT32_MAX)
			return tfm_fail(b->compiler->context, TFM_LIMIT_EXCEEDED,
							"\"%s\": the vocabulary is too large", b->compiler->source);
		word.place = (uint32_t) b->keys->length + 9;
		if (!buffer_append(b->compiler->context, b->keys, &e->length, sizeof(e->length)) ||
			!buffer_append(b->compiler->context, b->keys, e->bytes, e->length))
			return false;
	}
	b->words[slot] = word;
	p->longest_word = e->length > p->longest_word ? e->length : p->longest_word;
	p->word_probes = probes > p->word_probes ? probes : p->word_probes;
	return true;
}

static bool
put_words(bpe_builder *b, const lister *l)
{
	tfm_context *context = b->compiler->context;

	b->payload->word_bits = bpe_table_bits(l->count);
	b->words = tfm_alloc_zero(context, sizeof(bpe_word) << b->payload->word_bits);
	if (b->words == NULL)
		return false;
	for (size_t i = 0; i < l->count; i++)
	{
		if (!put_word(b, &l->entries[i]))
			return false;
		if ((i & 0xFFFF) == 0xFFFF && tfm_stopped(context))
			return false;
	}
	b->payload->key_bytes = (uint32_t) b->keys->length;
	return true;
}

bool
bpe_add_words(bpe_builder *b)
{
	static const bpe_word none[2];
	lister l = {.b = b};
	size_t limit = b->compiler->sections[TOK_SECTION_TOKENS]->length / sizeof(uint32_t);
	int32_t unknown = b->payload->unknown_id;

	/* That the unknown token is unknown is no error here: a word with it is none of ours. */
	if (unknown < 0)
		b->payload->unknown_id = BPE_ID_MAX + 1;
	b->payload->word_bits = 1;
	l.tables = (bpe_tables) {
		.payload = b->payload,
		.merges = b->merges,
		.hints = b->hints,
		.pairs = b->pairs,
		.new_ids = b->new_ids,
		.words = none,
		.vocabulary = &b->vocabulary,
	};
	if (!open_lister(&l, limit))
		return false;
	for (size_t id = 0; id < limit; id++)
	{
		list_token(&l, id);
		if ((id & 0xFFF) == 0xFFF && tfm_stopped(b->compiler->context))
			return false;
	}
	b->payload->unknown_id = unknown;
	return !tfm_failed(b->compiler->context) && put_words(b, &l);
}
