/*
 * schema.c
 *	  From a JSON schema to a grammar: sets of schemas and their rules.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/schema.h"

#include <stdlib.h>
#include <string.h>

#include "generate/constraint.h"

#define RULES_MAX 10000
#define POINTER_MAX 4096

/* A set that was met. */
typedef struct schema_rule
{
	schema_item *items;
	size_t count;
	bool impossible;
	gen_expression rule;
} schema_rule_entry;

json
schema_member(json object, const char *key)
{
	json child = json_is_object(object) ? json_first(object) : (json) {.node = NULL};

	while (json_present(child) && strcmp(json_key(child), key) != 0)
		child = json_next(child);
	return child;
}

gen_expression
schema_fail(schema_compiler *s, tfm_error_kind kind, const char *keyword, const char *what)
{
	tfm_fail(s->context, kind, "%s: keyword \"%s\" %s", s->root.source, keyword, what);
	return 0;
}

/* ---- References ---- */

static int
hexadecimal(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One step of a JSON pointer, of its text up to the next slash, unescaped; returns what is left. */
static const char *
read_step(const char *at, char *step, size_t size)
{
	size_t length = 0;

	while (*at != '\0' && *at != '/')
	{
		char c = *at++;

		if (c == '%' && hexadecimal(at[0]) >= 0 && hexadecimal(at[1]) >= 0)
		{
			c = (char) (hexadecimal(at[0]) * 16 + hexadecimal(at[1]));
			at += 2;
		}
		if (c == '~' && (*at == '0' || *at == '1'))
			c = *at++ == '0' ? '~' : '/';
		if (length + 1 < size)
			step[length++] = c;
	}
	step[length] = '\0';
	return at;
}

static json
find_element(json array, const char *step)
{
	char *end;
	unsigned long number = strtoul(step, &end, 10);
	json child = json_first(array);

	if (*end != '\0' || end == step)
		return (json) {.node = NULL};
	while (json_present(child) && number-- > 0)
		child = json_next(child);
	return child;
}

json
schema_refer(schema_compiler *s, json reference)
{
	const char *at = json_as_string(reference);
	json found = s->root;
	char step[256];

	if (!json_is_string(reference) || strlen(at) > POINTER_MAX)
	{
		schema_fail(s, TFM_INVALID_ARGUMENT, "$ref", "is no text");
		return (json) {.node = NULL};
	}
	if (at[0] != '#' || (at[1] != '\0' && at[1] != '/'))
	{
		tfm_fail(s->context, TFM_UNSUPPORTED,
				 "%s: \"$ref\" to \"%.100s\" is not supported, as it is not within the schema",
				 s->root.source, at);
		return (json) {.node = NULL};
	}
	for (at++; *at == '/' && json_present(found);)
	{
		at = read_step(at + 1, step, sizeof(step));
		found = json_is_array(found) ? find_element(found, step) : schema_member(found, step);
	}
	if (!json_present(found))
		tfm_fail(s->context, TFM_INVALID_ARGUMENT, "%s: \"$ref\" to \"%.100s\" names nothing",
				 s->root.source, json_as_string(reference));
	return found;
}

/* ---- Sets ---- */

bool
schema_add(schema_compiler *s, schema_set *set, json schema, uint32_t flags)
{
	if (tfm_failed(s->context))
		return false;
	if (json_is_bool(schema))
	{
		set->impossible |= !json_as_bool(schema);
		return true;
	}
	if (!json_is_object(schema))
		return tfm_fail(s->context, TFM_INVALID_ARGUMENT,
						"%s: a schema is neither an object nor true or false", s->root.source);
	for (size_t i = 0; i < set->count; i++)
		if (set->items[i].schema.node == schema.node &&
			((set->items[i].flags ^ flags) & (SCHEMA_NEGATED | SCHEMA_NEGATED_PROPERTY)) == 0)
			return true;
	if (set->count == SCHEMA_ITEMS_MAX)
		return tfm_fail(s->context, TFM_LIMIT_EXCEEDED,
						"%s: more than %d schemas are to be satisfied together", s->root.source,
						SCHEMA_ITEMS_MAX);
	set->items[set->count++] = (schema_item) {schema, flags};
	return true;
}

static bool
is_negated(const schema_item *item)
{
	return (item->flags & (SCHEMA_NEGATED | SCHEMA_NEGATED_PROPERTY)) != 0;
}

static bool
add_all(schema_compiler *s, schema_set *set, json schemas, const char *keyword)
{
	if (!json_is_array(schemas))
		return schema_fail(s, TFM_INVALID_ARGUMENT, keyword, "is no array") != 0;
	for (json child = json_first(schemas); json_present(child); child = json_next(child))
		if (!schema_add(s, set, child, 0))
			return false;
	return true;
}

/* Schemas that hold if a property is there hold always: what is valid then is valid. */
static bool
add_dependent(schema_compiler *s, schema_set *set, json schemas)
{
	for (json child = json_first(schemas); json_present(child); child = json_next(child))
		if (!json_is_array(child) && !schema_add(s, set, child, 0))
			return false;
	return true;
}

static bool
flatten_item(schema_compiler *s, schema_set *set, size_t number)
{
	json schema = set->items[number].schema;
	json reference = schema_member(schema, "$ref"), all = schema_member(schema, "allOf");

	set->items[number].flags |= SCHEMA_DONE_REFERENCE | SCHEMA_DONE_ALL;
	return (!json_present(reference) || schema_add(s, set, schema_refer(s, reference), 0)) &&
		   (!json_present(all) || add_all(s, set, all, "allOf")) &&
		   add_dependent(s, set, schema_member(schema, "dependentSchemas")) &&
		   add_dependent(s, set, schema_member(schema, "dependencies"));
}

bool
schema_flatten(schema_compiler *s, schema_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		if (!is_negated(&set->items[i]) && (set->items[i].flags & SCHEMA_DONE_ALL) == 0 &&
			!flatten_item(s, set, i))
			return false;
	return !tfm_failed(s->context);
}

static bool
is_same(const schema_rule_entry *entry, const schema_set *set)
{
	if (entry->count != set->count || entry->impossible != set->impossible)
		return false;
	for (size_t i = 0; i < set->count; i++)
		if (entry->items[i].schema.node != set->items[i].schema.node ||
			entry->items[i].flags != set->items[i].flags)
			return false;
	return true;
}

gen_expression
schema_rule(schema_compiler *s, const schema_set *set)
{
	schema_rule_entry *entry;

	if (tfm_failed(s->context))
		return 0;
	for (size_t i = 0; i < s->rule_count; i++)
		if (is_same(&s->rules[i], set))
			return s->rules[i].rule;
	if (s->rule_count == RULES_MAX)
	{
		tfm_fail(s->context, TFM_LIMIT_EXCEEDED, "%s: the schema is too large", s->root.source);
		return 0;
	}
	entry = &s->rules[s->rule_count];
	entry->count = set->count;
	entry->impossible = set->impossible;
	entry->rule = gen_rule(s->g);
	entry->items = tfm_alloc_array(s->context, set->count, sizeof(schema_item));
	if (entry->rule == 0 || entry->items == NULL)
		return 0;
	memcpy(entry->items, set->items, set->count * sizeof(schema_item));
	s->rule_count++;
	return entry->rule;
}

/* ---- Alternatives ---- */

static uint32_t
set_types(schema_compiler *s, json schema)
{
	schema_set set = {.count = 0};
	uint32_t all = SCHEMA_ANY, types;

	if (!schema_count_check(s) || !schema_add(s, &set, schema, 0) || !schema_flatten(s, &set))
		return 0;
	for (size_t i = 0; i < set.count; i++)
	{
		json constant = schema_member(set.items[i].schema, "const");
		json values = schema_member(set.items[i].schema, "enum");

		if (!schema_types(s, set.items[i].schema, &types))
			return 0;
		all &= types;
		if (json_present(constant))
			all &= schema_type_of(constant);
		types = 0;
		for (json value = json_first(values); json_present(value); value = json_next(value))
			types |= schema_type_of(value);
		all &= json_is_array(values) ? types : SCHEMA_ANY;
	}
	return set.impossible ? 0 : all;
}

/* Whether none of the values that a schema lists satisfies another; false if it lists none. */
static bool
lists_others(schema_compiler *s, json schema, json other)
{
	json constant = schema_member(schema, "const"), values = schema_member(schema, "enum");
	bool holds = true;

	if (json_present(constant))
		return schema_holds(s, other, constant, 0, &holds) && !holds;
	if (!json_is_array(values))
		return false;
	for (json value = json_first(values); json_present(value); value = json_next(value))
		if (!schema_holds(s, other, value, 0, &holds) || holds)
			return false;
	return true;
}

/* The schema's own, of a reference what it names. */
static json
follow(schema_compiler *s, json schema)
{
	for (int i = 0; i < 20 && json_present(schema_member(schema, "$ref")); i++)
		schema = schema_refer(s, schema_member(schema, "$ref"));
	return schema;
}

static bool requires(json schema, const char *key)
{
	json names = schema_member(schema, "required");

	for (json name = json_first(names); json_present(name); name = json_next(name))
		if (strcmp(json_as_string(name), key) == 0)
			return true;
	return false;
}

/* Whether an object that has what one requires is none of the other. */
static bool
are_objects_apart(schema_compiler *s, json one, json other)
{
	json properties = schema_member(one, "properties"), closed;
	json others = schema_member(other, "properties");

	for (json child = json_first(properties); json_present(child); child = json_next(child))
	{
		json counterpart = schema_member(others, json_key(child));

		if (!requires(one, json_key(child)))
			continue;
		closed = schema_member(other, "additionalProperties");
		if (!json_present(counterpart) && json_is_bool(closed) && !json_as_bool(closed) &&
			!json_present(schema_member(other, "patternProperties")))
			return true;
		if (!json_present(counterpart))
			continue;
		if ((set_types(s, child) & set_types(s, counterpart)) == 0 ||
			lists_others(s, follow(s, child), counterpart) ||
			lists_others(s, follow(s, counterpart), child))
			return true;
	}
	return false;
}

/* Whether numbers of one are beyond those of the other. */
static bool
are_numbers_apart(json one, json other)
{
	json most = schema_member(one, "maximum"), least = schema_member(other, "minimum");
	json below = schema_member(one, "exclusiveMaximum");
	json above = schema_member(other, "exclusiveMinimum");

	if (json_is_number(most) && json_is_number(least) &&
		json_as_number(most) < json_as_number(least))
		return true;
	if (json_is_number(below) && json_is_number(least) &&
		json_as_number(below) <= json_as_number(least))
		return true;
	return json_is_number(most) && json_is_number(above) &&
		   json_as_number(most) <= json_as_number(above);
}

static bool
are_apart(schema_compiler *s, json one, json other)
{
	uint32_t common = set_types(s, one) & set_types(s, other);

	one = follow(s, one);
	other = follow(s, other);
	if (common == 0 || lists_others(s, one, other) || lists_others(s, other, one))
		return true;
	if ((common & ~SCHEMA_NUMBER) == 0)
		return are_numbers_apart(one, other) || are_numbers_apart(other, one);
	return common == SCHEMA_OBJECT &&
		   (are_objects_apart(s, one, other) || are_objects_apart(s, other, one));
}

/* oneOf: at most one may hold, which must be known beforehand. */
static bool
check_apart(schema_compiler *s, json schemas)
{
	for (json one = json_first(schemas); json_present(one); one = json_next(one))
		for (json other = json_next(one); json_present(other); other = json_next(other))
		{
			if (are_apart(s, one, other))
				continue;
			return !tfm_failed(s->context) &&
				   schema_fail(s, TFM_UNSUPPORTED, "oneOf",
							   "has alternatives that may hold together, which is not supported") !=
					   0;
		}
	return true;
}

static gen_expression
compile_alternatives(schema_compiler *s, const schema_set *set, size_t number, const char *keyword,
					 uint32_t done)
{
	json schemas = schema_member(set->items[number].schema, keyword);
	gen_list list = {0};

	if (!json_is_array(schemas))
		return schema_fail(s, TFM_INVALID_ARGUMENT, keyword, "is no array");
	if (done == SCHEMA_DONE_ONE && !check_apart(s, schemas))
		return 0;
	for (json child = json_first(schemas); json_present(child); child = json_next(child))
	{
		schema_set with = *set;

		with.items[number].flags |= done;
		if (!schema_add(s, &with, child, 0) || !gen_list_add(s->g, &list, schema_rule(s, &with)))
			return 0;
	}
	return gen_either(s->g, list.items, list.count);
}

/* if: what satisfies it and then, or, where it speaks of one property alone, else and not that. */
static gen_expression
compile_condition(schema_compiler *s, const schema_set *set, size_t number)
{
	json schema = set->items[number].schema;
	json condition = schema_member(schema, "if"), otherwise = schema_member(schema, "else");
	json then = schema_member(schema, "then");
	json properties = schema_member(condition, "properties");
	schema_set yes = *set, no = *set;
	bool simple = json_size(properties) == 1;

	for (json child = json_first(condition); json_present(child); child = json_next(child))
		simple &=
			strcmp(json_key(child), "properties") == 0 || strcmp(json_key(child), "required") == 0;
	yes.items[number].flags |= SCHEMA_DONE_IF;
	no.items[number].flags |= SCHEMA_DONE_IF;
	if (!schema_add(s, &yes, condition, 0) ||
		(json_present(then) && !schema_add(s, &yes, then, 0)) ||
		(simple && !schema_add(s, &no, condition, SCHEMA_NEGATED_PROPERTY)) ||
		(!simple && json_present(then) && !schema_add(s, &no, then, 0)) ||
		(json_present(otherwise) && !schema_add(s, &no, otherwise, 0)))
		return 0;
	return gen_one_of(s->g, schema_rule(s, &yes), schema_rule(s, &no));
}

/* ---- Types ---- */

static const struct
{
	const char *name;
	uint32_t types;
} type_names[] = {
	{"null", SCHEMA_NULL},	   {"boolean", SCHEMA_BOOLEAN}, {"object", SCHEMA_OBJECT},
	{"array", SCHEMA_ARRAY},   {"string", SCHEMA_STRING},	{"integer", SCHEMA_INTEGER},
	{"number", SCHEMA_NUMBER}, {"any", SCHEMA_ANY},
};

static bool
add_type(schema_compiler *s, json name, uint32_t *types)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(type_names[0]); i++)
		if (strcmp(json_as_string(name), type_names[i].name) == 0)
		{
			*types |= type_names[i].types;
			return true;
		}
	return tfm_fail(s->context, TFM_INVALID_ARGUMENT, "%s: type \"%.100s\" is unknown",
					s->root.source, json_as_string(name));
}

