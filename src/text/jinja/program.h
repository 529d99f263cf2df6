/*
 * program.h
 *	  A template as a tree, and what runs it.
 *
 * Jinja compiles a template to Python functions whose local variables are the template's.  Which
 * statement sees which variable follows from that, so names are resolved here as its compiler
 * does: each name to a slot of a frame (the locals of one call of one of those functions) or of the
 * frame of an enclosing function.  Entering a scope (a loop's body, a with, ...) loads what it
 * names from outside into slots of its own; leaving it clears them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEXT_JINJA_PROGRAM_H
#define TFM_TEXT_JINJA_PROGRAM_H

#include "text/jinja/lexer.h"

typedef enum jinja_kind
{
	/* Expressions: first, second, third as said; items are children */
	NODE_CONST,		/* value */
	NODE_NAME,		/* name; context */
	NODE_NSREF,		/* name; attribute in value */
	NODE_TUPLE,		/* items */
	NODE_LIST,		/* items */
	NODE_DICT,		/* items: key, value, key, value */
	NODE_UNARY,		/* operator (- or +); first */
	NODE_BINARY,	/* operator (+ - * / % F for //, P for **); first, second */
	NODE_AND,		/* first, second */
	NODE_OR,		/* first, second */
	NODE_NOT,		/* first */
	NODE_COMPARE,	/* first; items: operands */
	NODE_OPERAND,	/* operator (< l > g = ! i n); first */
	NODE_CONCAT,	/* items */
	NODE_CONDITION, /* first: test, second: then, third: else or NULL */
	NODE_FILTER,	/* first (NULL: the text of a block), name, arguments */
	NODE_TEST,		/* first, name, arguments */
	NODE_CALL,		/* first, arguments */
	NODE_GETATTR,	/* first, name */
	NODE_GETITEM,	/* first, second */
	NODE_SLICE,		/* first, second, third, each may be NULL */
	NODE_KEYWORD,	/* name, first */
	/* Statements */
	NODE_DATA,		   /* value */
	NODE_OUTPUT,	   /* first */
	NODE_PRINT,		   /* items */
	NODE_FOR,		   /* first: target, second: iterated, third: test or NULL; body, otherwise */
	NODE_IF,		   /* first, body, elifs, otherwise */
	NODE_ASSIGN,	   /* first: target, second */
	NODE_ASSIGN_BLOCK, /* first: target, second: filter or NULL; body */
	NODE_WITH,		   /* items: targets, extras: values; body */
	NODE_MACRO,		   /* name; items: parameters, extras: defaults of the last ones; body */
	NODE_CALL_BLOCK,   /* first: call; items, extras, body as of a macro */
	NODE_FILTER_BLOCK, /* body; third: filter */
	NODE_BLOCK,		   /* name; body; scoped, required */
	NODE_AUTOESCAPE,   /* first; body */
	NODE_GENERATION,   /* body */
	NODE_BREAK,
	NODE_CONTINUE,
	NODE_NO_LOADER /* first: what to include, import or extend; items: names it would set */
} jinja_kind;

typedef struct jinja_nodes
{
	struct jinja_node **items;
	size_t count, capacity;
} jinja_nodes;

typedef struct jinja_node_arguments
{
	jinja_nodes positional;
	jinja_nodes named;		 /* keywords */
	struct jinja_node *list; /* *list, or NULL */
	struct jinja_node *dict; /* **dict, or NULL */
} jinja_node_arguments;

/* A slot, of the frame so many functions up. */
typedef struct jinja_place
{
	int hops;
	int slot;
} jinja_place;

/* What entering a scope does to a slot. */
typedef struct jinja_load
{
	int slot;
	enum
	{
		LOAD_PARAMETER, /* nothing: it is given */
		LOAD_RESOLVE,	/* look the name up among the template's variables */
		LOAD_ALIAS,		/* copy an outer variable */
		LOAD_UNDEFINED	/* clear */
	} action;
	jinja_place place;
	const jinja_string *name;
} jinja_load;

typedef struct jinja_plan
{
	jinja_load *loads;
	size_t count, capacity;
} jinja_plan;

