/*
 * compile_python.c
 *	  Added tokens and settings of a specification that was written for a Python tokenizer.
 *
 * Their ids are given; all are looked for in the raw text.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/python.h"

#include <string.h>

#include "text/layouts.h"

#define TARGET_GAP_MAX 1000000

static uint32_t
read_flag(json item, const char *key, uint32_t flag)
{
	json value = json_member(item, key);

	return json_is_bool(value) && json_as_bool(value) ? flag : 0;
}

static bool
write_added(tok_compiler *compiler, json item, trie_key *key)
{
	tfm_context *context = compiler->context;
	buffer *flags = compiler->sections[TOK_SECTION_ID_FLAGS];
	buffer *added = compiler->sections[TOK_SECTION_ADDED];
	const char *content = json_require_string(context, item, "content");
	int64_t id = json_require_int(context, item, "id", 0, INT32_MAX - 1);
	tok_added record = {
		.id = (uint32_t) id,
		.flags = read_flag(item, "single_word", TOK_ADDED_SINGLE_WORD) |
				 read_flag(item, "lstrip", TOK_ADDED_LSTRIP) |
				 read_flag(item, "rstrip", TOK_ADDED_RSTRIP) |
				 read_flag(item, "special", TOK_ADDED_SPECIAL),
	};

	if (tfm_failed(context) || !tok_check_token(compiler, content) ||
		!tok_compile_id(compiler, id) ||
		!tok_compile_string(compiler, content, strlen(content), &record.content) ||
		!tok_compile_token(compiler, id, content))
		return false;
	*key = (trie_key) {
		.bytes = content,
		.length = read_flag(item, "hidden", 1) != 0 ? 0 : (uint32_t) strlen(content),
		.value = (uint32_t) (added->length / sizeof(tok_added)),
	};
	if ((size_t) id >= flags->length &&
		!buffer_append_zeros(context, flags, (size_t) id + 1 - flags->length))
		return false;
	if ((record.flags & TOK_ADDED_SPECIAL) != 0)
		flags->data[id] = (char) (TOK_ID_SPECIAL | read_flag(item, "skipped", TOK_ID_SKIPPED));
	return buffer_append(context, added, &record, sizeof(record));
}

/* The added tokens, and what cuts the text beside them; of equal ones the token comes first. */
static bool
compile_added(tok_compiler *compiler, json added, json cuts)
{
	tfm_context *context = compiler->context;
	trie_key *keys = tfm_alloc_array(context, json_size(added) + json_size(cuts), sizeof(trie_key));
	size_t count = 0;

	for (json item = json_first(added); keys != NULL && json_present(item); item = json_next(item))
	{
		if (!write_added(compiler, item, &keys[count]))
			return false;
		count += keys[count].length > 0;
	}
	for (json item = json_first(cuts); keys != NULL && json_present(item); item = json_next(item))
	{
		const char *content = json_is_string(item) ? json_as_string(item) : "";

		if (!tok_check_token(compiler, content))
			return false;
		if (*content != '\0')
			keys[count++] = (trie_key) {
				.bytes = content,
				.length = (uint32_t) strlen(content),
				.value = TOK_CUT,
				.rank = 1,
			};
	}
	/* split_special_tokens: nothing is looked for. */
	if (compiler->config->split_special_tokens)
		count = 0;
	return keys != NULL &&
		   tok_trie_build(context, keys, count, compiler->sections[TOK_SECTION_ADDED_RAW]);
}

/* For each id the token that it is decoded as. */
static bool
compile_targets(tok_compiler *compiler, json targets)
{
	tfm_context *context = compiler->context;
	buffer *section = compiler->sections[TOK_SECTION_TARGETS];
	const buffer *added = compiler->sections[TOK_SECTION_ADDED];
	size_t count = json_size(targets);

	for (json item = json_first(targets); json_present(item); item = json_next(item))
	{
		int64_t id;
		uint32_t offset, none = UINT32_MAX;

		if (!json_to_int(item, 0, (int64_t) count + TARGET_GAP_MAX, &id))
			return tfm_fail(context, TFM_CORRUPTED,
							"\"%s\": the id of token \"%s\" is out of range", compiler->source,
							json_key(item));
		while (section->length / sizeof(uint32_t) <= (size_t) id)
			if (!buffer_append(context, section, &none, sizeof(none)))
				return false;
		if (!tok_check_token(compiler, json_key(item)) ||
			!tok_compile_string(compiler, json_key(item), strlen(json_key(item)), &offset))
			return false;
		memcpy(section->data + (size_t) id * sizeof(uint32_t), &offset, sizeof(offset));
	}
	/* An added token is decoded as itself. */
	for (size_t i = 0; count > 0 && i < added->length / sizeof(tok_added); i++)
	{
		const tok_added *token = (const tok_added *) (const void *) added->data + i;

		if (token->id < section->length / sizeof(uint32_t))
			memcpy(section->data + token->id * sizeof(uint32_t), &token->content,
				   sizeof(token->content));
	}
	return true;
}

bool
tok_compile_python(tok_compiler *compiler, json root)
{
	tok_settings *settings = &compiler->settings;

	settings->python |= TOK_PYTHON_ALONE;
	if (json_bool(compiler->context, root, "early", false))
		settings->python |= TOK_PYTHON_EARLY;
	if (!compile_added(compiler, json_member(root, "added_tokens"), json_member(root, "cuts")) ||
		!compile_targets(compiler, json_member(root, "target_vocab")))
		return false;
	settings->vocabulary_size = (int32_t) json_int(compiler->context, root, "vocabulary_size",
												   settings->vocabulary_size, 0, INT32_MAX);
	return !tfm_failed(compiler->context);
}

bool
tok_clear_python_types(tok_compiler *compiler)
{
	for (int i = 0; i < TOK_LAYOUT_COUNT; i++)
		for (size_t p = 0; (i & TOK_LAYOUT_PLAIN) != 0 && p < compiler->layouts->all[i].count; p++)
		{
			tok_set_part_type(&compiler->layouts->all[i].parts[p], false, 0);
			tok_set_part_type(&compiler->layouts->all[i].parts[p], true, 0);
		}
	return true;
}
