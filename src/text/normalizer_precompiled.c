/*
 * normalizer_precompiled.c
 *	  The normalizer Precompiled: SentencePiece's map of characters (precompiled_charsmap).
 *
 * The map is a double-array trie (Darts) from byte strings to places in a row of zero-terminated
 * replacements.  Follows the library and its crate spm_precompiled: a grapheme cluster of less than
 * 6 bytes is replaced as a whole by what its shortest prefix in the trie stands for; any other
 * cluster, and one that has none, is gone through character by character.
 *
 * What a character does is known beforehand: a table of kinds says whether the trie has it, or
 * anything that begins with it, and how it clusters.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include <string.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "text/compile.h"
#include "text/grapheme.h"

#define CLUSTER_MAX 6 /* bytes from which on a cluster is not looked up */
#define PAGE_BITS 7
#define PAGE_SIZE (1u << PAGE_BITS)
#define PAGE_COUNT (0x110000u >> PAGE_BITS)

/* A kind is a tok_grapheme and these. */
#define KIND_GRAPHEME 31u
#define KIND_REPLACED 32u /* the character alone has a replacement */
#define KIND_BEGINS 64u	  /* something longer that begins with it may have one */

/* Then follow the pages, the units of the trie, and the replacements. */
typedef struct precompiled_payload
{
	uint32_t page_count;
	uint32_t unit_count;
	uint32_t text_length;
	uint32_t padding;
	unsigned char ascii[128]; /* what an ASCII character becomes; 0: look closer */
	uint16_t pages[PAGE_COUNT];
} precompiled_payload;

/* The map in use. */
typedef struct charsmap
{
	const precompiled_payload *payload;
	const unsigned char *kinds;
	const uint32_t *units;
	const char *texts;
	size_t unit_count, text_length;
} charsmap;

/* A normalization under way. */
typedef struct rewriting
{
	tok_work *work;
	charsmap map;
	size_t taken;	/* bytes of the string whose characters are accounted for */
	size_t pending; /* the last character written: its bytes in work->next, and its change */
	size_t pending_width;
	long change;
} rewriting;

/* Darts' unit: an offset, a label, a flag. */
static inline uint32_t
unit_offset(uint32_t unit)
{
	return (unit >> 10) << ((unit & (1u << 9)) >> 6);
}

static inline uint32_t
unit_label(uint32_t unit)
{
	return unit & (1u << 31 | 0xFF);
}

/*
 * The replacement of the shortest prefix that has one; NULL if none has.  *alive says whether longer
 * keys go on from here.
 */
static const char *
find_replacement(const charsmap *map, const char *key, size_t length, size_t *replacement_length,
				 bool *alive)
{
	uint32_t place = 0;

	*alive = false;
	if (map->unit_count == 0)
		return NULL;
	place ^= unit_offset(map->units[0]);
	for (size_t i = 0; i < length && key[i] != '\0'; i++)
	{
		uint32_t unit;

		place ^= (unsigned char) key[i];
		if (place >= map->unit_count)
			return NULL;
		unit = map->units[place];
		if (unit_label(unit) != (unsigned char) key[i])
			return NULL;
		place ^= unit_offset(unit);
		if ((unit >> 8 & 1) != 0)
		{
			size_t start = place < map->unit_count ? map->units[place] & 0x7FFFFFFF : SIZE_MAX;
			const char *end;

			if (start >= map->text_length)
				return start == map->text_length ? (*replacement_length = 0, "") : NULL;
			end = memchr(map->texts + start, '\0', map->text_length - start);
			*replacement_length =
				end == NULL ? map->text_length - start : (size_t) (end - (map->texts + start));
			return utf8_valid(map->texts + start, *replacement_length) ? map->texts + start : NULL;
		}
	}
	*alive = true;
	return NULL;
}

/* What the trie says of a character. */
static unsigned char
find_flags(const charsmap *map, uint32_t character)
{
	char bytes[4];
	size_t length;
	bool alive;
	const char *replacement;

	if (character == 0 || (character >= 0xD800 && character < 0xE000))
		return 0;
	replacement =
		find_replacement(map, bytes, (size_t) utf8_encode(character, bytes), &length, &alive);
	return (replacement != NULL ? KIND_REPLACED : 0) | (alive ? KIND_BEGINS : 0);
}

