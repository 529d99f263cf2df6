/*
 * characters.h
 *	  Whether bytes are a character of a set, a byte at a time.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_CHARACTERS_H
#define TFM_GENERATE_CHARACTERS_H

#include "text/regex_set.h"

typedef enum gen_character
{
	GEN_CHARACTER_NONE, /* the byte leads to no character of the set */
	GEN_CHARACTER_PART, /* to some, of which more bytes are to come */
	GEN_CHARACTER_WHOLE /* it ends one */
} gen_character;

/*
 * After what partial says (0: at the beginning of a character) comes a byte.  The set is sorted and has no
 * surrogates.  *next is what there is of a character then: 0 at its end; the same for all
 * beginnings after which every character is of the set.
 */
extern gen_character gen_character_step(const tok_set *set, uint32_t partial, unsigned char byte,
										uint32_t *next);

/* Bytes of the character that are to come. */
static inline int
gen_character_left(uint32_t partial)
{
	return (int) (partial >> 21 & 3);
}

#endif
