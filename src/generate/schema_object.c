/*
 * schema_object.c
 *	  Objects and arrays.
 *
 * Properties come in the schema's order, those that are not required or not; where their number counts, an
 * expression is made for each number of properties that came before.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/schema.h"

#include <string.h>

#define PROPERTIES_MAX 2000
#define GRID_MAX 200000 /* expressions for properties and how many came before */

/* A name that an object may have. */
typedef struct property
{
	const char *name;
	gen_expression value; /* with its key; 0: it may not be there */
	bool required;
} property;

typedef struct object
{
	schema_compiler *s;
	const schema_set *set;
	property *properties;
	size_t count;
	uint32_t least, most;
	gen_expression extra; /* a further property; 0: there are none */
	gen_expression comma;
} object;

static bool
is_negated(const schema_item *item)
{
	return (item->flags & (SCHEMA_NEGATED | SCHEMA_NEGATED_PROPERTY)) != 0;
}

static property *
find_property(object *o, const char *name)
{
	for (size_t i = 0; i < o->count; i++)
		if (strcmp(o->properties[i].name, name) == 0)
			return &o->properties[i];
	if (o->count == PROPERTIES_MAX)
	{
		tfm_fail(o->s->context, TFM_LIMIT_EXCEEDED, "%s: an object has more than %d properties",
				 o->s->root.source, PROPERTIES_MAX);
		return NULL;
	}
	o->properties[o->count] = (property) {.name = name};
	return &o->properties[o->count++];
}

static bool
require_all(object *o, json names)
{
	for (json name = json_first(names); json_present(name); name = json_next(name))
	{
		property *p = json_is_string(name) ? find_property(o, json_as_string(name)) : NULL;

		if (p == NULL)
			return schema_fail(o->s, TFM_INVALID_ARGUMENT, "required", "is no list of names") != 0;
		p->required = true;
	}
	return true;
}

/* What is required if another is there is required always: what is valid then is valid. */
static bool
require_dependent(object *o, json lists)
{
	for (json names = json_first(lists); json_present(names); names = json_next(names))
		if (json_is_array(names) && !require_all(o, names))
			return false;
	return true;
}

/* The names that the schemas speak of, those with a schema first, in their order. */
static bool
list_names(object *o)
{
	for (size_t i = 0; i < o->set->count; i++)
	{
		const schema_item *item = &o->set->items[i];
		json properties = schema_member(item->schema, "properties");

		if ((item->flags & SCHEMA_NEGATED) != 0)
			continue;
		if (json_present(properties) && !json_is_object(properties))
			return schema_fail(o->s, TFM_INVALID_ARGUMENT, "properties", "is no object") != 0;
		for (json child = json_first(properties); json_present(child); child = json_next(child))
		{
			property *p = find_property(o, json_key(child));

			if (p == NULL)
				return false;
			p->required |= (item->flags & SCHEMA_NEGATED_PROPERTY) != 0;
		}
	}
	for (size_t i = 0; i < o->set->count; i++)
	{
		json schema = o->set->items[i].schema;

		if (is_negated(&o->set->items[i]))
			continue;
		if (!require_all(o, schema_member(schema, "required")) ||
			!require_dependent(o, schema_member(schema, "dependentRequired")) ||
			!require_dependent(o, schema_member(schema, "dependencies")))
			return false;
	}
	return true;
}

static bool
is_false(json schema)
{
	return json_is_bool(schema) && !json_as_bool(schema);
}

/* What one schema says of a property of some name. */
static bool
add_said(object *o, schema_set *set, const schema_item *item, const char *name)
{
	json own = schema_member(schema_member(item->schema, "properties"), name);
	json patterns = schema_member(item->schema, "patternProperties");
	json rest = schema_member(item->schema, "additionalProperties");
	bool said = json_present(own), found;

	if (is_negated(item))
		return (item->flags & SCHEMA_NEGATED_PROPERTY) == 0 || !said ||
			   schema_add(o->s, set, own, SCHEMA_NEGATED);
	if (said && !schema_add(o->s, set, own, 0))
		return false;
	for (json child = json_first(patterns); json_present(child); child = json_next(child))
	{
		if (!schema_finds(o->s, child, name, &found) || (found && !schema_add(o->s, set, child, 0)))
			return false;
		said |= found;
	}
	return said || !json_present(rest) || schema_add(o->s, set, rest, 0);
}

static bool
compile_property(object *o, property *p)
{
	schema_set set = {.count = 0};
	schema_compiler *s = o->s;

	for (size_t i = 0; i < o->set->count; i++)
		if (!add_said(o, &set, &o->set->items[i], p->name))
			return false;
	p->value = set.impossible ? gen_either(s->g, NULL, 0)
							  : gen_all_of(s->g, schema_key(s, p->name), schema_rule(s, &set));
	return p->value != 0;
}

