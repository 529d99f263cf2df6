/*
 * macro.c
 *	  Calling macros: jinja2.runtime.Macro.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/program.h"

/* A call in the making: named arguments are taken out one by one. */
typedef struct binding
{
	jinja_state *s;
	const jinja_node *node;
	const jinja_call *call;
	jinja_dict *named; /* what is left of them; NULL: none were given */
	jinja_frame *frame;
} binding;

static jinja_value
take_named(binding *b, const jinja_string *name)
{
	jinja_entry *entry = b->named != NULL ? jinja_find_string(b->named, name) : NULL;
	jinja_value value;

	if (entry == NULL)
		return jinja_missing();
	value = entry->value;
	jinja_remove(b->named, entry);
	return value;
}

static const jinja_string *
macro_name(binding *b)
{
	static const jinja_string none = {.data = "None", .bytes = 4, .count = 4};

	if (b->node->kind != NODE_MACRO)
		return &none;
	return jinja_repr(b->s, jinja_object(JINJA_STRING, b->node->name));
}

static bool
raise_named(binding *b)
{
	const jinja_string *name = macro_name(b), *argument;

	if (name == NULL)
		return false;
	if (jinja_find_name(b->named, "caller") != NULL)
		jinja_raise(
			b->s,
			"macro %.*s was invoked with two values for the special caller argument. This is"
			" most likely a bug.",
			JINJA_TEXT(name));
	argument = jinja_repr(b->s, b->named->entries[0].key);
	if (argument != NULL)
		jinja_raise(b->s, "macro %.*s takes no keyword argument %.*s", JINJA_TEXT(name),
					JINJA_TEXT(argument));
	return false;
}

static bool
bind_special(binding *b, bool found_caller)
{
	static const jinja_string caller_name = {.data = "caller", .bytes = 6, .count = 6};
	const jinja_scope_plans *plans = b->node->plans;
	size_t count = b->node->items.count;
	jinja_list *rest = NULL;

	if (plans->takes_caller && !found_caller)
	{
		jinja_value caller = take_named(b, &caller_name);

		if (caller.type == JINJA_MISSING || caller.type == JINJA_NONE)
			caller = jinja_undefined_hint(b->s, "No caller defined");
		b->frame->slots[plans->caller.slot] = caller;
	}
	if (plans->takes_kwargs)
		b->frame->slots[plans->kwargs.slot] =
			jinja_object(JINJA_DICT, b->named != NULL ? b->named : jinja_dict_create(b->s));
	else if (b->named != NULL && b->named->count > 0)
		return raise_named(b);
	if (plans->takes_varargs)
	{
		rest = jinja_list_create(b->s, 0);
		for (size_t i = count; i < b->call->positional.count; i++)
			if (!jinja_append(b->s, rest, b->call->positional.items[i]))
				return false;
		b->frame->slots[plans->varargs.slot] = jinja_object(JINJA_TUPLE, rest);
	}
	else if (b->call->positional.count > count)
	{
		const jinja_string *name = macro_name(b);

		if (name != NULL)
			jinja_raise(b->s, "macro %.*s takes not more than %zu argument(s)", JINJA_TEXT(name),
						count);
		return false;
	}
	return !tfm_failed(b->s->context);
}

static bool
bind_parameters(binding *b)
{
	const jinja_node *node = b->node;
	bool found_caller = false;
	size_t given = b->call->positional.count;

	if (b->call->named != NULL)
	{
		b->named = jinja_dict_create(b->s);
		for (size_t i = 0; i < b->call->named->count; i++)
			if (!jinja_put(b->s, b->named, b->call->named->entries[i].key,
						   b->call->named->entries[i].value))
				return false;
	}
	for (size_t i = 0; i < node->items.count; i++)
	{
		const jinja_node *parameter = node->items.items[i];

		if (i >= given && jinja_is_text(parameter->name, "caller"))
			found_caller = true;
		b->frame->slots[parameter->place.slot] =
			i < given ? b->call->positional.items[i] : take_named(b, parameter->name);
	}
	if (given >= node->items.count)
		found_caller = node->plans->explicit_caller;
	return bind_special(b, found_caller);
}

/* Parameters that were not given: their defaults, which may use those before. */
static void
fill_defaults(binding *b)
{
	const jinja_node *node = b->node;
	size_t without = node->items.count - node->extras.count;

	for (size_t i = 0; i < node->items.count && !tfm_failed(b->s->context); i++)
	{
		const jinja_node *parameter = node->items.items[i];
		jinja_value *slot = &b->frame->slots[parameter->place.slot];
		jinja_value value;

		if (slot->type != JINJA_MISSING)
			continue;
		if (i >= without)
			value = jinja_evaluate(b->s, node->extras.items[i - without], b->frame);
		else
			value = jinja_undefined_hint(b->s, "parameter '%.*s' was not provided",
										 JINJA_TEXT(parameter->name));
		*slot = value;
	}
}

static jinja_value
run_macro(jinja_state *s, const jinja_macro *macro, const jinja_call *call)
{
	binding b = {.s = s, .node = macro->node, .call = call};
	jinja_output output = {0};
	jinja_value text;

	b.frame = jinja_frame_create(s, macro->node->plans->slots, macro->closure);
	if (b.frame == NULL || !bind_parameters(&b))
		return jinja_none();
	jinja_enter_scope(s, &macro->node->plans->plan, b.frame);
	fill_defaults(&b);
	if (tfm_failed(s->context))
		return jinja_none();
	jinja_run(s, &macro->node->body, b.frame, &output);
	text = jinja_written(s, &output);
	return text.type == JINJA_STRING ? jinja_marked(s, text.string, s->autoescape) : text;
}

jinja_value
jinja_call_macro(jinja_state *s, const jinja_macro *macro, const jinja_call *call)
{
	jinja_scope *scope = s->scope;
	jinja_value result = jinja_none();
	int line = s->line;

	if (jinja_enter(s))
	{
		s->scope = macro->scope;
		result = run_macro(s, macro, call);
		s->scope = scope;
		s->line = line;
	}
	jinja_leave(s);
	return result;
}
