/*
 * compile_tokens.c
 *	  The vocabulary of the model: the strings of ids, and the trie of tokens.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/compile.h"

#include <string.h>

/* Ids may have gaps, but a small file must not ask for a large table. */
#define ID_GAP_MAX 1000000

bool
tok_compile_string(tok_compiler *compiler, const char *text, size_t length, uint32_t *offset)
{
	buffer *strings = compiler->sections[TOK_SECTION_STRINGS];

	if (strings->length + length >= INT32_MAX)
		return tfm_fail(compiler->context, TFM_LIMIT_EXCEEDED,
						"\"%s\": the vocabulary is too large", compiler->source);
	*offset = (uint32_t) strings->length;
	return buffer_append(compiler->context, strings, text, length) &&
		   buffer_append_zeros(compiler->context, strings, 1);
}

bool
tok_compile_id(tok_compiler *compiler, int64_t id)
{
	if (id < 0 || id > compiler->settings.vocabulary_size + (int64_t) ID_GAP_MAX)
		return tfm_fail(compiler->context, TFM_LIMIT_EXCEEDED,
						"\"%s\": token id %lld is out of range", compiler->source, (long long) id);
	if (id >= compiler->settings.id_limit)
		compiler->settings.id_limit = (int32_t) id + 1;
	return true;
}

bool
tok_compile_token(tok_compiler *compiler, int64_t id, const char *token)
{
	buffer *tokens = compiler->sections[TOK_SECTION_TOKENS];
	uint32_t offset;

	if (!tok_compile_id(compiler, id) ||
		!tok_compile_string(compiler, token, strlen(token), &offset))
		return false;
	while (tokens->length / sizeof(uint32_t) <= (size_t) id)
	{
		uint32_t none = UINT32_MAX;

		if (!buffer_append(compiler->context, tokens, &none, sizeof(none)))
			return false;
	}
	memcpy(tokens->data + (size_t) id * sizeof(uint32_t), &offset, sizeof(offset));
	return true;
}

bool
tok_check_token(tok_compiler *compiler, const char *token)
{
	if (strlen(token) <= TOK_TOKEN_MAX)
		return true;
	return tfm_fail(compiler->context, TFM_LIMIT_EXCEEDED,
					"\"%s\": a token is longer than %d bytes", compiler->source, TOK_TOKEN_MAX);
}

/* The key of the vocabulary's entry; false for an entry that is not a token and an id. */
static bool
read_entry(tok_compiler *compiler, json entry, trie_key *key)
{
	int64_t id;

	if (!json_to_int(entry, 0, INT32_MAX - 1, &id))
		return tfm_fail(compiler->context, TFM_CORRUPTED,
						"\"%s\": the id of token \"%s\" must be a whole number from 0",
						compiler->source, json_key(entry));
	if (!tok_check_token(compiler, json_key(entry)))
		return false;
	key->bytes = json_key(entry);
	key->length = (uint32_t) strlen(key->bytes);
	key->value = (uint32_t) id;
	return true;
}

bool
tok_compile_token_map(tok_compiler *compiler, json vocabulary)
{
	tfm_context *context = compiler->context;
	size_t count = json_size(vocabulary), i = 0, distinct = 0;
	trie_key *keys = tfm_alloc_array(context, count, sizeof(trie_key));

	if (keys == NULL)
		return false;
	if (!json_is_object(vocabulary))
		return tfm_fail(context, TFM_CORRUPTED, "\"%s\": key \"vocab\" must be an object",
						compiler->source);
	compiler->settings.vocabulary_size = (int32_t) count;
	for (json entry = json_first(vocabulary); json_present(entry); entry = json_next(entry))
	{
		/* A token that is listed twice has its last id. */
		keys[i].rank = (uint32_t) (count - i);
		if (!read_entry(compiler, entry, &keys[i]))
			return false;
		if ((++i & 0xFFF) == 0 && tfm_stopped(context))
			return false;
	}
	if (!tok_trie_build(context, keys, count, compiler->sections[TOK_SECTION_VOCABULARY]))
		return false;
	for (i = 0; i < count; i++)
	{
		if (i > 0 && keys[i].length == keys[i - 1].length &&
			memcmp(keys[i].bytes, keys[i - 1].bytes, keys[i].length) == 0)
			continue;
		if (!tok_compile_token(compiler, keys[i].value, keys[i].bytes))
			return false;
		distinct++;
	}
	compiler->model_size = compiler->settings.vocabulary_size = (int32_t) distinct;
	return true;
}

trie
tok_compiled_trie(const tok_compiler *compiler, tok_section section)
{
	const buffer *b = compiler->sections[section];

	return (trie) {
		.nodes = (const trie_node *) (const void *) b->data,
		.count = (uint32_t) (b->length / sizeof(trie_node)),
	};
}
