/*
 * schema_check.c
 *	  Whether a value that a schema lists satisfies another.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/schema.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "text/regex.h"

#define DEPTH_MAX 60

uint32_t
schema_type_of(json value)
{
	if (json_is_object(value))
		return SCHEMA_OBJECT;
	if (json_is_array(value))
		return SCHEMA_ARRAY;
	if (json_is_string(value))
		return SCHEMA_STRING;
	if (json_is_bool(value))
		return SCHEMA_BOOLEAN;
	if (json_is_number(value))
		return json_as_number(value) == floor(json_as_number(value)) ? SCHEMA_INTEGER
																	 : SCHEMA_FRACTION;
	return SCHEMA_NULL;
}

/* ---- Comparing ---- */

bool
schema_equal(json one, json other)
{
	json a, b;

	if (json_is_number(one) && json_is_number(other))
		return json_as_number(one) == json_as_number(other);
	if (schema_type_of(one) != schema_type_of(other))
		return false;
	if (json_is_string(one))
		return strcmp(json_as_string(one), json_as_string(other)) == 0;
	if (json_is_bool(one))
		return json_as_bool(one) == json_as_bool(other);
	if (json_size(one) != json_size(other))
		return false;
	for (a = json_first(one), b = json_first(other); json_present(a);
		 a = json_next(a), b = json_next(b))
	{
		if (json_is_object(one))
			b = schema_member(other, json_key(a));
		if (!json_present(b) || !schema_equal(a, b))
			return false;
		if (json_is_object(one))
			b = json_first(other);
	}
	return true;
}

bool
schema_count_check(schema_compiler *s)
{
	if (++s->checks > SCHEMA_CHECKS_MAX)
		return tfm_fail(s->context, TFM_LIMIT_EXCEEDED,
						"%s: too many parts of the schema are to be compared", s->root.source);
	return !tfm_stopped(s->context);
}

