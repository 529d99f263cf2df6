/*
 * search.c
 *	  Greedy search and sampling: rows that grow by themselves, and the drafts that hurry them.
 *
 * Rows join the batch as long as there is room and leave it when they are finished.  A prompt is run once,
 * whatever the number of its sequences.  Where there are drafts a step verifies them: it takes tokens
 * as long as the model would have chosen the draft's, and one of its own behind them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "generate/run.h"
#include "generate/sampling.h"

#define ROWS_AT_ONCE 64

typedef struct search
{
	gen_row *rows; /* [row_count] those of a prompt side by side */
	int64_t row_count;
	int64_t per_prompt;
	int64_t started; /* prompts */
	int64_t limit;	 /* rows at once */
	int64_t active;
} search;

/* What is known of a row's next tokens: scores of wanted of them. */
typedef struct verdict
{
	gen_row *row;
	float *logits;		/* [1 + draft_count][vocabulary] */
	float **drawn_from; /* [draft_count] scores that drafts were drawn from; NULL: they were not */
} verdict;

static bool
begin_rows(tfm_context *context, gen_run *run)
{
	search *s = tfm_alloc_zero(context, sizeof(search));

	run->state = s;
	if (s == NULL)
		return false;
	s->per_prompt = run->config->num_return_sequences;
	s->row_count = run->request.prompt_count * s->per_prompt;
	s->rows = tfm_alloc_zero(context, ((size_t) s->row_count + 1) * sizeof(gen_row));
	if (s->rows == NULL)
		return false;
	s->limit = gen_find_room(run, 1, s->row_count < ROWS_AT_ONCE ? s->row_count : ROWS_AT_ONCE);
	for (int64_t i = 0; i < s->row_count; i++)
		if (!gen_row_begin(context, run, &s->rows[i], i / s->per_prompt, i % s->per_prompt))
			return false;
	return true;
}

static void
close_row(gen_run *run, gen_row *row, bool keep)
{
	if (row->sequence >= 0)
		run->decoder.close(run->decoder.argument, row->sequence, keep);
	if (row->drafter >= 0)
		run->draft.close(run->draft.argument, row->drafter, keep);
	gen_guide_close(run, &row->guide);
	row->sequence = row->drafter = -1;
}