bool
schema_types(schema_compiler *s, json schema, uint32_t *types)
{
	json type = schema_member(schema, "type");

	*types = 0;
	if (!json_present(type))
	{
		*types = SCHEMA_ANY;
		return true;
	}
	if (!json_is_array(type))
		return add_type(s, type, types);
	for (json name = json_first(type); json_present(name); name = json_next(name))
		if (!add_type(s, name, types))
			return false;
	return true;
}

/* Where no schema of the set has a type: that of which its keywords speak. */
static uint32_t
guess_types(const schema_set *set)
{
	static const struct
	{
		const char *keyword;
		uint32_t types;
	} speaks_of[] = {
		{"properties", SCHEMA_OBJECT},
		{"required", SCHEMA_OBJECT},
		{"additionalProperties", SCHEMA_OBJECT},
		{"patternProperties", SCHEMA_OBJECT},
		{"minProperties", SCHEMA_OBJECT},
		{"maxProperties", SCHEMA_OBJECT},
		{"items", SCHEMA_ARRAY},
		{"prefixItems", SCHEMA_ARRAY},
		{"minItems", SCHEMA_ARRAY},
		{"maxItems", SCHEMA_ARRAY},
		{"minLength", SCHEMA_STRING},
		{"maxLength", SCHEMA_STRING},
		{"pattern", SCHEMA_STRING},
		{"format", SCHEMA_STRING},
		{"minimum", SCHEMA_NUMBER},
		{"maximum", SCHEMA_NUMBER},
		{"exclusiveMinimum", SCHEMA_NUMBER},
		{"exclusiveMaximum", SCHEMA_NUMBER},
		{"multipleOf", SCHEMA_NUMBER},
	};
	uint32_t types = 0;

	for (size_t i = 0; i < set->count; i++)
	{
		if (is_negated(&set->items[i]))
			continue;
		if (json_present(schema_member(set->items[i].schema, "type")))
			return SCHEMA_ANY;
		for (size_t k = 0; k < sizeof(speaks_of) / sizeof(speaks_of[0]); k++)
			if (json_present(schema_member(set->items[i].schema, speaks_of[k].keyword)))
				types |= speaks_of[k].types;
	}
	return types == 0 ? SCHEMA_ANY : types;
}

