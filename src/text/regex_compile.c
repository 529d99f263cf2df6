/*
 * regex_compile.c
 *	  The tree of a regular expression to its program.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/regex.h"

#include <string.h>

#include "base/size.h"
#include "base/utf8.h"
#include "text/character_class.h"
#include "text/regex_program.h"

#define INSTRUCTIONS_MAX 20000
#define INSTRUCTION(c, index) (&((regex_instruction *) (c)->instructions->data)[index])

typedef struct compiler
{
	tfm_context *context;
	const tok_pattern *pattern;
	buffer *instructions, *sets, *ranges, *strings;
	uint32_t branches, runs, registers;
	int forgetful; /* depth of what failures must not be remembered in */
	int looking;   /* depth of looks ahead */
	uint32_t class_sizes[32];
} compiler;

/* How many characters a node takes. */
typedef struct extent
{
	uint32_t minimum, maximum;
} extent;

static uint32_t
here(const compiler *c)
{
	return (uint32_t) (c->instructions->length / sizeof(regex_instruction));
}

static bool
emit(compiler *c, regex_instruction instruction)
{
	if (here(c) >= INSTRUCTIONS_MAX)
		return tok_fail_pattern(c->context, TFM_LIMIT_EXCEEDED, c->pattern, "is too large");
	return buffer_append(c->context, c->instructions, &instruction, sizeof(instruction));
}

/* The number of repetitions, if they are not without bound. */
static uint32_t
multiply(uint32_t a, uint32_t b)
{
	uint64_t product = (uint64_t) a * b;

	if (a == 0 || b == 0)
		return 0;
	return a == TOK_UNBOUNDED || b == TOK_UNBOUNDED || product >= TOK_UNBOUNDED
			   ? TOK_UNBOUNDED
			   : (uint32_t) product;
}

static uint32_t
add(uint32_t a, uint32_t b)
{
	return a == TOK_UNBOUNDED || b == TOK_UNBOUNDED || a > TOK_UNBOUNDED - b ? TOK_UNBOUNDED
																			 : a + b;
}

static extent
measure(const tok_node *node)
{
	extent all = {0, 0}, one;

	switch (node->kind)
	{
		case TOK_NODE_CHARACTER:
		case TOK_NODE_SET:
			return (extent) {1, 1};
		case TOK_NODE_SEQUENCE:
			for (const tok_node *child = node->child; child != NULL; child = child->next)
			{
				one = measure(child);
				all = (extent) {add(all.minimum, one.minimum), add(all.maximum, one.maximum)};
			}
			return all;
		case TOK_NODE_ALTERNATIVES:
			all = measure(node->child);
			for (const tok_node *child = node->child->next; child != NULL; child = child->next)
			{
				one = measure(child);
				all.minimum = one.minimum < all.minimum ? one.minimum : all.minimum;
				all.maximum = one.maximum > all.maximum ? one.maximum : all.maximum;
			}
			return all;
		case TOK_NODE_REPEAT:
			one = measure(node->child);
			return (extent) {multiply(one.minimum, node->minimum),
							 multiply(one.maximum, node->maximum)};
		case TOK_NODE_ATOMIC:
			return measure(node->child);
		default:
			return all;
	}
}

/* Count the characters of each class beyond Latin-1. */
static void
count_classes(compiler *c)
{
	for (uint32_t character = 0x100, last; character <= TOK_LAST_CHARACTER; character = last + 1)
	{
		last = tok_class_stretch(character);
		c->class_sizes[__builtin_ctz(tok_character_class(character))] += last - character + 1;
	}
}

/* The classes that are wholly in a set, beyond Latin-1. */
static uint32_t
find_classes(const compiler *c, const tok_set *set)
{
	uint32_t sizes[32] = {0}, classes = 0;

	for (size_t i = 0; i < set->count; i++)
		for (uint32_t character = set->items[i].first < 0x100 ? 0x100 : set->items[i].first, last;
			 character <= set->items[i].last; character = last + 1)
		{
			last = tok_class_stretch(character);
			last = last < set->items[i].last ? last : set->items[i].last;
			sizes[__builtin_ctz(tok_character_class(character))] += last - character + 1;
		}
	for (int i = 0; i < 32; i++)
		if (sizes[i] > 0 && sizes[i] == c->class_sizes[i])
			classes |= 1u << i;
	return classes;
}