/* Open what there is room for. */
static bool
admit_prompts(tfm_context *context, gen_run *run, search *s)
{
	int64_t room = (s->limit - s->active) / s->per_prompt, count, *numbers, *given;
	int64_t left = run->request.prompt_count - s->started;
	int32_t *sequences;
	bool good;

	if (room < 1 && s->active == 0)
		room = 1;
	count = room < left ? room : left;
	if (count <= 0)
		return true;
	numbers = tfm_alloc_array(context, (size_t) count, sizeof(int64_t));
	given = tfm_alloc_array(context, (size_t) count, sizeof(int64_t));
	sequences = tfm_alloc_array(context, (size_t) count, sizeof(int32_t));
	if (numbers == NULL || given == NULL || sequences == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
		numbers[i] = s->started + i;
	good = gen_open_prompts(context, run, numbers, count, sequences, given);
	for (int64_t i = 0; i < count; i++)
	{
		gen_row *row = &s->rows[numbers[i] * s->per_prompt];

		row->sequence = sequences[i];
		row->given = given[i];
	}
	s->started += count;
	s->active += count * s->per_prompt;
	return good;
}

/* Rows that are to be stepped. */
static int64_t
list_active(const search *s, gen_row **rows)
{
	int64_t count = 0;

	for (int64_t i = 0; i < s->row_count; i++)
		if (s->rows[i].sequence >= 0 && s->rows[i].finish == GEN_UNFINISHED)
			rows[count++] = &s->rows[i];
	return count;
}

/* Give the decoder what rows have more than it; *logits: one row for each draft and one more. */
static bool
step_rows(tfm_context *context, gen_run *run, gen_row **rows, int64_t count, float **logits)
{
	run_step *steps = tfm_alloc_array(context, (size_t) count, sizeof(run_step));

	if (steps == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
	{
		gen_row *row = rows[i];
		int64_t padding = run->prompts[row->prompt].padding;
		int64_t pending = gen_row_count(row) - padding - row->given;

		steps[i] = (run_step) {.sequence = row->sequence,
							   .ids = gen_row_ids(row) + padding + row->given,
							   .count = pending,
							   .wanted = 1 + row->draft_count};
		row->given += pending;
	}
	return run->decoder.step(context, run->decoder.argument, steps, count, logits, NULL);
}

/* The other sequences of a prompt begin where its first has got to. */
static bool
start_others(tfm_context *context, gen_run *run, search *s, const verdict *first, verdict *verdicts,
			 int64_t *count)
{
	size_t bytes = (size_t) run->decoder.vocabulary * sizeof(float);

	for (int64_t i = 1; i < s->per_prompt; i++)
	{
		gen_row *row = first->row + i;
		float *logits = tfm_alloc(context, bytes);

		row->sequence = run->decoder.fork(context, run->decoder.argument, first->row->sequence);
		row->given = first->row->given;
		if (row->sequence < 0 || logits == NULL)
			return false;
		memcpy(logits, first->logits, bytes);
		verdicts[(*count)++] = (verdict) {.row = row, .logits = logits};
	}
	return true;
}

static bool
guide_rows(tfm_context *context, gen_run *run, const verdict *verdicts, int64_t count)
{
	gen_guide **guides = tfm_alloc_array(context, (size_t) count, sizeof(gen_guide *));
	int64_t *prompts = tfm_alloc_array(context, (size_t) count, sizeof(int64_t));
	int32_t *last = tfm_alloc_array(context, (size_t) count, sizeof(int32_t));
	float **scores = tfm_alloc_array(context, (size_t) count, sizeof(float *));

	if (guides == NULL || prompts == NULL || last == NULL || scores == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
	{
		gen_row *row = verdicts[i].row;

		guides[i] = &row->guide;
		prompts[i] = row->prompt;
		last[i] = gen_row_ids(row)[gen_row_count(row) - 1];
		scores[i] = verdicts[i].logits;
	}
	return gen_guide_scores(context, run, guides, prompts, last, count, scores);
}

/* ---- Choosing ---- */

static int32_t
choose_best(const gen_scores *scores)
{
	if (scores->kept != NULL && scores->kept_count > 0)
		return scores->kept[0];
	return (int32_t) gen_argmax(scores->values, scores->count);
}

/*
 * Whether a drafted token is taken, and else what comes instead (Leviathan et al. 2022, algorithm
 * 1; with a weight the ensemble of arXiv 2604.07622).
 */
static int32_t
choose_speculative(tfm_context *context, const gen_run *run, gen_row *row, const gen_scores *scores,
				   float *drawn_from, int32_t drafted)
{
	size_t size = (size_t) scores->count;
	float *p = tfm_alloc_array(context, size, sizeof(float));
	float *q = tfm_alloc_array(context, size, sizeof(float)), sum = 0;
	double share = run->config->assistant_ensemble_weight, ratio;
	int64_t place;

	if (p == NULL || q == NULL)
		return 0;
	gen_probabilities(scores, p);
	gen_probabilities(&(gen_scores) {.values = drawn_from, .count = scores->count}, q);
	ratio = (double) p[drafted] / (double) q[drafted];
	if (share > 0)
		ratio = 1 - share + share * ratio;
	if (gen_random_double(&row->random) <= ratio)
		return drafted;
	for (size_t i = 0; i < size; i++)
	{
		q[i] = p[i] > q[i] ? p[i] - q[i] : 0;
		sum += q[i];
	}
	place = gen_draw(sum > 0 ? q : p, scores->count, &row->random);
	return place < 0 ? 0 : (int32_t) place;
}

/* The best by a weighted mean of what both models say. */
static int32_t
choose_ensemble(tfm_context *context, const gen_run *run, const gen_scores *scores,
				float *drawn_from)
{
	size_t size = (size_t) scores->count;
	float *p = tfm_alloc_array(context, size, sizeof(float));
	float *q = tfm_alloc_array(context, size, sizeof(float));
	float share = (float) run->config->assistant_ensemble_weight;

	if (p == NULL || q == NULL)
		return 0;
	gen_probabilities(scores, p);
	gen_probabilities(&(gen_scores) {.values = drawn_from, .count = scores->count}, q);
	for (size_t i = 0; i < size; i++)
		p[i] = share * p[i] + (1 - share) * q[i];
	return (int32_t) gen_argmax(p, scores->count);
}

/* The next token; drawn_from: what drafted was drawn from, or NULL. */
static int32_t
choose_token(tfm_context *context, const gen_run *run, gen_row *row, const gen_scores *scores,
			 float *drawn_from, int32_t drafted)
{
	if (run->config->do_sample)
		return drawn_from == NULL
				   ? gen_sample(context, scores, &row->random)
				   : choose_speculative(context, run, row, scores, drawn_from, drafted);
	if (drawn_from != NULL && run->config->assistant_ensemble_weight > 0)
		return choose_ensemble(context, run, scores, drawn_from);
	return choose_best(scores);
}

static bool
record_score(tfm_context *context, gen_row *row, const gen_scores *scores, int32_t token)
{
	double score = (double) scores->values[token] - gen_log_sum_exp(scores);

	row->score += score;
	return gen_append_float(context, &row->scores, score);
}

/* Choose the row's next token by its scores, and see whether it is its last. */
static bool
extend_row(tfm_context *context, gen_run *run, gen_row *row, float *logits, float *drawn_from,
		   int32_t drafted, int32_t *token)
{
	gen_scores scores = {.values = logits, .count = run->decoder.vocabulary};
	gen_prefix prefix = gen_row_prefix(run, row);
	bool ends;

	if (run->config->output_logits && !gen_keep_logits(context, run, row, logits))
		return false;
	if (!gen_process(context, run->processors, GEN_ALL, &prefix, &scores, 1))
		return false;
	*token = choose_token(context, run, row, &scores, drawn_from, drafted);
	if (tfm_failed(context) ||
		(run->config->output_scores && !record_score(context, row, &scores, *token)))
		return false;
	ends = gen_has_id(run->config->eos_token_id, *token);
	if (row->matcher != NULL && !ends && !gen_matcher_accept(context, row->matcher, *token))
		return false;
	row->finish =
		gen_check_end(context, run, row->prompt, prefix.ids, prefix.count, *token, row->matcher);
	context->usage.made++;
	return gen_append_id(context, &row->ids, *token);
}

/* Take what the verdict on a row allows: the draft as far as it is right, and one token more. */
static bool
take_tokens(tfm_context *context, gen_run *run, const verdict *v)
{
	gen_row *row = v->row;
	int64_t count = row->draft_count, taken = 0, size = run->decoder.vocabulary;
	int64_t base = gen_row_count(row) - count;
	int32_t *draft = tfm_alloc_array(context, (size_t) count + 1, sizeof(int32_t)), token = -1;

	if (draft == NULL)
		return false;
	memcpy(draft, gen_row_ids(row) + base, (size_t) count * sizeof(int32_t));
	row->ids.length = (size_t) base * sizeof(int32_t);
	for (; taken <= count; taken++)
	{
		float *drawn_from = v->drawn_from == NULL || taken == count ? NULL : v->drawn_from[taken];

		if (!extend_row(context, run, row, v->logits + taken * size, drawn_from, draft[taken],
						&token))
			return false;
		if (row->finish != GEN_UNFINISHED || taken == count || token != draft[taken])
			break;
	}
	/* The last token was not given to the decoder, be it the draft's or another. */
	return count == 0 || gen_end_draft(context, run, row, taken);
}

/* ---- A step ---- */

/* What is known of all rows after the decoder's step. */
static bool
make_verdicts(tfm_context *context, gen_run *run, search *s, gen_row **rows, int64_t count,
			  float *logits, float **drawn_from, verdict *verdicts, int64_t *made)
{
	for (int64_t i = 0; i < count; i++)
	{
		bool first = gen_row_count(rows[i]) == (int64_t) run->prompts[rows[i]->prompt].ids.count;
		verdict v = {.row = rows[i], .logits = logits, .drawn_from = drawn_from};

		verdicts[(*made)++] = v;
		if (first && s->per_prompt > 1 && !start_others(context, run, s, &v, verdicts, made))
			return false;
		logits += (1 + rows[i]->draft_count) * run->decoder.vocabulary;
		if (drawn_from != NULL)
			drawn_from += rows[i]->draft_count;
	}
	return true;
}

static bool
advance_rows(tfm_context *context, gen_run *run, bool *more)
{
	search *s = run->state;
	gen_row **rows = tfm_alloc_array(context, (size_t) s->row_count + 1, sizeof(gen_row *));
	verdict *verdicts = tfm_alloc_array(context, (size_t) s->row_count + 1, sizeof(verdict));
	float *logits, **drawn_from = NULL;
	int64_t count, made = 0;

	if (rows == NULL || verdicts == NULL || !admit_prompts(context, run, s))
		return false;
	count = list_active(s, rows);
	if (gen_makes_drafts(run) && !gen_make_drafts(context, run, rows, count, &drawn_from))
		return false;
	if (count > 0 &&
		(!step_rows(context, run, rows, count, &logits) ||
		 !make_verdicts(context, run, s, rows, count, logits, drawn_from, verdicts, &made)))
		return false;
	if (gen_is_guided(run) && made > 0 && !guide_rows(context, run, verdicts, made))
		return false;
	for (int64_t i = 0; i < made; i++)
	{
		gen_row *row = verdicts[i].row;

		if (tfm_stopped(context) || !take_tokens(context, run, &verdicts[i]))
			return false;
		if (row->finish == GEN_UNFINISHED)
			continue;
		close_row(run, row, row == &s->rows[row->prompt * s->per_prompt]);
		s->active--;
	}
	*more = s->active > 0 || s->started < run->request.prompt_count;
	return true;
}

/* ---- The end ---- */

static void
expire_rows(gen_run *run)
{
	search *s = run->state;

	for (int64_t i = 0; i < s->row_count; i++)
	{
		gen_row *row = &s->rows[i];

		if (row->finish != GEN_UNFINISHED)
			continue;
		row->finish = GEN_TIME;
		/* a draft that was not verified */
		row->ids.length -= (size_t) row->draft_count * sizeof(int32_t);
		row->draft_count = 0;
	}
}

static bool
row_results(tfm_context *context, gen_run *run, gen_sequence **sequences, int64_t *count)
{
	search *s = run->state;

	*sequences = tfm_alloc_array(context, (size_t) s->row_count + 1, sizeof(gen_sequence));
	if (*sequences == NULL)
		return false;
	for (int64_t i = 0; i < s->row_count; i++)
		(*sequences)[i] = gen_row_result(run, &s->rows[i]);
	*count = s->row_count;
	return true;
}

static gen_sequence
row_partial(const gen_run *run, int64_t prompt)
{
	const search *s = run->state;

	return gen_row_result(run, &s->rows[prompt * s->per_prompt]);
}

static void
close_rows(gen_run *run, bool keep)
{
	search *s = run->state;

	for (int64_t i = 0; s != NULL && s->rows != NULL && i < s->row_count; i++)
	{
		/* a row that was never begun is all zeros */
		if (s->rows[i].ids.data != NULL)
			close_row(run, &s->rows[i], keep && i % s->per_prompt == 0);
	}
}

static void
free_rows(gen_run *run)
{
	search *s = run->state;

	for (int64_t i = 0; s != NULL && s->rows != NULL && i < s->row_count; i++)
		gen_row_free(&s->rows[i]);
}

const gen_method gen_method_rows = {
	.name = "search",
	.begin = begin_rows,
	.step = advance_rows,
	.expire = expire_rows,
	.results = row_results,
	.partial = row_partial,
	.close = close_rows,
	.free = free_rows,
};
