/*
 * allocations.h
 *	  An allocator that fails when the test says so.
 *
 * Include it in one file of a test program that is linked with
 *		-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
 * (all unit tests are), which defines allocation_fails.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TEST_UNIT_ALLOCATIONS_H
#define TFM_TEST_UNIT_ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>

extern void *__real_malloc(size_t size);
extern void *__real_calloc(size_t count, size_t size);
extern void *__real_realloc(void *old, size_t size);
extern void *__wrap_malloc(size_t size);
extern void *__wrap_calloc(size_t count, size_t size);
extern void *__wrap_realloc(void *old, size_t size);

/* Whether the allocation that is asked for now is to fail. */
static bool allocation_fails(void);

void *
__wrap_malloc(size_t size)
{
	return allocation_fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
	return allocation_fails() ? NULL : __real_realloc(old, size);
}

#endif
