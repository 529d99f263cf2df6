/*
 * draft.c
 *	  Guesses of the next tokens, which the model verifies in one pass: a smaller model's, or what
 *	  followed the last tokens when they stood there before.
 *
 * Follows Transformers' AssistedCandidateGenerator and PromptLookupCandidateGenerator.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "generate/run.h"
#include "generate/sampling.h"

bool
gen_makes_drafts(const gen_run *run)
{
	return run->has_draft || run->config->prompt_lookup_num_tokens > 0;
}

/* Tokens that a row may have drafted: one is always the model's own. */
static int64_t
find_limit(const gen_run *run, const gen_row *row, int64_t wanted)
{
	const gen_prompt *prompt = &run->prompts[row->prompt];
	int64_t count = gen_row_count(row), left = prompt->max_length - count - 1;
	int64_t room = run->decoder.max_length - (count - prompt->padding);

	left = left < room ? left : room;
	return wanted < left ? wanted : left;
}

/* ---- Prompt lookup ---- */

/*
 * Where what follows the last n ids begins, the first time that they stood there; count if they did
 * not.
 */
static int64_t
find_follower(const int32_t *ids, int64_t count, int64_t n)
{
	for (int64_t i = 0; i + n < count; i++)
		if (memcmp(ids + i, ids + count - n, (size_t) n * sizeof(int32_t)) == 0)
			return i + n;
	return count;
}

static bool
look_up(tfm_context *context, gen_run *run, gen_row *row)
{
	int64_t count = gen_row_count(row), n = run->config->max_matching_ngram_size, place = count;
	int64_t limit = find_limit(run, row, run->config->prompt_lookup_num_tokens);

	for (n = n < count - 1 ? n : count - 1; n > 0 && place == count; n--)
		place = find_follower(gen_row_ids(row), count, n);
	for (; row->draft_count < limit && place < count; place++)
	{
		int32_t id = gen_row_ids(row)[place];

		if (gen_has_id(run->config->eos_token_id, id))
			break;
		if (!gen_append_id(context, &row->ids, id))
			return false;
		row->draft_count++;
	}
	return true;
}

/* ---- A draft model ---- */

static bool
open_drafter(tfm_context *context, gen_run *run, gen_row *row)
{
	const gen_prompt *prompt = &run->prompts[row->prompt];

	if (row->drafter >= 0)
		return true;
	if (run->draft.has_encoder)
		return run->draft.encode(context, run->draft.argument, &prompt->source, 1, &row->drafter);
	row->drafter = run->draft.open(context, run->draft.argument, gen_row_ids(row) + prompt->padding,
								   gen_row_count(row) - prompt->padding, &row->drafter_given);
	return row->drafter >= 0;
}

