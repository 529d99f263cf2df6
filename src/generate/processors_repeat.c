/*
 * processors_repeat.c
 *	  Processors that look at what was said already, and at sequences that are wanted or not.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <string.h>

#include "generate/processor.h"

/* ---- Sequences: biases and bad words ---- */

static bool
check_ids(tfm_context *context, const gen_lists *lists, int64_t vocabulary, const char *name)
{
	size_t count = lists->count == 0 ? 0 : lists->starts[lists->count];

	for (size_t i = 0; i < count; i++)
		if (lists->ids[i] >= vocabulary)
			return tfm_fail(context, TFM_INVALID_ARGUMENT,
							"\"%s\" has token %d, but the vocabulary ends at %lld", name,
							lists->ids[i], (long long) vocabulary - 1);
	return true;
}

/* What is forced has to be there. */
static bool
check_forced(tfm_context *context, const gen_config *config, int64_t vocabulary)
{
	size_t one[] = {0, 1}, ends[] = {0, config->forced_eos_token_id.count};
	gen_lists bos = {.count = config->forced_bos_token_id >= 0,
					 .ids = &config->forced_bos_token_id,
					 .starts = one};
	gen_lists eos = {.count = 1, .ids = config->forced_eos_token_id.ids, .starts = ends};

	return check_ids(context, &bos, vocabulary, "forced_bos_token_id") &&
		   check_ids(context, &eos, vocabulary, "forced_eos_token_id") &&
		   check_ids(context, &config->force_words.lists, vocabulary, "force_words_ids");
}

static bool
is_equal_list(gen_ids a, gen_ids b)
{
	return a.count == b.count && memcmp(a.ids, b.ids, a.count * sizeof(int32_t)) == 0;
}

/* Hide what a later list replaces. */
static void
hide_replaced(tfm_context *context, const gen_lists *lists, uint8_t *hidden)
{
	for (size_t i = 0; i < lists->count && !tfm_stopped(context); i++)
		for (size_t other = i + 1; other < lists->count && !hidden[i]; other++)
			hidden[i] = is_equal_list(gen_list(lists, i), gen_list(lists, other));
}

static void
hide_ends(const gen_lists *lists, gen_ids ends, uint8_t *hidden)
{
	for (size_t i = 0; i < lists->count; i++)
	{
		gen_ids list = gen_list(lists, i);

		hidden[i] = list.count == 1 && gen_has_id(ends, list.ids[0]);
	}
}

bool
gen_prepare_sequences(tfm_context *context, gen_processors *all)
{
	const gen_config *config = all->config;
	bool biased = config->sequence_bias.count > 0, banned = config->bad_words.count > 0;

	if (!check_ids(context, &config->sequence_bias, all->vocabulary, "sequence_bias") ||
		!check_ids(context, &config->bad_words, all->vocabulary, "bad_words_ids"))
		return false;
	if (!check_forced(context, config, all->vocabulary))
		return false;
	if (config->repetition_penalty != 1 || config->encoder_repetition_penalty != 1)
		all->seen = tfm_alloc_zero(context, (size_t) all->vocabulary);
	if (biased)
	{
		all->bias = tfm_alloc_zero(context, (size_t) all->vocabulary * sizeof(float));
		all->bias_hidden = tfm_alloc_zero(context, config->sequence_bias.count);
		if (all->bias_hidden != NULL)
			hide_replaced(context, &config->sequence_bias, all->bias_hidden);
	}
	if (banned)
	{
		all->word_hidden = tfm_alloc_zero(context, config->bad_words.count);
		if (all->word_hidden != NULL)
			hide_ends(&config->bad_words, config->eos_token_id, all->word_hidden);
	}
	return !tfm_failed(context);
}

/* Whether all of a list but its last id stand at the end of what there is. */
static bool
is_begun(const gen_prefix *prefix, gen_ids list)
{
	int64_t length = (int64_t) list.count - 1;

	if (length > prefix->count)
		return false;
	return memcmp(prefix->ids + prefix->count - length, list.ids,
				  (size_t) length * sizeof(int32_t)) == 0;
}

