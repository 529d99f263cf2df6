/*
 * chunk.c
 *	  A text cut into chunks that fit a number of tokens.
 *
 * A chunk is found by tokenizing a window of the text that is a little longer, which tells where the
 * tokens that there is room for end, and taking the best place before that.  What is then cut out is
 * tokenized by itself, as it will be by who embeds it: tokens may be others without what stood
 * around them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/chunk.h"

#include "base/utf8.h"
#include "runtime/loaded.h"
#include "text/breaks.h"

/* Bytes of the first window for each token that there is room for; later ones are as texts have it. */
#define BYTES_PER_TOKEN 6
#define TEXT_MAX ((size_t) 1 << 30)

typedef struct chunker
{
	tfm_context *context;
	const tok_tokenizer *tokenizer;
	tfm_text text;
	const uint8_t *breaks; /* [text.length + 1] of tok_break */
	int max_tokens;		   /* of a chunk, special ones included */
	int room;			   /* without them */
	int overlap;
	size_t window; /* bytes in which as many tokens as there is room for are expected */
} chunker;

/* An end that has been chosen for a chunk. */
typedef struct cut
{
	size_t end;
	int tokens; /* of the chunk, special ones included */
	tok_break level;
} cut;

/* ---- Tokens ---- */

/* The tokens of a part of the text by itself, special ones left out, and where they begin. */
static bool
encode_part(chunker *c, size_t start, size_t end, tok_encoding *encoding)
{
	const tok_encode_options options = {.want = TOK_WANT_OFFSETS};
	tfm_text part = {c->text.data + start, end - start};

	return tok_encode(c->context, c->tokenizer, part, NULL, &options, encoding);
}

/* The number of tokens of a part by itself, special ones included. */
static bool
count_part(chunker *c, size_t start, size_t end, int *count)
{
	const tok_encode_options options = TOK_ENCODE_DEFAULTS;
	arena_mark mark = arena_save(c->context->arena);
	tfm_text part = {c->text.data + start, end - start};
	tok_encoding encoding;
	bool encoded = tok_encode(c->context, c->tokenizer, part, NULL, &options, &encoding);

	*count = encoded ? (int) encoding.count : 0;
	arena_restore(c->context->arena, mark);
	return encoded;
}

/* The byte at which the character after so many others begins, counted from start. */
static size_t
skip_characters(const chunker *c, size_t start, int32_t characters)
{
	size_t at = start;
	int width;

	while (characters-- > 0 && at < c->text.length)
	{
		utf8_decode(c->text.data + at, &width);
		at += (size_t) width;
	}
	return at;
}

/* The end of the character that covers or ends at a byte. */
static size_t
round_up(const chunker *c, size_t at)
{
	while (at < c->text.length && ((unsigned char) c->text.data[at] & 0xC0) == 0x80)
		at++;
	return at;
}

/* The byte where a token of start..end begins; by its number, where the offsets say nothing. */
static size_t
token_start(const chunker *c, size_t start, size_t end, const tok_encoding *encoding, size_t token)
{
	if (encoding->starts[token] > 0)
		return skip_characters(c, start, encoding->starts[token]);
	return round_up(
		c, start + (size_t) ((double) (end - start) * (double) token / (double) encoding->count));
}

/*
 * Where the first token from start on begins that there is no room for; the text's length if there
 * is none.
 */
static bool
find_limit(chunker *c, size_t start, size_t *limit)
{
	for (;;)
	{
		arena_mark mark = arena_save(c->context->arena);
		size_t rest = c->text.length - start;
		size_t end = rest <= c->window ? c->text.length : round_up(c, start + c->window);
		tok_encoding encoding;
		bool found = false;

		if (!encode_part(c, start, end, &encoding))
			return false;
		if (encoding.count > (size_t) c->room)
		{
			*limit = token_start(c, start, end, &encoding, (size_t) c->room);
			c->window = (*limit - start) + (*limit - start) / 4 + 64;
			found = true;
		}
		arena_restore(c->context->arena, mark);
		if (found)
			return true;
		*limit = c->text.length;
		if (end == c->text.length)
			return true;
		c->window *= 2;
	}
}

