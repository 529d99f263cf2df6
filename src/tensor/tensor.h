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
	DTYPE_BOOL
} tfm_dtype;

/* Bytes of one element. */
extern size_t dtype_size(tfm_dtype dtype);

/* Transformers' name: "float32", "bfloat16", "int64", ... */
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

/* How the elements of a weight lie in the image. */
typedef enum weight_layout
{
	LAYOUT_PLAIN = 1, /* as in the checkpoint: row-major */
	LAYOUT_PANELS	  /* [n, k] packed for op_linear; see tensor/linear.h */
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

#endif
