/*
 * answer_spans.h
 *	  The spans of tokens that answer a question: the post-processing of question answering.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TASK_ANSWER_SPANS_H
#define TFM_TASK_ANSWER_SPANS_H

#include "base/buffer.h"
#include "text/tokenizer.h"

typedef struct answer_rules
{
	int64_t most;		/* answers: top_k */
	int64_t longest;	/* answer in tokens: max_answer_len */
	bool may_be_none;	/* handle_impossible_answer */
	bool aligns;		/* align_to_words */
	bool context_first; /* it is the pair's first text; and any token may be of an answer */
	int32_t cls_id;		/* -1: none */
} answer_rules;

/* A piece of question and context that went through the model: with offsets, words and sequences. */
typedef struct answer_piece
{
	const tok_encoding *encoding;
	float *starts, *ends; /* [tokens] logits; probabilities afterwards */
} answer_piece;

/*
 * Append the answers found in the pieces of a context as JSON: an object, or a list if there is not
 * one.  What is allocated may be rolled back afterwards.
 */
extern bool task_append_answers(tfm_context *context, buffer *b, const answer_rules *rules,
								tfm_text text, const answer_piece *pieces, size_t count);

#endif