bool
gen_bias_sequences(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
				   gen_scores *scores)
{
	const gen_lists *lists = &all->config->sequence_bias;

	(void) context;
	/* All that concerns a token is added up before, so that its score is rounded once. */
	for (size_t i = 0; i < lists->count; i++)
	{
		gen_ids list = gen_list(lists, i);

		if (!all->bias_hidden[i] && is_begun(prefix, list))
			all->bias[list.ids[list.count - 1]] += all->config->sequence_biases[i];
	}
	for (size_t i = 0; i < lists->count; i++)
	{
		int32_t last = lists->ids[lists->starts[i + 1] - 1];

		scores->values[last] += all->bias[last];
		all->bias[last] = 0;
	}
	return true;
}

bool
gen_ban_words(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
			  gen_scores *scores)
{
	const gen_lists *lists = &all->config->bad_words;

	(void) context;
	for (size_t i = 0; i < lists->count; i++)
	{
		gen_ids list = gen_list(lists, i);

		if (!all->word_hidden[i] && is_begun(prefix, list))
			scores->values[list.ids[list.count - 1]] = -INFINITY;
	}
	return true;
}

/* ---- Penalties ---- */

/* What other groups of beams have chosen in this step is worse for each time that they did. */
bool
gen_diversify(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
			  gen_scores *scores)
{
	gen_ids earlier = prefix->earlier;

	(void) context;
	for (size_t i = 0; i < earlier.count; i++)
	{
		int32_t id = earlier.ids[i];
		size_t times = 0;
		bool first = true;

		for (size_t j = 0; j < earlier.count; j++)
		{
			times += earlier.ids[j] == id;
			first &= j >= i || earlier.ids[j] != id;
		}
		if (first && id >= 0 && id < scores->count)
			scores->values[id] -= (float) all->config->diversity_penalty * (float) times;
	}
	return true;
}

/* Penalize each of the ids once. */
static void
penalize(gen_processors *all, const int32_t *ids, int64_t count, float penalty, gen_scores *scores)
{
	for (int64_t i = 0; i < count; i++)
	{
		int32_t id = ids[i];
		float *value;

		if (id < 0 || id >= scores->count || all->seen[id])
			continue;
		all->seen[id] = 1;
		value = &scores->values[id];
		*value = *value < 0 ? *value * penalty : *value / penalty;
	}
	for (int64_t i = 0; i < count; i++)
		if (ids[i] >= 0 && ids[i] < scores->count)
			all->seen[ids[i]] = 0;
}

bool
gen_penalize_repetition(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
						gen_scores *scores)
{
	(void) context;
	penalize(all, prefix->ids + prefix->padding, prefix->count - prefix->padding,
			 (float) all->config->repetition_penalty, scores);
	return true;
}

bool
gen_penalize_encoder(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
					 gen_scores *scores)
{
	(void) context;
	penalize(all, prefix->encoder.ids, (int64_t) prefix->encoder.count,
			 (float) (1 / all->config->encoder_repetition_penalty), scores);
	return true;
}

/* ---- N-grams ---- */

/* Ban what follows, in ids, each place where the last n - 1 ids of the prefix stand. */
static void
ban_followers(const gen_prefix *prefix, int64_t n, const int32_t *ids, int64_t count,
			  gen_scores *scores)
{
	const int32_t *last = prefix->ids + prefix->count - (n - 1);

	if (prefix->count < n - 1)
		return;
	for (int64_t i = 0; i + n <= count; i++)
	{
		int32_t next = ids[i + n - 1];

		if (next >= 0 && next < scores->count &&
			memcmp(ids + i, last, (size_t) (n - 1) * sizeof(int32_t)) == 0)
			scores->values[next] = -INFINITY;
	}
}

bool
gen_ban_ngrams(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
			   gen_scores *scores)
{
	(void) context;
	ban_followers(prefix, all->config->no_repeat_ngram_size, prefix->ids, prefix->count, scores);
	return true;
}

bool
gen_ban_encoder_ngrams(tfm_context *context, gen_processors *all, const gen_prefix *prefix,
					   gen_scores *scores)
{
	(void) context;
	ban_followers(prefix, all->config->encoder_no_repeat_ngram_size, prefix->encoder.ids,
				  (int64_t) prefix->encoder.count, scores);
	return true;
}
