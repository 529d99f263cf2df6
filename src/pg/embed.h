/*
 * embed.h
 *	  What the embedding functions, the aggregate and the trigger share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_EMBED_H
#define TFM_PG_EMBED_H

#include "postgres.h"

#include "pg/registry.h"
#include "pg/settings.h"
#include "pg/vector.h"
#include "task/embed.h"

/* What SQL says of embeddings; NULL, -1 and 0 are the model's own. */
typedef struct embed_values
{
	text *pooling;
	text *prompt;
	int normalize;
	int dimensions;
} embed_values;

/* Told the embedding of each text in turn; its numbers are finite. */
typedef void (*embed_sink)(void *argument, int row, const float *embedding, int dimensions);

/*
 * Embed count texts, CALL_PORTION at a time; values is NULL where nothing is said.  sink may throw;
 * what it allocates lives in the caller's memory context.
 */
extern void embed_texts(const registry_handle *model, text **texts, int count,
						const embed_values *values, embed_sink sink, void *argument);

/* Whether two texts, each of which may be NULL, are the same; neither is toasted. */
extern bool embed_is_same_text(const text *a, const text *b);

/* A copy of a text, which is not toasted, in a memory context; NULL stays NULL. */
extern text *embed_copy_text(MemoryContext memory, const text *value);

/* The embedding of one text, as the model's own files say; palloc'd. */
extern TfmVector *embed_text(const registry_handle *model, text *input);

#endif
