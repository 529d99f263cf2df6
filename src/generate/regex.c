/*
 * regex.c
 *	  From the tree of a regular expression to a grammar.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/regex.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "generate/constraint.h"
#include "generate/regex_length.h"
#include "text/regex_parse.h"

typedef struct converter
{
	gen_grammar *g;
	const tok_pattern *pattern;
	bool is_json;
} converter;

size_t
gen_json_encode(uint32_t character, char *text)
{
	static const char escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (const char *escape = escapes; *escape != '\0'; escape += 2)
		if (character == (unsigned char) *escape)
		{
			text[0] = '\\';
			text[1] = escape[1];
			return 2;
		}
	if (character >= 0x20)
		return (size_t) utf8_encode(character, text);
	memcpy(text, "\\u00", 4);
	text[4] = (char) ('0' + (character >> 4));
	text[5] = "0123456789abcdef"[character & 15];
	return 6;
}

/* Characters that are escaped; NUL has no place in texts. */
gen_expression
gen_json_characters(gen_grammar *g, const tok_set *set)
{
	tok_set plain = {0}, wanted = {0};
	gen_list escaped = {0};
	gen_expression other = 0;
	char text[8];

	if (!tok_set_add(g->context, &plain, 0x20, 0x21) ||
		!tok_set_add(g->context, &plain, 0x23, 0x5B) ||
		!tok_set_add(g->context, &plain, 0x5D, TOK_LAST_CHARACTER) ||
		!tok_set_add_set(g->context, &wanted, set))
		return 0;
	tok_set_sort(&wanted);
	for (uint32_t c = 1; c <= '\\'; c++)
		if ((c < 0x20 || c == '"' || c == '\\') && tok_set_has(&wanted, c) &&
			!gen_list_add(g, &escaped, gen_literal(g, text, gen_json_encode(c, text))))
			return 0;
	if (!tok_set_intersect(g->context, &plain, &wanted))
		return 0;
	if (escaped.count > 0)
		other = gen_either(g, escaped.items, escaped.count);
	return gen_characters(g, &plain, 1, 1, other);
}

static gen_expression
unsupported(const converter *c, const char *what)
{
	char text[100];

	snprintf(text, sizeof(text), "has %s, which a constraint does not support", what);
	tok_fail_pattern(c->g->context, TFM_UNSUPPORTED, c->pattern, text);
	return 0;
}

static gen_expression
convert_set(const converter *c, const tok_set *set)
{
	return c->is_json ? gen_json_characters(c->g, set) : gen_characters(c->g, set, 1, 1, 0);
}

/* A literal, which may stand for its other cases. */
static gen_expression
convert_character(const converter *c, const tok_node *node)
{
	tok_set set = {0};
	uint32_t other = node->character ^ 0x20, letter = node->character | 0x20;
	char text[8];

	if (node->folded == 0)
		return gen_literal(c->g, text,
						   c->is_json ? gen_json_encode(node->character, text)
									  : (size_t) utf8_encode(node->character, text));
	if (!tok_set_add(c->g->context, &set, node->character, node->character))
		return 0;
	if (node->character < 0x80 && letter >= 'a' && letter <= 'z')
		return tok_set_add(c->g->context, &set, other, other) ? convert_set(c, &set) : 0;
	return tok_set_fold(c->g->context, &set) ? convert_set(c, &set) : 0;
}

static gen_expression
convert_assertion(const converter *c, const tok_node *node, bool starts, bool ends)
{
	switch (node->assertion)
	{
		case TOK_LINE_START:
		case TOK_TEXT_START:
		case TOK_SEARCH_START:
			return starts ? gen_string(c->g, "") : unsupported(c, "an anchor in its middle");
		case TOK_LINE_END:
		case TOK_TEXT_END:
		case TOK_LAST_LINE_END:
			return ends ? gen_string(c->g, "") : unsupported(c, "an anchor in its middle");
		default:
			return unsupported(c, "a word bound");
	}
}

static gen_expression convert(const converter *c, const tok_node *node, bool starts, bool ends);

static bool
has_no_width(const tok_node *node)
{
	return node->kind == TOK_NODE_ASSERT || node->kind == TOK_NODE_EMPTY;
}

static gen_expression
convert_sequence(const converter *c, const tok_node *sequence, bool starts, bool ends)
{
	gen_list list = {0};

	for (const tok_node *node = sequence->child; node != NULL; node = node->next)
	{
		const tok_node *rest = node->next;

		while (rest != NULL && has_no_width(rest))
			rest = rest->next;
		if (!gen_list_add(c->g, &list, convert(c, node, starts, ends && rest == NULL)))
			return 0;
		starts &= has_no_width(node);
	}
	return gen_sequence(c->g, list.items, list.count);
}

