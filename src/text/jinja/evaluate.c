/*
 * evaluate.c
 *	  Values of expressions.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "text/jinja/number.h"
#include "text/jinja/program.h"

static jinja_value
evaluate_name(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_value value;

	for (int i = 0; i < node->place.hops; i++)
		frame = frame->parent;
	value = frame->slots[node->place.slot];
	return value.type == JINJA_MISSING ? jinja_undefined_name(s, node->name) : value;
}

static jinja_value
evaluate_sequence(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_list *list = jinja_list_create(s, node->items.count);

	for (size_t i = 0; i < node->items.count; i++)
		if (!jinja_append(s, list, jinja_evaluate(s, node->items.items[i], frame)))
			return jinja_none();
	return jinja_object(node->kind == NODE_LIST ? JINJA_LIST : JINJA_TUPLE, list);
}

static jinja_value
evaluate_dict(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_dict *dict = jinja_dict_create(s);

	for (size_t i = 0; i + 1 < node->items.count; i += 2)
	{
		jinja_value key = jinja_evaluate(s, node->items.items[i], frame);
		jinja_value value = jinja_evaluate(s, node->items.items[i + 1], frame);

		if (tfm_failed(s->context) || !jinja_put(s, dict, key, value))
			return jinja_none();
	}
	return jinja_object(JINJA_DICT, dict);
}

static bool
compare(jinja_state *s, char operator, jinja_value a, jinja_value b)
{
	switch (operator)
	{
		case '=':
			return jinja_equal(s, a, b);
		case '!':
			return !jinja_equal(s, a, b);
		case 'i':
			return jinja_contains(s, b, a);
		case 'n':
			return !jinja_contains(s, b, a);
		default:
			return jinja_order(s, operator, a, b);
	}
}

static jinja_value
evaluate_compare(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_value left = jinja_evaluate(s, node->first, frame);
	bool result = true;

	for (size_t i = 0; result && i < node->items.count && !tfm_failed(s->context); i++)
	{
		const jinja_node *operand = node->items.items[i];
		jinja_value right = jinja_evaluate(s, operand->first, frame);

		if (tfm_failed(s->context))
			return jinja_none();
		result = compare(s, operand->operator, left, right);
		left = right;
	}
	return jinja_bool(result);
}

/* str_join, or markup_join where text is escaped: from the first safe string on all is escaped. */
static jinja_value
evaluate_concat(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_list *parts = jinja_list_create(s, node->items.count);
	jinja_value result = jinja_text_kept(s, "", 0);
	bool markup = false;

	for (size_t i = 0; i < node->items.count; i++)
	{
		jinja_value value = jinja_evaluate(s, node->items.items[i], frame);
		const jinja_string *text = tfm_failed(s->context) ? NULL : jinja_str(s, value);

		if (text == NULL || !jinja_append(s, parts, jinja_object(JINJA_STRING, text)))
			return jinja_none();
		markup = markup || (s->autoescape && value.type == JINJA_STRING && value.string->markup);
		if (value.type == JINJA_STRING)
			parts->items[i] = value;
	}
	for (size_t i = 0; i < parts->count && result.type == JINJA_STRING; i++)
	{
		jinja_value part = markup ? jinja_escape(s, parts->items[i]) : parts->items[i];

		if (part.type == JINJA_STRING)
			result = i == 0 ? part : jinja_concat(s, result.string, part.string);
	}
	return result.type == JINJA_STRING ? jinja_marked(s, result.string, markup) : result;
}

static jinja_value
evaluate_condition(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_value test = jinja_evaluate(s, node->first, frame);

	if (tfm_failed(s->context))
		return jinja_none();
	if (jinja_truth(s, test))
		return jinja_evaluate(s, node->second, frame);
	if (node->third != NULL)
		return jinja_evaluate(s, node->third, frame);
	return jinja_undefined_hint(s,
								"the inline if-expression on line %d evaluated to false and no else"
								" section was defined.",
								node->line);
}

