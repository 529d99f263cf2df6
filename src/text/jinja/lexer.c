/*
 * lexer.c
 *	  Template text into tokens.
 *
 * Each function stands for a state of jinja2's Lexer, whose regular expressions it matches by hand.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/lexer.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "text/jinja/characters.h"
#include "text/jinja/number.h"

static const struct
{
	jinja_token_type type;
	const char *text;
} operators[] = {
	/* longest first */
	{TOKEN_FLOORDIV, "//"}, {TOKEN_POW, "**"},	   {TOKEN_EQ, "=="},	{TOKEN_NE, "!="},
	{TOKEN_GTEQ, ">="},		{TOKEN_LTEQ, "<="},	   {TOKEN_ADD, "+"},	{TOKEN_SUB, "-"},
	{TOKEN_DIV, "/"},		{TOKEN_MUL, "*"},	   {TOKEN_MOD, "%"},	{TOKEN_TILDE, "~"},
	{TOKEN_LBRACKET, "["},	{TOKEN_RBRACKET, "]"}, {TOKEN_LPAREN, "("}, {TOKEN_RPAREN, ")"},
	{TOKEN_LBRACE, "{"},	{TOKEN_RBRACE, "}"},   {TOKEN_GT, ">"},		{TOKEN_LT, "<"},
	{TOKEN_ASSIGN, "="},	{TOKEN_DOT, "."},	   {TOKEN_COLON, ":"},	{TOKEN_PIPE, "|"},
	{TOKEN_COMMA, ","},		{TOKEN_SEMICOLON, ";"}};

#define OPERATORS (sizeof(operators) / sizeof(operators[0]))

const char *
jinja_describe_type(jinja_token_type type)
{
	static const char *const names[] = {
		[TOKEN_EOF] = "end of template",
		[TOKEN_DATA] = "template data / text",
		[TOKEN_VARIABLE_BEGIN] = "begin of print statement",
		[TOKEN_VARIABLE_END] = "end of print statement",
		[TOKEN_BLOCK_BEGIN] = "begin of statement block",
		[TOKEN_BLOCK_END] = "end of statement block",
		[TOKEN_NAME] = "name",
		[TOKEN_STRING] = "string",
		[TOKEN_INTEGER] = "integer",
		[TOKEN_FLOAT] = "float",
	};

	if (type <= TOKEN_FLOAT)
		return names[type];
	for (size_t i = 0; i < OPERATORS; i++)
		if (operators[i].type == type)
			return operators[i].text;
	return "";
}

bool
jinja_lexer_start(jinja_state *s, jinja_lexer *lexer, tfm_text source)
{
	char *copy = jinja_alloc(s, source.length + 1);
	size_t length = 0;

	memset(lexer, 0, sizeof(*lexer));
	if (copy == NULL || !jinja_step(s, source.length / 64))
		return false;
	for (size_t i = 0; i < source.length; i++)
	{
		if (source.data[i] == '\r' && i + 1 < source.length && source.data[i + 1] == '\n')
			continue;
		copy[length++] = source.data[i] == '\r' ? '\n' : source.data[i];
	}
	if (length > 0 && copy[length - 1] == '\n')
		length--;
	*lexer =
		(jinja_lexer) {.s = s, .source = copy, .length = length, .line = 1, .line_starting = true};
	return true;
}

/* ---- Small steps ---- */

static bool
looking_at(const jinja_lexer *l, size_t position, const char *text)
{
	size_t length = strlen(text);

	return l->length - position >= length && memcmp(l->source + position, text, length) == 0;
}

static size_t
skip_space(const jinja_lexer *l, size_t position)
{
	while (position < l->length)
	{
		int width;

		if (!jinja_is_space(utf8_decode(l->source + position, &width)))
			break;
		position += (size_t) width;
	}
	return position;
}

/* Where the whitespace at the end of a text begins. */
static size_t
strip_end(const jinja_lexer *l, size_t from, size_t to)
{
	while (to > from)
	{
		size_t start = to - 1;
		int width;

		while (start > from && ((unsigned char) l->source[start] & 0xC0) == 0x80)
			start--;
		if (!jinja_is_space(utf8_decode(l->source + start, &width)))
			break;
		to = start;
	}
	return to;
}

static void
count_lines(jinja_lexer *l, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		l->line += l->source[i] == '\n';
}

/* Go on at a position behind the current one. */
static void
advance(jinja_lexer *l, size_t position)
{
	count_lines(l, l->position, position);
	l->line_starting = position > 0 && l->source[position - 1] == '\n';
	l->position = position;
}

static jinja_token
end_token(const jinja_lexer *l)
{
	return (jinja_token) {.type = TOKEN_EOF, .line = l->line};
}