static gen_expression
convert_alternatives(const converter *c, const tok_node *either, bool starts, bool ends)
{
	gen_list list = {0};

	for (const tok_node *node = either->child; node != NULL; node = node->next)
		if (!gen_list_add(c->g, &list, convert(c, node, starts, ends)))
			return 0;
	return gen_either(c->g, list.items, list.count);
}

static gen_expression
convert_repeat(const converter *c, const tok_node *node, bool starts, bool ends)
{
	bool once = node->maximum == 1;

	if (node->greed == TOK_POSSESSIVE)
		return unsupported(c, "a possessive quantifier");
	return gen_repeat(c->g, convert(c, node->child, starts && once, ends && once), node->minimum,
					  node->maximum);
}

/* starts, ends: whether the node is at an end of the pattern, where an anchor says nothing. */
static gen_expression
convert(const converter *c, const tok_node *node, bool starts, bool ends)
{
	switch (node->kind)
	{
		case TOK_NODE_EMPTY:
			return gen_string(c->g, "");
		case TOK_NODE_CHARACTER:
			return convert_character(c, node);
		case TOK_NODE_SET:
			return convert_set(c, node->set);
		case TOK_NODE_SEQUENCE:
			return convert_sequence(c, node, starts, ends);
		case TOK_NODE_ALTERNATIVES:
			return convert_alternatives(c, node, starts, ends);
		case TOK_NODE_REPEAT:
			return convert_repeat(c, node, starts, ends);
		case TOK_NODE_ASSERT:
			return convert_assertion(c, node, starts, ends);
		case TOK_NODE_ATOMIC:
			return unsupported(c, "an atomic group");
		default:
			return unsupported(c, "a look around");
	}
}

/* ---- Patterns that are found in a text ---- */

static bool
is_anchor(const tok_node *node, bool start)
{
	return node != NULL && node->kind == TOK_NODE_ASSERT &&
		   (start ? node->assertion == TOK_LINE_START || node->assertion == TOK_TEXT_START
				  : node->assertion == TOK_LINE_END || node->assertion == TOK_TEXT_END ||
						node->assertion == TOK_LAST_LINE_END);
}

/* Any characters, but ends of lines. */
static tok_node *
new_anything(tfm_context *context)
{
	tok_pattern all = {.source = "any", .text = ".*", .length = 2};
	tok_node *sequence = tok_regex_parse_dialect(context, &all, TOK_COMMON);

	return sequence == NULL ? NULL : sequence->child;
}

/* Let anything stand at the end of a sequence that is anchored at its other one alone. */
static bool
open_end(tfm_context *context, tok_node *sequence)
{
	tok_node *last = sequence->child, *anything;
	bool start, end;

	while (last != NULL && last->next != NULL)
		last = last->next;
	start = is_anchor(sequence->child, true);
	end = is_anchor(last, false);
	if (start == end)
		return true;
	anything = new_anything(context);
	if (anything == NULL)
		return false;
	anything->next = start ? NULL : sequence->child;
	*(start ? &last->next : &sequence->child) = anything;
	return true;
}

static bool
open_ends(tfm_context *context, tok_node *root)
{
	if (root->kind == TOK_NODE_SEQUENCE)
		return open_end(context, root);
	if (root->kind == TOK_NODE_ALTERNATIVES)
		for (tok_node *node = root->child; node != NULL; node = node->next)
			if (node->kind == TOK_NODE_SEQUENCE && !open_end(context, node))
				return false;
	return true;
}

gen_expression
gen_regular(gen_grammar *g, const gen_regex *regex)
{
	tfm_context *context = g->context;
	tok_pattern pattern = {
		.source = regex->source, .text = regex->pattern.data, .length = regex->pattern.length};
	converter c = {.g = g, .pattern = &pattern, .is_json = regex->is_json};
	tok_node *root;

	if (tfm_failed(context))
		return 0;
	if (!utf8_valid(pattern.text, pattern.length))
	{
		tfm_fail(context, TFM_INVALID_ARGUMENT, "%s is not valid UTF-8", regex->source);
		return 0;
	}
	root = tok_regex_parse_dialect(context, &pattern, TOK_COMMON);
	if (root == NULL)
	{
		if (context->error.kind == TFM_CORRUPTED)
			context->error.kind = TFM_INVALID_ARGUMENT;
		return 0;
	}
	if (regex->is_json && !open_ends(context, root))
		return 0;
	if (!gen_fit_length(root, regex->minimum, regex->maximum))
		return gen_either(g, NULL, 0);
	return convert(&c, root, true, true);
}

gen_constraint *
gen_constrain_regex(tfm_context *context, tfm_text pattern)
{
	gen_grammar *g = gen_grammar_create(context);
	gen_regex regex = {.pattern = pattern, .source = "regex", .maximum = GEN_UNBOUNDED};

	return g == NULL ? NULL : gen_constraint_finish(g, gen_regular(g, &regex), NULL, NULL);
}
