/*
 * tensor.c
 *	  What is known of element types.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/tensor.h"

static const struct
{
	size_t size;
	const char *name;
} dtypes[] = {
	[DTYPE_F32] = {4, "float32"}, [DTYPE_F16] = {2, "float16"}, [DTYPE_BF16] = {2, "bfloat16"},
	[DTYPE_F64] = {8, "float64"}, [DTYPE_I64] = {8, "int64"},	[DTYPE_I32] = {4, "int32"},
	[DTYPE_I16] = {2, "int16"},	  [DTYPE_I8] = {1, "int8"},		[DTYPE_U8] = {1, "uint8"},
	[DTYPE_BOOL] = {1, "bool"},
};

static bool
is_dtype(tfm_dtype dtype)
{
	return dtype >= DTYPE_F32 && (size_t) dtype < sizeof(dtypes) / sizeof(dtypes[0]);
}

size_t
dtype_size(tfm_dtype dtype)
{
	return is_dtype(dtype) ? dtypes[dtype].size : 0;
}

const char *
dtype_name(tfm_dtype dtype)
{
	return is_dtype(dtype) ? dtypes[dtype].name : "unknown";
}

int64_t
tensor_count(const tensor *t)
{
	int64_t count = 1;

	for (int i = 0; i < t->rank; i++)
		count *= t->shape[i];
	return count;
}
