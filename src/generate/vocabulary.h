/*
 * vocabulary.h
 *	  The bytes of a vocabulary's tokens as a trie that is walked from its beginning to its end.
 *
 * Nodes lie in the order of a walk, each before what is below it, so that a walk is a loop over arrays
 * and leaving out what is below a node is a jump.  Tokens are sorted by their bytes, so that those at
 * and below a node are a range.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_VOCABULARY_H
#define TFM_GENERATE_VOCABULARY_H

#include "generate/constraint.h"
#include "text/regex_set.h"

#define GEN_TOKEN_MAX 254 /* bytes; longer tokens are never allowed */
#define GEN_TOKEN_NEVER 255
#define GEN_CLASS_TABLES 8

/*
 * Tokens that are made of characters of one set alone: how many characters of it each token is, and the
 * most of those at and below each node; GEN_TOKEN_NEVER if there are others, or half of one.
 */
typedef struct gen_class_table
{
	tok_range *ranges; /* [range_count] */
	size_t range_count;
	uint8_t *tokens; /* [size] by id */
	uint8_t *nodes;	 /* [node_count] */
} gen_class_table;

struct gen_vocabulary
{
	int64_t size;	   /* ids that scores have */
	uint32_t count;	   /* tokens that may come */
	uint32_t *ids;	   /* [count] in the order of their bytes */
	uint32_t *starts;  /* [size + 1] where the bytes of an id begin */
	const char *bytes; /* of all tokens */
	uint32_t node_count;
	uint8_t *node_bytes;   /* [node_count] the byte that leads there */
	uint8_t *node_depths;  /* [node_count] bytes from the root, less one */
	uint32_t *node_ends;   /* [node_count] the next node that is not below */
	uint32_t *node_tokens; /* [node_count + 1] its first token; those of the next are not its own */
	struct gen_class_table *tables; /* [GEN_CLASS_TABLES] made when they are first asked for */
	size_t *table_count;
};

/* The same of the bytes themselves: token id adds tokens[id], nothing if it is special. */
extern gen_vocabulary *gen_vocabulary_of_tokens(tfm_context *context, const tfm_text *tokens,
												int64_t size);

/* The table of a sorted set; NULL with an error, or, without one, where there are as many as may be. */
extern const gen_class_table *
gen_vocabulary_class(tfm_context *context, const gen_vocabulary *vocabulary, const tok_set *set);

#endif
