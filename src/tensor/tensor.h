/*
 * tensor.h
 *	  Element types and tensors: contiguous, row-major, by value.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_TENSOR_H
#define TFM_TENSOR_TENSOR_H

#include "base/context.h"

#define TENSOR_MAX_RANK 6

typedef enum tfm_dtype
{
	DTYPE_F32 = 1,
	DTYPE_F16,
	DTYPE_BF16,
	DTYPE_F64,
	DTYPE_I64,
	DTYPE_I32,
	DTYPE_I16,
	DTYPE_I8,
	DTYPE_U8,
	DTYPE_BOOL,

	/* ggml's blocks of elements that share scales; see tensor/blocks.h */
	DTYPE_Q4_0,
	DTYPE_Q4_1,
	DTYPE_Q5_0,
	DTYPE_Q5_1,
	DTYPE_Q8_0,
	DTYPE_Q2_K,
	DTYPE_Q3_K,
	DTYPE_Q4_K,
	DTYPE_Q5_K,
	DTYPE_Q6_K,
	DTYPE_IQ4_NL,
	DTYPE_IQ4_XS,
	DTYPE_MXFP4,
	DTYPE_LAST = DTYPE_MXFP4
} tfm_dtype;

/* Bytes of one element; 0 for types of blocks. */
extern size_t dtype_size(tfm_dtype dtype);

/* Transformers' name: "float32", "bfloat16", "int64", ...; ggml's of types of blocks: "Q4_K" */
extern const char *dtype_name(tfm_dtype dtype);

/*
 * A tensor of rank dimensions.  A NULL data is a tensor of which only the shape is known (dry run).
 * Data belongs to the arena, the image or the caller it came from.
 */
typedef struct tensor
{
	void *data;
	tfm_dtype dtype;
	int rank;
	int64_t shape[TENSOR_MAX_RANK];
} tensor;

/* Number of elements. */
extern int64_t tensor_count(const tensor *t);

/*
 * The arithmetic of matrix products: what both sides are rounded to.  Sums are kept in f32, or in
 * 32 bits of integers.
 */
typedef enum tfm_compute
{
	COMPUTE_AUTO = 0, /* what suits how the weights are kept; COMPUTE_F32 to the ops */
	COMPUTE_F32,
	COMPUTE_BF16,
	COMPUTE_INT8 /* of I8 and blocks, x as well; weights of other types as in COMPUTE_F32 */
} tfm_compute;

/*
 * How the elements of a weight lie in the image.  In panels and rows they may be of any type that
 * weight_size knows: F32, F16, BF16, I8, and blocks of which a row has whole ones; plain ones are F32.
 */
typedef enum weight_layout
{
	LAYOUT_PLAIN = 1, /* as in the checkpoint: row-major */
	LAYOUT_PANELS,	  /* [n, k] packed for op_linear; see tensor/pack.h */
	LAYOUT_ROWS,	  /* [count, n], rows to be picked by op_embed; see tensor/pack.h */
	/* Asked for, never kept: LAYOUT_PANELS of [n, k], which the checkpoint has as [k, n]. */
	LAYOUT_PANELS_OF_COLUMNS
} weight_layout;

/* A weight of a loaded model, mapped from its image. */
typedef struct weight
{
	const char *name; /* relative to the model's root, as in the checkpoint */
	tfm_dtype dtype;
	weight_layout layout;
	int rank;
	int64_t shape[TENSOR_MAX_RANK]; /* of the checkpoint's tensor, whatever the layout */
	const void *data;
} weight;

/*
 * Bytes that a weight of that type, layout and shape takes; false if there is none such, or the size
 * is beyond what memory can have, or a sum of products of I8 is beyond int32 (k above 65536).
 */
extern bool weight_size(tfm_dtype dtype, weight_layout layout, int rank, const int64_t *shape,
						size_t *size);

#endif
