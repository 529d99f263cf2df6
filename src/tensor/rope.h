/*
 * rope.h
 *	  Rotary position embeddings (Su et al. 2021).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_ROPE_H
#define TFM_TENSOR_ROPE_H

#include "tensor/tensor.h"

typedef struct op_rope_options
{
	float *x;		  /* [tokens, heads * head_dim], rotated in place */
	int64_t x_stride; /* elements from one token to the next; 0: its width */
	int64_t tokens;
	int heads;
	int head_dim;
	int rotary_dim;			  /* even; the first so many of a head turn, the others stay */
	bool interleaved;		  /* pairs are (2i, 2i + 1); else (i, i + rotary_dim / 2) */
	const int32_t *positions; /* [tokens] */
	const float *frequencies; /* [rotary_dim / 2] angle of one position */
	float factor;			  /* of cosine and sine; 0: 1 */
} op_rope_options;

/* Angles are position times frequency in f32, as Transformers has them. */
extern bool op_rope(tfm_context *context, const op_rope_options *options);

#endif
