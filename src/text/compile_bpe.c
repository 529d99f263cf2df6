/*
 * compile_bpe.c
 *	  Compiling a BPE model: its options, its symbols, its merges and where words may be cut.
 *
 * Follows BpeBuilder::build of the library.  compile_bpe_words.c makes the table of words.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/compile_bpe.h"

#include <stdio.h>
#include <string.h>

#include "text/byte_level.h"

/* ---- Options ---- */

static bool
read_affix(bpe_builder *b, json spec, const char *key, char *affix, uint32_t *length)
{
	const char *text = json_string(b->compiler->context, spec, key, "");

	if (strlen(text) > BPE_AFFIX_MAX)
		return tfm_fail(b->compiler->context, TFM_LIMIT_EXCEEDED,
						"\"%s\": key \"%s\" is longer than %d bytes", b->compiler->source, key,
						BPE_AFFIX_MAX);
	strcpy(affix, text);
	*length = (uint32_t) strlen(text);
	return !tfm_failed(b->compiler->context);
}

static bool
read_options(bpe_builder *b, json spec)
{
	tfm_context *context = b->compiler->context;
	bpe_payload *p = b->payload;

	if (json_bool(context, spec, "byte_fallback", false))
		p->flags |= BPE_BYTE_FALLBACK;
	if (json_bool(context, spec, "fuse_unk", false))
		p->flags |= BPE_FUSE_UNKNOWN;
	if (json_bool(context, spec, "ignore_merges", false))
		p->flags |= BPE_IGNORES_MERGES;
	b->unknown = json_string(context, spec, "unk_token", NULL);
	if (json_double(context, spec, "dropout", 0) != 0)
		return tfm_fail(context, TFM_UNSUPPORTED,
						"\"%s\": a \"dropout\" other than 0 is not supported", b->compiler->source);
	return read_affix(b, spec, "continuing_subword_prefix", p->prefix, &p->prefix_length) &&
		   read_affix(b, spec, "end_of_word_suffix", p->suffix, &p->suffix_length);
}

/* ---- Symbols ---- */

static int32_t
find_token(const bpe_builder *b, const char *text, size_t length)
{
	uint32_t id = tok_trie_find(&b->vocabulary, text, length);

	return id > BPE_ID_MAX ? -1 : (int32_t) id;
}

/* The token of a character at a place in a word. */
static int32_t
find_symbol(const bpe_builder *b, uint32_t character, int place)
{
	const bpe_payload *p = b->payload;
	char text[2 * BPE_AFFIX_MAX + 4];
	size_t length = 0;

	if ((place & BPE_CONTINUES) != 0)
	{
		memcpy(text, p->prefix, p->prefix_length);
		length = p->prefix_length;
	}
	length += (size_t) utf8_encode(character, text + length);
	if ((place & BPE_LAST) != 0)
	{
		memcpy(text + length, p->suffix, p->suffix_length);
		length += p->suffix_length;
	}
	return find_token(b, text, length);
}

/* Whether every byte has its token, so that symbols can be bytes. */
static bool
find_bytes(bpe_builder *b)
{
	if (!tok_keep_bytes(b->compiler, false) || b->payload->prefix_length > 0)
		return false;
	for (int byte = 0; byte < 256; byte++)
		for (int place = 0; place < 4; place++)
		{
			int32_t id = find_symbol(b, tok_byte_character((unsigned char) byte), place);

			if (id < 0 && tok_byte_occurs((unsigned char) byte))
				return false;
			b->payload->symbols[place][byte] = id;
		}
	return true;
}

static void
find_symbols(bpe_builder *b)
{
	bpe_payload *p = b->payload;

	if (find_bytes(b))
	{
		p->flags |= BPE_BYTES;
		tok_keep_bytes(b->compiler, true);
	}
	else
		for (int place = 0; place < 4; place++)
			for (int c = 0; c < 256; c++)
				p->symbols[place][c] = c < 0x80 ? find_symbol(b, (uint32_t) c, place) : -1;
	for (int byte = 0; byte < 256; byte++)
	{
		char text[8];

		snprintf(text, sizeof(text), "<0x%02X>", byte);
		p->fallback[byte] = find_token(b, text, 6);
	}
	p->unknown_id = b->unknown == NULL ? -1 : find_token(b, b->unknown, strlen(b->unknown));
	if (b->unknown != NULL)
		p->flags |= BPE_HAS_UNKNOWN;
}

