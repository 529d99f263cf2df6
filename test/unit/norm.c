/*
 * norm.c
 *	  Norms and embeddings against their definitions in double, and the same bits in any company.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor.h"

#include <float.h>

#include "tensor/embed.h"
#include "tensor/norm.h"

static const int64_t widths[] = {1, 2, 7, 16, 33, 384, 1027};

#define WIDTHS (sizeof(widths) / sizeof(widths[0]))
#define ROWS 37

/* Mean and variance of n numbers; the mean square where centre is false. */
static void
moments(const double *x, int64_t n, bool centre, double *mean, double *variance)
{
	*mean = *variance = 0.0;
	for (int64_t i = 0; centre && i < n; i++)
		*mean += x[i] / (double) n;
	for (int64_t i = 0; i < n; i++)
		*variance += (x[i] - *mean) * (x[i] - *mean) / (double) n;
}

/* Numbers about 1 of width 1 have roots of variances near 0.6: errors stay near 10 eps. */
static void
check_rows(const op_norm_options *o, bool centre)
{
	double row[1027], mean, variance;

	for (int64_t r = 0; r < o->rows; r++)
	{
		for (int64_t i = 0; i < o->n; i++)
			row[i] = (double) o->x[r * o->n + i] + (o->residual ? o->residual[r * o->n + i] : 0.0f);
		moments(row, o->n, centre, &mean, &variance);
		for (int64_t i = 0; i < o->n; i++)
		{
			double y = (row[i] - mean) / sqrt(variance + o->eps);

			y = y * (o->weight ? o->weight[i] : 1.0f) + (o->bias ? o->bias[i] : 0.0f);
			assert_true(fabs(o->y[r * o->n + i] - y) < 2e-6);
		}
	}
}

static void
check_norm(int set, int threads, int64_t n)
{
	tfm_context context = open_context(set, threads, 0);
	float *x = numbers(ROWS * n, 1), *residual = numbers(ROWS * n, 2), *gain = numbers(n, 3);
	float *bias = numbers(n, 4), *y = numbers(ROWS * n, 5), *row = numbers(n, 6);
	op_norm_options o = {.x = x, .rows = ROWS, .n = n, .eps = 1e-3f, .y = y};

	assert_true(op_layer_norm(&context, &o));
	check_rows(&o, true);
	o.residual = residual, o.weight = gain, o.bias = bias;
	assert_true(op_rms_norm(&context, &o));
	check_rows(&o, false);
	assert_true(op_layer_norm(&context, &o));
	check_rows(&o, true);
	for (int64_t r = 0; r < ROWS; r++)
	{
		op_norm_options alone = o;

		memcpy(row, x + r * n, (size_t) n * sizeof(float));
		alone.x = alone.y = row, alone.rows = 1, alone.residual = residual + r * n;
		assert_true(op_layer_norm(&context, &alone));
		assert_same_bits(row, y + r * n, n);
	}
	free(x);
	free(residual);
	free(gain);
	free(bias);
	free(y);
	free(row);
	close_context(&context);
}

static void
test_norm(void **state)
{
	(void) state;
	FOR_EACH_ISA(set)
	for (size_t i = 0; i < WIDTHS; i++)
		for (int threads = 1; threads <= 3; threads++)
			check_norm(set, threads, widths[i]);
}

/* The variance is small beside the mean: two passes keep it, one would lose it. */
static void
test_offset(void **state)
{
	float x[100], y[100];

	(void) state;
	for (int i = 0; i < 100; i++)
		x[i] = 4096.0f + (i % 2 == 0 ? 0.5f : -0.5f);
	FOR_EACH_ISA(set)
	{
		tfm_context context = open_context(set, 1, 0);

		assert_true(
			op_layer_norm(&context, &(op_norm_options) {.x = x, .rows = 1, .n = 100, .y = y}));
		for (int i = 0; i < 100; i++)
			assert_true(fabs(y[i] - (i % 2 == 0 ? 1.0 : -1.0)) < 2e-3);
		close_context(&context);
	}
}

