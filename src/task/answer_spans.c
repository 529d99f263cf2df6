/*
 * answer_spans.c
 *	  The spans of tokens that answer a question.
 *	  Follows transformers/pipelines/question_answering.py of Transformers 4.57.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/answer_spans.h"

#include <string.h>

#include "base/compare.h"
#include "base/utf8.h"
#include "task/classes.h"
#include "task/indexed_text.h"
#include "task/pipeline.h"
#include "text/unicode.h"

/* What a token's logit is where it cannot be of an answer. */
#define UNDESIRED (-10000.0f)

typedef struct answer
{
	double score;
	int32_t start, end; /* characters */
	tfm_text text;
	tfm_text folded; /* in lower case: answers that differ in nothing else are one */
} answer;

typedef struct answers
{
	indexed_text text;
	answer *items; /* [capacity + 1] */
	size_t count, capacity;
	size_t *slots;	   /* [slot_count] number of an answer and 1, by its folded text; 0: free */
	size_t slot_count; /* a power of 2 */
} answers;

/* Spans of a piece, from token to token, with their scores. */
typedef struct spans
{
	int32_t *starts, *ends;
	float *scores;
	int64_t count;
} spans;

/* ---- Spans ---- */

/* Tokens of the context, and the class token, which stands for no answer. */
static bool
is_desired(const answer_rules *rules, const tok_encoding *encoding, size_t i)
{
	return rules->context_first || encoding->sequences[i] == 1 ||
		   (rules->cls_id >= 0 && encoding->ids[i] == rules->cls_id);
}

static void
normalize(const answer_rules *rules, const tok_encoding *encoding, float *logits)
{
	for (size_t i = 0; i < encoding->count; i++)
		if (!is_desired(rules, encoding, i))
			logits[i] = UNDESIRED;
	task_softmax(logits, (int64_t) encoding->count);
}

/* The spans that have a score, in the order of their first and last tokens. */
static bool
list_spans(tfm_context *context, const answer_rules *rules, const answer_piece *piece, spans *s)
{
	int64_t tokens = (int64_t) piece->encoding->count;
	int64_t longest = rules->longest < tokens ? rules->longest : tokens, room = tokens * longest;

	if (room > INT32_MAX)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED, "there are too many spans of tokens");
	*s = (spans) {
		.starts = tfm_alloc_array(context, (size_t) room + 1, sizeof(int32_t)),
		.ends = tfm_alloc_array(context, (size_t) room + 1, sizeof(int32_t)),
		.scores = tfm_alloc_array(context, (size_t) room + 1, sizeof(float)),
	};
	if (tfm_failed(context))
		return false;
	for (int64_t start = 0; start < tokens && !tfm_stopped(context); start++)
		for (int64_t end = start; end < tokens && end < start + longest; end++)
		{
			s->starts[s->count] = (int32_t) start;
			s->ends[s->count] = (int32_t) end;
			s->scores[s->count] = piece->starts[start] * piece->ends[end];
			s->count += s->scores[s->count] > 0 &&
						is_desired(rules, piece->encoding, (size_t) start) &&
						is_desired(rules, piece->encoding, (size_t) end);
		}
	return !tfm_failed(context);
}

/* ---- Answers ---- */

/* The characters of the word of token i, as far as it is in the piece; false if it is of none. */
static bool
find_word(const answer_rules *rules, const tok_encoding *encoding, int32_t i, int32_t *start,
		  int32_t *end)
{
	int context = rules->context_first ? 0 : 1;
	bool found = false;

	for (size_t t = 0; encoding->words[i] >= 0 && t < encoding->count; t++)
		if (encoding->sequences[t] == context && encoding->words[t] == encoding->words[i])
		{
			if (!found)
				*start = encoding->starts[t];
			*end = encoding->ends[t];
			found = true;
		}
	return found;
}

static void
find_characters(const answer_rules *rules, const tok_encoding *encoding, int32_t first,
				int32_t last, int32_t *start, int32_t *end)
{
	int32_t other;

	if (rules->aligns && find_word(rules, encoding, first, start, &other) &&
		find_word(rules, encoding, last, &other, end))
		return;
	*start = encoding->starts[first];
	*end = encoding->ends[last];
}

/* Write a text in lower case, or to NULL; how many bytes it has. */
static size_t
write_folded(tfm_text text, char *to)
{
	size_t length = 0;
	char spare[4];

	for (size_t i = 0; i < text.length;)
	{
		uint32_t lower[2];
		int width;
		int count = tok_lowercase(utf8_decode(text.data + i, &width), lower);

		for (int k = 0; k < count; k++)
			length += (size_t) utf8_encode(lower[k], to == NULL ? spare : to + length);
		i += (size_t) width;
	}
	return length;
}

static bool
fold(tfm_context *context, tfm_text text, tfm_text *folded)
{
	size_t length = write_folded(text, NULL);
	char *bytes = tfm_alloc(context, length + 1);

	if (bytes == NULL)
		return false;
	*folded = (tfm_text) {bytes, write_folded(text, bytes)};
	return true;
}

static size_t
hash_text(tfm_text text)
{
	uint64_t hash = 0xCBF29CE484222325;

	for (size_t i = 0; i < text.length; i++)
		hash = (hash ^ (unsigned char) text.data[i]) * 0x100000001B3;
	return (size_t) (hash ^ hash >> 32);
}

