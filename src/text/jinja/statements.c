/*
 * statements.c
 *	  Running a template's statements.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "text/jinja/number.h"
#include "text/jinja/program.h"

/* ---- Frames and scopes ---- */

jinja_frame *
jinja_frame_create(jinja_state *s, int slots, jinja_frame *parent)
{
	jinja_frame *frame = jinja_alloc_zero(s, sizeof(*frame) + (size_t) slots * sizeof(jinja_value));

	if (frame != NULL)
		frame->parent = parent;
	return frame;
}

static jinja_value
resolve_name(jinja_state *s, const jinja_string *name)
{
	const jinja_entry *entry = jinja_find_string(s->scope->set, name);

	if (entry == NULL)
		entry = jinja_find_string(s->scope->given, name);
	return entry != NULL ? entry->value : jinja_missing();
}

void
jinja_enter_scope(jinja_state *s, const jinja_plan *plan, jinja_frame *frame)
{
	for (size_t i = 0; i < plan->count; i++)
	{
		const jinja_load *load = &plan->loads[i];
		jinja_frame *from = frame;

		if (load->action == LOAD_PARAMETER)
			continue;
		for (int j = 0; load->action == LOAD_ALIAS && j < load->place.hops; j++)
			from = from->parent;
		frame->slots[load->slot] = load->action == LOAD_RESOLVE ? resolve_name(s, load->name)
								   : load->action == LOAD_ALIAS ? from->slots[load->place.slot]
																: jinja_missing();
	}
	jinja_step(s, plan->count);
}

static void
leave_scope(const jinja_plan *plan, jinja_frame *frame)
{
	for (size_t i = 0; i < plan->count; i++)
		frame->slots[plan->loads[i].slot] = jinja_missing();
}

/* ---- Assigning ---- */

static void
assign_attribute(jinja_state *s, const jinja_node *target, jinja_value value, jinja_frame *frame)
{
	jinja_value object, name = target->value;
	const jinja_string *text;

	for (int i = 0; i < target->place.hops; i++)
		frame = frame->parent;
	object = frame->slots[target->place.slot];
	if (object.type != JINJA_NAMESPACE)
	{
		jinja_raise(s, "cannot assign attribute on non-namespace object");
		return;
	}
	if (name.string->bytes > 0 && name.string->data[0] == '_')
	{
		text = jinja_repr(s, name);
		if (text != NULL)
			jinja_raise(s,
						"Chat templates cannot store underscore-prefixed attributes on a namespace,"
						" but got %.*s. Please rename the attribute.",
						JINJA_TEXT(text));
		return;
	}
	jinja_put(s, object.names->attributes, name, value);
}

static void
unpack(jinja_state *s, const jinja_node *target, jinja_value value, jinja_frame *frame,
	   bool exported)
{
	size_t wanted = target->items.count;
	jinja_list *items = jinja_list_create(s, wanted + 1);
	jinja_iterator *iterator;
	jinja_value item;

	if (!jinja_is_iterable(value))
	{
		jinja_raise(s, "cannot unpack non-iterable %s object", jinja_type_name(value));
		return;
	}
	iterator = jinja_iterate(s, value);
	while (iterator != NULL && items != NULL && items->count <= wanted &&
		   jinja_next(s, iterator, &item))
		jinja_append(s, items, item);
	if (tfm_failed(s->context))
		return;
	if (items->count > wanted)
		jinja_raise(s, "too many values to unpack (expected %zu)", wanted);
	else if (items->count < wanted)
		jinja_raise(s, "not enough values to unpack (expected %zu, got %zu)", wanted, items->count);
	for (size_t i = 0; i < wanted && !tfm_failed(s->context); i++)
		jinja_assign(s, target->items.items[i], items->items[i], frame, exported);
}

void
jinja_assign(jinja_state *s, const jinja_node *target, jinja_value value, jinja_frame *frame,
			 bool exported)
{
	if (target->kind == NODE_TUPLE)
		unpack(s, target, value, frame, exported);
	else if (target->kind == NODE_NSREF)
		assign_attribute(s, target, value, frame);
	else
	{
		frame->slots[target->place.slot] = value;
		if (exported)
			jinja_put(s, s->scope->set, jinja_object(JINJA_STRING, target->name), value);
	}
}

