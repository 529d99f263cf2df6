/*
 * gguf_tokens.c
 *	  The vocabulary, the merges and the added tokens of a GGUF file, as a tokenizer.json has them.
 *
 * Follows transformers/integrations/gguf/gguf_tokenizer_mapping.py and, for the merges,
 * generate_merges of tokenization_utils_base.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/gguf_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "text/trie.h"

#define EXTRA_MAX 128 /* tokens that stand beside the vocabulary */

bool
tok_text_is(tfm_text text, const char *string)
{
	return text.length == strlen(string) && memcmp(text.data, string, text.length) == 0;
}

bool
tok_write_gguf_text(tok_gguf_writer *w, tfm_text text)
{
	return json_append_string(w->context, w->out, text.length == 0 ? "" : text.data, text.length);
}

bool
tok_write_gguf_vocabulary(tok_gguf_writer *w)
{
	tok_gguf_append(w, "\"vocab\":{");
	for (size_t i = 0; i < w->gguf->count; i++)
	{
		if (i > 0)
			tok_gguf_append(w, ",");
		tok_write_gguf_text(w, w->tokens[i]);
		if (!buffer_printf(w->context, w->out, ":%zu", i) ||
			((i & 0xFFFF) == 0xFFFF && tfm_stopped(w->context)))
			return false;
	}
	return tok_gguf_append(w, "}");
}

