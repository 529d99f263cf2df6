/*
 * regex_parse.c
 *	  Parsing regular expressions of Oniguruma's own syntax to a tree.
 *
 * Groups that capture are as those that do not, since nothing refers to them: back references and
 * calls are refused.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/regex_parse.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "text/character_class.h"

#define PATTERN_MAX 65535
#define REPEAT_MAX 100000
#define QUANTIFIERS_MAX 4 /* of one thing */
#define SHOWN 200		  /* bytes of a pattern in a message */

bool
tok_fail_pattern(tfm_context *context, tfm_error_kind kind, const tok_pattern *pattern,
				 const char *what)
{
	bool cut = pattern->length > SHOWN;
	size_t shown = cut ? utf8_clip(pattern->text, SHOWN) : pattern->length;

	return tfm_fail(context, kind, "\"%s\": regular expression \"%.*s%s\" %s", pattern->source,
					(int) shown, pattern->text, cut ? "..." : "", what);
}

bool
tok_fail_parse(tok_regex_parser *p, tfm_error_kind kind, const char *what)
{
	char text[160];

	snprintf(text, sizeof(text), "has %s before byte %zu%s", what, p->at,
			 kind == TFM_UNSUPPORTED ? ", which is not supported" : "");
	return tok_fail_pattern(p->context, kind, p->pattern, text);
}

tok_node *
tok_new_node(tfm_context *context, tok_node_kind kind)
{
	tok_node *node = tfm_alloc_zero(context, sizeof(tok_node));

	if (node != NULL)
		node->kind = kind;
	return node;
}

bool
tok_count_set(tok_regex_parser *p)
{
	if (++p->sets > TOK_REGEX_SETS_MAX)
		return tok_fail_parse(p, TFM_LIMIT_EXCEEDED, "too many sets of characters");
	return !tfm_stopped(p->context);
}

static tok_node *parse_alternatives(tok_regex_parser *p);

static tok_node *
fail_node(tok_regex_parser *p, tfm_error_kind kind, const char *what)
{
	tok_fail_parse(p, kind, what);
	return NULL;
}

static bool
accept(tok_regex_parser *p, const char *string)
{
	size_t length = strlen(string);

	if (p->length - p->at < length || memcmp(p->text + p->at, string, length) != 0)
		return false;
	p->at += length;
	return true;
}

tok_node *
tok_new_set_node(tfm_context *context, const tok_set *set)
{
	tok_node *node = tok_new_node(context, TOK_NODE_SET);

	if (node == NULL || (node->set = tfm_alloc(context, sizeof(tok_set))) == NULL)
		return NULL;
	*node->set = *set;
	tok_set_sort(node->set);
	return node;
}

static tok_node *
new_assertion(tok_regex_parser *p, tok_assertion assertion)
{
	tok_node *node = tok_new_node(p->context, TOK_NODE_ASSERT);

	if (node != NULL)
		node->assertion = assertion;
	return node;
}

static tok_node *
new_character(tok_regex_parser *p, uint32_t character)
{
	tok_node *node;

	if ((p->options & TOK_REGEX_IGNORE_CASE) != 0)
		return tok_new_folded(p, character);
	node = tok_new_node(p->context, TOK_NODE_CHARACTER);
	if (node != NULL)
		node->character = character;
	return node;
}

static tok_node *
new_all_but_newline(tok_regex_parser *p)
{
	tok_set set = {0};
	bool good = tok_set_add(p->context, &set, '\n', '\n');

	if (good && p->common)
		good = tok_set_add(p->context, &set, '\r', '\r') &&
			   tok_set_add(p->context, &set, 0x2028, 0x2029);
	return good && tok_set_invert(p->context, &set) ? tok_new_set_node(p->context, &set) : NULL;
}

static tok_node *
new_any(tok_regex_parser *p)
{
	tok_set set = {0};

	return tok_set_add(p->context, &set, 0, TOK_LAST_CHARACTER) ? tok_new_set_node(p->context, &set)
																: NULL;
}

/* \R: (?>\r\n|[\n-\r\x85\u2028\u2029]) */
static tok_node *
new_line_break(tok_regex_parser *p)
{
	tok_node *atomic = tok_new_node(p->context, TOK_NODE_ATOMIC);
	tok_node *either = tok_new_node(p->context, TOK_NODE_ALTERNATIVES);
	tok_node *pair = tok_new_node(p->context, TOK_NODE_SEQUENCE);
	tok_node *first = tok_new_node(p->context, TOK_NODE_CHARACTER);
	tok_node *second = tok_new_node(p->context, TOK_NODE_CHARACTER);
	tok_set set = {0};

	if (tfm_failed(p->context) || !tok_set_add(p->context, &set, '\n', '\r') ||
		!tok_set_add(p->context, &set, 0x85, 0x85) ||
		!tok_set_add(p->context, &set, 0x2028, 0x2029))
		return NULL;
	first->character = '\r';
	second->character = '\n';
	first->next = second;
	pair->child = first;
	pair->next = tok_new_set_node(p->context, &set);
	either->child = pair;
	atomic->child = either;
	return pair->next == NULL ? NULL : atomic;
}

