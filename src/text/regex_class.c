/*
 * regex_class.c
 *	  Parsing the parts of a regular expression that stand for characters: escapes and brackets.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/regex_parse.h"

#include <string.h>

#include "base/utf8.h"
#include "text/character_class.h"

static bool
looking_at(const tok_regex_parser *p, const char *string)
{
	size_t length = strlen(string);

	return p->length - p->at >= length && memcmp(p->text + p->at, string, length) == 0;
}

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/* Up to so many digits of a base; how many there were. */
static int
read_digits(tok_regex_parser *p, int base, int most, uint32_t *value)
{
	int count = 0;

	for (*value = 0; count < most && p->at < p->length && digit_value(p->text[p->at]) < base;
		 count++)
		*value = *value * (uint32_t) base + (uint32_t) digit_value(p->text[p->at++]);
	return count;
}

static tok_escape
fail_escape(tok_regex_parser *p, tfm_error_kind kind, const char *what)
{
	tok_fail_parse(p, kind, what);
	return TOK_ESCAPE_FAILED;
}

/* \x{..} and \o{..}, with one character in the braces. */
static tok_escape
parse_braced(tok_regex_parser *p, int base, uint32_t *character)
{
	p->at++;
	if (read_digits(p, base, 11, character) == 0 || !looking_at(p, "}"))
		return fail_escape(p, TFM_UNSUPPORTED, "such an escape");
	if (*character > TOK_LAST_CHARACTER || (*character & ~0x7FFu) == 0xD800)
		return fail_escape(p, TFM_CORRUPTED, "too big a character");
	p->at++;
	return TOK_ESCAPE_CHARACTER;
}

static tok_escape
parse_hexadecimal(tok_regex_parser *p, uint32_t *character)
{
	if (looking_at(p, "{"))
		return parse_braced(p, 16, character);
	if (read_digits(p, 16, 2, character) == 0)
		*character = 0;
	if (*character > 0x7F && !p->common)
		return fail_escape(p, TFM_UNSUPPORTED, "a single byte that is not ASCII");
	return TOK_ESCAPE_CHARACTER;
}

static tok_escape
parse_unicode(tok_regex_parser *p, uint32_t *character)
{
	if (read_digits(p, 16, 4, character) != 4)
		return fail_escape(p, TFM_CORRUPTED, "too short an escape");
	if ((*character & ~0x7FFu) == 0xD800)
		return fail_escape(p, TFM_CORRUPTED, "half of a surrogate pair");
	return TOK_ESCAPE_CHARACTER;
}

/* \p{name}, \P{name}, \p{^name}; at is after the p. */
static tok_escape
parse_property(tok_regex_parser *p, bool negated, tok_set *set)
{
	const char *name, *end;
	bool found;

	if (!looking_at(p, "{"))
	{
		p->at--;
		return TOK_ESCAPE_OTHER;
	}
	p->at++;
	if (looking_at(p, "^"))
	{
		negated = !negated;
		p->at++;
	}
	name = p->text + p->at;
	end = memchr(name, '}', p->length - p->at);
	if (end == NULL)
		return fail_escape(p, TFM_CORRUPTED, "a property without an end");
	if (!tok_count_set(p) ||
		!tok_set_add_property(p->context, set, name, (size_t) (end - name), &found))
		return TOK_ESCAPE_FAILED;
	if (!found)
		return fail_escape(p, TFM_UNSUPPORTED, "a property");
	p->at += (size_t) (end - name) + 1;
	if (negated && !tok_set_invert(p->context, set))
		return TOK_ESCAPE_FAILED;
	return TOK_ESCAPE_SET;
}

/* What at least all dialects have in \w, \d and \s: the characters of ASCII. */
static bool
add_common(tok_regex_parser *p, char letter, tok_set *set)
{
	tfm_context *context = p->context;

	if (letter == 's')
		return tok_set_add(context, set, '\t', '\r') && tok_set_add(context, set, ' ', ' ');
	return tok_set_add(context, set, '0', '9') &&
		   (letter == 'd' ||
			(tok_set_add(context, set, 'a', 'z') && tok_set_add(context, set, 'A', 'Z') &&
			 tok_set_add(context, set, '_', '_')));
}

