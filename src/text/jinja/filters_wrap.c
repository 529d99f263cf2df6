/*
 * filters_wrap.c
 *	  The filter wordwrap: Python's textwrap.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/jinja/filters.h"

#include <string.h>

#include "base/utf8.h"
#include "text/jinja/characters.h"

typedef struct wrapper
{
	jinja_state *s;
	jinja_list *lines;
	int64_t width;
	bool break_long, break_hyphens;
} wrapper;

/* textwrap knows these alone as whitespace. */
static bool
is_blank(uint32_t c)
{
	return c == ' ' || (c >= 0x09 && c <= 0x0D);
}

static bool
is_word(uint32_t c)
{
	return c == '_' || jinja_is_alnum(c);
}

/* [\w!"'&.,?] */
static bool
is_word_punct(uint32_t c)
{
	return is_word(c) || (c != 0 && c < 0x80 && strchr("!\"'&.,?", (int) c) != NULL);
}

/* [^\d\W] */
static bool
is_letter(uint32_t c)
{
	return is_word(c) && !jinja_is_decimal(c);
}

/* The characters of a line, so that looking back and ahead is simple. */
typedef struct characters
{
	const uint32_t *at;
	size_t count;
} characters;

static bool
letter_at(const characters *c, size_t i)
{
	return i < c->count && is_letter(c->at[i]);
}

/* Whether a hyphenated word ends behind the hyphen at i: letter(-)? before, letters after. */
static bool
breaks_after(const characters *c, size_t start, size_t i)
{
	bool before;

	if (c->at[i] != '-' || i <= start)
		return false;
	before = (i >= 2 && letter_at(c, i - 1) && letter_at(c, i - 2)) ||
			 (i >= 3 && letter_at(c, i - 1) && c->at[i - 2] == '-' && letter_at(c, i - 3));
	return before && letter_at(c, i + 1) &&
		   (letter_at(c, i + 2) ||
			(i + 3 < c->count && c->at[i + 2] == '-' && letter_at(c, i + 3)));
}

/* The length of an em-dash ("--" or more between words) at i, 0 if there is none. */
static size_t
dash_at(const characters *c, size_t i)
{
	size_t end = i;

	while (end < c->count && c->at[end] == '-')
		end++;
	return end - i >= 2 && i > 0 && is_word_punct(c->at[i - 1]) && end < c->count &&
				   is_word(c->at[end])
			   ? end - i
			   : 0;
}

/* The end of the chunk that begins at start: a run of whitespace, a dash, a word or part of one. */
static size_t
chunk_end(const wrapper *w, const characters *c, size_t start)
{
	size_t i = start;
	bool blank = is_blank(c->at[start]);

	if (blank || !w->break_hyphens)
	{
		while (i < c->count && is_blank(c->at[i]) == blank)
			i++;
		return i;
	}
	if (dash_at(c, start) > 0)
		return start + dash_at(c, start);
	while (i < c->count && !is_blank(c->at[i]))
	{
		if (breaks_after(c, start, i))
			return i + 1;
		i++;
		if (i < c->count && dash_at(c, i) > 0)
			return i;
	}
	return i;
}

static bool
add_line(wrapper *w, jinja_output *line)
{
	jinja_value text = jinja_written(w->s, line);

	*line = (jinja_output) {0};
	return jinja_append(w->s, w->lines, text);
}

typedef struct chunk
{
	size_t from, to;
} chunk;

static bool
write_chunk(wrapper *w, jinja_output *line, const characters *c, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (!jinja_write_character(w->s, line, c->at[i]))
			return false;
	return true;
}

static bool
is_space_chunk(const characters *c, const chunk *piece)
{
	for (size_t i = piece->from; i < piece->to; i++)
		if (!jinja_is_space(c->at[i]))
			return false;
	return true;
}

/* Where a chunk longer than a line is cut: after a hyphen, if there is one that fits. */
static size_t
long_cut(const wrapper *w, const characters *c, const chunk *piece, size_t space)
{
	size_t cut = space;

	if (w->break_hyphens)
		for (size_t i = piece->from + space; i-- > piece->from + 1;)
			if (c->at[i] == '-')
			{
				for (size_t j = piece->from; j < i; j++)
					if (c->at[j] != '-')
						return i + 1 - piece->from;
				break;
			}
	return cut;
}

