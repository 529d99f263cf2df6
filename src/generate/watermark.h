/*
 * watermark.h
 *	  Watermarks: scores are moved so that who knows the key can tell the text was generated.
 *
 * Greenlists are Kirchenbauer et al. 2023 as Transformers' WatermarkLogitsProcessor has them, SynthID
 * is Dathathri et al. 2024 as SynthIDTextWatermarkLogitsProcessor; the numbers are torch's own, so
 * that Transformers' detectors find them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_GENERATE_WATERMARK_H
#define TFM_GENERATE_WATERMARK_H

#include "generate/config.h"
#include "generate/scores.h"

/* What all rows of a run share: tables made of the key. */
typedef struct gen_watermarker gen_watermarker;

/* What SynthID remembers of a row. */
typedef struct gen_synthid_state gen_synthid_state;

/* In the context's arena; NULL on error. */
extern gen_watermarker *gen_watermarker_create(tfm_context *context, const gen_config *config,
											   int64_t vocabulary);
extern gen_synthid_state *gen_synthid_state_create(tfm_context *context, const gen_config *config);

/* Mark the scores that follow ids[count]; state is for SynthID alone. */
extern bool gen_watermark_scores(tfm_context *context, gen_watermarker *watermarker,
								 const int32_t *ids, int64_t count, gen_synthid_state *state,
								 gen_scores *scores);

#endif
