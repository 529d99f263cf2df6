/*
 * row.c
 *	  Sequences that grow: their ids, when they end, what comes out.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdlib.h>

#include "base/clock.h"
#include "generate/run.h"
#include "generate/watermark.h"

bool
gen_append_id(tfm_context *context, buffer *ids, int32_t id)
{
	return buffer_append(context, ids, &id, sizeof(id));
}

bool
gen_append_float(tfm_context *context, buffer *values, double value)
{
	float number = (float) value;

	return buffer_append(context, values, &number, sizeof(number));
}

bool
gen_row_begin(tfm_context *context, gen_run *run, gen_row *row, int64_t prompt, int64_t number)
{
	gen_ids ids = run->prompts[prompt].ids;

	*row = (gen_row) {.prompt = prompt, .sequence = -1, .guide = {.sequence = -1}, .drafter = -1};
	row->draft_limit = run->config->num_assistant_tokens;
	/* What a prompt gives does not depend on those beside it: streams are of its own sequences. */
	gen_random_seed(&row->random, run->config->seed, (uint64_t) number);
	if (!buffer_append(context, &row->ids, ids.ids, ids.count * sizeof(int32_t)))
		return false;
	if (run->request.constraint != NULL)
	{
		row->matcher =
			gen_matcher_create(context, run->request.constraint, run->request.vocabulary);
		if (row->matcher == NULL)
			return false;
	}
	if (run->config->watermark == WATERMARK_SYNTHID)
	{
		row->watermark = gen_synthid_state_create(context, run->config);
		if (row->watermark == NULL)
			return false;
	}
	return true;
}

void
gen_row_free(gen_row *row)
{
	free(row->ids.data);
	free(row->scores.data);
	free(row->logits.data);
	row->ids = row->scores = row->logits = (buffer) {0};
}

#define MAX_LOGITS ((size_t) 1 << 30) /* bytes */

bool
gen_keep_logits(tfm_context *context, gen_run *run, gen_row *row, const float *logits)
{
	size_t bytes = (size_t) run->decoder.vocabulary * sizeof(float);

	run->logit_bytes += bytes;
	if (run->logit_bytes > MAX_LOGITS)
		return tfm_fail(context, TFM_LIMIT_EXCEEDED,
						"\"output_logits\" would take more than %zu MB", MAX_LOGITS >> 20);
	return buffer_append(context, &row->logits, logits, bytes);
}

gen_prefix
gen_row_prefix(const gen_run *run, const gen_row *row)
{
	const gen_prompt *prompt = &run->prompts[row->prompt];

	return (gen_prefix) {
		.ids = gen_row_ids(row),
		.count = gen_row_count(row),
		.padding = prompt->padding,
		.prompt_length = (int64_t) prompt->ids.count,
		.min_length = prompt->min_length,
		.max_length = prompt->max_length,
		.prompt = row->prompt,
		.encoder = prompt->inputs,
		.matcher = row->matcher,
		.watermark = row->watermark,
	};
}

gen_finish
gen_check_end(tfm_context *context, gen_run *run, int64_t number, const int32_t *ids, int64_t count,
			  int32_t next, const gen_matcher *matcher)
{
	const gen_prompt *prompt = &run->prompts[number];

	if (gen_has_id(run->config->eos_token_id, next))
		return GEN_STOPPED;
	if (run->stops != NULL && gen_stops_match(context, run->stops, ids, count, next))
		return GEN_STOPPED;
	if (matcher != NULL && gen_matcher_must_end(matcher))
		return GEN_STOPPED;
	if (count + 1 >= prompt->max_length || count + 1 - prompt->padding > run->decoder.max_length)
		return GEN_LENGTH;
	if (run->deadline > 0 && clock_now() > run->deadline)
		return GEN_TIME;
	return GEN_UNFINISHED;
}

gen_ids
gen_prompt_begin(const gen_prompt *prompt)
{
	return (gen_ids) {.count = prompt->ids.count - (size_t) prompt->padding,
					  .ids = prompt->ids.ids + prompt->padding};
}

gen_sequence
gen_row_result(const gen_run *run, const gen_row *row)
{
	int64_t begin = (int64_t) run->prompts[row->prompt].ids.count;

	return (gen_sequence) {
		.prompt = row->prompt,
		.begin = gen_prompt_begin(&run->prompts[row->prompt]),
		.ids = gen_row_ids(row) + begin,
		.count = gen_row_count(row) - begin,
		.finish = row->finish,
		.score = row->score,
		.scores =
			run->config->output_scores ? (const float *) (const void *) row->scores.data : NULL,
		.logits =
			run->config->output_logits ? (const float *) (const void *) row->logits.data : NULL,
	};
}
