/*
 * vocabulary.c
 *	  A tokenizer's tokens, sorted by their bytes, as a trie.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "generate/characters.h"

#define VOCABULARY_MAX (1 << 24)

/* A token while they are sorted: its first bytes as a number decide most comparisons. */
typedef struct sorted_token
{
	uint64_t prefix;
	const char *bytes;
	uint32_t length;
	uint32_t id;
} sorted_token;

static int
compare_tokens(const void *one, const void *other)
{
	const sorted_token *a = one, *b = other;
	uint32_t shorter = a->length < b->length ? a->length : b->length;
	int order;

	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	order = memcmp(a->bytes, b->bytes, shorter);
	if (order != 0)
		return order;
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static uint64_t
first_bytes(const char *bytes, uint32_t length)
{
	uint64_t prefix = 0;

	for (uint32_t i = 0; i < 8; i++)
		prefix = prefix << 8 | (i < length ? (unsigned char) bytes[i] : 0);
	return prefix;
}

/* Tokens that may come, in order. */
static sorted_token *
sort_tokens(const gen_vocabulary *v, uint32_t *count)
{
	sorted_token *tokens = malloc(((size_t) v->size + 1) * sizeof(sorted_token));

	*count = 0;
	if (tokens == NULL)
		return NULL;
	for (uint32_t id = 0; id < v->size; id++)
	{
		uint32_t length = v->starts[id + 1] - v->starts[id];
		const char *bytes = v->bytes + v->starts[id];

		if (length > 0 && length <= GEN_TOKEN_MAX)
			tokens[(*count)++] = (sorted_token) {first_bytes(bytes, length), bytes, length, id};
	}
	if (*count > 0)
		qsort(tokens, *count, sizeof(sorted_token), compare_tokens);
	return tokens;
}

static uint32_t
shared_bytes(const sorted_token *a, const sorted_token *b)
{
	uint32_t shorter = a->length < b->length ? a->length : b->length, i = 0;

	while (i < shorter && a->bytes[i] == b->bytes[i])
		i++;
	return i;
}

static uint32_t
count_nodes(const sorted_token *tokens, uint32_t count)
{
	uint32_t nodes = 0;

	for (uint32_t i = 0; i < count; i++)
		nodes += tokens[i].length - (i == 0 ? 0 : shared_bytes(&tokens[i - 1], &tokens[i]));
	return nodes;
}

/* Lay the nodes out; open[d] is the last node of depth d. */
static void
build_nodes(gen_vocabulary *v, const sorted_token *tokens)
{
	uint32_t open[GEN_TOKEN_MAX], deep = 0, node = 0;

	for (uint32_t i = 0; i < v->count; i++)
	{
		uint32_t shared = i == 0 ? 0 : shared_bytes(&tokens[i - 1], &tokens[i]);

		while (deep > shared)
			v->node_ends[open[--deep]] = node;
		for (; deep < tokens[i].length; node++)
		{
			v->node_bytes[node] = (uint8_t) tokens[i].bytes[deep];
			v->node_depths[node] = (uint8_t) deep;
			v->node_tokens[node] = i;
			open[deep++] = node;
		}
		v->ids[i] = tokens[i].id;
	}
	while (deep > 0)
		v->node_ends[open[--deep]] = node;
	v->node_tokens[node] = v->count;
}

static bool
build_trie(tfm_context *context, gen_vocabulary *v)
{
	sorted_token *tokens = sort_tokens(v, &v->count);

	if (tokens == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	v->node_count = count_nodes(tokens, v->count);
	v->ids = tfm_alloc_array(context, v->count, sizeof(uint32_t));
	v->node_bytes = tfm_alloc(context, v->node_count);
	v->node_depths = tfm_alloc(context, v->node_count);
	v->node_ends = tfm_alloc_array(context, v->node_count, sizeof(uint32_t));
	v->node_tokens = tfm_alloc_array(context, (size_t) v->node_count + 1, sizeof(uint32_t));
	if (!tfm_failed(context))
		build_nodes(v, tokens);
	free(tokens);
	return !tfm_failed(context);
}

static void
free_tables(void *argument)
{
	gen_vocabulary *v = argument;

	for (size_t i = 0; i < *v->table_count; i++)
	{
		free(v->tables[i].ranges);
		free(v->tables[i].tokens);
		free(v->tables[i].nodes);
	}
	*v->table_count = 0;
}

/* A vocabulary without a token yet. */
static gen_vocabulary *
new_vocabulary(tfm_context *context, int64_t size)
{
	gen_vocabulary *v = tfm_alloc_zero(context, sizeof(gen_vocabulary));

	if (v == NULL || size < 0 || size > VOCABULARY_MAX)
	{
		tfm_fail(context, TFM_LIMIT_EXCEEDED, "a vocabulary of %lld tokens is too large",
				 (long long) size);
		return NULL;
	}
	v->size = size;
	v->tables = tfm_alloc_zero(context, GEN_CLASS_TABLES * sizeof(gen_class_table));
	v->table_count = tfm_alloc_zero(context, sizeof(size_t));
	v->starts = tfm_alloc_zero(context, ((size_t) size + 1) * sizeof(uint32_t));
	if (tfm_failed(context))
		return NULL;
	if (!arena_on_release(context->arena, free_tables, v))
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	return v;
}

static gen_vocabulary *
finish(tfm_context *context, gen_vocabulary *v, const buffer *bytes)
{
	char *kept = tfm_alloc(context, bytes->length + 1);

	if (kept == NULL)
		return NULL;
	if (bytes->length > 0)
		memcpy(kept, bytes->data, bytes->length);
	v->bytes = kept;
	return build_trie(context, v) ? v : NULL;
}

gen_vocabulary *
gen_vocabulary_create(tfm_context *context, const tok_tokenizer *tokenizer, int64_t size)
{
	gen_vocabulary *v = new_vocabulary(context, size);
	int32_t count = tok_id_limit(tokenizer);
	buffer *bytes = buffer_create(context);

	if (v == NULL || bytes == NULL)
		return NULL;
	count = count < size ? count : (int32_t) size;
	if (!tok_token_bytes(context, tokenizer, count, bytes, v->starts + 1))
		return NULL;
	for (int64_t id = count; id < size; id++)
		v->starts[id + 1] = v->starts[id];
	return finish(context, v, bytes);
}

gen_vocabulary *
gen_vocabulary_of_tokens(tfm_context *context, const tfm_text *tokens, int64_t size)
{
	gen_vocabulary *v = new_vocabulary(context, size);
	buffer *bytes = buffer_create(context);

	if (v == NULL || bytes == NULL)
		return NULL;
	for (int64_t id = 0; id < size; id++)
	{
		if (!buffer_append(context, bytes, tokens[id].data, tokens[id].length))
			return NULL;
		v->starts[id + 1] = (uint32_t) bytes->length;
	}
	return finish(context, v, bytes);
}

/* ---- Tables of classes ---- */

/* Fill in what each node and token needs of a set, from the last node to the first. */
static void
measure_nodes(const gen_vocabulary *v, gen_class_table *table, const uint8_t *own)
{
	uint8_t below[GEN_TOKEN_MAX + 2] = {0};

	for (uint32_t node = v->node_count; node-- > 0;)
	{
		uint32_t depth = v->node_depths[node];
		uint8_t most = below[depth + 1];

		for (uint32_t i = v->node_tokens[node]; i < v->node_tokens[node + 1]; i++)
			table->tokens[v->ids[i]] = own[node];
		if (v->node_tokens[node] < v->node_tokens[node + 1] && own[node] > most)
			most = own[node];
		table->nodes[node] = most;
		below[depth + 1] = 0;
		if (most > below[depth])
			below[depth] = most;
	}
}

/* The number of characters that lead to each node, if all are of the set and whole. */
static void
count_characters(const gen_vocabulary *v, const tok_set *set, uint8_t *own)
{
	uint32_t partial[GEN_TOKEN_MAX + 1] = {0};
	uint8_t characters[GEN_TOKEN_MAX + 1] = {0};

	for (uint32_t node = 0; node < v->node_count; node++)
	{
		uint32_t depth = v->node_depths[node];

		characters[depth + 1] = GEN_TOKEN_NEVER;
		own[node] = GEN_TOKEN_NEVER;
		if (characters[depth] == GEN_TOKEN_NEVER)
			continue;
		switch (gen_character_step(set, partial[depth], v->node_bytes[node], &partial[depth + 1]))
		{
			case GEN_CHARACTER_NONE:
				break;
			case GEN_CHARACTER_PART:
				characters[depth + 1] = characters[depth];
				break;
			case GEN_CHARACTER_WHOLE:
				own[node] = characters[depth + 1] = (uint8_t) (characters[depth] + 1);
		}
	}
}

static bool
is_table_of(const gen_class_table *table, const tok_set *set)
{
	return table->range_count == set->count &&
		   memcmp(table->ranges, set->items, set->count * sizeof(tok_range)) == 0;
}

const gen_class_table *
gen_vocabulary_class(tfm_context *context, const gen_vocabulary *v, const tok_set *set)
{
	gen_class_table *table;
	uint8_t *own;

	for (size_t i = 0; i < *v->table_count; i++)
		if (is_table_of(&v->tables[i], set))
			return &v->tables[i];
	if (*v->table_count == GEN_CLASS_TABLES)
		return NULL;
	table = &v->tables[*v->table_count];
	own = malloc((size_t) v->node_count + 1);
	table->range_count = set->count;
	table->ranges = malloc(set->count * sizeof(tok_range));
	table->tokens = malloc((size_t) v->size + 1);
	table->nodes = malloc((size_t) v->node_count + 1);
	if (own == NULL || table->ranges == NULL || table->tokens == NULL || table->nodes == NULL)
	{
		free(own);
		free(table->ranges);
		free(table->tokens);
		free(table->nodes);
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	memcpy(table->ranges, set->items, set->count * sizeof(tok_range));
	memset(table->tokens, GEN_TOKEN_NEVER, (size_t) v->size);
	count_characters(v, set, own);
	measure_nodes(v, table, own);
	free(own);
	++*v->table_count;
	return table;
}
