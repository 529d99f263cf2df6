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

/* Constraints of output: constraint c is met by any one of the lists starts[c] .. starts[c + 1] - 1. */
typedef struct gen_words
{
	size_t count;
	const size_t *starts; /* [count + 1], into lists */
	gen_lists lists;
} gen_words;

typedef enum gen_assistant_schedule
{
	ASSISTANT_CONSTANT,
	ASSISTANT_HEURISTIC, /* two more after a draft that was all right, one less after another */
} gen_assistant_schedule;

typedef enum gen_watermark
{
	WATERMARK_NONE,
	WATERMARK_LEFTHASH,
	WATERMARK_SELFHASH,
	WATERMARK_SYNTHID
} gen_watermark;

/* What may be asked for, whatever a caller says. */
#define GEN_MAX_BEAMS 256
#define GEN_MAX_RETURN_SEQUENCES 1024
#define GEN_MAX_WORDS 65536 /* numbers in one list of lists */
#define GEN_MAX_FORCED 1024 /* words that must appear */
#define GEN_MAX_ENDS 256
#define GEN_MAX_TOKENS 2147483647

/* The keys of GenerationConfig by their names; what is not given has Transformers' default. */
typedef struct gen_config
{
	/* length */
	int64_t max_length;		/* prompt included, of decoders alone; 0: 20 more than the prompt */
	int64_t max_new_tokens; /* 0: not given, max_length counts */
	int64_t min_length;
	int64_t min_new_tokens; /* 0: not given, min_length counts */
	double max_time;		/* seconds; 0: no limit */
	const tfm_text *stop_strings;
	size_t stop_string_count;

	/* strategy */
	bool do_sample;
	int64_t num_beams;
	int64_t num_beam_groups;
	double diversity_penalty;
	double length_penalty;
	gen_early_stopping early_stopping;
	int64_t num_return_sequences;
	double penalty_alpha; /* of contrastive search; 0: none */
	int64_t prompt_lookup_num_tokens;
	int64_t max_matching_ngram_size;
	int64_t num_assistant_tokens;
	gen_assistant_schedule num_assistant_tokens_schedule;
	double assistant_confidence_threshold;
	double assistant_ensemble_weight; /* 0: none */
	gen_words force_words;			  /* each must appear; constrained beam search */

	/* scores */
	double temperature;
	int64_t top_k; /* 0: all */
	double top_p;  /* 1: all */
	double min_p;  /* 0: all; the same for those below */
	double top_h, typical_p, epsilon_cutoff, eta_cutoff;
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
	gen_ids negative_prompt; /* for it; none: the prompt's last token */
	bool token_healing;
	gen_watermark watermark;
	double watermark_greenlist_ratio, watermark_bias;
	int64_t watermark_hashing_key, watermark_context_width;
	int64_t watermark_ngram_len, watermark_context_history_size; /* of SynthID */
	int64_t watermark_sampling_table_size, watermark_sampling_table_seed;
	bool watermark_skip_first_ngram_calls;
	const int64_t *watermark_keys;
	size_t watermark_key_count;

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
 * files; values of a wrong type or out of range are INVALID_ARGUMENT always.  A null leaves a file's
 * key as it was, and switches off what a caller's key is for (eos_token_id, top_k), as in Transformers.
 *
 * Keys that do not change what is generated (use_cache, compile_config ...) are taken and have no effect;
 * those of what is not there (dola_layers, constraints as objects, use_mtp ...) are UNSUPPORTED.
 * Beside Transformers' own: seed, negative_prompt_ids.  What config points to lies in the context's arena.
 */
extern bool gen_config_read(tfm_context *context, json object, bool strict, gen_config *config);

/* Whether GenerationConfig has a key of that name. */
extern bool gen_config_knows(const char *key);

/* Whether its parts fit each other, as GenerationConfig.validate; INVALID_ARGUMENT if not. */
extern bool gen_config_check(tfm_context *context, const gen_config *config);

/*
 * The id that Transformers' generate fills sequences with to make them equally long: on the right
 * of what ended, and on the left of prompts.  0 where there is none.
 */
extern int32_t gen_config_fill(const gen_config *config);
extern int32_t gen_config_pad(const gen_config *config);

/* Whether an id is in a list. */
static inline bool
gen_has_id(gen_ids list, int32_t id)
{
	for (size_t i = 0; i < list.count; i++)
		if (list.ids[i] == id)
			return true;
	return false;
}

/* List i of lists. */
static inline gen_ids
gen_list(const gen_lists *lists, size_t i)
{
	return (gen_ids) {.count = lists->starts[i + 1] - lists->starts[i],
					  .ids = lists->ids + lists->starts[i]};
}

#endif
