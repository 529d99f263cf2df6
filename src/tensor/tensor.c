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
	[DTYPE_F32] = {4, "float32"}, [DTYPE_F16] = {2, "float16"},	  [DTYPE_BF16] = {2, "bfloat16"},
	[DTYPE_F64] = {8, "float64"}, [DTYPE_I64] = {8, "int64"},	  [DTYPE_I32] = {4, "int32"},
	[DTYPE_I16] = {2, "int16"},	  [DTYPE_I8] = {1, "int8"},		  [DTYPE_U8] = {1, "uint8"},
	[DTYPE_BOOL] = {1, "bool"},

	[DTYPE_Q4_0] = {0, "Q4_0"},	  [DTYPE_Q4_1] = {0, "Q4_1"},	  [DTYPE_Q5_0] = {0, "Q5_0"},
	[DTYPE_Q5_1] = {0, "Q5_1"},	  [DTYPE_Q8_0] = {0, "Q8_0"},	  [DTYPE_Q2_K] = {0, "Q2_K"},
	[DTYPE_Q3_K] = {0, "Q3_K"},	  [DTYPE_Q4_K] = {0, "Q4_K"},	  [DTYPE_Q5_K] = {0, "Q5_K"},
	[DTYPE_Q6_K] = {0, "Q6_K"},	  [DTYPE_IQ4_NL] = {0, "IQ4_NL"}, [DTYPE_IQ4_XS] = {0, "IQ4_XS"},
	[DTYPE_MXFP4] = {0, "MXFP4"},
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