/* Whether a token tells its text, and that of a pair is longer than those of its parts. */
static bool
is_ordered(const bpe_builder *b)
{
	const buffer *tokens = b->compiler->sections[TOK_SECTION_TOKENS];
	size_t used = 0;

	for (size_t id = 0; id < tokens->length / sizeof(uint32_t); id++)
		used += ((const uint32_t *) (const void *) tokens->data)[id] != UINT32_MAX;
	return used == (size_t) b->compiler->model_size && find_token(b, "", 0) < 0 &&
		   b->payload->prefix_length == 0;
}

/* ---- Merges ---- */

/* A merge: two tokens, and both as one text. */
typedef struct merge
{
	const char *left, *right;
	size_t left_length, right_length;
} merge;

static bool
fail_merge(const bpe_builder *b, size_t number)
{
	return tfm_fail(b->compiler->context, TFM_CORRUPTED,
					"\"%s\": merge %zu must be two tokens of the vocabulary that together are one",
					b->compiler->source, number);
}

/* "a b" or ["a", "b"] */
static bool
read_merge(json item, merge *m)
{
	json second = json_next(json_first(item));
	const char *space;

	if (json_is_array(item))
	{
		m->left = json_as_string(json_first(item));
		m->left_length = strlen(m->left);
		m->right = json_as_string(second);
		m->right_length = strlen(m->right);
		return json_is_string(json_first(item)) && json_is_string(second) &&
			   !json_present(json_next(second));
	}
	m->left = json_as_string(item);
	space = strchr(m->left, ' ');
	if (!json_is_string(item) || space == NULL || strchr(space + 1, ' ') != NULL)
		return false;
	m->left_length = (size_t) (space - m->left);
	m->right = space + 1;
	m->right_length = strlen(m->right);
	return true;
}

/* The id of both as one; -1 if there is none. */
static int32_t
find_joined(bpe_builder *b, const merge *m)
{
	size_t skipped = b->payload->prefix_length;

	if (m->left_length > TOK_TOKEN_MAX || m->right_length > TOK_TOKEN_MAX ||
		m->right_length < skipped || ((unsigned char) m->right[skipped] & 0xC0) == 0x80)
		return -1;
	memcpy(b->joined, m->left, m->left_length);
	memcpy(b->joined + m->left_length, m->right + skipped, m->right_length - skipped);
	return find_token(b, b->joined, m->left_length + m->right_length - skipped);
}

/* The last merge of a pair counts. */
static void
put_merge(bpe_builder *b, int32_t left, int32_t right, uint32_t rank)
{
	uint64_t packed = bpe_pack((uint32_t) left, (uint32_t) right, rank);
	size_t mask = ((size_t) 1 << b->payload->merge_bits) - 1;
	uint64_t hash = bpe_hash_pair(packed);
	size_t slot = (size_t) (hash >> (64 - b->payload->merge_bits));
	size_t hint = (size_t) (hash >> (64 - b->payload->merge_bits - BPE_HINT_BITS));
	uint32_t probes = 1;

	while (b->merges[slot] != BPE_EMPTY && (b->merges[slot] ^ packed) >> BPE_RANK_BITS != 0)
	{
		slot = (slot + 1) & mask;
		probes++;
	}
	b->merges[slot] = packed;
	b->hints[hint / 64] |= UINT64_C(1) << (hint % 64);
	if (probes > b->payload->merge_probes)
		b->payload->merge_probes = probes;
}