static jinja_value
evaluate_optional(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	return node != NULL ? jinja_evaluate(s, node, frame) : jinja_none();
}

static jinja_value
evaluate_getitem(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_value object = jinja_evaluate(s, node->first, frame), index[3];
	const jinja_node *slice = node->second;

	if (slice->kind == NODE_SLICE)
	{
		index[0] = evaluate_optional(s, slice->first, frame);
		index[1] = evaluate_optional(s, slice->second, frame);
		index[2] = evaluate_optional(s, slice->third, frame);
		if (tfm_failed(s->context))
			return jinja_none();
		return jinja_slice(s, object, index[0], index[1], index[2]);
	}
	index[0] = jinja_evaluate(s, slice, frame);
	return tfm_failed(s->context) ? jinja_none() : jinja_getitem(s, object, index[0]);
}

/* ---- Calls, filters, tests ---- */

static bool
add_list(jinja_state *s, jinja_call *call, jinja_value value)
{
	jinja_iterator *iterator;
	jinja_value item;

	if (!jinja_is_iterable(value))
	{
		jinja_raise(s, "argument after * must be an iterable, not %s", jinja_type_name(value));
		return false;
	}
	iterator = jinja_iterate(s, value);
	while (iterator != NULL && jinja_next(s, iterator, &item))
		if (!jinja_append(s, &call->positional, item))
			return false;
	return !tfm_failed(s->context);
}

static bool
add_named(jinja_state *s, jinja_call *call, jinja_value name, jinja_value value)
{
	if (call->named == NULL)
		call->named = jinja_dict_create(s);
	if (call->named == NULL)
		return false;
	if (name.type != JINJA_STRING)
	{
		jinja_raise(s, "keywords must be strings");
		return false;
	}
	if (jinja_find(s, call->named, name) != NULL)
	{
		jinja_raise(s, "got multiple values for keyword argument '%.*s'", JINJA_TEXT(name.string));
		return false;
	}
	return jinja_put(s, call->named, name, value);
}

static bool
add_dict(jinja_state *s, jinja_call *call, jinja_value value)
{
	if (value.type != JINJA_DICT)
	{
		jinja_raise(s, "argument after ** must be a mapping, not %s", jinja_type_name(value));
		return false;
	}
	for (size_t i = 0; i < value.dict->count; i++)
		if (!add_named(s, call, value.dict->entries[i].key, value.dict->entries[i].value))
			return false;
	return true;
}

/* The arguments of a call; first, unless MISSING, goes before them. */
static bool
evaluate_arguments(jinja_state *s, const jinja_node_arguments *a, jinja_frame *frame,
				   jinja_value first, jinja_call *call)
{
	jinja_list *positional = jinja_list_create(s, a->positional.count + 1);

	if (positional == NULL)
		return false;
	*call = (jinja_call) {.positional = *positional};
	if (first.type != JINJA_MISSING)
		jinja_append(s, &call->positional, first);
	for (size_t i = 0; i < a->positional.count; i++)
		if (!jinja_append(s, &call->positional, jinja_evaluate(s, a->positional.items[i], frame)))
			return false;
	if (a->list != NULL)
	{
		jinja_value list = jinja_evaluate(s, a->list, frame);

		if (tfm_failed(s->context) || !add_list(s, call, list))
			return false;
	}
	for (size_t i = 0; i < a->named.count; i++)
	{
		jinja_value value = jinja_evaluate(s, a->named.items[i]->first, frame);

		if (tfm_failed(s->context) ||
			!add_named(s, call, jinja_object(JINJA_STRING, a->named.items[i]->name), value))
			return false;
	}
	if (a->dict != NULL)
	{
		jinja_value dict = jinja_evaluate(s, a->dict, frame);

		if (tfm_failed(s->context) || !add_dict(s, call, dict))
			return false;
	}
	return !tfm_failed(s->context);
}

