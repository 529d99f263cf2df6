/*
 * tensor.h
 *	  What the tests of the ops share: contexts, numbers, comparisons.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEST_UNIT_TENSOR_H
#define TFM_TEST_UNIT_TENSOR_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/threads.h"
#include "tensor/kernels.h"

/* The instruction sets that this machine has, for (isa set = ...; ...; ...). */
#define FOR_EACH_ISA(set)                                                                          \
	for (int set = ISA_PORTABLE; set <= ISA_LAST; set++)                                           \
		if (cpu_has_isa((isa) set))

/* A context with an arena of at most limit bytes (0: any) and a pool where threads > 1. */
static inline tfm_context
open_context(int set, int threads, size_t limit)
{
	tfm_context context = {.isa = set, .threads = threads, .arena = arena_create(limit)};

	assert_non_null(context.arena);
	if (threads > 1)
		context.pool = threads_create(threads);
	return context;
}

static inline void
close_context(tfm_context *context)
{
	threads_destroy(context->pool);
	arena_destroy(context->arena);
}

/* count numbers of -1 .. 1, always the same for a seed; to be freed. */
static inline float *
numbers(int64_t count, uint32_t seed)
{
	float *x = aligned_alloc(64, ((size_t) count * sizeof(float) + 127) & ~(size_t) 63);
	uint32_t state = seed * 2654435761u + 12345;

	assert_non_null(x);
	for (int64_t i = 0; i < count; i++)
	{
		state = state * 1664525u + 1013904223u;
		x[i] = (float) ((int32_t) state >> 8) / (float) (1 << 23);
	}
	return x;
}

static inline bool
same_bits(const float *a, const float *b, int64_t count)
{
	return memcmp(a, b, (size_t) count * sizeof(float)) == 0;
}

static inline void
assert_same_bits(const float *a, const float *b, int64_t count)
{
	assert_memory_equal(a, b, (size_t) count * sizeof(float));
}

/* Says stop from the call on that the counter counts down to. */
static inline bool
stop_after(void *counter)
{
	return --*(int *) counter < 0;
}

#endif
