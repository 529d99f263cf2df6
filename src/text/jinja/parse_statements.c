/*
 * parse_statements.c
 *	  Statements: the rest of jinja2's parser.py, the loop controls and {% generation %}.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "text/jinja/characters.h"
#include "text/jinja/program.h"

/* Grow an array of pointers that is full. */
static bool
make_room(jinja_state *s, void *array, size_t count, size_t *capacity)
{
	void **old = *(void ***) array, **items;

	if (count < *capacity)
		return true;
	*capacity = *capacity > 0 ? *capacity * 2 : 16;
	items = jinja_alloc(s, *capacity * sizeof(*items));
	if (items == NULL)
		return false;
	if (count > 0)
		memcpy(items, old, count * sizeof(*items));
	*(void ***) array = items;
	return true;
}

/* ---- Errors about ends ---- */

static bool
is_expected(const jinja_parser *p, const jinja_string *name)
{
	for (size_t i = 0; i < p->end_count; i++)
		for (const char *const *end = p->ends[i]; *end != NULL; end++)
			if (jinja_is_text(name, *end))
				return true;
	return false;
}

/* Say what is missing: at the template's end (name is NULL) or at an unknown tag. */
static void
fail_end(jinja_parser *p, const jinja_string *name, int line)
{
	jinja_output message = {0};
	jinja_state *s = p->s;
	jinja_value text;

	if (name == NULL)
		jinja_write_text(s, &message, "Unexpected end of template.");
	else
	{
		const jinja_string *quoted = jinja_repr(s, jinja_object(JINJA_STRING, name));

		if (quoted != NULL)
			jinja_write_format(s, &message, "Encountered unknown tag %.*s.", JINJA_TEXT(quoted));
	}
	if (p->end_count > 0)
	{
		const char *const *ends = p->ends[p->end_count - 1];
		bool nested = name != NULL && is_expected(p, name);

		jinja_write_text(s, &message,
						 nested
							 ? " You probably made a nesting mistake. Jinja is expecting this tag,"
							   " but currently looking for "
							 : " Jinja was looking for the following tags: ");
		for (size_t i = 0; ends[i] != NULL; i++)
			jinja_write_format(s, &message, "%s'%s'", i > 0 ? " or " : "", ends[i]);
		jinja_write_text(s, &message, ".");
	}
	if (p->tag_count > 0)
	{
		const jinja_string *tag = p->tags[p->tag_count - 1];

		jinja_write_format(s, &message, " The innermost block that needs to be closed is '%.*s'.",
						   JINJA_TEXT(tag));
	}
	text = jinja_written(s, &message);
	if (text.type == JINJA_STRING)
		jinja_syntax_error(p, line, "%.*s", JINJA_TEXT(text.string));
}

/* ---- Bodies ---- */

static bool
at_end(const jinja_parser *p, const char *const *ends)
{
	for (; ends != NULL && *ends != NULL; ends++)
		if (jinja_at_name(p, *ends))
			return true;
	return false;
}

/* Data, prints and statements up to "{%" and one of the ends, or the template's end. */
static void
parse_until(jinja_parser *p, const char *const *ends, jinja_nodes *body)
{
	while (p->current.type != TOKEN_EOF)
	{
		jinja_token token = jinja_advance(p);
		jinja_node *node;

		if (token.type == TOKEN_BLOCK_BEGIN)
		{
			if (at_end(p, ends))
				return;
			node = jinja_parse_statement(p);
			jinja_nodes_append(p->s, body, node);
			jinja_expect(p, TOKEN_BLOCK_END);
			continue;
		}
		node = jinja_node_create(p, token.type == TOKEN_DATA ? NODE_DATA : NODE_OUTPUT, token.line);
		if (node == NULL)
			return;
		node->value = token.value;
		if (token.type != TOKEN_DATA)
		{
			node->first = jinja_parse_tuple(p, 0);
			if (node->first != NULL)
				node->line = node->first->line;
			jinja_expect(p, TOKEN_VARIABLE_END);
		}
		jinja_nodes_append(p->s, body, node);
	}
}