/* All attributes that a target sets are looked at before its value is. */
static bool
check_namespaces(jinja_state *s, const jinja_node *target, jinja_frame *frame)
{
	if (target->kind == NODE_NSREF)
	{
		for (int i = 0; i < target->place.hops; i++)
			frame = frame->parent;
		if (frame->slots[target->place.slot].type != JINJA_NAMESPACE)
			jinja_raise(s, "cannot assign attribute on non-namespace object");
	}
	for (size_t i = 0; i < target->items.count && target->kind == NODE_TUPLE; i++)
		check_namespaces(s, target->items.items[i], frame);
	return !tfm_failed(s->context);
}

/* ---- Output ---- */

static void
write_value(jinja_state *s, jinja_output *output, jinja_value value)
{
	if (tfm_failed(s->context))
		return;
	if (s->autoescape)
		value = jinja_escape(s, value);
	jinja_write_str(s, output, value);
}

/* Text that a filter or a call gives is written as it is. */
static void
write_text(jinja_state *s, jinja_output *output, jinja_value value)
{
	if (tfm_failed(s->context))
		return;
	if (value.type != JINJA_STRING)
		jinja_raise(s, "sequence item 0: expected str instance, %s found", jinja_type_name(value));
	else
		jinja_write_string(s, output, value.string);
}

static jinja_value
capture(jinja_state *s, jinja_output *output)
{
	jinja_value text = jinja_written(s, output);

	return text.type == JINJA_STRING && s->autoescape ? jinja_marked(s, text.string, true) : text;
}

/* ---- Loops ---- */

typedef struct test_data
{
	const jinja_node *node;
	jinja_frame *frame;
} test_data;

/* The items of a loop that pass its test. */
static bool
next_tested(jinja_state *s, jinja_iterator *iterator, jinja_value *item)
{
	const test_data *data = iterator->data;
	const jinja_scope_plans *plans = data->node->plans;

	if (!iterator->begun)
	{
		iterator->begun = true;
		jinja_enter_scope(s, &plans->test, data->frame);
	}
	while (jinja_next(s, iterator->inner, item))
	{
		jinja_assign(s, plans->test_target, *item, data->frame, false);
		if (tfm_failed(s->context))
			return false;
		if (!jinja_truth(s, jinja_evaluate(s, data->node->third, data->frame)))
			continue;
		if (plans->test_target->kind == NODE_TUPLE)
			*item = jinja_evaluate(s, plans->test_target, data->frame);
		return !tfm_failed(s->context);
	}
	return false;
}

static jinja_value
filter_items(jinja_state *s, const jinja_node *node, jinja_value iterable, jinja_frame *frame)
{
	jinja_iterator *iterator = jinja_generator(s, next_tested, iterable, NULL);
	test_data *data = jinja_alloc(s, sizeof(*data));

	if (iterator == NULL || data == NULL)
		return jinja_none();
	*data = (test_data) {.node = node, .frame = frame};
	iterator->data = data;
	iterator->inner = jinja_iterate(s, iterable);
	return iterator->inner != NULL ? jinja_object(JINJA_ITERATOR, iterator) : jinja_none();
}

/* What a loop iterates over: its items one by one, and "loop" beside them where it is used. */
typedef struct turns
{
	jinja_iterator *iterator;
	jinja_loop *loop;
} turns;

static bool
begin_turns(jinja_state *s, const jinja_node *node, jinja_value iterable, jinja_frame *frame,
			int64_t depth, turns *t)
{
	*t = (turns) {0};
	if (node->third != NULL)
		iterable = filter_items(s, node, iterable, frame);
	if (tfm_failed(s->context))
		return false;
	if (!node->plans->extended)
	{
		t->iterator = jinja_iterate(s, iterable);
		return t->iterator != NULL;
	}
	t->loop = jinja_loop_create(s, iterable, depth);
	if (t->loop != NULL && node->recursive)
	{
		t->loop->recurse = node;
		t->loop->closure = frame->parent;
	}
	return t->loop != NULL;
}

static bool
next_turn(jinja_state *s, turns *t, jinja_value *item)
{
	return t->loop != NULL ? jinja_loop_next(s, t->loop, item) : jinja_next(s, t->iterator, item);
}