/* And all that some dialect has. */
static bool
add_all(tok_regex_parser *p, char letter, tok_set *set)
{
	tfm_context *context = p->context;
	bool found;

	if (letter == 'd')
		return tok_set_add_classes(context, set, TOK_ND);
	if (letter == 's')
		return tok_set_add_classes(context, set, TOK_SPACE) &&
			   tok_set_add(context, set, 0x1C, 0x1F) && tok_set_add(context, set, 0x85, 0x85) &&
			   tok_set_add(context, set, 0xFEFF, 0xFEFF);
	return tok_set_add_property(context, set, "word", 4, &found) &&
		   tok_set_add_property(context, set, "L", 1, &found) &&
		   tok_set_add_property(context, set, "N", 1, &found);
}

static tok_escape
parse_common_escape(tok_regex_parser *p, char letter, tok_set *set)
{
	bool opposite = (letter & 0x20) == 0;
	tok_set own = {0};

	if (!tok_count_set(p) ||
		!(opposite != p->negates ? add_all : add_common)(p, (char) (letter | 0x20), &own) ||
		(opposite && !tok_set_invert(p->context, &own)) || !tok_set_add_set(p->context, set, &own))
		return TOK_ESCAPE_FAILED;
	return TOK_ESCAPE_SET;
}

/* \w, \d, \s, \h and their opposites. */
static tok_escape
parse_set_escape(tok_regex_parser *p, char letter, bool inside, tok_set *set)
{
	bool found, ok;

	if (p->common && (letter | 0x20) != 'h')
		return parse_common_escape(p, letter, set);
	if (!tok_count_set(p))
		return TOK_ESCAPE_FAILED;
	switch (letter | 0x20)
	{
		case 'w':
			ok = inside ? tok_set_add_posix(p->context, set, TOK_POSIX_WORD)
						: tok_set_add_property(p->context, set, "word", 4, &found);
			break;
		case 'd':
			ok = tok_set_add_classes(p->context, set, TOK_ND);
			break;
		case 's':
			ok = tok_set_add_classes(p->context, set, TOK_SPACE);
			break;
		default:
			ok = tok_set_add_posix(p->context, set, TOK_POSIX_XDIGIT);
	}
	if (!ok || ((letter & 0x20) == 0 && !tok_set_invert(p->context, set)))
		return TOK_ESCAPE_FAILED;
	return TOK_ESCAPE_SET;
}

/* \0 and up to two octal digits more; what is no octal number is a back reference, or itself. */
static tok_escape
parse_octal(tok_regex_parser *p, bool inside, uint32_t *character)
{
	if (!inside && p->text[p->at] != '0')
	{
		size_t start = p->at;
		uint32_t number;

		/* One digit, or a group that there may be. */
		if (read_digits(p, 10, 9, &number) == 1 || number <= (uint32_t) p->groups)
			return fail_escape(p, TFM_UNSUPPORTED, "a back reference");
		p->at = start;
	}
	if (read_digits(p, 8, 3, character) == 0)
		*character = (unsigned char) p->text[p->at++];
	if (*character > 0x7F)
		return fail_escape(p, TFM_UNSUPPORTED, "a single byte that is not ASCII");
	return TOK_ESCAPE_CHARACTER;
}

/* \cx and \C-x. */
static tok_escape
parse_control(tok_regex_parser *p, uint32_t *character)
{
	unsigned char c = p->at < p->length ? (unsigned char) p->text[p->at] : 0x80;

	if (c == '\\' || c >= 0x80)
		return fail_escape(p, TFM_UNSUPPORTED, "such an escape");
	p->at++;
	*character = c == '?' ? 0x7F : c & 0x9Fu;
	return TOK_ESCAPE_CHARACTER;
}

static const char plain_escapes[] = "t\tn\nr\rf\fv\va\ae\033";