static jinja_nodes *
parse_body(jinja_parser *p, const char *const *ends, jinja_nodes *body)
{
	jinja_skip_type(p, TOKEN_COLON);
	jinja_expect(p, TOKEN_BLOCK_END);
	if (!make_room(p->s, &p->ends, p->end_count, &p->end_capacity))
		return body;
	p->ends[p->end_count++] = ends;
	/* A level of statements is a handful of calls. */
	if (++p->depth > p->s->limits.depth / 4 && !tfm_failed(p->s->context))
	{
		jinja_fail(p->s, TFM_LIMIT_EXCEEDED, p->current.line, "the template is nested too deeply");
		jinja_syntax_error(p, p->current.line, "nested too deeply");
	}
	parse_until(p, ends, body);
	p->depth--;
	if (p->current.type == TOKEN_EOF && !tfm_failed(p->s->context))
		fail_end(p, NULL, p->current.line);
	p->end_count--;
	return body;
}

/* A body with its end. */
static void
parse_whole_body(jinja_parser *p, const char *const *ends, jinja_nodes *body)
{
	parse_body(p, ends, body);
	jinja_advance(p);
}

/* ---- Targets ---- */

static void
set_context(jinja_node *node, int context)
{
	if (node == NULL)
		return;
	node->context = context;
	for (size_t i = 0; i < node->items.count; i++)
		set_context(node->items.items[i], context);
}

static bool
can_assign(const jinja_node *node)
{
	if (node->kind == NODE_TUPLE)
	{
		for (size_t i = 0; i < node->items.count; i++)
			if (!can_assign(node->items.items[i]))
				return false;
		return true;
	}
	return node->kind == NODE_NAME || node->kind == NODE_NSREF;
}

static jinja_node *
parse_target(jinja_parser *p, int flags)
{
	static const char *const names[] = {
		[NODE_CONST] = "const", [NODE_LIST] = "list", [NODE_DICT] = "dict", [NODE_TUPLE] = "tuple"};
	jinja_node *target = jinja_parse_tuple(p, TUPLE_SIMPLE | flags);

	if (target == NULL || tfm_failed(p->s->context))
		return target;
	set_context(target, CONTEXT_STORE);
	if (!can_assign(target))
		jinja_syntax_error(p, target->line, "can't assign to '%s'",
						   target->kind <= NODE_DICT && names[target->kind] != NULL
							   ? names[target->kind]
							   : "expression");
	return target;
}

static jinja_node *
parse_target_name(jinja_parser *p, int context)
{
	static const char *const constants[] = {"true", "false", "none", "True", "False", "None"};
	jinja_token token = jinja_expect(p, TOKEN_NAME);
	jinja_node *node = jinja_node_create(p, NODE_NAME, token.line);

	if (node == NULL || token.type != TOKEN_NAME)
		return node;
	node->name = token.value.string;
	node->context = context;
	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
		if (jinja_is_text(node->name, constants[i]))
			jinja_syntax_error(p, token.line, "can't assign to 'name'");
	return node;
}

/* ---- Statements ---- */

static jinja_node *
parse_for(jinja_parser *p, jinja_node *node)
{
	static const char *const ends[] = {"endfor", "else", NULL}, *const end[] = {"endfor", NULL};
	bool otherwise;

	node->kind = NODE_FOR;
	node->first = parse_target(p, 0);
	jinja_expect_name(p, "in");
	node->second = jinja_parse_tuple(p, TUPLE_NO_CONDITION);
	if (jinja_skip_name(p, "if"))
		node->third = jinja_parse_expression(p, true);
	node->recursive = jinja_skip_name(p, "recursive");
	parse_body(p, ends, &node->body);
	otherwise = jinja_at_name(p, "else");
	jinja_advance(p);
	if (otherwise)
		parse_whole_body(p, end, &node->otherwise);
	return node;
}