/* A negated schema that speaks of types alone takes them away. */
static bool
take_types_away(schema_compiler *s, json schema, uint32_t *types)
{
	uint32_t others;

	if (json_size(schema) == 0)
		*types = 0;
	else if (json_size(schema) == 1 && json_present(schema_member(schema, "type")))
	{
		if (!schema_types(s, schema, &others))
			return false;
		*types &= ~others;
	}
	else if ((set_types(s, schema) & *types) != 0)
		return schema_fail(s, TFM_UNSUPPORTED, "not", "is not supported here") != 0;
	return !tfm_failed(s->context);
}

static bool
find_types(schema_compiler *s, const schema_set *set, uint32_t *types)
{
	uint32_t own;

	*types = guess_types(set);
	for (size_t i = 0; i < set->count; i++)
	{
		const schema_item *item = &set->items[i];
		json negated = schema_member(item->schema, "not");

		if ((item->flags & SCHEMA_NEGATED_PROPERTY) != 0)
			continue;
		if ((item->flags & SCHEMA_NEGATED) != 0)
		{
			if (!take_types_away(s, item->schema, types))
				return false;
			continue;
		}
		if (!schema_types(s, item->schema, &own))
			return false;
		*types &= own;
		if (json_is_bool(negated))
			*types = json_as_bool(negated) ? 0 : *types;
		else if (json_present(negated) && !take_types_away(s, negated, types))
			return false;
	}
	return true;
}

