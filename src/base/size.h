/*
 * size.h
 *	  Sizes that come from files or users, multiplied and added without overflow.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_SIZE_H
#define TFM_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *result = a * b (a + b); false if it does not fit, *result is then undefined. */
static inline bool
size_multiply(size_t a, size_t b, size_t *result)
{
	return !__builtin_mul_overflow(a, b, result);
}

static inline bool
size_add(size_t a, size_t b, size_t *result)
{
	return !__builtin_add_overflow(a, b, result);
}

/* value rounded up to a multiple of unit, a power of two; value must be below SIZE_MAX - unit. */
static inline size_t
size_round_up(size_t value, size_t unit)
{
	return (value + unit - 1) & ~(unit - 1);
}

#endif
