/*
 * added.c
 *	  Added tokens in a text, as PythonBackend.tokenize of tokenization_python.py finds them.
 *
 * Its Trie.split cuts the text at the tokens that it finds, with the ways of its own algorithm:
 * partial matches are followed side by side, and the first that is complete decides.  Tokens then take
 * white space from the parts beside them (lstrip, rstrip) or join them (single_word).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/pipeline.h"

#include <string.h>

#include "base/utf8.h"
#include "text/python/unicode.h"
#include "text/unicode.h"

/* A partial match: where it began, and where it stands in the trie. */
typedef struct state
{
	size_t start;
	uint32_t node;
	bool dead; /* did not go on with the character looked at */
} state;

typedef struct splitter
{
	tok_work *work;
	const trie *keys;
	const char *text;
	char *copy; /* the text, once parts have been moved in it; NULL before */
	size_t length;
	state *states;
	size_t count, capacity;
	size_t cut; /* the text is cut up to here */
	tok_spans *parts;
} splitter;

static bool
is_complete(const splitter *s, uint32_t node)
{
	return trie_value(s->keys, node) != TRIE_NONE;
}

static size_t
width_at(const splitter *s, size_t i)
{
	int width;

	utf8_decode(s->text + i, &width);
	return (size_t) width;
}

static uint32_t
step(const splitter *s, uint32_t node, size_t i)
{
	return tok_trie_walk(s->keys, node, s->text + i, width_at(s, i));
}

static bool
push_state(splitter *s, state next)
{
	if (s->count == s->capacity)
	{
		size_t capacity = s->capacity * 2 + 16;
		state *states = tok_work_alloc(s->work, capacity * sizeof(state));

		if (states == NULL)
			return false;
		if (s->count > 0)
			memcpy(states, s->states, s->count * sizeof(state));
		s->states = states;
		s->capacity = capacity;
	}
	s->states[s->count++] = next;
	return true;
}

/* The parts up to place are whole: cut_text, which passes over what is before the last cut. */
static bool
cut_at(splitter *s, size_t place)
{
	if (place <= s->cut)
		return true;
	if (!tok_append_span(s->work, s->parts, s->cut, place, -1))
		return false;
	s->cut = place;
	return true;
}

/*
 * A match that began at states[matched] is complete before current.  The longest is looked for among
 * it and those that began before; *skip is its end, if there was one to look for.
 */
static bool
settle(splitter *s, size_t matched, size_t current, size_t *skip)
{
	size_t start = s->states[matched].start, end = current;

	/* The original's start moves while it is compared with, so that later ones end the search. */
	for (size_t i = 0; i < s->count && s->states[i].start <= start; i++)
	{
		uint32_t node = s->states[i].node;
		size_t ahead = current;

		if (s->states[i].start < start)
			ahead = current + width_at(s, current);
		end = ahead;
		if (is_complete(s, node))
		{
			start = s->states[i].start;
			*skip = ahead;
		}
		while (ahead < s->length && (node = step(s, node, ahead)) != TRIE_NONE)
		{
			ahead += width_at(s, ahead);
			if (is_complete(s, node))
			{
				start = s->states[i].start;
				end = *skip = ahead;
			}
		}
	}
	return cut_at(s, start) && cut_at(s, end);
}

/* Follow the partial matches over the character at current; *matched if one was complete. */
static bool
follow(splitter *s, size_t current, size_t *skip, bool *matched)
{
	size_t kept = 0;

	*matched = false;
	for (size_t i = 0; i < s->count; i++)
	{
		uint32_t next;

		if (is_complete(s, s->states[i].node))
		{
			*matched = true;
			return settle(s, i, current, skip);
		}
		next = step(s, s->states[i].node, current);
		s->states[i].dead = next == TRIE_NONE;
		if (next != TRIE_NONE)
			s->states[i].node = next;
	}
	for (size_t i = 0; i < s->count; i++)
		if (!s->states[i].dead)
			s->states[kept++] = s->states[i];
	s->count = kept;
	return true;
}

/* Trie.split */
static bool
split(splitter *s, const tok_matcher *matcher)
{
	size_t skip = 0, current = 0;
	uint32_t polled = 0;

	while (current < s->length)
	{
		uint32_t node;
		bool matched = false;

		if (s->count > 0 && !follow(s, current, &skip, &matched))
			return false;
		if (matched)
			s->count = 0;
		if (current >= skip && matcher->starts[(unsigned char) s->text[current]])
		{
			node = step(s, TRIE_ROOT, current);
			if (node != TRIE_NONE && !push_state(s, (state) {.start = current, .node = node}))
				return false;
		}
		current += width_at(s, current);
		if (skip > current)
			current = skip;
		while (s->count == 0 && current < s->length &&
			   !matcher->starts[(unsigned char) s->text[current]])
			current++;
		if ((++polled & 0xFFFF) == 0 && tfm_stopped(s->work->context))
			return false;
	}
	for (size_t i = 0; i < s->count; i++)
		if (is_complete(s, s->states[i].node))
			return cut_at(s, s->states[i].start) && cut_at(s, s->length);
	return cut_at(s, s->length);
}

