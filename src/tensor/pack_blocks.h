/*
 * pack_blocks.h
 *	  Panels of ggml's quantised types: see pack.h for their layout, pack.c for the callers.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_PACK_BLOCKS_H
#define TFM_TENSOR_PACK_BLOCKS_H

#include "tensor/tensor.h"

extern size_t pack_blocks_panel_size(tfm_dtype dtype, int64_t k);

/* A panel of columns rows of k elements in blocks, or of floats that are encoded first. */
extern void pack_blocks_panel(tfm_dtype dtype, const void *rows, int columns, int64_t k,
							  void *panel);
extern void pack_blocks_panel_f32(tfm_dtype dtype, const float *rows, int columns, int64_t k,
								  void *panel);

/* A column of a panel, which is a row of the weight, in floats. */
extern void pack_blocks_column(tfm_dtype dtype, const void *panel, int column, int64_t k,
							   float *to);

#endif