/* Whether the trie has no key that begins as the characters of this page's half do. */
static bool
is_absent(const charsmap *map, uint32_t first)
{
	char bytes[4];
	int width = utf8_encode(first, bytes);
	size_t length;
	bool alive;

	return width > 1 && find_replacement(map, bytes, (size_t) width - 1, &length, &alive) == NULL &&
		   !alive;
}

static void
fill_page(const charsmap *map, uint32_t page, unsigned char content[PAGE_SIZE])
{
	uint32_t first = page << PAGE_BITS, end = first;

	for (uint32_t c = first; c < first + PAGE_SIZE;)
	{
		unsigned char kind = (unsigned char) tok_grapheme_of(c, &end);

		for (; c < end && c < first + PAGE_SIZE; c++)
			content[c - first] = kind;
	}
	/* The characters of a half differ in their last byte alone. */
	for (uint32_t half = first; half < first + PAGE_SIZE; half += PAGE_SIZE / 2)
		for (uint32_t i = 0; i < PAGE_SIZE / 2 && !is_absent(map, half); i++)
			content[half + i - first] |= find_flags(map, half + i);
}

static bool
is_page(const buffer *kinds, uint32_t number, const unsigned char content[PAGE_SIZE])
{
	return memcmp(kinds->data + (size_t) (number - 1) * PAGE_SIZE, content, PAGE_SIZE) == 0;
}

/* The kinds of all characters, equal pages once. */
static bool
append_pages(tok_compiler *compiler, const charsmap *map, precompiled_payload *header,
			 buffer *kinds)
{
	for (uint32_t page = 0; page < PAGE_COUNT; page++)
	{
		unsigned char content[PAGE_SIZE];
		uint32_t same = page > 0 ? header->pages[page - 1] + 1u : 0;

		fill_page(map, page, content);
		/* Most are as the one before. */
		if (same == 0 || !is_page(kinds, same, content))
			same = header->page_count;
		while (same > 0 && !is_page(kinds, same, content))
			same--;
		if (same == 0)
		{
			if (!buffer_append(compiler->context, kinds, content, PAGE_SIZE))
				return false;
			same = ++header->page_count;
		}
		header->pages[page] = (uint16_t) (same - 1);
		if ((page & 0xFF) == 0 && tfm_stopped(compiler->context))
			return false;
	}
	return true;
}

static void
map_ascii(const charsmap *map, precompiled_payload *header)
{
	for (unsigned char c = 1; c < 128; c++)
	{
		char byte = (char) c;
		size_t length = 1;
		bool alive;
		const char *replacement = find_replacement(map, &byte, 1, &length, &alive);

		/* After a carriage return comes the line feed of its cluster. */
		if (c != '\r' && length == 1 && (replacement == NULL || (unsigned char) *replacement < 128))
			header->ascii[c] = replacement == NULL ? c : (unsigned char) *replacement;
	}
}

static bool
fail_charsmap(tok_compiler *compiler)
{
	return tfm_fail(compiler->context, TFM_CORRUPTED, "\"%s\": \"precompiled_charsmap\" is damaged",
					compiler->source);
}

/* The length of the trie in bytes, the trie, the replacements. */
static bool
read_charsmap(tok_compiler *compiler, const buffer *bytes, charsmap *map, buffer *units)
{
	uint32_t length;

	if (bytes->length < sizeof(length))
		return false;
	memcpy(&length, bytes->data, sizeof(length));
	map->unit_count = length / sizeof(uint32_t);
	if (map->unit_count > (bytes->length - sizeof(length)) / sizeof(uint32_t) ||
		!buffer_append(compiler->context, units, bytes->data + sizeof(length),
					   map->unit_count * sizeof(uint32_t)))
		return false;
	map->units = (const uint32_t *) (const void *) units->data;
	map->texts = bytes->data + sizeof(length) + map->unit_count * sizeof(uint32_t);
	map->text_length = bytes->length - sizeof(length) - map->unit_count * sizeof(uint32_t);
	return map->text_length <= UINT32_MAX && utf8_valid(map->texts, map->text_length);
}

