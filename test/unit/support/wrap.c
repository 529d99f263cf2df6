/*
 * wrap.c
 *	  The allocator of a unit test that does not replace it.
 *
 * Unit tests are linked with --wrap, so that a test can make the N-th
 * allocation fail by defining __wrap_malloc and its like.  Where a test does
 * not, these weak definitions hand on to the C library.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stddef.h>

extern void *__real_malloc(size_t size);
extern void *__real_calloc(size_t count, size_t size);
extern void *__real_realloc(void *old, size_t size);
extern void *__wrap_malloc(size_t size);
extern void *__wrap_calloc(size_t count, size_t size);
extern void *__wrap_realloc(void *old, size_t size);

__attribute__((weak)) void *
__wrap_malloc(size_t size)
{
	return __real_malloc(size);
}

__attribute__((weak)) void *
__wrap_calloc(size_t count, size_t size)
{
	return __real_calloc(count, size);
}

__attribute__((weak)) void *
__wrap_realloc(void *old, size_t size)
{
	return __real_realloc(old, size);
}
