/*
 * open.c
 *	  Opening a compiled tokenizer, and what can be asked of it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdalign.h>
#include <string.h>

#include "base/size.h"
#include "text/blob.h"
#include "text/components.h"
#include "text/compile.h"
#include "text/unicode.h"

bool
tok_fail_damaged(tfm_context *context)
{
	tfm_fail(context, TFM_CORRUPTED, "the compiled tokenizer is damaged");
	return tfm_hint(context, "Compile the model again with tfm_refresh_model.");
}

/* The record at *offset, which moves to the next; NULL at the end or if the section is damaged. */
static const blob_record *
next_record(const void *bytes, size_t length, size_t *offset)
{
	const blob_record *record = (const void *) ((const char *) bytes + *offset);
	size_t rest = length - *offset;

	if (rest < sizeof(blob_record) || record->length > rest - sizeof(blob_record) ||
		memchr(record->type, '\0', sizeof(record->type)) == NULL)
		return NULL;
	*offset += sizeof(blob_record) + size_round_up(record->length, 8);
	return *offset <= length ? record : NULL;
}

static const void *const *
types_of(tok_section section)
{
	switch (section)
	{
		case TOK_SECTION_NORMALIZERS:
			return (const void *const *) tok_normalizers;
		case TOK_SECTION_PRE_TOKENIZERS:
			return (const void *const *) tok_pre_tokenizers;
		case TOK_SECTION_MODEL:
			return (const void *const *) tok_models;
		default:
			return (const void *const *) tok_decoders;
	}
}

static const void *
find_type(tok_section section, const char *type)
{
	for (const void *const *item = types_of(section); *item != NULL; item++)
		if (strcmp(((const tok_row *) *item)->type, type) == 0)
			return *item;
	return NULL;
}

static void
set_type(tok_component *component, tok_section section, const void *type)
{
	switch (section)
	{
		case TOK_SECTION_NORMALIZERS:
			component->type.normalizer = type;
			break;
		case TOK_SECTION_PRE_TOKENIZERS:
			component->type.pre_tokenizer = type;
			break;
		case TOK_SECTION_MODEL:
			component->type.model = type;
			break;
		default:
			component->type.decoder = type;
	}
}

bool
tok_resolve_components(tfm_context *context, tok_section section, const void *bytes, size_t length,
					   tok_components *components)
{
	size_t offset = 0;

	*components = (tok_components) {.items = NULL};
	while (offset < length)
	{
		if (next_record(bytes, length, &offset) == NULL)
			return tok_fail_damaged(context);
		components->count++;
	}
	components->items = tfm_alloc_array(context, components->count, sizeof(tok_component));
	if (components->items == NULL)
		return false;
	offset = 0;
	for (size_t i = 0; i < components->count; i++)
	{
		const blob_record *record = next_record(bytes, length, &offset);
		const void *type = find_type(section, record->type);

		if (type == NULL)
			return tok_fail_damaged(context);
		set_type(&components->items[i], section, type);
		components->items[i].payload =
			(tok_payload) {.bytes = record + 1, .length = (size_t) record->length};
	}
	return true;
}

static bool
check_header(tfm_context *context, const blob_header *header, size_t length)
{
	if (length < sizeof(blob_header) || memcmp(header->magic, BLOB_MAGIC, 8) != 0)
		return tok_fail_damaged(context);
	if (header->version != BLOB_VERSION || header->section_count != TOK_SECTION_COUNT)
		return tfm_fail(context, TFM_CORRUPTED,
						"the compiled tokenizer is of version %u, not %u: compile it again",
						header->version, BLOB_VERSION);
	if (header->length > length)
		return tok_fail_damaged(context);
	for (int i = 0; i < TOK_SECTION_COUNT; i++)
	{
		const blob_section *section = &header->sections[i];

		if (section->offset % 8 != 0 || section->offset > header->length ||
			section->length > header->length - section->offset)
			return tok_fail_damaged(context);
	}
	return true;
}

/* A section's bytes, and in *count how many items of item_size they are. */
static const void *
section_at(const blob_header *header, tok_section section, size_t item_size, size_t *count)
{
	*count = (size_t) header->sections[section].length / item_size;
	return (const char *) header + header->sections[section].offset;
}

static trie
trie_at(const blob_header *header, tok_section section)
{
	size_t count;
	const trie_node *nodes = section_at(header, section, sizeof(trie_node), &count);

	return (trie) {.nodes = nodes, .count = count > UINT32_MAX ? 0 : (uint32_t) count};
}

