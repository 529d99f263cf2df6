/*
 * config.h
 *	  Transformers' GenerationConfig: what decoding is asked for.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_CONFIG_H
#define TFM_GENERATE_CONFIG_H

#include "base/json.h"

/* Lists of ids, one after the other: list i is ids[starts[i]] .. ids[starts[i + 1] - 1]. */
typedef struct gen_lists
{
	size_t count;
	const int32_t *ids;
	const size_t *starts; /* [count + 1] */
} gen_lists;

typedef struct gen_ids
{
	size_t count;
	const int32_t *ids;
} gen_ids;

typedef enum gen_early_stopping
{
	EARLY_STOPPING_FALSE,
	EARLY_STOPPING_TRUE,
	EARLY_STOPPING_NEVER
} gen_early_stopping;

/* The keys of GenerationConfig by their names; what is not given has Transformers' default. */
typedef struct gen_config
{
	/* length */
	int64_t max_length;		/* 20; prompt included, of decoders alone */
	int64_t max_new_tokens; /* 0: not given, max_length counts */
	int64_t min_length;
	int64_t min_new_tokens;
	double max_time; /* seconds; 0: no limit */
	const tfm_text *stop_strings;
	size_t stop_string_count;

	/* strategy */
	bool do_sample;
	int num_beams;
	int num_beam_groups;
	double diversity_penalty;
	double length_penalty;
	gen_early_stopping early_stopping;
	int num_return_sequences;
	double penalty_alpha; /* of contrastive search; 0: none */
	int64_t prompt_lookup_num_tokens;
	int64_t max_matching_ngram_size;
	int64_t num_assistant_tokens;
	gen_lists force_words; /* each must appear; constrained beam search */

	/* scores */
	double temperature;
	int64_t top_k;
	double top_p, min_p, top_h, typical_p, epsilon_cutoff, eta_cutoff;
	double repetition_penalty, encoder_repetition_penalty;
	int64_t no_repeat_ngram_size, encoder_no_repeat_ngram_size;
	gen_lists bad_words;
	gen_lists sequence_bias;
	const float *sequence_biases; /* [sequence_bias.count] */
	bool renormalize_logits, remove_invalid_values;
	int32_t forced_bos_token_id; /* -1: none */
	gen_ids forced_eos_token_id, suppress_tokens, begin_suppress_tokens;
	int64_t exponential_decay_start; /* -1: none */
	double exponential_decay_factor;
	double guidance_scale;	 /* 1: none */
	gen_ids negative_prompt; /* for it */
	bool token_healing;
	bool watermark;
	double watermark_greenlist_ratio, watermark_bias;
	int64_t watermark_hashing_key;
	int watermark_seeding_scheme; /* 0: lefthash, 1: selfhash */
	int watermark_context_width;

	/* tokens; -1: none */
	int32_t pad_token_id, bos_token_id, decoder_start_token_id;
	gen_ids eos_token_id;

	/* output */
	bool output_scores, output_logits;

	/* ours */
	uint64_t seed;
} gen_config;

/* Transformers' defaults. */
extern void gen_config_init(gen_config *config);

/*
 * Lay the keys of a generation_config.json, or of the caller's options, over config.  A key that is not known
 * is INVALID_ARGUMENT where strict, else it is passed over, as Transformers passes over keys of
 * files; values of a wrong type or out of range are INVALID_ARGUMENT always.
 */
extern bool gen_config_read(tfm_context *context, json object, bool strict, gen_config *config);

/* Whether GenerationConfig has a key of that name. */
extern bool gen_config_knows(const char *key);

/* Whether its parts fit each other, as GenerationConfig.validate; INVALID_ARGUMENT if not. */
extern bool gen_config_check(tfm_context *context, const gen_config *config);

#endif
