/*
 * kernels.h
 *	  The inner loops of the ops: one table of functions per instruction set.
 *
 * cpu/kernels.c is compiled once for each set; ops reach it through this table only, so that another
 * backend is another table.  Which set is used is the context's "isa", as far as the processor and
 * the operating system have it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_KERNELS_H
#define TFM_TENSOR_KERNELS_H

#include "tensor/activation.h"

typedef enum isa
{
	ISA_BEST = 0,
	ISA_PORTABLE,
	ISA_AVX2,
	ISA_AVX512
} isa;

typedef struct kernels kernels;

/* The table for context->isa; the best below it where the processor lacks it. */
extern const kernels *cpu_kernels(const tfm_context *context);

/* Whether this build and this machine have an instruction set. */
extern bool cpu_has_isa(isa set);

/* "portable", "avx2", "avx512" */
extern const char *isa_name(isa set);

#endif