/* The last of the characters from first to end that are in the classes like it, or out of them. */
static uint32_t
find_alike(uint32_t first, uint32_t end, uint32_t classes)
{
	bool in = (tok_character_class(first) & classes) != 0;
	uint32_t last = tok_class_stretch(first);

	while (last < end && ((tok_character_class(last + 1) & classes) != 0) == in)
		last = tok_class_stretch(last + 1);
	return last < end ? last : end;
}

/* Append the ranges of what is in the set beyond Latin-1, but not of those classes. */
static bool
append_ranges(compiler *c, const tok_set *set, regex_set *compiled)
{
	compiled->first_range = (uint32_t) (c->ranges->length / sizeof(tok_range));
	for (size_t i = 0; i < set->count; i++)
		for (uint32_t first = set->items[i].first < 0x100 ? 0x100 : set->items[i].first, last;
			 first <= set->items[i].last; first = last + 1)
		{
			tok_range range = {.first = first};

			range.last = last = find_alike(first, set->items[i].last, compiled->classes);
			if ((tok_character_class(first) & compiled->classes) == 0 &&
				!buffer_append(c->context, c->ranges, &range, sizeof(range)))
				return false;
		}
	compiled->range_count =
		(uint32_t) (c->ranges->length / sizeof(tok_range)) - compiled->first_range;
	return true;
}

static bool
is_same_set(const compiler *c, const regex_set *a, const regex_set *b)
{
	const tok_range *ranges = (const tok_range *) c->ranges->data;

	return memcmp(a->bits, b->bits, sizeof(a->bits)) == 0 && a->classes == b->classes &&
		   a->range_count == b->range_count &&
		   (a->range_count == 0 || memcmp(ranges + a->first_range, ranges + b->first_range,
										  a->range_count * sizeof(tok_range)) == 0);
}

/* The number of a set in the program. */
static bool
compile_set(compiler *c, tok_set *set, uint32_t *number)
{
	regex_set compiled = {.classes = 0};
	const regex_set *sets = (const regex_set *) c->sets->data;
	size_t kept = c->ranges->length;

	*number = set->compiled - 1;
	if (set->compiled > 0)
		return true;
	compiled.classes = find_classes(c, set);
	for (uint32_t i = 0; i < 256; i++)
		if (tok_set_has(set, i))
			compiled.bits[i / 32] |= 1u << (i % 32);
	if (!append_ranges(c, set, &compiled))
		return false;
	*number = (uint32_t) (c->sets->length / sizeof(regex_set));
	for (uint32_t i = 0; i < *number; i++)
		if (is_same_set(c, &sets[i], &compiled))
		{
			c->ranges->length = kept;
			*number = i;
			set->compiled = i + 1;
			return true;
		}
	set->compiled = *number + 1;
	return buffer_append(c->context, c->sets, &compiled, sizeof(compiled));
}

/* The set of a node that takes one character; NULL if it does not, or memory is out. */
static tok_set *
single_set(compiler *c, const tok_node *node)
{
	tok_set *set;

	while ((node->kind == TOK_NODE_SEQUENCE || node->kind == TOK_NODE_ALTERNATIVES ||
			node->kind == TOK_NODE_ATOMIC) &&
		   node->child != NULL && node->child->next == NULL)
		node = node->child;
	if (node->kind == TOK_NODE_SET)
		return node->set;
	if (node->kind != TOK_NODE_CHARACTER)
		return NULL;
	set = tfm_alloc_zero(c->context, sizeof(tok_set));
	if (set == NULL || !tok_set_add(c->context, set, node->character, node->character))
		return NULL;
	return set;
}

static bool compile_node(compiler *c, const tok_node *node);

/* Characters in a row are one string. */
static const tok_node *
compile_string(compiler *c, const tok_node *node)
{
	regex_instruction string = {.operation = REGEX_STRING, .a = (uint32_t) c->strings->length};

	for (; node != NULL && node->kind == TOK_NODE_CHARACTER; node = node->next)
	{
		char bytes[4];

		if (!buffer_append(c->context, c->strings, bytes,
						   (size_t) utf8_encode(node->character, bytes)))
			return NULL;
	}
	string.b = (uint32_t) c->strings->length - string.a;
	emit(c, string);
	return node;
}

