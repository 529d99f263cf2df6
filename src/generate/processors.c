/*
 * processors.c
 *	  The table of logits processors, and how a run goes through it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "generate/processor.h"

static bool
wants_biases(const gen_config *config)
{
	return config->sequence_bias.count > 0;
}

static bool
wants_diversity(const gen_config *config)
{
	return config->num_beam_groups > 1 && config->diversity_penalty != 0;
}

static bool
wants_encoder_penalty(const gen_config *config)
{
	return config->encoder_repetition_penalty != 1;
}

static bool
wants_penalty(const gen_config *config)
{
	return config->repetition_penalty != 1;
}

static bool
wants_ngrams(const gen_config *config)
{
	return config->no_repeat_ngram_size > 0;
}

static bool
wants_encoder_ngrams(const gen_config *config)
{
	return config->encoder_no_repeat_ngram_size > 0;
}

static bool
wants_bad_words(const gen_config *config)
{
	return config->bad_words.count > 0;
}

static bool
wants_min_length(const gen_config *config)
{
	return config->eos_token_id.count > 0 && (config->min_length > 0 || config->min_new_tokens > 0);
}

static bool
wants_min_new_tokens(const gen_config *config)
{
	return config->eos_token_id.count > 0 && config->min_new_tokens > 0;
}

static bool
wants_first(const gen_config *config)
{
	return config->forced_bos_token_id >= 0;
}

static bool
wants_end(const gen_config *config)
{
	return config->forced_eos_token_id.count > 0;
}

static bool
wants_valid(const gen_config *config)
{
	return config->remove_invalid_values;
}

static bool
wants_decay(const gen_config *config)
{
	return config->exponential_decay_start >= 0;
}

static bool
wants_suppress(const gen_config *config)
{
	return config->suppress_tokens.count > 0;
}

static bool
wants_begin_suppress(const gen_config *config)
{
	return config->begin_suppress_tokens.count > 0;
}

static bool
wants_temperature(const gen_config *config)
{
	return config->temperature != 1;
}

static bool
wants_top_h(const gen_config *config)
{
	return config->top_h > 0;
}

static bool
wants_top_k(const gen_config *config)
{
	return config->top_k > 0;
}

static bool
wants_top_p(const gen_config *config)
{
	return config->top_p < 1;
}

static bool
wants_min_p(const gen_config *config)
{
	return config->min_p > 0;
}

static bool
wants_typical(const gen_config *config)
{
	return config->typical_p < 1;
}

static bool
wants_epsilon(const gen_config *config)
{
	return config->epsilon_cutoff > 0;
}

static bool
wants_eta(const gen_config *config)
{
	return config->eta_cutoff > 0;
}

static bool
wants_watermark(const gen_config *config)
{
	return config->watermark != WATERMARK_NONE;
}

static bool
wants_normalized(const gen_config *config)
{
	return config->renormalize_logits;
}

/* In Transformers' order (_get_logits_processor). */
static const processor table[] = {
	{"SequenceBiasLogitsProcessor", .wanted = wants_biases, .apply = gen_bias_sequences},
	{"HammingDiversityLogitsProcessor", .wanted = wants_diversity, .apply = gen_diversify},
	{"EncoderRepetitionPenaltyLogitsProcessor", .wanted = wants_encoder_penalty,
	 .apply = gen_penalize_encoder},
	{"RepetitionPenaltyLogitsProcessor", .wanted = wants_penalty, .apply = gen_penalize_repetition},
	{"NoRepeatNGramLogitsProcessor", .wanted = wants_ngrams, .apply = gen_ban_ngrams},
	{"EncoderNoRepeatNGramLogitsProcessor", .wanted = wants_encoder_ngrams,
	 .apply = gen_ban_encoder_ngrams},
	{"NoBadWordsLogitsProcessor", .wanted = wants_bad_words, .apply = gen_ban_words},
	{"MinLengthLogitsProcessor", .wanted = wants_min_length, .apply = gen_hold_length,
	 .no_draft = true},
	{"MinNewTokensLengthLogitsProcessor", .wanted = wants_min_new_tokens,
	 .apply = gen_hold_new_tokens},
	{"PrefixConstrainedLogitsProcessor", .apply_rows = gen_allow_rows},
	{"ForcedBOSTokenLogitsProcessor", .wanted = wants_first, .apply = gen_force_first},
	{"ForcedEOSTokenLogitsProcessor", .wanted = wants_end, .apply = gen_force_end},
	{"InfNanRemoveLogitsProcessor", .wanted = wants_valid, .apply = gen_remove_invalid},
	{"ExponentialDecayLengthPenalty", .wanted = wants_decay, .apply = gen_favor_end},
	{"SuppressTokensLogitsProcessor", .wanted = wants_suppress, .apply = gen_suppress},
	{"SuppressTokensAtBeginLogitsProcessor", .wanted = wants_begin_suppress,
	 .apply = gen_suppress_first},
	{"a constraint of ours", .wanted = NULL, .apply = gen_match},
	{"TemperatureLogitsWarper", .wanted = wants_temperature, .apply = gen_warp_temperature,
	 .samples = true},
	{"TopHLogitsWarper", .wanted = wants_top_h, .apply = gen_warp_top_h, .samples = true},
	{"TopKLogitsWarper", .wanted = wants_top_k, .apply = gen_warp_top_k, .samples = true},
	{"TopPLogitsWarper", .wanted = wants_top_p, .apply = gen_warp_top_p, .samples = true},
	{"MinPLogitsWarper", .wanted = wants_min_p, .apply = gen_warp_min_p, .samples = true},
	{"TypicalLogitsWarper", .wanted = wants_typical, .apply = gen_warp_typical, .samples = true},
	{"EpsilonLogitsWarper", .wanted = wants_epsilon, .apply = gen_warp_epsilon, .samples = true},
	{"EtaLogitsWarper", .wanted = wants_eta, .apply = gen_warp_eta, .samples = true},
	{"WatermarkLogitsProcessor", .wanted = wants_watermark, .apply = gen_mark},
	{"LogitNormalization", .wanted = wants_normalized, .apply = gen_normalize},
};

