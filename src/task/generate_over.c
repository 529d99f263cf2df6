/*
 * generate_over.c
 *	  One answer over any number of texts, by parts where one prompt cannot hold them.
 *
 * Texts go together, in their order, as long as a prompt has room; a longer one is cut.  The answers
 * over these groups are the texts of the next turn, until one group is left.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "task/generate.h"

#include <string.h>

#include "runtime/loaded.h"
#include "task/generate_plan.h"

#define MAX_TURNS 16
#define PROMPTS_AT_ONCE 8

/* Tokens of a prompt for an encoder that can take any number of them. */
#define ENCODER_ROOM 4096

/* Texts, and how many tokens each has. */
typedef struct texts
{
	tfm_text *items;
	int64_t *tokens;
	size_t count;
} texts;

typedef struct reduction
{
	generate_plan plan;
	tfm_text instruction;
	bool is_prefix; /* it stands before the texts as it is */
	int64_t room;	/* tokens of texts in a prompt */
} reduction;

/* ---- Texts that fit ---- */

static bool
tokenize(tfm_context *context, const reduction *r, tfm_text text, tok_encoding *encoding)
{
	return tok_encode(context, r->plan.tokenizer, text, NULL, &(tok_encode_options) {0}, encoding);
}

static bool
append_text(tfm_context *context, texts *list, size_t *capacity, tfm_text text, int64_t tokens)
{
	if (list->count == *capacity)
	{
		size_t more = *capacity == 0 ? 16 : *capacity * 2;
		tfm_text *items = tfm_alloc_array(context, more, sizeof(tfm_text));
		int64_t *counts = tfm_alloc_array(context, more, sizeof(int64_t));

		if (items == NULL || counts == NULL)
			return false;
		if (list->count > 0)
		{
			memcpy(items, list->items, list->count * sizeof(tfm_text));
			memcpy(counts, list->tokens, list->count * sizeof(int64_t));
		}
		list->items = items;
		list->tokens = counts;
		*capacity = more;
	}
	list->items[list->count] = text;
	list->tokens[list->count++] = tokens;
	return true;
}

/* A text in pieces of at most room tokens. */
static bool
add_pieces(tfm_context *context, const reduction *r, tfm_text text, texts *list, size_t *capacity)
{
	tok_encoding whole;

	if (!tokenize(context, r, text, &whole))
		return false;
	if ((int64_t) whole.count <= r->room)
		return append_text(context, list, capacity, text, (int64_t) whole.count);
	for (size_t first = 0; first < whole.count; first += (size_t) r->room)
	{
		size_t count = whole.count - first;
		tfm_text piece;

		if (count > (size_t) r->room)
			count = (size_t) r->room;
		if (!tok_decode(context, r->plan.tokenizer, whole.ids + first, count, false, &piece) ||
			!append_text(context, list, capacity, piece, (int64_t) count))
			return false;
	}
	return true;
}

/* The prompt over a text. */
static bool
encode_prompt(tfm_context *context, const reduction *r, tfm_text text, gen_ids *prompt)
{
	if (!r->is_prefix)
		return generate_plan_prompt(context, &r->plan, r->instruction, text, prompt);
	return generate_plan_join(context, r->instruction, text, &text) &&
		   generate_plan_encode(context, &r->plan, text, true, prompt);
}

/* Tokens of a prompt without texts. */
static bool
count_around(tfm_context *context, const reduction *r, int64_t *count)
{
	gen_ids empty;
	tok_encoding prefix;

	if (!r->is_prefix)
	{
		if (!generate_plan_prompt(context, &r->plan, r->instruction, (tfm_text) {"", 0}, &empty))
			return false;
		*count = (int64_t) empty.count;
		return true;
	}
	if (!tok_encode(context, r->plan.tokenizer, r->instruction, NULL, &TOK_ENCODE_DEFAULTS,
					&prefix))
		return false;
	*count = (int64_t) prefix.count;
	return true;
}

/*
 * Tokens that a prompt has room for beside the instruction and what is to be generated, which an
 * encoder-decoder has a place of its own for.
 */