tok_escape
tok_parse_escape(tok_regex_parser *p, bool inside, uint32_t *character, tok_set *set)
{
	const char *plain;
	char letter;
	int width;

	if (p->at >= p->length)
		return fail_escape(p, TFM_CORRUPTED, "a backslash at the end");
	letter = p->text[p->at];
	if (letter >= '0' && letter <= '9')
		return parse_octal(p, inside, character);
	*character = utf8_decode(p->text + p->at, &width);
	p->at += (size_t) width;
	for (plain = plain_escapes; *plain != '\0'; plain += 2)
		if (*plain == letter)
		{
			*character = (unsigned char) plain[1];
			return TOK_ESCAPE_CHARACTER;
		}
	switch (letter)
	{
		case 'w':
		case 'W':
		case 'd':
		case 'D':
		case 's':
		case 'S':
		case 'h':
		case 'H':
			return parse_set_escape(p, letter, inside, set);
		case 'p':
		case 'P':
			if (!looking_at(p, "{"))
				return TOK_ESCAPE_CHARACTER;
			return parse_property(p, letter == 'P', set);
		case 'x':
			return parse_hexadecimal(p, character);
		case 'o':
			return looking_at(p, "{") ? parse_braced(p, 8, character) : TOK_ESCAPE_CHARACTER;
		case 'u':
			return parse_unicode(p, character);
		case 'c':
			return parse_control(p, character);
		case 'C':
			if (!looking_at(p, "-"))
				return fail_escape(p, TFM_CORRUPTED, "such an escape");
			p->at++;
			return parse_control(p, character);
		case 'M':
			return fail_escape(p, TFM_UNSUPPORTED, "such an escape");
		case 'b':
			if (inside)
			{
				*character = '\b';
				return TOK_ESCAPE_CHARACTER;
			}
			break;
		default:
			break;
	}
	if (inside)
		return TOK_ESCAPE_CHARACTER;
	p->at -= (size_t) width;
	return TOK_ESCAPE_OTHER;
}

/* [:name:] or [:^name:] at the place of its colon; false if this is none, or on failure. */
static bool
parse_posix(tok_regex_parser *p, tok_set *set)
{
	size_t start = p->at + 1, end;
	bool negated = start < p->length && p->text[start] == '^';
	tok_set named = {0};
	tok_posix which;

	start += negated;
	for (end = start; end < p->length && p->text[end] >= 'a' && p->text[end] <= 'z'; end++)
		;
	if (p->length - end < 2 || p->text[end] != ':' || p->text[end + 1] != ']')
		return false;
	which = tok_find_posix(p->text + start, end - start);
	if (which == TOK_POSIX_COUNT)
		return tok_fail_parse(p, TFM_CORRUPTED, "an unknown POSIX bracket");
	p->at = end + 2;
	return tok_count_set(p) && tok_set_add_posix(p->context, &named, which) &&
		   (!negated || tok_set_invert(p->context, &named)) &&
		   tok_set_add_set(p->context, set, &named);
}

/* A class under way: what stands before the next &&, and the intersection of all that came before. */
typedef struct class_parser
{
	tok_regex_parser *p;
	tok_set *set;
	tok_set both;
	bool intersects;
	bool is_first;		/* nothing but the ^ came yet */
	bool has_character; /* a character that may begin a range has just been read */
	uint32_t character;
} class_parser;

static bool
intersect(class_parser *c)
{
	c->has_character = false;
	if (c->intersects)
	{
		if (!tok_set_intersect(c->p->context, &c->both, c->set))
			return false;
	}
	else
		c->both = *c->set;
	c->intersects = true;
	*c->set = (tok_set) {0};
	return true;
}

/* A single character of the class, or one end of a range. */
static tok_escape
parse_member(class_parser *c, uint32_t *character, tok_set *set)
{
	tok_regex_parser *p = c->p;
	int width;

	if (p->text[p->at] == '\\')
	{
		p->at++;
		return tok_parse_escape(p, true, character, set);
	}
	*character = utf8_decode(p->text + p->at, &width);
	p->at += (size_t) width;
	return TOK_ESCAPE_CHARACTER;
}

/* After the hyphen of a range. */
static bool
parse_range(class_parser *c)
{
	tok_set set = {0};
	uint32_t last;
	tok_escape escape = parse_member(c, &last, &set);

	c->has_character = false;
	if (escape == TOK_ESCAPE_FAILED)
		return false;
	if (escape == TOK_ESCAPE_SET)
		return tok_fail_parse(c->p, TFM_CORRUPTED, "a range that ends with a set");
	if (last < c->character)
		return tok_fail_parse(c->p, TFM_CORRUPTED, "an empty range");
	return tok_set_add(c->p->context, c->set, c->character, last);
}