static jinja_flow
run_loop(jinja_state *s, const jinja_node *node, jinja_value iterable, jinja_frame *frame,
		 int64_t depth, jinja_output *output)
{
	const jinja_scope_plans *plans = node->plans;
	jinja_flow flow = FLOW_NEXT;
	bool finished = false;
	jinja_value item;
	turns t;

	if (!begin_turns(s, node, iterable, frame, depth, &t))
		return FLOW_NEXT;
	while (flow != FLOW_BREAK && next_turn(s, &t, &item))
	{
		if (plans->extended)
			frame->slots[plans->loop_slot] = jinja_object(JINJA_LOOP, t.loop);
		jinja_assign(s, node->first, item, frame, false);
		jinja_enter_scope(s, &plans->plan, frame);
		if (tfm_failed(s->context))
			return FLOW_NEXT;
		flow = jinja_run(s, &node->body, frame, output);
		/* A turn that is left early does not count for "else". */
		finished = finished || flow == FLOW_NEXT;
		s->line = node->line;
	}
	leave_scope(&plans->plan, frame);
	if (finished || node->otherwise.count == 0 || tfm_failed(s->context))
		return FLOW_NEXT;
	jinja_enter_scope(s, &plans->otherwise, frame);
	flow = jinja_run(s, &node->otherwise, frame, output);
	leave_scope(&plans->otherwise, frame);
	return flow;
}

jinja_value
jinja_run_recursive_loop(jinja_state *s, const jinja_node *node, jinja_value iterable,
						 jinja_frame *closure, int64_t depth)
{
	jinja_frame *frame = jinja_frame_create(s, node->plans->slots, closure);
	jinja_output output = {0};
	int line = s->line;

	if (frame == NULL)
		return jinja_none();
	s->line = node->line;
	run_loop(s, node, iterable, frame, depth, &output);
	s->line = line;
	return capture(s, &output);
}

static jinja_flow
run_for(jinja_state *s, const jinja_node *node, jinja_frame *frame, jinja_output *output)
{
	jinja_value iterable = jinja_evaluate(s, node->second, frame);

	if (tfm_failed(s->context))
		return FLOW_NEXT;
	if (!node->recursive)
		return run_loop(s, node, iterable, frame, 0, output);
	write_value(s, output, jinja_run_recursive_loop(s, node, iterable, frame, 0));
	return FLOW_NEXT;
}

/* ---- Other statements ---- */

static jinja_flow
run_if(jinja_state *s, const jinja_node *node, jinja_frame *frame, jinja_output *output)
{
	const jinja_node *branch = node;

	for (size_t i = 0;; branch = node->elifs.items[i++])
	{
		jinja_value test;

		s->line = branch->line;
		test = jinja_evaluate(s, branch->first, frame);
		if (tfm_failed(s->context))
			return FLOW_NEXT;
		if (jinja_truth(s, test))
			return jinja_run(s, &branch->body, frame, output);
		if (i == node->elifs.count)
			return jinja_run(s, &node->otherwise, frame, output);
	}
}

static void
run_assign(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_value value;

	if (!check_namespaces(s, node->first, frame))
		return;
	value = jinja_evaluate(s, node->second, frame);
	if (!tfm_failed(s->context))
		jinja_assign(s, node->first, value, frame, node->exported);
}

static jinja_flow
run_assign_block(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_output output = {0};
	jinja_flow flow;
	jinja_value value;

	jinja_enter_scope(s, &node->plans->plan, frame);
	flow = jinja_run(s, &node->body, frame, &output);
	if (flow != FLOW_NEXT || tfm_failed(s->context))
		return flow;
	value = capture(s, &output);
	if (node->second != NULL)
		value = jinja_apply_filter(s, node->second, value, frame);
	if (!tfm_failed(s->context))
		jinja_assign(s, node->first, value, frame, node->exported);
	leave_scope(&node->plans->plan, frame);
	return FLOW_NEXT;
}

static jinja_flow
run_filter_block(jinja_state *s, const jinja_node *node, jinja_frame *frame, jinja_output *output)
{
	jinja_output body = {0};
	jinja_flow flow;
	jinja_value value;

	jinja_enter_scope(s, &node->plans->plan, frame);
	flow = jinja_run(s, &node->body, frame, &body);
	if (flow != FLOW_NEXT || tfm_failed(s->context))
		return flow;
	s->line = node->line;
	value = jinja_apply_filter(s, node->third, capture(s, &body), frame);
	write_text(s, output, value);
	leave_scope(&node->plans->plan, frame);
	return FLOW_NEXT;
}

