/*
 * efficient.h
 *	  What Nyströmformer, YOSO and MRA share: BERT's encoder with another attention, positions that
 *	  count from 2, no pooler, and heads over the first token.
 *
 * A family fills an encoder_config, as the first member of its own.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_EFFICIENT_H
#define TFM_NN_EFFICIENT_H

#include "nn/encoder.h"
#include "nn/heads.h"

/* The keys of config.json, with what is in c, a copy of encoder_bert, as the defaults. */
extern void efficient_read_config(tfm_context *context, json file, encoder_config *c);

/* make_positions of nn_family. */
extern void efficient_positions(const void *config, const int32_t *ids, const uint8_t *mask,
								int64_t count, int32_t *positions);

/* The heads that all of them have; ends with a NULL suffix. */
extern const nn_head efficient_heads[];

#endif
