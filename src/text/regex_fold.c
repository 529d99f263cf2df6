/*
 * regex_fold.c
 *	  Literals of a regular expression whose case does not count.
 *
 * A literal is the set of all characters that fold to the same one.  Some fold to several, as the sharp
 * s does to ss: it then stands for these, too, and they for it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/regex_parse.h"

#include <string.h>

#include <unicode/uchar.h>
#include <unicode/ustring.h>

#define FOLD_LENGTH 3

/* A character that folds to several, all of them in the first plane. */
typedef struct fold
{
	uint32_t character;
	int32_t length;
	UChar folded[FOLD_LENGTH];
} fold;

typedef struct tok_folds
{
	size_t count;
	fold items[128]; /* there are 104 */
} tok_folds;

/* Where there are such characters. */
static const tok_range fold_ranges[] = {{0xDF, 0x587}, {0x1E96, 0x1FFC}, {0xFB00, 0xFB17}};

static const tok_folds *
load_folds(tok_regex_parser *p)
{
	tok_folds *folds = p->folds;

	if (folds != NULL || (folds = tfm_alloc_zero(p->context, sizeof(tok_folds))) == NULL)
		return folds;
	for (size_t i = 0; i < sizeof(fold_ranges) / sizeof(fold_ranges[0]); i++)
		for (uint32_t c = fold_ranges[i].first; c <= fold_ranges[i].last; c++)
		{
			fold one = {.character = c};
			UChar unit = (UChar) c;
			UErrorCode status = U_ZERO_ERROR;

			one.length =
				u_strFoldCase(one.folded, FOLD_LENGTH, &unit, 1, U_FOLD_CASE_DEFAULT, &status);
			if (one.length > 1 && one.length <= FOLD_LENGTH &&
				folds->count < sizeof(folds->items) / sizeof(folds->items[0]))
				folds->items[folds->count++] = one;
		}
	p->folds = folds;
	return folds;
}

/* All single characters that a literal stands for; those of ASCII letters are known. */
static bool
add_forms(tok_regex_parser *p, tok_set *set, uint32_t character)
{
	uint32_t lower = character | 0x20;
	uint32_t third = lower == 'k' ? 0x212A : lower == 's' ? 0x17F : 0;

	if (character >= 0x80)
		return tok_count_set(p) && tok_set_add(p->context, set, character, character) &&
			   tok_set_fold(p->context, set);
	if (lower < 'a' || lower > 'z')
		return tok_set_add(p->context, set, character, character);
	return tok_set_add(p->context, set, lower - 0x20, lower - 0x20) &&
		   tok_set_add(p->context, set, lower, lower) &&
		   (third == 0 || tok_set_add(p->context, set, third, third));
}

/* A literal that folds to a single character. */
static tok_node *
new_single(tok_regex_parser *p, uint32_t character)
{
	tok_set set = {0};
	tok_node *node;

	if (!add_forms(p, &set, character))
		return NULL;
	if (set.count > 1 || set.items[0].first != set.items[0].last)
		node = tok_new_set_node(p->context, &set);
	else
		node = tok_new_node(p->context, TOK_NODE_CHARACTER);
	if (node == NULL)
		return NULL;
	node->character = character;
	node->folded = (uint32_t) u_foldCase((UChar32) character, U_FOLD_CASE_DEFAULT);
	return node;
}

/* The characters that fold to the given ones; none if the set stays empty. */
static bool
find_folding(tok_regex_parser *p, const UChar *folded, int32_t length, tok_set *set)
{
	const tok_folds *folds = load_folds(p);

	if (folds == NULL)
		return false;
	for (size_t i = 0; i < folds->count; i++)
		if (folds->items[i].length == length &&
			memcmp(folds->items[i].folded, folded, (size_t) length * sizeof(UChar)) == 0 &&
			!tok_set_add(p->context, set, folds->items[i].character, folds->items[i].character))
			return false;
	tok_set_sort(set);
	return true;
}

/* One of the characters of the set, or those of the sequence from first on. */
static tok_node *
new_choice(tok_regex_parser *p, const tok_set *set, tok_node *first)
{
	tok_node *either = tok_new_node(p->context, TOK_NODE_ALTERNATIVES);
	tok_node *sequence = tok_new_node(p->context, TOK_NODE_SEQUENCE);
	tok_node *single = tok_new_set_node(p->context, set);

	if (tfm_failed(p->context))
		return NULL;
	sequence->child = first;
	sequence->next = single;
	either->child = sequence;
	return either;
}

/* The characters of a folding, one after the other. */
static bool
new_parts(tok_regex_parser *p, const fold *found, tok_node **first)
{
	for (int32_t part = 0; part < found->length; part++)
	{
		*first = new_single(p, found->folded[part]);
		if (*first == NULL)
			return false;
		first = &(*first)->next;
	}
	return true;
}

tok_node *
tok_new_folded(tok_regex_parser *p, uint32_t character)
{
	const tok_folds *folds = character < 0x80 || p->folds_singly ? NULL : load_folds(p);

	if (tfm_failed(p->context))
		return NULL;
	for (size_t i = 0; folds != NULL && i < folds->count; i++)
	{
		const fold *found = &folds->items[i];
		tok_node *first = NULL;
		tok_set set = {0};

		if (found->character == character)
			return new_parts(p, found, &first) &&
						   find_folding(p, found->folded, found->length, &set)
					   ? new_choice(p, &set, first)
					   : NULL;
	}
	return new_single(p, character);
}

tok_node *
tok_new_folded_class(tok_regex_parser *p, const tok_set *set)
{
	tok_node *single = tok_new_set_node(p->context, set), *either;
	tok_node **end = single == NULL ? NULL : &single->next;
	const tok_folds *folds = load_folds(p);

	for (size_t i = 0; end != NULL && folds != NULL && i < folds->count; i++)
	{
		if (!tok_set_has(single->set, folds->items[i].character))
			continue;
		*end = tok_new_node(p->context, TOK_NODE_SEQUENCE);
		if (*end == NULL || !new_parts(p, &folds->items[i], &(*end)->child))
			return NULL;
		end = &(*end)->next;
	}
	if (tfm_failed(p->context) || single->next == NULL)
		return tfm_failed(p->context) ? NULL : single;
	either = tok_new_node(p->context, TOK_NODE_ALTERNATIVES);
	if (either != NULL)
		either->child = single;
	return either;
}

/* Join the literals from *at on that are the folding of a character; as many as there may be. */
static bool
join_at(tok_regex_parser *p, tok_node **at)
{
	tok_node *last[FOLD_LENGTH + 1];
	UChar folded[FOLD_LENGTH];
	int32_t count = 0;

	for (tok_node *node = *at;
		 node != NULL && count < FOLD_LENGTH && node->folded != 0 && node->folded < 0x10000;
		 node = node->next)
	{
		folded[count] = (UChar) node->folded;
		last[++count] = node;
	}
	for (; count > 1; count--)
	{
		tok_set set = {0};
		tok_node *joined, *rest;

		if (!find_folding(p, folded, count, &set))
			return false;
		if (set.count == 0)
			continue;
		rest = last[count]->next;
		last[count]->next = NULL;
		joined = new_choice(p, &set, *at);
		if (joined == NULL)
			return false;
		joined->next = rest;
		*at = joined;
		return true;
	}
	return true;
}

bool
tok_join_folded(tok_regex_parser *p, tok_node *sequence)
{
	if (p->folds_singly)
		return true;
	for (tok_node **at = &sequence->child; *at != NULL; at = &(*at)->next)
		if ((*at)->folded != 0 && !join_at(p, at))
			return false;
	return true;
}
