/*
 * pool.c
 *	  Pooling against its definition, with prompts left out, and in any company.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor.h"

#include <float.h>

#include "tensor/pool.h"

enum
{
	N = 261, /* more than the columns of one item */
	BATCH = 5,
	TOKENS = 1 + 0 + 40 + 3 + 2
};

static const int32_t offsets[BATCH + 1] = {0, 1, 1, 41, 44, 46};
static const int32_t skip[BATCH] = {0, 0, 9, 2, 2}; /* all of the last */

static double
define(op_pooling pooling, const float *x, int64_t length, int64_t first)
{
	double sum = 0.0, weights = 0.0, weighted = 0.0, greatest = -INFINITY;

	for (int64_t i = first; i < length; i++)
	{
		sum += x[i * N];
		weights += (double) (i + 1);
		weighted += (double) (i + 1) * x[i * N];
		greatest = fmax(greatest, x[i * N]);
	}
	switch (pooling)
	{
		case POOLING_MEAN:
			return sum / fmax((double) (length - first), 1e-9);
		case POOLING_MEAN_SQRT_LEN_TOKENS:
			return sum / sqrt(fmax((double) (length - first), 1e-9));
		case POOLING_WEIGHTEDMEAN:
			return weighted / fmax(weights, 1e-9);
		case POOLING_CLS:
			return length == 0 ? 0.0 : x[(first < length ? first : 0) * N];
		case POOLING_MAX:
			return first < length ? greatest : 0.0;
		case POOLING_LASTTOKEN:
			return first < length ? x[(length - 1) * N] : 0.0;
	}
	return NAN;
}

static void
check_pooling(op_pooling pooling, const int32_t *skipped, int threads)
{
	tfm_context context = open_context(ISA_BEST, threads, 0);
	float *x = numbers(TOKENS * N, 1), *y = numbers(BATCH * (N + 3), 2), alone[N];
	op_pool_options o = {.pooling = pooling, .x = x, .n = N, .y = y, .y_stride = N + 3};

	o.offsets = offsets, o.batch = BATCH, o.skip = skipped;
	assert_true(op_pool(&context, &o));
	for (int s = 0; s < BATCH; s++)
	{
		const float *first = x + offsets[s] * N;
		int32_t length = offsets[s + 1] - offsets[s], left_out = skipped ? skipped[s] : 0;

		for (int i = 0; i < N; i++)
			assert_true(fabs(y[s * (N + 3) + i] - define(pooling, first + i, length, left_out)) <=
						4 * FLT_EPSILON);
		o.x = first, o.y = alone, o.y_stride = 0, o.batch = 1, o.skip = &left_out;
		o.offsets = (const int32_t[]) {0, length};
		assert_true(op_pool(&context, &o));
		assert_same_bits(alone, y + s * (N + 3), N);
	}
	free(x);
	free(y);
	close_context(&context);
}

static void
test_pooling(void **state)
{
	(void) state;
	for (int pooling = POOLING_MEAN; pooling <= POOLING_LASTTOKEN; pooling++)
		for (int threads = 1; threads <= 3; threads++)
		{
			check_pooling((op_pooling) pooling, NULL, threads);
			check_pooling((op_pooling) pooling, skip, threads);
		}
}

static void
test_errors(void **state)
{
	tfm_context context = open_context(ISA_BEST, 1, 0);
	float x[8] = {0, NAN, 2, 3}, y[4];
	int32_t bad[] = {0, 3, 2};
	op_pool_options o = {.pooling = POOLING_MAX, .x = x, .n = 2, .batch = 1, .y = y};
	op_pooling pooling;

	(void) state;
	o.offsets = (const int32_t[]) {0, 2};
	assert_true(op_pool(&context, &o));
	assert_true(y[0] == 2.0f && isnan(y[1]));
	o.offsets = bad, o.batch = 2;
	assert_false(op_pool(&context, &o));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	tfm_clear_error(&context);
	assert_true(op_pooling_from_name("weightedmean", &pooling));
	assert_int_equal(pooling, POOLING_WEIGHTEDMEAN);
	assert_false(op_pooling_from_name("average", &pooling));
	close_context(&context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pooling),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