jinja_value
jinja_apply_filter(jinja_state *s, const jinja_node *node, jinja_value value, jinja_frame *frame)
{
	jinja_call call;

	if (node->function == NULL)
		return jinja_raise(s, "No %s named '%.*s' found.",
						   node->kind == NODE_FILTER ? "filter" : "test", JINJA_TEXT(node->name));
	/* In a filter block the filter may itself stand on a chain of others. */
	if (node->first != NULL)
		value = node->first->kind == NODE_FILTER && value.type != JINJA_MISSING
					? jinja_apply_filter(s, node->first, value, frame)
					: jinja_evaluate(s, node->first, frame);
	if (tfm_failed(s->context) || !evaluate_arguments(s, node->arguments, frame, value, &call))
		return jinja_none();
	return jinja_call_function(s, node->function, NULL, &call);
}

jinja_value
jinja_evaluate_call(jinja_state *s, const jinja_node *node, jinja_frame *frame, jinja_value caller)
{
	jinja_value callee = jinja_evaluate(s, node->first, frame);
	jinja_call call;

	if (tfm_failed(s->context) ||
		!evaluate_arguments(s, node->arguments, frame, jinja_missing(), &call))
		return jinja_none();
	if (caller.type != JINJA_MISSING)
	{
		jinja_value name = jinja_string_of(s, "caller");

		if (name.type != JINJA_STRING || !add_named(s, &call, name, caller))
			return jinja_none();
	}
	return jinja_call_value(s, callee, &call);
}

/* ---- All kinds ---- */

static jinja_value
evaluate_logic(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_value left = jinja_evaluate(s, node->first, frame);

	if (tfm_failed(s->context))
		return jinja_none();
	if (node->kind == NODE_NOT)
		return jinja_bool(!jinja_truth(s, left));
	if (jinja_truth(s, left) == (node->kind == NODE_OR))
		return left;
	return jinja_evaluate(s, node->second, frame);
}

static jinja_value
evaluate_operator(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_value left = jinja_evaluate(s, node->first, frame), right;

	if (node->kind == NODE_UNARY)
		return tfm_failed(s->context) ? jinja_none() : jinja_unary(s, node->operator, left);
	right = jinja_evaluate(s, node->second, frame);
	return tfm_failed(s->context) ? jinja_none() : jinja_binary(s, node->operator, left, right);
}

static jinja_value
evaluate_getattr(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_value object = jinja_evaluate(s, node->first, frame);

	return tfm_failed(s->context) ? jinja_none() : jinja_getattr(s, object, node->name);
}

static jinja_value
evaluate(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	switch (node->kind)
	{
		case NODE_CONST:
			return node->value;
		case NODE_NAME:
			return evaluate_name(s, node, frame);
		case NODE_TUPLE:
		case NODE_LIST:
			return evaluate_sequence(s, node, frame);
		case NODE_DICT:
			return evaluate_dict(s, node, frame);
		case NODE_UNARY:
		case NODE_BINARY:
			return evaluate_operator(s, node, frame);
		case NODE_AND:
		case NODE_OR:
		case NODE_NOT:
			return evaluate_logic(s, node, frame);
		case NODE_COMPARE:
			return evaluate_compare(s, node, frame);
		case NODE_CONCAT:
			return evaluate_concat(s, node, frame);
		case NODE_CONDITION:
			return evaluate_condition(s, node, frame);
		case NODE_FILTER:
		case NODE_TEST:
			return jinja_apply_filter(s, node, jinja_missing(), frame);
		case NODE_CALL:
			return jinja_evaluate_call(s, node, frame, jinja_missing());
		case NODE_GETATTR:
			return evaluate_getattr(s, node, frame);
		case NODE_GETITEM:
			return evaluate_getitem(s, node, frame);
		default:
			return jinja_raise(s, "this cannot be evaluated");
	}
}

jinja_value
jinja_evaluate(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_value value = jinja_none();

	if (jinja_enter(s))
		value = evaluate(s, node, frame);
	jinja_leave(s);
	return value;
}