static gen_expression
compile_types(schema_compiler *s, const schema_set *set)
{
	gen_list list = {0};
	uint32_t types;

	if (!find_types(s, set, &types))
		return 0;
	if ((types & SCHEMA_OBJECT) != 0)
		gen_list_add(s->g, &list, schema_object(s, set));
	if ((types & SCHEMA_ARRAY) != 0)
		gen_list_add(s->g, &list, schema_array(s, set));
	if ((types & SCHEMA_STRING) != 0)
		gen_list_add(s->g, &list, schema_string(s, set));
	if ((types & SCHEMA_NUMBER) != 0)
		gen_list_add(s->g, &list, schema_number(s, set, types));
	if ((types & SCHEMA_BOOLEAN) != 0)
		gen_list_add(s->g, &list,
					 gen_one_of(s->g, gen_string(s->g, "true"), gen_string(s->g, "false")));
	if ((types & SCHEMA_NULL) != 0)
		gen_list_add(s->g, &list, gen_string(s->g, "null"));
	return tfm_failed(s->context) ? 0 : gen_either(s->g, list.items, list.count);
}

static gen_expression
compile_set(schema_compiler *s, schema_set *set)
{
	gen_list values = {0};
	bool found;

	if (!schema_flatten(s, set))
		return 0;
	if (set->impossible)
		return gen_either(s->g, NULL, 0);
	for (size_t i = 0; i < set->count; i++)
	{
		const schema_item *item = &set->items[i];

		if (is_negated(item))
			continue;
		if ((item->flags & SCHEMA_DONE_ANY) == 0 &&
			json_present(schema_member(item->schema, "anyOf")))
			return compile_alternatives(s, set, i, "anyOf", SCHEMA_DONE_ANY);
		if ((item->flags & SCHEMA_DONE_ONE) == 0 &&
			json_present(schema_member(item->schema, "oneOf")))
			return compile_alternatives(s, set, i, "oneOf", SCHEMA_DONE_ONE);
		if ((item->flags & SCHEMA_DONE_IF) == 0 && json_present(schema_member(item->schema, "if")))
			return compile_condition(s, set, i);
	}
	if (!schema_enumerate(s, set, &values, &found))
		return 0;
	return found ? gen_either(s->g, values.items, values.count) : compile_types(s, set);
}

