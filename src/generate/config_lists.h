/*
 * config_lists.h
 *	  Keys of GenerationConfig that are more than a number.
 *
 * Each reads the value of a key into its place in the config, in the context's arena; a value that
 * is absent (null) empties it.  INVALID_ARGUMENT for another shape, LIMIT_EXCEEDED for too much.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_CONFIG_LISTS_H
#define TFM_GENERATE_CONFIG_LISTS_H

#include "generate/config.h"

/* An id, or a list of ids. */
extern bool gen_read_ids(tfm_context *context, json value, const char *name, gen_ids *ids);

/* "text", or ["text", ...] */
extern bool gen_read_stop_strings(tfm_context *context, json value, gen_config *config);

/* true, false, "never" */
extern bool gen_read_early_stopping(tfm_context *context, json value, gen_config *config);

/* "constant", "heuristic", "heuristic_transient" */
extern bool gen_read_schedule(tfm_context *context, json value, gen_config *config);

/* [[ids] or [[ids], [ids]], ...]: each a word, or several of which one will do. */
extern bool gen_read_force_words(tfm_context *context, json value, gen_config *config);

/* [[ids], ...] */
extern bool gen_read_bad_words(tfm_context *context, json value, gen_config *config);

/* [[[ids], bias], ...] */
extern bool gen_read_sequence_bias(tfm_context *context, json value, gen_config *config);

/* [start, factor] */
extern bool gen_read_decay(tfm_context *context, json value, gen_config *config);

/* {"greenlist_ratio": ...}, or SynthID's {"ngram_len": ..., "keys": [...]} */
extern bool gen_read_watermark(tfm_context *context, json value, gen_config *config);

#endif
