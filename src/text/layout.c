/*
 * layout.c
 *	  Truncated pieces and special tokens, laid out as the post-processor wants.
 *
 * Where both texts have overflowing parts, the library merges every part of one with every part of
 * the other; the order of those combinations follows Encoding::merge_with.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "text/pipeline.h"

#include <string.h>

#include "base/utf8.h"
#include "text/unicode.h"

#define OVERFLOWING_MAX 1000000
#define SPACE_SYMBOL 0x120 /* how ByteLevel writes a space */
#define RANGE_COUNT 32	   /* sequences that a segment may be in */

typedef struct layout
{
	tok_work *work;
	const tok_encode_options *options;
	const tok_segment *segments;
	size_t segment_count;
	tok_parts parts[2];
	const tok_piece *pieces[2]; /* of the first and the second text */
	size_t *choices;			/* for each combination, the part taken for each segment */
	size_t choice_count;
} layout;

static void
open_layout(layout *l, bool pair)
{
	const tok_tokenizer *t = l->work->tokenizer;
	int number =
		(pair ? TOK_LAYOUT_PAIR : 0) + (l->options->add_special_tokens ? 0 : TOK_LAYOUT_PLAIN);

	l->segments = t->segments;
	for (int i = 0; i < number; i++)
		l->segments += t->settings->segments[i];
	l->segment_count = t->settings->segments[number];
}

/* How many overflowing parts a segment's text has. */
static size_t
overflowing_parts(const layout *l, size_t segment)
{
	int32_t sequence = l->segments[segment].sequence;

	return sequence < 0 ? 0 : l->parts[sequence].count - 1;
}

/*
 * List the combinations of parts: the kept one first (all zeros), then the overflowing ones.  The
 * list after a segment is made of the list before it: each overflowing combination with each part
 * of the segment, then the kept one with each overflowing part.
 */
static bool
list_choices(layout *l)
{
	tfm_context *context = l->work->context;
	size_t width = l->segment_count, count = 1, filled = 1;

	for (size_t s = 0; s < width; s++)
	{
		count = (count - 1) * (overflowing_parts(l, s) + 1) + overflowing_parts(l, s) + 1;
		if (count > OVERFLOWING_MAX)
			return tfm_fail(context, TFM_LIMIT_EXCEEDED,
							"the text has too many overflowing pieces");
	}
	l->choice_count = count;
	l->choices = tfm_alloc_array(context, count, width * sizeof(size_t));
	if (l->choices == NULL)
		return false;
	memset(l->choices, 0, count * width * sizeof(size_t));
	for (size_t s = 0; s < width; s++)
	{
		size_t parts = overflowing_parts(l, s) + 1;
		size_t next = (filled - 1) * parts + parts;

		/* From the back, so that nothing is overwritten before it has been copied. */
		for (size_t i = next - 1; parts > 1 && i > 0; i--)
		{
			size_t from = i <= (filled - 1) * parts ? (i - 1) / parts + 1 : 0;
			size_t part = from > 0 ? (i - 1) % parts : i - (filled - 1) * parts;

			if (from != i)
				memcpy(l->choices + i * width, l->choices + from * width, s * sizeof(size_t));
			l->choices[i * width + s] = part;
		}
		filled = next;
	}
	return true;
}

/* Whether the part of the text before segment s ends with its special token already. */
static bool
is_repeated(const layout *l, const size_t *choice, size_t s)
{
	const tok_segment *before = s == 0 ? NULL : &l->segments[s - 1];
	tok_part range;

	if ((l->segments[s].flags & TOK_SEGMENT_ONCE) == 0 || before == NULL || before->sequence < 0 ||
		l->segments[s].sequence >= 0)
		return false;
	range = l->parts[before->sequence].items[choice[s - 1]];
	return range.stop > range.start &&
		   l->pieces[before->sequence][range.stop - 1].id == l->segments[s].id;
}

static size_t
count_tokens(const layout *l, const size_t *choice)
{
	size_t count = 0;

	for (size_t s = 0; s < l->segment_count; s++)
	{
		const tok_segment *segment = &l->segments[s];

		if (segment->sequence >= 0)
			count += l->parts[segment->sequence].items[choice[s]].stop -
					 l->parts[segment->sequence].items[choice[s]].start;
		else
			count += !is_repeated(l, choice, s);
	}
	return count;
}

