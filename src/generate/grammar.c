/*
 * grammar.c
 *	  Building a grammar, and checking it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/grammar.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_MAX ((size_t) 64 << 20)

/* Make room for more items in an array of the arena. */
static bool
grow(tfm_context *context, void *array, uint32_t count, uint32_t more, uint32_t *capacity,
	 size_t size)
{
	uint32_t wanted = *capacity == 0 ? 64 : *capacity;
	void *old, *grown;

	memcpy(&old, array, sizeof(old));
	if (more <= *capacity - count)
		return true;
	while (wanted - count < more)
		wanted *= 2;
	grown = tfm_alloc_array(context, wanted, size);
	if (grown == NULL)
		return false;
	if (count > 0)
		memcpy(grown, old, count * size);
	memcpy(array, &grown, sizeof(grown));
	*capacity = wanted;
	return true;
}

static gen_expression
add_node(gen_grammar *g, gen_node node)
{
	if (tfm_failed(g->context))
		return 0;
	if (g->count >= GEN_EXPRESSIONS_MAX)
	{
		tfm_fail(g->context, TFM_LIMIT_EXCEEDED, "the constraint is too large");
		return 0;
	}
	if (!grow(g->context, &g->nodes, g->count, 1, &g->capacity, sizeof(gen_node)))
		return 0;
	node.shortest = GEN_UNBOUNDED;
	g->nodes[g->count] = node;
	return g->count++;
}

gen_grammar *
gen_grammar_create(tfm_context *context)
{
	gen_grammar *g = tfm_alloc_zero(context, sizeof(gen_grammar));

	if (g == NULL)
		return NULL;
	g->context = context;
	g->bytes = buffer_create(context);
	if (g->bytes == NULL)
		return NULL;
	grow(context, &g->parts, 0, 1, &g->part_capacity, sizeof(gen_expression));
	add_node(g, (gen_node) {.kind = GEN_EITHER});
	return tfm_failed(context) ? NULL : g;
}

gen_expression
gen_literal(gen_grammar *g, const char *bytes, size_t length)
{
	uint32_t first = (uint32_t) g->bytes->length;

	if (length > BYTES_MAX - first)
	{
		tfm_fail(g->context, TFM_LIMIT_EXCEEDED, "the constraint is too large");
		return 0;
	}
	if (!buffer_append(g->context, g->bytes, bytes, length))
		return 0;
	return add_node(g,
					(gen_node) {.kind = GEN_LITERAL, .first = first, .count = (uint32_t) length});
}

gen_expression
gen_string(gen_grammar *g, const char *string)
{
	return gen_literal(g, string, strlen(string));
}

/* The number of a set, which is added if it is new. */
static bool
intern_set(gen_grammar *g, const tok_set *set, uint32_t *number)
{
	tok_set copy = {0}, surrogates = {0};

	if (!tok_set_add(g->context, &surrogates, 0xD800, 0xDFFF) ||
		!tok_set_invert(g->context, &surrogates) || !tok_set_add_set(g->context, &copy, set) ||
		!tok_set_intersect(g->context, &copy, &surrogates))
		return false;
	tok_set_sort(&copy);
	for (*number = 0; *number < g->set_count; ++*number)
		if (g->sets[*number].count == copy.count &&
			(copy.count == 0 ||
			 memcmp(g->sets[*number].items, copy.items, copy.count * sizeof(tok_range)) == 0))
			return true;
	if (!grow(g->context, &g->sets, g->set_count, 1, &g->set_capacity, sizeof(tok_set)))
		return false;
	g->sets[g->set_count++] = copy;
	return true;
}

gen_expression
gen_characters(gen_grammar *g, const tok_set *set, uint32_t minimum, uint32_t maximum,
			   gen_expression other)
{
	uint32_t number;

	if (tfm_failed(g->context) || !intern_set(g, set, &number))
		return 0;
	return add_node(g, (gen_node) {.kind = GEN_CHARACTERS,
								   .first = number,
								   .minimum = minimum,
								   .maximum = maximum,
								   .other = other});
}

