/*
 * filters_urlize.c
 *	  The filter urlize: jinja2.utils.urlize.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE /* memmem */

#include "text/jinja/filters.h"

#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "text/jinja/characters.h"

typedef struct linker
{
	jinja_state *s;
	jinja_output output;
	const jinja_string *rel, *target; /* escaped; NULL: none */
	int64_t limit;					  /* of the text of a link; -1: none */
	jinja_list *schemes;
} linker;

/* A part of a word, in bytes. */
typedef struct part
{
	const char *p;
	size_t length;
} part;

static bool
starts_with(part text, const char *with)
{
	return text.length >= strlen(with) && memcmp(text.p, with, strlen(with)) == 0;
}

static bool
ends_with(part text, const char *with)
{
	size_t length = strlen(with);

	return text.length >= length && memcmp(text.p + text.length - length, with, length) == 0;
}

static size_t
count_of(part text, const char *what)
{
	size_t count = 0, length = strlen(what);

	for (size_t i = 0; i + length <= text.length; i++)
		if (memcmp(text.p + i, what, length) == 0)
		{
			count++;
			i += length - 1;
		}
	return count;
}

/* ---- What is an address ---- */

static bool
is_word_at(const char *p, const char *end, int *width)
{
	uint32_t c;

	*width = 1;
	if (p == end)
		return false;
	c = utf8_decode(p, width);
	return c == '_' || jinja_is_alnum(c);
}

static size_t
count_digits(const char *p, const char *end)
{
	size_t count = 0;

	while (p + count < end && p[count] >= '0' && p[count] <= '9')
		count++;
	return count;
}

/* [\w%-]+ */
static const char *
skip_label(const char *p, const char *end)
{
	int width;

	while (p < end)
	{
		if (*p == '%' || *p == '-')
			width = 1;
		else if (!is_word_at(p, end, &width))
			break;
		p += width;
	}
	return p;
}

static bool
is_letters(const char *p, const char *end, size_t least, size_t most)
{
	for (const char *c = p; c < end; c++)
		if ((*c | 0x20) < 'a' || (*c | 0x20) > 'z')
			return false;
	return (size_t) (end - p) >= least && (size_t) (end - p) <= most;
}

/* What may follow a host: a port, then a path. */
static bool
is_rest(const char *p, const char *end)
{
	if (p < end && *p == ':')
	{
		size_t digits = count_digits(++p, end);

		if (digits == 0 || digits > 5)
			return false;
		p += digits;
	}
	return p == end || strchr("/?#", *p) != NULL;
}

/* The last label of a host after a scheme: letters, or xn--. */
static bool
is_top_label(const char *p, const char *end)
{
	if (is_letters(p, end, 2, 63))
		return true;
	return end - p >= 6 && end - p <= 63 && strncasecmp(p, "xn--", 4) == 0;
}