static jinja_token
fail(jinja_lexer *l, const char *message)
{
	jinja_fail(l->s, TFM_INVALID_ARGUMENT, l->line, "%s", message);
	l->position = l->length;
	l->has_waiting = false;
	return end_token(l);
}

static jinja_token
text_token(jinja_lexer *l, jinja_token_type type, int line, size_t from, size_t to)
{
	return (jinja_token) {
		.type = type, .line = line, .value = jinja_text_kept(l->s, l->source + from, to - from)};
}

/* ---- Text outside of tags ---- */

/* The end of "{% raw %}" at a position, 0 if there is none; *sign is what stands after "{%". */
static size_t
match_raw(const jinja_lexer *l, size_t position, const char *word, char *sign)
{
	size_t p = position + 2;

	*sign = p < l->length && (l->source[p] == '-' || l->source[p] == '+') ? l->source[p++] : '\0';
	p = skip_space(l, p);
	if (!looking_at(l, p, word))
		return 0;
	p = skip_space(l, p + strlen(word));
	if (looking_at(l, p, "-%}"))
		return skip_space(l, p + 3);
	if (looking_at(l, p, "%}"))
		return p + 2;
	/* Only the end of a raw block has these. */
	if (word[0] == 'e' && looking_at(l, p, "+%}"))
		return p + 3;
	return 0;
}

/* Where data ends before a tag whose sign is given; what is cut still counts its lines. */
static size_t
strip_data(const jinja_lexer *l, size_t from, size_t to, char sign, bool variable)
{
	size_t line = to;

	if (sign == '-')
		return strip_end(l, from, to);
	if (sign == '+' || variable)
		return to;
	while (line > from && l->source[line - 1] != '\n')
		line--;
	if ((line > from || l->line_starting) && strip_end(l, line, to) == line)
		return line;
	return to;
}

/* The first "{%", "{{" or "{#" from a position; the source's end if there is none. */
static size_t
find_tag(const jinja_lexer *l, size_t position)
{
	while (position < l->length)
	{
		const char *brace = memchr(l->source + position, '{', l->length - position);

		if (brace == NULL)
			break;
		position = (size_t) (brace - l->source);
		if (position + 1 < l->length && strchr("%{#", l->source[position + 1]) != NULL)
			return position;
		position++;
	}
	return l->length;
}

static bool
skip_comment(jinja_lexer *l)
{
	size_t end = l->position;

	if (end == l->length)
		return true;
	while (end < l->length && !looking_at(l, end, "#}"))
		end++;
	if (end == l->length)
	{
		fail(l, "Missing end of comment tag");
		return false;
	}
	if (end > l->position && l->source[end - 1] == '-')
		end = skip_space(l, end + 2);
	else
	{
		bool kept = end > l->position && l->source[end - 1] == '+';

		end += 2;
		end += !kept && end < l->length && l->source[end] == '\n';
	}
	advance(l, end);
	return true;
}

/* The text of a raw block, from behind its begin. */
static jinja_token
read_raw(jinja_lexer *l)
{
	size_t start = l->position;
	int line = l->line;

	if (start == l->length)
		return end_token(l);
	for (size_t i = find_tag(l, start); i < l->length; i = find_tag(l, i + 1))
	{
		char sign;
		size_t end = l->source[i + 1] == '%' ? match_raw(l, i, "endraw", &sign) : 0;
		jinja_token token;

		if (end == 0)
			continue;
		token = text_token(l, TOKEN_DATA, line, start, strip_data(l, start, i, sign, false));
		/* "%}" alone takes the newline after it along, "+%}" and "-%}" do not. */
		if (l->source[end - 1] == '}' && l->source[end - 3] != '-' && l->source[end - 3] != '+' &&
			end < l->length && l->source[end] == '\n')
			end++;
		advance(l, end);
		return token;
	}
	return fail(l, "Missing end of raw directive");
}

/* Data up to the next tag; the tag's begin waits. */
static jinja_token
read_data(jinja_lexer *l)
{
	size_t start = l->position, tag = find_tag(l, start), end, stop = tag + 2;
	int line = l->line;
	char sign = '\0', kind;
	size_t raw;
	jinja_token token;

	if (tag == l->length)
	{
		token = text_token(l, TOKEN_DATA, line, start, tag);
		advance(l, tag);
		return token;
	}
	kind = l->source[tag + 1];
	raw = kind == '%' ? match_raw(l, tag, "raw", &sign) : 0;
	if (raw > 0)
		stop = raw;
	else if (stop < l->length && (l->source[stop] == '-' || l->source[stop] == '+'))
		sign = l->source[stop++];
	end = strip_data(l, start, tag, sign, kind == '{');
	token = text_token(l, TOKEN_DATA, line, start, end);
	count_lines(l, start, tag);
	l->position = tag;
	if (raw == 0 && kind != '#')
	{
		l->waiting = (jinja_token) {.type = kind == '%' ? TOKEN_BLOCK_BEGIN : TOKEN_VARIABLE_BEGIN,
									.line = l->line};
		l->has_waiting = true;
		l->state = kind == '%' ? LEXER_BLOCK : LEXER_VARIABLE;
	}
	advance(l, stop);
	if (raw > 0)
	{
		l->waiting = read_raw(l);
		l->has_waiting = !tfm_failed(l->s->context);
	}
	else if (kind == '#' && !skip_comment(l))
		return end_token(l);
	return token;
}

