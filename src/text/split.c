/*
 * split.c
 *	  Splitting the spans of a work by matches, as NormalizedString::split of the library.
 *
 * Matches and what is between them come in order and cover the span.  The library lists them and
 * then folds the list; here one piece waits until it is known whether the next part belongs to it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/split.h"

#include <string.h>

#include "text/character_class.h"

/* A span being split. */
typedef struct splitting
{
	tok_work *work;
	tok_behavior behavior;
	size_t base; /* where the span begins in the string */
	size_t start, end;
	bool waits;		/* the piece start..end may still grow */
	bool was_match; /* the part before this one was a match */
} splitting;

static bool
append_piece(splitting *s, size_t start, size_t end)
{
	return start == end ||
		   tok_append_span(s->work, &s->work->next_spans, s->base + start, s->base + end, -1);
}

/* Whether a part belongs to the piece that waits. */
static bool
is_continued(const splitting *s, bool is_match)
{
	if (!s->waits)
		return false;
	switch (s->behavior)
	{
		case TOK_MERGED_WITH_PREVIOUS:
			return is_match && !s->was_match;
		case TOK_MERGED_WITH_NEXT:
			return !is_match && s->was_match;
		case TOK_CONTIGUOUS:
			return is_match == s->was_match;
		default:
			return false;
	}
}

static bool
add_part(splitting *s, size_t start, size_t end, bool is_match)
{
	if (s->behavior == TOK_ISOLATED || s->behavior == TOK_REMOVED)
		return (is_match && s->behavior == TOK_REMOVED) || append_piece(s, start, end);
	if (is_continued(s, is_match))
		s->end = end;
	else
	{
		if (s->waits && !append_piece(s, s->start, s->end))
			return false;
		s->start = start;
		s->end = end;
		s->waits = true;
	}
	s->was_match = is_match;
	return true;
}

bool
tok_next_match(tok_matches *m, size_t *start, size_t *end)
{
	while (m->from <= m->length && m->find(m->argument, m->text, m->length, m->from, start, end))
	{
		if (*start < *end || !m->matched || *end != m->last_end)
		{
			m->matched = true;
			m->from = m->last_end = *end;
			return true;
		}
		if (m->from < m->length)
		{
			int width;

			tok_character_at(m->text + m->from, m->length - m->from, &width);
			m->from += (size_t) width;
		}
		else
			m->from++;
	}
	return false;
}

static bool
split_span(splitting *s, tok_span span, bool inverted, tok_find_function find, void *argument)
{
	tok_matches matches = {
		.find = find,
		.argument = argument,
		.text = s->work->string.bytes + span.start,
		.length = span.end - span.start,
	};
	size_t done = 0, start, end;

	s->base = span.start;
	s->waits = s->was_match = false;
	for (uint32_t polled = 1; tok_next_match(&matches, &start, &end); polled++)
	{
		if ((polled & 0xFFF) == 0 && tfm_stopped(s->work->context))
			return false;
		if ((start > done && !add_part(s, done, start, inverted)) ||
			!add_part(s, start, end, !inverted))
			return false;
		done = end;
	}
	return !tfm_failed(s->work->context) &&
		   (done == matches.length || add_part(s, done, matches.length, inverted)) &&
		   (!s->waits || append_piece(s, s->start, s->end));
}

bool
tok_split_spans(tok_work *work, tok_behavior behavior, bool inverted, tok_find_function find,
				void *argument)
{
	splitting s = {.work = work, .behavior = behavior};

	if ((uint32_t) behavior > TOK_CONTIGUOUS)
		return tok_fail_damaged(work->context);
	for (size_t i = 0; i < work->spans.count; i++)
	{
		tok_span span = work->spans.items[i];

		if (span.added >= 0)
		{
			if (!tok_append_span(work, &work->next_spans, span.start, span.end, span.added))
				return false;
		}
		else if (!split_span(&s, span, inverted, find, argument))
			return false;
		if ((i & 0xFFF) == 0xFFF && tfm_stopped(work->context))
			return false;
	}
	tok_swap_spans(work);
	return true;
}

bool
tok_compile_behavior(tok_compiler *compiler, json spec, const char *key, bool required,
					 tok_behavior *behavior)
{
	static const char *const names[] = {
		[TOK_REMOVED] = "Removed",
		[TOK_ISOLATED] = "Isolated",
		[TOK_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
		[TOK_MERGED_WITH_NEXT] = "MergedWithNext",
		[TOK_CONTIGUOUS] = "Contiguous",
	};
	const char *name = required ? json_require_string(compiler->context, spec, key)
								: json_string(compiler->context, spec, key, names[*behavior]);

	if (tfm_failed(compiler->context))
		return false;
	for (int i = 0; i <= TOK_CONTIGUOUS; i++)
		if (strcmp(name, names[i]) == 0)
		{
			*behavior = (tok_behavior) i;
			return true;
		}
	return tfm_fail(compiler->context, TFM_CORRUPTED,
					"\"%s\": key \"%s\" is \"%s\", which is no way to split", compiler->source, key,
					name);
}