static gen_expression
add_parts(gen_grammar *g, gen_kind kind, const gen_expression *parts, size_t count)
{
	uint32_t first = g->part_count;

	for (size_t i = 0; i < count; i++)
		if (parts[i] == 0)
			return 0;
	if (count > UINT32_MAX / 4 - g->part_count)
	{
		tfm_fail(g->context, TFM_LIMIT_EXCEEDED, "the constraint is too large");
		return 0;
	}
	if (!grow(g->context, &g->parts, g->part_count, (uint32_t) count, &g->part_capacity,
			  sizeof(gen_expression)))
		return 0;
	if (count > 0)
		memcpy(g->parts + first, parts, count * sizeof(gen_expression));
	g->part_count += (uint32_t) count;
	return add_node(g,
					(gen_node) {.kind = (uint8_t) kind, .first = first, .count = (uint32_t) count});
}

gen_expression
gen_sequence(gen_grammar *g, const gen_expression *parts, size_t count)
{
	return count == 1 ? parts[0] : add_parts(g, GEN_SEQUENCE, parts, count);
}

gen_expression
gen_either(gen_grammar *g, const gen_expression *parts, size_t count)
{
	return count == 1 ? parts[0] : add_parts(g, GEN_EITHER, parts, count);
}

gen_expression
gen_repeat(gen_grammar *g, gen_expression part, uint32_t minimum, uint32_t maximum)
{
	const gen_node *node = &g->nodes[part];
	gen_expression repeat;

	if (part == 0 || (minimum == 1 && maximum == 1))
		return part;
	/* A repeated character is one expression. */
	if (node->kind == GEN_CHARACTERS && node->minimum == 1 && node->maximum == 1)
		return gen_characters(g, &g->sets[node->first], minimum, maximum, node->other);
	repeat = add_parts(g, GEN_REPEAT, &part, 1);
	if (repeat != 0)
	{
		g->nodes[repeat].minimum = minimum;
		g->nodes[repeat].maximum = maximum;
	}
	return repeat;
}

gen_expression
gen_rule(gen_grammar *g)
{
	static const gen_expression undefined = 0;
	gen_expression rule = 0;

	if (grow(g->context, &g->parts, g->part_count, 1, &g->part_capacity, sizeof(gen_expression)))
		rule = add_node(g, (gen_node) {.kind = GEN_RULE, .first = g->part_count, .count = 1});
	if (rule != 0)
		g->parts[g->part_count++] = undefined;
	return rule;
}

bool
gen_define(gen_grammar *g, gen_expression rule, gen_expression part)
{
	if (rule == 0 || part == 0)
		return false;
	g->parts[g->nodes[rule].first] = part;
	return true;
}

bool
gen_list_add(gen_grammar *g, gen_list *list, gen_expression item)
{
	uint32_t capacity = (uint32_t) list->capacity;

	if (item == 0 || !grow(g->context, &list->items, (uint32_t) list->count, 1, &capacity,
						   sizeof(gen_expression)))
		return false;
	list->capacity = capacity;
	list->items[list->count++] = item;
	return true;
}

/* ---- Choices ---- */

static int
compare_texts(const void *one, const void *other)
{
	const tfm_text *a = one, *b = other;
	size_t shorter = a->length < b->length ? a->length : b->length;
	int order = shorter == 0 ? 0 : memcmp(a->data, b->data, shorter);

	return order != 0 ? order : a->length < b->length ? -1 : a->length > b->length;
}

/* The rests of the texts, each for itself. */
static gen_expression
list_rests(gen_grammar *g, const tfm_text *texts, size_t count, size_t from)
{
	gen_list list = {0};

	for (size_t i = 0; i < count; i++)
		if (!gen_list_add(g, &list, gen_literal(g, texts[i].data + from, texts[i].length - from)))
			return 0;
	return gen_either(g, list.items, list.count);
}

