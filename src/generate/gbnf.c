/*
 * gbnf.c
 *	  Grammars in llama.cpp's notation (grammars/README.md there).
 *
 *		root ::= "yes" | [A-Z] item{1,3} ("," item)*   # a comment
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/constraint.h"

#include <string.h>

#include "base/utf8.h"
#include "generate/grammar.h"

#define TEXT_MAX ((size_t) 4 << 20)
#define RULES_MAX 10000
#define NESTING_MAX 100

typedef struct named_rule
{
	tfm_text name;
	gen_expression rule;
	bool defined;
} named_rule;

typedef struct parser
{
	tfm_context *context;
	gen_grammar *g;
	const char *text;
	size_t length, at;
	named_rule *rules;
	size_t rule_count;
	int nesting;
} parser;

static bool
fail(parser *p, const char *what)
{
	size_t line = 1;

	for (size_t i = 0; i < p->at && i < p->length; i++)
		line += p->text[i] == '\n';
	return tfm_fail(p->context, TFM_INVALID_ARGUMENT, "grammar: %s in line %zu", what, line);
}

static char
peek(const parser *p)
{
	return p->at < p->length ? p->text[p->at] : '\0';
}

static bool
accept(parser *p, const char *string)
{
	size_t length = strlen(string);

	if (p->length - p->at < length || memcmp(p->text + p->at, string, length) != 0)
		return false;
	p->at += length;
	return true;
}

/* Spaces and comments; ends of lines, too, where they count for nothing. */
static void
skip_space(parser *p, bool lines)
{
	for (; p->at < p->length; p->at++)
	{
		char c = p->text[p->at];

		if (c == '#')
			while (p->at + 1 < p->length && p->text[p->at + 1] != '\n')
				p->at++;
		else if (c != ' ' && c != '\t' && !(lines && (c == '\n' || c == '\r')))
			break;
	}
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
		   c == '_';
}

/* The rule of the name at the parser's place, which may be defined later. */
static named_rule *
parse_name(parser *p)
{
	tfm_text name = {.data = p->text + p->at};
	named_rule *rule = p->rules;

	while (is_word(peek(p)))
		p->at++;
	name.length = (size_t) (p->text + p->at - name.data);
	if (name.length == 0)
	{
		fail(p, "a rule's name is expected");
		return NULL;
	}
	for (; rule < p->rules + p->rule_count; rule++)
		if (rule->name.length == name.length &&
			memcmp(rule->name.data, name.data, name.length) == 0)
			return rule;
	if (p->rule_count == RULES_MAX)
	{
		tfm_fail(p->context, TFM_LIMIT_EXCEEDED, "grammar: there are more than %d rules",
				 RULES_MAX);
		return NULL;
	}
	*rule = (named_rule) {.name = name, .rule = gen_rule(p->g)};
	p->rule_count++;
	return rule->rule == 0 ? NULL : rule;
}

/* Digits of an escape. */
static bool
parse_hexadecimal(parser *p, int digits, uint32_t *character)
{
	*character = 0;
	for (int i = 0; i < digits; i++, p->at++)
	{
		char c = peek(p), letter = (char) (c | 0x20);

		if (c >= '0' && c <= '9')
			*character = *character << 4 | (uint32_t) (c - '0');
		else if (letter >= 'a' && letter <= 'f')
			*character = *character << 4 | (uint32_t) (letter - 'a' + 10);
		else
			return fail(p, "an escape is too short");
	}
	if (*character > TOK_LAST_CHARACTER || (*character & ~0x7FFu) == 0xD800)
		return fail(p, "an escape is no character");
	return true;
}

/* A character of a string or a class, which may be escaped. */
static bool
parse_character(parser *p, uint32_t *character)
{
	static const char plain[] = "t\tr\rn\n\\\\\"\"[[]]";
	int width;

	if (p->at >= p->length)
		return fail(p, "the text ends in the middle of a string or class");
	if (!accept(p, "\\"))
	{
		*character = utf8_decode(p->text + p->at, &width);
		p->at += (size_t) width;
		return true;
	}
	if (accept(p, "x"))
		return parse_hexadecimal(p, 2, character);
	if (accept(p, "u"))
		return parse_hexadecimal(p, 4, character);
	if (accept(p, "U"))
		return parse_hexadecimal(p, 8, character);
	for (const char *escape = plain; *escape != '\0'; escape += 2)
		if (*escape == peek(p))
		{
			p->at++;
			*character = (unsigned char) escape[1];
			return true;
		}
	return fail(p, "an escape is unknown");
}

