/*
 * grapheme.h
 *	  Extended grapheme clusters (Unicode Standard Annex 29), for the normalizers.
 *
 * The properties are those of Unicode 17, as the library's crate unicode-segmentation has them;
 * ICU's depend on its version.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_GRAPHEME_H
#define TFM_TEXT_GRAPHEME_H

#include <stdbool.h>
#include <stdint.h>

/* Grapheme_Cluster_Break, Extended_Pictographic and Indic_Conjunct_Break in one. */
typedef enum tok_grapheme
{
	TOK_GRAPHEME_ANY,
	TOK_GRAPHEME_CONTROL,
	TOK_GRAPHEME_CR,
	TOK_GRAPHEME_LF,
	TOK_GRAPHEME_EXTEND,
	TOK_GRAPHEME_LINKER,	 /* an Extend that joins consonants */
	TOK_GRAPHEME_NON_JOINER, /* an Extend that parts them */
	TOK_GRAPHEME_JOINER,	 /* U+200D */
	TOK_GRAPHEME_SPACING,
	TOK_GRAPHEME_PREPEND,
	TOK_GRAPHEME_REGIONAL,
	TOK_GRAPHEME_PICTOGRAPH,
	TOK_GRAPHEME_CONSONANT,
	TOK_GRAPHEME_L,
	TOK_GRAPHEME_V,
	TOK_GRAPHEME_T,
	TOK_GRAPHEME_LV,
	TOK_GRAPHEME_LVT
} tok_grapheme;

/* What of the characters so far decides about the next break; start with zeroes. */
typedef struct tok_grapheme_state
{
	uint8_t before;		/* tok_grapheme of the last character */
	uint8_t regional;	/* 1 after an odd number of regional indicators in a row */
	uint8_t pictograph; /* 1 after a pictograph and what extends it, 2 with a joiner after that */
	uint8_t conjunct;	/* 1 after a consonant and what extends it, 2 if a linker is among that */
} tok_grapheme_state;

/* The kind of a character; *end is the first one after it that may be of another kind. */
extern tok_grapheme tok_grapheme_of(uint32_t character, uint32_t *end);

/* Whether there is a break before a character of this kind. */
extern bool tok_grapheme_breaks(const tok_grapheme_state *state, tok_grapheme next);

/* Go past a character. */
static inline void
tok_grapheme_pass(tok_grapheme_state *state, tok_grapheme next)
{
	bool extends = next >= TOK_GRAPHEME_EXTEND && next <= TOK_GRAPHEME_JOINER;

	state->before = (uint8_t) next;
	state->regional = next == TOK_GRAPHEME_REGIONAL ? !state->regional : 0;
	if (next == TOK_GRAPHEME_JOINER)
		state->pictograph = state->pictograph == 1 ? 2 : 0;
	else if (!extends || state->pictograph == 2)
		state->pictograph = next == TOK_GRAPHEME_PICTOGRAPH;
	if (next == TOK_GRAPHEME_LINKER)
		state->conjunct = state->conjunct != 0 ? 2 : 0;
	else if (!extends || next == TOK_GRAPHEME_NON_JOINER)
		state->conjunct = next == TOK_GRAPHEME_CONSONANT;
}

#endif