static jinja_node *
parse_if(jinja_parser *p, jinja_node *node)
{
	static const char *const ends[] = {"elif", "else", "endif", NULL}, *const end[] = {"endif",
																					   NULL};
	jinja_node *branch = node;

	node->kind = NODE_IF;
	for (;;)
	{
		branch->first = jinja_parse_tuple(p, TUPLE_NO_CONDITION);
		parse_body(p, ends, &branch->body);
		if (jinja_skip_name(p, "elif"))
		{
			branch = jinja_node_create(p, NODE_IF, p->current.line);
			if (!jinja_nodes_append(p->s, &node->elifs, branch))
				return node;
			continue;
		}
		if (jinja_skip_name(p, "else"))
			parse_whole_body(p, end, &node->otherwise);
		else
			jinja_advance(p);
		return node;
	}
}

static jinja_node *
parse_set(jinja_parser *p, jinja_node *node)
{
	static const char *const end[] = {"endset", NULL};

	node->first = parse_target(p, TUPLE_NAMESPACE);
	if (jinja_skip_type(p, TOKEN_ASSIGN))
	{
		node->kind = NODE_ASSIGN;
		node->second = jinja_parse_tuple(p, 0);
		return node;
	}
	node->kind = NODE_ASSIGN_BLOCK;
	node->second = jinja_parse_filter(p, NULL, false);
	parse_whole_body(p, end, &node->body);
	return node;
}

static jinja_node *
parse_with(jinja_parser *p, jinja_node *node)
{
	static const char *const end[] = {"endwith", NULL};

	node->kind = NODE_WITH;
	while (p->current.type != TOKEN_BLOCK_END)
	{
		jinja_node *target;

		if (node->items.count > 0)
			jinja_expect(p, TOKEN_COMMA);
		target = parse_target(p, 0);
		set_context(target, CONTEXT_PARAMETER);
		jinja_add_node(p, node, &node->items, target);
		jinja_expect(p, TOKEN_ASSIGN);
		if (!jinja_add_node(p, node, &node->extras, jinja_parse_expression(p, true)))
			return node;
	}
	parse_whole_body(p, end, &node->body);
	return node;
}

static jinja_node *
parse_autoescape(jinja_parser *p, jinja_node *node)
{
	static const char *const end[] = {"endautoescape", NULL};

	node->kind = NODE_AUTOESCAPE;
	node->first = jinja_parse_expression(p, true);
	parse_whole_body(p, end, &node->body);
	return node;
}

static bool
is_blank(const jinja_nodes *body)
{
	for (size_t i = 0; i < body->count; i++)
	{
		const jinja_string *data = body->items[i]->value.string;

		if (body->items[i]->kind != NODE_DATA)
			return false;
		for (size_t j = 0; j < data->bytes; j++)
			if (!jinja_is_space((unsigned char) data->data[j]))
				return false;
	}
	return true;
}

static jinja_node *
parse_block(jinja_parser *p, jinja_node *node)
{
	static const char *const end[] = {"endblock", NULL};
	jinja_token name = jinja_expect(p, TOKEN_NAME);

	node->kind = NODE_BLOCK;
	node->name = name.type == TOKEN_NAME ? name.value.string : NULL;
	node->scoped = jinja_skip_name(p, "scoped");
	node->required = jinja_skip_name(p, "required");
	if (p->current.type == TOKEN_SUB)
		jinja_syntax_error(p, p->current.line,
						   "Block names in Jinja have to be valid Python identifiers and may not"
						   " contain hyphens, use an underscore instead.");
	parse_whole_body(p, end, &node->body);
	if (tfm_failed(p->s->context))
		return node;
	if (node->required && !is_blank(&node->body))
		jinja_syntax_error(p, p->current.line,
						   "Required blocks can only contain comments or whitespace");
	if (p->current.type == TOKEN_NAME && jinja_string_equal(p->current.value.string, node->name))
		jinja_advance(p);
	return node;
}

