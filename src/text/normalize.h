/*
 * normalize.h
 *	  Canonical decomposition of a stream of characters, for the normalizers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_NORMALIZE_H
#define TFM_TEXT_NORMALIZE_H

#include "text/pipeline.h"

/*
 * Takes characters and hands them on decomposed and in canonical order.  change is 0 for the first
 * character of a decomposition and 1 for the others; they keep it when they are reordered, and in
 * the library it decides the alignment: the n-th 0 gets the n-th character that came in, a 1 what
 * the 0 before it got.
 */
typedef struct tok_decomposer
{
	tok_work *work;
	bool compatible;
	int32_t last_source;
	bool (*emit)(void *argument, uint32_t character, int change, int32_t source);
	void *argument;
} tok_decomposer;

extern bool tok_decomposer_feed(tok_decomposer *decomposer, uint32_t character, int32_t source);

/* To be called at the end of the text. */
extern bool tok_decomposer_flush(tok_decomposer *decomposer);

/*
 * Call step for each character of the work's string, with the original character that it stems
 * from; polls for interrupts.
 */
extern bool tok_each_character(tok_work *work,
							   bool (*step)(void *argument, uint32_t character, int32_t source),
							   void *argument);

#endif
