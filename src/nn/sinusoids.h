/*
 * sinusoids.h
 *	  Positions as sines and cosines (Vaswani et al. 2017), which are computed and not learned.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_SINUSOIDS_H
#define TFM_NN_SINUSOIDS_H

#include "nn/model.h"

/*
 * Add to each row of x [tokens, n] what stands for the token's position: sines of all frequencies,
 * then cosines.  Returns x.
 */

/* As MarianSinusoidalPositionalEmbedding; a position beyond count is INVALID_ARGUMENT. */
extern tensor add_sinusoids(nn_model *m, tensor x, int64_t count);

/* As M2M100SinusoidalPositionalEmbedding, fairseq's; position padding_id adds nothing. */
extern tensor add_fairseq_sinusoids(nn_model *m, tensor x, int64_t padding_id);

#endif
