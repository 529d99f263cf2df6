/*
 * chunk.h
 *	  A text cut into chunks that fit a number of tokens.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_CHUNK_H
#define TFM_TASK_CHUNK_H

#include "runtime/model.h"

typedef struct task_chunk
{
	size_t start, end;			   /* bytes of the text */
	int32_t first_char, past_char; /* the same in characters */
	int32_t tokens;				   /* of the chunk as a text of its own, special ones included */
} task_chunk;

typedef struct task_chunks
{
	task_chunk *items; /* in the context's arena */
	size_t count;
} task_chunks;

/*
 * Cut a text.  Chunks cover all of it, in order; white space stays with what stands before it.  A
 * chunk has at most max_tokens tokens, special ones included, and ends, as far as that goes: after a
 * paragraph (if it fills half of what there is room for), else after a sentence, a word, and only
 * within a word that is longer than a chunk between its characters.  It begins up to overlap tokens
 * before the end of the one before, where a sentence begins, else a word.  An empty text has no
 * chunk.  A character that has more tokens by itself is a chunk even so.
 * Errors: INVALID_ARGUMENT (max_tokens has no room for a token; overlap not less than that room; not
 * UTF-8), and those of tok_encode.
 */
extern bool task_chunk_text(tfm_context *context, const run_model *model, tfm_text text,
							int max_tokens, int overlap, task_chunks *chunks);

#endif