/* ---- Tags ---- */

/* Whether the tag ends here; the token is then made and the tag is left. */
static bool
read_end(jinja_lexer *l, jinja_token *token)
{
	bool block = l->state == LEXER_BLOCK;
	const char *plain = block ? "%}" : "}}", *minus = block ? "-%}" : "-}}";
	size_t end;

	if (l->open_count > 0)
		return false;
	if (looking_at(l, l->position, minus))
		end = skip_space(l, l->position + 3);
	else if (block && looking_at(l, l->position, "+%}"))
		end = l->position + 3;
	else if (looking_at(l, l->position, plain))
	{
		end = l->position + 2;
		end += block && end < l->length && l->source[end] == '\n';
	}
	else
		return false;
	*token = (jinja_token) {.type = block ? TOKEN_BLOCK_END : TOKEN_VARIABLE_END, .line = l->line};
	advance(l, end);
	l->state = LEXER_ROOT;
	return true;
}

static size_t
skip_digits(const jinja_lexer *l, size_t p)
{
	while (p < l->length && ((l->source[p] >= '0' && l->source[p] <= '9') ||
							 (l->source[p] == '_' && l->source[p - 1] != '_' && p + 1 < l->length &&
							  l->source[p + 1] >= '0' && l->source[p + 1] <= '9')))
		p++;
	return p;
}

static bool
is_digit_at(const jinja_lexer *l, size_t p)
{
	return p < l->length && l->source[p] >= '0' && l->source[p] <= '9';
}

/* The end of a float at the current position, 0 if there is none. */
static size_t
match_float(const jinja_lexer *l)
{
	size_t p = l->position, exponent;
	bool fraction = false;

	if (p > 0 && l->source[p - 1] == '.')
		return 0;
	p = skip_digits(l, p);
	if (p < l->length && l->source[p] == '.' && is_digit_at(l, p + 1))
	{
		p = skip_digits(l, p + 1);
		fraction = true;
	}
	if (p < l->length && (l->source[p] | 0x20) == 'e')
	{
		exponent = p + 1;
		if (exponent < l->length && (l->source[exponent] == '+' || l->source[exponent] == '-'))
			exponent++;
		if (is_digit_at(l, exponent))
			return skip_digits(l, exponent);
	}
	return fraction ? p : 0;
}

static bool
is_digit_of(char c, int base)
{
	int digit = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' ? (c | 0x20) - 'a' + 10 : 99;

	return digit < base;
}

/* The end of an integer at the current position, which is at a digit. */
static size_t
match_integer(const jinja_lexer *l, int *base)
{
	size_t p = l->position;
	char prefix = p + 1 < l->length ? (char) (l->source[p + 1] | 0x20) : '\0';
	bool zero = l->source[p] == '0';

	*base = 10;
	if (zero && (prefix == 'x' || prefix == 'o' || prefix == 'b'))
	{
		int wanted = prefix == 'x' ? 16 : prefix == 'o' ? 8 : 2;
		size_t q = p + 2;

		while (q < l->length &&
			   (is_digit_of(l->source[q], wanted) || (l->source[q] == '_' && q + 1 < l->length &&
													  is_digit_of(l->source[q + 1], wanted))))
			q++;
		if (q > p + 2)
		{
			*base = wanted;
			return q;
		}
	}
	if (!zero)
		return skip_digits(l, p);
	p++;
	while (p < l->length && (l->source[p] == '0' ||
							 (l->source[p] == '_' && p + 1 < l->length && l->source[p + 1] == '0')))
		p++;
	return p;
}

static jinja_token
read_number(jinja_lexer *l)
{
	jinja_token token = {.line = l->line};
	size_t end = match_float(l), count = 0;
	int base = 10;
	char *digits;

	token.type = end > 0 ? TOKEN_FLOAT : TOKEN_INTEGER;
	if (end == 0)
		end = match_integer(l, &base);
	digits = jinja_alloc(l->s, end - l->position + 1);
	if (digits == NULL)
		return fail(l, "out of memory");
	for (size_t i = l->position + (base != 10 ? 2 : 0); i < end; i++)
		if (l->source[i] != '_')
			digits[count++] = l->source[i];
	if (token.type == TOKEN_FLOAT)
		token.value = jinja_float(jinja_read_float(digits, count));
	else
		token.value = jinja_integer_parse(l->s, digits, count, base, false);
	advance(l, end);
	return token;
}

