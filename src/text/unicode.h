/*
 * unicode.h
 *	  Properties of characters as the "tokenizers" library sees them.
 *
 * The library takes them from several Rust crates, each frozen at a Unicode version of its own;
 * ICU knows a newer one.  A character that is younger than the crate's version has no property
 * there, which ICU's age tells; what else differs stands in small tables in unicode.c.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_UNICODE_H
#define TFM_TEXT_UNICODE_H

#include "base/context.h"

/* Longest full decomposition (U+FDFA has 18 characters). */
#define TOK_DECOMPOSITION_MAX 18

/*
 * Load the data of ICU; TFM_INTERNAL if it cannot be had.  To be called once before the functions
 * below, which would find no decompositions without it.
 */
extern bool tok_unicode_load(tfm_context *context);

/* Classes of the ASCII characters, as the functions below have them. */
#define TOK_ASCII_SPACE 1
#define TOK_ASCII_PUNCTUATION 2
#define TOK_ASCII_WORD 4
extern const uint8_t tok_ascii[128];

/* White_Space, as char::is_whitespace and the regular expression \s. */
extern bool tok_is_space(uint32_t character);

/*
 * How long a text is without the white space at its end, and the text without that at both ends.
 * is_space says what is white space.
 */
extern size_t tok_trim_end(const char *text, size_t length, bool (*is_space)(uint32_t));
extern tfm_text tok_strip(tfm_text text, bool (*is_space)(uint32_t));

/* Categories Cc, Cf and Co of unicode_categories (but not unassigned characters). */
extern bool tok_is_other(uint32_t character);

/* Categories P* of unicode_categories, or ASCII punctuation (which has symbols too). */
extern bool tok_is_punctuation(uint32_t character);

/* Category Mn of unicode_categories. */
extern bool tok_is_nonspacing_mark(uint32_t character);

/* Category M* of unicode-normalization-alignments. */
extern bool tok_is_combining_mark(uint32_t character);

/* Categories N*, as char::is_numeric. */
extern bool tok_is_numeric(uint32_t character);

/*
 * The script of the character, as a number of its own, in the pre-tokenizer UnicodeScripts: the
 * Japanese ones are one with Han.  -1 for a space and for what has none.
 */
extern int tok_script(uint32_t character);

/* The regular expression \w of the regex crate. */
extern bool tok_is_word(uint32_t character);

/* char::to_lowercase: one or two characters into lower; returns how many. */
extern int tok_lowercase(uint32_t character, uint32_t lower[2]);

/* Canonical combining class, decomposition and composition of unicode-normalization-alignments. */
extern uint8_t tok_combining_class(uint32_t character);

/* Full decomposition, canonical or compatible; the character itself if there is none. */
extern int tok_decompose(uint32_t character, bool compatible,
						 uint32_t decomposition[TOK_DECOMPOSITION_MAX]);

/* The same by ICU's own version of Unicode, for others to say which characters they know. */
extern int tok_icu_decompose(uint32_t character, bool compatible,
							 uint32_t decomposition[TOK_DECOMPOSITION_MAX]);

/* The primary composite of two characters, 0 if there is none. */
extern uint32_t tok_compose(uint32_t first, uint32_t second);
extern uint32_t tok_icu_compose(uint32_t first, uint32_t second);

#endif
