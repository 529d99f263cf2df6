/*
 * normalizer_unicode.c
 *	  The normalizers NFC, NFD, NFKC, NFKD, Lowercase and StripAccents.
 *
 * Alignment follows unicode-normalization-alignments and NormalizedString::transform.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/components.h"
#include "text/normalize.h"

#include "base/utf8.h"
#include "text/unicode.h"

/* Runs of marks up to this length are sorted by insertion, longer ones by counting. */
#define SHORT_RUN 16

bool
tok_each_character(tok_work *work, bool (*step)(void *, uint32_t, int32_t), void *argument)
{
	const tok_string *string = &work->string;
	uint32_t polled = 0;

	for (size_t i = 0; i < string->length;)
	{
		int width;
		uint32_t character = utf8_decode(string->bytes + i, &width);

		if (!step(argument, character, tok_source(string, i)))
			return false;
		i += (size_t) width;
		if ((++polled & 0xFFFF) == 0 && tfm_stopped(work->context))
			return false;
	}
	return true;
}

static void
sort_short(tok_mark *marks, size_t count)
{
	for (size_t i = 1; i < count; i++)
	{
		tok_mark mark = marks[i];
		size_t place = i;

		for (; place > 0 && marks[place - 1].class > mark.class; place--)
			marks[place] = marks[place - 1];
		marks[place] = mark;
	}
}

static void
sort_long(tok_mark *marks, const tok_mark *unsorted, size_t count)
{
	size_t places[257] = {0};

	for (size_t i = 0; i < count; i++)
		places[unsorted[i].class + 1]++;
	for (int class = 0; class < 256; class ++)
		places[class + 1] += places[class];
	for (size_t i = 0; i < count; i++)
		marks[places[unsorted[i].class]++] = unsorted[i];
}

/* Sort the waiting characters, stably, by class; the sources of first ones stay in the old order. */
static bool
order_marks(tok_work *work)
{
	tok_marks *marks = &work->marks, *unsorted = &work->unsorted;
	size_t next = 0;
	bool in_order = true;

	for (size_t i = 1; i < marks->count; i++)
		in_order = in_order && marks->items[i - 1].class <= marks->items[i].class;
	if (in_order)
		return true;
	unsorted->count = 0;
	for (size_t i = 0; i < marks->count; i++)
		if (!tok_append_mark(work, unsorted, marks->items[i]))
			return false;
	if (marks->count <= SHORT_RUN)
		sort_short(marks->items, marks->count);
	else
		sort_long(marks->items, unsorted->items, marks->count);
	for (size_t i = 0; i < marks->count; i++)
	{
		if (!marks->items[i].first)
			continue;
		while (!unsorted->items[next].first)
			next++;
		marks->items[i].source = unsorted->items[next++].source;
	}
	return true;
}

bool
tok_decomposer_flush(tok_decomposer *d)
{
	tok_marks *marks = &d->work->marks;

	if (marks->count > 1 && !order_marks(d->work))
		return false;
	for (size_t i = 0; i < marks->count; i++)
	{
		const tok_mark *mark = &marks->items[i];

		if (mark->first)
			d->last_source = mark->source;
		if (!d->emit(d->argument, mark->character, mark->first ? 0 : 1, d->last_source))
			return false;
	}
	marks->count = 0;
	return true;
}

bool
tok_decomposer_feed(tok_decomposer *d, uint32_t character, int32_t source)
{
	uint32_t parts[TOK_DECOMPOSITION_MAX];
	int count = tok_decompose(character, d->compatible, parts);

	for (int i = 0; i < count; i++)
	{
		tok_mark mark = {
			.character = parts[i],
			.source = source,
			.class = tok_combining_class(parts[i]),
			.first = i == 0,
		};

		if (mark.class == 0 && !tok_decomposer_flush(d))
			return false;
		if (!tok_append_mark(d->work, &d->work->marks, mark))
			return false;
	}
	return true;
}

static bool
append_decomposed(void *argument, uint32_t character, int change, int32_t source)
{
	tok_work *work = argument;

	(void) change;
	return tok_append_character(work, &work->next, character, source);
}

static bool
feed_decomposer(void *argument, uint32_t character, int32_t source)
{
	return tok_decomposer_feed(argument, character, source);
}

static bool
decompose_string(tok_work *work, bool compatible)
{
	tok_decomposer d = {
		.work = work,
		.compatible = compatible,
		.emit = append_decomposed,
		.argument = work,
	};

	if (!tok_each_character(work, feed_decomposer, &d) || !tok_decomposer_flush(&d))
		return false;
	tok_swap_strings(work);
	return true;
}

static bool
run_nfd(tok_work *work, tok_payload payload)
{
	(void) payload;
	return decompose_string(work, false);
}

static bool
run_nfkd(tok_work *work, tok_payload payload)
{
	(void) payload;
	return decompose_string(work, true);
}