/* What a backslash begins that is no character. */
static tok_node *
parse_special_escape(tok_regex_parser *p)
{
	switch (p->text[p->at++])
	{
		case 'A':
			return new_assertion(p, TOK_TEXT_START);
		case 'z':
			return new_assertion(p, TOK_TEXT_END);
		case 'Z':
			return new_assertion(p, TOK_LAST_LINE_END);
		case 'b':
			return new_assertion(p, TOK_WORD_BOUND);
		case 'B':
			return new_assertion(p, TOK_NO_WORD_BOUND);
		case 'G':
			return new_assertion(p, TOK_SEARCH_START);
		case 'N':
			return new_all_but_newline(p);
		case 'O':
			return new_any(p);
		case 'R':
			return new_line_break(p);
		case 'X':
		case 'y':
		case 'Y':
			return fail_node(p, TFM_UNSUPPORTED, "a text segment");
		case 'K':
			return fail_node(p, TFM_UNSUPPORTED, "\\K");
		case 'k':
		case 'g':
			return fail_node(p, TFM_UNSUPPORTED, "a reference to a group");
		default:
		{
			int width;
			uint32_t character = utf8_decode(p->text + --p->at, &width);

			p->at += (size_t) width;
			return new_character(p, character);
		}
	}
}

static tok_node *
parse_escape(tok_regex_parser *p)
{
	uint32_t character;
	tok_set set = {0};

	switch (tok_parse_escape(p, false, &character, &set))
	{
		case TOK_ESCAPE_CHARACTER:
			return new_character(p, character);
		case TOK_ESCAPE_SET:
			return tok_new_set_node(p->context, &set);
		case TOK_ESCAPE_OTHER:
			return parse_special_escape(p);
		default:
			return NULL;
	}
}

/* The rest of a group, and its closing parenthesis; the options are as they were before it. */
static tok_node *
parse_group_end(tok_regex_parser *p, uint32_t options)
{
	tok_node *node = parse_alternatives(p);

	if (node == NULL)
		return NULL;
	if (!accept(p, ")"))
		return fail_node(p, TFM_CORRUPTED, "a group without an end");
	p->options = options;
	return node;
}

static tok_node *
parse_wrapped(tok_regex_parser *p, tok_node_kind kind, bool negated)
{
	tok_node *node = tok_new_node(p->context, kind);
	bool before = p->folds_singly;

	if (node == NULL)
		return NULL;
	p->folds_singly = before || kind == TOK_NODE_LOOK_BEHIND;
	node->negated = negated;
	node->child = parse_group_end(p, p->options);
	p->folds_singly = before;
	return node->child == NULL ? NULL : node;
}

/* (?imx-imx) and (?imx-imx:...), at the first letter. */
static tok_node *
parse_options(tok_regex_parser *p)
{
	uint32_t before = p->options;
	bool off = false;

	for (;; p->at++)
	{
		char c = p->at < p->length ? p->text[p->at] : '\0';
		uint32_t option = c == 'i'	 ? TOK_REGEX_IGNORE_CASE
						  : c == 'm' ? TOK_REGEX_DOT_ALL
						  : c == 'x' ? TOK_REGEX_EXTENDED
									 : 0;

		if (option != 0)
			p->options = off ? p->options & ~option : p->options | option;
		else if (c == '-' && !off)
			off = true;
		else
			break;
	}
	if (accept(p, ":"))
		return parse_group_end(p, before);
	if (accept(p, ")"))
	{
		/* They hold for the rest of the group around, with all its alternatives. */
		tok_node *rest = parse_alternatives(p);

		p->options = before;
		return rest;
	}
	if (p->at < p->length && p->text[p->at] != '\0' && strchr("WDSPILCy", p->text[p->at]) != NULL)
		return fail_node(p, TFM_UNSUPPORTED, "a group option");
	return fail_node(p, TFM_CORRUPTED, "an unknown group option");
}

static tok_node *
parse_named_group(tok_regex_parser *p, char end)
{
	const char *found = memchr(p->text + p->at, end, p->length - p->at);

	if (found == NULL || found == p->text + p->at)
		return fail_node(p, TFM_CORRUPTED, "a group name without an end");
	p->at = (size_t) (found - p->text) + 1;
	p->groups++;
	return parse_group_end(p, p->options);
}