static bool
is_id(const tok_tokenizer *tokenizer, int64_t id)
{
	return id >= 0 && id < tokenizer->settings->id_limit;
}

/* Point to the sections, and check that their sizes fit the settings. */
static bool
open_sections(tok_tokenizer *t, const blob_header *header)
{
	size_t count, limit;

	t->settings = section_at(header, TOK_SECTION_SETTINGS, sizeof(tok_settings), &count);
	if (count != 1 || t->settings->id_limit < 0)
		return false;
	limit = (size_t) t->settings->id_limit;
	t->strings = section_at(header, TOK_SECTION_STRINGS, 1, &t->strings_length);
	if (t->strings_length > 0 && t->strings[t->strings_length - 1] != '\0')
		return false;
	t->tokens = section_at(header, TOK_SECTION_TOKENS, sizeof(uint32_t), &count);
	if (count < limit)
		return false;
	t->id_flags = section_at(header, TOK_SECTION_ID_FLAGS, 1, &count);
	if (count < limit)
		return false;
	t->targets = section_at(header, TOK_SECTION_TARGETS, sizeof(uint32_t), &t->target_count);
	t->segments = section_at(header, TOK_SECTION_SEGMENTS, sizeof(tok_segment), &count);
	for (int i = 0; i < TOK_LAYOUT_COUNT; i++)
	{
		if (t->settings->segments[i] > count)
			return false;
		count -= t->settings->segments[i];
	}
	t->added = section_at(header, TOK_SECTION_ADDED, sizeof(tok_added), &t->added_count);
	t->vocabulary = trie_at(header, TOK_SECTION_VOCABULARY);
	t->raw.keys = trie_at(header, TOK_SECTION_ADDED_RAW);
	t->normalized.keys = trie_at(header, TOK_SECTION_ADDED_NORMALIZED);
	t->special_tokens.data =
		section_at(header, TOK_SECTION_SPECIAL_TOKENS, 1, &t->special_tokens.length);
	return true;
}

static bool
check_layout(const tok_tokenizer *t, const tok_segment *segments, uint32_t count, bool pair)
{
	for (uint32_t i = 0; i < count; i++)
	{
		const tok_segment *segment = &segments[i];

		if (segment->sequence == -1 ? !is_id(t, segment->id)
									: segment->sequence < 0 || segment->sequence > (pair ? 1 : 0))
			return false;
		if (segment->owner != -1 && (segment->owner < 0 || (uint32_t) segment->owner >= count ||
									 segments[segment->owner].sequence < 0))
			return false;
		if (segment->sequence >= 0 && segment->owner != (int32_t) i)
			return false;
	}
	return true;
}

/* The few ids that stand in settings, added tokens and segments. */
static bool
check_ids(const tok_tokenizer *t)
{
	const tok_segment *segments = t->segments;

	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
		if (t->settings->special_ids[i] != -1 && !is_id(t, t->settings->special_ids[i]))
			return false;
	for (size_t i = 0; i < t->added_count; i++)
		if (!is_id(t, t->added[i].id))
			return false;
	for (int i = 0; i < TOK_LAYOUT_COUNT; i++)
	{
		if (!check_layout(t, segments, t->settings->segments[i], (i & TOK_LAYOUT_PAIR) != 0))
			return false;
		segments += t->settings->segments[i];
	}
	return t->settings->added_tokens[0] >= 0 && t->settings->added_tokens[1] >= 0;
}

static bool
open_components(tfm_context *context, const blob_header *header, tok_section section,
				tok_components *components)
{
	size_t length;
	const void *bytes = section_at(header, section, 1, &length);

	return tok_resolve_components(context, section, bytes, length, components);
}

/*
 * Where a pre-tokenizer asks for sources.  The first one does without them if nothing has changed
 * the text before it.
 */
static bool
find_needs(const tok_tokenizer *t)
{
	for (size_t i = 0; i < t->pre_tokenizers.count; i++)
	{
		const tok_component *component = &t->pre_tokenizers.items[i];
		bool (*needs_sources)(tok_payload) = component->type.pre_tokenizer->needs_sources;

		if (needs_sources != NULL && needs_sources(component->payload) &&
			(i > 0 || t->normalizers.count > 0))
			return true;
	}
	return false;
}

