/*
 * byte_level.h
 *	  GPT-2's alphabet, which writes each byte as a character that can be seen.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_BYTE_LEVEL_H
#define TFM_TEXT_BYTE_LEVEL_H

#include "text/compile.h"

/* The character that stands for a byte: below 0x144, one or two bytes of UTF-8. */
extern uint32_t tok_byte_character(unsigned char byte);

/*
 * The bytes that a string of the alphabet stands for, into bytes (as long as the text may be); how
 * many they are, or -1 if a character is not of the alphabet.
 */
extern int64_t tok_alphabet_bytes(const char *text, size_t length, char *bytes);

/* Whether a byte may be in valid UTF-8. */
static inline bool
tok_byte_occurs(unsigned char byte)
{
	return byte < 0xC0 || (byte >= 0xC2 && byte < 0xF5);
}

/*
 * If the last pre-tokenizer compiled is ByteLevel: tell it to leave the bytes of the text as they
 * are, since the model knows what they stand for, when keep is true.  Whether it is.
 */
extern bool tok_keep_bytes(tok_compiler *compiler, bool keep);

#endif