/* The drafters' scores of the next token of rows[count]. */
static bool
step_drafters(tfm_context *context, gen_run *run, gen_row **rows, int64_t count, float **logits)
{
	run_step *steps = tfm_alloc_array(context, (size_t) count, sizeof(run_step));

	if (steps == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
	{
		gen_row *row = rows[i];
		int64_t padding = run->prompts[row->prompt].padding;
		int64_t pending = gen_row_count(row) - padding - row->drafter_given;

		steps[i] = (run_step) {.sequence = row->drafter,
							   .ids = gen_row_ids(row) + padding + row->drafter_given,
							   .count = pending,
							   .wanted = 1};
		row->drafter_given += pending;
	}
	return run->draft.step(context, run->draft.argument, steps, count, logits, NULL);
}

/* Draft one token; *more: whether another may follow it. */
static bool
draft_token(tfm_context *context, gen_run *run, gen_row *row, gen_scores *scores, bool *more)
{
	gen_prefix prefix = gen_row_prefix(run, row);
	double threshold = run->config->assistant_confidence_threshold, confidence;
	int32_t id;

	prefix.matcher = NULL;
	prefix.watermark = NULL;
	if (!gen_process(context, run->processors, GEN_OF_DRAFT, &prefix, scores, 1))
		return false;
	id = run->config->do_sample ? gen_sample(context, scores, &row->random)
								: (int32_t) gen_argmax(scores->values, scores->count);
	row->draft_count++;
	*more = !gen_has_id(run->config->eos_token_id, id);
	if (threshold > 0)
	{
		confidence = (double) scores->values[id] - gen_log_sum_exp(scores);
		*more &= confidence >= log(threshold);
	}
	return !tfm_failed(context) && gen_append_id(context, &row->ids, id);
}

/* Rows whose drafts grow, and where the scores go that their tokens were drawn from. */
typedef struct drafting
{
	gen_row **rows; /* [count] */
	float ***drawn; /* [count][goal] */
	int64_t count;
} drafting;

/* One more token for each; those that are to have another remain. */
static bool
draft_round(tfm_context *context, gen_run *run, drafting *d)
{
	int64_t size = run->draft.vocabulary, left = 0;
	float *logits;

	if (!step_drafters(context, run, d->rows, d->count, &logits))
		return false;
	for (int64_t i = 0; i < d->count; i++, logits += size)
	{
		gen_row *row = d->rows[i];
		gen_scores scores = {.values = logits, .count = size};
		bool more;

		d->drawn[i][row->draft_count] = logits;
		if (!draft_token(context, run, row, &scores, &more))
			return false;
		if (!more || row->draft_count == row->draft_goal)
			continue;
		d->drawn[left] = d->drawn[i];
		d->rows[left++] = row;
	}
	d->count = left;
	return true;
}

/* Begin drafts of the rows that may have some. */
static bool
begin_drafts(tfm_context *context, gen_run *run, gen_row **rows, int64_t count, float ***drawn,
			 drafting *d)
{
	*d = (drafting) {.rows = tfm_alloc_array(context, (size_t) count, sizeof(gen_row *)),
					 .drawn = tfm_alloc_array(context, (size_t) count, sizeof(float **))};
	if (d->rows == NULL || d->drawn == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
	{
		gen_row *row = rows[i];

		row->draft_goal = find_limit(run, row, row->draft_limit);
		if (row->draft_goal <= 0)
			continue;
		drawn[i] = tfm_alloc_array(context, (size_t) row->draft_goal, sizeof(float *));
		if (drawn[i] == NULL || !open_drafter(context, run, row))
			return false;
		d->drawn[d->count] = drawn[i];
		d->rows[d->count++] = row;
	}
	return true;
}

static bool
draft_by_model(tfm_context *context, gen_run *run, gen_row **rows, int64_t count, float ***q)
{
	float ***drawn = tfm_alloc_array(context, (size_t) count + 1, sizeof(float **)), **all;
	int64_t total = 0;
	drafting d;

	if (drawn == NULL || !begin_drafts(context, run, rows, count, drawn, &d))
		return false;
	while (d.count > 0)
		if (!draft_round(context, run, &d))
			return false;
	for (int64_t i = 0; i < count; i++)
		total += rows[i]->draft_count;
	*q = all = tfm_alloc_array(context, (size_t) total + 1, sizeof(float *));
	if (all == NULL)
		return false;
	for (int64_t i = 0; i < count; all += rows[i++]->draft_count)
		if (rows[i]->draft_count > 0)
			memcpy(all, drawn[i], (size_t) rows[i]->draft_count * sizeof(float *));
	return true;
}

bool
gen_make_drafts(tfm_context *context, gen_run *run, gen_row **rows, int64_t count, float ***q)
{
	*q = NULL;
	for (int64_t i = 0; i < count; i++)
		rows[i]->draft_count = 0;
	/* Guidance looks at one token after the other, the other sequences of a prompt begin with none. */
	if (gen_is_guided(run) || run->config->num_return_sequences > 1 || count == 0)
		return true;
	if (run->config->prompt_lookup_num_tokens == 0)
		return draft_by_model(context, run, rows, count, q);
	for (int64_t i = 0; i < count; i++)
		if (!look_up(context, run, rows[i]))
			return false;
	return true;
}

/* How long the next draft may be. */
static void
adapt_limit(const gen_run *run, gen_row *row, int64_t accepted)
{
	if (run->config->num_assistant_tokens_schedule != ASSISTANT_HEURISTIC)
		return;
	if (accepted == row->draft_count)
		row->draft_limit += 2;
	else if (row->draft_limit > 1)
		row->draft_limit--;
}

/*
 * Have a sequence end after the first right of a row's ids.  Where a window has moved on too far to be cut
 * back it is begun anew.
 */
static bool
cut_back(tfm_context *context, const gen_run *run, const gen_decoder *decoder, const gen_row *row,
		 int32_t *sequence, int64_t *given, int64_t right)
{
	int64_t padding = run->prompts[row->prompt].padding;
	tfm_context attempt = {.arena = context->arena};

	if (*given <= right)
		return true;
	*given = right;
	if (decoder->truncate(&attempt, decoder->argument, *sequence, right))
		return true;
	decoder->close(decoder->argument, *sequence, false);
	*sequence =
		decoder->open(context, decoder->argument, gen_row_ids(row) + padding, right + 1, given);
	return *sequence >= 0;
}

bool
gen_end_draft(tfm_context *context, gen_run *run, gen_row *row, int64_t accepted)
{
	/* The last id was chosen just now, nobody has it. */
	int64_t right = gen_row_count(row) - run->prompts[row->prompt].padding - 1;

	adapt_limit(run, row, accepted);
	row->draft_count = 0;
	return cut_back(context, run, &run->decoder, row, &row->sequence, &row->given, right) &&
		   (row->drafter < 0 ||
			cut_back(context, run, &run->draft, row, &row->drafter, &row->drafter_given, right));
}