static bool
allocate(const layout *l, size_t count, tok_encoding *e)
{
	tfm_context *context = l->work->context;
	int want = l->options->want;

	*e = (tok_encoding) {.count = count};
	e->ids = tfm_alloc_array(context, count, sizeof(int32_t));
	if ((want & TOK_WANT_TYPE_IDS) != 0)
		e->type_ids = tfm_alloc_array(context, count, sizeof(int32_t));
	if ((want & TOK_WANT_OFFSETS) != 0)
	{
		e->starts = tfm_alloc_array(context, count, sizeof(int32_t));
		e->ends = tfm_alloc_array(context, count, sizeof(int32_t));
	}
	if ((want & TOK_WANT_WORDS) != 0)
		e->words = tfm_alloc_array(context, count, sizeof(int32_t));
	if ((want & TOK_WANT_SPECIAL_MASK) != 0)
		e->special_mask = tfm_alloc_array(context, count, sizeof(uint8_t));
	if ((want & TOK_WANT_SEQUENCES) != 0)
		e->sequences = tfm_alloc_array(context, count, sizeof(int8_t));
	if ((want & TOK_WANT_TOKENS) != 0)
		e->tokens = tfm_alloc_array(context, count, sizeof(tfm_text));
	return !tfm_failed(context);
}

static bool
is_trimmed(uint32_t character)
{
	return character == SPACE_SYMBOL || tok_is_space(character);
}

/*
 * Leave spaces at the ends of a token out of its offsets, as ByteLevel's process_offsets does; keeps
 * says to keep one that was put before the text, of which the token is perhaps the first.
 */
static void
trim_offsets(const tok_piece *piece, bool keeps, bool first, int32_t *start, int32_t *end)
{
	int32_t leading = 0, trailing = 0;
	/* A damaged tokenizer may trim though its settings say that it does not. */
	size_t length = piece->text == NULL ? 0 : piece->text_length;
	int width;

	for (size_t i = 0; i < length && is_trimmed(utf8_decode(piece->text + i, &width));
		 i += (size_t) width)
		leading++;
	while (length > 0)
	{
		size_t start_of_last;

		if (!is_trimmed(utf8_decode_before(piece->text, length, &start_of_last)))
			break;
		trailing++;
		length = start_of_last;
	}
	if (leading == 1 && keeps && (first || *start == 0))
		leading = 0;
	if (leading > 0)
		*start = *start + leading < *end ? *start + leading : *end;
	if (trailing > 0 && *end >= trailing)
		*end = *end - trailing > *start ? *end - trailing : *start;
}

/* Everything about a token but its sequence. */
static void
put_token(tok_encoding *e, size_t at, const tok_piece *piece, int32_t type_id, bool special)
{
	e->ids[at] = piece->id;
	if (e->type_ids != NULL)
		e->type_ids[at] = type_id;
	if (e->starts != NULL)
	{
		e->starts[at] = piece->start;
		e->ends[at] = piece->end;
	}
	if (e->words != NULL)
		e->words[at] = piece->word;
	if (e->special_mask != NULL)
		e->special_mask[at] = special;
	if (e->tokens != NULL)
		e->tokens[at] = (tfm_text) {.data = piece->text, .length = piece->text_length};
}

static void
put_special(const layout *l, const tok_segment *segment, bool overflowing, tok_encoding *e,
			size_t at)
{
	tok_piece piece = {.id = segment->id, .word = -1};

	piece.text = tok_string_at(l->work->tokenizer, segment->text);
	piece.text_length = (uint32_t) strlen(piece.text);
	put_token(e, at, &piece, segment->looks[overflowing].type_id, segment->special != 0);
}

/* Tokens that are put between two looks at whether to stop. */
#define PUT_AT_ONCE 0x10000

static bool
put_part(const layout *l, const tok_segment *segment, size_t part, tok_encoding *e, size_t at)
{
	tok_part range = l->parts[segment->sequence].items[part];
	int32_t type_id = segment->looks[part > 0].type_id;

	for (size_t i = range.start; i < range.stop; i++, at++)
	{
		const tok_piece *piece = &l->pieces[segment->sequence][i];

		if (i % PUT_AT_ONCE == PUT_AT_ONCE - 1 && tfm_stopped(l->work->context))
			return false;
		put_token(e, at, piece, type_id, segment->special != 0);
		for (uint32_t trims = e->starts == NULL ? 0 : segment->trims; trims != 0; trims >>= 4)
			trim_offsets(piece, (trims & TOK_TRIM_PREFIX_SPACE) != 0,
						 (trims & TOK_TRIM_FIRST) != 0 && i == range.start, &e->starts[at],
						 &e->ends[at]);
	}
	return true;
}

