/*
 * regex_program.h
 *	  The form of a compiled regular expression.
 *
 * A header, then its instructions, sets, ranges of sets, and bytes of strings, in this order.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_REGEX_PROGRAM_H
#define TFM_TEXT_REGEX_PROGRAM_H

#include "text/regex.h"

#define REGEX_NONE UINT32_MAX

typedef enum regex_operation
{
	REGEX_MATCH,
	REGEX_STRING,		  /* a: offset, b: length in bytes */
	REGEX_SET,			  /* a: set */
	REGEX_JUMP,			  /* a: instruction */
	REGEX_SPLIT,		  /* a: first, b: then; c: its bit in a row of those visited, or NONE;
						   * flag: in a look ahead */
	REGEX_RUN,			  /* a: set, b: at least, c: at most; flag; run: its memory */
	REGEX_RUN_POSSESSIVE, /* the same, without going back */
	REGEX_ASSERT,		  /* a: tok_assertion; b: the set of word characters */
	REGEX_NEXT,			  /* a: set; flag: the next character must not be in it */
	REGEX_PREVIOUS,
	REGEX_LOOK_AHEAD,  /* a: instruction after its LOOK_END; flag: negated */
	REGEX_LOOK_BEHIND, /* the same; b, c: least and most characters to go back */
	REGEX_LOOK_END,
	REGEX_BEHIND_END, /* fails unless it is where the look behind began */
	REGEX_ATOMIC,
	REGEX_ATOMIC_END,
	REGEX_LOOP_MARK,  /* a: register */
	REGEX_LOOP_CHECK, /* a: register, b: instruction to go to if nothing was consumed */
	REGEX_OPERATION_COUNT
} regex_operation;

typedef struct regex_instruction
{
	uint8_t operation;
	uint8_t flag;
	uint16_t run; /* UINT16_MAX: none; the memory of failures holds only where flag is 1 */
	uint32_t a, b, c;
} regex_instruction;

/* A set of characters: up to U+00FF by bits, the others by class, or else by ranges. */
typedef struct regex_set
{
	uint32_t bits[8];
	uint32_t classes;
	uint32_t first_range, range_count;
	uint32_t padding;
} regex_set;

typedef struct regex_header
{
	uint32_t length; /* of all, in bytes */
	uint32_t instruction_count, set_count, range_count, string_length;
	uint32_t branch_count; /* bits in a row of those visited */
	uint32_t has_first;	   /* a match begins with one of these bytes */
	uint32_t padding;
	uint32_t first[8];
} regex_header;

#endif
