/*
 * parser.c
 *	  Expressions: the part of jinja2's parser.py that knows precedence.
 *
 * A failed parse records its error and goes on with what it has; tokens are at their end then, so
 * that every loop ends.  No node is NULL but where memory is out.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "text/jinja/program.h"

/* ---- Tokens ---- */

/* After an error there is nothing more to parse, so that no loop waits for a token. */
static void
end_tokens(jinja_parser *p, int line)
{
	p->lexer.position = p->lexer.length;
	p->lexer.has_waiting = p->has_next = false;
	p->current = (jinja_token) {.type = TOKEN_EOF, .line = line};
}

void *
jinja_syntax_error(jinja_parser *p, int line, const char *format, ...)
{
	char message[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	jinja_fail(p->s, TFM_INVALID_ARGUMENT, line, "%s", message);
	end_tokens(p, line);
	return NULL;
}

jinja_token
jinja_advance(jinja_parser *p)
{
	jinja_token old = p->current;

	if (p->has_next)
		p->current = p->next;
	else if (old.type != TOKEN_EOF || old.line == 0)
		p->current = jinja_lexer_next(&p->lexer);
	p->has_next = false;
	/* The end stands at the line of the last token, as a stream that is closed does. */
	if (p->current.type == TOKEN_EOF && old.line > 0)
		p->current.line = old.line;
	if (p->current.type == TOKEN_EOF && p->current.line == 0)
		p->current.line = 1;
	return old;
}

const jinja_token *
jinja_look(jinja_parser *p)
{
	if (!p->has_next)
	{
		p->next = p->current.type == TOKEN_EOF ? p->current : jinja_lexer_next(&p->lexer);
		p->has_next = true;
	}
	return &p->next;
}

static bool
is_name(const jinja_token *token, const char *name)
{
	return token->type == TOKEN_NAME && jinja_is_text(token->value.string, name);
}

bool
jinja_at_name(const jinja_parser *p, const char *name)
{
	return is_name(&p->current, name);
}

bool
jinja_skip_name(jinja_parser *p, const char *name)
{
	if (!jinja_at_name(p, name))
		return false;
	jinja_advance(p);
	return true;
}

bool
jinja_skip_type(jinja_parser *p, jinja_token_type type)
{
	if (p->current.type != type)
		return false;
	jinja_advance(p);
	return true;
}

/* A token in quotes, as Python's repr has it. */
static const jinja_string *
describe(jinja_parser *p, const jinja_token *token)
{
	static const jinja_string nothing = {.data = ""};
	jinja_value text = token->type == TOKEN_NAME
						   ? token->value
						   : jinja_string_of(p->s, jinja_describe_type(token->type));
	const jinja_string *repr = text.type == JINJA_STRING ? jinja_repr(p->s, text) : NULL;

	return repr != NULL ? repr : &nothing;
}

static void
fail_expected(jinja_parser *p, const char *wanted)
{
	const jinja_string *got;

	if (p->current.type == TOKEN_EOF)
	{
		jinja_syntax_error(p, p->current.line, "unexpected end of template, expected '%s'.",
						   wanted);
		return;
	}
	got = describe(p, &p->current);
	jinja_syntax_error(p, p->current.line, "expected token '%s', got %.*s", wanted,
					   JINJA_TEXT(got));
}

jinja_token
jinja_expect(jinja_parser *p, jinja_token_type type)
{
	if (p->current.type == type)
		return jinja_advance(p);
	fail_expected(p, jinja_describe_type(type));
	return p->current;
}

jinja_token
jinja_expect_name(jinja_parser *p, const char *name)
{
	if (jinja_at_name(p, name))
		return jinja_advance(p);
	fail_expected(p, name);
	return p->current;
}

/* ---- Nodes ---- */

jinja_node *
jinja_node_create(jinja_parser *p, jinja_kind kind, int line)
{
	jinja_node *node = jinja_alloc_zero(p->s, sizeof(*node));

	if (node != NULL)
	{
		node->kind = kind;
		node->line = line;
		node->depth = 1;
	}
	else
		end_tokens(p, line);
	return node;
}

/* Let a node be as deep as its child needs. */
static void
deepen(jinja_parser *p, jinja_node *node, const jinja_node *child)
{
	if (child == NULL || child->depth < node->depth)
		return;
	node->depth = child->depth + 1;
	if (node->depth > p->s->limits.depth / 2 && !tfm_failed(p->s->context))
	{
		jinja_fail(p->s, TFM_LIMIT_EXCEEDED, node->line, "the template is nested too deeply");
		jinja_syntax_error(p, node->line, "nested too deeply");
	}
}

static jinja_node *
make_binary(jinja_parser *p, jinja_kind kind, int line, jinja_node *first, jinja_node *second)
{
	jinja_node *node = jinja_node_create(p, kind, line);

	if (node == NULL)
		return NULL;
	node->first = first;
	node->second = second;
	deepen(p, node, first);
	deepen(p, node, second);
	return node;
}

bool
jinja_nodes_append(jinja_state *s, jinja_nodes *nodes, jinja_node *node)
{
	if (node == NULL)
		return false;
	if (nodes->count == nodes->capacity)
	{
		size_t capacity = nodes->capacity > 0 ? nodes->capacity * 2 : 2;
		jinja_node **items = jinja_alloc(s, capacity * sizeof(*items));

		if (items == NULL)
			return false;
		if (nodes->count > 0)
			memcpy(items, nodes->items, nodes->count * sizeof(*items));
		nodes->items = items;
		nodes->capacity = capacity;
	}
	nodes->items[nodes->count++] = node;
	return true;
}

bool
jinja_add_node(jinja_parser *p, jinja_node *parent, jinja_nodes *nodes, jinja_node *node)
{
	if (!jinja_nodes_append(p->s, nodes, node))
		return false;
	deepen(p, parent, node);
	return !tfm_failed(p->s->context);
}

static jinja_node *
name_node(jinja_parser *p, jinja_kind kind, const jinja_token *token)
{
	jinja_node *node = jinja_node_create(p, kind, token->line);

	if (node != NULL && token->type == TOKEN_NAME)
		node->name = token->value.string;
	return node;
}

static jinja_node *
const_node(jinja_parser *p, int line, jinja_value value)
{
	jinja_node *node = jinja_node_create(p, NODE_CONST, line);

	if (node != NULL)
		node->value = value;
	return node;
}

/* ---- Calls ---- */

static bool
parse_keyword(jinja_parser *p, jinja_node *call)
{
	jinja_token token = jinja_advance(p);
	jinja_node *keyword;

	jinja_advance(p);
	keyword = name_node(p, NODE_KEYWORD, &token);
	if (keyword == NULL)
		return false;
	for (size_t i = 0; i < call->arguments->named.count; i++)
		if (jinja_string_equal(call->arguments->named.items[i]->name, keyword->name))
			jinja_syntax_error(p, token.line, "keyword argument repeated: %.*s",
							   JINJA_TEXT(keyword->name));
	keyword->first = jinja_parse_expression(p, true);
	deepen(p, keyword, keyword->first);
	return jinja_add_node(p, call, &call->arguments->named, keyword);
}

static bool
parse_argument(jinja_parser *p, jinja_node *call, int line)
{
	jinja_node_arguments *a = call->arguments;
	bool good;

	if (p->current.type == TOKEN_MUL)
	{
		good = a->list == NULL && a->dict == NULL;
		jinja_advance(p);
		a->list = jinja_parse_expression(p, true);
		deepen(p, call, a->list);
	}
	else if (p->current.type == TOKEN_POW)
	{
		good = a->dict == NULL;
		jinja_advance(p);
		a->dict = jinja_parse_expression(p, true);
		deepen(p, call, a->dict);
	}
	else if (p->current.type == TOKEN_NAME && jinja_look(p)->type == TOKEN_ASSIGN)
	{
		good = a->dict == NULL;
		parse_keyword(p, call);
	}
	else
	{
		good = a->list == NULL && a->dict == NULL && a->named.count == 0;
		jinja_add_node(p, call, &a->positional, jinja_parse_expression(p, true));
	}
	if (!good)
		jinja_syntax_error(p, line, "invalid syntax for function call expression");
	return !tfm_failed(p->s->context);
}

/* The arguments in parentheses, if there are any. */
static jinja_node *
parse_arguments(jinja_parser *p, jinja_node *call)
{
	int line = p->current.line;

	if (call == NULL)
		return NULL;
	call->arguments = jinja_alloc_zero(p->s, sizeof(*call->arguments));
	if (call->arguments == NULL || p->current.type != TOKEN_LPAREN)
		return call;
	jinja_advance(p);
	for (bool comma = false; p->current.type != TOKEN_RPAREN; comma = true)
	{
		if (comma)
		{
			jinja_expect(p, TOKEN_COMMA);
			if (p->current.type == TOKEN_RPAREN)
				break;
		}
		if (!parse_argument(p, call, line))
			return call;
	}
	jinja_expect(p, TOKEN_RPAREN);
	return call;
}

static jinja_node *
parse_call(jinja_parser *p, jinja_node *node)
{
	return parse_arguments(p, make_binary(p, NODE_CALL, p->current.line, node, NULL));
}

/* ---- What follows a primary ---- */

static jinja_node *
parse_subscribed(jinja_parser *p)
{
	jinja_node *slice = jinja_node_create(p, NODE_SLICE, p->current.line);
	jinja_node *parts[3] = {NULL, NULL, NULL};

	if (slice == NULL)
		return NULL;
	if (p->current.type != TOKEN_COLON)
	{
		parts[0] = jinja_parse_expression(p, true);
		if (p->current.type != TOKEN_COLON)
			return parts[0];
	}
	jinja_advance(p);
	if (p->current.type != TOKEN_COLON && p->current.type != TOKEN_RBRACKET &&
		p->current.type != TOKEN_COMMA)
		parts[1] = jinja_parse_expression(p, true);
	if (jinja_skip_type(p, TOKEN_COLON) && p->current.type != TOKEN_RBRACKET &&
		p->current.type != TOKEN_COMMA)
		parts[2] = jinja_parse_expression(p, true);
	slice->first = parts[0];
	slice->second = parts[1];
	slice->third = parts[2];
	for (int i = 0; i < 3; i++)
		deepen(p, slice, parts[i]);
	return slice;
}

static jinja_node *
parse_brackets(jinja_parser *p, jinja_node *node, int line)
{
	jinja_node *tuple = jinja_node_create(p, NODE_TUPLE, line), *index;

	if (tuple == NULL)
		return NULL;
	while (p->current.type != TOKEN_RBRACKET)
	{
		if (tuple->items.count > 0)
			jinja_expect(p, TOKEN_COMMA);
		if (!jinja_add_node(p, tuple, &tuple->items, parse_subscribed(p)))
			return node;
	}
	jinja_expect(p, TOKEN_RBRACKET);
	index = tuple->items.count == 1 ? tuple->items.items[0] : tuple;
	if (index == tuple)
		for (size_t i = 0; i < tuple->items.count; i++)
			if (tuple->items.items[i]->kind == NODE_SLICE)
				jinja_syntax_error(p, line, "invalid syntax");
	return make_binary(p, NODE_GETITEM, line, node, index);
}

static jinja_node *
parse_subscript(jinja_parser *p, jinja_node *node)
{
	jinja_token token = jinja_advance(p), member;

	if (token.type == TOKEN_LBRACKET)
		return parse_brackets(p, node, token.line);
	member = jinja_advance(p);
	if (member.type == TOKEN_NAME)
	{
		node = make_binary(p, NODE_GETATTR, token.line, node, NULL);
		if (node != NULL)
			node->name = member.value.string;
		return node;
	}
	if (member.type != TOKEN_INTEGER)
		jinja_syntax_error(p, member.line, "expected name or number");
	return make_binary(p, NODE_GETITEM, token.line, node, const_node(p, member.line, member.value));
}

static jinja_node *
parse_postfix(jinja_parser *p, jinja_node *node)
{
	for (;;)
	{
		if (p->current.type == TOKEN_DOT || p->current.type == TOKEN_LBRACKET)
			node = parse_subscript(p, node);
		else if (p->current.type == TOKEN_LPAREN)
			node = parse_call(p, node);
		else
			return node;
	}
}

/* A name of a filter or test, which may have dots. */
static const jinja_string *
parse_dotted(jinja_parser *p, int *line)
{
	static const jinja_string dot = {.data = ".", .bytes = 1, .count = 1}, none = {.data = ""};
	jinja_token token = jinja_expect(p, TOKEN_NAME);
	jinja_value name = token.value;

	*line = token.line;
	while (token.type == TOKEN_NAME && p->current.type == TOKEN_DOT)
	{
		jinja_advance(p);
		token = jinja_expect(p, TOKEN_NAME);
		if (token.type != TOKEN_NAME)
			break;
		name = jinja_concat(p->s, name.string, &dot);
		if (name.type == JINJA_STRING)
			name = jinja_concat(p->s, name.string, token.value.string);
		if (name.type != JINJA_STRING)
			break;
	}
	return name.type == JINJA_STRING ? name.string : &none;
}

jinja_node *
jinja_parse_filter(jinja_parser *p, jinja_node *node, bool inside)
{
	while (p->current.type == TOKEN_PIPE || inside)
	{
		jinja_node *filter;
		const jinja_string *name;
		int line;

		if (!inside)
			jinja_advance(p);
		name = parse_dotted(p, &line);
		filter = make_binary(p, NODE_FILTER, line, node, NULL);
		if (filter == NULL)
			return NULL;
		filter->name = name;
		node = parse_arguments(p, filter);
		inside = false;
	}
	return node;
}

/* Whether what follows a test's name without parentheses is its argument. */
static bool
at_bare_argument(const jinja_parser *p)
{
	switch (p->current.type)
	{
		case TOKEN_NAME:
			return !jinja_at_name(p, "else") && !jinja_at_name(p, "or") && !jinja_at_name(p, "and");
		case TOKEN_STRING:
		case TOKEN_INTEGER:
		case TOKEN_FLOAT:
		case TOKEN_LBRACKET:
		case TOKEN_LBRACE:
			return true;
		default:
			return false;
	}
}

static jinja_node *
parse_test(jinja_parser *p, jinja_node *node)
{
	jinja_token token = jinja_advance(p);
	bool negated = jinja_skip_name(p, "not");
	jinja_node *test = make_binary(p, NODE_TEST, token.line, node, NULL);
	bool bare;
	int line;

	if (test == NULL)
		return NULL;
	test->name = parse_dotted(p, &line);
	bare = p->current.type != TOKEN_LPAREN;
	parse_arguments(p, test);
	if (bare && test->arguments != NULL && at_bare_argument(p))
	{
		if (jinja_at_name(p, "is"))
			jinja_syntax_error(p, p->current.line, "You cannot chain multiple tests with is");
		else
			jinja_add_node(p, test, &test->arguments->positional,
						   parse_postfix(p, jinja_parse_primary(p, false)));
	}
	return negated ? make_binary(p, NODE_NOT, token.line, test, NULL) : test;
}

static jinja_node *
parse_filters(jinja_parser *p, jinja_node *node)
{
	for (;;)
	{
		if (p->current.type == TOKEN_PIPE)
			node = jinja_parse_filter(p, node, false);
		else if (jinja_at_name(p, "is"))
			node = parse_test(p, node);
		else if (p->current.type == TOKEN_LPAREN)
			node = parse_call(p, node);
		else
			return node;
		if (node == NULL)
			return NULL;
	}
}

/* ---- Primaries ---- */

static jinja_node *
parse_name(jinja_parser *p, bool with_namespace)
{
	static const struct
	{
		const char *name;
		jinja_value value;
	} constants[] = {
		{"true", {.type = JINJA_BOOL, .boolean = true}},
		{"True", {.type = JINJA_BOOL, .boolean = true}},
		{"false", {.type = JINJA_BOOL, .boolean = false}},
		{"False", {.type = JINJA_BOOL, .boolean = false}},
		{"none", {.type = JINJA_NONE}},
		{"None", {.type = JINJA_NONE}},
	};
	jinja_token token = jinja_advance(p), attribute;
	jinja_node *node;

	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
		if (is_name(&token, constants[i].name))
			return const_node(p, token.line, constants[i].value);
	if (!with_namespace || p->current.type != TOKEN_DOT)
		return name_node(p, NODE_NAME, &token);
	jinja_advance(p);
	attribute = jinja_expect(p, TOKEN_NAME);
	node = name_node(p, NODE_NSREF, &token);
	if (node != NULL)
		node->value = attribute.value;
	return node;
}

static jinja_node *
parse_strings(jinja_parser *p)
{
	jinja_token token = jinja_advance(p);

	while (p->current.type == TOKEN_STRING && token.value.type == JINJA_STRING &&
		   p->current.value.type == JINJA_STRING)
		token.value = jinja_concat(p->s, token.value.string, jinja_advance(p).value.string);
	return const_node(p, token.line, token.value);
}

static jinja_node *
parse_list(jinja_parser *p)
{
	jinja_node *list = jinja_node_create(p, NODE_LIST, jinja_advance(p).line);

	if (list == NULL)
		return NULL;
	while (p->current.type != TOKEN_RBRACKET)
	{
		if (list->items.count > 0)
			jinja_expect(p, TOKEN_COMMA);
		if (p->current.type == TOKEN_RBRACKET)
			break;
		if (!jinja_add_node(p, list, &list->items, jinja_parse_expression(p, true)))
			return list;
	}
	jinja_expect(p, TOKEN_RBRACKET);
	return list;
}

static jinja_node *
parse_dict(jinja_parser *p)
{
	jinja_node *dict = jinja_node_create(p, NODE_DICT, jinja_advance(p).line);

	if (dict == NULL)
		return NULL;
	while (p->current.type != TOKEN_RBRACE)
	{
		if (dict->items.count > 0)
			jinja_expect(p, TOKEN_COMMA);
		if (p->current.type == TOKEN_RBRACE)
			break;
		jinja_add_node(p, dict, &dict->items, jinja_parse_expression(p, true));
		jinja_expect(p, TOKEN_COLON);
		if (!jinja_add_node(p, dict, &dict->items, jinja_parse_expression(p, true)))
			return dict;
	}
	jinja_expect(p, TOKEN_RBRACE);
	return dict;
}

jinja_node *
jinja_parse_primary(jinja_parser *p, bool with_namespace)
{
	jinja_token token = p->current;
	const jinja_string *got;
	jinja_node *node;

	switch (token.type)
	{
		case TOKEN_NAME:
			return parse_name(p, with_namespace);
		case TOKEN_STRING:
			return parse_strings(p);
		case TOKEN_INTEGER:
		case TOKEN_FLOAT:
			jinja_advance(p);
			return const_node(p, token.line, token.value);
		case TOKEN_LPAREN:
			jinja_advance(p);
			node = jinja_parse_tuple(p, TUPLE_PARENTHESES);
			jinja_expect(p, TOKEN_RPAREN);
			return node;
		case TOKEN_LBRACKET:
			return parse_list(p);
		case TOKEN_LBRACE:
			return parse_dict(p);
		default:
			got = describe(p, &token);
			jinja_syntax_error(p, token.line, "unexpected %.*s", JINJA_TEXT(got));
			return const_node(p, token.line, jinja_none());
	}
}

jinja_node *
jinja_parse_tuple(jinja_parser *p, int flags)
{
	jinja_node *tuple = jinja_node_create(p, NODE_TUPLE, p->current.line);
	bool is_tuple = false;

	if (tuple == NULL)
		return NULL;
	for (;;)
	{
		if (tuple->items.count > 0)
			jinja_expect(p, TOKEN_COMMA);
		if (p->current.type == TOKEN_VARIABLE_END || p->current.type == TOKEN_BLOCK_END ||
			p->current.type == TOKEN_RPAREN)
			break;
		if (!jinja_add_node(p, tuple, &tuple->items,
							flags & TUPLE_SIMPLE
								? jinja_parse_primary(p, flags & TUPLE_NAMESPACE)
								: jinja_parse_expression(p, !(flags & TUPLE_NO_CONDITION))))
			return tuple;
		if (p->current.type != TOKEN_COMMA)
			break;
		is_tuple = true;
		tuple->line = p->current.line;
	}
	if (is_tuple)
		return tuple;
	if (tuple->items.count > 0)
		return tuple->items.items[0];
	if (!(flags & TUPLE_PARENTHESES))
	{
		const jinja_string *got = describe(p, &p->current);

		jinja_syntax_error(p, p->current.line, "Expected an expression, got %.*s", JINJA_TEXT(got));
	}
	return tuple;
}

/* ---- Operators, from those that bind closest ---- */

static jinja_node *parse_or(jinja_parser *p);

static jinja_node *
parse_unary(jinja_parser *p, bool with_filter)
{
	jinja_token token = p->current;
	jinja_node *node;

	if (token.type == TOKEN_SUB || token.type == TOKEN_ADD)
	{
		jinja_advance(p);
		if (++p->depth > p->s->limits.depth / 4)
			jinja_syntax_error(p, token.line, "nested too deeply");
		node = make_binary(p, NODE_UNARY, token.line, parse_unary(p, false), NULL);
		p->depth--;
		if (node != NULL)
			node->operator= token.type == TOKEN_SUB ? '-' : '+';
	}
	else
		node = jinja_parse_primary(p, false);
	node = parse_postfix(p, node);
	return with_filter ? parse_filters(p, node) : node;
}

static jinja_node *
parse_power(jinja_parser *p)
{
	int line = p->current.line;
	jinja_node *left = parse_unary(p, true);

	while (left != NULL && jinja_skip_type(p, TOKEN_POW))
	{
		left = make_binary(p, NODE_BINARY, line, left, parse_unary(p, true));
		if (left != NULL)
			left->operator= 'P';
		line = p->current.line;
	}
	return left;
}

/* The operator that a token is, '\0' if it is none of these. */
static char
binary_operator(jinja_token_type type, bool additive)
{
	switch (type)
	{
		case TOKEN_ADD:
			return additive ? '+' : '\0';
		case TOKEN_SUB:
			return additive ? '-' : '\0';
		case TOKEN_MUL:
			return additive ? '\0' : '*';
		case TOKEN_DIV:
			return additive ? '\0' : '/';
		case TOKEN_FLOORDIV:
			return additive ? '\0' : 'F';
		case TOKEN_MOD:
			return additive ? '\0' : '%';
		default:
			return '\0';
	}
}

static jinja_node *
parse_product(jinja_parser *p)
{
	int line = p->current.line;
	jinja_node *left = parse_power(p);
	char operator;

	while (left != NULL && (operator= binary_operator(p->current.type, false)) != '\0')
	{
		jinja_advance(p);
		left = make_binary(p, NODE_BINARY, line, left, parse_power(p));
		if (left != NULL)
			left->operator= operator;
		line = p->current.line;
	}
	return left;
}

static jinja_node *
parse_concat(jinja_parser *p)
{
	int line = p->current.line;
	jinja_node *first = parse_product(p), *concat;

	if (p->current.type != TOKEN_TILDE)
		return first;
	concat = jinja_node_create(p, NODE_CONCAT, line);
	if (concat == NULL || !jinja_add_node(p, concat, &concat->items, first))
		return concat;
	while (jinja_skip_type(p, TOKEN_TILDE))
		if (!jinja_add_node(p, concat, &concat->items, parse_product(p)))
			break;
	return concat;
}

static jinja_node *
parse_sum(jinja_parser *p)
{
	int line = p->current.line;
	jinja_node *left = parse_concat(p);
	char operator;

	while (left != NULL && (operator= binary_operator(p->current.type, true)) != '\0')
	{
		jinja_advance(p);
		left = make_binary(p, NODE_BINARY, line, left, parse_concat(p));
		if (left != NULL)
			left->operator= operator;
		line = p->current.line;
	}
	return left;
}

/* Skip a comparison; which one it was, '\0' if none. */
static char
skip_comparison(jinja_parser *p)
{
	static const struct
	{
		jinja_token_type type;
		char operator;
	} rows[] = {{TOKEN_EQ, '='},   {TOKEN_NE, '!'}, {TOKEN_LT, '<'},
				{TOKEN_LTEQ, 'l'}, {TOKEN_GT, '>'}, {TOKEN_GTEQ, 'g'}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (jinja_skip_type(p, rows[i].type))
			return rows[i].operator;
	if (jinja_skip_name(p, "in"))
		return 'i';
	if (!jinja_at_name(p, "not") || !is_name(jinja_look(p), "in"))
		return '\0';
	jinja_advance(p);
	jinja_advance(p);
	return 'n';
}

static jinja_node *
parse_compare(jinja_parser *p)
{
	jinja_node *first = parse_sum(p), *compare = NULL;
	char operator;

	while (first != NULL && (operator= skip_comparison(p)) != '\0')
	{
		jinja_node *operand;

		if (compare == NULL)
			compare = make_binary(p, NODE_COMPARE, 0, first, NULL);
		operand = make_binary(p, NODE_OPERAND, p->current.line, parse_sum(p), NULL);
		if (compare == NULL || operand == NULL)
			return NULL;
		operand->operator= operator;
		if (!jinja_add_node(p, compare, &compare->items, operand))
			return compare;
		compare->line = p->current.line;
	}
	return compare != NULL ? compare : first;
}

static jinja_node *
parse_not(jinja_parser *p)
{
	jinja_node *node;
	int line = p->current.line;

	if (!jinja_skip_name(p, "not"))
		return parse_compare(p);
	if (++p->depth > p->s->limits.depth / 4)
		jinja_syntax_error(p, line, "nested too deeply");
	node = make_binary(p, NODE_NOT, line, parse_not(p), NULL);
	p->depth--;
	return node;
}

static jinja_node *
parse_and(jinja_parser *p)
{
	int line = p->current.line;
	jinja_node *left = parse_not(p);

	while (jinja_skip_name(p, "and"))
	{
		left = make_binary(p, NODE_AND, line, left, parse_not(p));
		line = p->current.line;
	}
	return left;
}

static jinja_node *
parse_or(jinja_parser *p)
{
	int line = p->current.line;
	jinja_node *left = parse_and(p);

	while (jinja_skip_name(p, "or"))
	{
		left = make_binary(p, NODE_OR, line, left, parse_and(p));
		line = p->current.line;
	}
	return left;
}

static jinja_node *
parse_condition(jinja_parser *p)
{
	int line = p->current.line;
	jinja_node *node = parse_or(p);

	while (jinja_skip_name(p, "if"))
	{
		jinja_node *test = parse_or(p), *otherwise = NULL;

		if (jinja_skip_name(p, "else"))
			otherwise = jinja_parse_expression(p, true);
		node = make_binary(p, NODE_CONDITION, line, test, node);
		if (node == NULL)
			return NULL;
		node->third = otherwise;
		deepen(p, node, otherwise);
		line = p->current.line;
	}
	return node;
}

jinja_node *
jinja_parse_expression(jinja_parser *p, bool with_condition)
{
	jinja_node *node;

	/* A level of parentheses is a dozen calls deep. */
	if (++p->depth > p->s->limits.depth / 4 && !tfm_failed(p->s->context))
	{
		jinja_fail(p->s, TFM_LIMIT_EXCEEDED, p->current.line, "the template is nested too deeply");
		jinja_syntax_error(p, p->current.line, "nested too deeply");
	}
	node = with_condition ? parse_condition(p) : parse_or(p);
	p->depth--;
	return node;
}
