/*
 * token_entities.c
 *	  From what a model says of tokens to entities.
 *	  Follows gather_pre_entities and aggregate of transformers/pipelines/token_classification.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/token_entities.h"

#include <string.h>

#include "base/compare.h"
#include "base/utf8.h"
#include "task/classes.h"
#include "task/indexed_text.h"
#include "task/pipeline.h"

/* A token, a word, or what they are put together to. */
typedef struct entity
{
	tfm_text word;
	float *scores; /* of a token: its row */
	tfm_text label;
	float score;
	int32_t start, end; /* characters */
	int32_t index;		/* of a token */
	bool is_subword;	/* it goes on with the word before */
} entity;

typedef struct entities
{
	entity *items;
	size_t count;
} entities;

/* ---- Tokens ---- */

/*
 * Whether a token goes on with the word before: it is longer than what it stands for where such tokens
 * have a prefix; else, and that is but a guess, if there is no space before it.
 */
static bool
continues_word(const tok_tokenizer *tokenizer, const indexed_text *text, const entity *e)
{
	tfm_text around = task_slice(text, e->start - 1, e->start + 1);
	int32_t length = task_slice_length(text, e->start, e->end);

	if (tok_marks_subwords(tokenizer))
		return (int32_t) utf8_count(e->word.data, e->word.length) != length;
	return e->start > 0 && (around.length == 0 || memchr(around.data, ' ', around.length) == NULL);
}

/* Token i of a chunk, with its scores. */
static entity
read_token(const entity_rules *rules, const indexed_text *text, const int32_t *word_starts,
		   const entity_chunk *chunk, size_t i)
{
	const tok_encoding *encoding = chunk->encoding;
	const char *token = tok_id_to_token(rules->tokenizer, encoding->ids[i]);
	entity e = {
		.word = {token == NULL ? "" : token, token == NULL ? 0 : strlen(token)},
		.scores = chunk->logits + (int64_t) i * chunk->columns,
		.index = (int32_t) i,
	};

	task_softmax(e.scores, chunk->columns);
	if (tok_is_python(rules->tokenizer))
		return e;
	e.start = encoding->starts[i];
	e.end = encoding->ends[i];
	if (word_starts != NULL && encoding->words != NULL && encoding->words[i] >= 0)
	{
		e.start += word_starts[encoding->words[i]];
		e.end += word_starts[encoding->words[i]];
	}
	e.is_subword = continues_word(rules->tokenizer, text, &e);
	if (encoding->ids[i] == tok_special_id(rules->tokenizer, TOK_UNK))
	{
		e.word = task_slice(text, e.start, e.end);
		e.is_subword = false;
	}
	return e;
}

static bool
list_tokens(tfm_context *context, const entity_rules *rules, const indexed_text *text,
			const int32_t *word_starts, const entity_chunk *chunk, entities *list)
{
	const tok_encoding *encoding = chunk->encoding;

	list->count = 0;
	list->items = tfm_alloc_array(context, encoding->count + 1, sizeof(entity));
	for (size_t i = 0; list->items != NULL && i < encoding->count; i++)
		if (encoding->special_mask[i] == 0)
			list->items[list->count++] = read_token(rules, text, word_starts, chunk, i);
	return list->items != NULL;
}

/* ---- Words ---- */

static void
set_label(const entity_rules *rules, entity *e, const float *scores, int64_t columns)
{
	int64_t best = task_largest(scores, columns);

	e->label = rules->labels[best];
	e->score = scores[best];
}

/* The text of what entities stand for, side by side. */
static bool
join_words(tfm_context *context, const entity_rules *rules, const entity *items, size_t count,
		   tfm_text *text)
{
	tfm_text *words = tfm_alloc_array(context, count, sizeof(tfm_text));

	for (size_t i = 0; words != NULL && i < count; i++)
		words[i] = items[i].word;
	return words != NULL && tok_join_tokens(context, rules->tokenizer, words, count, text);
}

