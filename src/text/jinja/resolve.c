/*
 * resolve.c
 *	  Names to slots, by the rules of jinja2's idtracking.py and compiler.py.
 *
 * A scope's names are found first, by a walk that stops at the scopes within it (analyze); then its
 * statements are gone through one by one (bind), each with the scopes that it opens.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "text/jinja/program.h"

/* Slots of a loop's test are its own: in Jinja it is a function beside the loop. */
#define TEST_LEVELS 1000000

/* A function of the compiled template: what has locals of its own. */
typedef struct function
{
	int depth;
	int slots;
	jinja_dict *by_name; /* (level, name) to slot: scopes side by side share their locals */
} function;

typedef struct symbols
{
	struct symbols *parent;
	function *function;
	int level;
	jinja_dict *refs;	/* name to slot */
	jinja_dict *stores; /* names that are set here */
	jinja_plan *plan;
} symbols;

typedef struct frame
{
	symbols *symbols;
	bool toplevel; /* what is set is seen by blocks */
	bool soft;	   /* inside an if: a filter that is not there is no error yet */
	bool in_loop;
} frame;

typedef struct resolver
{
	jinja_state *s;
	jinja_template *template;
	jinja_dict *blocks;
	int branches; /* depth of ifs in the walk of analyze */
} resolver;

static bool
failed(const resolver *r)
{
	return tfm_failed(r->s->context);
}

static bool
fail(resolver *r, int line, const char *format, const jinja_string *name)
{
	char message[512];
	int length = name == NULL ? 0 : name->bytes < 300 ? (int) name->bytes : 300;

	snprintf(message, sizeof(message), format, length, name == NULL ? "" : name->data);
	return jinja_fail(r->s, TFM_INVALID_ARGUMENT, line, "%s", message);
}

/* ---- Children, in the order of Jinja's fields ---- */

typedef bool visit_child(void *argument, jinja_node *child);

static bool
each_node(const jinja_nodes *nodes, visit_child *visit, void *argument)
{
	for (size_t i = 0; i < nodes->count; i++)
		if (!visit(argument, nodes->items[i]))
			return false;
	return true;
}

static bool
each_argument(const jinja_node_arguments *a, visit_child *visit, void *argument)
{
	return a == NULL ||
		   (each_node(&a->positional, visit, argument) && each_node(&a->named, visit, argument) &&
			(a->list == NULL || visit(argument, a->list)) &&
			(a->dict == NULL || visit(argument, a->dict)));
}

static bool
each_child(jinja_node *node, visit_child *visit, void *argument)
{
	return (node->first == NULL || visit(argument, node->first)) &&
		   (node->second == NULL || visit(argument, node->second)) &&
		   (node->kind == NODE_NO_LOADER || each_node(&node->items, visit, argument)) &&
		   each_node(&node->extras, visit, argument) &&
		   each_argument(node->arguments, visit, argument) &&
		   each_node(&node->body, visit, argument) && each_node(&node->elifs, visit, argument) &&
		   each_node(&node->otherwise, visit, argument) &&
		   (node->third == NULL || visit(argument, node->third));
}

/* ---- Which of some names are used without being set before ---- */

typedef struct undeclared
{
	resolver *r;
	const char *names[3];
	bool wanted[3], found[3];
} undeclared;

static bool
find_names(void *argument, jinja_node *node)
{
	undeclared *u = argument;

	if (node->kind == NODE_BLOCK)
		return true;
	if (node->kind != NODE_NAME)
		return jinja_step(u->r->s, 1) && each_child(node, find_names, u);
	for (int i = 0; i < 3; i++)
	{
		if (!u->wanted[i] || !jinja_is_text(node->name, u->names[i]))
			continue;
		u->found[i] = u->found[i] || node->context == CONTEXT_LOAD;
		u->wanted[i] = node->context == CONTEXT_LOAD;
	}
	return true;
}

static undeclared
find_undeclared(resolver *r, const jinja_nodes *body, const char *a, const char *b, const char *c)
{
	undeclared u = {.r = r, .names = {a, b, c}, .wanted = {a != NULL, b != NULL, c != NULL}};

	each_node(body, find_names, &u);
	return u;
}

static bool
has_scoped_block(void *argument, jinja_node *node)
{
	if (node->kind == NODE_BLOCK && node->scoped)
		*(bool *) argument = true;
	return each_child(node, has_scoped_block, argument);
}