static void
test_normalize(void **state)
{
	enum
	{
		N = 37
	};
	tfm_context context = open_context(ISA_BEST, 2, 0);
	float *x = numbers(4 * N, 1), *y = numbers(4 * N, 2);

	(void) state;
	memset(x + N, 0, N * sizeof(float));
	for (int i = 0; i < N; i++)
		x[2 * N + i] *= 1e30f;
	x[3 * N] = NAN;
	assert_true(op_normalize(&context, x, 4, N, y));
	for (int r = 0; r < 3; r++)
	{
		double squares = 0.0;

		for (int i = 0; i < N; i++)
			squares += (double) y[r * N + i] * y[r * N + i];
		assert_true(fabs(sqrt(squares) - (r == 1 ? 0.0 : 1.0)) < 1e-7);
		assert_true(r == 1 || y[r * N] * x[r * N] > 0);
	}
	assert_true(isnan(y[3 * N + 1]));
	assert_true(op_normalize(&context, x, 4, N, x));
	assert_same_bits(x, y, 3 * N);
	free(x);
	free(y);
	close_context(&context);
}

static void
test_embed(void **state)
{
	enum
	{
		N = 39,
		TOKENS = 33
	};
	float *words = numbers(50 * N, 1), *places = numbers(TOKENS * N, 2), *types = numbers(N, 3);
	float *gain = numbers(N, 4), *bias = numbers(N, 5), y[TOKENS * N], sums[TOKENS * N];
	float expected[TOKENS * N];
	int32_t ids[TOKENS], positions[TOKENS];
	op_embed_options o = {.tables = {{words, 0, 50, ids, 3.0f, 0},
									 {types, 0, 1, NULL, 0, 0},
									 {places, 0, TOKENS, positions, 0, 0}},
						  .tokens = TOKENS,
						  .n = N,
						  .y = y};

	(void) state;
	for (int t = 0; t < TOKENS; t++)
	{
		ids[t] = t * 7 % 50;
		positions[t] = TOKENS - 1 - t;
		for (int i = 0; i < N; i++)
			sums[t * N + i] =
				3.0f * words[ids[t] * N + i] + types[i] + places[positions[t] * N + i];
	}
	FOR_EACH_ISA(set)
	{
		tfm_context context = open_context(set, set, 0);

		o.norm_weight = NULL;
		assert_true(op_embed(&context, &o));
		assert_same_bits(y, sums, TOKENS * N);
		o.norm_weight = gain, o.norm_bias = bias, o.norm_eps = 1e-5f;
		assert_true(op_embed(&context, &o));
		assert_true(op_layer_norm(&context, &(op_norm_options) {.x = sums,
																.rows = TOKENS,
																.n = N,
																.weight = gain,
																.bias = bias,
																.eps = 1e-5f,
																.y = expected}));
		assert_same_bits(y, expected, TOKENS * N);
		close_context(&context);
	}
	free(words);
	free(places);
	free(types);
	free(gain);
	free(bias);
}

static void
test_gather(void **state)
{
	tfm_context context = open_context(ISA_BEST, 1, 0);
	const float x[] = {0, 1, -1, 10, 11, -1, 20, 21, -1};
	const int32_t rows[] = {2, 0, 2};
	float y[6];

	(void) state;
	assert_true(op_gather_rows(&context, x, 3, 3, 2, rows, 3, y));
	assert_same_bits(y, (const float[]) {20, 21, 0, 1, 20, 21}, 6);
	assert_false(op_gather_rows(&context, x, 2, 3, 2, rows, 3, y));
	assert_int_equal(context.error.kind, TFM_INVALID_ARGUMENT);
	close_context(&context);
}

static void
test_errors(void **state)
{
	tfm_context context = open_context(ISA_BEST, 1, 0);
	float table[8] = {0}, y[400] = {0};
	int32_t ids[] = {0, 1, 2};
	int calls = 1;
	op_embed_options o = {.tables = {{table, 0, 2, ids, 0, 0}}, .tokens = 3, .n = 4, .y = y};

	(void) state;
	assert_false(op_embed(&context, &o));
	assert_int_equal(context.error.kind, TFM_INVALID_ARGUMENT);
	tfm_clear_error(&context);
	ids[2] = -1;
	assert_false(op_embed(&context, &o));
	assert_int_equal(context.error.kind, TFM_INVALID_ARGUMENT);
	tfm_clear_error(&context);
	assert_false(op_layer_norm(&context, &(op_norm_options) {.x = y, .rows = 1, .n = 0, .y = y}));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	tfm_clear_error(&context);
	context.interrupted = stop_after;
	context.interrupted_argument = &calls;
	assert_false(op_layer_norm(&context, &(op_norm_options) {.x = y, .rows = 100, .n = 4, .y = y}));
	assert_int_equal(context.error.kind, TFM_CANCELLED);
	close_context(&context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_norm),	  cmocka_unit_test(test_offset),
		cmocka_unit_test(test_normalize), cmocka_unit_test(test_embed),
		cmocka_unit_test(test_gather),	  cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