static bool
compile_sequence(compiler *c, const tok_node *node)
{
	for (node = node->child; node != NULL && !tfm_failed(c->context);)
	{
		if (node->kind == TOK_NODE_CHARACTER)
			node = compile_string(c, node);
		else
		{
			if (!compile_node(c, node))
				return false;
			node = node->next;
		}
	}
	return !tfm_failed(c->context);
}

/* A branch to a and b, which are set later. */
static bool
emit_split(compiler *c, uint32_t *at)
{
	*at = here(c);
	return emit(c, (regex_instruction) {.operation = REGEX_SPLIT,
										.flag = c->looking > 0,
										.c = c->forgetful > 0 ? REGEX_NONE : c->branches++});
}

static void
set_split(compiler *c, uint32_t at, uint32_t first, uint32_t then)
{
	INSTRUCTION(c, at)->a = first;
	INSTRUCTION(c, at)->b = then;
}

static bool
compile_alternatives(compiler *c, const tok_node *node)
{
	uint32_t jumps = REGEX_NONE, split;

	for (node = node->child; node->next != NULL; node = node->next)
	{
		if (!emit_split(c, &split) || !compile_node(c, node))
			return false;
		/* The jumps to the end are chained until it is known. */
		if (!emit(c, (regex_instruction) {.operation = REGEX_JUMP, .a = jumps}))
			return false;
		jumps = here(c) - 1;
		set_split(c, split, split + 1, here(c));
	}
	if (!compile_node(c, node))
		return false;
	while (jumps != REGEX_NONE)
	{
		uint32_t next = INSTRUCTION(c, jumps)->a;

		INSTRUCTION(c, jumps)->a = here(c);
		jumps = next;
	}
	return true;
}

/* As many as there may be beyond the least, each in the one before. */
static bool
compile_optional(compiler *c, const tok_node *node)
{
	uint32_t first = here(c), count = node->maximum - node->minimum;

	for (uint32_t i = 0; i < count; i++)
	{
		uint32_t split;

		if (!emit_split(c, &split) || !compile_node(c, node->child))
			return false;
	}
	for (uint32_t i = first; i < here(c); i++)
	{
		regex_instruction *split = INSTRUCTION(c, i);

		/* Those that are set belong to the child. */
		if (split->operation == REGEX_SPLIT && split->a == 0 && split->b == 0)
			set_split(c, i, node->greed == TOK_LAZY ? here(c) : i + 1,
					  node->greed == TOK_LAZY ? i + 1 : here(c));
	}
	return true;
}

/* A loop; a turn that takes no character ends it, as in Oniguruma. */
static bool
compile_loop(compiler *c, const tok_node *node)
{
	bool nullable = measure(node->child).minimum == 0;
	uint32_t split, reg = c->registers, check = 0;

	c->forgetful += nullable;
	if (nullable && c->registers++ >= TOK_REGEX_REGISTERS)
		return tok_fail_pattern(c->context, TFM_LIMIT_EXCEEDED, c->pattern, "is too large");
	if (!emit_split(c, &split) ||
		(nullable && !emit(c, (regex_instruction) {.operation = REGEX_LOOP_MARK, .a = reg})) ||
		!compile_node(c, node->child))
		return false;
	check = here(c);
	if ((nullable && !emit(c, (regex_instruction) {.operation = REGEX_LOOP_CHECK, .a = reg})) ||
		!emit(c, (regex_instruction) {.operation = REGEX_JUMP, .a = split}))
		return false;
	if (nullable)
		INSTRUCTION(c, check)->b = here(c);
	if (node->greed == TOK_LAZY)
		set_split(c, split, here(c), split + 1);
	else
		set_split(c, split, split + 1, here(c));
	c->forgetful -= nullable;
	return true;
}