/* The added token that a part is; NULL if it is none. */
static const tok_added *
find_token(const splitter *s, tok_span part)
{
	uint32_t index = tok_trie_find(s->keys, s->text + part.start, part.end - part.start);

	return index < s->work->tokenizer->added_count ? &s->work->tokenizer->added[index] : NULL;
}

static uint32_t
skip_spaces(const splitter *s, tok_span part)
{
	while (part.start < part.end)
	{
		int width;

		if (!tok_python_is_space(utf8_decode(s->text + part.start, &width)))
			break;
		part.start += (uint32_t) width;
	}
	return part.start;
}

static uint32_t
drop_spaces(const splitter *s, tok_span part)
{
	return part.start + (uint32_t) tok_trim_end(s->text + part.start, part.end - part.start,
												tok_python_is_space);
}

/* Bytes from..to of the text go to where they end at place; what lay there was dropped. */
static bool
move_to(splitter *s, uint32_t from, uint32_t to, uint32_t place)
{
	int32_t *characters = s->work->characters;
	uint32_t length = to - from;

	if (to == place)
		return true;
	if (s->copy == NULL)
	{
		s->copy = tfm_alloc(s->work->context, s->length);
		if (s->copy == NULL)
			return false;
		s->text = memcpy(s->copy, s->text, s->length);
	}
	memmove(s->copy + place - length, s->copy + from, length);
	if (characters != NULL)
		memmove(characters + place - length, characters + from, length * sizeof(int32_t));
	return true;
}

/* The token joins the part on its left, across white space that was dropped between them. */
static bool
join_left(splitter *s, tok_span *left, tok_span *part)
{
	uint32_t length = left->end - left->start;

	if (!move_to(s, left->start, left->end, part->start))
		return false;
	left->start = part->start - length;
	left->end = part->end;
	part->start = part->end;
	return true;
}

static bool
join_right(splitter *s, tok_span *part, tok_span *right)
{
	uint32_t length = part->end - part->start;

	if (!move_to(s, part->start, part->end, right->start))
		return false;
	right->start -= length;
	part->end = part->start;
	return true;
}

/* lstrip, rstrip and single_word of the token that part i is. */
static bool
apply_flags(splitter *s, size_t i, uint32_t flags)
{
	tok_span *parts = s->parts->items, *part = &parts[i];
	tok_span *left = i > 0 && parts[i - 1].start < parts[i - 1].end ? &parts[i - 1] : NULL;
	tok_span *right = i + 1 < s->parts->count ? &parts[i + 1] : NULL;
	bool left_ends_word = left != NULL && s->text[left->end - 1] != ' ';
	bool right_begins_word = right != NULL && s->text[right->start] != ' ';

	if ((flags & TOK_ADDED_RSTRIP) != 0 && right != NULL)
		right->start = skip_spaces(s, *right);
	if ((flags & TOK_ADDED_LSTRIP) != 0 && left != NULL)
		left->end = drop_spaces(s, *left);
	if ((flags & TOK_ADDED_SINGLE_WORD) == 0)
		return true;
	if (left_ends_word)
		return join_left(s, left, part);
	return !right_begins_word || join_right(s, part, right);
}

bool
tok_find_added_python(tok_work *work, const tok_matcher *matcher, tfm_text *text, tok_spans *spans)
{
	splitter s = {
		.work = work,
		.keys = &matcher->keys,
		.text = text->data,
		.length = text->length,
		.parts = spans,
	};
	size_t kept = 0;

	if (text->length == 0 || matcher->keys.count == 0)
		return text->length == 0 || tok_append_span(work, spans, 0, text->length, -1);
	if (!split(&s, matcher))
		return false;
	for (size_t i = 0; i < spans->count; i++)
	{
		const tok_added *token = find_token(&s, spans->items[i]);

		if (token != NULL && !apply_flags(&s, i, token->flags))
			return false;
	}
	text->data = s.text;
	for (size_t i = 0; i < spans->count; i++)
	{
		tok_span part = spans->items[i];
		const tok_added *token;

		if (part.start >= part.end)
			continue;
		token = find_token(&s, part);
		part.added = token == NULL ? -1 : (int32_t) token->id;
		spans->items[kept++] = part;
	}
	spans->count = kept;
	return true;
}