/* After "(". */
static tok_node *
parse_group(tok_regex_parser *p)
{
	if (accept(p, "*"))
		return fail_node(p, TFM_UNSUPPORTED, "a callout");
	if (!accept(p, "?"))
	{
		p->groups++;
		return parse_group_end(p, p->options);
	}
	if (accept(p, ":"))
		return parse_group_end(p, p->options);
	if (accept(p, "="))
		return parse_wrapped(p, TOK_NODE_LOOK_AHEAD, false);
	if (accept(p, "!"))
		return parse_wrapped(p, TOK_NODE_LOOK_AHEAD, true);
	if (accept(p, "<="))
		return parse_wrapped(p, TOK_NODE_LOOK_BEHIND, false);
	if (accept(p, "<!"))
		return parse_wrapped(p, TOK_NODE_LOOK_BEHIND, true);
	if (accept(p, ">"))
		return parse_wrapped(p, TOK_NODE_ATOMIC, false);
	if (accept(p, "<") || (p->common && accept(p, "P<")))
		return parse_named_group(p, '>');
	if (accept(p, "'"))
		return parse_named_group(p, '\'');
	if (accept(p, "~"))
		return fail_node(p, TFM_UNSUPPORTED, "an absence operator");
	if (accept(p, "(") || accept(p, "{"))
		return fail_node(p, TFM_UNSUPPORTED, "a condition or a callout");
	return parse_options(p);
}

static tok_node *
parse_class(tok_regex_parser *p)
{
	tok_set set = {0};
	bool negated;

	if (!tok_parse_class(p, &set, &negated))
		return NULL;
	if ((p->options & TOK_REGEX_IGNORE_CASE) != 0 && !negated)
		return tok_new_folded_class(p, &set);
	return tok_new_set_node(p->context, &set);
}

/* {n}, {n,}, {,m} or {n,m}; what is none of these stands for itself. */
static bool
parse_interval(tok_regex_parser *p, uint32_t *minimum, uint32_t *maximum)
{
	size_t at = p->at + 1;
	uint64_t numbers[2] = {0, 0};
	bool given[2] = {false, false}, comma = false;

	for (; at < p->length; at++)
	{
		char c = p->text[at];

		if (c == ',' && !comma)
			comma = true;
		else if (c >= '0' && c <= '9')
		{
			numbers[comma] = numbers[comma] > REPEAT_MAX
								 ? numbers[comma]
								 : numbers[comma] * 10 + (uint64_t) (c - '0');
			given[comma] = true;
		}
		else
			break;
	}
	if (at >= p->length || p->text[at] != '}' || (!given[0] && !given[1]))
		return false;
	if (numbers[0] > REPEAT_MAX || numbers[1] > REPEAT_MAX)
		return tok_fail_parse(p, TFM_CORRUPTED, "too big a number of repetitions");
	p->at = at + 1;
	*minimum = (uint32_t) numbers[0];
	*maximum = !comma ? *minimum : given[1] ? (uint32_t) numbers[1] : TOK_UNBOUNDED;
	return true;
}

/* A quantifier at the parser's place. */
static bool
parse_quantifier(tok_regex_parser *p, tok_node *repeat)
{
	bool is_interval = false, is_fixed = false;

	repeat->minimum = 0;
	repeat->maximum = TOK_UNBOUNDED;
	if (accept(p, "?"))
		repeat->maximum = 1;
	else if (accept(p, "+"))
		repeat->minimum = 1;
	else if (!accept(p, "*"))
	{
		if (p->at >= p->length || p->text[p->at] != '{' ||
			!parse_interval(p, &repeat->minimum, &repeat->maximum))
			return false;
		if (repeat->minimum > repeat->maximum)
			return tok_fail_parse(p, TFM_UNSUPPORTED, "an interval with its ends swapped");
		is_interval = true;
		is_fixed = repeat->minimum == repeat->maximum && p->text[p->at - 2] != ',';
	}
	/* {n}? and {n,m}+ are quantifiers of what is quantified. */
	if (!is_fixed && accept(p, "?"))
		repeat->greed = TOK_LAZY;
	else if (!is_interval && accept(p, "+"))
		repeat->greed = TOK_POSSESSIVE;
	return true;
}

static bool
is_quantifiable(const tok_node *node)
{
	return node->kind != TOK_NODE_ASSERT && node->kind != TOK_NODE_LOOK_AHEAD &&
		   node->kind != TOK_NODE_LOOK_BEHIND;
}