/* A greedy or possessive loop over single characters. */
static bool
compile_run(compiler *c, const tok_node *node, tok_set *set)
{
	regex_instruction run = {
		.operation = node->greed == TOK_POSSESSIVE ? REGEX_RUN_POSSESSIVE : REGEX_RUN,
		.flag = c->forgetful == 0,
		.run = c->runs < TOK_REGEX_RUNS ? (uint16_t) c->runs++ : UINT16_MAX,
		.b = node->minimum,
		.c = node->maximum,
	};

	return compile_set(c, set, &run.a) && emit(c, run);
}

static bool
compile_repeat(compiler *c, const tok_node *node)
{
	tok_set *set = single_set(c, node->child);
	bool atomic = node->greed == TOK_POSSESSIVE;

	if (tfm_failed(c->context))
		return false;
	if (set != NULL && node->greed != TOK_LAZY)
		return compile_run(c, node, set);
	if (atomic && !emit(c, (regex_instruction) {.operation = REGEX_ATOMIC}))
		return false;
	/* Nothing at all need not be repeated. */
	for (uint32_t i = 0, before = REGEX_NONE; i < node->minimum && here(c) != before; i++)
	{
		before = here(c);
		if (!compile_node(c, node->child))
			return false;
	}
	if (!(node->maximum == TOK_UNBOUNDED ? compile_loop(c, node) : compile_optional(c, node)))
		return false;
	return !atomic || emit(c, (regex_instruction) {.operation = REGEX_ATOMIC_END});
}

static bool
compile_look(compiler *c, const tok_node *node)
{
	bool behind = node->kind == TOK_NODE_LOOK_BEHIND;
	tok_set *set = single_set(c, node->child);
	regex_instruction look = {.flag = node->negated};
	extent all = measure(node->child);
	uint32_t at = here(c);

	if (tfm_failed(c->context))
		return false;
	if (set != NULL)
	{
		look.operation = behind ? REGEX_PREVIOUS : REGEX_NEXT;
		return compile_set(c, set, &look.a) && emit(c, look);
	}
	look.operation = behind ? REGEX_LOOK_BEHIND : REGEX_LOOK_AHEAD;
	look.b = all.minimum;
	look.c = all.maximum;
	/* What fails for want of the end of a look behind may succeed elsewhere. */
	c->forgetful += behind;
	c->looking += !behind;
	if (!emit(c, look) || !compile_node(c, node->child) ||
		!emit(c, (regex_instruction) {.operation = behind ? REGEX_BEHIND_END : REGEX_LOOK_END}))
		return false;
	c->forgetful -= behind;
	c->looking -= !behind;
	INSTRUCTION(c, at)->a = here(c);
	return true;
}

static bool
compile_assertion(compiler *c, const tok_node *node)
{
	regex_instruction assertion = {.operation = REGEX_ASSERT, .a = node->assertion};
	tok_set word = {0};
	bool found;

	if (node->assertion == TOK_WORD_BOUND || node->assertion == TOK_NO_WORD_BOUND)
	{
		if (!tok_set_add_property(c->context, &word, "word", 4, &found))
			return false;
		tok_set_sort(&word);
		if (!compile_set(c, &word, &assertion.b))
			return false;
	}
	return emit(c, assertion);
}

static bool
compile_node(compiler *c, const tok_node *node)
{
	regex_instruction set = {.operation = REGEX_SET};

	switch (node->kind)
	{
		case TOK_NODE_CHARACTER:
		{
			tok_node alone = *node, sequence = {.kind = TOK_NODE_SEQUENCE, .child = &alone};

			alone.next = NULL;
			return compile_sequence(c, &sequence);
		}
		case TOK_NODE_SET:
			return compile_set(c, node->set, &set.a) && emit(c, set);
		case TOK_NODE_SEQUENCE:
			return compile_sequence(c, node);
		case TOK_NODE_ALTERNATIVES:
			return compile_alternatives(c, node);
		case TOK_NODE_REPEAT:
			return compile_repeat(c, node);
		case TOK_NODE_ATOMIC:
			return emit(c, (regex_instruction) {.operation = REGEX_ATOMIC}) &&
				   compile_node(c, node->child) &&
				   emit(c, (regex_instruction) {.operation = REGEX_ATOMIC_END});
		case TOK_NODE_LOOK_AHEAD:
		case TOK_NODE_LOOK_BEHIND:
			return compile_look(c, node);
		case TOK_NODE_ASSERT:
			return compile_assertion(c, node);
		default:
			return true;
	}
}