/* The texts, which are sorted, from a byte on up to which all are the same. */
static gen_expression
share_beginnings(gen_grammar *g, const tfm_text *texts, size_t count, size_t from, int depth)
{
	const tfm_text *last = &texts[count - 1];
	gen_list list = {0};
	size_t shared = from, next;

	while (shared < texts->length && shared < last->length &&
		   texts->data[shared] == last->data[shared])
		shared++;
	if (shared == last->length)
		return gen_literal(g, last->data + from, shared - from);
	if (depth == 0)
		return list_rests(g, texts, count, from);
	for (size_t i = 0; i < count; i = next)
	{
		next = i + 1;
		while (next < count &&
			   (texts[i].length == shared ? texts[next].length == shared
										  : texts[next].data[shared] == texts[i].data[shared]))
			next++;
		if (!gen_list_add(g, &list, share_beginnings(g, texts + i, next - i, shared, depth - 1)))
			return 0;
	}
	return gen_all_of(g, gen_literal(g, texts->data + from, shared - from),
					  gen_either(g, list.items, list.count));
}

gen_expression
gen_choice(gen_grammar *g, tfm_text *texts, size_t count)
{
	if (count == 0)
		return gen_either(g, NULL, 0);
	qsort(texts, count, sizeof(tfm_text), compare_texts);
	return share_beginnings(g, texts, count, 0, 100);
}

/* ---- Checks ---- */

/* Bytes of the shortest character of a set, or of what else may stand for it. */
static uint32_t
shortest_character(const gen_grammar *g, const gen_node *node)
{
	const tok_set *set = &g->sets[node->first];
	uint32_t other = node->other == 0 ? GEN_UNBOUNDED : g->nodes[node->other].shortest, own;

	if (set->count == 0)
		return other;
	own = set->items[0].first < 0x80	  ? 1
		  : set->items[0].first < 0x800	  ? 2
		  : set->items[0].first < 0x10000 ? 3
										  : 4;
	return own < other ? own : other;
}

uint32_t
gen_shortest_rest(const gen_grammar *g, gen_expression expression, uint32_t count, int left)
{
	const gen_node *node = &g->nodes[expression];
	const gen_expression *parts = g->parts + node->first;
	uint32_t rest = 0, missing = count < node->minimum ? node->minimum - count : 0;

	switch (node->kind)
	{
		case GEN_LITERAL:
			return node->count - count;
		case GEN_CHARACTERS:
			missing -= left > 0 && missing > 0;
			rest = missing == 0 ? 0 : gen_times(missing, shortest_character(g, node));
			return gen_add(rest, (uint32_t) left);
		case GEN_REPEAT:
			return missing == 0 ? 0 : gen_times(missing, g->nodes[parts[0]].shortest);
		case GEN_SEQUENCE:
			for (uint32_t i = count; i < node->count; i++)
				rest = gen_add(rest, g->nodes[parts[i]].shortest);
			return rest;
		default:
			rest = GEN_UNBOUNDED;
			for (uint32_t i = 0; i < node->count; i++)
				rest = g->nodes[parts[i]].shortest < rest ? g->nodes[parts[i]].shortest : rest;
			return rest;
	}
}

/* Whether what was found out of its parts changes anything for an expression. */
static bool
judge(const gen_grammar *g, gen_node *node)
{
	const gen_expression *parts = g->parts + node->first;
	bool all_nullable = true, all_productive = true, one_nullable = false, one_productive = false;
	bool nullable, productive;
	uint32_t shortest = gen_shortest_rest(g, (gen_expression) (node - g->nodes), 0, 0);

	if (node->kind == GEN_LITERAL)
		nullable = node->count == 0, productive = true;
	else if (node->kind == GEN_CHARACTERS)
	{
		nullable = node->minimum == 0 || (node->other != 0 && g->nodes[node->other].nullable);
		productive = node->minimum == 0 || g->sets[node->first].count > 0 ||
					 (node->other != 0 && g->nodes[node->other].productive);
	}
	else
	{
		for (uint32_t i = 0; i < node->count; i++)
		{
			const gen_node *part = &g->nodes[parts[i]];

			all_nullable &= part->nullable;
			all_productive &= part->productive;
			one_nullable |= part->nullable;
			one_productive |= part->productive;
		}
		nullable = node->kind == GEN_EITHER ? one_nullable : all_nullable;
		productive = node->kind == GEN_EITHER ? one_productive : all_productive;
		if (node->kind == GEN_REPEAT && node->minimum == 0)
			nullable = productive = true;
	}
	if (nullable == node->nullable && productive == node->productive && shortest == node->shortest)
		return false;
	node->shortest = shortest;
	node->nullable = nullable;
	node->productive = productive;
	return true;
}