static jinja_flow
run_with(jinja_state *s, const jinja_node *node, jinja_frame *frame, jinja_output *output)
{
	jinja_flow flow;

	jinja_enter_scope(s, &node->plans->plan, frame);
	for (size_t i = 0; i < node->items.count; i++)
	{
		jinja_value value = jinja_evaluate(s, node->extras.items[i], frame);

		if (tfm_failed(s->context))
			return FLOW_NEXT;
		jinja_assign(s, node->items.items[i], value, frame, false);
	}
	flow = jinja_run(s, &node->body, frame, output);
	if (flow == FLOW_NEXT)
		leave_scope(&node->plans->plan, frame);
	return flow;
}

static jinja_flow
run_autoescape(jinja_state *s, const jinja_node *node, jinja_frame *frame, jinja_output *output)
{
	bool before = s->autoescape;
	jinja_flow flow = FLOW_NEXT;
	jinja_value value;

	jinja_enter_scope(s, &node->plans->plan, frame);
	value = jinja_evaluate(s, node->first, frame);
	if (tfm_failed(s->context))
		return FLOW_NEXT;
	s->autoescape = jinja_truth(s, value);
	flow = jinja_run(s, &node->body, frame, output);
	s->autoescape = before;
	if (flow == FLOW_NEXT)
		leave_scope(&node->plans->plan, frame);
	return flow;
}

static jinja_value
make_macro(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_macro *macro = jinja_alloc(s, sizeof(*macro));

	if (macro == NULL)
		return jinja_none();
	*macro = (jinja_macro) {.node = node, .closure = frame, .scope = s->scope};
	return jinja_object(JINJA_MACRO, macro);
}

static void
run_macro_statement(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_value macro = make_macro(s, node, frame);

	frame->slots[node->place.slot] = macro;
	if (node->exported)
		jinja_put(s, s->scope->set, jinja_object(JINJA_STRING, node->name), macro);
}

static void
run_call_block(jinja_state *s, const jinja_node *node, jinja_frame *frame, jinja_output *output)
{
	jinja_value caller = make_macro(s, node, frame), value;

	value = jinja_evaluate_call(s, node->first, frame, caller);
	write_text(s, output, value);
}

static void
run_generation(jinja_state *s, const jinja_node *node, jinja_frame *frame, jinja_output *output)
{
	jinja_macro macro = {.node = node, .closure = frame, .scope = s->scope};
	jinja_call call = {0};

	write_text(s, output, jinja_call_macro(s, &macro, &call));
}

/* ---- Blocks ---- */

static jinja_flow
run_block(jinja_state *s, const jinja_node *node, jinja_output *output)
{
	const jinja_scope_plans *plans = node->plans;
	jinja_frame *frame = jinja_frame_create(s, plans->slots, NULL);

	if (frame == NULL)
		return FLOW_NEXT;
	jinja_enter_scope(s, &plans->plan, frame);
	if (plans->self.slot >= 0)
		frame->slots[plans->self.slot] = (jinja_value) {.type = JINJA_TEMPLATE};
	if (plans->super.slot >= 0)
		frame->slots[plans->super.slot] = jinja_undefined_hint(
			s, "there is no parent block called '%.*s'.", JINJA_TEXT(node->name));
	return jinja_run(s, &node->body, frame, output);
}

/* A scoped block looks names up among the variables around it, too. */
static jinja_scope *
derive_scope(jinja_state *s, const jinja_node *node, jinja_frame *frame)
{
	jinja_scope *scope = jinja_alloc(s, sizeof(*scope));
	const jinja_dict *from[2] = {s->scope->given, s->scope->set};

	if (scope == NULL)
		return NULL;
	*scope = (jinja_scope) {.set = jinja_dict_create(s), .given = jinja_dict_create(s)};
	for (int i = 0; i < 2 && !tfm_failed(s->context); i++)
		for (size_t j = 0; j < from[i]->count; j++)
			jinja_put(s, scope->given, from[i]->entries[j].key, from[i]->entries[j].value);
	for (size_t i = 0; i < node->plans->names.count && !tfm_failed(s->context); i++)
	{
		const jinja_node *name = node->plans->names.items[i];
		jinja_frame *owner = frame;

		for (int j = 0; j < name->place.hops; j++)
			owner = owner->parent;
		if (owner->slots[name->place.slot].type != JINJA_MISSING)
			jinja_put(s, scope->given, jinja_object(JINJA_STRING, name->name),
					  owner->slots[name->place.slot]);
	}
	return tfm_failed(s->context) ? NULL : scope;
}

