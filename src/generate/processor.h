/*
 * processor.h
 *	  What the files with processors share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_PROCESSOR_H
#define TFM_GENERATE_PROCESSOR_H

#include "generate/processors.h"
#include "generate/watermark.h"

#define MAX_PROCESSORS 32

/* What processors are given beside the row. */
struct gen_processors
{
	const gen_config *config;
	int64_t vocabulary;
	gen_allow allow;
	bool constrained;
	int64_t least; /* tokens that a warper leaves: min_tokens_to_keep */
	uint8_t *seen; /* [vocabulary], all 0 between uses; NULL where no processor wants it */
	float *bias;   /* [vocabulary], the same */
	/* Which lists count: not 0 for a bias that a later one replaces, a bad word that is an end. */
	uint8_t *bias_hidden, *word_hidden;
	gen_watermarker *watermark;
	size_t count;
	const struct processor *active[MAX_PROCESSORS];
};

typedef bool (*processor_function)(tfm_context *context, gen_processors *all,
								   const gen_prefix *prefix, gen_scores *scores);

/* One row of the table. */
typedef struct processor
{
	const char *name; /* Transformers' class */
	bool (*wanted)(const gen_config *config);
	processor_function apply;
	/* Or, for those that look at all beams of a prompt: */
	bool (*apply_rows)(tfm_context *context, gen_processors *all, const gen_prefix *prefixes,
					   gen_scores *scores, int64_t count);
	bool samples;  /* only where do_sample: what was known as a warper */
	bool no_draft; /* not for drafts */
} processor;

#define PROCESSOR(name)                                                                            \
	extern bool name(tfm_context *context, gen_processors *all, const gen_prefix *prefix,          \
					 gen_scores *scores)

/* processors_repeat.c */
PROCESSOR(gen_diversify);
PROCESSOR(gen_bias_sequences);
PROCESSOR(gen_ban_words);
PROCESSOR(gen_penalize_encoder);
PROCESSOR(gen_penalize_repetition);
PROCESSOR(gen_ban_ngrams);
PROCESSOR(gen_ban_encoder_ngrams);
/* Check the ids of biases and words; make what these processors want. */
extern bool gen_prepare_sequences(tfm_context *context, gen_processors *all);

/* processors_tokens.c */
PROCESSOR(gen_hold_length);
PROCESSOR(gen_hold_new_tokens);
PROCESSOR(gen_force_first);
PROCESSOR(gen_force_end);
PROCESSOR(gen_remove_invalid);
PROCESSOR(gen_favor_end);
PROCESSOR(gen_suppress);
PROCESSOR(gen_suppress_first);
PROCESSOR(gen_match);
extern bool gen_allow_rows(tfm_context *context, gen_processors *all, const gen_prefix *prefixes,
						   gen_scores *scores, int64_t count);

/* warpers.c */
PROCESSOR(gen_warp_temperature);
PROCESSOR(gen_warp_top_h);
PROCESSOR(gen_warp_top_k);
PROCESSOR(gen_warp_top_p);
PROCESSOR(gen_warp_min_p);
PROCESSOR(gen_warp_typical);
PROCESSOR(gen_warp_epsilon);
PROCESSOR(gen_warp_eta);
PROCESSOR(gen_normalize);
PROCESSOR(gen_mark);

#endif