static jinja_token
read_string(jinja_lexer *l)
{
	char quote = l->source[l->position];
	size_t p = l->position + 1;
	jinja_token token = {.type = TOKEN_STRING, .line = l->line};

	while (p < l->length && l->source[p] != quote)
		p += l->source[p] == '\\' ? 2 : 1;
	if (p >= l->length)
		return end_token(l);
	token.value =
		jinja_object(JINJA_STRING, jinja_unescape(l->s, l->line, l->source + l->position + 1,
												  p - l->position - 1));
	advance(l, p + 1);
	return token;
}

static jinja_token
read_name(jinja_lexer *l)
{
	size_t start = l->position, p = start;
	bool valid = true;
	jinja_token token;

	while (p < l->length)
	{
		int width;
		uint32_t c = utf8_decode(l->source + p, &width);

		if (!jinja_is_word(c))
			break;
		valid = valid && jinja_is_identifier(c, p == start);
		p += (size_t) width;
	}
	if (!valid)
		return fail(l, "Invalid character in identifier");
	token = text_token(l, TOKEN_NAME, l->line, start, p);
	advance(l, p);
	return token;
}

/* Keep account of brackets. */
static bool
balance(jinja_lexer *l, char c)
{
	const char *opening = "{([", *closing = "})]", *found = strchr(opening, c);
	char message[64];

	if (found != NULL)
	{
		if (l->open_count == l->open_capacity)
		{
			size_t capacity = l->open_capacity > 0 ? l->open_capacity * 2 : 64;
			char *open = jinja_alloc(l->s, capacity);

			if (open == NULL)
				return false;
			if (l->open_count > 0)
				memcpy(open, l->open, l->open_count);
			l->open = open;
			l->open_capacity = capacity;
		}
		l->open[l->open_count++] = closing[found - opening];
		return true;
	}
	if (strchr(closing, c) == NULL)
		return true;
	if (l->open_count > 0 && l->open[l->open_count - 1] == c)
	{
		l->open_count--;
		return true;
	}
	snprintf(message, sizeof(message), "unexpected '%c'", c);
	if (l->open_count > 0)
		snprintf(message, sizeof(message), "unexpected '%c', expected '%c'", c,
				 l->open[l->open_count - 1]);
	fail(l, message);
	return false;
}

static jinja_token
read_operator(jinja_lexer *l)
{
	jinja_token token = {.line = l->line};
	const jinja_string *text;
	char place[24];
	int width;

	for (size_t i = 0; i < OPERATORS; i++)
	{
		if (!looking_at(l, l->position, operators[i].text))
			continue;
		token.type = operators[i].type;
		if (operators[i].text[1] == '\0' && !balance(l, operators[i].text[0]))
			return end_token(l);
		advance(l, l->position + strlen(operators[i].text));
		return token;
	}
	utf8_decode(l->source + l->position, &width);
	text = jinja_repr(l->s, jinja_text(l->s, l->source + l->position, (size_t) width));
	snprintf(place, sizeof(place), "%zu", utf8_count(l->source, l->position));
	if (text != NULL)
		jinja_fail(l->s, TFM_INVALID_ARGUMENT, l->line, "unexpected char %.*s at %s",
				   JINJA_TEXT(text), place);
	l->position = l->length;
	return end_token(l);
}

static jinja_token
read_in_tag(jinja_lexer *l)
{
	jinja_token token;
	int width;
	uint32_t c;

	for (;;)
	{
		size_t next;

		if (l->position >= l->length)
			return end_token(l);
		if (read_end(l, &token))
			return token;
		next = skip_space(l, l->position);
		if (next == l->position)
			break;
		advance(l, next);
	}
	c = utf8_decode(l->source + l->position, &width);
	if (c >= '0' && c <= '9')
		return read_number(l);
	if (jinja_is_word(c))
		return read_name(l);
	if (c == '\'' || c == '"')
	{
		token = read_string(l);
		if (token.type == TOKEN_STRING || tfm_failed(l->s->context))
			return token;
	}
	return read_operator(l);
}

jinja_token
jinja_lexer_next(jinja_lexer *l)
{
	jinja_token token;

	for (;;)
	{
		if (!jinja_step(l->s, 1))
			return end_token(l);
		if (l->has_waiting)
		{
			l->has_waiting = false;
			token = l->waiting;
		}
		else if (l->position >= l->length)
			return end_token(l);
		else
			token = l->state == LEXER_ROOT ? read_data(l) : read_in_tag(l);
		if (tfm_failed(l->s->context))
			return end_token(l);
		/* Empty data is none. */
		if (token.type != TOKEN_DATA || token.value.string->bytes > 0)
			return token;
	}
}
