/*
 * float16.c
 *	  Half precision and bfloat16: every value, and every boundary between two.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/float16.h"

#include <math.h>

#include "scratch.h"
#include "tensor/tensor.h"

/* A half by its definition. */
static double
half_value(uint16_t half)
{
	int exponent = half >> 10 & 31;
	double fraction = half & 1023;
	double sign = half & 0x8000 ? -1 : 1;

	if (exponent == 0)
		return sign * ldexp(fraction, -24);
	return sign * ldexp(1024 + fraction, exponent - 25);
}

static void
halves_are_exact(void **state)
{
	(void) state;
	for (uint32_t half = 0; half <= 0xFFFF; half++)
	{
		float value = f16_to_f32((uint16_t) half);

		if ((half & 0x7C00) != 0x7C00)
			assert_true((double) value == half_value((uint16_t) half));
		else if ((half & 0x03FF) == 0)
			assert_true(isinf(value) && (signbit(value) != 0) == (half >> 15 != 0));
		else
		{
			assert_true(isnan(value));
			assert_true(isnan(f16_to_f32(f32_to_f16(value))));
			continue;
		}
		assert_int_equal(signbit(value) != 0, half >> 15);
		assert_int_equal(f32_to_f16(value), half);
	}
}

/* Between two neighbours: the middle goes to the even one, its neighbours to their side. */
static void
halves_round_to_even(void **state)
{
	(void) state;
	for (uint32_t half = 0; half < 0x7C00; half++)
	{
		double upper = half == 0x7BFF ? 65536 : half_value((uint16_t) (half + 1));
		float middle = (float) ((half_value((uint16_t) half) + upper) / 2);
		uint32_t even = half + (half & 1);

		assert_int_equal(f32_to_f16(middle), even);
		assert_int_equal(f32_to_f16(-middle), even | 0x8000);
		assert_int_equal(f32_to_f16(nextafterf(middle, 0)), half);
		assert_int_equal(f32_to_f16(nextafterf(middle, INFINITY)), half + 1);
	}
	assert_int_equal(f32_to_f16(0x1p-149f), 0);
	assert_int_equal(f32_to_f16(-0x1p-30f), 0x8000);
	assert_int_equal(f32_to_f16(3e38f), 0x7C00);
	assert_int_equal(f32_to_f16(-INFINITY), 0xFC00);
}

static void
bfloats_round_to_even(void **state)
{
	(void) state;
	for (uint32_t bfloat = 0; bfloat <= 0xFFFF; bfloat++)
	{
		uint32_t bits = bfloat << 16;
		float value = bf16_to_f32((uint16_t) bfloat);

		assert_int_equal(f32_bits(value), bits);
		if ((bfloat & 0x7FFF) > 0x7F80)
		{
			assert_true(isnan(bf16_to_f32(f32_to_bf16(value))));
			continue;
		}
		assert_int_equal(f32_to_bf16(value), bfloat);
		if ((bfloat & 0x7FFF) == 0x7F80)
			continue;
		assert_int_equal(f32_to_bf16(f32_from_bits(bits | 0x7FFF)), bfloat);
		assert_int_equal(f32_to_bf16(f32_from_bits(bits | 0x8000)), bfloat + (bfloat & 1));
		assert_int_equal(f32_to_bf16(f32_from_bits(bits | 0x8001)), bfloat + 1);
	}
	/* A NaN with its payload in the lower half only. */
	assert_true(isnan(bf16_to_f32(f32_to_bf16(f32_from_bits(0x7F800001)))));
}

static void
types_have_sizes_and_names(void **state)
{
	tensor t = {.dtype = DTYPE_F32, .rank = 3, .shape = {2, 3, 4}};

	(void) state;
	assert_int_equal(dtype_size(DTYPE_F64), 8);
	assert_int_equal(dtype_size(DTYPE_BF16), 2);
	assert_int_equal(dtype_size(DTYPE_BOOL), 1);
	assert_int_equal(dtype_size(0), 0);
	assert_int_equal(dtype_size((tfm_dtype) 11), 0);
	assert_string_equal(dtype_name(DTYPE_BF16), "bfloat16");
	assert_string_equal(dtype_name(DTYPE_I64), "int64");
	assert_string_equal(dtype_name((tfm_dtype) 99), "unknown");
	assert_int_equal(tensor_count(&t), 24);
	t.rank = 0;
	assert_int_equal(tensor_count(&t), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(halves_are_exact),
		cmocka_unit_test(halves_round_to_even),
		cmocka_unit_test(bfloats_round_to_even),
		cmocka_unit_test(types_have_sizes_and_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