const tok_tokenizer *
tok_open(tfm_context *context, const void *blob, size_t length)
{
	const blob_header *header = blob;
	tok_tokenizer *t;

	if ((uintptr_t) blob % alignof(blob_header) != 0)
	{
		tfm_fail(context, TFM_INVALID_ARGUMENT, "the compiled tokenizer is not aligned");
		return NULL;
	}
	if (!tok_unicode_load(context) || !check_header(context, header, length) ||
		(t = tfm_alloc_zero(context, sizeof(tok_tokenizer))) == NULL)
		return NULL;
	if (!open_sections(t, header) || !check_ids(t))
	{
		tok_fail_damaged(context);
		return NULL;
	}
	if (!open_components(context, header, TOK_SECTION_NORMALIZERS, &t->normalizers) ||
		!open_components(context, header, TOK_SECTION_PRE_TOKENIZERS, &t->pre_tokenizers) ||
		!open_components(context, header, TOK_SECTION_MODEL, &t->models) ||
		!open_components(context, header, TOK_SECTION_DECODERS, &t->decoders))
		return NULL;
	if (t->models.count != 1)
	{
		tok_fail_damaged(context);
		return NULL;
	}
	if (!t->models.items[0].type.model->check(context, t, t->models.items[0].payload))
		return NULL;
	t->needs_sources = find_needs(t);
	tok_open_matcher(&t->raw);
	tok_open_matcher(&t->normalized);
	return t;
}

const char *
tok_string_at(const tok_tokenizer *tokenizer, uint32_t offset)
{
	return offset < tokenizer->strings_length ? tokenizer->strings + offset : "";
}

const char *
tok_id_to_token(const tok_tokenizer *tokenizer, int32_t id)
{
	if (!is_id(tokenizer, id) || tokenizer->tokens[id] >= tokenizer->strings_length)
		return NULL;
	return tokenizer->strings + tokenizer->tokens[id];
}

int32_t
tok_token_to_id(const tok_tokenizer *tokenizer, tfm_text token)
{
	uint32_t id;

	for (size_t i = 0; i < tokenizer->added_count; i++)
	{
		const char *content = tok_string_at(tokenizer, tokenizer->added[i].content);

		if (strncmp(content, token.data, token.length) == 0 && content[token.length] == '\0')
			return (int32_t) tokenizer->added[i].id;
	}
	id = tok_trie_find(&tokenizer->vocabulary, token.data, token.length);
	return id < (uint32_t) tokenizer->settings->id_limit ? (int32_t) id : -1;
}

int32_t
tok_vocabulary_size(const tok_tokenizer *tokenizer)
{
	return tokenizer->settings->vocabulary_size;
}

int32_t
tok_id_limit(const tok_tokenizer *tokenizer)
{
	return tokenizer->settings->id_limit;
}

int32_t
tok_special_id(const tok_tokenizer *tokenizer, tok_special which)
{
	return tokenizer->settings->special_ids[which];
}

tfm_text
tok_special_tokens_json(const tok_tokenizer *tokenizer)
{
	return tokenizer->special_tokens;
}

bool
tok_is_special(const tok_tokenizer *tokenizer, int32_t id)
{
	return is_id(tokenizer, id) && (tokenizer->id_flags[id] & TOK_ID_SPECIAL) != 0;
}

int32_t
tok_added_count(const tok_tokenizer *tokenizer, bool pair)
{
	return tokenizer->settings->added_tokens[pair];
}

int64_t
tok_model_max_length(const tok_tokenizer *tokenizer)
{
	return tokenizer->settings->model_max_length;
}

bool
tok_gives_type_ids(const tok_tokenizer *tokenizer)
{
	return (tokenizer->settings->traits & TOK_TRAIT_TYPES) != 0;
}

bool
tok_gave_type_ids(const tok_tokenizer *tokenizer)
{
	return (tokenizer->settings->traits & TOK_TRAIT_TYPES_BEFORE) != 0;
}

bool
tok_is_python(const tok_tokenizer *tokenizer)
{
	return tokenizer->settings->python != 0;
}

bool
tok_is_bpe(const tok_tokenizer *tokenizer)
{
	return tokenizer->models.count > 0 &&
		   strcmp(tokenizer->models.items[0].type.model->row.type, "BPE") == 0;
}

bool
tok_marks_subwords(const tok_tokenizer *tokenizer)
{
	return (tokenizer->settings->traits & TOK_TRAIT_SUBWORDS) != 0;
}

bool
tok_pads_left(const tok_tokenizer *tokenizer)
{
	return (tokenizer->settings->sides & TOK_SIDE_PADS_LEFT) != 0;
}

bool
tok_truncates_left(const tok_tokenizer *tokenizer)
{
	return (tokenizer->settings->sides & TOK_SIDE_TRUNCATES_LEFT) != 0;
}
