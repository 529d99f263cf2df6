/*
 * precision.c
 *	  How a model's weights are kept and in what they are multiplied.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/precision.h"

#include <string.h>

#include "tensor/blocks.h"
#include "tensor/kernels.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const dtype_names[] = {
	[0] = "auto",		 [DTYPE_F32] = "f32",	[DTYPE_F16] = "f16",   [DTYPE_BF16] = "bf16",
	[DTYPE_I8] = "int8", [DTYPE_Q8_0] = "q8_0", [DTYPE_Q4_0] = "q4_0", [DTYPE_Q4_K] = "q4_k",
};

static const char *const compute_names[] = {
	[COMPUTE_AUTO] = "auto",
	[COMPUTE_F32] = "f32",
	[COMPUTE_BF16] = "bf16",
	[COMPUTE_INT8] = "int8",
};

/* The place of a name in a list, which may have holes; -1 if it is not there. */
static int
find_name(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (names[i] != NULL && strcmp(names[i], name) == 0)
			return (int) i;
	return -1;
}

bool
run_dtype_from_name(const char *name, tfm_dtype *dtype)
{
	int found = find_name(dtype_names, COUNT(dtype_names), name);

	if (found >= 0)
		*dtype = (tfm_dtype) found;
	return found >= 0;
}

const char *
run_dtype_name(tfm_dtype dtype)
{
	return (size_t) dtype < COUNT(dtype_names) ? dtype_names[dtype] : NULL;
}

bool
run_compute_from_name(const char *name, tfm_compute *compute)
{
	int found = find_name(compute_names, COUNT(compute_names), name);

	if (found >= 0)
		*compute = (tfm_compute) found;
	return found >= 0;
}

const char *
run_compute_name(tfm_compute compute)
{
	return (size_t) compute < COUNT(compute_names) ? compute_names[compute] : NULL;
}

static bool
is_blocks(tfm_dtype dtype)
{
	int64_t elements;
	size_t bytes;

	return block_layout(dtype, &elements, &bytes);
}

tfm_dtype
run_fitting_dtype(tfm_dtype dtype, int64_t k)
{
	int64_t elements;
	size_t bytes;

	if (!block_layout(dtype, &elements, &bytes) || k % elements == 0)
		return dtype;
	return elements > 32 && k % 32 == 0 ? DTYPE_Q4_0 : DTYPE_F16;
}

tfm_dtype
run_kept_dtype(tfm_dtype asked, const char *most)
{
	if (asked == 0)
		for (tfm_dtype dtype = DTYPE_F32; dtype <= DTYPE_LAST; dtype++)
			if (is_blocks(dtype) && strcmp(dtype_name(dtype), most) == 0)
				return dtype;
	return asked;
}

bool
run_check_precision(tfm_context *context, run_precision asked)
{
	if (asked.compute != COMPUTE_INT8 || asked.dtype == DTYPE_I8 || is_blocks(asked.dtype))
		return true;
	tfm_fail(context, TFM_INVALID_ARGUMENT,
			 "compute \"int8\" needs weights that are kept in int8, not \"%s\"",
			 run_dtype_name(asked.dtype));
	return tfm_hint(context, "Add dtype => 'int8'.");
}

tfm_compute
run_choose_compute(const tfm_context *context, run_precision asked)
{
	if (asked.compute != COMPUTE_AUTO)
		return asked.compute;
	if (asked.dtype == DTYPE_I8 || is_blocks(asked.dtype))
		return COMPUTE_INT8;
	return asked.dtype == DTYPE_BF16 && cpu_has_bf16(context) ? COMPUTE_BF16 : COMPUTE_F32;
}

const char *
run_isa_name(int set)
{
	if (set < 0 || set > ISA_LAST)
		return NULL;
	return set == ISA_BEST ? "auto" : isa_name((isa) set);
}

bool
run_has_isa(int set)
{
	return set >= 0 && set <= ISA_LAST && cpu_has_isa((isa) set);
}
