/*
 * set.c
 *	  A set of strings in a component's payload: the nodes of a trie.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/python/set.h"

#include <string.h>

bool
tok_strings_compile(tfm_context *context, json list, buffer *payload)
{
	size_t count = json_size(list), used = 0;
	trie_key *keys = tfm_alloc_array(context, count, sizeof(trie_key));

	if (keys == NULL)
		return false;
	for (json item = json_first(list); json_present(item); item = json_next(item))
	{
		const char *string = json_is_string(item) ? json_as_string(item) : "";

		if (*string != '\0')
			keys[used++] = (trie_key) {.bytes = string, .length = (uint32_t) strlen(string)};
	}
	return tok_trie_build(context, keys, used, payload);
}

tok_payload
tok_strings_after(tok_payload payload, size_t offset)
{
	if (payload.length <= offset)
		return (tok_payload) {.bytes = NULL};
	return (tok_payload) {
		.bytes = (const char *) payload.bytes + offset,
		.length = payload.length - offset,
	};
}

bool
tok_strings_has(tok_payload set, const char *string, size_t length)
{
	trie keys = {.nodes = set.bytes, .count = (uint32_t) (set.length / sizeof(trie_node))};

	return keys.count > 0 && length > 0 && tok_trie_find(&keys, string, length) != TRIE_NONE;
}
