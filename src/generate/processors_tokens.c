/*
 * processors_tokens.c
 *	  Processors that allow, force or favour single tokens, most of them ends.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <float.h>
#include <math.h>

#include "generate/processor.h"

static void
suppress_ids(gen_scores *scores, gen_ids ids)
{
	for (size_t i = 0; i < ids.count; i++)
		if (ids.ids[i] < scores->count)
			scores->values[ids.ids[i]] = -INFINITY;
}

static void
force_ids(gen_scores *scores, gen_ids ids)
{
	for (int64_t i = 0; i < scores->count; i++)
		scores->values[i] = -INFINITY;
	for (size_t i = 0; i < ids.count; i++)
		if (ids.ids[i] < scores->count)
			scores->values[ids.ids[i]] = 0;
}

bool
gen_hold_length(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
				gen_scores *scores)
{
	(void) context;
	if (prefix->count < prefix->min_length)
		suppress_ids(scores, all->config->eos_token_id);
	return true;
}

bool
gen_hold_new_tokens(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
					gen_scores *scores)
{
	(void) context;
	if (prefix->count - prefix->prompt_length < all->config->min_new_tokens)
		suppress_ids(scores, all->config->eos_token_id);
	return true;
}

bool
gen_force_first(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
				gen_scores *scores)
{
	(void) context;
	if (prefix->count == 1)
		force_ids(scores, (gen_ids) {.count = 1, .ids = &all->config->forced_bos_token_id});
	return true;
}

bool
gen_force_end(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
			  gen_scores *scores)
{
	(void) context;
	if (prefix->count == prefix->max_length - 1)
		force_ids(scores, all->config->forced_eos_token_id);
	return true;
}

bool
gen_remove_invalid(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
				   gen_scores *scores)
{
	(void) context, (void) all, (void) prefix;
	for (int64_t i = 0; i < scores->count; i++)
	{
		float value = scores->values[i];

		if (isnan(value))
			scores->values[i] = 0;
		else if (isinf(value))
			scores->values[i] = value > 0 ? FLT_MAX : -FLT_MAX;
	}
	return true;
}

/* The longer the text, the likelier its end. */
bool
gen_favor_end(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
			  gen_scores *scores)
{
	gen_ids ends = all->config->eos_token_id;
	int64_t past = prefix->count - (all->config->exponential_decay_start + prefix->prompt_length);
	float factor = (float) (pow(all->config->exponential_decay_factor, (double) past) - 1);

	(void) context;
	if (past <= 0)
		return true;
	for (size_t i = 0; i < ends.count; i++)
	{
		gen_ids before = {.count = i, .ids = ends.ids};
		float *value = ends.ids[i] < scores->count && !gen_has_id(before, ends.ids[i])
						   ? &scores->values[ends.ids[i]]
						   : NULL;

		if (value != NULL && isfinite(*value))
			*value += fabsf(*value) * factor;
	}
	return true;
}

bool
gen_suppress(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
			 gen_scores *scores)
{
	(void) context, (void) prefix;
	suppress_ids(scores, all->config->suppress_tokens);
	return true;
}

bool
gen_suppress_first(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
				   gen_scores *scores)
{
	int64_t begin = prefix->prompt_length;

	(void) context;
	/* A first token that is forced is not what is meant. */
	if (begin == 1 && all->config->forced_bos_token_id >= 0)
		begin++;
	if (prefix->count == begin)
		suppress_ids(scores, all->config->begin_suppress_tokens);
	return true;
}

bool
gen_match(tfm_context *context, gen_processors *all, const gen_prefix *prefix, gen_scores *scores)
{
	gen_ids ends = all->config->eos_token_id;

	if (prefix->matcher == NULL)
		return true;
	gen_matcher_limit(prefix->matcher, prefix->max_length - prefix->count);
	return gen_matcher_mask(context, prefix->matcher, scores->values, ends.ids, ends.count);
}

/* Mark what may follow a row; false, with an error, if nothing may. */
static bool
find_allowed(tfm_context *context, const gen_allow *allow, const gen_prefix *prefix, int64_t count,
			 uint8_t *allowed)
{
	bool any = false;

	for (int64_t i = 0; i < count; i++)
	{
		allowed[i] = allow->function(allow->argument, prefix->prompt, prefix->ids, prefix->count,
									 (int32_t) i);
		any |= allowed[i] != 0;
	}
	if (!any)
		return tfm_fail(context, TFM_INVALID_ARGUMENT,
						"no token is allowed after %lld tokens of prompt %lld",
						(long long) prefix->count, (long long) prefix->prompt);
	return true;
}

bool
gen_allow_rows(tfm_context *context, gen_processors *all, const gen_prefix *prefixes,
			   gen_scores *scores, int64_t count)
{
	size_t size = (size_t) all->vocabulary;
	uint8_t *allowed = tfm_alloc_array(context, (size_t) count, size);
	bool possible = false;

	if (allowed == NULL)
		return false;
	for (int64_t r = 0; r < count; r++)
	{
		uint8_t *row = allowed + (size_t) r * size;

		if (!find_allowed(context, &all->allow, &prefixes[r], all->vocabulary, row))
			return false;
		for (size_t i = 0; i < size; i++)
			if (!row[i])
				scores[r].values[i] = -INFINITY;
			else
				possible |= scores[r].values[i] != -INFINITY;
	}
	/* What is allowed in all beams is impossible otherwise: the constraint holds even so. */
	for (int64_t r = 0; r < count && !possible; r++)
		for (size_t i = 0; i < size; i++)
			if (allowed[(size_t) r * size + i])
				scores[r].values[i] = 0;
	return true;
}