static bool
is_wanted(const gen_processors *all, const processor *row)
{
	if (row->apply_rows != NULL)
		return all->allow.function != NULL;
	if (row->apply == gen_match)
		return all->constrained;
	return row->wanted(all->config) && (!row->samples || all->config->do_sample);
}

gen_processors *
gen_processors_create(tfm_context *context, const gen_config *config, int64_t vocabulary,
					  gen_allow allow, bool constrained)
{
	gen_processors *all = tfm_alloc_zero(context, sizeof(gen_processors));

	if (all == NULL)
		return NULL;
	all->config = config;
	all->vocabulary = vocabulary;
	all->allow = allow;
	all->constrained = constrained;
	/* Beams need one more than may end. */
	all->least = 1;
	if (config->num_beams > 1)
		all->least = config->eos_token_id.count > 0 ? (int64_t) config->eos_token_id.count + 1 : 2;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (is_wanted(all, &table[i]))
			all->active[all->count++] = &table[i];
	if (!gen_prepare_sequences(context, all))
		return NULL;
	if (config->watermark != WATERMARK_NONE)
		all->watermark = gen_watermarker_create(context, config, vocabulary);
	return tfm_failed(context) ? NULL : all;
}

bool
gen_processors_any(const gen_processors *processors)
{
	return processors->count > 0;
}

bool
gen_process(tfm_context *context, gen_processors *processors, gen_which which,
			const gen_prefix *prefixes, gen_scores *scores, int64_t count)
{
	for (size_t i = 0; i < processors->count; i++)
	{
		const processor *row = processors->active[i];

		if (row->no_draft && which == GEN_OF_DRAFT)
			continue;
		if (row->apply_rows != NULL)
		{
			if (!row->apply_rows(context, processors, prefixes, scores, count))
				return false;
			continue;
		}
		for (int64_t r = 0; r < count; r++)
			if (!row->apply(context, processors, &prefixes[r], &scores[r]))
				return false;
	}
	return !tfm_failed(context);
}