static void
run_block_use(jinja_state *s, const jinja_node *node, jinja_frame *frame, jinja_output *output)
{
	jinja_scope *before = s->scope;

	if (node->required)
	{
		jinja_raise(s, "Required block '%.*s' not found", JINJA_TEXT(node->name));
		return;
	}
	if (node->scoped)
		s->scope = derive_scope(s, node, frame);
	if (s->scope != NULL)
		run_block(s, node, output);
	s->scope = before;
}

jinja_value
jinja_call_block_reference(jinja_state *s, const jinja_block_reference *block)
{
	jinja_scope *before = s->scope;
	jinja_output output = {0};
	int line = s->line;

	if (jinja_enter(s))
	{
		s->scope = block->scope;
		run_block(s, block->node, &output);
		s->scope = before;
		s->line = line;
	}
	jinja_leave(s);
	return capture(s, &output);
}

bool
jinja_run_template(jinja_state *s, jinja_output *output)
{
	run_block(s, &s->template->root, output);
	return !tfm_failed(s->context);
}

/* ---- All kinds ---- */

static jinja_flow
run_statement(jinja_state *s, const jinja_node *node, jinja_frame *frame, jinja_output *output)
{
	s->line = node->line;
	switch (node->kind)
	{
		case NODE_DATA:
			jinja_write_string(s, output, node->value.string);
			return FLOW_NEXT;
		case NODE_OUTPUT:
			write_value(s, output, jinja_evaluate(s, node->first, frame));
			return FLOW_NEXT;
		case NODE_PRINT:
			for (size_t i = 0; i < node->items.count && !tfm_failed(s->context); i++)
				write_value(s, output, jinja_evaluate(s, node->items.items[i], frame));
			return FLOW_NEXT;
		case NODE_FOR:
			return run_for(s, node, frame, output);
		case NODE_IF:
			return run_if(s, node, frame, output);
		case NODE_ASSIGN:
			run_assign(s, node, frame);
			return FLOW_NEXT;
		case NODE_ASSIGN_BLOCK:
			return run_assign_block(s, node, frame);
		case NODE_WITH:
			return run_with(s, node, frame, output);
		case NODE_MACRO:
			run_macro_statement(s, node, frame);
			return FLOW_NEXT;
		case NODE_CALL_BLOCK:
			run_call_block(s, node, frame, output);
			return FLOW_NEXT;
		case NODE_FILTER_BLOCK:
			return run_filter_block(s, node, frame, output);
		case NODE_BLOCK:
			run_block_use(s, node, frame, output);
			return FLOW_NEXT;
		case NODE_AUTOESCAPE:
			return run_autoescape(s, node, frame, output);
		case NODE_GENERATION:
			run_generation(s, node, frame, output);
			return FLOW_NEXT;
		case NODE_BREAK:
			return FLOW_BREAK;
		case NODE_CONTINUE:
			return FLOW_CONTINUE;
		default:
			jinja_evaluate(s, node->first, frame);
			jinja_raise(s, "no loader for this environment specified");
			return FLOW_NEXT;
	}
}

jinja_flow
jinja_run(jinja_state *s, const jinja_nodes *body, jinja_frame *frame, jinja_output *output)
{
	jinja_flow flow = FLOW_NEXT;

	if (!jinja_enter(s))
	{
		jinja_leave(s);
		return FLOW_NEXT;
	}
	for (size_t i = 0; i < body->count && flow == FLOW_NEXT; i++)
	{
		flow = run_statement(s, body->items[i], frame, output);
		if (!jinja_step(s, 1))
			break;
	}
	jinja_leave(s);
	return flow;
}
