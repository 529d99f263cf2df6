/*
 * render.c
 *	  A rendering from its request to its text.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/render.h"

#include <string.h>

#include "base/utf8.h"
#include "text/jinja/json_value.h"

static void
set_limits(jinja_limits *limits, const jinja_limits *wanted)
{
	*limits = JINJA_DEFAULT_LIMITS;
	if (wanted->steps > 0)
		limits->steps = wanted->steps;
	if (wanted->memory > 0)
		limits->memory = wanted->memory;
	if (wanted->output > 0)
		limits->output = wanted->output;
	if (wanted->depth > 0)
		limits->depth = wanted->depth;
}

bool
jinja_begin(tfm_context *context, jinja_state *s, const jinja_limits *limits, const char *name,
			const struct tm *now)
{
	memset(s, 0, sizeof(*s));
	if (tfm_failed(context))
		return false;
	s->context = context;
	s->name = name;
	s->now = now;
	s->line = 1;
	set_limits(&s->limits, limits);
	s->arena = arena_scratch(context->arena);
	if (s->arena == NULL)
		return tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	s->mark = arena_save(s->arena);
	s->variables = jinja_dict_create(s);
	return s->variables != NULL && jinja_add_globals(s);
}

void
jinja_end(jinja_state *s)
{
	if (s->arena != NULL)
		arena_restore(s->arena, s->mark);
	s->arena = NULL;
}

bool
jinja_add_variables(jinja_state *s, tfm_text json, const char *what)
{
	jinja_value values;

	if (json.length == 0)
		return !tfm_failed(s->context);
	values = jinja_json_read(s, json, what);
	if (tfm_failed(s->context))
		return false;
	if (values.type != JINJA_DICT)
		return tfm_fail(s->context, TFM_INVALID_ARGUMENT, "%s must be a JSON object", what);
	for (size_t i = 0; i < values.dict->count; i++)
		if (!jinja_put(s, s->variables, values.dict->entries[i].key, values.dict->entries[i].value))
			return false;
	return true;
}

bool
jinja_run_source(jinja_state *s, tfm_text source, tfm_text *rendered)
{
	jinja_output output = {0};
	jinja_scope scope = {.given = s->variables, .set = jinja_dict_create(s)};

	if (!utf8_valid(source.data, source.length))
		return tfm_fail(s->context, TFM_INVALID_ARGUMENT, "the template is not valid UTF-8");
	s->template = jinja_parse(s, source);
	if (s->template == NULL || scope.set == NULL)
		return false;
	s->scope = &scope;
	s->line = 1;
	if (!jinja_run_template(s, &output))
		return false;
	*rendered = (tfm_text) {.data = output.length > 0 ? output.data : "", .length = output.length};
	return true;
}

bool
jinja_keep(tfm_context *context, tfm_text text, tfm_text *kept)
{
	char *copy = tfm_alloc(context, text.length + 1);

	if (copy == NULL)
		return false;
	if (memchr(text.data, '\0', text.length) != NULL)
		return tfm_fail(context, TFM_INVALID_ARGUMENT, "the rendered text has a NUL character");
	memcpy(copy, text.data, text.length);
	copy[text.length] = '\0';
	*kept = (tfm_text) {.data = copy, .length = text.length};
	return true;
}

bool
jinja_render(tfm_context *context, const jinja_request *request, tfm_text *rendered)
{
	jinja_state s;
	tfm_text text;
	bool good = jinja_begin(context, &s, &request->limits, request->name, request->now) &&
				jinja_add_variables(&s, request->values, "the template's context") &&
				jinja_add_variables(&s, request->overrides, "the template's context") &&
				jinja_run_source(&s, request->source, &text) && jinja_keep(context, text, rendered);

	jinja_end(&s);
	return good;
}