bool
schema_enumerate(schema_compiler *s, const schema_set *set, gen_list *values, bool *found)
{
	json listed = {.node = NULL}, constant = {.node = NULL};
	bool holds;

	for (size_t i = 0; i < set->count; i++)
	{
		json own = schema_member(set->items[i].schema, "const");

		if (is_negated(&set->items[i]))
			continue;
		constant = json_present(own) ? own : constant;
		own = schema_member(set->items[i].schema, "enum");
		if (json_present(own) && !json_is_array(own))
			return schema_fail(s, TFM_INVALID_ARGUMENT, "enum", "is no array") != 0;
		listed = json_present(own) ? own : listed;
	}
	*found = json_present(constant) || json_present(listed);
	for (json value = json_present(constant) ? constant : json_first(listed); json_present(value);
		 value = json_present(constant) ? (json) {.node = NULL} : json_next(value))
	{
		buffer *text = buffer_create(s->context);

		holds = true;
		for (size_t i = 0; holds && i < set->count; i++)
		{
			if ((set->items[i].flags & SCHEMA_NEGATED_PROPERTY) != 0)
				continue;
			if (!schema_holds(s, set->items[i].schema, value, 0, &holds))
				return false;
			holds = holds == ((set->items[i].flags & SCHEMA_NEGATED) == 0);
		}
		if (holds && (text == NULL || !json_append(s->context, text, value) ||
					  !gen_list_add(s->g, values, gen_literal(s->g, text->data, text->length))))
			return false;
	}
	return !tfm_failed(s->context);
}

