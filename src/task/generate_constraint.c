/*
 * generate_constraint.c
 *	  The constraint that a request asks for.
 *
 * A constraint finds out in use which tokens may come where, so that a text takes less than the one
 * before.  The generator keeps the one of the last request, for others with the same options.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/generate_plan.h"

#include <string.h>

#include "runtime/loaded.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const constraint_keys[] = {"json_schema", "grammar", "regex", "choices"};

gen_vocabulary *
generate_plan_vocabulary(tfm_context *context, generator *g)
{
	const tok_tokenizer *tokenizer = run_tokenizer(context, run_session_model(g->session));
	arena *own = context->arena;

	if (g->vocabulary != NULL || tokenizer == NULL)
		return g->vocabulary;
	context->arena = g->arena;
	g->vocabulary = gen_vocabulary_create(context, tokenizer, run_session_vocabulary(g->session));
	context->arena = own;
	return g->vocabulary;
}

static gen_constraint *
constrain_choices(tfm_context *context, json choices)
{
	size_t count = json_size(choices), used = 0;
	tfm_text *texts = tfm_alloc_array(context, count, sizeof(tfm_text));

	for (json c = json_first(choices); texts != NULL && json_present(c); c = json_next(c))
	{
		if (!json_is_string(c))
		{
			tfm_fail(context, TFM_INVALID_ARGUMENT, "option \"choices\" must be a list of texts");
			return NULL;
		}
		texts[used++] = (tfm_text) {json_as_string(c), strlen(json_as_string(c))};
	}
	if (texts == NULL)
		return NULL;
	if (used > 0)
		return gen_constrain_choices(context, texts, used);
	tfm_fail(context, TFM_INVALID_ARGUMENT, "option \"choices\" must be a list of texts");
	return NULL;
}

static gen_constraint *
make_constraint(tfm_context *context, const char *key, json value)
{
	tfm_text text;

	if (strcmp(key, "json_schema") == 0)
		return gen_constrain_schema(context, value);
	if (strcmp(key, "choices") == 0)
		return constrain_choices(context, value);
	if (!json_is_string(value))
	{
		tfm_fail(context, TFM_INVALID_ARGUMENT, "option \"%s\" must be a text", key);
		return NULL;
	}
	text = (tfm_text) {json_as_string(value), strlen(json_as_string(value))};
	if (strcmp(key, "regex") == 0)
		return gen_constrain_regex(context, text);
	return gen_constrain_grammar(context, text);
}

/* One of the four keys at most. */
static bool
read_constraint(tfm_context *context, const generate_sources *sources, gen_constraint **constraint)
{
	for (size_t i = 0; i < COUNT(constraint_keys); i++)
	{
		json value = generate_plan_option(sources, constraint_keys[i]);

		if (!json_present(value))
			continue;
		if (*constraint != NULL)
			return tfm_fail(context, TFM_INVALID_ARGUMENT,
							"only one of json_schema, grammar, regex and choices can be given");
		*constraint = make_constraint(context, constraint_keys[i], value);
		if (*constraint == NULL)
			return false;
	}
	return true;
}

/* Read the request into *constraint; all that it is made of lies in one arena. */
static bool
compile_constraint(tfm_context *context, arena *memory, const generate_request *request,
				   gen_constraint **constraint)
{
	arena *own = context->arena;
	generate_sources sources;

	*constraint = NULL;
	context->arena = memory;
	sources.arguments = generate_plan_parse(context, request->arguments, "arguments");
	sources.options = generate_plan_parse(context, request->options, "options");
	if (!tfm_failed(context))
		read_constraint(context, &sources, constraint);
	context->arena = own;
	return !tfm_failed(context);
}

/* What tells requests apart: the texts of their options. */
static char *
make_key(tfm_context *context, const generate_request *request)
{
	return tfm_sprintf(context, "%.*s\n%.*s", (int) request->arguments.length,
					   request->arguments.length == 0 ? "" : request->arguments.data,
					   (int) request->options.length,
					   request->options.length == 0 ? "" : request->options.data);
}

static bool
keep_constraint(tfm_context *context, generator *g, const generate_request *request)
{
	arena *own = context->arena;

	arena_destroy(g->constraint_arena);
	g->constraint = NULL;
	g->constraint_key = NULL;
	g->constraint_arena = arena_create(0);
	if (g->constraint_arena == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	if (!compile_constraint(context, g->constraint_arena, request, &g->constraint))
		return false;
	context->arena = g->constraint_arena;
	g->constraint_key = make_key(context, request);
	context->arena = own;
	return !tfm_failed(context);
}

/* Whether the kept constraint is that of the request. */
static bool
is_kept(const generator *g, const char *key)
{
	return key != NULL && g->constraint_key != NULL && strcmp(g->constraint_key, key) == 0;
}

/* Whether any of the options is a constraint: none needs nothing kept. */
static bool
has_constraint(const generate_sources *sources)
{
	for (size_t i = 0; i < COUNT(constraint_keys); i++)
		if (json_present(generate_plan_option(sources, constraint_keys[i])))
			return true;
	return false;
}

bool
generate_plan_constrain(tfm_context *context, const generate_request *request,
						const generate_sources *sources, generate_plan *plan)
{
	generator *g = request->generator;
	gen_constraint *constraint = NULL;

	if (!has_constraint(sources))
		return true;
	if (is_kept(g, make_key(context, request)))
		constraint = g->constraint;
	else if (g->streams > 0)
		compile_constraint(context, context->arena, request, &constraint);
	else if (keep_constraint(context, g, request))
		constraint = g->constraint;
	plan->constraint = constraint;
	if (!tfm_failed(context))
		plan->vocabulary = generate_plan_vocabulary(context, g);
	return !tfm_failed(context);
}