static bool
parse_nested(class_parser *c)
{
	tok_regex_parser *p = c->p;
	tok_set nested = {0};
	bool negated;

	if (c->has_character && p->text[p->at - 1] == '-' && c->character == '-')
		return tok_fail_parse(p, TFM_UNSUPPORTED, "a hyphen before a nested class");
	c->has_character = false;
	if (looking_at(p, "[:"))
	{
		p->at++;
		if (parse_posix(p, c->set))
			return true;
		if (tfm_failed(p->context))
			return false;
		p->at--;
	}
	p->at++;
	return tok_parse_class(p, &nested, &negated) && tok_set_add_set(p->context, c->set, &nested);
}

/* Whether the hyphen at the parser's place makes a range of what was read before it. */
static bool
begins_range(const class_parser *c)
{
	const tok_regex_parser *p = c->p;

	if (c->has_character && p->common)
		return p->length - p->at >= 2 && p->text[p->at] == '-' && p->text[p->at + 1] != ']';
	return c->has_character && p->length - p->at >= 2 && p->text[p->at] == '-' &&
		   p->text[p->at + 1] != ']' && p->text[p->at + 1] != '[' &&
		   !(p->length - p->at >= 3 && memcmp(p->text + p->at + 1, "&&", 2) == 0);
}

static bool
parse_item(class_parser *c)
{
	tok_regex_parser *p = c->p;
	tok_set set = {0};
	tok_escape escape;

	if (p->text[p->at] == '[' && (!p->common || looking_at(p, "[:")))
		return parse_nested(c);
	if (!p->common && looking_at(p, "&&"))
	{
		p->at += 2;
		return intersect(c);
	}
	if (begins_range(c))
	{
		p->at++;
		return parse_range(c);
	}
	escape = parse_member(c, &c->character, &set);
	if (escape == TOK_ESCAPE_FAILED)
		return false;
	c->has_character = escape == TOK_ESCAPE_CHARACTER;
	if (!c->has_character)
	{
		if (!p->common && p->length - p->at >= 2 && p->text[p->at] == '-' &&
			p->text[p->at + 1] != ']')
			return tok_fail_parse(p, TFM_CORRUPTED, "a range that begins with a set");
		return tok_set_add_set(p->context, c->set, &set);
	}
	return tok_set_add(p->context, c->set, c->character, c->character);
}

/* Whether a "]" comes after the first, so that the first stands for itself. */
static bool
closes_later(const tok_regex_parser *p)
{
	return memchr(p->text + p->at + 1, ']', p->length - p->at - 1) != NULL;
}

bool
tok_parse_class(tok_regex_parser *p, tok_set *set, bool *negated)
{
	class_parser c = {.p = p, .set = set, .is_first = true};

	if (++p->depth > TOK_REGEX_DEPTH_MAX || !tok_count_set(p))
		return tok_fail_parse(p, TFM_LIMIT_EXCEEDED, "too deep a class");
	*negated = looking_at(p, "^");
	p->at += *negated;
	p->negates = p->negates != *negated;
	p->nesting++;
	for (;; c.is_first = false)
	{
		if (p->at >= p->length)
			return tok_fail_parse(p, TFM_CORRUPTED, "a class without an end");
		if (p->text[p->at] == ']' && !(c.is_first && closes_later(p)))
			break;
		if (!parse_item(&c))
			return false;
	}
	if (c.is_first)
		return tok_fail_parse(p, TFM_CORRUPTED, "an empty class");
	p->at++;
	p->depth--;
	p->negates = p->negates != *negated;
	p->nesting--;
	if (c.intersects && (!intersect(&c) || !tok_set_add_set(p->context, set, &c.both)))
		return false;
	/* What is nested is folded with all of it, and so after it was inverted. */
	if ((p->options & TOK_REGEX_IGNORE_CASE) != 0 && p->nesting == 0 &&
		!tok_set_fold(p->context, set))
		return false;
	if (*negated && !tok_set_invert(p->context, set))
		return false;
	tok_set_sort(set);
	return true;
}
