/*
 * blocks.c
 *	  ggml's quantised types, against what the gguf package makes of the same blocks and floats.
 *
 * Golden files, made by test/oracle/blocks.py: <type> has blocks and the 512 floats that they hold,
 * floats.<type> has the blocks of the 2048 in floats.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "blocks.h"

#include <stdio.h>

#define ELEMENTS 512
#define FLOATS (4 * ELEMENTS)
#define MOST_BYTES (sizeof(float) * FLOATS)

/* The bytes of a golden file; their number. */
static size_t
read_golden(const char *name, void *to)
{
	const char *directory = getenv("TFM_GOLDEN");
	char path[1024];
	FILE *file;
	size_t size;

	snprintf(path, sizeof(path), "%s/blocks/%s", directory == NULL ? "test/golden" : directory,
			 name);
	file = fopen(path, "rb");
	assert_non_null(file);
	size = fread(to, 1, MOST_BYTES, file);
	fclose(file);
	return size;
}

static void
test_decode(void **state)
{
	(void) state;
	FOR_EACH_BLOCK_TYPE(type)
	{
		char golden[MOST_BYTES];
		float expected[ELEMENTS], decoded[ELEMENTS];
		size_t size = block_row_size((tfm_dtype) type, ELEMENTS);

		assert_int_equal(read_golden(dtype_name((tfm_dtype) type), golden),
						 size + sizeof(expected));
		memcpy(expected, golden + size, sizeof(expected));
		block_decode((tfm_dtype) type, golden, ELEMENTS, decoded);
		for (int i = 0; i < ELEMENTS; i++)
			assert_true(decoded[i] == expected[i]);
	}
}

static void
check_encoded(tfm_dtype dtype, const char *name)
{
	float x[FLOATS];
	char expected[MOST_BYTES], encoded[MOST_BYTES];
	size_t size = block_row_size(dtype, FLOATS);

	assert_int_equal(read_golden("floats", x), sizeof(x));
	assert_int_equal(read_golden(name, expected), size);
	block_encode(dtype, x, FLOATS, encoded);
	assert_memory_equal(encoded, expected, size);
}

static void
test_encode(void **state)
{
	(void) state;
	check_encoded(DTYPE_Q8_0, "floats.Q8_0");
	check_encoded(DTYPE_Q4_0, "floats.Q4_0");
}

static double
encoding_error(tfm_dtype dtype, const float *x)
{
	char encoded[MOST_BYTES];
	float decoded[FLOATS];
	double error = 0.0, size = 0.0;

	block_encode(dtype, x, FLOATS, encoded);
	block_decode(dtype, encoded, FLOATS, decoded);
	for (int i = 0; i < FLOATS; i++)
	{
		error += (x[i] - decoded[i]) * (x[i] - decoded[i]);
		size += x[i] * x[i];
	}
	return sqrt(error / size);
}

/* Q4_K has no other encoder at hand: its error must be as small as scales and minima allow. */
static void
test_quality(void **state)
{
	float *x = numbers(FLOATS, 1);

	(void) state;
	/* 16 even steps over -1 .. 1 leave 0.0722 of the numbers' size */
	assert_true(encoding_error(DTYPE_Q4_K, x) < 0.0722);
	for (int i = 0; i < FLOATS; i++) /* one sign, to which a minimum adapts */
		x[i] = 2.0f + x[i];
	assert_true(encoding_error(DTYPE_Q4_K, x) < 0.0722 * 0.6);
	assert_true(encoding_error(DTYPE_Q4_K, x) < 0.5 * encoding_error(DTYPE_Q4_0, x));
	memset(x, 0, FLOATS * sizeof(float));
	x[3] = 1.0f;
	assert_true(encoding_error(DTYPE_Q4_K, x) < 1e-3);
	free(x);
}

/* What no block can hold is rounded to something, without undefined conversions. */
static void
test_not_finite(void **state)
{
	static const tfm_dtype types[] = {DTYPE_Q8_0, DTYPE_Q4_0, DTYPE_Q4_K};
	float x[ELEMENTS] = {0};
	char encoded[MOST_BYTES];

	(void) state;
	for (int i = 0; i < ELEMENTS; i += 5)
		x[i] = i % 2 == 0 ? NAN : i % 3 == 0 ? INFINITY : -3e38f;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		assert_true(block_can_encode(types[i]));
		block_encode(types[i], x, ELEMENTS, encoded);
	}
	assert_false(block_can_encode(DTYPE_Q6_K));
}

static void
test_layout(void **state)
{
	int64_t elements;
	size_t bytes;

	(void) state;
	assert_true(block_layout(DTYPE_Q6_K, &elements, &bytes));
	assert_int_equal(elements, 256);
	assert_int_equal(bytes, 210);
	assert_false(block_layout(DTYPE_F16, &elements, &bytes));
	assert_int_equal(block_row_size(DTYPE_Q4_1, 96), 60);
	assert_int_equal(block_row_size(DTYPE_Q4_1, 100), 0);
	assert_int_equal(block_row_size(DTYPE_Q4_K, 128), 0);
	assert_int_equal(block_row_size(DTYPE_F32, 32), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),	cmocka_unit_test(test_encode),
		cmocka_unit_test(test_quality), cmocka_unit_test(test_not_finite),
		cmocka_unit_test(test_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
