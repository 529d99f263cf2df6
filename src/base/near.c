/*
 * near.c
 *	  Nearness of names: by the letters to change, and by the longest part in common.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "base/near.h"

#include <string.h>

/* What a name has beyond is not looked at. */
#define LONGEST 64

/* What two names have in common. */
typedef struct likeness
{
	int longer;	  /* length of the longer one */
	int distance; /* letters to insert, to delete or to change (Levenshtein 1966) */
	int part;	  /* length of the longest string that stands in both */
	int prefix;	  /* length of what both begin with */
} likeness;

static char
fold_letter(char letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return (char) (letter - 'A' + 'a');
	return letter == '-' ? '_' : letter;
}

static int
least(int a, int b)
{
	return a < b ? a : b;
}

static likeness
compare_names(const char *a, const char *b)
{
	int rows = (int) strnlen(a, LONGEST);
	int columns = (int) strnlen(b, LONGEST);
	likeness like = {.longer = rows > columns ? rows : columns};
	int costs[LONGEST + 1]; /* to make the row's beginning of a from each beginning of b */
	int parts[LONGEST + 1]; /* of common strings that end there */

	for (int j = 0; j <= columns; j++)
	{
		costs[j] = j;
		parts[j] = 0;
	}
	for (int i = 1; i <= rows; i++)
	{
		int cost_before = costs[0];
		int part_before = 0;

		costs[0] = i;
		for (int j = 1; j <= columns; j++)
		{
			bool same = fold_letter(a[i - 1]) == fold_letter(b[j - 1]);
			int cost = least(cost_before + !same, least(costs[j], costs[j - 1]) + 1);
			int part = same ? part_before + 1 : 0;

			cost_before = costs[j];
			part_before = parts[j];
			costs[j] = cost;
			parts[j] = part;
			if (part > like.part)
				like.part = part;
			if (part == i && part == j)
				like.prefix = part;
		}
	}
	like.distance = costs[columns];
	return like;
}

void
near_offer(near_names *near, const char *name)
{
	likeness like = compare_names(near->wanted, name);
	int distance = like.distance - like.part;
	int place;

	if (like.prefix < 3 && like.part < 4 && 3 * like.distance > like.longer)
		return;
	for (place = near->count; place > 0 && near->distances[place - 1] > distance; place--)
		if (place < NEAR_MOST)
		{
			near->names[place] = near->names[place - 1];
			near->distances[place] = near->distances[place - 1];
		}
	if (place == NEAR_MOST)
		return;
	near->names[place] = name;
	near->distances[place] = distance;
	near->count += near->count < NEAR_MOST;
}

void
near_append(char *text, size_t size, const char *name)
{
	static const char more[] = ", ...";
	size_t length = strlen(text);
	const char *separator = length == 0 ? "" : ", ";

	if (length >= sizeof(more) && strcmp(text + length - (sizeof(more) - 1), more) == 0)
		return;
	if (length + strlen(separator) + strlen(name) + sizeof(more) > size)
	{
		if (length + sizeof(more) <= size)
			strcat(text, more);
		return;
	}
	strcat(text, separator);
	strcat(text, name);
}
