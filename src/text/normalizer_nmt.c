/*
 * normalizer_nmt.c
 *	  The normalizer Nmt: control characters go, other kinds of white space become spaces.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"

#include "text/normalize.h"

static bool
is_removed(uint32_t c)
{
	return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
		   c == 0x8F || c == 0x9F;
}

static bool
is_spaced(uint32_t c)
{
	return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
		   (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
		   c == 0xFEFF || c == 0xFFFD;
}

static bool
normalize_next(void *argument, uint32_t character, int32_t source)
{
	tok_work *work = argument;

	return is_removed(character) ||
		   tok_append_character(work, &work->next, is_spaced(character) ? ' ' : character, source);
}

static bool
run_nmt(tok_work *work, tok_payload payload)
{
	(void) payload;
	if (!tok_each_character(work, normalize_next, work))
		return false;
	tok_swap_strings(work);
	return true;
}

const tok_normalizer tok_normalizer_nmt = {.row = {"Nmt", NULL}, .run = run_nmt};