/* ---- Places ---- */

/* The best end after lower, and not after limit, of a chunk that begins at start. */
static cut
choose_end(const chunker *c, size_t start, size_t lower, size_t limit)
{
	size_t last[TOK_BREAK_PARAGRAPH + 1] = {0}; /* of each level or better */

	for (size_t at = limit; at > lower; at--)
		for (tok_break level = c->breaks[at]; level > TOK_BREAK_NONE && last[level] == 0; level--)
			last[level] = at;
	if (last[TOK_BREAK_PARAGRAPH] - start < (limit - start) / 2)
		last[TOK_BREAK_PARAGRAPH] = 0;
	for (tok_break level = TOK_BREAK_PARAGRAPH; level > TOK_BREAK_NONE; level--)
		if (last[level] > 0)
			return (cut) {.end = last[level], .level = level};
	return (cut) {.end = 0};
}

/* The next place after lower where anything may be cut at all. */
static size_t
next_character(const chunker *c, size_t lower)
{
	size_t at = lower + 1;

	while (at < c->text.length && c->breaks[at] == TOK_BREAK_NONE)
		at++;
	return at;
}

/*
 * The end of the chunk that begins at start, beyond lower.  found->end is 0 if there is no room for
 * one; where start is lower there is always one.
 */
static bool
find_end(chunker *c, size_t start, size_t lower, cut *found)
{
	size_t limit, shorter;

	if (!find_limit(c, start, &limit))
		return false;
	for (;;)
	{
		*found = choose_end(c, start, lower, limit);
		if (found->end == 0)
			break;
		if (!count_part(c, start, found->end, &found->tokens))
			return false;
		if (found->tokens <= c->max_tokens)
			return true;
		/* Cut out, it has more tokens than it had among its neighbours. */
		shorter = start + (size_t) ((double) (found->end - start) * (double) c->max_tokens /
									(double) found->tokens);
		limit = shorter < found->end ? shorter : found->end - 1;
	}
	if (start < lower)
		return true;
	*found = (cut) {.end = next_character(c, lower), .level = TOK_BREAK_CHARACTER};
	return count_part(c, start, found->end, &found->tokens);
}

/*
 * Where to go back to from end: the first place from from on of the best level that there is.  After
 * a chunk that ends between words it is between words, too; else there may be none.
 */
static size_t
choose_start(const chunker *c, size_t from, size_t end)
{
	size_t first[TOK_BREAK_PARAGRAPH + 1] = {0};
	tok_break worst = c->breaks[end] >= TOK_BREAK_LINE ? TOK_BREAK_LINE : TOK_BREAK_CHARACTER;

	for (size_t at = from; at < end; at++)
		for (tok_break level = c->breaks[at]; level > TOK_BREAK_NONE && first[level] == 0; level--)
			first[level] = at;
	for (tok_break level = TOK_BREAK_SENTENCE; level >= worst; level--)
		if (first[level] > 0)
			return first[level];
	return end;
}

/* Where the chunk after start..end begins: at its end, or up to overlap tokens before. */
static bool
find_overlap(chunker *c, size_t start, size_t end, size_t *next)
{
	arena_mark mark = arena_save(c->context->arena);
	tok_encoding encoding;
	size_t from;

	*next = end;
	if (c->overlap == 0)
		return true;
	if (!encode_part(c, start, end, &encoding))
		return false;
	if (encoding.count <= (size_t) c->overlap)
		from = start + 1;
	else
		from = token_start(c, start, end, &encoding, encoding.count - (size_t) c->overlap);
	*next = choose_start(c, from > start ? from : start + 1, end);
	arena_restore(c->context->arena, mark);
	return true;
}