/* What a scope's node is given when names are resolved. */
typedef struct jinja_scope_plans
{
	jinja_plan plan;								/* of its body */
	jinja_plan otherwise;							/* of a loop's else */
	jinja_plan test;								/* of a loop's test */
	int slots;										/* of the function that it is, if it is one */
	bool extended;									/* a loop whose variable "loop" is used */
	int loop_slot;									/* and where that is */
	bool takes_caller, takes_kwargs, takes_varargs; /* of a macro */
	bool explicit_caller;
	jinja_place caller, kwargs, varargs;
	jinja_place self, super;		/* of a block, or the template; slot -1: not used */
	jinja_nodes names;				/* a scoped block's: the variables that it sees */
	struct jinja_node *test_target; /* the target again, for a loop's test */
} jinja_scope_plans;

typedef struct jinja_node
{
	jinja_kind kind;
	int line;
	int depth; /* of the tree below */
	enum
	{
		CONTEXT_LOAD,
		CONTEXT_STORE,
		CONTEXT_PARAMETER
	} context;
	char operator;
	bool recursive;		   /* a loop */
	bool scoped, required; /* a block */
	bool exported;		   /* an assignment at the top level */
	bool soft;			   /* a filter or test that need not exist until it is used */
	const jinja_string *name;
	jinja_value value;
	struct jinja_node *first, *second, *third;
	jinja_nodes items, extras, body, elifs, otherwise;
	jinja_node_arguments *arguments;
	jinja_place place;				/* of a name, or of the macro itself */
	const jinja_function *function; /* of a filter or test; NULL: there is none */
	jinja_scope_plans *plans;
} jinja_node;

/* A parsed and resolved template; the root is like a block. */
typedef struct jinja_template
{
	jinja_node root;
	jinja_nodes blocks;
} jinja_template;

/* Locals of a call of a function. */
typedef struct jinja_frame
{
	struct jinja_frame *parent;
	jinja_value slots[];
} jinja_frame;

/* What a name is looked up in when no statement around has set it: Jinja's Context. */
typedef struct jinja_scope
{
	jinja_dict *set;   /* by statements at the top level */
	jinja_dict *given; /* globals and the request's values */
} jinja_scope;

typedef struct jinja_macro
{
	const jinja_node *node;
	jinja_frame *closure;
	jinja_scope *scope;
	bool generation; /* the body of {% generation %} */
} jinja_macro;

typedef struct jinja_block_reference
{
	const jinja_node *node;
	jinja_scope *scope;
} jinja_block_reference;

/* The variable "loop". */
typedef struct jinja_loop
{
	jinja_value iterable;
	jinja_iterator *iterator;
	int64_t index0; /* -1 before the first */
	int64_t length; /* -1: not known yet */
	int64_t depth0;
	jinja_value before, current, after; /* MISSING: none */
	jinja_list *changed;				/* what it was last called with */
	const jinja_node *recurse;			/* the loop, if it is recursive */
	jinja_frame *closure;
} jinja_loop;

/* ---- Parser (parser.c, parse_statements.c) ---- */

typedef struct jinja_parser
{
	jinja_state *s;
	jinja_lexer lexer;
	jinja_token current, next;
	bool has_next;
	int depth;
	const jinja_string **tags; /* the statements that are open */
	size_t tag_count, tag_capacity;
	const char *const **ends; /* what may end them */
	size_t end_count, end_capacity;
} jinja_parser;

/* Parse and resolve; NULL with an error. */
extern jinja_template *jinja_parse(jinja_state *s, tfm_text source);

extern jinja_node *jinja_parse_expression(jinja_parser *p, bool with_condition);
extern jinja_node *jinja_parse_tuple(jinja_parser *p, int flags);
extern jinja_node *jinja_parse_primary(jinja_parser *p, bool with_namespace);
extern jinja_node *jinja_parse_filter(jinja_parser *p, jinja_node *node, bool inside);
extern jinja_node *jinja_parse_statement(jinja_parser *p);

enum
{
	TUPLE_SIMPLE = 1,		/* names and literals only */
	TUPLE_NO_CONDITION = 2, /* no inline if */
	TUPLE_PARENTHESES = 4,	/* may be empty */
	TUPLE_NAMESPACE = 8		/* may be attributes of namespaces */
};

/* Making and linking nodes; each accepts what a failed parse gives. */
extern jinja_node *jinja_node_create(jinja_parser *p, jinja_kind kind, int line);
extern bool jinja_add_node(jinja_parser *p, jinja_node *parent, jinja_nodes *nodes,
						   jinja_node *node);
extern bool jinja_nodes_append(jinja_state *s, jinja_nodes *nodes, jinja_node *node);