/* ---- Counts ---- */

static bool
read_count(schema_compiler *s, json schema, const char *keyword, uint32_t *count, bool *found)
{
	json value = schema_member(schema, keyword);
	int64_t number;

	*found = json_present(value);
	if (!*found)
		return true;
	if (!json_to_int(value, 0, INT64_MAX, &number))
		return schema_fail(s, TFM_INVALID_ARGUMENT, keyword, "is no count") != 0;
	*count = number > GEN_REPEAT_MAX ? GEN_REPEAT_MAX : (uint32_t) number;
	return true;
}

bool
schema_least(schema_compiler *s, const schema_set *set, const char *keyword, uint32_t *least)
{
	for (size_t i = 0; i < set->count; i++)
	{
		uint32_t count = 0;
		bool found;

		if (is_negated(&set->items[i]))
			continue;
		if (!read_count(s, set->items[i].schema, keyword, &count, &found))
			return false;
		if (found && count == GEN_REPEAT_MAX)
			return schema_fail(s, TFM_LIMIT_EXCEEDED, keyword, "is too large") != 0;
		*least = found && count > *least ? count : *least;
	}
	return true;
}

bool
schema_most(schema_compiler *s, const schema_set *set, const char *keyword, uint32_t *most)
{
	for (size_t i = 0; i < set->count; i++)
	{
		uint32_t count = 0;
		bool found;

		if (is_negated(&set->items[i]))
			continue;
		if (!read_count(s, set->items[i].schema, keyword, &count, &found))
			return false;
		*most = found && count < *most ? count : *most;
	}
	return true;
}

/* ---- The whole ---- */

/* Nothing, a space, or an end of line with what the next is indented by. */
static gen_expression
make_space(gen_grammar *g)
{
	tok_set blank = {0};

	if (!tok_set_add(g->context, &blank, ' ', ' ') || !tok_set_add(g->context, &blank, '\t', '\t'))
		return 0;
	return gen_one_of(g, gen_string(g, ""), gen_string(g, " "),
					  gen_all_of(g, gen_string(g, "\n"), gen_characters(g, &blank, 0, 20, 0)));
}

gen_constraint *
gen_constrain_schema(tfm_context *context, json schema)
{
	schema_compiler s = {
		.context = context,
		.g = gen_grammar_create(context),
		.root = schema,
		.rules = tfm_alloc_array(context, RULES_MAX, sizeof(schema_rule_entry)),
	};
	schema_set set = {.count = 0};
	gen_expression root;

	if (tfm_failed(context))
		return NULL;
	s.space = make_space(s.g);
	s.colon = gen_one_of(s.g, gen_string(s.g, ":"), gen_string(s.g, ": "));
	s.escape = schema_escape(&s);
	root = schema_add(&s, &set, schema, 0) ? schema_rule(&s, &set) : 0;
	for (size_t i = 0; i < s.rule_count && !tfm_stopped(context); i++)
	{
		set.count = s.rules[i].count;
		set.impossible = s.rules[i].impossible;
		memcpy(set.items, s.rules[i].items, set.count * sizeof(schema_item));
		gen_define(s.g, s.rules[i].rule, compile_set(&s, &set));
	}
	return tfm_failed(context) ? NULL : gen_constraint_finish(s.g, root, NULL, NULL);
}