static bool
compile_precompiled(tok_compiler *compiler, json spec, buffer *payload)
{
	tfm_context *context = compiler->context;
	const char *text = json_require_string(context, spec, "precompiled_charsmap");
	buffer *bytes = tfm_failed(context) ? NULL : buffer_create(context);
	buffer *units = buffer_create(context), *kinds = buffer_create(context);
	precompiled_payload *header = tfm_alloc_zero(context, sizeof(precompiled_payload));
	charsmap map;

	if (bytes == NULL || units == NULL || kinds == NULL || header == NULL)
		return false;
	if (!base64_decode(context, text, strlen(text), bytes) ||
		!read_charsmap(compiler, bytes, &map, units))
		return fail_charsmap(compiler);
	header->unit_count = (uint32_t) map.unit_count;
	header->text_length = (uint32_t) map.text_length;
	map_ascii(&map, header);
	return append_pages(compiler, &map, header, kinds) &&
		   buffer_append(context, payload, header, sizeof(*header)) &&
		   buffer_append(context, payload, kinds->data, kinds->length) &&
		   buffer_append(context, payload, units->data, units->length) &&
		   buffer_append(context, payload, map.texts, map.text_length);
}

static bool
open_charsmap(tfm_context *context, tok_payload payload, charsmap *map)
{
	const precompiled_payload *header = payload.bytes;
	size_t rest = payload.length - sizeof(*header);
	size_t kinds, units;

	if (payload.length < sizeof(*header))
		return tok_fail_damaged(context);
	kinds = (size_t) header->page_count * PAGE_SIZE;
	units = (size_t) header->unit_count * sizeof(uint32_t);
	if (kinds > rest || units > rest - kinds || header->text_length > rest - kinds - units)
		return tok_fail_damaged(context);
	map->payload = header;
	map->kinds = (const unsigned char *) (header + 1);
	map->units = (const uint32_t *) (const void *) (map->kinds + kinds);
	map->unit_count = header->unit_count;
	map->texts = (const char *) (map->units + map->unit_count);
	map->text_length = header->text_length;
	return true;
}

static inline unsigned char
kind_of(const charsmap *map, uint32_t character)
{
	uint32_t page = character < 0x110000 ? map->payload->pages[character >> PAGE_BITS] : 0;

	return page < map->payload->page_count
			   ? map->kinds[page << PAGE_BITS | (character & (PAGE_SIZE - 1))]
			   : 0;
}

/*
 * Sources follow NormalizedString::transform: a character takes up one of the old ones and as many
 * more as its change is below 0; one with a change of 1 takes up none and shares the source of the
 * one before.  What is removed counts for the character before it, which therefore waits.
 */
static void
settle_pending(rewriting *r)
{
	const tok_string *from = &r->work->string;
	tok_string *to = &r->work->next;
	int32_t source;

	if (r->pending_width == 0)
		return;
	if (r->change > 0)
		source = from->sources[r->taken - 1];
	else
	{
		source = from->sources[r->taken < from->length ? r->taken : from->length - 1];
		for (long i = r->change; i <= 0 && r->taken < from->length; i++)
		{
			int width;

			utf8_decode(from->bytes + r->taken, &width);
			r->taken += (size_t) width;
		}
	}
	for (size_t i = 0; i < r->pending_width; i++)
		to->sources[r->pending + i] = source;
	r->pending_width = 0;
}

/* Write one character, as it is in text. */
static inline void
put(rewriting *r, const char *text, size_t width, long change)
{
	tok_string *to = &r->work->next;

	memcpy(to->bytes + to->length, text, width);
	if (to->keeps_sources)
	{
		settle_pending(r);
		r->pending = to->length;
		r->pending_width = width;
		r->change = change;
	}
	to->length += width;
}

/* Write a replacement for bytes start..end. */
static bool
replace(rewriting *r, size_t start, size_t end, const char *replacement, size_t length)
{
	size_t old_count = utf8_count(r->work->string.bytes + start, end - start);
	size_t count = 0;

	if (!tok_reserve_string(r->work, &r->work->next, length + r->work->string.length - end))
		return false;
	for (size_t i = 0; i < length; count++)
	{
		int width;

		utf8_decode(replacement + i, &width);
		put(r, replacement + i, (size_t) width, count >= old_count);
		i += (size_t) width;
	}
	if (count < old_count && r->pending_width > 0)
		r->change -= (long) (old_count - count);
	return true;
}