static bool
skip_two(jinja_parser *p, const char *first, const char *second)
{
	const jinja_token *next;

	if (!jinja_at_name(p, first))
		return false;
	next = jinja_look(p);
	if (next->type != TOKEN_NAME || !jinja_is_text(next->value.string, second))
		return false;
	jinja_advance(p);
	jinja_advance(p);
	return true;
}

static void
skip_import_context(jinja_parser *p)
{
	if (!skip_two(p, "with", "context"))
		skip_two(p, "without", "context");
}

/* The names of a "from ... import". */
static void
parse_imported_names(jinja_parser *p, jinja_node *node)
{
	for (;;)
	{
		jinja_node *target;

		if (node->items.count > 0)
			jinja_expect(p, TOKEN_COMMA);
		if (p->current.type != TOKEN_NAME)
		{
			jinja_expect(p, TOKEN_NAME);
			return;
		}
		if (skip_two(p, "with", "context") || skip_two(p, "without", "context"))
			return;
		target = parse_target_name(p, CONTEXT_STORE);
		if (target == NULL || tfm_failed(p->s->context))
			return;
		if (target->name->bytes > 0 && target->name->data[0] == '_')
			jinja_syntax_error(p, target->line,
							   "names starting with an underline can not be imported");
		if (jinja_skip_name(p, "as"))
			target = parse_target_name(p, CONTEXT_STORE);
		if (!jinja_add_node(p, node, &node->items, target))
			return;
		if (skip_two(p, "with", "context") || skip_two(p, "without", "context") ||
			p->current.type != TOKEN_COMMA)
			return;
	}
}

/* There is no loader, so these only need to be parsed. */
static jinja_node *
parse_loading(jinja_parser *p, jinja_node *node, const jinja_string *tag)
{
	node->kind = NODE_NO_LOADER;
	node->name = tag;
	node->first = jinja_parse_expression(p, true);
	if (jinja_is_text(tag, "include"))
	{
		skip_two(p, "ignore", "missing");
		skip_import_context(p);
	}
	else if (jinja_is_text(tag, "import"))
	{
		jinja_expect_name(p, "as");
		jinja_add_node(p, node, &node->items, parse_target_name(p, CONTEXT_STORE));
		skip_import_context(p);
	}
	else if (jinja_is_text(tag, "from"))
	{
		jinja_expect_name(p, "import");
		parse_imported_names(p, node);
	}
	return node;
}

static void
parse_signature(jinja_parser *p, jinja_node *node)
{
	jinja_expect(p, TOKEN_LPAREN);
	while (p->current.type != TOKEN_RPAREN)
	{
		jinja_node *parameter;

		if (node->items.count > 0)
			jinja_expect(p, TOKEN_COMMA);
		parameter = parse_target_name(p, CONTEXT_PARAMETER);
		if (jinja_skip_type(p, TOKEN_ASSIGN))
			jinja_add_node(p, node, &node->extras, jinja_parse_expression(p, true));
		else if (node->extras.count > 0)
			jinja_syntax_error(p, p->current.line, "non-default argument follows default argument");
		if (tfm_failed(p->s->context))
			return;
		for (size_t i = 0; i < node->items.count; i++)
			if (jinja_string_equal(node->items.items[i]->name, parameter->name))
				jinja_syntax_error(p, parameter->line,
								   "duplicate argument '%.*s' in function definition",
								   JINJA_TEXT(parameter->name));
		if (!jinja_add_node(p, node, &node->items, parameter))
			return;
	}
	jinja_expect(p, TOKEN_RPAREN);
}

static jinja_node *
parse_macro(jinja_parser *p, jinja_node *node)
{
	static const char *const end[] = {"endmacro", NULL};
	jinja_node *name = parse_target_name(p, CONTEXT_STORE);

	node->kind = NODE_MACRO;
	node->name = name != NULL ? name->name : NULL;
	parse_signature(p, node);
	parse_whole_body(p, end, &node->body);
	return node;
}

