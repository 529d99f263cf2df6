/*
 * token_entities.h
 *	  From what a model says of tokens to entities: the post-processing of token classification.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_TOKEN_ENTITIES_H
#define TFM_TASK_TOKEN_ENTITIES_H

#include "base/buffer.h"
#include "text/tokenizer.h"

/* How tokens are put together: Transformers' aggregation_strategy. */
typedef enum entity_strategy
{
	ENTITY_NONE,   /* each token for itself */
	ENTITY_SIMPLE, /* neighbours of one tag; the others do that after each word is given one label: */
	ENTITY_FIRST,	/* its first token's */
	ENTITY_AVERAGE, /* that with the best average score */
	ENTITY_MAX		/* that of the token with the best score */
} entity_strategy;

typedef struct entity_rules
{
	entity_strategy strategy;
	const tok_tokenizer *tokenizer;
	const tfm_text *labels;	 /* of all classes */
	const tfm_text *ignored; /* [ignored_count] labels, or tags where tokens are put together */
	size_t ignored_count;
} entity_rules;

/* A part of a text that went through the model: with offsets, special_mask, and words if it is split. */
typedef struct entity_chunk
{
	const tok_encoding *encoding;
	float *logits; /* [tokens, columns]; scores afterwards */
	int64_t columns;
} entity_chunk;

/*
 * Append the entities of a text as a JSON list.  Where the text is split, word_starts has the first
 * character of each word; else it is NULL.  What is allocated may be rolled back afterwards.
 */
extern bool task_append_entities(tfm_context *context, buffer *b, const entity_rules *rules,
								 tfm_text text, const int32_t *word_starts,
								 const entity_chunk *chunks, size_t count);

#endif
