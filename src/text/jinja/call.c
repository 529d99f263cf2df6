/*
 * call.c
 *	  Calling values: functions in C, macros, loops, joiners, blocks.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "text/jinja/program.h"

/* The next name of a list of names; its length in *length, NULL at the end. */
static const char *
next_parameter(const char **names, size_t *length)
{
	const char *name = *names + strspn(*names, " ");

	*length = strcspn(name, " ");
	*names = name + *length;
	return *length > 0 ? name : NULL;
}

/* The place of a parameter of that name, -1 if there is none. */
static int
find_parameter(const jinja_function *function, const jinja_string *wanted)
{
	const char *names = function->parameters, *name;
	size_t length;

	for (int i = 0; (name = next_parameter(&names, &length)) != NULL; i++)
		if (wanted->bytes == length && memcmp(wanted->data, name, length) == 0)
			return i;
	return -1;
}

static int
count_parameters(const char *names)
{
	size_t length;
	int count = 0;

	while (next_parameter(&names, &length) != NULL)
		count++;
	return count;
}

static bool
bind_named(jinja_state *s, const jinja_function *function, const jinja_dict *named,
		   jinja_value *bound)
{
	for (size_t i = 0; i < named->count; i++)
	{
		const jinja_string *name = named->entries[i].key.string;
		int place = find_parameter(function, name);

		if (place < 0)
		{
			jinja_raise(s, "%s() got an unexpected keyword argument '%.*s'", function->name,
						JINJA_TEXT(name));
			return false;
		}
		if (bound[place].type != JINJA_MISSING)
		{
			jinja_raise(s, "%s() got multiple values for argument '%.*s'", function->name,
						JINJA_TEXT(name));
			return false;
		}
		bound[place] = named->entries[i].value;
	}
	return true;
}

static jinja_value
call_bound(jinja_state *s, const jinja_function *function, const jinja_value *self,
		   const jinja_call *call)
{
	jinja_value bound[JINJA_MAX_PARAMETERS];
	size_t given = call->positional.count + (self != NULL);
	int count = count_parameters(function->parameters), first = self != NULL;
	const char *names = function->parameters;

	if (given > (size_t) count)
		return jinja_raise(s, "%s() takes at most %d argument%s (%zu given)", function->name,
						   count - first, count - first == 1 ? "" : "s", call->positional.count);
	for (int i = 0; i < count; i++)
		bound[i] = i < first		 ? *self
				   : i < (int) given ? call->positional.items[i - first]
									 : jinja_missing();
	if (call->named != NULL && !bind_named(s, function, call->named, bound))
		return jinja_none();
	for (int i = 0; i < function->required; i++)
	{
		size_t length;
		const char *name = next_parameter(&names, &length);

		if (bound[i].type == JINJA_MISSING)
			return jinja_raise(s, "%s() missing required argument: '%.*s'", function->name,
							   (int) length, name);
	}
	return function->bound(s, bound);
}

jinja_value
jinja_call_function(jinja_state *s, const jinja_function *function, const jinja_value *self,
					const jinja_call *call)
{
	jinja_value result = jinja_none();

	if (!jinja_enter(s))
		result = jinja_none();
	else if (function->parameters != NULL)
		result = call_bound(s, function, self, call);
	else
		result = function->free(s, self != NULL ? *self : jinja_missing(), call);
	jinja_leave(s);
	return tfm_failed(s->context) ? jinja_none() : result;
}

static jinja_value
call_loop(jinja_state *s, jinja_loop *loop, const jinja_call *call)
{
	if (call->positional.count != 1)
		return jinja_raise(s, "LoopContext.__call__() takes exactly one argument (%zu given)",
						   call->positional.count);
	if (loop->recurse == NULL)
		return jinja_raise(s,
						   "The loop must have the 'recursive' marker to be called recursively.");
	return jinja_run_recursive_loop(s, loop->recurse, call->positional.items[0], loop->closure,
									loop->depth0 + 1);
}

static jinja_value
call_joiner(jinja_state *s, jinja_joiner *joiner)
{
	if (joiner->used)
		return *joiner->separator;
	joiner->used = true;
	return jinja_text_kept(s, "", 0);
}

jinja_value
jinja_call_value(jinja_state *s, jinja_value callee, const jinja_call *call)
{
	switch (callee.type)
	{
		case JINJA_UNDEFINED:
			return jinja_raise_undefined(s, callee.undefined);
		case JINJA_FUNCTION:
			return jinja_call_function(s, callee.function, NULL, call);
		case JINJA_METHOD:
			return jinja_call_function(s, callee.method->function, &callee.method->self, call);
		case JINJA_MACRO:
			return jinja_call_macro(s, callee.macro, call);
		case JINJA_LOOP:
			return call_loop(s, callee.loop, call);
		case JINJA_JOINER:
			return call_joiner(s, callee.joiner);
		case JINJA_BLOCK:
			return jinja_call_block_reference(s, callee.block);
		default:
			return jinja_raise(s, "'%s' object is not callable", jinja_type_name(callee));
	}
}
