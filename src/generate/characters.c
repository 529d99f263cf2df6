/*
 * characters.c
 *	  UTF-8 a byte at a time, against a set of characters.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/characters.h"

/*
 * What there is of a character: the bits of its bytes so far, how many bytes are to come, how many it has
 * in all; or that any bytes to come are good.
 */
#define PARTIAL_BITS 0x1FFFFFu
#define PARTIAL_LEFT(left) ((uint32_t) (left) << 21)
#define PARTIAL_WIDTH(width) ((uint32_t) (width) << 23)
#define PARTIAL_ANY (1u << 26)

/* The first range that ends at or after a character; count if there is none. */
static size_t
find_range(const tok_set *set, uint32_t character)
{
	size_t low = 0, high = set->count;

	while (low < high)
	{
		size_t middle = (low + high) / 2;

		if (set->items[middle].last < character)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What a beginning of a character comes to: the bits so far, the bytes to come, those in all. */
static gen_character
judge(const tok_set *set, uint32_t bits, int left, int width, uint32_t *next)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t first = bits << (6 * left), last = first | ((1u << (6 * left)) - 1);
	uint32_t lowest = first < least[width] ? least[width] : first;
	uint32_t highest = last > TOK_LAST_CHARACTER ? TOK_LAST_CHARACTER : last;
	size_t range = find_range(set, lowest);

	*next = 0;
	if (lowest > highest || range == set->count || set->items[range].first > highest)
		return GEN_CHARACTER_NONE;
	if (left == 0)
		return GEN_CHARACTER_WHOLE;
	if (lowest == first && highest == last && set->items[range].first <= first &&
		set->items[range].last >= last)
		*next = PARTIAL_ANY | PARTIAL_LEFT(left);
	else
		*next = bits | PARTIAL_LEFT(left) | PARTIAL_WIDTH(width);
	return GEN_CHARACTER_PART;
}

gen_character
gen_character_step(const tok_set *set, uint32_t partial, unsigned char byte, uint32_t *next)
{
	int left = gen_character_left(partial);

	*next = 0;
	if (partial == 0)
	{
		if (byte < 0x80)
			return judge(set, byte, 0, 1, next);
		if (byte < 0xC2 || byte > 0xF4)
			return GEN_CHARACTER_NONE;
		if (byte < 0xE0)
			return judge(set, byte & 0x1Fu, 1, 2, next);
		if (byte < 0xF0)
			return judge(set, byte & 0x0Fu, 2, 3, next);
		return judge(set, byte & 0x07u, 3, 4, next);
	}
	if ((byte & 0xC0) != 0x80)
		return GEN_CHARACTER_NONE;
	if ((partial & PARTIAL_ANY) == 0)
		return judge(set, (partial & PARTIAL_BITS) << 6 | (byte & 0x3Fu), left - 1,
					 (int) (partial >> 23 & 7), next);
	if (left > 1)
		*next = PARTIAL_ANY | PARTIAL_LEFT(left - 1);
	return left > 1 ? GEN_CHARACTER_PART : GEN_CHARACTER_WHOLE;
}
