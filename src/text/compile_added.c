/*
 * compile_added.c
 *	  The added tokens: their ids, their normalised forms, and the tries to find them with.
 *
 * Follows AddedVocabulary::add_tokens.  A content may be listed several times, and an id may pass
 * from one token to another; the last one counts.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/compile.h"

#include <string.h>

typedef struct added_entry
{
	const char *content;
	const char *normalized; /* NULL: the token is not normalized */
	const char *shown;		/* what id_to_token gives */
	tok_added record;
	bool replaced; /* a later entry has its id */
	size_t group;  /* the first entry with this content */
	bool special;  /* of the first entry: whether any of the group is special */
	bool has_id;   /* of the first entry: whether the group's id is known (in record) */
} added_entry;

typedef struct added_list
{
	tok_compiler *compiler;
	added_entry *items;
	size_t count;
	trie contents; /* to groups */
	int64_t next_id;
	uint32_t *owners; /* for each id, the entry that has it now, plus 1 */
	tok_work work;	  /* to normalize with */
	tok_components normalizers;
} added_list;

int32_t
tok_compiled_id(const tok_compiler *compiler, const char *token)
{
	const buffer *added = compiler->sections[TOK_SECTION_ADDED];
	const buffer *strings = compiler->sections[TOK_SECTION_STRINGS];
	trie vocabulary = tok_compiled_trie(compiler, TOK_SECTION_VOCABULARY);

	for (size_t i = 0; i < added->length / sizeof(tok_added); i++)
	{
		const tok_added *item = (const tok_added *) (const void *) added->data + i;

		if (strcmp(strings->data + item->content, token) == 0)
			return (int32_t) item->id;
	}
	return (int32_t) tok_trie_find(&vocabulary, token, strlen(token));
}

/* The content of an added token after the normalizers; NULL on error. */
static const char *
normalize_content(added_list *list, const char *content)
{
	tok_work *work = &list->work;
	size_t length = strlen(content);

	work->string.length = 0;
	if (!tok_reserve_string(work, &work->string, length))
		return NULL;
	if (length > 0)
		memcpy(work->string.bytes, content, length);
	work->string.length = length;
	if (!tok_normalize(work, &list->normalizers))
		return NULL;
	return tok_copy_string(work);
}

static uint32_t
read_flag(tok_compiler *compiler, json item, const char *key, uint32_t flag)
{
	return tok_require_bool(compiler, item, key) ? flag : 0;
}

static bool
read_entry(added_list *list, json item, added_entry *entry)
{
	tok_compiler *compiler = list->compiler;

	entry->content = json_require_string(compiler->context, item, "content");
	entry->shown = entry->content;
	entry->record.flags = read_flag(compiler, item, "single_word", TOK_ADDED_SINGLE_WORD) |
						  read_flag(compiler, item, "lstrip", TOK_ADDED_LSTRIP) |
						  read_flag(compiler, item, "rstrip", TOK_ADDED_RSTRIP) |
						  read_flag(compiler, item, "normalized", TOK_ADDED_NORMALIZED) |
						  read_flag(compiler, item, "special", TOK_ADDED_SPECIAL);
	if (tfm_failed(compiler->context) || !tok_check_token(compiler, entry->content))
		return false;
	if ((entry->record.flags & TOK_ADDED_NORMALIZED) != 0)
	{
		entry->normalized = normalize_content(list, entry->content);
		return entry->normalized != NULL;
	}
	return true;
}

/* Read the entries; those without content do not count. */
static bool
read_entries(added_list *list, json added_tokens)
{
	tfm_context *context = list->compiler->context;

	list->items = tfm_alloc_array(context, json_size(added_tokens), sizeof(added_entry));
	if (list->items == NULL)
		return false;
	for (json item = json_first(added_tokens); json_present(item); item = json_next(item))
	{
		added_entry entry = {.content = NULL};

		if (!read_entry(list, item, &entry))
			return false;
		if (entry.content[0] != '\0')
			list->items[list->count++] = entry;
		if ((list->count & 0xFF) == 0 && tfm_stopped(context))
			return false;
	}
	return true;
}

/* Find, for each entry, the first with its content. */
static bool
group_entries(added_list *list)
{
	tfm_context *context = list->compiler->context;
	trie_key *keys = tfm_alloc_array(context, list->count, sizeof(trie_key));
	buffer *nodes = keys == NULL ? NULL : buffer_create(context);

	if (nodes == NULL)
		return false;
	for (size_t i = 0; i < list->count; i++)
		keys[i] = (trie_key) {
			.bytes = list->items[i].content,
			.length = (uint32_t) strlen(list->items[i].content),
			.value = (uint32_t) i,
			.rank = (uint32_t) i,
		};
	if (!tok_trie_build(context, keys, list->count, nodes))
		return false;
	list->contents.nodes = (const trie_node *) (const void *) nodes->data;
	list->contents.count = (uint32_t) (nodes->length / sizeof(trie_node));
	for (size_t i = 0; i < list->count; i++)
	{
		added_entry *entry = &list->items[i];

		entry->group = tok_trie_find(&list->contents, entry->content, strlen(entry->content));
		if ((entry->record.flags & TOK_ADDED_SPECIAL) != 0)
			list->items[entry->group].special = true;
	}
	return true;
}

