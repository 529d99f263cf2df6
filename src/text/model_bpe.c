/*
 * model_bpe.c
 *	  BPE: running the model on a word.
 *
 * A word is looked up whole; else it is cut where no merge can reach across, and each part is looked
 * up or merged (bpe.h says why that is the same).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/bpe.h"
#include "text/compile_bpe.h"
#include "text/components.h"

/* Shorter parts are merged as they are. */
#define CUT_LENGTH 48

#define SYMBOLS_AT_HAND 64

/* How far ahead of the word being tokenized tables are read. */
#define WORDS_AHEAD 4
#define PARTS_AHEAD 16

/* A word on its way through the model. */
typedef struct bpe_run
{
	tok_work *work;
	bpe_tables tables;
	const char *bytes; /* of the string in work */
	size_t length;
	int32_t word;
	uint32_t polled;
} bpe_run;

static bool
check_bpe(tfm_context *context, const tok_tokenizer *tokenizer, tok_payload payload)
{
	const bpe_payload *p = payload.bytes;

	if (payload.length < sizeof(*p) || p->merge_bits < 4 || p->merge_bits > 24 ||
		p->word_bits < 1 || p->word_bits > 26 || p->prefix_length > BPE_AFFIX_MAX ||
		p->suffix_length > BPE_AFFIX_MAX || p->merge_count > BPE_RANK_MAX + 1 ||
		payload.length < bpe_payload_size(p) || p->unknown_id >= tokenizer->settings->id_limit ||
		p->first_new_id > BPE_ID_MAX)
		return tok_fail_damaged(context);
	return true;
}

static bool
push_token(bpe_run *r, int32_t id, size_t start, size_t end)
{
	if ((uint32_t) id >= (uint32_t) r->work->tokenizer->settings->id_limit)
		return tok_fail_damaged(r->work->context);
	if (!tok_reserve_pieces(r->work, 1))
		return false;
	tok_push_piece(r->work, id, start, end, r->word);
	return true;
}

/*
 * The tokens of a part, by their lengths.  Where characters without a token are left out, or the
 * bytes of a prefix count, the lengths are not those of the text, in the library neither.
 */
static bool
push_symbols(bpe_run *r, const bpe_symbol *symbols, int64_t count, size_t start, size_t end)
{
	for (int64_t i = 0; i < count; i++)
	{
		size_t stop = start + symbols[i].length < end ? start + symbols[i].length : end;

		if (!push_token(r, symbols[i].id, start, stop))
			return false;
		start = stop;
	}
	return true;
}

static bool
merge_part(bpe_run *r, size_t start, size_t end)
{
	uint64_t at_hand[SYMBOLS_AT_HAND * 5];
	void *memory = at_hand;
	tfm_context *context = r->work->context;
	size_t most = bpe_symbols_max(r->tables.payload, end - start);
	bpe_room room;
	int64_t count;

	if (most > INT32_MAX)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED, "a word of %zu bytes is too long to tokenize",
						end - start);
	if (most > SYMBOLS_AT_HAND)
		memory = tok_work_room(r->work, bpe_room_size(most));
	if (memory == NULL)
		return false;
	room = bpe_room_in(memory, most);
	count = bpe_merge(context, &r->tables, r->bytes + start, end - start, r->length - start, &room);
	return count >= 0 && push_symbols(r, room.symbols, count, start, end);
}

/* A part of a word: a token, or what its symbols are merged to. */
static bool
tokenize_part(bpe_run *r, size_t start, size_t end)
{
	uint32_t id = TRIE_NONE;

	if (end - start <= r->tables.payload->longest_word)
		id = bpe_find_word(&r->tables, r->bytes + start, end - start, r->length - start);
	if (id < BPE_WHOLE_WORD)
		return push_token(r, (int32_t) id, start, end);
	return merge_part(r, start, end);
}

/* Whether a part can end before byte at, which is not its first. */
static bool
is_seamless(const bpe_run *r, size_t at)
{
	const bpe_payload *p = r->tables.payload;
	unsigned char before = (unsigned char) r->bytes[at - 1], after = (unsigned char) r->bytes[at];
	int width;

	if ((p->seams[before][after >> 6] >> (after & 63) & 1) != 0)
		return false;
	if ((p->flags & BPE_BYTES) != 0)
		return true;
	if ((after & 0xC0) == 0x80)
		return false;
	if (after < 0x80)
		return p->symbols[0][after] >= 0;
	/* What comes before an unknown character may be fused with it. */
	utf8_decode(r->bytes + at, &width);
	return bpe_find_word(&r->tables, r->bytes + at, (size_t) width, r->length - at) != TRIE_NONE;
}