/* Add a span, or its score to that of the answer with the same text. */
static bool
add_answer(tfm_context *context, answers *list, answer found)
{
	size_t slot;

	found.text = task_slice(&list->text, found.start, found.end);
	if (!fold(context, found.text, &found.folded))
		return false;
	slot = hash_text(found.folded) & (list->slot_count - 1);
	for (; list->slots[slot] != 0; slot = (slot + 1) & (list->slot_count - 1))
	{
		answer *other = &list->items[list->slots[slot] - 1];

		if (!tfm_same_text(other->folded, found.folded))
			continue;
		other->score += found.score;
		return true;
	}
	list->items[list->count++] = found;
	list->slots[slot] = list->count;
	return true;
}

/* How many spans of a piece are looked at: some fall together once they are whole words. */
static int64_t
count_candidates(const answer_rules *rules)
{
	return rules->aligns ? 2 * rules->most + 10 : rules->most;
}

static bool
add_piece(tfm_context *context, const answer_rules *rules, const answer_piece *piece, answers *list,
		  double *none)
{
	const tok_encoding *encoding = piece->encoding;
	int64_t candidates = count_candidates(rules);
	int32_t *best;
	spans s = {0};

	if (encoding->count == 0)
		return true;
	normalize(rules, encoding, piece->starts);
	normalize(rules, encoding, piece->ends);
	if (piece->starts[0] * piece->ends[0] < *none)
		*none = piece->starts[0] * piece->ends[0];
	piece->starts[0] = piece->ends[0] = 0;
	if (!list_spans(context, rules, piece, &s))
		return false;
	best = task_best(context, s.scores, s.count, candidates, false);
	for (int64_t i = 0; best != NULL && i < candidates && i < s.count; i++)
	{
		answer found = {.score = s.scores[best[i]]};

		find_characters(rules, encoding, s.starts[best[i]], s.ends[best[i]], &found.start,
						&found.end);
		if (!add_answer(context, list, found) || ((i & 0xFF) == 0xFF && tfm_stopped(context)))
			return false;
	}
	return best != NULL && !tfm_stopped(context);
}

/* ---- JSON ---- */

static bool
append_answer(tfm_context *context, buffer *b, const answer *a)
{
	buffer_append_string(context, b, "{\"score\":");
	task_append_double(context, b, a->score);
	buffer_printf(context, b, ",\"start\":%d,\"end\":%d,\"answer\":", a->start, a->end);
	json_append_string(context, b, a->text.data, a->text.length);
	return buffer_append_string(context, b, "}");
}

/* The best first, and those of one score as they came: a merge sort; spare has as much room. */
static void
sort_answers(tfm_context *context, const answer **items, const answer **spare, size_t count)
{
	size_t half = count / 2, a = 0, b = half;

	if (count < 2 || (count > 0xFFFF && tfm_stopped(context)))
		return;
	sort_answers(context, items, spare, half);
	sort_answers(context, items + half, spare, count - half);
	for (size_t i = 0; i < count; i++)
		spare[i] = a < half && (b == count || items[a]->score >= items[b]->score) ? items[a++]
																				  : items[b++];
	memcpy(items, spare, count * sizeof(answer *));
}

static bool
append_best(tfm_context *context, buffer *b, const answer_rules *rules, const answers *list)
{
	size_t count = list->count;
	const answer **best = tfm_alloc_array(context, count + 1, sizeof(answer *));
	const answer **spare = tfm_alloc_array(context, count + 1, sizeof(answer *));
	bool single = rules->most == 1 ? count > 0 : count == 1;

	if (best == NULL || spare == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		best[i] = &list->items[i];
	sort_answers(context, best, spare, count);
	buffer_append_string(context, b, single ? "" : "[");
	for (size_t i = 0; i < count && (int64_t) i < rules->most && !tfm_stopped(context); i++)
	{
		buffer_append_string(context, b, i > 0 ? "," : "");
		append_answer(context, b, best[i]);
	}
	return buffer_append_string(context, b, single ? "" : "]") && !tfm_failed(context);
}

/* Room for the answers of all pieces, and the one that there is none. */
static bool
make_room(tfm_context *context, const answer_rules *rules, const answer_piece *pieces, size_t count,
		  answers *list)
{
	for (size_t i = 0; i < count; i++)
	{
		int64_t tokens = (int64_t) pieces[i].encoding->count, candidates = count_candidates(rules);
		int64_t possible = tokens * (rules->longest < tokens ? rules->longest : tokens);

		list->capacity += (size_t) (possible < candidates ? possible : candidates);
	}
	for (list->slot_count = 16; list->slot_count < 2 * list->capacity;)
		list->slot_count *= 2;
	list->items = tfm_alloc_array(context, list->capacity + 1, sizeof(answer));
	list->slots = tfm_alloc_zero(context, list->slot_count * sizeof(size_t));
	return list->items != NULL && list->slots != NULL;
}

bool
task_append_answers(tfm_context *context, buffer *b, const answer_rules *rules, tfm_text text,
					const answer_piece *pieces, size_t count)
{
	answers list = {0};
	double none = 1000000;

	if (!make_room(context, rules, pieces, count, &list) || !tok_unicode_load(context) ||
		!task_index_text(context, text, &list.text))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!add_piece(context, rules, &pieces[i], &list, &none))
			return false;
	if (rules->may_be_none)
		list.items[list.count++] = (answer) {.score = none, .text = {"", 0}};
	return append_best(context, b, rules, &list);
}