/* Fill lines with chunks, as TextWrapper._wrap_chunks does. */
static bool
wrap_chunks(wrapper *w, const characters *c, chunk *chunks, size_t count)
{
	size_t next = 0, first_line = w->lines->count;

	while (next < count && jinja_step(w->s, 1))
	{
		jinja_output line = {0};
		size_t begin, end, length = 0, width = (size_t) w->width;
		size_t tail_from = 0, tail_to = 0;

		if (is_space_chunk(c, &chunks[next]) && w->lines->count > first_line)
			next++;
		begin = end = next;
		while (end < count && length + (chunks[end].to - chunks[end].from) <= width)
		{
			length += chunks[end].to - chunks[end].from;
			end++;
		}
		next = end;
		if (end < count && chunks[end].to - chunks[end].from > width)
		{
			size_t space = width < 1 ? 1 : width - length;

			if (w->break_long)
			{
				if (chunks[end].to - chunks[end].from > space)
					space = long_cut(w, c, &chunks[end], space);
				tail_from = chunks[end].from;
				tail_to = tail_from + space;
				chunks[end].from = tail_to;
			}
			else if (begin == end)
			{
				tail_from = chunks[end].from;
				tail_to = chunks[end].to;
				next = end + 1;
			}
		}
		if (tail_to == tail_from && end > begin && is_space_chunk(c, &chunks[end - 1]))
			end--;
		if (begin == end && tail_from == tail_to)
			continue;
		for (size_t i = begin; i < end; i++)
			if (!write_chunk(w, &line, c, chunks[i].from, chunks[i].to))
				return false;
		if (!write_chunk(w, &line, c, tail_from, tail_to) || !add_line(w, &line))
			return false;
	}
	return !tfm_failed(w->s->context);
}

static bool
wrap_line(wrapper *w, const jinja_string *text)
{
	uint32_t *decoded = jinja_alloc(w->s, (text->count + 1) * sizeof(*decoded));
	chunk *chunks = jinja_alloc(w->s, (text->count + 1) * sizeof(*chunks));
	characters c = {.at = decoded};
	size_t count = 0;

	if (decoded == NULL || chunks == NULL || !jinja_step(w->s, text->count))
		return false;
	for (size_t i = 0; i < text->bytes;)
	{
		int width;

		decoded[c.count++] = utf8_decode(text->data + i, &width);
		i += (size_t) width;
	}
	for (size_t i = 0; i < c.count; i = chunks[count - 1].to)
		chunks[count++] = (chunk) {.from = i, .to = chunk_end(w, &c, i)};
	return wrap_chunks(w, &c, chunks, count);
}

jinja_value
jinja_filter_wordwrap(jinja_state *s, const jinja_value *a)
{
	static const jinja_string newline = {.data = "\n", .bytes = 1, .count = 1};
	const jinja_string *between = &newline;
	wrapper w = {.s = s, .width = 79};
	jinja_output output = {0};
	jinja_list *paragraphs;

	if (a[0].type == JINJA_UNDEFINED)
		return jinja_raise_undefined(s, a[0].undefined);
	if (a[0].type != JINJA_STRING)
		return jinja_raise(s, "'%s' object has no attribute 'splitlines'", jinja_type_name(a[0]));
	w.break_long = jinja_flag(s, a[2], true);
	w.break_hyphens = jinja_flag(s, a[4], true);
	if (a[3].type != JINJA_MISSING && a[3].type != JINJA_NONE)
		between = jinja_str(s, a[3]);
	if ((a[1].type != JINJA_MISSING && !jinja_get_index(s, a[1], &w.width)) || between == NULL)
		return jinja_none();
	if (w.width <= 0)
		return jinja_raise(s, "invalid width %lld (must be > 0)", (long long) w.width);
	paragraphs = jinja_split_lines(s, a[0].string, false);
	for (size_t i = 0; paragraphs != NULL && i < paragraphs->count; i++)
	{
		w.lines = jinja_list_create(s, 0);
		if (w.lines == NULL || !wrap_line(&w, paragraphs->items[i].string))
			return jinja_none();
		if (i > 0)
			jinja_write_string(s, &output, between);
		for (size_t j = 0; j < w.lines->count; j++)
		{
			if (j > 0)
				jinja_write_string(s, &output, between);
			jinja_write_string(s, &output, w.lines->items[j].string);
		}
	}
	return jinja_written(s, &output);
}
