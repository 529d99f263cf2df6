/*
 * compile_bpe.h
 *	  A BPE model being compiled.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_COMPILE_BPE_H
#define TFM_TEXT_COMPILE_BPE_H

#include "text/bpe.h"
#include "text/compile.h"

typedef struct bpe_builder
{
	tok_compiler *compiler;
	trie vocabulary;
	const char *unknown; /* the unknown token; NULL: none */
	bpe_payload *payload;
	uint64_t *merges;
	uint64_t *hints;
	uint32_t *pairs;
	uint32_t *new_ids;
	bpe_word *words;
	buffer *keys;
	char *joined;	/* room for two tokens */
	bool stands_in; /* a merge has to do with the unknown token, or that of a byte */
} bpe_builder;

/* As a tok_compile_function; the pre-tokenizers must have been compiled before. */
extern bool tok_compile_bpe(tok_compiler *compiler, json spec, buffer *payload);

/* compile_bpe_words.c: the table of words that become one token; needs all else. */
extern bool bpe_add_words(bpe_builder *b);

/* log2 of the slots for so many entries, of which at least half stay empty. */
static inline uint32_t
bpe_table_bits(size_t count)
{
	uint32_t bits = 4;

	while (((size_t) 1 << bits) < 2 * count)
		bits++;
	return bits;
}

#endif