/* Spaces and comments that count for nothing. */
static void
skip_comments(tok_regex_parser *p)
{
	for (;;)
	{
		const char *end;

		if (p->length - p->at >= 3 && memcmp(p->text + p->at, "(?#", 3) == 0)
		{
			end = memchr(p->text + p->at, ')', p->length - p->at);
			p->at = end == NULL ? p->length : (size_t) (end - p->text) + 1;
		}
		else if ((p->options & TOK_REGEX_EXTENDED) != 0 && p->at < p->length &&
				 p->text[p->at] == '#')
		{
			end = memchr(p->text + p->at, '\n', p->length - p->at);
			p->at = end == NULL ? p->length : (size_t) (end - p->text) + 1;
		}
		else if ((p->options & TOK_REGEX_EXTENDED) != 0 && p->at < p->length &&
				 (unsigned char) p->text[p->at] < 0x80 &&
				 (tok_ascii_class((unsigned char) p->text[p->at]) & TOK_SPACE) != 0)
			p->at++;
		else
			return;
	}
}

/* One thing that may be quantified. */
static tok_node *
parse_atom(tok_regex_parser *p)
{
	int width;
	uint32_t character = utf8_decode(p->text + p->at, &width);
	tok_node ignored = {0};

	switch (character)
	{
		case '(':
			p->at++;
			return parse_group(p);
		case '[':
			p->at++;
			return parse_class(p);
		case '\\':
			p->at++;
			return parse_escape(p);
		case '.':
			p->at++;
			return (p->options & TOK_REGEX_DOT_ALL) != 0 ? new_any(p) : new_all_but_newline(p);
		case '^':
			p->at++;
			return new_assertion(p, TOK_LINE_START);
		case '$':
			p->at++;
			return new_assertion(p, TOK_LINE_END);
		default:
			break;
	}
	if (character == '*' || character == '+' || character == '?' ||
		(character == '{' && parse_quantifier(p, &ignored)))
		return fail_node(p, TFM_CORRUPTED, "nothing to repeat");
	if (tfm_failed(p->context))
		return NULL;
	p->at += (size_t) width;
	return new_character(p, character);
}

static tok_node *
parse_quantified(tok_regex_parser *p)
{
	tok_node *node = parse_atom(p);
	tok_node *repeat;

	for (int count = 0; node != NULL; count++)
	{
		skip_comments(p);
		repeat = tok_new_node(p->context, TOK_NODE_REPEAT);
		if (repeat == NULL)
			return NULL;
		if (!parse_quantifier(p, repeat))
			return tfm_failed(p->context) ? NULL : node;
		if (!is_quantifiable(node))
			return fail_node(p, TFM_CORRUPTED, "something that cannot be repeated");
		if (count == QUANTIFIERS_MAX)
			return fail_node(p, TFM_LIMIT_EXCEEDED, "too many quantifiers");
		repeat->child = node;
		node = repeat;
	}
	return NULL;
}

static tok_node *
parse_sequence(tok_regex_parser *p)
{
	tok_node *sequence = tok_new_node(p->context, TOK_NODE_SEQUENCE);
	tok_node **end = sequence == NULL ? NULL : &sequence->child;

	while (sequence != NULL)
	{
		skip_comments(p);
		if (p->at >= p->length || p->text[p->at] == '|' || p->text[p->at] == ')')
			break;
		*end = parse_quantified(p);
		if (*end == NULL)
			return NULL;
		end = &(*end)->next;
	}
	return sequence != NULL && tok_join_folded(p, sequence) ? sequence : NULL;
}

static tok_node *
parse_alternatives(tok_regex_parser *p)
{
	tok_node *either = tok_new_node(p->context, TOK_NODE_ALTERNATIVES);
	tok_node **end = either == NULL ? NULL : &either->child;

	if (++p->depth > TOK_REGEX_DEPTH_MAX)
		return fail_node(p, TFM_LIMIT_EXCEEDED, "too deep a group");
	if (either == NULL)
		return NULL;
	do
	{
		*end = parse_sequence(p);
		if (*end == NULL)
			return NULL;
		end = &(*end)->next;
	} while (accept(p, "|"));
	p->depth--;
	/* A single alternative stands for itself. */
	return either->child->next == NULL ? either->child : either;
}

tok_node *
tok_regex_parse(tfm_context *context, const tok_pattern *pattern)
{
	return tok_regex_parse_dialect(context, pattern, TOK_ONIGURUMA);
}

tok_node *
tok_regex_parse_dialect(tfm_context *context, const tok_pattern *pattern, tok_dialect dialect)
{
	tok_regex_parser p = {
		.context = context,
		.pattern = pattern,
		.text = pattern->text,
		.length = pattern->length,
		.common = dialect == TOK_COMMON,
	};
	tok_node *root;

	if (pattern->length > PATTERN_MAX)
	{
		tok_fail_pattern(context, TFM_LIMIT_EXCEEDED, pattern, "is too long");
		return NULL;
	}
	root = parse_alternatives(&p);
	if (root == NULL)
		return NULL;
	if (p.at < p.length)
		return fail_node(&p, TFM_CORRUPTED, "an unmatched closing parenthesis");
	return root;
}