static bool
find_pattern(tfm_context *context, const tok_pattern *pattern, tfm_text text, bool *found)
{
	arena *scratch = arena_scratch(context->arena);
	buffer *program = buffer_create(context);
	tok_regex *regex = tfm_alloc(context, sizeof(tok_regex));
	arena_mark mark;
	size_t offset, start, end;

	if (program == NULL || regex == NULL || scratch == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	if (!tok_regex_compile(context, pattern, program, &offset))
	{
		if (context->error.kind == TFM_CORRUPTED)
			context->error.kind = TFM_INVALID_ARGUMENT;
		return false;
	}
	mark = arena_save(scratch);
	*found =
		tok_regex_open(regex, context, scratch, program->data + offset, program->length - offset) &&
		tok_regex_find(regex, text.data, text.length, 0, &start, &end);
	arena_restore(scratch, mark);
	return !tfm_failed(context);
}

static bool
finds(schema_compiler *s, const char *pattern, const char *text, bool *found)
{
	tok_pattern p = {.source = s->root.source, .text = pattern, .length = strlen(pattern)};
	arena_mark mark = arena_save(s->context->arena);
	bool good = schema_count_check(s) &&
				find_pattern(s->context, &p, (tfm_text) {text, strlen(text)}, found);

	arena_restore(s->context->arena, mark);
	return good;
}

bool
schema_finds(schema_compiler *s, json pattern, const char *text, bool *found)
{
	return finds(s, json_is_string(pattern) ? json_as_string(pattern) : json_key(pattern), text,
				 found);
}

bool
schema_has_format(schema_compiler *s, json format, const char *text, bool *has)
{
	const char *pattern = schema_format(s, format);

	*has = true;
	if (tfm_failed(s->context) || pattern == NULL)
		return !tfm_failed(s->context);
	pattern = tfm_sprintf(s->context, "\\A(?:%s)\\z", pattern);
	return pattern != NULL && finds(s, pattern, text, has);
}

/* ---- Checking ---- */

/* What is being checked: a value against keywords of one schema. */
typedef struct check
{
	schema_compiler *s;
	json schema, value;
	int depth;
	bool holds;
} check;

static bool
also(check *c, json schema, json value)
{
	bool holds = true;

	if (!schema_holds(c->s, schema, value, c->depth + 1, &holds))
		return false;
	c->holds &= holds;
	return true;
}

static bool
check_lists(check *c)
{
	json constant = schema_member(c->schema, "const"), values = schema_member(c->schema, "enum");
	bool listed = !json_is_array(values);

	for (json value = json_first(values); json_present(value); value = json_next(value))
		listed |= schema_equal(value, c->value);
	c->holds &= listed && (!json_present(constant) || schema_equal(constant, c->value));
	return true;
}

static bool
check_combinations(check *c)
{
	json all = schema_member(c->schema, "allOf"), negated = schema_member(c->schema, "not");
	json reference = schema_member(c->schema, "$ref");
	static const char *const keywords[] = {"anyOf", "oneOf"};
	bool holds;

	if (json_present(reference) && !also(c, schema_refer(c->s, reference), c->value))
		return false;
	for (json child = json_first(all); json_present(child); child = json_next(child))
		if (!also(c, child, c->value))
			return false;
	if (json_present(negated))
	{
		if (!schema_holds(c->s, negated, c->value, c->depth + 1, &holds))
			return false;
		c->holds &= !holds;
	}
	for (size_t i = 0; i < 2; i++)
	{
		json some = schema_member(c->schema, keywords[i]);
		int count = 0;

		for (json child = json_first(some); json_present(child); child = json_next(child))
		{
			if (!schema_holds(c->s, child, c->value, c->depth + 1, &holds))
				return false;
			count += holds;
		}
		c->holds &= !json_present(some) || count == 1 || (i == 0 && count > 1);
	}
	return true;
}

static void
check_bound(check *c, const char *keyword, double number, int sign, bool inside)
{
	json bound = schema_member(c->schema, keyword);

	if (json_is_number(bound))
		c->holds &= inside ? sign * number >= sign * json_as_number(bound)
						   : sign * number > sign * json_as_number(bound);
}

static bool
check_number(check *c)
{
	double number = json_as_number(c->value);
	json multiple = schema_member(c->schema, "multipleOf");

	check_bound(c, "minimum", number, 1, true);
	check_bound(c, "maximum", number, -1, true);
	check_bound(c, "exclusiveMinimum", number, 1, false);
	check_bound(c, "exclusiveMaximum", number, -1, false);
	if (json_is_number(multiple) && json_as_number(multiple) > 0)
		c->holds &= fmod(number, json_as_number(multiple)) == 0;
	return true;
}

static bool
check_string(check *c)
{
	const char *text = json_as_string(c->value);
	json pattern = schema_member(c->schema, "pattern");
	json format = schema_member(c->schema, "format");
	double length = (double) utf8_count(text, strlen(text));
	bool found;

	check_bound(c, "minLength", length, 1, true);
	check_bound(c, "maxLength", length, -1, true);
	if (json_is_string(format))
	{
		if (!schema_has_format(c->s, format, text, &found))
			return false;
		c->holds &= found;
	}
	if (!json_is_string(pattern))
		return true;
	if (!schema_finds(c->s, pattern, text, &found))
		return false;
	c->holds &= found;
	return true;
}

static bool
check_property(check *c, json value)
{
	json own = schema_member(schema_member(c->schema, "properties"), json_key(value));
	json patterns = schema_member(c->schema, "patternProperties");
	json rest = schema_member(c->schema, "additionalProperties");
	bool said = json_present(own), found;

	if (said && !also(c, own, value))
		return false;
	for (json child = json_first(patterns); json_present(child); child = json_next(child))
	{
		if (!schema_finds(c->s, child, json_key(value), &found) ||
			(found && !also(c, child, value)))
			return false;
		said |= found;
	}
	return said || !json_present(rest) || also(c, rest, value);
}

static bool
check_object(check *c)
{
	json required = schema_member(c->schema, "required");

	check_bound(c, "minProperties", (double) json_size(c->value), 1, true);
	check_bound(c, "maxProperties", (double) json_size(c->value), -1, true);
	for (json name = json_first(required); json_present(name); name = json_next(name))
		c->holds &= json_present(schema_member(c->value, json_as_string(name)));
	for (json child = json_first(c->value); json_present(child); child = json_next(child))
		if (!check_property(c, child))
			return false;
	return true;
}

static bool
check_array(check *c)
{
	json prefix = schema_member(c->schema, "prefixItems"),
		 items = schema_member(c->schema, "items");
	json own, rest = items;

	if (json_is_array(items))
	{
		prefix = items;
		rest = schema_member(c->schema, "additionalItems");
	}
	check_bound(c, "minItems", (double) json_size(c->value), 1, true);
	check_bound(c, "maxItems", (double) json_size(c->value), -1, true);
	own = json_first(prefix);
	for (json child = json_first(c->value); json_present(child); child = json_next(child))
	{
		json schema = json_present(own) ? own : rest;

		if (json_present(schema) && !also(c, schema, child))
			return false;
		own = json_next(own);
		for (json other = json_next(child); json_present(other); other = json_next(other))
			if (json_as_bool(schema_member(c->schema, "uniqueItems")) && schema_equal(child, other))
				c->holds = false;
	}
	return true;
}

bool
schema_holds(schema_compiler *s, json schema, json value, int depth, bool *holds)
{
	check c = {.s = s, .schema = schema, .value = value, .depth = depth, .holds = true};
	uint32_t types = SCHEMA_ANY;
	bool good;

	*holds = true;
	if (tfm_failed(s->context) || !schema_count_check(s))
		return false;
	if (depth > DEPTH_MAX)
		return tfm_fail(s->context, TFM_LIMIT_EXCEEDED, "%s: the schema is nested too deeply",
						s->root.source);
	if (json_is_bool(schema))
	{
		*holds = json_as_bool(schema);
		return true;
	}
	if (!schema_types(s, schema, &types) || !check_lists(&c) || !check_combinations(&c))
		return false;
	c.holds &= (types & schema_type_of(value)) != 0;
	good = json_is_number(value)   ? check_number(&c)
		   : json_is_string(value) ? check_string(&c)
		   : json_is_object(value) ? check_object(&c)
		   : json_is_array(value)  ? check_array(&c)
								   : true;
	*holds = c.holds;
	return good && !tfm_failed(s->context);
}