static bool
is_common_label(const char *p, const char *end)
{
	static const char *const names[] = {"com", "net", "int", "edu", "gov", "org", "info", "mil"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((size_t) (end - p) == strlen(names[i]) &&
			strncasecmp(p, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Whether labels with dots between them lead to a last one, behind which a rest may stand. */
static bool
is_host(const char *p, const char *end, bool (*is_last)(const char *, const char *), bool dotted)
{
	bool dots = false;

	for (;;)
	{
		const char *label = p;

		p = skip_label(p, end);
		if (p == label)
			return false;
		if ((dots || !dotted) && is_last(label, p) && is_rest(p, end))
			return true;
		if (p == end || *p != '.' || (dotted && (p - label < 2 || p - label > 63)))
			return false;
		dots = true;
		p++;
	}
}

static bool
is_ipv4(const char *p, const char *end)
{
	for (int i = 0; i < 4; i++)
	{
		size_t digits = count_digits(p, end);

		if (digits < 1 || digits > 3)
			return false;
		p += digits;
		if (i < 3 && (p == end || *p++ != '.'))
			return false;
	}
	return is_rest(p, end);
}

static bool
is_ipv6(const char *p, const char *end)
{
	const char *close = p < end && *p == '[' ? memchr(p, ']', (size_t) (end - p)) : NULL;
	size_t colons = 0;

	if (close == NULL)
		return false;
	for (p++; p < close; p++)
	{
		if (*p == ':')
			colons++;
		else if (strchr("0123456789abcdefABCDEF", *p) == NULL)
			return false;
	}
	return colons >= 2 && colons <= 8 && is_rest(close + 1, end);
}

static bool
is_url(part text)
{
	const char *p = text.p, *end = p + text.length;
	size_t scheme = text.length >= 8 && strncasecmp(p, "https://", 8) == 0	? 8
					: text.length >= 7 && strncasecmp(p, "http://", 7) == 0 ? 7
																			: 0;
	bool www = text.length >= 4 && strncasecmp(p, "www.", 4) == 0;

	if (scheme > 0)
		return is_host(p + scheme, end, is_top_label, false) || is_ipv4(p + scheme, end) ||
			   is_ipv6(p + scheme, end);
	if (www && is_host(p + 4, end, is_top_label, false))
		return true;
	return is_host(p, end, is_common_label, true);
}

/* \S+@\w[\w.-]*\.\w+ */
static bool
is_email(part text)
{
	const char *end = text.p + text.length, *at = memrchr(text.p, '@', text.length), *dot = NULL;
	int width;

	if (at == NULL || at == text.p || at + 1 == end || !is_word_at(at + 1, end, &width))
		return false;
	for (const char *p = at + 1 + width; p < end; p += width)
	{
		bool word = is_word_at(p, end, &width);

		if (!word && *p != '.' && *p != '-')
			return false;
		if (!word)
			width = 1;
		if (*p == '.')
			dot = p;
		else if (*p == '-')
			dot = NULL;
	}
	return dot != NULL && dot + 1 < end;
}

/* ---- Writing ---- */

static void
write_part(linker *l, part text)
{
	jinja_write(l->s, &l->output, text.p, text.length);
}

static void
write_attributes(linker *l)
{
	if (l->rel != NULL)
	{
		jinja_write_text(l->s, &l->output, " rel=\"");
		jinja_write_string(l->s, &l->output, l->rel);
		jinja_write_text(l->s, &l->output, "\"");
	}
	if (l->target != NULL)
	{
		jinja_write_text(l->s, &l->output, " target=\"");
		jinja_write_string(l->s, &l->output, l->target);
		jinja_write_text(l->s, &l->output, "\"");
	}
}

static void
write_link(linker *l, const char *scheme, part address, part text, bool attributes, bool cut)
{
	jinja_string string = {.data = text.p, .bytes = text.length};

	string.count = utf8_count(text.p, text.length);
	jinja_write_text(l->s, &l->output, "<a href=\"");
	jinja_write_text(l->s, &l->output, scheme);
	write_part(l, address);
	jinja_write_text(l->s, &l->output, "\"");
	if (attributes)
		write_attributes(l);
	jinja_write_text(l->s, &l->output, ">");
	if (cut && l->limit >= 0 && (int64_t) string.count > l->limit)
	{
		text.length = jinja_offset(&string, (size_t) l->limit);
		write_part(l, text);
		jinja_write_text(l->s, &l->output, "...");
	}
	else
		write_part(l, text);
	jinja_write_text(l->s, &l->output, "</a>");
}

static void
write_middle(linker *l, part middle)
{
	part address = middle;

	if (is_url(middle))
	{
		bool has_scheme = starts_with(middle, "https://") || starts_with(middle, "http://");

		write_link(l, has_scheme ? "" : "https://", middle, middle, true, true);
		return;
	}
	if (starts_with(middle, "mailto:"))
	{
		address.p += 7;
		address.length -= 7;
		if (is_email(address))
		{
			write_link(l, "", middle, address, false, false);
			return;
		}
	}
	else if (memchr(middle.p, '@', middle.length) != NULL && !starts_with(middle, "www.") &&
			 middle.p[0] != '@' && memchr(middle.p, ':', middle.length) == NULL && is_email(middle))
	{
		write_link(l, "mailto:", middle, middle, false, false);
		return;
	}
	for (size_t i = 0; l->schemes != NULL && i < l->schemes->count; i++)
	{
		const jinja_string *scheme = l->schemes->items[i].string;

		if (middle.length > scheme->bytes && memcmp(middle.p, scheme->data, scheme->bytes) == 0)
		{
			write_link(l, "", middle, middle, true, false);
			return;
		}
	}
	write_part(l, middle);
}

/* Prefer balanced brackets in an address: take closing ones back from the tail. */
static void
balance(part *middle, part *tail, const char *open, const char *close)
{
	size_t opened = count_of(*middle, open), closed = count_of(*tail, close);

	if (opened <= count_of(*middle, close))
		return;
	for (size_t i = 0; i < opened && i < closed; i++)
	{
		const char *found = memmem(tail->p, tail->length, close, strlen(close));
		size_t moved = (size_t) (found - tail->p) + strlen(close);

		middle->length += moved;
		tail->p += moved;
		tail->length -= moved;
	}
}

static void
write_word(linker *l, part word)
{
	part head = {word.p, 0}, middle = word, tail;

	for (;;)
	{
		size_t step = starts_with(middle, "(") || starts_with(middle, "<") ? 1
					  : starts_with(middle, "&lt;")						   ? 4
																		   : 0;

		if (step == 0)
			break;
		middle.p += step;
		middle.length -= step;
		head.length += step;
	}
	tail = (part) {middle.p + middle.length, 0};
	for (;;)
	{
		size_t step = ends_with(middle, "&gt;") ? 4
					  : ends_with(middle, ")") || ends_with(middle, ">") ||
							  ends_with(middle, ".") || ends_with(middle, ",")
						  ? 1
						  : 0;

		if (step == 0)
			break;
		middle.length -= step;
		tail.p -= step;
		tail.length += step;
	}
	balance(&middle, &tail, "(", ")");
	balance(&middle, &tail, "<", ">");
	balance(&middle, &tail, "&lt;", "&gt;");
	write_part(l, head);
	if (middle.length > 0)
		write_middle(l, middle);
	write_part(l, tail);
}

/* The values of "rel" in order, "noopener" always among them. */
static const jinja_string *
make_rel(jinja_state *s, const jinja_value *a)
{
	jinja_dict *seen = jinja_dict_create(s);
	jinja_list *names = jinja_list_create(s, 0), *given;
	jinja_output output = {0};
	jinja_value result;

	if (a[4].type == JINJA_STRING && (given = jinja_split(s, a[4].string, NULL, -1, false)) != NULL)
		for (size_t i = 0; i < given->count; i++)
			jinja_put(s, seen, given->items[i], jinja_none());
	if (jinja_flag(s, a[2], false))
		jinja_put_name(s, seen, "nofollow", jinja_none());
	jinja_put_name(s, seen, "noopener", jinja_none());
	if (tfm_failed(s->context))
		return NULL;
	for (size_t i = 0; i < seen->count; i++)
		jinja_append(s, names, seen->entries[i].key);
	if (tfm_failed(s->context) || !jinja_sort(s, names, NULL, false))
		return NULL;
	for (size_t i = 0; i < names->count; i++)
	{
		if (i > 0)
			jinja_write_text(s, &output, " ");
		jinja_write_string(s, &output, names->items[i].string);
	}
	result = jinja_escape(s, jinja_written(s, &output));
	return result.type == JINJA_STRING ? result.string : NULL;
}

/* [\w.+-]{2,}:(/){0,2} */
static bool
is_scheme(const jinja_string *scheme)
{
	const char *p = scheme->data, *end = p + scheme->bytes;
	size_t count = 0;
	int width;

	for (; p < end && *p != ':'; p += width, count++)
		if (!is_word_at(p, end, &width) && strchr(".+-", *p) == NULL)
			return false;
	if (count < 2 || p == end)
		return false;
	for (p++; p < end; p++)
		if (*p != '/')
			return false;
	return end - scheme->data - (ptrdiff_t) count <= 3 || scheme->count != scheme->bytes;
}

static bool
read_schemes(linker *l, jinja_value value)
{
	if (value.type == JINJA_MISSING || value.type == JINJA_NONE)
		return true;
	l->schemes = jinja_to_list(l->s, value);
	for (size_t i = 0; l->schemes != NULL && i < l->schemes->count; i++)
	{
		jinja_value scheme = l->schemes->items[i];
		const jinja_string *text;

		if (scheme.type == JINJA_STRING && is_scheme(scheme.string))
			continue;
		text = jinja_repr(l->s, scheme);
		if (text != NULL)
			jinja_raise(l->s, "%.*s is not a valid URI scheme prefix.", JINJA_TEXT(text));
		return false;
	}
	return l->schemes != NULL;
}

jinja_value
jinja_filter_urlize(jinja_state *s, const jinja_value *a)
{
	linker l = {.s = s, .limit = -1};
	jinja_value text = jinja_escape(s, a[0]), target;

	if (a[1].type != JINJA_MISSING && a[1].type != JINJA_NONE &&
		!jinja_get_index(s, a[1], &l.limit))
		return jinja_none();
	l.rel = make_rel(s, a);
	if (a[3].type != JINJA_MISSING && jinja_truth(s, a[3]))
	{
		target = jinja_escape(s, a[3]);
		l.target = target.type == JINJA_STRING ? target.string : NULL;
	}
	if (!read_schemes(&l, a[5]) || tfm_failed(s->context))
		return jinja_none();
	for (size_t i = 0; i < text.string->bytes && jinja_step(s, 1);)
	{
		size_t start = i;
		int width;
		bool space = jinja_is_space(utf8_decode(text.string->data + i, &width));

		for (; i < text.string->bytes; i += (size_t) width)
			if (jinja_is_space(utf8_decode(text.string->data + i, &width)) != space)
				break;
		if (space)
			jinja_write(s, &l.output, text.string->data + start, i - start);
		else
			write_word(&l, (part) {text.string->data + start, i - start});
	}
	text = jinja_written(s, &l.output);
	return text.type == JINJA_STRING ? jinja_marked(s, text.string, s->autoescape) : text;
}