static bool
tokenize_long_part(bpe_run *r, size_t start, size_t end)
{
	for (size_t at = start + 1; at < end; at++)
	{
		if ((++r->polled & 0xFFFF) == 0 && tfm_stopped(r->work->context))
			return false;
		if (!is_seamless(r, at))
			continue;
		if (!tokenize_part(r, start, at))
			return false;
		start = at;
	}
	return tokenize_part(r, start, end);
}

static bool
tokenize_cut(bpe_run *r, size_t start, size_t end)
{
	if (end - start > CUT_LENGTH && (r->tables.payload->flags & BPE_CUTS) != 0)
		return tokenize_long_part(r, start, end);
	return tokenize_part(r, start, end);
}

static bool
is_space_symbol(const char *bytes)
{
	return memcmp(bytes, BPE_SPACE, 3) == 0;
}

/* The first "▁" after byte start that no merge joins to what comes before; end if there is none. */
static size_t
next_space(const bpe_run *r, size_t start, size_t end)
{
	const bpe_payload *p = r->tables.payload;
	size_t at = start + 1;

	while (at + 2 < end)
	{
		const char *found = memchr(r->bytes + at, BPE_SPACE[0], end - at - 2);
		unsigned char before;

		if (found == NULL)
			break;
		at = (size_t) (found - r->bytes);
		before = (unsigned char) found[-1];
		if (is_space_symbol(found) && (at < start + 3 || !is_space_symbol(found - 3)) &&
			(p->before_space[before >> 6] >> (before & 63) & 1) == 0)
			return at;
		at++;
	}
	return end;
}

/* Have the table ready where a word is looked up. */
static void
prefetch_word(const bpe_run *r, size_t start, size_t end)
{
	if (end > start && end - start <= r->tables.payload->longest_word)
		bpe_prefetch_word(&r->tables, r->bytes + start, end - start, r->length - start);
}

/* Parts are found some at a time, so that what the table says of them is there when it is asked. */
static bool
tokenize_at_spaces(bpe_run *r, size_t start, size_t end)
{
	while (start < end)
	{
		size_t stops[PARTS_AHEAD], count = 0;

		for (size_t at = start; at < end && count < PARTS_AHEAD; at = stops[count++])
		{
			stops[count] = next_space(r, at, end);
			prefetch_word(r, at, stops[count]);
		}
		for (size_t i = 0; i < count; i++)
		{
			if (!tokenize_cut(r, start, stops[i]))
				return false;
			start = stops[i];
		}
		if ((++r->polled & 0xFF) == 0 && tfm_stopped(r->work->context))
			return false;
	}
	return true;
}

static bool
run_bpe(tok_work *work, tok_payload payload, uint32_t start, uint32_t end, int32_t word)
{
	bpe_run r = {
		.work = work,
		.tables = bpe_resolve(payload.bytes, &work->tokenizer->vocabulary),
		.bytes = work->string.bytes,
		.length = work->string.length,
		.word = word,
	};
	uint32_t id = TRIE_NONE, length = end - start;

	if (work->span + WORDS_AHEAD < work->spans.count)
	{
		const tok_span *ahead = &work->spans.items[work->span + WORDS_AHEAD];

		prefetch_word(&r, ahead->start, ahead->end);
	}
	if (length > 0 && length <= r.tables.payload->longest_word)
		id = bpe_find_word(&r.tables, r.bytes + start, length, r.length - start);
	if (id != TRIE_NONE)
		return push_token(&r, (int32_t) (id & ~BPE_WHOLE_WORD), start, end);
	if ((r.tables.payload->flags & BPE_CUTS_SPACES) != 0)
		return tokenize_at_spaces(&r, start, end);
	return length > CUT_LENGTH ? tokenize_cut(&r, start, end) : merge_part(&r, start, end);
}

const tok_model tok_model_bpe = {
	.row = {"BPE", tok_compile_bpe},
	.check = check_bpe,
	.run = run_bpe,
};