static jinja_node *
parse_call_block(jinja_parser *p, jinja_node *node)
{
	static const char *const end[] = {"endcall", NULL};

	node->kind = NODE_CALL_BLOCK;
	if (p->current.type == TOKEN_LPAREN)
		parse_signature(p, node);
	node->first = jinja_parse_expression(p, true);
	if (node->first != NULL && node->first->kind != NODE_CALL)
		jinja_syntax_error(p, node->line, "expected call");
	parse_whole_body(p, end, &node->body);
	return node;
}

static jinja_node *
parse_filter_block(jinja_parser *p, jinja_node *node)
{
	static const char *const end[] = {"endfilter", NULL};

	node->kind = NODE_FILTER_BLOCK;
	node->third = jinja_parse_filter(p, NULL, true);
	parse_whole_body(p, end, &node->body);
	return node;
}

static jinja_node *
parse_generation(jinja_parser *p, jinja_node *node)
{
	static const char *const end[] = {"endgeneration", NULL};

	node->kind = NODE_GENERATION;
	parse_whole_body(p, end, &node->body);
	return node;
}

static jinja_node *
parse_print(jinja_parser *p, jinja_node *node)
{
	node->kind = NODE_PRINT;
	while (p->current.type != TOKEN_BLOCK_END)
	{
		if (node->items.count > 0)
			jinja_expect(p, TOKEN_COMMA);
		if (!jinja_add_node(p, node, &node->items, jinja_parse_expression(p, true)))
			break;
	}
	return node;
}

static jinja_node *
parse_loop_control(jinja_parser *p, jinja_node *node)
{
	(void) p;
	node->kind = jinja_is_text(node->name, "break") ? NODE_BREAK : NODE_CONTINUE;
	return node;
}

static jinja_node *
parse_any_loading(jinja_parser *p, jinja_node *node)
{
	return parse_loading(p, node, node->name);
}

static const struct
{
	const char *tag;
	jinja_node *(*parse)(jinja_parser *, jinja_node *);
} statements[] = {
	{"autoescape", parse_autoescape},
	{"block", parse_block},
	{"break", parse_loop_control},
	{"call", parse_call_block},
	{"continue", parse_loop_control},
	{"extends", parse_any_loading},
	{"filter", parse_filter_block},
	{"for", parse_for},
	{"from", parse_any_loading},
	{"generation", parse_generation},
	{"if", parse_if},
	{"import", parse_any_loading},
	{"include", parse_any_loading},
	{"macro", parse_macro},
	{"print", parse_print},
	{"set", parse_set},
	{"with", parse_with},
};

jinja_node *
jinja_parse_statement(jinja_parser *p)
{
	jinja_token token = p->current;
	jinja_node *node = jinja_node_create(p, NODE_PRINT, token.line);

	if (token.type != TOKEN_NAME)
	{
		jinja_syntax_error(p, token.line, "tag name expected");
		return node;
	}
	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
	{
		if (!jinja_at_name(p, statements[i].tag))
			continue;
		if (node == NULL || !make_room(p->s, &p->tags, p->tag_count, &p->tag_capacity))
			return NULL;
		p->tags[p->tag_count++] = token.value.string;
		jinja_advance(p);
		node->name = token.value.string;
		node = statements[i].parse(p, node);
		p->tag_count--;
		return node;
	}
	fail_end(p, token.value.string, token.line);
	return node;
}

jinja_template *
jinja_parse(jinja_state *s, tfm_text source)
{
	jinja_template *template = jinja_alloc_zero(s, sizeof(*template));
	jinja_parser *p = jinja_alloc_zero(s, sizeof(*p));

	if (template == NULL || p == NULL || !jinja_lexer_start(s, &p->lexer, source))
		return NULL;
	p->s = s;
	template->root = (jinja_node) {.kind = NODE_BLOCK, .line = 1, .depth = 1};
	jinja_advance(p);
	parse_until(p, NULL, &template->root.body);
	if (tfm_failed(s->context) || !jinja_resolve(s, template))
		return NULL;
	return template;
}