/* ---- Further properties ---- */

/* The literal that texts of a pattern begin with, as far as it is easily seen. */
static size_t
fixed_beginning(const char *pattern)
{
	size_t length = 0;

	if (pattern[0] != '^' || strchr(pattern, '|') != NULL)
		return 0;
	while (pattern[1 + length] != '\0' && strchr("\\.[](){}*+?|^$", pattern[1 + length]) == NULL)
		length++;
	if (length > 0 && pattern[1 + length] != '\0' && strchr("*?{", pattern[1 + length]) != NULL)
		length--;
	return length;
}

static bool
begin_differently(const char *one, const char *other)
{
	size_t a = fixed_beginning(one), b = fixed_beginning(other);

	return strncmp(one + 1, other + 1, a < b ? a : b) != 0;
}

/* A property whose name matches a pattern: with that of all others that may match it, too. */
static gen_expression
compile_pattern(object *o, const schema_item *from, json pattern)
{
	const char *text = json_key(pattern);
	json others = schema_member(from->schema, "patternProperties"), rest;
	schema_set set = {.count = 0};

	for (json other = json_first(others); json_present(other); other = json_next(other))
		if ((other.node == pattern.node || !begin_differently(text, json_key(other))) &&
			!schema_add(o->s, &set, other, 0))
			return 0;
	for (size_t i = 0; i < o->set->count; i++)
	{
		rest = schema_member(o->set->items[i].schema, "additionalProperties");
		if (&o->set->items[i] != from && json_present(rest) && !schema_add(o->s, &set, rest, 0))
			return 0;
	}
	return gen_all_of(o->s->g,
					  schema_pattern(o->s, (tfm_text) {text, strlen(text)}, 0, GEN_UNBOUNDED),
					  o->s->colon, schema_rule(o->s, &set));
}

/* Those of patternProperties; none if a name that is listed matches one, as it might come twice. */
static bool
compile_patterns(object *o, const schema_item *item)
{
	json patterns = schema_member(item->schema, "patternProperties");
	gen_list list = {0};
	bool found;

	for (json child = json_first(patterns); json_present(child); child = json_next(child))
	{
		bool taken = false;

		for (size_t i = 0; i < o->count; i++)
		{
			if (!schema_finds(o->s, child, o->properties[i].name, &found))
				return false;
			taken |= found;
		}
		if (!taken && !gen_list_add(o->s->g, &list, compile_pattern(o, item, child)))
			return false;
	}
	o->extra = list.count == 0 ? 0 : gen_either(o->s->g, list.items, list.count);
	return list.count == 0 || o->extra != 0;
}

/* Names that are not listed, if the schemas ask for them, or list none. */
static bool
compile_additional(object *o, bool asked, const schema_set *values)
{
	schema_compiler *s = o->s;
	tfm_text *taken = tfm_alloc_array(s->context, o->count, sizeof(tfm_text));

	if (taken == NULL)
		return false;
	if ((!asked && o->count > 0) || values->impossible)
		return true;
	for (size_t i = 0; i < o->count; i++)
		taken[i] = (tfm_text) {o->properties[i].name, strlen(o->properties[i].name)};
	o->extra = gen_all_of(s->g, schema_free_key(s, taken, o->count), schema_rule(s, values));
	return o->extra != 0;
}

static bool
compile_extra(object *o)
{
	const schema_item *patterned = NULL;
	schema_set values = {.count = 0};
	bool asked = false;
	size_t patterns = 0;

	for (size_t i = 0; i < o->set->count; i++)
	{
		const schema_item *item = &o->set->items[i];
		json rest = schema_member(item->schema, "additionalProperties");
		json unevaluated = schema_member(item->schema, "unevaluatedProperties");

		if (is_negated(item))
			continue;
		if (json_present(schema_member(item->schema, "propertyNames")))
			return schema_fail(o->s, TFM_UNSUPPORTED, "propertyNames", "is not supported") != 0;
		if (json_size(schema_member(item->schema, "patternProperties")) > 0)
		{
			patterned = item;
			patterns++;
			continue;
		}
		if (json_present(unevaluated) && !json_present(rest))
			rest = unevaluated;
		asked |= json_present(rest) && !is_false(rest);
		if (json_present(rest) && !schema_add(o->s, &values, rest, 0))
			return false;
	}
	if (patterned != NULL)
		return patterns > 1 || values.impossible || compile_patterns(o, patterned);
	return compile_additional(o, asked, &values);
}

/* ---- The object ---- */

