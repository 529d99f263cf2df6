/*
 * guidance.c
 *	  Classifier-free guidance: what the prompt makes likelier becomes likelier still.
 *
 * Follows UnbatchedClassifierFreeGuidanceLogitsProcessor: beside each row a second sequence grows by the
 * same tokens from the negative prompt, or from the prompt's last token.  Among beams it belongs to a place, not to
 * what stands there: Transformers does not reorder it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/run.h"

/* What a guide is given: at first its own prompt, then what the row was given last. */
static bool
add_step(tfm_context *context, gen_run *run, gen_guide *guide, int64_t prompt, const int32_t *last,
		 run_step *step)
{
	gen_ids ids = {.count = 1, .ids = last};

	if (guide->sequence < 0)
	{
		if (run->config->negative_prompt.count > 0)
			ids = run->config->negative_prompt;
		else
		{
			gen_ids own = run->prompts[prompt].ids;

			ids.ids = own.ids + own.count - 1;
		}
		guide->sequence = run->decoder.open(context, run->decoder.argument, NULL, 0, NULL);
		if (guide->sequence < 0)
			return false;
	}
	*step = (run_step) {
		.sequence = guide->sequence, .ids = ids.ids, .count = (int64_t) ids.count, .wanted = 1};
	return true;
}

bool
gen_guide_scores(tfm_context *context, gen_run *run, gen_guide **guides, const int64_t *prompts,
				 const int32_t *last, int64_t count, float **scores)
{
	run_step *steps = tfm_alloc_array(context, (size_t) count, sizeof(run_step));
	float scale = (float) run->config->guidance_scale, *logits;
	int64_t size = run->decoder.vocabulary;

	if (steps == NULL)
		return false;
	for (int64_t i = 0; i < count; i++)
		if (!add_step(context, run, guides[i], prompts[i], &last[i], &steps[i]))
			return false;
	if (!run->decoder.step(context, run->decoder.argument, steps, count, &logits, NULL))
		return false;
	for (int64_t i = 0; i < count; i++)
	{
		float *without = logits + i * size;

		gen_log_softmax(scores[i], size);
		gen_log_softmax(without, size);
		for (int64_t j = 0; j < size; j++)
			scores[i][j] = scale * (scores[i][j] - without[j]) + without[j];
	}
	return true;
}

void
gen_guide_close(gen_run *run, gen_guide *guide)
{
	if (guide->sequence >= 0)
		run->decoder.close(run->decoder.argument, guide->sequence, false);
	guide->sequence = -1;
}