/* The tokens by their texts: of equal ones the last. */
static bool
index_tokens(tok_gguf_writer *w, trie *tokens)
{
	size_t count = w->gguf->count;
	trie_key *keys = tfm_alloc_array(w->context, count, sizeof(trie_key));
	buffer *nodes = buffer_create(w->context);

	if (keys == NULL || nodes == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		keys[i] = (trie_key) {
			.bytes = w->tokens[i].length == 0 ? "" : w->tokens[i].data,
			.length = (uint32_t) w->tokens[i].length,
			.value = (uint32_t) i,
			.rank = (uint32_t) (count - i),
		};
	if (!tok_trie_build(w->context, keys, count, nodes))
		return false;
	*tokens = (trie) {
		.nodes = (const trie_node *) (const void *) nodes->data,
		.count = (uint32_t) (nodes->length / sizeof(trie_node)),
	};
	return true;
}

/* ---- Merges ---- */

/* A way to make a token of two. */
typedef struct merge
{
	double score;
	uint32_t token;
	uint32_t bytes;		  /* of the left part */
	uint32_t left, right; /* characters */
} merge;

/* The best score first; of equal ones the longer left part, then right part, then by order. */
static int
compare_merges(const void *a, const void *b)
{
	const merge *s = a, *t = b;

	if (s->score != t->score)
		return s->score > t->score ? -1 : 1;
	if (s->left != t->left)
		return s->left > t->left ? -1 : 1;
	if (s->right != t->right)
		return s->right > t->right ? -1 : 1;
	return s->token < t->token ? -1 : s->token > t->token;
}

static bool
list_token_merges(tok_gguf_writer *w, const trie *tokens, uint32_t token, double score,
				  buffer *merges)
{
	tfm_text text = w->tokens[token];
	uint32_t node = TRIE_ROOT, characters = (uint32_t) utf8_count(text.data, text.length);
	merge m = {.score = score, .token = token};

	for (size_t i = 0; i + 1 < text.length && node != TRIE_NONE; i++)
	{
		node = trie_step(tokens, node, (unsigned char) text.data[i]);
		m.left += ((unsigned char) text.data[i] & 0xC0) != 0x80;
		if (node == TRIE_NONE || trie_value(tokens, node) == TRIE_NONE ||
			((unsigned char) text.data[i + 1] & 0xC0) == 0x80 ||
			tok_trie_find(tokens, text.data + i + 1, text.length - i - 1) == TRIE_NONE)
			continue;
		m.bytes = (uint32_t) i + 1;
		m.right = characters - m.left;
		if (!buffer_append(w->context, merges, &m, sizeof(m)))
			return false;
		if ((i & 0xFF) == 0xFF && tfm_stopped(w->context))
			return false;
	}
	return true;
}

/* The merges that the vocabulary implies: all ways to make a token of two others. */
static bool
generate_merges(tok_gguf_writer *w)
{
	const tok_gguf *g = w->gguf;
	buffer *merges = buffer_create(w->context);
	trie tokens;
	merge *list;
	size_t count;

	if (merges == NULL || !index_tokens(w, &tokens))
		return false;
	for (size_t i = 0; i < g->count && tokens.count > 0; i++)
	{
		double score = w->kind == TOK_GGUF_GEMMA ? -(double) i : (double) g->scores[i];

		if (tok_trie_find(&tokens, w->tokens[i].data, w->tokens[i].length) == i &&
			!list_token_merges(w, &tokens, (uint32_t) i, score, merges))
			return false;
		if ((i & 0xFFF) == 0xFFF && tfm_stopped(w->context))
			return false;
	}
	list = (merge *) (void *) merges->data;
	count = merges->length / sizeof(merge);
	if (count > 0)
		qsort(list, count, sizeof(merge), compare_merges);
	for (size_t i = 0; i < count; i++)
	{
		tfm_text text = w->tokens[list[i].token];

		tok_gguf_append(w, i == 0 ? "[" : ",[");
		tok_write_gguf_text(w, (tfm_text) {text.data, list[i].bytes});
		tok_gguf_append(w, ",");
		tok_write_gguf_text(w, (tfm_text) {text.data + list[i].bytes, text.length - list[i].bytes});
		if (!tok_gguf_append(w, "]"))
			return false;
	}
	return true;
}

/* "a b": the first character may be a space itself. */
static bool
write_file_merge(tok_gguf_writer *w, size_t index)
{
	tfm_text text = w->gguf->merges[index];
	const char *space = text.length < 2 ? NULL : memchr(text.data + 1, ' ', text.length - 1);
	size_t left = space == NULL ? 0 : (size_t) (space - text.data);

	if (space == NULL || left + 1 == text.length)
		return tfm_fail(w->context, TFM_CORRUPTED, "\"%s\": merge %zu is not two tokens",
						w->gguf->source, index);
	tok_gguf_append(w, index == 0 ? "[" : ",[");
	tok_write_gguf_text(w, (tfm_text) {text.data, left});
	tok_gguf_append(w, ",");
	tok_write_gguf_text(w, (tfm_text) {text.data + left + 1, text.length - left - 1});
	return tok_gguf_append(w, "]");
}

bool
tok_write_gguf_merges(tok_gguf_writer *w)
{
	tok_gguf_append(w, "\"merges\":[");
	if (w->gguf->merges == NULL)
	{
		if (w->gguf->scores == NULL && w->kind != TOK_GGUF_GEMMA)
			return tfm_fail(w->context, TFM_CORRUPTED,
							"\"%s\" has neither merges nor scores of tokens", w->gguf->source);
		return generate_merges(w) && tok_gguf_append(w, "]");
	}
	for (size_t i = 0; i < w->gguf->merge_count; i++)
		if (!write_file_merge(w, i) || ((i & 0xFFFF) == 0xFFFF && tfm_stopped(w->context)))
			return false;
	return tok_gguf_append(w, "]");
}

/* ---- Added tokens ---- */

/* Added tokens being written. */
typedef struct adding
{
	tok_gguf_writer *w;
	trie tokens;
	bool *added;				  /* by id */
	const char *extra[EXTRA_MAX]; /* those beyond the vocabulary */
	size_t extra_count;
	bool any;
} adding;

static bool
write_added(adding *a, tfm_text content, size_t id, bool special)
{
	tok_gguf_append(a->w, a->any ? ",{\"content\":" : "{\"content\":");
	a->any = true;
	tok_write_gguf_text(a->w, content);
	return buffer_printf(a->w->context, a->w->out,
						 ",\"id\":%zu,\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
						 "\"normalized\":false,\"special\":%s}",
						 id, special ? "true" : "false");
}

static uint32_t
find_token(const adding *a, tfm_text content)
{
	return content.length == 0 || a->tokens.count == 0
			   ? TRIE_NONE
			   : tok_trie_find(&a->tokens, content.data, content.length);
}

static bool
add_token(adding *a, tfm_text content, bool special)
{
	uint32_t id = find_token(a, content);

	if (content.length == 0 || (id != TRIE_NONE && a->added[id]))
		return true;
	if (id != TRIE_NONE)
	{
		a->added[id] = true;
		return write_added(a, content, id, special);
	}
	for (size_t i = 0; i < a->extra_count; i++)
		if (tok_text_is(content, a->extra[i]))
			return true;
	if (a->extra_count == EXTRA_MAX)
		return true;
	a->extra[a->extra_count] = tfm_strndup(a->w->context, content.data, content.length);
	return a->extra[a->extra_count] != NULL &&
		   write_added(a, content, a->w->gguf->count + a->extra_count++, special);
}

/* The special tokens that the class has by default, which are added before those of the file. */
static bool
add_defaults(adding *a)
{
	static const char *const byte_level[] = {"<|endoftext|>", NULL};
	static const char *const llama[] = {"<s>", "</s>", "<unk>", NULL};
	static const char *const gemma[] = {"<bos>", "<eos>", "<unk>", "<pad>", "<mask>", NULL};
	static const char *const t5[] = {"</s>", "<unk>", "<pad>", NULL};
	static const char *const none[] = {NULL};
	static const char *const *const defaults[] = {
		[TOK_GGUF_BYTE_LEVEL] = byte_level,
		[TOK_GGUF_LLAMA] = llama,
		[TOK_GGUF_PHI3] = llama,
		[TOK_GGUF_GEMMA] = gemma,
		[TOK_GGUF_GEMMA4] = gemma,
		[TOK_GGUF_UNIGRAM] = t5,
		[TOK_GGUF_BERT] = none,
		[TOK_GGUF_RWKV] = none,
	};

	/* llama.cpp adds none. */
	if (!tok_gguf_is_known(a->w->gguf))
		return true;
	for (const char *const *name = defaults[a->w->kind]; *name != NULL; name++)
		if (!add_token(a, (tfm_text) {*name, strlen(*name)}, true))
			return false;
	for (int i = 0; a->w->kind == TOK_GGUF_UNIGRAM && i < 100; i++)
	{
		char name[32];

		snprintf(name, sizeof(name), "<extra_id_%d>", i);
		if (!add_token(a, (tfm_text) {name, strlen(name)}, true))
			return false;
	}
	return true;
}

static bool
add_typed(adding *a, int32_t type)
{
	const tok_gguf *g = a->w->gguf;

	for (size_t i = 0; g->types != NULL && i < g->count; i++)
	{
		/* In a byte-level vocabulary, one with other characters is labelled so by mistake. */
		if (g->types[i] != type || (a->w->kind == TOK_GGUF_BYTE_LEVEL && tok_gguf_is_known(g) &&
									!tok_is_byte_spelled(g->tokens[i])))
			continue;
		/* A user-defined one that is spelled otherwise in the vocabulary is an ordinary one. */
		if (type == TOK_GGUF_USER_DEFINED && find_token(a, g->tokens[i]) == TRIE_NONE)
			continue;
		if (!add_token(a, g->tokens[i], type == TOK_GGUF_CONTROL))
			return false;
	}
	return true;
}

bool
tok_write_gguf_added(tok_gguf_writer *w)
{
	adding a = {.w = w};

	if (!index_tokens(w, &a.tokens))
		return false;
	a.added = tfm_alloc_zero(w->context, w->gguf->count * sizeof(bool));
	if (a.added == NULL || !tok_gguf_append(w, "\"added_tokens\":[") || !add_defaults(&a) ||
		!add_typed(&a, TOK_GGUF_CONTROL) || !add_typed(&a, TOK_GGUF_USER_DEFINED))
		return false;
	for (int i = 0; i < TOK_SPECIAL_COUNT; i++)
		if (w->gguf->ids[i] >= 0 && !add_token(&a, w->gguf->tokens[w->gguf->ids[i]], true))
			return false;
	return tok_gguf_append(w, "]");
}