static gen_expression
parse_string(parser *p)
{
	buffer *bytes = buffer_create(p->context);
	uint32_t character;
	char encoded[4];

	if (bytes == NULL)
		return 0;
	while (!accept(p, "\""))
	{
		if (!parse_character(p, &character) ||
			!buffer_append(p->context, bytes, encoded, (size_t) utf8_encode(character, encoded)))
			return 0;
	}
	return gen_literal(p->g, bytes->data, bytes->length);
}

static gen_expression
parse_class(parser *p)
{
	bool negated = accept(p, "^");
	tok_set set = {0};
	uint32_t first, last;

	while (!accept(p, "]"))
	{
		if (!parse_character(p, &first))
			return 0;
		last = first;
		if (peek(p) == '-' && p->at + 1 < p->length && p->text[p->at + 1] != ']')
		{
			p->at++;
			if (!parse_character(p, &last))
				return 0;
		}
		if (last < first)
			fail(p, "a range is empty");
		if (tfm_failed(p->context) || !tok_set_add(p->context, &set, first, last))
			return 0;
	}
	if (negated && !tok_set_invert(p->context, &set))
		return 0;
	return gen_characters(p->g, &set, 1, 1, 0);
}

static gen_expression parse_alternatives(parser *p, bool nested);

static gen_expression
parse_group(parser *p)
{
	gen_expression group;

	if (++p->nesting > NESTING_MAX)
	{
		tfm_fail(p->context, TFM_LIMIT_EXCEEDED, "grammar: groups are nested too deeply");
		return 0;
	}
	skip_space(p, true);
	group = parse_alternatives(p, true);
	p->nesting--;
	if (group != 0 && !accept(p, ")"))
		fail(p, "a group has no end");
	return tfm_failed(p->context) ? 0 : group;
}

/* Something that may be repeated; 0 without an error if there is none. */
static gen_expression
parse_item(parser *p)
{
	tok_set any = {0};
	named_rule *rule;

	if (accept(p, "\""))
		return parse_string(p);
	if (accept(p, "["))
		return parse_class(p);
	if (accept(p, "("))
		return parse_group(p);
	if (accept(p, "."))
		return tok_set_add(p->context, &any, 0, TOK_LAST_CHARACTER)
				   ? gen_characters(p->g, &any, 1, 1, 0)
				   : 0;
	if (!is_word(peek(p)))
		return 0;
	rule = parse_name(p);
	return rule == NULL ? 0 : rule->rule;
}

static bool
parse_number(parser *p, uint32_t *number)
{
	if (peek(p) < '0' || peek(p) > '9')
		return fail(p, "a number is expected");
	for (*number = 0; peek(p) >= '0' && peek(p) <= '9'; p->at++)
	{
		*number = *number * 10 + (uint32_t) (peek(p) - '0');
		if (*number > GEN_REPEAT_MAX)
			return tfm_fail(p->context, TFM_LIMIT_EXCEEDED,
							"grammar: something is repeated more than %d times", GEN_REPEAT_MAX);
	}
	skip_space(p, true);
	return true;
}

/* {m}, {m,}, {m,n} or {,n} after its brace. */
static bool
parse_bounds(parser *p, uint32_t *minimum, uint32_t *maximum)
{
	*minimum = 0;
	skip_space(p, true);
	if (peek(p) != ',' && !parse_number(p, minimum))
		return false;
	*maximum = *minimum;
	if (accept(p, ","))
	{
		skip_space(p, true);
		*maximum = GEN_UNBOUNDED;
		if (peek(p) != '}' && !parse_number(p, maximum))
			return false;
	}
	if (!accept(p, "}"))
		return fail(p, "a repetition has no end");
	return *minimum <= *maximum || fail(p, "a repetition has its bounds swapped");
}