/* Which tokens are of a sequence: its range in the last part that has one. */
typedef struct sequence_range
{
	size_t start, stop;
	uint32_t part;
	bool known;
} sequence_range;

static void
note_ranges(sequence_range ranges[RANGE_COUNT], const tok_segment *segment, bool overflowing,
			size_t start, size_t stop)
{
	for (uint32_t bits = segment->looks[overflowing].ranges, n = 0; bits != 0; bits >>= 1, n++)
	{
		sequence_range *range = &ranges[n];

		if ((bits & 1) == 0)
			continue;
		if (range->known && range->part == segment->part)
			range->stop = stop;
		else
			*range = (sequence_range) {start, stop, segment->part, true};
	}
}

/*
 * The sequence of each token, as Encoding.sequence_ids tells it: of as many as are known the first
 * ones, of which a missing one covers everything, padding too.
 */
static void
put_sequences(tok_encoding *e, const sequence_range ranges[RANGE_COUNT])
{
	int known = 0;

	e->padding_sequence = -1;
	if (e->sequences == NULL)
		return;
	if (e->count > 0)
		memset(e->sequences, -1, e->count);
	for (int i = 0; i < RANGE_COUNT; i++)
		known += ranges[i].known;
	for (int i = 0; i < (known == 0 ? 1 : known); i++)
	{
		size_t start = ranges[i].known ? ranges[i].start : 0;
		size_t stop = ranges[i].known ? ranges[i].stop : e->count;

		if (stop > start)
			memset(e->sequences + start, i, stop - start);
		if (!ranges[i].known)
			e->padding_sequence = (int8_t) i;
	}
}

static bool
lay_out_choice(const layout *l, const size_t *choice, tok_encoding *e)
{
	sequence_range ranges[RANGE_COUNT] = {{0}};
	size_t at = 0;

	if (!allocate(l, count_tokens(l, choice), e))
		return false;
	for (size_t s = 0; s < l->segment_count; s++)
	{
		const tok_segment *segment = &l->segments[s];
		bool overflowing = segment->owner >= 0 && choice[segment->owner] > 0;
		size_t start = at;

		if (is_repeated(l, choice, s))
			continue;
		if (segment->sequence < 0)
			put_special(l, segment, overflowing, e, at++);
		else
		{
			if (!put_part(l, segment, choice[s], e, at))
				return false;
			at += l->parts[segment->sequence].items[choice[s]].stop -
				  l->parts[segment->sequence].items[choice[s]].start;
		}
		note_ranges(ranges, segment, overflowing, start, at);
	}
	put_sequences(e, ranges);
	return true;
}

bool
tok_lay_out(tok_work *work, size_t first_count, bool pair, const tok_encode_options *options,
			tok_encoding *encoding)
{
	layout l = {
		.work = work,
		.options = options,
		.pieces = {work->pieces.items},
	};
	const size_t counts[2] = {first_count, work->pieces.count - first_count};
	int32_t added = options->add_special_tokens ? tok_added_count(work->tokenizer, pair) : 0;
	bool python = (work->tokenizer->settings->python & TOK_PYTHON_ALONE) != 0;

	if (first_count < work->pieces.count)
		l.pieces[1] = work->pieces.items + first_count;
	/* Python cuts an empty second text on the left to none at all. */
	if (python && options->direction == TOK_TRUNCATE_LEFT && options->max_length > 0 &&
		options->truncation == TOK_LONGEST_FIRST && counts[1] == 0 &&
		counts[0] + (size_t) added > (size_t) options->max_length)
		open_layout(&l, false);
	else
		open_layout(&l, pair);
	if (!tok_truncate(work->context, options, added, counts, pair, python, l.parts) ||
		!list_choices(&l) || !lay_out_choice(&l, l.choices, encoding))
		return false;
	if (l.choice_count == 1)
		return true;
	encoding->overflowing =
		tfm_alloc_array(work->context, l.choice_count - 1, sizeof(tok_encoding));
	if (encoding->overflowing == NULL)
		return false;
	encoding->overflowing_count = l.choice_count - 1;
	for (size_t i = 1; i < l.choice_count; i++)
		if (tfm_stopped(work->context) ||
			!lay_out_choice(&l, l.choices + i * l.segment_count, &encoding->overflowing[i - 1]))
			return false;
	return true;
}
