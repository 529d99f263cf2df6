/*
 * precision.h
 *	  How a model's weights are kept and in what they are multiplied: the names that users give, and
 *	  what suits what.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_RUNTIME_PRECISION_H
#define TFM_RUNTIME_PRECISION_H

#include "runtime/model.h"

/* What a user asks for, for one model. */
typedef struct run_precision
{
	tfm_dtype dtype; /* as in run_compile_options, or run_kept_dtype */
	tfm_compute compute;
} run_precision;

/* All names, for messages. */
#define RUN_DTYPE_NAMES "auto, f32, f16, bf16, int8, q8_0, q4_0, q4_k"
#define RUN_COMPUTE_NAMES "auto, f32, bf16, int8"

/* From a name and back; "auto" is 0.  False, or NULL, if there is none such. */
extern bool run_dtype_from_name(const char *name, tfm_dtype *dtype);
extern const char *run_dtype_name(tfm_dtype dtype);
extern bool run_compute_from_name(const char *name, tfm_compute *compute);
extern const char *run_compute_name(tfm_compute compute);

/*
 * The type of rows of k elements where dtype is asked for: of blocks that do not divide them the next
 * that do, Q4_K, Q4_0 and then F16.
 */
extern tfm_dtype run_fitting_dtype(tfm_dtype dtype, int64_t k);

/*
 * What decides about the arithmetic: the type that was asked for, or where that was none (0) that of
 * most weights (dtype_name), if it is one of blocks.
 */
extern tfm_dtype run_kept_dtype(tfm_dtype asked, const char *most);

/* Whether weights kept in that way can be multiplied in that one; if not, INVALID_ARGUMENT. */
extern bool run_check_precision(tfm_context *context, run_precision asked);

/*
 * The arithmetic of a pass: COMPUTE_AUTO becomes that of weights in int8 or bf16 that were asked for
 * by name, int8 also of weights in blocks, bf16 only where the context's instruction set has its products, and f32 for all others.
 */
extern tfm_compute run_choose_compute(const tfm_context *context, run_precision asked);

/*
 * Instruction sets for who must not know the kernels: the name of tfm_context.isa, "auto" for 0,
 * NULL beyond the last; whether this machine has it.
 */
extern const char *run_isa_name(int set);
extern bool run_has_isa(int set);

#endif