/* A cluster, bytes start..end of the string. */
static bool
rewrite_cluster(rewriting *r, size_t start, size_t end, unsigned char kind)
{
	const char *bytes = r->work->string.bytes;
	size_t length = 0;
	bool alive;

	if (end - start < CLUSTER_MAX && (kind & (KIND_REPLACED | KIND_BEGINS)) != 0)
	{
		const char *replacement =
			find_replacement(&r->map, bytes + start, end - start, &length, &alive);

		if (replacement != NULL)
			return replace(r, start, end, replacement, length);
	}
	for (size_t i = start; i < end;)
	{
		int width;
		uint32_t character = utf8_decode(bytes + i, &width);
		const char *replacement = NULL;

		if ((kind_of(&r->map, character) & KIND_REPLACED) != 0)
			replacement = find_replacement(&r->map, bytes + i, (size_t) width, &length, &alive);
		if (replacement == NULL)
			put(r, bytes + i, (size_t) width, 0);
		else if (!replace(r, i, i + (size_t) width, replacement, length))
			return false;
		i += (size_t) width;
	}
	return true;
}

/* The sources of characters that became one each, bytes i..end of the string. */
static void
follow_ascii(rewriting *r, size_t i, size_t end)
{
	const tok_string *from = &r->work->string;
	tok_string *to = &r->work->next;

	size_t done = 0, count = end - i;

	settle_pending(r);
	if (r->taken == i)
	{
		done = count - 1;
		memcpy(to->sources + to->length, from->sources + i, done * sizeof(int32_t));
		r->taken += done;
	}
	for (; done < count; done++)
	{
		settle_pending(r);
		r->pending_width = 1;
		r->pending = to->length + done;
		r->change = 0;
	}
}

/* ASCII from byte i on, as far as nothing that follows can belong to a cluster with it. */
static size_t
rewrite_ascii(rewriting *r, size_t i)
{
	const tok_string *from = &r->work->string;
	tok_string *to = &r->work->next;
	const unsigned char *map = r->map.payload->ascii;
	size_t end = i;

	while (end < from->length && (unsigned char) from->bytes[end] < 0x80 &&
		   map[(unsigned char) from->bytes[end]] != 0)
	{
		to->bytes[to->length + (end - i)] = (char) map[(unsigned char) from->bytes[end]];
		end++;
	}
	if (end > i && end < from->length && (unsigned char) from->bytes[end] >= 0x80)
		end--;
	if (end > i && to->keeps_sources)
		follow_ascii(r, i, end);
	to->length += end - i;
	return end;
}

/* The end of the cluster that begins with the character at start, which is of that kind. */
static size_t
find_end(const rewriting *r, size_t start, int width, unsigned char kind)
{
	const tok_string *from = &r->work->string;
	tok_grapheme_state state = {0};
	size_t end = start + (size_t) width;

	tok_grapheme_pass(&state, (tok_grapheme) (kind & KIND_GRAPHEME));
	while (end < from->length)
	{
		tok_grapheme next =
			(tok_grapheme) (kind_of(&r->map, utf8_decode(from->bytes + end, &width)) &
							KIND_GRAPHEME);

		if (tok_grapheme_breaks(&state, next))
			break;
		tok_grapheme_pass(&state, next);
		end += (size_t) width;
	}
	return end;
}

static bool
run_precompiled(tok_work *work, tok_payload payload)
{
	const tok_string *from = &work->string;
	rewriting r = {.work = work};
	uint32_t polled = 0;

	if (!open_charsmap(work->context, payload, &r.map) ||
		!tok_reserve_string(work, &work->next, from->length))
		return false;
	for (size_t i = 0; i < from->length;)
	{
		int width;
		unsigned char kind;
		size_t end;

		if ((unsigned char) from->bytes[i] < 0x80)
		{
			i = rewrite_ascii(&r, i);
			if (i == from->length)
				break;
		}
		kind = kind_of(&r.map, utf8_decode(from->bytes + i, &width));
		end = find_end(&r, i, width, kind);
		if (!rewrite_cluster(&r, i, end, kind))
			return false;
		i = end;
		if ((++polled & 0xFFFF) == 0 && tfm_stopped(work->context))
			return false;
	}
	settle_pending(&r);
	tok_swap_strings(work);
	return true;
}

const tok_normalizer tok_normalizer_precompiled = {
	.row = {"Precompiled", compile_precompiled},
	.run = run_precompiled,
};