/* ---- The whole ---- */

/*
 * The chunk after one that ends at lower.  Without the overlap it may end with a sentence where with
 * it that would be torn: then it has none.
 */
static bool
find_chunk(chunker *c, size_t *start, size_t lower, cut *found)
{
	cut plain;

	if (!find_end(c, *start, lower, found))
		return false;
	if (*start == lower || found->level >= TOK_BREAK_SENTENCE)
		return true;
	if (!find_end(c, lower, lower, &plain))
		return false;
	if (found->end == 0 || plain.level >= TOK_BREAK_SENTENCE)
	{
		*found = plain;
		*start = lower;
	}
	return true;
}

static bool
cut_text(chunker *c, buffer *chunks)
{
	size_t start = 0, lower = 0, counted = 0;
	int32_t characters = 0; /* before counted */

	while (lower < c->text.length)
	{
		task_chunk chunk;
		cut found;

		if (tfm_stopped(c->context) || !find_chunk(c, &start, lower, &found))
			return false;
		chunk = (task_chunk) {.start = start, .end = found.end, .tokens = found.tokens};
		for (; counted > start; counted--)
			characters -= ((unsigned char) c->text.data[counted - 1] & 0xC0) != 0x80;
		for (; counted < start; counted++)
			characters += ((unsigned char) c->text.data[counted] & 0xC0) != 0x80;
		chunk.first_char = characters;
		for (; counted < found.end; counted++)
			characters += ((unsigned char) c->text.data[counted] & 0xC0) != 0x80;
		chunk.past_char = characters;
		lower = found.end;
		if (!buffer_append(c->context, chunks, &chunk, sizeof(chunk)) ||
			!find_overlap(c, start, lower, &start))
			return false;
	}
	return true;
}

static bool
check_arguments(chunker *c, int max_tokens, int overlap, int added)
{
	if (max_tokens <= added)
		return tfm_fail(c->context, TFM_INVALID_ARGUMENT,
						"max_tokens must be more than the %d special tokens of a text, not %d",
						added, max_tokens);
	c->max_tokens = max_tokens;
	c->room = max_tokens - added;
	if (overlap < 0 || overlap >= c->room)
		return tfm_fail(c->context, TFM_INVALID_ARGUMENT,
						"overlap must be from 0 to %d, less than what a chunk has beside its %d "
						"special tokens",
						c->room - 1, added);
	c->overlap = overlap;
	if (c->text.length > TEXT_MAX)
		return tfm_fail(c->context, TFM_LIMIT_EXCEEDED, "a text of %zu bytes is too long to cut",
						c->text.length);
	return utf8_valid(c->text.data, c->text.length) ||
		   tfm_fail(c->context, TFM_INVALID_ARGUMENT, "the text is not valid UTF-8");
}

bool
task_chunk_text(tfm_context *context, const run_model *model, tfm_text text, int max_tokens,
				int overlap, task_chunks *chunks)
{
	chunker c = {
		.context = context,
		.tokenizer = run_tokenizer(context, model),
		.text = text,
	};
	buffer *found = buffer_create(context);
	uint8_t *breaks;
	int added;

	*chunks = (task_chunks) {.count = 0};
	if (c.tokenizer == NULL || found == NULL)
		return false;
	added = tok_added_count(c.tokenizer, false);
	if (!check_arguments(&c, max_tokens, overlap, added))
		return false;
	c.window = (size_t) c.room < TEXT_MAX / BYTES_PER_TOKEN ? (size_t) c.room * BYTES_PER_TOKEN + 64
															: TEXT_MAX;
	breaks = tfm_alloc(context, text.length + 1);
	if (breaks == NULL || !tok_find_breaks(context, text, breaks))
		return false;
	c.breaks = breaks;
	if (!cut_text(&c, found))
		return false;
	chunks->items = (task_chunk *) found->data;
	chunks->count = found->length / sizeof(task_chunk);
	return true;
}