/*
 * Composition: the crate's Recompositions.  A composite's change is the sum of its parts' less one
 * each, so that a change of -n takes up 1 + n characters of the text that came in.
 */
typedef struct composer
{
	tok_work *work;
	size_t position; /* in the string that came in: the next character to take up */
	int32_t last_source;
	bool has_starter;
	uint32_t starter;
	int starter_change;
	int last_class;	   /* -1: nothing is between the starter and the next character */
	tok_marks between; /* characters that did not compose with the starter; change in source */
} composer;

static bool
append_composed(composer *c, uint32_t character, int change)
{
	tok_string *string = &c->work->string;
	int32_t source = c->last_source;

	if (change <= 0)
		source = c->position < string->length ? tok_source(string, c->position) : c->last_source;
	for (int i = change; i <= 0 && c->position < string->length; i++)
	{
		int width;

		c->last_source = tok_source(string, c->position);
		utf8_decode(string->bytes + c->position, &width);
		c->position += (size_t) width;
	}
	return tok_append_character(c->work, &c->work->next, character, source);
}

/* Hand on the starter, and what is between it and the next starter. */
static bool
finish_starter(composer *c)
{
	bool ok = !c->has_starter || append_composed(c, c->starter, c->starter_change);

	for (size_t i = 0; ok && i < c->between.count; i++)
		ok = append_composed(c, c->between.items[i].character, c->between.items[i].source);
	c->between.count = 0;
	c->last_class = -1;
	c->has_starter = false;
	return ok;
}

static bool
compose_next(void *argument, uint32_t character, int change, int32_t source)
{
	composer *c = argument;
	int class = tok_combining_class(character);

	(void) source;
	if (!c->has_starter && class != 0)
		return append_composed(c, character, change);
	if (c->has_starter && (c->last_class == -1 || c->last_class < class))
	{
		uint32_t composite = tok_compose(c->starter, character);

		if (composite != 0)
		{
			c->starter = composite;
			c->starter_change += change - 1;
			return true;
		}
	}
	if (class == 0)
	{
		if (!finish_starter(c))
			return false;
		c->has_starter = true;
		c->starter = character;
		c->starter_change = change;
		return true;
	}
	c->last_class = class;
	return tok_append_mark(c->work, &c->between,
						   (tok_mark) {.character = character, .source = change});
}

static bool
compose_string(tok_work *work, bool compatible)
{
	composer c = {.work = work, .last_class = -1};
	tok_decomposer d = {
		.work = work,
		.compatible = compatible,
		.emit = compose_next,
		.argument = &c,
	};

	if (!tok_each_character(work, feed_decomposer, &d) || !tok_decomposer_flush(&d) ||
		!finish_starter(&c))
		return false;
	tok_swap_strings(work);
	return true;
}

static bool
run_nfc(tok_work *work, tok_payload payload)
{
	(void) payload;
	return compose_string(work, false);
}

static bool
run_nfkc(tok_work *work, tok_payload payload)
{
	(void) payload;
	return compose_string(work, true);
}

static bool
lowercase_next(void *argument, uint32_t character, int32_t source)
{
	tok_work *work = argument;
	uint32_t lower[2];
	int count;

	if (character < 0x80)
	{
		if (character >= 'A' && character <= 'Z')
			character += 'a' - 'A';
		return tok_append_character(work, &work->next, character, source);
	}
	count = tok_lowercase(character, lower);
	for (int i = 0; i < count; i++)
		if (!tok_append_character(work, &work->next, lower[i], source))
			return false;
	return true;
}

static bool
run_lowercase(tok_work *work, tok_payload payload)
{
	(void) payload;
	if (!tok_each_character(work, lowercase_next, work))
		return false;
	tok_swap_strings(work);
	return true;
}

static bool
strip_accent(void *argument, uint32_t character, int32_t source)
{
	tok_work *work = argument;

	return tok_is_combining_mark(character) ||
		   tok_append_character(work, &work->next, character, source);
}

static bool
run_strip_accents(tok_work *work, tok_payload payload)
{
	(void) payload;
	if (!tok_each_character(work, strip_accent, work))
		return false;
	tok_swap_strings(work);
	return true;
}

const tok_normalizer tok_normalizer_nfc = {.row = {"NFC", NULL}, .run = run_nfc};
const tok_normalizer tok_normalizer_nfd = {.row = {"NFD", NULL}, .run = run_nfd};
const tok_normalizer tok_normalizer_nfkc = {.row = {"NFKC", NULL}, .run = run_nfkc};
const tok_normalizer tok_normalizer_nfkd = {.row = {"NFKD", NULL}, .run = run_nfkd};
const tok_normalizer tok_normalizer_lowercase = {.row = {"Lowercase", NULL}, .run = run_lowercase};
const tok_normalizer tok_normalizer_strip_accents = {
	.row = {"StripAccents", NULL},
	.run = run_strip_accents,
};
