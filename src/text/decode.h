/*
 * decode.h
 *	  Replacing in the texts of tokens, for the decoders.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_DECODE_H
#define TFM_TEXT_DECODE_H

#include "base/context.h"

/*
 * The text with every occurrence of from replaced, as str::replace does: an empty from stands before
 * each character and at the end.  In the arena, or the text itself if nothing changes; false if
 * memory is out.
 */
extern bool tok_replace_text(tfm_context *context, tfm_text from, tfm_text to, tfm_text *text);

/*
 * What a decoder (all of them, with a larger factor) may make of texts: many times their length, but
 * not what a few lines of a tokenizer.json can ask for.
 */
#define TOK_DECODED_MAX(length, factor) (((size_t) 4 << 20) + (length) * (factor))
extern size_t tok_total_length(const tfm_text *texts, size_t count);
extern bool tok_fail_decoded(tfm_context *context);

/* Replace every occurrence of from, not empty, by what is not longer; returns the new length. */
extern size_t tok_replace_in_place(char *text, size_t length, const char *from, const char *to);

/* The byte that a token such as <0x61> stands for; -1 for another. */
extern int tok_fallback_byte(tfm_text token);

/* WordPiece's clean-up of English, in place; returns the new length. */
extern size_t tok_clean_up(char *text, size_t length);

#endif
