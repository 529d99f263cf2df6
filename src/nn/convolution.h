/*
 * convolution.h
 *	  Convolutions over the tokens of each sequence, by their places: what a row of input_ids leaves out
 *	  counts as zeros.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_CONVOLUTION_H
#define TFM_NN_CONVOLUTION_H

#include "nn/layers.h"

typedef struct convolution
{
	int64_t
		width; /* tokens that are seen: the token itself, (width - 1) / 2 before it, others after */
	int64_t channels; /* of the result */
	int64_t groups;	  /* each sees its own part of the columns; 0: 1 */
} convolution;

/*
 * x [tokens, n] by "<name>.weight" [channels, n / groups, width] and "<name>.bias" -> [tokens,
 * channels], as torch.nn.Conv1d with zeros around.
 */
extern tensor convolve_around(nn_model *m, tensor x, const char *name, const convolution *how);

/*
 * Kernels that each token has of its own, for each head: x [tokens, heads * n] by the softmax of scores
 * [tokens, heads * width] over the width -> as x.
 */
extern tensor convolve_by_scores(nn_model *m, tensor x, tensor scores, int heads, int64_t width);

#endif
