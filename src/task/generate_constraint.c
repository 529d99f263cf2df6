/*
 * generate_constraint.c
 *	  The constraint that a request asks for.
 *
 * A constraint finds out in use which tokens may come where, so that a text takes less than the one
 * before.  The generator keeps those of the last requests, for others with the same options.  One
 * that is given up while it is in use goes with its last user.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/generate_plan.h"

#include <string.h>

#include "runtime/loaded.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* It lies in its own arena. */
typedef struct kept_constraint
{
	arena *arena;
	gen_constraint *constraint;
	const char *key; /* what tells requests apart: the texts of their options */
	int users;		 /* requests, and the generator that keeps it */
} kept_constraint;

static const char *const constraint_keys[] = {"json_schema", "grammar", "regex", "choices"};

gen_vocabulary *
generate_plan_vocabulary(tfm_context *context, generator *g)
{
	const tok_tokenizer *tokenizer = run_tokenizer(context, run_session_model(g->session));
	arena *own = context->arena;

	g = g->owner;
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

static char *
make_key(tfm_context *context, const generate_request *request)
{
	return tfm_sprintf(context, "%.*s\n%.*s", (int) request->arguments.length,
					   request->arguments.length == 0 ? "" : request->arguments.data,
					   (int) request->options.length,
					   request->options.length == 0 ? "" : request->options.data);
}

static void
release_constraint(void *argument)
{
	kept_constraint *kept = argument;

	if (--kept->users == 0)
		arena_destroy(kept->arena);
}

void
generate_plan_forget(generator *g)
{
	for (size_t i = 0; i < KEPT_CONSTRAINTS; i++)
		if (g->constraints[i] != NULL)
			release_constraint(g->constraints[i]);
	memset(g->constraints, 0, sizeof(g->constraints));
}

/* The constraint of a request, with one user: the caller.  NULL on error. */
static kept_constraint *
create_constraint(tfm_context *context, const generate_request *request)
{
	tfm_context own = *context;
	kept_constraint *kept;

	own.arena = arena_create(0);
	if (own.arena == NULL)
	{
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
		return NULL;
	}
	kept = tfm_alloc_zero(&own, sizeof(kept_constraint));
	if (kept != NULL && compile_constraint(&own, own.arena, request, &kept->constraint))
	{
		kept->arena = own.arena;
		kept->users = 1;
		kept->key = make_key(&own, request);
	}
	context->error = own.error;
	if (!tfm_failed(context))
		return kept;
	arena_destroy(own.arena);
	return NULL;
}

/* Where the constraint of a key is kept, or where the next one is to be: in the last place. */
static size_t
find_kept(const generator *g, const char *key)
{
	size_t i = 0;

	while (i + 1 < KEPT_CONSTRAINTS &&
		   (g->constraints[i] == NULL || strcmp(g->constraints[i]->key, key) != 0))
		i++;
	return i;
}

/* The constraint of a request, kept from now on in the first place. */
static kept_constraint *
keep_constraint(tfm_context *context, generator *g, const generate_request *request)
{
	const char *key = make_key(context, request);
	size_t place = key == NULL ? 0 : find_kept(g, key);
	kept_constraint *kept = g->constraints[place];

	if (key == NULL)
		return NULL;
	if (kept == NULL || strcmp(kept->key, key) != 0)
	{
		kept = create_constraint(context, request);
		if (kept == NULL)
			return NULL;
		if (g->constraints[place] != NULL)
			release_constraint(g->constraints[place]);
	}
	memmove(g->constraints + 1, g->constraints, place * sizeof(g->constraints[0]));
	g->constraints[0] = kept;
	return kept;
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
	kept_constraint *kept;

	if (!has_constraint(sources))
		return true;
	kept = keep_constraint(context, request->generator->owner, request);
	if (kept == NULL)
		return false;
	kept->users++;
	if (!arena_on_release(context->arena, release_constraint, kept))
	{
		release_constraint(kept);
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	}
	plan->constraint = kept->constraint;
	plan->vocabulary = generate_plan_vocabulary(context, request->generator);
	return !tfm_failed(context);
}