/* Further properties after so many. */
static gen_expression
end_properties(const object *o, uint32_t before)
{
	gen_grammar *g = o->s->g;
	uint32_t least = o->least > before ? o->least - before : 0;
	uint32_t most = o->most == GEN_UNBOUNDED ? GEN_UNBOUNDED : o->most - before;
	gen_expression more;

	if (o->extra == 0 || most == 0)
		return least == 0 ? gen_string(g, "") : gen_either(g, NULL, 0);
	if (before > 0)
		return gen_repeat(g, gen_all_of(g, o->comma, o->extra), least, most);
	more = gen_all_of(g, o->extra,
					  gen_repeat(g, gen_all_of(g, o->comma, o->extra), least > 0 ? least - 1 : 0,
								 most == GEN_UNBOUNDED ? most : most - 1));
	return least > 0 ? more : gen_one_of(g, gen_string(g, ""), more);
}

/* The properties from one on after so many; next has what comes after it by how many came before. */
static gen_expression
go_on(const object *o, const property *p, uint32_t before, uint32_t cap, const gen_expression *next)
{
	gen_grammar *g = o->s->g;
	uint32_t after = before < cap ? before + 1 : before;
	gen_expression with;

	if (before >= o->most)
		return p->required ? gen_either(g, NULL, 0) : next[before];
	with = before == 0 ? gen_all_of(g, p->value, next[after])
					   : gen_all_of(g, o->comma, p->value, next[after]);
	return p->required ? with : gen_one_of(g, with, next[before]);
}

/* Bounds of the number of properties that say nothing are left out. */
static void
forget_bounds(object *o)
{
	uint32_t required = 0;

	for (size_t i = 0; i < o->count; i++)
		required += o->properties[i].required;
	if (o->least <= required)
		o->least = 0;
	if (o->extra == 0 && o->most >= o->count)
		o->most = GEN_UNBOUNDED;
}

static gen_expression
lay_out(object *o)
{
	gen_grammar *g = o->s->g;
	uint32_t cap;
	gen_expression *next;

	forget_bounds(o);
	cap = o->most != GEN_UNBOUNDED && o->most > o->least ? o->most : o->least;
	cap = cap > o->count ? (uint32_t) o->count : cap;
	cap = cap < 1 ? 1 : cap;
	if ((uint64_t) cap * (o->count + 1) > GRID_MAX)
		return schema_fail(o->s, TFM_LIMIT_EXCEEDED, "minProperties", "makes too many cases");
	next = tfm_alloc_array(o->s->context, (size_t) cap + 1, sizeof(gen_expression));
	if (next == NULL)
		return 0;
	for (uint32_t before = 0; before <= cap; before++)
		next[before] = before > o->most ? gen_either(g, NULL, 0) : end_properties(o, before);
	/* What comes after is read before it is replaced, as it has as many before it, or more. */
	for (size_t i = o->count; i-- > 0;)
		for (uint32_t before = 0; before <= cap; before++)
			next[before] = go_on(o, &o->properties[i], before, cap, next);
	return next[0];
}

gen_expression
schema_object(schema_compiler *s, const schema_set *set)
{
	gen_grammar *g = s->g;
	gen_expression empty, inside;
	object o = {
		.s = s,
		.set = set,
		.properties = tfm_alloc_array(s->context, PROPERTIES_MAX, sizeof(property)),
		.most = GEN_UNBOUNDED,
	};

	if (o.properties == NULL || !list_names(&o) ||
		!schema_least(s, set, "minProperties", &o.least) ||
		!schema_most(s, set, "maxProperties", &o.most))
		return 0;
	for (size_t i = 0; i < o.count; i++)
		if (!compile_property(&o, &o.properties[i]))
			return 0;
	o.comma = gen_all_of(g, gen_string(g, ","), s->space);
	if (!compile_extra(&o))
		return 0;
	inside = lay_out(&o);
	empty = gen_string(g, "{");
	return gen_all_of(g, empty, s->space, inside, s->space, gen_string(g, "}"));
}

/* ---- Arrays ---- */

typedef struct array
{
	schema_compiler *s;
	const schema_set *set;
	uint32_t least, most;
	size_t prefix;		 /* items that have schemas of their own */
	gen_expression rest; /* an item after these; 0: there is none */
	gen_expression comma;
} array;

/* The schemas of the first items; older drafts have them under "items". */
static json
find_prefix(json schema)
{
	json prefix = schema_member(schema, "prefixItems"), items = schema_member(schema, "items");

	return json_is_array(prefix) ? prefix : json_is_array(items) ? items : (json) {.node = NULL};
}

static json
find_rest(json schema)
{
	json items = schema_member(schema, "items");

	return json_is_array(items) ? schema_member(schema, "additionalItems") : items;
}

