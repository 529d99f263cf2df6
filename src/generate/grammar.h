/*
 * grammar.h
 *	  What all constraints become: a grammar over bytes, as a tree of expressions.
 *
 * An expression is a number, and may stand in several others.  0 is none: an error is recorded, and
 * whatever is made of it is 0, too.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_GRAMMAR_H
#define TFM_GENERATE_GRAMMAR_H

#include "base/buffer.h"
#include "text/regex_set.h"

typedef uint32_t gen_expression;

#define GEN_UNBOUNDED UINT32_MAX
#define GEN_REPEAT_MAX 1000000	   /* bounds of a repetition */
#define GEN_EXPRESSIONS_MAX 500000 /* of a grammar */

typedef enum gen_kind
{
	GEN_LITERAL,	/* bytes */
	GEN_CHARACTERS, /* minimum to maximum of: a character of a set, or what other (if not 0) matches */
	GEN_SEQUENCE, /* parts one after the other */
	GEN_EITHER,	  /* one of the parts */
	GEN_REPEAT,	  /* minimum to maximum times the part */
	GEN_RULE	  /* its part, which may be made after it, and may hold it */
} gen_kind;

typedef struct gen_node
{
	uint8_t kind;
	bool nullable;	   /* may match nothing; see gen_grammar_check */
	bool productive;   /* matches some text */
	uint32_t shortest; /* bytes of the shortest text; GEN_UNBOUNDED: none */
	uint32_t first;	   /* of its bytes, of its parts; the number of its set */
	uint32_t count;	   /* of its bytes, of its parts */
	uint32_t minimum, maximum;
	gen_expression other;
} gen_node;

typedef struct gen_grammar
{
	tfm_context *context;
	gen_node *nodes; /* the first is none */
	uint32_t count, capacity;
	gen_expression *parts;
	uint32_t part_count, part_capacity;
	tok_set *sets; /* sorted, without surrogates, each once */
	uint32_t set_count, set_capacity;
	buffer *bytes;
	gen_expression root;
} gen_grammar;

/* An empty grammar in the context's arena; NULL if memory is out. */
extern gen_grammar *gen_grammar_create(tfm_context *context);

/*
 * The expressions; what they are given is copied.  No parts in a sequence match the empty text, none in
 * an either match nothing at all.  A maximum is GEN_UNBOUNDED or at least the minimum.
 */
extern gen_expression gen_literal(gen_grammar *g, const char *bytes, size_t length);
extern gen_expression gen_string(gen_grammar *g, const char *string);
extern gen_expression gen_characters(gen_grammar *g, const tok_set *set, uint32_t minimum,
									 uint32_t maximum, gen_expression other);
extern gen_expression gen_sequence(gen_grammar *g, const gen_expression *parts, size_t count);
extern gen_expression gen_either(gen_grammar *g, const gen_expression *parts, size_t count);
extern gen_expression gen_repeat(gen_grammar *g, gen_expression part, uint32_t minimum,
								 uint32_t maximum);
extern gen_expression gen_rule(gen_grammar *g);
extern bool gen_define(gen_grammar *g, gen_expression rule, gen_expression part);

#define GEN_ARRAY(...)                                                                             \
	((gen_expression[]) {__VA_ARGS__}), (sizeof((gen_expression[]) {__VA_ARGS__}) / 4)
#define gen_all_of(g, ...) gen_sequence(g, GEN_ARRAY(__VA_ARGS__))
#define gen_one_of(g, ...) gen_either(g, GEN_ARRAY(__VA_ARGS__))

/* One of some texts, which are sorted here; what they begin with is shared. */
extern gen_expression gen_choice(gen_grammar *g, tfm_text *texts, size_t count);

/* A growing list of expressions, in the context's arena; start with {0}. */
typedef struct gen_list
{
	gen_expression *items;
	size_t count, capacity;
} gen_list;

extern bool gen_list_add(gen_grammar *g, gen_list *list, gen_expression item);

/* Bytes that an expression needs at least when it has come to count; a character has begun with so many left. */
extern uint32_t gen_shortest_rest(const gen_grammar *g, gen_expression expression, uint32_t count,
								  int left);

/* a + b, and a times b, at most GEN_UNBOUNDED. */
static inline uint32_t
gen_add(uint32_t a, uint32_t b)
{
	return (uint64_t) a + b >= GEN_UNBOUNDED ? GEN_UNBOUNDED : a + b;
}

static inline uint32_t
gen_times(uint32_t a, uint32_t b)
{
	return (uint64_t) a * b >= GEN_UNBOUNDED ? GEN_UNBOUNDED : a * b;
}

/*
 * Find out what may be empty and what matches anything, and whether some rule may begin with itself.
 * *culprit is the rule that does, 0 if there is none.  False on an error (cancelled, out of memory).
 */
extern bool gen_grammar_check(gen_grammar *g, gen_expression root, gen_expression *culprit);

/*
 * constraint.c: the constraint of a grammar that is complete; NULL with an error.  name (which may be NULL)
 * says how a rule is called, for messages.
 */
struct gen_constraint;
extern struct gen_constraint *
gen_constraint_finish(gen_grammar *g, gen_expression root,
					  const char *(*name)(void *argument, gen_expression rule), void *argument);

/* matcher.c: of a grammar that was checked. */
extern struct gen_constraint *gen_constraint_create(tfm_context *context, gen_grammar *grammar);

#endif