/* Until nothing changes; all but rules are made after their parts, so that few turns are needed. */
static bool
judge_all(gen_grammar *g)
{
	bool changed = true;

	while (changed)
	{
		if (tfm_stopped(g->context))
			return false;
		changed = false;
		for (uint32_t i = 1; i < g->count; i++)
			changed |= judge(g, &g->nodes[i]);
	}
	return true;
}

/* The next expression that another may begin with, after those before *at; 0 at the end. */
static gen_expression
next_beginning(const gen_grammar *g, const gen_node *node, uint32_t *at)
{
	uint32_t i = (*at)++;

	if (node->kind == GEN_LITERAL)
		return 0;
	if (node->kind == GEN_CHARACTERS)
		return i == 0 ? node->other : 0;
	if (i >= node->count ||
		(node->kind == GEN_SEQUENCE && i > 0 && !g->nodes[g->parts[node->first + i - 1]].nullable))
		return 0;
	return g->parts[node->first + i];
}

/* A walk through what expressions may begin with. */
typedef struct walk
{
	gen_expression expression;
	uint32_t at;
} walk;

enum
{
	UNSEEN,
	OPEN,
	DONE
};

/* A rule on the way, which leads back to itself. */
static gen_expression
name_culprit(const gen_grammar *g, const walk *stack, uint32_t depth, gen_expression back)
{
	while (depth-- > 0)
	{
		if (g->nodes[stack[depth].expression].kind == GEN_RULE)
			return stack[depth].expression;
		if (stack[depth].expression == back)
			break;
	}
	return back;
}

static gen_expression
find_left_recursion(const gen_grammar *g, walk *stack, uint8_t *seen, gen_expression root)
{
	uint32_t depth = 0;

	stack[depth++] = (walk) {.expression = root};
	seen[root] = OPEN;
	while (depth > 0)
	{
		walk *top = &stack[depth - 1];
		gen_expression next = next_beginning(g, &g->nodes[top->expression], &top->at);

		if (next == 0)
		{
			seen[top->expression] = DONE;
			depth--;
		}
		else if (seen[next] == OPEN)
			return name_culprit(g, stack, depth, next);
		else if (seen[next] == UNSEEN)
		{
			seen[next] = OPEN;
			stack[depth++] = (walk) {.expression = next};
		}
	}
	return 0;
}

bool
gen_grammar_check(gen_grammar *g, gen_expression root, gen_expression *culprit)
{
	arena_mark mark = arena_save(g->context->arena);
	walk *stack;
	uint8_t *seen;

	*culprit = 0;
	if (root == 0 || tfm_failed(g->context) || !judge_all(g))
		return false;
	stack = tfm_alloc_array(g->context, g->count, sizeof(walk));
	seen = tfm_alloc_zero(g->context, g->count);
	if (stack == NULL || seen == NULL)
		return false;
	/* Rules that the root does not use count as well, as typing errors do. */
	for (uint32_t i = g->count; i-- > 1 && *culprit == 0;)
		if (g->nodes[i].kind == GEN_RULE && seen[i] == UNSEEN)
			*culprit = find_left_recursion(g, stack, seen, i);
	arena_restore(g->context->arena, mark);
	g->root = root;
	return true;
}