/* Whether the text has one of the tokens that stand for other characters at its end (its start). */
static bool
has_stand_in(const bpe_builder *b, const char *text, size_t length, bool at_end)
{
	size_t unknown = b->unknown == NULL ? 0 : strlen(b->unknown);

	if (unknown > 0 && length >= unknown &&
		memcmp(at_end ? text + length - unknown : text, b->unknown, unknown) == 0)
		return true;
	if ((b->payload->flags & BPE_BYTE_FALLBACK) == 0 || length < 6)
		return false;
	text += at_end ? length - 6 : 0;
	return memcmp(text, "<0x", 3) == 0 && text[5] == '>';
}

static bool
is_space_at(const char *text, size_t length, size_t at)
{
	return length >= at + 3 && memcmp(text + at, BPE_SPACE, 3) == 0;
}

/* Note what a merge joins: no word can be cut there. */
static void
note_seam(bpe_builder *b, const merge *m)
{
	bpe_payload *p = b->payload;
	unsigned char before = (unsigned char) m->left[m->left_length - 1];
	unsigned char after = (unsigned char) m->right[0];

	if ((p->flags & BPE_BYTES) != 0)
	{
		int64_t left = tok_alphabet_bytes(m->left, m->left_length, b->joined);

		before = left > 0 ? (unsigned char) b->joined[left - 1] : 0;
		if (left <= 0 || tok_alphabet_bytes(m->right, m->right_length, b->joined) <= 0)
			return;
		after = (unsigned char) b->joined[0];
	}
	else if (has_stand_in(b, m->left, m->left_length, true) ||
			 has_stand_in(b, m->right, m->right_length, false))
		b->stands_in = true;
	else if (is_space_at(m->right, m->right_length, 0) &&
			 !(m->left_length >= 3 && is_space_at(m->left, m->left_length, m->left_length - 3)))
		p->before_space[before >> 6] |= UINT64_C(1) << (before & 63);
	p->seams[before][after >> 6] |= UINT64_C(1) << (after & 63);
}

static bool
add_merge(bpe_builder *b, json item, bool is_list)
{
	uint32_t rank = b->payload->merge_count;
	merge m;
	int32_t left, right, joined;

	if (json_is_array(item) != is_list || !read_merge(item, &m))
		return fail_merge(b, rank);
	left = find_token(b, m.left, m.left_length);
	right = find_token(b, m.right, m.right_length);
	joined = find_joined(b, &m);
	if (left < 0 || right < 0 || joined < 0)
		return fail_merge(b, rank);
	put_merge(b, left, right, rank);
	b->new_ids[rank] = (uint32_t) joined;
	b->payload->merge_count++;
	if (m.left_length > 0 && m.right_length > 0)
		note_seam(b, &m);
	return (rank & 0xFFF) != 0xFFF || !tfm_stopped(b->compiler->context);
}

static bool
add_merges(bpe_builder *b, json merges)
{
	tfm_context *context = b->compiler->context;
	size_t count = json_size(merges);
	bool lists = json_is_array(json_first(merges));

	if (!json_is_array(merges))
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\": key \"merges\" must be a list",
						b->compiler->source);
	if (count > BPE_RANK_MAX)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED, "\"%s\": %zu merges are too many",
						b->compiler->source, count);
	b->payload->merge_bits = bpe_table_bits(count);
	b->merges = tfm_alloc_array(context, (size_t) 1 << b->payload->merge_bits, sizeof(uint64_t));
	b->hints = tfm_alloc_zero(context, bpe_hints_size(b->payload));
	b->new_ids = tfm_alloc_array(context, count, sizeof(uint32_t));
	b->joined = tfm_alloc(context, 2 * TOK_TOKEN_MAX);
	if (tfm_failed(context))
		return false;
	memset(b->merges, 0xFF, sizeof(uint64_t) << b->payload->merge_bits);
	for (json item = json_first(merges); json_present(item); item = json_next(item))
	{
		/* A line of merges.txt that is no merge. */
		if (!lists && strncmp(json_as_string(item), "#version", 8) == 0)
			continue;
		if (!add_merge(b, item, lists))
			return false;
	}
	return true;
}

