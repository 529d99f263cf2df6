/*
 * electra.h
 *	  What ELECTRA, RoFormer and ConvBERT share: BERT's encoder after embeddings of a width of their own,
 *	  no pooler, and a summary of the sequence, by which choices are scored.
 *
 * A family fills an electra_config, as the first member of its own.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_ELECTRA_H
#define TFM_NN_ELECTRA_H

#include "nn/encoder.h"
#include "nn/summary.h"

typedef struct electra_config
{
	encoder_config encoder;
	summary summary;
} electra_config;

/* The names of its generator's head. */
extern const lm_head electra_lm_head;

/*
 * Read the keys of config.json, with what is in c->encoder as the defaults; width is that of
 * embeddings, 0 for hidden_size.
 */
extern void electra_read_config(tfm_context *context, json file, int64_t width,
								const summary_defaults *summed, electra_config *c);

/* Heads, for an nn_head's forward; config starts with an electra_config. */
extern void electra_multiple_choice(nn_model *m, const void *config);

/* Emit for each token of x [tokens, hidden] whether it was replaced. */
extern void electra_discriminate(nn_model *m, tensor x, op_activation activation);

#endif
