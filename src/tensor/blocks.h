/*
 * blocks.h
 *	  ggml's quantised types: blocks of elements that share scales, as GGUF files have them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_BLOCKS_H
#define TFM_TENSOR_BLOCKS_H

#include "tensor/tensor.h"

/* Elements and bytes of a block; false for a type that has none. */
extern bool block_layout(tfm_dtype dtype, int64_t *elements, size_t *bytes);

/* Bytes of a row of k elements, which must be whole blocks; 0 if they are not. */
extern size_t block_row_size(tfm_dtype dtype, int64_t k);

/* A row of k elements as floats: the numbers that Transformers' and gguf's dequantisation gives. */
extern void block_decode(tfm_dtype dtype, const void *row, int64_t k, float *to);

/* Types that floats can be made into, and a row of floats in such a type, rounded as ggml does. */
extern bool block_can_encode(tfm_dtype dtype);
extern void block_encode(tfm_dtype dtype, const float *row, int64_t k, void *to);

#endif