/* The scores that a word goes by. */
static const float *
choose_scores(tfm_context *context, const entity_rules *rules, const entity *tokens, size_t count,
			  int64_t columns)
{
	const entity *best = &tokens[0];
	float *average;

	if (rules->strategy == ENTITY_MAX)
		for (size_t i = 1; i < count; i++)
			if (tokens[i].scores[task_largest(tokens[i].scores, columns)] >
				best->scores[task_largest(best->scores, columns)])
				best = &tokens[i];
	if (rules->strategy != ENTITY_AVERAGE)
		return best->scores;
	average = tfm_alloc_array(context, (size_t) columns, sizeof(float));
	for (int64_t k = 0; average != NULL && k < columns; k++)
	{
		float sum = 0;

		for (size_t i = 0; i < count; i++)
			sum += tokens[i].scores[k];
		average[k] = sum / (float) count;
	}
	return average;
}

/* Tokens to words, each with the label of all its tokens; in place. */
static bool
aggregate_words(tfm_context *context, const entity_rules *rules, int64_t columns, entities *list)
{
	size_t words = 0;

	for (size_t first = 0, next; first < list->count; first = next)
	{
		const entity *tokens = &list->items[first];
		entity word = {.start = tokens[0].start};
		const float *scores;

		for (next = first + 1; next < list->count && list->items[next].is_subword; next++)
			;
		word.end = list->items[next - 1].end;
		scores = choose_scores(context, rules, tokens, next - first, columns);
		if (scores == NULL || !join_words(context, rules, tokens, next - first, &word.word))
			return false;
		set_label(rules, &word, scores, columns);
		list->items[words++] = word;
	}
	list->count = words;
	return true;
}

/* ---- Groups ---- */

/* The label without B- or I-; begins: it has B-. */
static tfm_text
tag_of(tfm_text label, bool *begins)
{
	bool has_place =
		label.length >= 2 && label.data[1] == '-' && (label.data[0] == 'B' || label.data[0] == 'I');

	*begins = has_place && label.data[0] == 'B';
	return has_place ? (tfm_text) {label.data + 2, label.length - 2} : label;
}

/* What comes after the first "-" of a label, or all of it. */
static tfm_text
group_name(tfm_text label)
{
	const char *dash = memchr(label.data, '-', label.length);
	size_t skipped = dash == NULL ? 0 : (size_t) (dash + 1 - label.data);

	return (tfm_text) {label.data + skipped, label.length - skipped};
}

static bool
goes_on(const entity *last, const entity *next)
{
	bool begins, last_begins;
	tfm_text tag = tag_of(next->label, &begins), last_tag = tag_of(last->label, &last_begins);

	return !begins && tfm_same_text(tag, last_tag);
}

/* Neighbours of one tag to one; in place. */
static bool
group_entities(tfm_context *context, const entity_rules *rules, entities *list)
{
	size_t groups = 0;

	for (size_t first = 0, next; first < list->count; first = next)
	{
		const entity *items = &list->items[first];
		entity group = {.label = group_name(items[0].label), .start = items[0].start};
		float sum = items[0].score;

		for (next = first + 1;
			 next < list->count && goes_on(&list->items[next - 1], &list->items[next]); next++)
			sum += list->items[next].score;
		group.end = list->items[next - 1].end;
		group.score = sum / (float) (next - first);
		if (!join_words(context, rules, items, next - first, &group.word))
			return false;
		list->items[groups++] = group;
	}
	list->count = groups;
	return true;
}

/* ---- Chunks ---- */

static bool
is_ignored(const entity_rules *rules, tfm_text label)
{
	for (size_t i = 0; i < rules->ignored_count; i++)
		if (tfm_same_text(rules->ignored[i], label))
			return true;
	return false;
}