/* Going through tokens. */
extern jinja_token jinja_advance(jinja_parser *p);	   /* returns the one left behind */
extern const jinja_token *jinja_look(jinja_parser *p); /* the one after the current */
extern bool jinja_at_name(const jinja_parser *p, const char *name);
extern bool jinja_skip_name(jinja_parser *p, const char *name);
extern bool jinja_skip_type(jinja_parser *p, jinja_token_type type);
extern jinja_token jinja_expect(jinja_parser *p, jinja_token_type type);
extern jinja_token jinja_expect_name(jinja_parser *p, const char *name);
extern void *jinja_syntax_error(jinja_parser *p, int line, const char *format, ...)
	TFM_PRINTF(3, 4);

/* ---- Resolving (resolve.c) ---- */

extern bool jinja_resolve(jinja_state *s, jinja_template *template);

/* ---- Running ---- */

typedef enum jinja_flow
{
	FLOW_NEXT,
	FLOW_BREAK,
	FLOW_CONTINUE
} jinja_flow;

extern jinja_flow jinja_run(jinja_state *s, const jinja_nodes *body, jinja_frame *frame,
							jinja_output *output); /* statements.c */
extern bool jinja_run_template(jinja_state *s, jinja_output *output);
extern jinja_frame *jinja_frame_create(jinja_state *s, int slots, jinja_frame *parent);
extern void jinja_enter_scope(jinja_state *s, const jinja_plan *plan, jinja_frame *frame);
extern void jinja_assign(jinja_state *s, const jinja_node *target, jinja_value value,
						 jinja_frame *frame, bool exported);
extern jinja_value jinja_call_block_reference(jinja_state *s, const jinja_block_reference *block);

extern jinja_value jinja_evaluate(jinja_state *s, const jinja_node *node,
								  jinja_frame *frame); /* evaluate.c */
extern jinja_value jinja_evaluate_call(jinja_state *s, const jinja_node *node, jinja_frame *frame,
									   jinja_value caller);
extern jinja_value jinja_apply_filter(jinja_state *s, const jinja_node *node, jinja_value value,
									  jinja_frame *frame);

/* An operator of NODE_BINARY or NODE_UNARY (operators.c). */
extern jinja_value jinja_binary(jinja_state *s, char operator, jinja_value a, jinja_value b);
extern jinja_value jinja_unary(jinja_state *s, char operator, jinja_value value);

/* obj.name and obj[index] as the sandbox allows them; a slice (attributes.c). */
extern jinja_value jinja_getattr(jinja_state *s, jinja_value object, const jinja_string *name);
extern jinja_value jinja_getitem(jinja_state *s, jinja_value object, jinja_value index);
extern jinja_value jinja_attribute_only(jinja_state *s, jinja_value object,
										const jinja_string *name); /* MISSING: none */
extern jinja_value jinja_slice(jinja_state *s, jinja_value object, jinja_value from, jinja_value to,
							   jinja_value step);

/* Call a value, and a function in C with its parameters bound (call.c). */
extern jinja_value jinja_call_value(jinja_state *s, jinja_value callee, const jinja_call *call);
extern jinja_value jinja_call_function(jinja_state *s, const jinja_function *function,
									   const jinja_value *self, const jinja_call *call);
extern jinja_value jinja_call_macro(jinja_state *s, const jinja_macro *macro,
									const jinja_call *call); /* macro.c */

/* loop.* (loop.c) */
extern jinja_loop *jinja_loop_create(jinja_state *s, jinja_value iterable, int64_t depth0);
extern bool jinja_loop_next(jinja_state *s, jinja_loop *loop, jinja_value *item);
extern bool jinja_loop_length(jinja_state *s, jinja_loop *loop, int64_t *length);
extern jinja_value jinja_loop_attribute(jinja_state *s, jinja_loop *loop, const jinja_string *name);
extern jinja_value jinja_run_recursive_loop(jinja_state *s, const jinja_node *node,
											jinja_value iterable, jinja_frame *closure,
											int64_t depth);

/* Tables: a row by name, or NULL. */
extern const jinja_function *jinja_find_filter(const jinja_string *name); /* filters.c */
extern const jinja_function *jinja_find_test(const jinja_string *name);	  /* tests.c */
extern const jinja_function *jinja_find_method(jinja_value object, const jinja_string *name);
extern bool jinja_is_mutator(jinja_value object, const jinja_string *name); /* methods.c */
extern bool jinja_add_globals(jinja_state *s);								/* globals.c */

#endif
