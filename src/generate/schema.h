/*
 * schema.h
 *	  JSON schemas as grammars: what its parts share.
 *
 * What a value must satisfy is a set of schemas: $ref and allOf add to it, anyOf and oneOf are
 * alternatives of what is added, and a keyword means what it says in all schemas of the set together.
 * Each set that is met becomes one rule, so that schemas may refer to themselves.
 *
 *	schema.c			sets, references, alternatives, types
 *	schema_object.c		objects and arrays
 *	schema_number.c		numbers within bounds
 *	schema_string.c		strings
 *	schema_check.c		whether a value satisfies a schema
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_SCHEMA_H
#define TFM_GENERATE_SCHEMA_H

#include "base/json.h"
#include "generate/grammar.h"

#define SCHEMA_ITEMS_MAX 48
#define SCHEMA_CHECKS_MAX 200000

/* What of a schema counts no more, as it has been put into the set otherwise. */
#define SCHEMA_DONE_REFERENCE 1u
#define SCHEMA_DONE_ALL 2u
#define SCHEMA_DONE_ANY 4u
#define SCHEMA_DONE_ONE 8u
#define SCHEMA_DONE_IF 16u
/* The value must not satisfy it; or one property, of which it says something, must not. */
#define SCHEMA_NEGATED 32u
#define SCHEMA_NEGATED_PROPERTY 64u

typedef struct schema_item
{
	json schema; /* an object */
	uint32_t flags;
} schema_item;

typedef struct schema_set
{
	schema_item items[SCHEMA_ITEMS_MAX];
	size_t count;
	bool impossible; /* false is among them */
} schema_set;

typedef struct schema_compiler
{
	tfm_context *context;
	gen_grammar *g;
	json root;
	struct schema_rule *rules;
	size_t rule_count, rule_capacity;
	gen_expression space; /* after what begins or separates */
	gen_expression colon;
	gen_expression escape; /* of a string */
	uint32_t checks;	   /* of values and schemas against schemas so far */
} schema_compiler;

/* Types of values. */
#define SCHEMA_NULL 1u
#define SCHEMA_BOOLEAN 2u
#define SCHEMA_OBJECT 4u
#define SCHEMA_ARRAY 8u
#define SCHEMA_STRING 16u
#define SCHEMA_INTEGER 32u
#define SCHEMA_FRACTION 64u /* a number that is no integer */
#define SCHEMA_NUMBER (SCHEMA_INTEGER | SCHEMA_FRACTION)
#define SCHEMA_ANY 127u

/* The member of an object, JSON's null as well; absent if there is none. */
extern json schema_member(json object, const char *key);

/* Record an error about a keyword; 0. */
extern gen_expression schema_fail(schema_compiler *s, tfm_error_kind kind, const char *keyword,
								  const char *what);

/* Add a schema, which may be true or false, to a set; false with an error. */
extern bool schema_add(schema_compiler *s, schema_set *set, json schema, uint32_t flags);

/* Put what references and allOf name into the set. */
extern bool schema_flatten(schema_compiler *s, schema_set *set);

/* The rule of a set. */
extern gen_expression schema_rule(schema_compiler *s, const schema_set *set);

/* Count something that is done for pairs of schemas; false where it is too much. */
extern bool schema_count_check(schema_compiler *s);

/* The schema that a reference names; absent with an error. */
extern json schema_refer(schema_compiler *s, json reference);

/* The type of a value, one bit. */
extern uint32_t schema_type_of(json value);

/* The types that a schema's "type" allows. */
extern bool schema_types(schema_compiler *s, json schema, uint32_t *types);

/*
 * The largest of a keyword that says the least count, the smallest of one that says the most; as
 * it was if no schema has it.
 */
extern bool schema_least(schema_compiler *s, const schema_set *set, const char *keyword,
						 uint32_t *least);
extern bool schema_most(schema_compiler *s, const schema_set *set, const char *keyword,
						uint32_t *most);

/*
 * The values of an enumeration that satisfy the set, which is flat and without alternatives; *found is
 * whether there is one.  Alternatives of an array or object that are written without spaces.
 */
extern bool schema_enumerate(schema_compiler *s, const schema_set *set, gen_list *values,
							 bool *found);

/* Expressions of values of one type. */
extern gen_expression schema_object(schema_compiler *s, const schema_set *set);
extern gen_expression schema_array(schema_compiler *s, const schema_set *set);
extern gen_expression schema_string(schema_compiler *s, const schema_set *set);
extern gen_expression schema_number(schema_compiler *s, const schema_set *set, uint32_t types);

/* A key with its colon: a JSON string of a text; and one of characters, but for those of some keys. */
extern gen_expression schema_key(schema_compiler *s, const char *key);
extern gen_expression schema_free_key(schema_compiler *s, tfm_text *taken, size_t count);

/* What may follow a backslash, with it: no NUL, no half of a pair. */
extern gen_expression schema_escape(schema_compiler *s);

/* A string whose inside matches a pattern. */
extern gen_expression schema_pattern(schema_compiler *s, tfm_text pattern, uint32_t least,
									 uint32_t most);

/* The pattern of a format; NULL if it says nothing, or with an error. */
extern const char *schema_format(schema_compiler *s, json format);

/* Whether a value satisfies a schema; whether a pattern is found in a text. */
extern bool schema_holds(schema_compiler *s, json schema, json value, int depth, bool *holds);
extern bool schema_finds(schema_compiler *s, json pattern, const char *text, bool *found);
extern bool schema_has_format(schema_compiler *s, json format, const char *text, bool *has);
extern bool schema_equal(json one, json other);

#endif