/* The entities of a chunk that count. */
static bool
find_entities(tfm_context *context, const entity_rules *rules, const indexed_text *text,
			  const int32_t *word_starts, const entity_chunk *chunk, entities *list)
{
	size_t kept = 0;

	if (!list_tokens(context, rules, text, word_starts, chunk, list))
		return false;
	if (rules->strategy <= ENTITY_SIMPLE)
		for (size_t i = 0; i < list->count; i++)
			set_label(rules, &list->items[i], list->items[i].scores, chunk->columns);
	else if (!aggregate_words(context, rules, chunk->columns, list))
		return false;
	if (rules->strategy != ENTITY_NONE && !group_entities(context, rules, list))
		return false;
	for (size_t i = 0; i < list->count && !tfm_stopped(context); i++)
		if (!is_ignored(rules, list->items[i].label))
			list->items[kept++] = list->items[i];
	list->count = kept;
	return !tfm_failed(context);
}

/* By their starts, and those of one start as they came: a merge sort; spare has as much room. */
static void
sort_entities(entity *items, entity *spare, size_t count)
{
	size_t half = count / 2, a = 0, b = half;

	if (count < 2)
		return;
	sort_entities(items, spare, half);
	sort_entities(items + half, spare, count - half);
	for (size_t i = 0; i < count; i++)
		spare[i] =
			a < half && (b == count || items[a].start <= items[b].start) ? items[a++] : items[b++];
	memcpy(items, spare, count * sizeof(entity));
}

/* Of entities of several chunks that overlap, the longest, or the one with the best score. */
static bool
merge_overlapping(tfm_context *context, entities *list)
{
	entity *spare = tfm_alloc_array(context, list->count + 1, sizeof(entity));
	size_t kept = 0;
	entity previous;

	if (spare == NULL || list->count == 0)
		return spare != NULL;
	sort_entities(list->items, spare, list->count);
	previous = list->items[0];
	for (size_t i = 0; i < list->count; i++)
	{
		entity e = list->items[i];
		int32_t length = e.end - e.start, other = previous.end - previous.start;

		if (previous.start > e.start || e.start >= previous.end)
		{
			list->items[kept++] = previous;
			previous = e;
		}
		else if (length > other || (length == other && e.score > previous.score))
			previous = e;
	}
	list->items[kept++] = previous;
	list->count = kept;
	return true;
}

/* ---- JSON ---- */

static bool
append_entity(tfm_context *context, buffer *b, const entity_rules *rules, const entity *e)
{
	bool is_token = rules->strategy == ENTITY_NONE;

	buffer_append_string(context, b, is_token ? "{\"entity\":" : "{\"entity_group\":");
	json_append_string(context, b, e->label.data, e->label.length);
	buffer_append_string(context, b, ",\"score\":");
	task_append_float(context, b, e->score);
	if (is_token)
		buffer_printf(context, b, ",\"index\":%d", e->index);
	buffer_append_string(context, b, ",\"word\":");
	json_append_string(context, b, e->word.data, e->word.length);
	if (tok_is_python(rules->tokenizer))
		return buffer_append_string(context, b, ",\"start\":null,\"end\":null}");
	return buffer_printf(context, b, ",\"start\":%d,\"end\":%d}", e->start, e->end);
}

bool
task_append_entities(tfm_context *context, buffer *b, const entity_rules *rules, tfm_text text,
					 const int32_t *word_starts, const entity_chunk *chunks, size_t count)
{
	entities all = {0}, *parts = tfm_alloc_array(context, count, sizeof(entities));
	indexed_text indexed;

	if (parts == NULL || !task_index_text(context, text, &indexed))
		return false;
	for (size_t i = 0; i < count; i++)
	{
		if (!find_entities(context, rules, &indexed, word_starts, &chunks[i], &parts[i]))
			return false;
		all.count += parts[i].count;
	}
	all.items = tfm_alloc_array(context, all.count + 1, sizeof(entity));
	if (all.items == NULL)
		return false;
	for (size_t i = 0, n = 0; i < count; n += parts[i++].count)
		memcpy(all.items + n, parts[i].items, parts[i].count * sizeof(entity));
	if (count > 1 && !merge_overlapping(context, &all))
		return false;
	buffer_append_string(context, b, "[");
	for (size_t i = 0; i < all.count; i++)
	{
		buffer_append_string(context, b, i > 0 ? "," : "");
		append_entity(context, b, rules, &all.items[i]);
	}
	return buffer_append_string(context, b, "]") && !tfm_failed(context);
}