/* What the schemas say of an item; the number of the prefix says the rest. */
static bool
collect_item(const array *a, size_t number, schema_set *set, bool *said)
{
	*said = false;
	for (size_t i = 0; i < a->set->count; i++)
	{
		json schema = a->set->items[i].schema, own, rest = find_rest(schema);
		size_t at = 0;

		if (is_negated(&a->set->items[i]))
			continue;
		for (own = json_first(find_prefix(schema)); json_present(own) && at < number; at++)
			own = json_next(own);
		own = json_present(own) ? own : rest;
		*said |= json_present(own);
		if (json_present(own) && !schema_add(a->s, set, own, 0))
			return false;
	}
	return true;
}

static bool
is_unique(const schema_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		if (!is_negated(&set->items[i]) &&
			json_as_bool(schema_member(set->items[i].schema, "uniqueItems")))
			return true;
	return false;
}

/* Different items: those of an enumeration in its order, each once at most. */
static gen_expression
lay_out_unique(const array *a, const schema_set *item)
{
	schema_set flat = *item;
	gen_list values = {0};
	bool found;
	object o = {.s = a->s, .least = a->least, .most = a->most, .comma = a->comma};

	if (!schema_flatten(a->s, &flat) || !schema_enumerate(a->s, &flat, &values, &found))
		return 0;
	if (!found || flat.impossible || values.count > PROPERTIES_MAX)
		return schema_fail(a->s, TFM_UNSUPPORTED, "uniqueItems",
						   "is not supported but for items of an enumeration");
	o.properties = tfm_alloc_array(a->s->context, values.count, sizeof(property));
	o.count = values.count;
	for (size_t i = 0; o.properties != NULL && i < values.count; i++)
		o.properties[i] = (property) {.value = values.items[i]};
	return o.properties == NULL ? 0 : lay_out(&o);
}

/* Items after so many, of which the next has no schema of its own. */
static gen_expression
end_items(const array *a, uint32_t before)
{
	object o = {.s = a->s, .least = a->least, .most = a->most, .comma = a->comma};

	o.extra = a->rest;
	if (before > a->most)
		return gen_either(a->s->g, NULL, 0);
	return end_properties(&o, before);
}

static gen_expression
lay_out_items(const array *a)
{
	gen_grammar *g = a->s->g;
	gen_expression next = end_items(a, (uint32_t) a->prefix);

	for (size_t i = a->prefix; i-- > 0;)
	{
		schema_set set = {.count = 0};
		gen_expression item;
		bool said;

		if (!collect_item(a, i, &set, &said))
			return 0;
		item = schema_rule(a->s, &set);
		if (i >= a->most)
			next = gen_string(g, "");
		else
		{
			next = i == 0 ? gen_all_of(g, item, next) : gen_all_of(g, a->comma, item, next);
			if (i >= a->least)
				next = gen_one_of(g, gen_string(g, ""), next);
		}
	}
	return next;
}

static bool
check_items(const array *a)
{
	for (size_t i = 0; i < a->set->count; i++)
		if (!is_negated(&a->set->items[i]) &&
			json_present(schema_member(a->set->items[i].schema, "contains")))
			return schema_fail(a->s, TFM_UNSUPPORTED, "contains", "is not supported") != 0;
	return true;
}

gen_expression
schema_array(schema_compiler *s, const schema_set *set)
{
	gen_grammar *g = s->g;
	array a = {.s = s, .set = set, .most = GEN_UNBOUNDED};
	schema_set rest = {.count = 0};
	gen_expression inside;
	bool said;

	if (!check_items(&a) || !schema_least(s, set, "minItems", &a.least) ||
		!schema_most(s, set, "maxItems", &a.most))
		return 0;
	for (size_t i = 0; i < set->count; i++)
	{
		size_t own = json_size(find_prefix(set->items[i].schema));

		a.prefix = own > a.prefix && !is_negated(&set->items[i]) ? own : a.prefix;
	}
	if (a.least > a.most)
		return gen_either(g, NULL, 0);
	if (a.prefix > PROPERTIES_MAX)
		return schema_fail(s, TFM_LIMIT_EXCEEDED, "prefixItems", "has too many items");
	if (!collect_item(&a, a.prefix, &rest, &said))
		return 0;
	a.comma = gen_all_of(g, gen_string(g, ","), s->space);
	/* Beyond a prefix there are items only where the schemas speak of them. */
	if (!rest.impossible && (said || a.prefix == 0 || a.least > a.prefix))
		a.rest = schema_rule(s, &rest);
	inside = is_unique(set) && a.most > 1 && a.prefix == 0 && !rest.impossible
				 ? lay_out_unique(&a, &rest)
				 : lay_out_items(&a);
	if (is_unique(set) && a.most > 1 && a.prefix > 0)
		return schema_fail(s, TFM_UNSUPPORTED, "uniqueItems",
						   "is not supported but for items of an enumeration");
	return gen_all_of(g, gen_string(g, "["), s->space, inside, s->space, gen_string(g, "]"));
}