/* Most vocabularies list tokens as the merges that make them. */
static void
find_first_new_id(bpe_builder *b)
{
	bpe_payload *p = b->payload;

	p->first_new_id = p->merge_count == 0 ? -1 : (int32_t) b->new_ids[0];
	for (uint32_t rank = 0; rank < p->merge_count; rank++)
		if (b->new_ids[rank] != b->new_ids[0] + rank)
			p->first_new_id = -1;
}

/* Ranks of the merges of all pairs of bytes (of ASCII characters, the only symbols there are then). */
static bool
fill_pairs(bpe_builder *b)
{
	const bpe_tables t = {.payload = b->payload, .merges = b->merges, .hints = b->hints};
	const int32_t *symbols = b->payload->symbols[0];

	b->pairs = tfm_alloc_array(b->compiler->context, BPE_PAIRS, sizeof(uint32_t));
	for (size_t pair = 0; b->pairs != NULL && pair < BPE_PAIRS; pair++)
	{
		int32_t left = symbols[pair >> 8], right = symbols[pair & 0xFF];

		b->pairs[pair] = left < 0 || right < 0 ? BPE_NO_MERGE : bpe_find_merge(&t, left, right);
	}
	return b->pairs != NULL;
}

/* Whether every character becomes symbols. */
static bool
leaves_none_out(const bpe_payload *p)
{
	if (p->unknown_id >= 0 || (p->flags & BPE_BYTES) != 0)
		return true;
	for (int byte = 0; byte < 256; byte++)
		if (p->fallback[byte] < 0 && tok_byte_occurs((unsigned char) byte))
			return false;
	return (p->flags & BPE_BYTE_FALLBACK) != 0;
}

/*
 * Whether words can be cut.  Affixes depend on the place in the word; a character that is left out,
 * or stands as another token, has neighbours that the text does not tell.
 */
static void
allow_cuts(bpe_builder *b)
{
	bpe_payload *p = b->payload;

	if (p->prefix_length > 0 || p->suffix_length > 0 || b->stands_in || !leaves_none_out(p))
		return;
	p->flags |= BPE_CUTS;
	if ((p->flags & BPE_BYTES) == 0 && find_token(b, BPE_SPACE, 3) >= 0)
		p->flags |= BPE_CUTS_SPACES;
}

static bool
write_payload(bpe_builder *b, buffer *payload)
{
	tfm_context *context = b->compiler->context;
	const bpe_payload *p = b->payload;

	return buffer_append(context, payload, p, sizeof(*p)) &&
		   buffer_append(context, payload, b->merges, sizeof(uint64_t) << p->merge_bits) &&
		   buffer_append(context, payload, b->hints, bpe_hints_size(p)) &&
		   buffer_append(context, payload, b->words, sizeof(bpe_word) << p->word_bits) &&
		   buffer_append(context, payload, b->pairs, BPE_PAIRS * sizeof(uint32_t)) &&
		   buffer_append(context, payload, b->new_ids, p->merge_count * sizeof(uint32_t)) &&
		   buffer_append(context, payload, b->keys->data, b->keys->length);
}

bool
tok_compile_bpe(tok_compiler *compiler, json spec, buffer *payload)
{
	bpe_builder b = {.compiler = compiler};

	b.payload = tfm_alloc_zero(compiler->context, sizeof(bpe_payload));
	b.keys = buffer_create(compiler->context);
	if (b.payload == NULL || b.keys == NULL || !read_options(&b, spec) ||
		!tok_compile_token_map(compiler, json_member(spec, "vocab")))
		return false;
	if (compiler->settings.id_limit > BPE_ID_MAX)
		return tfm_fail(compiler->context, TFM_LIMIT_EXCEEDED, "\"%s\": token id %d is too large",
						compiler->source, compiler->settings.id_limit - 1);
	b.vocabulary = tok_compiled_trie(compiler, TOK_SECTION_VOCABULARY);
	find_symbols(&b);
	if (is_ordered(&b))
		b.payload->flags |= BPE_ORDERED;
	if (!add_merges(&b, json_member(spec, "merges")) || !fill_pairs(&b))
		return false;
	find_first_new_id(&b);
	allow_cuts(&b);
	return bpe_add_words(&b) && write_payload(&b, payload);
}