static bool
find_room(tfm_context *context, reduction *r)
{
	bool has_encoder = run_session_has_encoder(r->plan.session);
	int64_t most =
		has_encoder ? r->plan.model->info.max_tokens : run_session_max_length(r->plan.session);
	int64_t around;

	if (most == 0)
		most = ENCODER_ROOM;
	if (!r->plan.says_length && r->plan.config.max_new_tokens > most / 4)
		r->plan.config.max_new_tokens = most / 4;
	if (!count_around(context, r, &around))
		return false;
	r->room = most - around - (has_encoder ? 0 : r->plan.config.max_new_tokens);
	/* a separator takes tokens, and a text in its place may take one more than alone */
	r->room -= r->room / 16 + 4;
	if (r->room > (has_encoder ? 0 : r->plan.config.max_new_tokens))
		return true;
	tfm_fail(context, TFM_LIMIT_EXCEEDED,
			 "the instruction and %lld new tokens leave no room for texts in the model's %lld "
			 "positions",
			 (long long) r->plan.config.max_new_tokens, (long long) most);
	return tfm_hint(context, "Shorten the instruction or lower max_new_tokens.");
}

/* ---- Turns ---- */

/* The end of the group of texts that begins at first. */
static size_t
find_group_end(const reduction *r, const texts *list, size_t first)
{
	int64_t tokens = 0;
	size_t end = first;

	while (end < list->count && (end == first || tokens + list->tokens[end] + 2 <= r->room))
		tokens += list->tokens[end++] + 2;
	return end;
}

/* The prompt over texts first .. end - 1. */
static bool
make_prompt(tfm_context *context, const reduction *r, const texts *list, size_t first, size_t end,
			gen_ids *prompt)
{
	buffer *body = buffer_create(context);

	for (size_t i = first; body != NULL && i < end; i++)
	{
		if (i > first)
			buffer_append_string(context, body, "\n\n");
		buffer_append(context, body, list->items[i].data, list->items[i].length);
	}
	if (tfm_failed(context))
		return false;
	return encode_prompt(context, r,
						 (tfm_text) {body->data == NULL ? "" : body->data, body->length}, prompt);
}

/* The answers to count prompts, one after the other appended to answers. */
static bool
answer_prompts(tfm_context *context, const reduction *r, const gen_ids *prompts, int64_t count,
			   tfm_text *answers)
{
	gen_request request = generate_plan_request(&r->plan, prompts, count);
	gen_sequence *sequences;
	int64_t made;

	if (!gen_generate(context, &request, &sequences, &made))
		return false;
	for (int64_t i = 0; i < made; i++)
		if (sequences[i].prompt == i &&
			!generate_plan_decode(context, &r->plan, prompts[i], &sequences[i], &answers[i]))
			return false;
	return true;
}

/* One turn: the answers over all groups take the place of the texts. */
static bool
take_turn(tfm_context *context, const reduction *r, texts *list, tfm_text *answers,
		  size_t *answer_count)
{
	gen_ids prompts[PROMPTS_AT_ONCE];
	size_t first = 0;
	int64_t waiting = 0;

	*answer_count = 0;
	while (first < list->count || waiting > 0)
	{
		if (waiting == PROMPTS_AT_ONCE || first == list->count)
		{
			if (!answer_prompts(context, r, prompts, waiting, answers + *answer_count))
				return false;
			*answer_count += (size_t) waiting;
			waiting = 0;
			continue;
		}
		size_t end = find_group_end(r, list, first);

		if (!make_prompt(context, r, list, first, end, &prompts[waiting++]))
			return false;
		first = end;
	}
	return true;
}

static bool
reduce(tfm_context *context, reduction *r, const tfm_text *from, size_t count, tfm_text *answer)
{
	r->plan.config.num_return_sequences = 1;
	if (!find_room(context, r))
		return false;
	for (int turn = 0; turn < MAX_TURNS; turn++)
	{
		texts list = {0};
		size_t capacity = 0, made;
		tfm_text *answers;

		for (size_t i = 0; i < count; i++)
			if (!add_pieces(context, r, from[i], &list, &capacity))
				return false;
		answers = tfm_alloc_array(context, list.count, sizeof(tfm_text));
		if (answers == NULL || !take_turn(context, r, &list, answers, &made))
			return false;
		if (made <= 1)
		{
			*answer = made == 1 ? answers[0] : (tfm_text) {"", 0};
			return true;
		}
		from = answers;
		count = made;
	}
	return tfm_fail(context, TFM_LIMIT_EXCEEDED, "the texts are too many for the model's context");
}

bool
task_generate_over(tfm_context *context, const generate_request *request, tfm_text instruction,
				   const tfm_text *items, size_t count, tfm_text *answer)
{
	reduction r = {.instruction = instruction};

	return generate_plan_make(context, request, true, &r.plan) &&
		   reduce(context, &r, items, count, answer);
}

bool
generate_plan_over(tfm_context *context, const generate_plan *plan, tfm_text prefix,
				   const tfm_text *items, size_t count, tfm_text *answer)
{
	reduction r = {.plan = *plan, .instruction = prefix, .is_prefix = true};

	return reduce(context, &r, items, count, answer);
}