static void
add_byte(regex_header *header, unsigned char byte)
{
	header->first[byte / 32] |= 1u << (byte % 32);
}

/* Note the bytes that the characters of a set begin with. */
static void
add_first_bytes(regex_header *header, const tok_set *set)
{
	static const uint32_t ends[] = {0x80, 0x800, 0x10000, TOK_LAST_CHARACTER + 1};

	for (size_t i = 0; i < set->count; i++)
		for (uint32_t first = set->items[i].first, last; first <= set->items[i].last;
			 first = last + 1)
		{
			char from[4], to[4];
			int width = 0;

			while (first >= ends[width])
				width++;
			last = set->items[i].last < ends[width] ? set->items[i].last : ends[width] - 1;
			utf8_encode(first, from);
			utf8_encode(last, to);
			for (unsigned byte = (unsigned char) from[0]; byte <= (unsigned char) to[0]; byte++)
				add_byte(header, (unsigned char) byte);
		}
}

/* Note the bytes that a match of the node may begin with; false if it may take no character. */
static bool
find_first(compiler *c, regex_header *header, const tok_node *node)
{
	bool takes = true;
	const tok_set *set;

	switch (node->kind)
	{
		case TOK_NODE_CHARACTER:
		case TOK_NODE_SET:
			set = single_set(c, node);
			if (set != NULL)
				add_first_bytes(header, set);
			return true;
		case TOK_NODE_SEQUENCE:
			for (const tok_node *child = node->child; child != NULL; child = child->next)
				if (find_first(c, header, child))
					return true;
			return false;
		case TOK_NODE_ALTERNATIVES:
			for (const tok_node *child = node->child; child != NULL; child = child->next)
				takes = find_first(c, header, child) && takes;
			return takes;
		case TOK_NODE_REPEAT:
			return node->maximum > 0 && find_first(c, header, node->child) && node->minimum > 0;
		case TOK_NODE_ATOMIC:
			return find_first(c, header, node->child);
		default:
			return false;
	}
}

static bool
append_program(compiler *c, regex_header *header, buffer *program, size_t *offset)
{
	tfm_context *context = c->context;
	const buffer *parts[] = {c->instructions, c->sets, c->ranges, c->strings};

	header->instruction_count = here(c);
	header->set_count = (uint32_t) (c->sets->length / sizeof(regex_set));
	header->range_count = (uint32_t) (c->ranges->length / sizeof(tok_range));
	header->string_length = (uint32_t) c->strings->length;
	header->branch_count = c->branches;
	header->length = (uint32_t) sizeof(*header);
	for (size_t i = 0; i < 4; i++)
		header->length += (uint32_t) parts[i]->length;
	if (!buffer_append_zeros(context, program, size_round_up(program->length, 8) - program->length))
		return false;
	*offset = program->length;
	if (!buffer_append(context, program, header, sizeof(*header)))
		return false;
	for (size_t i = 0; i < 4; i++)
		if (!buffer_append(context, program, parts[i]->data, parts[i]->length))
			return false;
	return true;
}

static bool
mentions_search_start(const tok_pattern *pattern)
{
	for (size_t i = 1; i < pattern->length; i++)
		if (pattern->text[i - 1] == '\\' && pattern->text[i] == 'G')
			return true;
	return false;
}

bool
tok_regex_compile(tfm_context *context, const tok_pattern *pattern, buffer *program, size_t *offset)
{
	tok_node *root = tok_regex_parse(context, pattern);
	/* What \G makes of a place is another thing in each search. */
	compiler c = {
		.context = context,
		.pattern = pattern,
		.forgetful = mentions_search_start(pattern),
	};
	regex_header header = {0};

	if (root == NULL)
		return false;
	c.instructions = buffer_create(context);
	c.sets = buffer_create(context);
	c.ranges = buffer_create(context);
	c.strings = buffer_create(context);
	count_classes(&c);
	if (tfm_failed(context) || !compile_node(&c, root) ||
		!emit(&c, (regex_instruction) {.operation = REGEX_MATCH}))
		return false;
	header.has_first = find_first(&c, &header, root);
	return !tfm_failed(context) && append_program(&c, &header, program, offset);
}