/* Stops at a place where "loop" is set. */
static bool
sets_no_loop(void *argument, jinja_node *node)
{
	if (node->kind == NODE_NAME && node->context == CONTEXT_STORE &&
		jinja_is_text(node->name, "loop"))
	{
		*(int *) argument = node->line;
		return false;
	}
	return each_child(node, sets_no_loop, argument);
}

/* ---- Symbols ---- */

static function *
new_function(resolver *r, const function *outer)
{
	function *f = jinja_alloc_zero(r->s, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->depth = outer != NULL ? outer->depth + 1 : 0;
	f->by_name = jinja_dict_create(r->s);
	return f->by_name != NULL ? f : NULL;
}

static symbols *
new_symbols(resolver *r, symbols *parent, function *f, jinja_plan *plan)
{
	symbols *sym = jinja_alloc_zero(r->s, sizeof(*sym));

	if (sym == NULL || f == NULL)
		return NULL;
	sym->parent = parent;
	sym->function = f;
	sym->level = parent != NULL ? parent->level % TEST_LEVELS + 1 : 0;
	sym->refs = jinja_dict_create(r->s);
	sym->stores = jinja_dict_create(r->s);
	sym->plan = plan;
	return sym->refs != NULL && sym->stores != NULL ? sym : NULL;
}

static bool
find_ref(const symbols *from, const jinja_string *name, jinja_place *place)
{
	for (const symbols *sym = from; sym != NULL; sym = sym->parent)
	{
		const jinja_entry *entry = jinja_find_string(sym->refs, name);

		if (entry == NULL)
			continue;
		place->hops = from->function->depth - sym->function->depth;
		place->slot = (int) entry->value.integer;
		return true;
	}
	return false;
}

/* The slot of a name at a level of a function, and the load that goes with it. */
static int
define(resolver *r, symbols *sym, const jinja_string *name, int action, jinja_place place)
{
	jinja_state *s = r->s;
	jinja_value text = jinja_object(JINJA_STRING, name);
	jinja_value key = jinja_pair(s, jinja_int(sym->level), text);
	jinja_entry *known = failed(r) ? NULL : jinja_find(s, sym->function->by_name, key);
	jinja_plan *plan = sym->plan;
	int slot = known != NULL ? (int) known->value.integer : sym->function->slots++;

	if (failed(r) || !jinja_put(s, sym->function->by_name, key, jinja_int(slot)) ||
		!jinja_put(s, sym->refs, text, jinja_int(slot)))
		return 0;
	for (size_t i = 0; i < plan->count; i++)
		if (plan->loads[i].slot == slot)
		{
			plan->loads[i].action = action;
			return slot;
		}
	if (plan->count == plan->capacity)
	{
		size_t capacity = plan->capacity > 0 ? plan->capacity * 2 : 4;
		jinja_load *loads = jinja_alloc(s, capacity * sizeof(*loads));

		if (loads == NULL)
			return 0;
		if (plan->count > 0)
			memcpy(loads, plan->loads, plan->count * sizeof(*loads));
		plan->loads = loads;
		plan->capacity = capacity;
	}
	jinja_step(s, plan->count);
	plan->loads[plan->count++] =
		(jinja_load) {.slot = slot, .action = action, .place = place, .name = name};
	return slot;
}

static int
declare_parameter(resolver *r, symbols *sym, const jinja_string *name)
{
	jinja_put(r->s, sym->stores, jinja_object(JINJA_STRING, name), jinja_none());
	return define(r, sym, name, LOAD_PARAMETER, (jinja_place) {0});
}

static void
load_name(resolver *r, symbols *sym, const jinja_string *name)
{
	jinja_place place;

	if (!find_ref(sym, name, &place))
		define(r, sym, name, LOAD_RESOLVE, (jinja_place) {0});
}

/*
 * A name that is set first begins as what it is outside; where there is nothing outside, undefined,
 * even if the template was given a value for it.  Set in a branch, it begins as that value.
 */
static void
store_name(resolver *r, symbols *sym, const jinja_string *name)
{
	jinja_place place = {0};

	jinja_put(r->s, sym->stores, jinja_object(JINJA_STRING, name), jinja_none());
	if (jinja_find_string(sym->refs, name) != NULL)
		return;
	if (sym->parent != NULL && find_ref(sym->parent, name, &place))
	{
		place.hops += sym->function->depth - sym->parent->function->depth;
		define(r, sym, name, LOAD_ALIAS, place);
	}
	else
		define(r, sym, name, r->branches > 0 ? LOAD_RESOLVE : LOAD_UNDEFINED, place);
}

/* ---- Walking a scope for its names ---- */

typedef struct walk
{
	resolver *r;
	symbols *symbols;
	bool as_parameter;
} walk;

static bool analyze(void *argument, jinja_node *node);

static bool
analyze_name(const walk *w, const jinja_node *node)
{
	if (w->as_parameter || node->context == CONTEXT_PARAMETER)
		declare_parameter(w->r, w->symbols, node->name);
	else if (node->context == CONTEXT_STORE && node->kind == NODE_NAME)
		store_name(w->r, w->symbols, node->name);
	else
		load_name(w->r, w->symbols, node->name);
	return !failed(w->r);
}

static bool
analyze_if(walk *w, jinja_node *node)
{
	bool good = analyze(w, node->first);

	w->r->branches++;
	good = good && each_node(&node->body, analyze, w) && each_node(&node->elifs, analyze, w) &&
		   each_node(&node->otherwise, analyze, w);
	w->r->branches--;
	return good;
}

static bool
analyze(void *argument, jinja_node *node)
{
	walk *w = argument;

	if (!jinja_step(w->r->s, 1))
		return false;
	switch (node->kind)
	{
		case NODE_NAME:
		case NODE_NSREF:
			return analyze_name(w, node);
		case NODE_IF:
			return analyze_if(w, node);
		case NODE_MACRO:
			store_name(w->r, w->symbols, node->name);
			return !failed(w->r);
		case NODE_NO_LOADER:
			return analyze(w, node->first) && each_node(&node->items, analyze, w);
		case NODE_ASSIGN:
			return analyze(w, node->second) && analyze(w, node->first);
		case NODE_FOR:
			return analyze(w, node->second);
		case NODE_CALL_BLOCK:
		case NODE_ASSIGN_BLOCK:
			return analyze(w, node->first);
		case NODE_FILTER_BLOCK:
			return analyze(w, node->third);
		case NODE_WITH:
			return each_node(&node->extras, analyze, w);
		case NODE_GENERATION:
		case NODE_AUTOESCAPE:
		case NODE_BLOCK:
			return true;
		default:
			return each_child(node, analyze, w);
	}
}

static bool
analyze_nodes(resolver *r, symbols *sym, const jinja_nodes *nodes, bool as_parameter)
{
	walk w = {.r = r, .symbols = sym, .as_parameter = as_parameter};
	int branches = r->branches;
	bool good;

	r->branches = 0;
	good = each_node(nodes, analyze, &w);
	r->branches = branches;
	return good;
}

static bool
analyze_one(resolver *r, symbols *sym, jinja_node *node, bool as_parameter)
{
	jinja_nodes one = {.items = &node, .count = node != NULL};

	return analyze_nodes(r, sym, &one, as_parameter);
}

/* ---- Binding expressions ---- */

typedef struct binder
{
	resolver *r;
	const frame *frame;
} binder;

static bool
bind_name(resolver *r, const frame *f, jinja_node *node)
{
	/* A name in the filter of a set block is not looked for by Jinja, which then fails. */
	if (!find_ref(f->symbols, node->name, &node->place))
	{
		load_name(r, f->symbols, node->name);
		find_ref(f->symbols, node->name, &node->place);
	}
	return !failed(r);
}

static bool
bind_expression(void *argument, jinja_node *node)
{
	binder *b = argument;
	frame soft;
	binder inner;

	switch (node->kind)
	{
		case NODE_NAME:
		case NODE_NSREF:
			return bind_name(b->r, b->frame, node);
		case NODE_FILTER:
		case NODE_TEST:
			node->function = node->kind == NODE_FILTER ? jinja_find_filter(node->name)
													   : jinja_find_test(node->name);
			if (node->function == NULL && !b->frame->soft)
				return fail(b->r, node->line,
							node->kind == NODE_FILTER ? "No filter named '%.*s'."
													  : "No test named '%.*s'.",
							node->name);
			return each_child(node, bind_expression, b);
		case NODE_CONDITION:
			soft = *b->frame;
			soft.soft = true;
			inner = (binder) {.r = b->r, .frame = &soft};
			return each_child(node, bind_expression, &inner);
		default:
			return each_child(node, bind_expression, b);
	}
}

static bool
bind_one(resolver *r, const frame *f, jinja_node *node)
{
	binder b = {.r = r, .frame = f};

	return node == NULL || bind_expression(&b, node);
}

static bool
bind_nodes(resolver *r, const frame *f, const jinja_nodes *nodes)
{
	binder b = {.r = r, .frame = f};

	return each_node(nodes, bind_expression, &b);
}

/* ---- Binding statements ---- */

static bool bind_body(resolver *r, const frame *f, const jinja_nodes *body);

static jinja_scope_plans *
new_plans(resolver *r, jinja_node *node)
{
	node->plans = jinja_alloc_zero(r->s, sizeof(*node->plans));
	if (node->plans != NULL)
		node->plans->self.slot = node->plans->super.slot = -1;
	return node->plans;
}

/* A frame for a scope within another; a function of its own if f is given. */
static bool
open_scope(resolver *r, const frame *outer, function *f, jinja_plan *plan, frame *inner)
{
	*inner = (frame) {.soft = false, .in_loop = f == NULL && outer->in_loop};
	inner->symbols = new_symbols(r, outer->symbols, f != NULL ? f : outer->symbols->function, plan);
	return inner->symbols != NULL;
}

static jinja_node *
copy_target(resolver *r, const jinja_node *target)
{
	jinja_node *copy = jinja_alloc(r->s, sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *target;
	copy->items = (jinja_nodes) {0};
	for (size_t i = 0; i < target->items.count; i++)
		if (!jinja_nodes_append(r->s, &copy->items, copy_target(r, target->items.items[i])))
			return NULL;
	return copy;
}

static bool
bind_loop_test(resolver *r, const frame *outer, jinja_node *node, function *f)
{
	jinja_scope_plans *plans = node->plans;
	frame test;

	if (node->third == NULL)
		return true;
	plans->test_target = copy_target(r, node->first);
	if (plans->test_target == NULL || !open_scope(r, outer, f, &plans->test, &test))
		return false;
	test.symbols->level += TEST_LEVELS;
	return analyze_one(r, test.symbols, plans->test_target, true) &&
		   analyze_one(r, test.symbols, node->third, false) &&
		   bind_one(r, &test, plans->test_target) && bind_one(r, &test, node->third);
}

static bool
bind_for(resolver *r, const frame *outer, jinja_node *node)
{
	static const jinja_string loop = {.data = "loop", .bytes = 4, .count = 4};
	jinja_scope_plans *plans = new_plans(r, node);
	function *f = node->recursive ? new_function(r, outer->symbols->function) : NULL;
	frame body, otherwise;
	bool scoped = false;
	int line = 0;

	if (plans == NULL || (node->recursive && f == NULL))
		return false;
	plans->extended =
		node->recursive || find_undeclared(r, &node->body, "loop", NULL, NULL).found[0];
	each_child(node, has_scoped_block, &scoped);
	plans->extended = plans->extended || scoped;
	if (!open_scope(r, outer, f, &plans->plan, &body) ||
		!open_scope(r, outer, f, &plans->otherwise, &otherwise))
		return false;
	if (plans->extended)
		plans->loop_slot = declare_parameter(r, body.symbols, &loop);
	if (!analyze_one(r, body.symbols, node->first, true) ||
		!analyze_nodes(r, body.symbols, &node->body, false) ||
		!analyze_nodes(r, otherwise.symbols, &node->otherwise, false) ||
		!bind_loop_test(r, outer, node, f))
		return false;
	if (!each_child(node, sets_no_loop, &line))
		return fail(r, line, "Can't assign to special loop variable in for-loop target%.*s", NULL);
	body.in_loop = true;
	if (!bind_one(r, &body, node->first) || !bind_one(r, outer, node->second) ||
		!bind_body(r, &body, &node->body) || !bind_body(r, &otherwise, &node->otherwise))
		return false;
	plans->slots = f != NULL ? f->slots : 0;
	return true;
}

/* Where a macro keeps one of the names that it has without declaring them. */
static bool
declare_special(resolver *r, symbols *sym, const char *name, bool used, bool *takes,
				jinja_place *place)
{
	jinja_value text;

	*takes = used;
	if (!used)
		return true;
	text = jinja_string_of(r->s, name);
	if (text.type != JINJA_STRING)
		return false;
	place->slot = declare_parameter(r, sym, text.string);
	return !failed(r);
}

static bool
has_parameter(const jinja_node *node, const char *name, size_t *place)
{
	for (*place = 0; *place < node->items.count; ++*place)
		if (jinja_is_text(node->items.items[*place]->name, name))
			return true;
	return false;
}

static bool
bind_macro_body(resolver *r, const frame *outer, jinja_node *node)
{
	jinja_scope_plans *plans = new_plans(r, node);
	function *f = new_function(r, outer->symbols->function);
	undeclared used;
	frame inner;
	size_t place;

	if (plans == NULL || f == NULL || !open_scope(r, outer, f, &plans->plan, &inner) ||
		!analyze_nodes(r, inner.symbols, &node->items, false) ||
		!analyze_nodes(r, inner.symbols, &node->extras, false) ||
		!analyze_nodes(r, inner.symbols, &node->body, false))
		return false;
	used = find_undeclared(r, &node->body, "caller", "kwargs", "varargs");
	plans->explicit_caller = has_parameter(node, "caller", &place);
	if (used.found[0] && plans->explicit_caller && node->items.count - place > node->extras.count)
		return fail(r, node->line,
					"When defining macros or call blocks the special \"caller\" argument must be"
					" omitted or be given a default.%.*s",
					NULL);
	if (!declare_special(r, inner.symbols, "caller", used.found[0] && !plans->explicit_caller,
						 &plans->takes_caller, &plans->caller) ||
		!declare_special(r, inner.symbols, "kwargs",
						 used.found[1] && !has_parameter(node, "kwargs", &place),
						 &plans->takes_kwargs, &plans->kwargs) ||
		!declare_special(r, inner.symbols, "varargs",
						 used.found[2] && !has_parameter(node, "varargs", &place),
						 &plans->takes_varargs, &plans->varargs))
		return false;
	if (!bind_nodes(r, &inner, &node->items) || !bind_nodes(r, &inner, &node->extras) ||
		!bind_body(r, &inner, &node->body))
		return false;
	plans->takes_caller = used.found[0];
	plans->slots = f->slots;
	return true;
}

static bool
bind_macro(resolver *r, const frame *outer, jinja_node *node)
{
	node->exported = outer->toplevel;
	return bind_macro_body(r, outer, node) && bind_name(r, outer, node);
}

static bool
bind_with(resolver *r, const frame *outer, jinja_node *node)
{
	jinja_scope_plans *plans = new_plans(r, node);
	frame inner;

	return plans != NULL && open_scope(r, outer, NULL, &plans->plan, &inner) &&
		   analyze_nodes(r, inner.symbols, &node->items, false) &&
		   analyze_nodes(r, inner.symbols, &node->body, false) &&
		   bind_nodes(r, &inner, &node->items) && bind_nodes(r, outer, &node->extras) &&
		   bind_body(r, &inner, &node->body);
}

static bool
bind_assign_block(resolver *r, const frame *outer, jinja_node *node)
{
	jinja_scope_plans *plans = new_plans(r, node);
	frame inner;

	node->exported = outer->toplevel;
	return plans != NULL && open_scope(r, outer, NULL, &plans->plan, &inner) &&
		   analyze_nodes(r, inner.symbols, &node->body, false) &&
		   bind_body(r, &inner, &node->body) && bind_one(r, outer, node->first) &&
		   bind_one(r, &inner, node->second);
}

/* A filter block or an autoescape: its expression belongs to the scope. */
static bool
bind_inner(resolver *r, const frame *outer, jinja_node *node, jinja_node *expression)
{
	jinja_scope_plans *plans = new_plans(r, node);
	frame inner;

	return plans != NULL && open_scope(r, outer, NULL, &plans->plan, &inner) &&
		   analyze_one(r, inner.symbols, expression, false) &&
		   analyze_nodes(r, inner.symbols, &node->body, false) && bind_one(r, &inner, expression) &&
		   bind_body(r, &inner, &node->body);
}

/* A block is a function of its own; a scoped one is told the variables around it. */
static bool
bind_block_use(resolver *r, const frame *outer, jinja_node *node)
{
	jinja_dict *seen = jinja_dict_create(r->s);
	jinja_value name = jinja_object(JINJA_STRING, node->name);

	if (failed(r))
		return false;
	if (jinja_find(r->s, r->blocks, name) != NULL)
		return fail(r, node->line, "block '%.*s' defined twice", node->name);
	if (!jinja_put(r->s, r->blocks, name, jinja_none()) ||
		!jinja_nodes_append(r->s, &r->template->blocks, node) || new_plans(r, node) == NULL)
		return false;
	if (!node->scoped)
		return true;
	for (const symbols *sym = outer->symbols; sym != NULL; sym = sym->parent)
		for (size_t i = 0; i < sym->stores->count; i++)
		{
			jinja_node *variable = jinja_alloc_zero(r->s, sizeof(*variable));

			if (variable == NULL || jinja_find(r->s, seen, sym->stores->entries[i].key) != NULL)
				continue;
			variable->kind = NODE_NAME;
			variable->name = sym->stores->entries[i].key.string;
			if (!jinja_put(r->s, seen, sym->stores->entries[i].key, jinja_none()) ||
				!bind_name(r, outer, variable) ||
				!jinja_nodes_append(r->s, &node->plans->names, variable))
				return false;
		}
	return !failed(r);
}

static bool
bind_if(resolver *r, const frame *outer, jinja_node *node)
{
	frame soft = *outer;

	soft.soft = true;
	if (!bind_one(r, &soft, node->first) || !bind_body(r, &soft, &node->body))
		return false;
	for (size_t i = 0; i < node->elifs.count; i++)
		if (!bind_one(r, &soft, node->elifs.items[i]->first) ||
			!bind_body(r, &soft, &node->elifs.items[i]->body))
			return false;
	return bind_body(r, &soft, &node->otherwise);
}

static bool
bind_statement(resolver *r, const frame *f, jinja_node *node)
{
	switch (node->kind)
	{
		case NODE_FOR:
			return bind_for(r, f, node);
		case NODE_IF:
			return bind_if(r, f, node);
		case NODE_MACRO:
			return bind_macro(r, f, node);
		case NODE_CALL_BLOCK:
			return bind_macro_body(r, f, node) && bind_one(r, f, node->first);
		case NODE_GENERATION:
			return bind_macro_body(r, f, node);
		case NODE_WITH:
			return bind_with(r, f, node);
		case NODE_ASSIGN_BLOCK:
			return bind_assign_block(r, f, node);
		case NODE_FILTER_BLOCK:
			return bind_inner(r, f, node, node->third);
		case NODE_AUTOESCAPE:
			return bind_inner(r, f, node, node->first);
		case NODE_BLOCK:
			return bind_block_use(r, f, node);
		case NODE_BREAK:
		case NODE_CONTINUE:
			if (!f->in_loop)
				return fail(r, node->line,
							node->kind == NODE_BREAK ? "'break' outside loop%.*s"
													 : "'continue' not properly in loop%.*s",
							NULL);
			return true;
		case NODE_ASSIGN:
			node->exported = f->toplevel;
			return bind_one(r, f, node->first) && bind_one(r, f, node->second);
		case NODE_NO_LOADER:
			if (!f->toplevel && jinja_is_text(node->name, "extends"))
				return fail(r, node->line, "cannot use extend from a non top-level scope%.*s",
							NULL);
			return bind_one(r, f, node->first);
		default:
			return bind_one(r, f, node);
	}
}

static bool
bind_body(resolver *r, const frame *f, const jinja_nodes *body)
{
	for (size_t i = 0; i < body->count; i++)
		if (!bind_statement(r, f, body->items[i]))
			return false;
	return !failed(r);
}

/* The whole template or a block. */
static bool
bind_root(resolver *r, jinja_node *node, bool toplevel)
{
	jinja_scope_plans *plans = node->plans != NULL ? node->plans : new_plans(r, node);
	function *f = new_function(r, NULL);
	frame root = {.toplevel = toplevel};
	undeclared used = find_undeclared(r, &node->body, "self", toplevel ? NULL : "super", NULL);
	bool ignored;

	if (plans == NULL || f == NULL)
		return false;
	root.symbols = new_symbols(r, NULL, f, &plans->plan);
	if (root.symbols == NULL)
		return false;
	if (used.found[0] && !declare_special(r, root.symbols, "self", true, &ignored, &plans->self))
		return false;
	if (used.found[1] && !declare_special(r, root.symbols, "super", true, &ignored, &plans->super))
		return false;
	if (!analyze_nodes(r, root.symbols, &node->body, false) || !bind_body(r, &root, &node->body))
		return false;
	plans->slots = f->slots;
	return true;
}

bool
jinja_resolve(jinja_state *s, jinja_template *template)
{
	resolver r = {.s = s, .template = template, .blocks = jinja_dict_create(s)};

	if (r.blocks == NULL || !bind_root(&r, &template->root, true))
		return false;
	/* Blocks within blocks are added as they are met. */
	for (size_t i = 0; i < template->blocks.count; i++)
		if (!bind_root(&r, template->blocks.items[i], false))
			return false;
	return true;
}