static gen_expression
parse_repeats(parser *p, gen_expression item, bool nested)
{
	for (int i = 0; item != 0; i++)
	{
		uint32_t minimum = 0, maximum = GEN_UNBOUNDED;

		skip_space(p, nested);
		if (accept(p, "+"))
			minimum = 1;
		else if (accept(p, "?"))
			maximum = 1;
		else if (accept(p, "{"))
		{
			if (!parse_bounds(p, &minimum, &maximum))
				return 0;
		}
		else if (!accept(p, "*"))
			return item;
		if (i == NESTING_MAX)
			fail(p, "too much is repeated");
		item = tfm_failed(p->context) ? 0 : gen_repeat(p->g, item, minimum, maximum);
	}
	return 0;
}

static gen_expression
parse_sequence(parser *p, bool nested)
{
	gen_list list = {0};
	gen_expression item;

	while ((item = parse_item(p)) != 0)
	{
		item = parse_repeats(p, item, nested);
		if (!gen_list_add(p->g, &list, item))
			return 0;
	}
	return tfm_failed(p->context) ? 0 : gen_sequence(p->g, list.items, list.count);
}

/* An alternative may stand in a line of its own. */
static bool
accept_bar(parser *p)
{
	size_t start = p->at;

	skip_space(p, true);
	if (accept(p, "|"))
	{
		skip_space(p, true);
		return true;
	}
	p->at = start;
	return false;
}

static gen_expression
parse_alternatives(parser *p, bool nested)
{
	gen_list list = {0};

	do
	{
		if (!gen_list_add(p->g, &list, parse_sequence(p, nested)))
			return 0;
	} while (accept_bar(p));
	return gen_either(p->g, list.items, list.count);
}

static bool
parse_rule(parser *p)
{
	named_rule *rule = parse_name(p);

	if (rule == NULL)
		return false;
	skip_space(p, false);
	if (rule->defined)
		return fail(p, "a rule is defined twice");
	if (!accept(p, "::="))
		return fail(p, "\"::=\" is expected");
	skip_space(p, true);
	rule->defined = true;
	if (!gen_define(p->g, rule->rule, parse_alternatives(p, false)))
		return false;
	if (p->at < p->length && peek(p) != '\n' && peek(p) != '\r')
		return fail(p, "something is unknown");
	skip_space(p, true);
	return true;
}

static const char *
name_rule(void *argument, gen_expression expression)
{
	parser *p = argument;

	for (size_t i = 0; i < p->rule_count; i++)
		if (p->rules[i].rule == expression)
			return tfm_strndup(p->context, p->rules[i].name.data, p->rules[i].name.length);
	return NULL;
}

/* The rule "root", if all rules are defined. */
static gen_expression
find_root(parser *p)
{
	gen_expression root = 0;

	for (size_t i = 0; i < p->rule_count; i++)
	{
		const named_rule *rule = &p->rules[i];
		bool is_root = rule->name.length == 4 && memcmp(rule->name.data, "root", 4) == 0;

		if (!rule->defined)
			tfm_fail(p->context, TFM_INVALID_ARGUMENT, "grammar: rule \"%.*s\" is not defined",
					 (int) (rule->name.length < 100 ? rule->name.length : 100), rule->name.data);
		root = is_root ? rule->rule : root;
	}
	if (root == 0)
		tfm_fail(p->context, TFM_INVALID_ARGUMENT, "grammar: there is no rule \"root\"");
	return tfm_failed(p->context) ? 0 : root;
}

gen_constraint *
gen_constrain_grammar(tfm_context *context, tfm_text grammar)
{
	parser p = {
		.context = context,
		.g = gen_grammar_create(context),
		.text = grammar.data,
		.length = grammar.length,
		.rules = tfm_alloc_array(context, RULES_MAX, sizeof(named_rule)),
	};
	gen_expression root;

	if (tfm_failed(context))
		return NULL;
	if (grammar.length > TEXT_MAX)
		tfm_fail(context, TFM_LIMIT_EXCEEDED, "the grammar is longer than %zu bytes", TEXT_MAX);
	else if (!utf8_valid(grammar.data, grammar.length) ||
			 (grammar.length > 0 && memchr(grammar.data, 0, grammar.length) != NULL))
		tfm_fail(context, TFM_INVALID_ARGUMENT, "the grammar is not valid UTF-8");
	else
		skip_space(&p, true);
	while (!tfm_failed(context) && p.at < p.length)
		parse_rule(&p);
	root = find_root(&p);
	return root == 0 ? NULL : gen_constraint_finish(p.g, root, name_rule, &p);
}
