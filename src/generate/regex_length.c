/*
 * regex_length.c
 *	  Narrowing repetitions until all texts of a regular expression have a length that is allowed.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/regex_length.h"

/* How many characters there may be; a length of TOK_UNBOUNDED is no limit. */
typedef struct bounds
{
	uint32_t minimum, maximum;
} bounds;

static uint32_t
add(uint32_t a, uint32_t b)
{
	return a == TOK_UNBOUNDED || b == TOK_UNBOUNDED || (uint64_t) a + b >= TOK_UNBOUNDED
			   ? TOK_UNBOUNDED
			   : a + b;
}

static uint32_t
multiply(uint32_t a, uint32_t b)
{
	if (a == 0 || b == 0)
		return 0;
	return a == TOK_UNBOUNDED || b == TOK_UNBOUNDED || (uint64_t) a * b >= TOK_UNBOUNDED
			   ? TOK_UNBOUNDED
			   : a * b;
}

static uint32_t
subtract(uint32_t a, uint32_t b)
{
	return a == TOK_UNBOUNDED ? a : a > b ? a - b : 0;
}

static bounds
measure(const tok_node *node)
{
	bounds all = {0, 0}, one;

	switch (node->kind)
	{
		case TOK_NODE_CHARACTER:
		case TOK_NODE_SET:
			return (bounds) {1, 1};
		case TOK_NODE_REPEAT:
			one = measure(node->child);
			return (bounds) {multiply(one.minimum, node->minimum),
							 multiply(one.maximum, node->maximum)};
		case TOK_NODE_ALTERNATIVES:
			all.minimum = TOK_UNBOUNDED;
			for (const tok_node *child = node->child; child != NULL; child = child->next)
			{
				one = measure(child);
				all.minimum = one.minimum < all.minimum ? one.minimum : all.minimum;
				all.maximum = one.maximum > all.maximum ? one.maximum : all.maximum;
			}
			return all;
		case TOK_NODE_SEQUENCE:
			for (const tok_node *child = node->child; child != NULL; child = child->next)
			{
				one = measure(child);
				all = (bounds) {add(all.minimum, one.minimum), add(all.maximum, one.maximum)};
			}
			return all;
		default:
			return all;
	}
}

/* Leave out alternatives that cannot be made to fit. */
static bool
fit_alternatives(tok_node *node, bounds wanted)
{
	tok_node **link = &node->child;

	while (*link != NULL)
	{
		if (gen_fit_length(*link, wanted.minimum, wanted.maximum))
			link = &(*link)->next;
		else
			*link = (*link)->next;
	}
	return node->child != NULL;
}

static bool
fit_repeat(tok_node *node, bounds wanted)
{
	bounds one = measure(node->child);
	uint32_t minimum, maximum;

	/* What is longer than everything may be is given a quarter. */
	if (one.maximum == TOK_UNBOUNDED && wanted.maximum != TOK_UNBOUNDED)
	{
		if (one.minimum > wanted.maximum)
		{
			node->maximum = 0;
			return node->minimum == 0 && wanted.minimum == 0;
		}
		one.maximum = node->maximum == 1 ? wanted.maximum : wanted.maximum / 4;
		one.maximum = one.maximum < one.minimum ? one.minimum : one.maximum;
		if (!gen_fit_length(node->child,
							node->maximum == 1 && node->minimum == 1 ? wanted.minimum : 0,
							one.maximum))
			return false;
		one = measure(node->child);
	}
	if (one.maximum == 0)
		return wanted.minimum == 0;
	if (wanted.minimum > 0 && one.minimum == 0)
		return false;
	minimum = one.minimum == 0
				  ? 0
				  : (uint32_t) (((uint64_t) wanted.minimum + one.minimum - 1) / one.minimum);
	maximum = wanted.maximum == TOK_UNBOUNDED ? TOK_UNBOUNDED : wanted.maximum / one.maximum;
	node->minimum = node->minimum > minimum ? node->minimum : minimum;
	node->maximum = node->maximum < maximum ? node->maximum : maximum;
	return node->minimum <= node->maximum;
}

/* The part that varies most, which takes what the others leave. */
static tok_node *
find_widest(const tok_node *sequence)
{
	tok_node *widest = NULL;
	uint32_t most = 0;

	for (tok_node *child = sequence->child; child != NULL; child = child->next)
	{
		bounds one = measure(child);
		uint32_t spread = subtract(one.maximum, one.minimum);

		if (widest == NULL || spread > most)
		{
			widest = child;
			most = spread;
		}
	}
	return widest;
}

static bool
fit_sequence(tok_node *sequence, bounds all, bounds wanted)
{
	tok_node *widest = find_widest(sequence);
	uint32_t slack, varying = 1;
	bounds others = {0, 0};

	if (widest == NULL || all.minimum > wanted.maximum)
		return false;
	for (const tok_node *child = sequence->child; child != NULL; child = child->next)
		varying += measure(child).minimum != measure(child).maximum;
	slack =
		wanted.maximum == TOK_UNBOUNDED ? TOK_UNBOUNDED : (wanted.maximum - all.minimum) / varying;
	for (tok_node *child = sequence->child; child != NULL; child = child->next)
	{
		bounds one = measure(child);
		uint32_t most = add(one.minimum, slack);

		if (child == widest)
			continue;
		if (one.maximum > most)
		{
			if (!gen_fit_length(child, one.minimum, most))
				return false;
			one = measure(child);
		}
		others = (bounds) {add(others.minimum, one.minimum), add(others.maximum, one.maximum)};
	}
	if (wanted.maximum != TOK_UNBOUNDED && others.maximum > wanted.maximum)
		return false;
	return gen_fit_length(widest, subtract(wanted.minimum, others.minimum),
						  subtract(wanted.maximum, others.maximum));
}

bool
gen_fit_length(tok_node *node, uint32_t minimum, uint32_t maximum)
{
	bounds wanted = {minimum, maximum}, all = measure(node);

	if (all.minimum >= minimum && all.maximum <= maximum)
		return true;
	switch (node->kind)
	{
		case TOK_NODE_ALTERNATIVES:
			return fit_alternatives(node, wanted);
		case TOK_NODE_REPEAT:
			return fit_repeat(node, wanted);
		case TOK_NODE_SEQUENCE:
			return fit_sequence(node, all, wanted);
		default:
			return false;
	}
}