/* The ids as the library gives them; what the file says is ignored there. */
static bool
assign_ids(added_list *list)
{
	tok_compiler *compiler = list->compiler;
	trie vocabulary = tok_compiled_trie(compiler, TOK_SECTION_VOCABULARY);

	for (size_t i = 0; i < list->count; i++)
	{
		added_entry *entry = &list->items[i], *first = &list->items[entry->group];

		if (!first->has_id)
		{
			uint32_t known = tok_trie_find(&vocabulary, entry->content, strlen(entry->content));
			int64_t id = known != TRIE_NONE ? (int64_t) known : list->next_id++;

			if (!tok_compile_id(compiler, id))
				return false;
			first->record.id = (uint32_t) id;
			first->has_id = true;
			if (known == TRIE_NONE)
				compiler->settings.vocabulary_size++;
		}
		entry->record.id = first->record.id;
	}
	return true;
}

/* Let each id go to the last entry that has it. */
static bool
settle_owners(added_list *list)
{
	size_t limit = (size_t) list->compiler->settings.id_limit;

	list->owners = tfm_alloc_zero(list->compiler->context, limit * sizeof(uint32_t));
	if (list->owners == NULL)
		return false;
	for (size_t i = 0; i < list->count; i++)
	{
		added_entry *entry = &list->items[i];
		uint32_t *owner = &list->owners[entry->record.id];

		if (entry->normalized != NULL)
			entry->shown = entry->normalized;
		if (*owner != 0)
		{
			added_entry *before = &list->items[*owner - 1];

			/* The library forgets a token, but not what its normalised form was shown as. */
			if ((entry->normalized == NULL || strcmp(entry->normalized, entry->content) == 0) &&
				before->shown != before->content && strcmp(before->shown, before->content) != 0)
				entry->shown = before->shown;
			before->replaced = true;
		}
		*owner = (uint32_t) i + 1;
	}
	return true;
}

/* Whether decode(skip_special_tokens = true) leaves a token out: it goes by what is shown. */
static bool
is_skipped(const added_list *list, const char *shown)
{
	uint32_t group = tok_trie_find(&list->contents, shown, strlen(shown));

	return group != TRIE_NONE && list->items[group].special;
}

/* Strings, flags and records of the tokens that were kept. */
static bool
write_entries(added_list *list)
{
	tok_compiler *compiler = list->compiler;
	buffer *flags = compiler->sections[TOK_SECTION_ID_FLAGS];

	if (!buffer_append_zeros(compiler->context, flags, (size_t) compiler->settings.id_limit))
		return false;
	for (size_t i = 0; i < list->count; i++)
	{
		added_entry *entry = &list->items[i];
		int id_flags = 0;

		if (entry->replaced)
			continue;
		if (!tok_compile_string(compiler, entry->content, strlen(entry->content),
								&entry->record.content) ||
			!tok_compile_token(compiler, entry->record.id, entry->shown) ||
			!buffer_append(compiler->context, compiler->sections[TOK_SECTION_ADDED], &entry->record,
						   sizeof(tok_added)))
			return false;
		if ((entry->record.flags & TOK_ADDED_SPECIAL) != 0)
			id_flags |= TOK_ID_SPECIAL;
		if (is_skipped(list, entry->shown))
			id_flags |= TOK_ID_SKIPPED;
		flags->data[entry->record.id] = (char) id_flags;
	}
	return true;
}

/*
 * The trie of the tokens to be found in the raw (the normalised) text, to indexes of records; without
 * special ones where they are text like any other (split_special_tokens).
 */
static bool
build_matcher(added_list *list, bool normalized, tok_section section)
{
	tfm_context *context = list->compiler->context;
	trie_key *keys = tfm_alloc_array(context, list->count, sizeof(trie_key));
	bool split = list->compiler->config->split_special_tokens;
	size_t count = 0;
	uint32_t index = 0;

	if (keys == NULL)
		return false;
	for (size_t i = 0; i < list->count; i++)
	{
		const added_entry *entry = &list->items[i];
		const char *pattern = normalized ? entry->shown : entry->content;

		if (entry->replaced)
			continue;
		if ((entry->normalized != NULL) == normalized && pattern[0] != '\0' &&
			!(split && list->items[entry->group].special))
			keys[count++] = (trie_key) {
				.bytes = pattern,
				.length = (uint32_t) strlen(pattern),
				.value = index,
				.rank = index,
			};
		index++;
	}
	return tok_trie_build(context, keys, count, list->compiler->sections[section]);
}

bool
tok_compile_added(tok_compiler *compiler, json added_tokens)
{
	const buffer *normalizers = compiler->sections[TOK_SECTION_NORMALIZERS];
	added_list list = {
		.compiler = compiler,
		.next_id = compiler->model_size,
	};
	bool ok;

	if (!tok_work_begin(&list.work, compiler->context))
		return false;
	ok = tok_resolve_components(compiler->context, TOK_SECTION_NORMALIZERS, normalizers->data,
								normalizers->length, &list.normalizers) &&
		 read_entries(&list, added_tokens) && group_entries(&list) && assign_ids(&list) &&
		 settle_owners(&list) && write_entries(&list) &&
		 build_matcher(&list, false, TOK_SECTION_ADDED_RAW) &&
		 build_matcher(&list, true, TOK_SECTION_ADDED_NORMALIZED);

	tok_work_end(&list.work);
	return ok;
}
