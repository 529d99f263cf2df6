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

/* What they differ in where config.json says nothing; 0: as BERT. */
typedef struct efficient_defaults
{
	int64_t vocab_size;
	int64_t positions;
	int64_t types;
	op_activation activation;
	double norm_eps;
} efficient_defaults;

/* Read the keys of config.json. */
extern void efficient_read_config(tfm_context *context, json file,
								  const efficient_defaults *defaults, encoder_config *c);

/* make_positions of nn_family. */
extern void efficient_positions(const void *config, const int32_t *ids, const uint8_t *mask,
								int64_t count, int32_t *positions);

/* The heads that all of them have; ends with a NULL suffix. */
extern const nn_head efficient_heads[];

#endif
