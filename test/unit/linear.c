/*
 * linear.c
 *	  Linear layers: right within the bound of their sums, and the same bits in any company.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor.h"

#include <float.h>

#include "tensor/float16.h"
#include "tensor/linear.h"
#include "tensor/norm.h"
#include "tensor/pack.h"

/* A way to keep weights and to multiply them. */
typedef struct mode
{
	tfm_dtype dtype;
	tfm_compute compute;
} mode;

static const mode modes[] = {
	{DTYPE_F32, COMPUTE_F32},	{DTYPE_F16, COMPUTE_F32},  {DTYPE_BF16, COMPUTE_F32},
	{DTYPE_I8, COMPUTE_F32},	{DTYPE_F32, COMPUTE_BF16}, {DTYPE_F16, COMPUTE_BF16},
	{DTYPE_BF16, COMPUTE_BF16}, {DTYPE_I8, COMPUTE_BF16},  {DTYPE_I8, COMPUTE_INT8},
};

#define MODES ((int) (sizeof(modes) / sizeof(modes[0])))

static const void *
pack(tfm_dtype dtype, const float *w, int64_t n, int64_t k)
{
	size_t size;
	void *panels;

	assert_true(weight_size(dtype, LAYOUT_PANELS, 2, (int64_t[]) {n, k}, &size));
	panels = aligned_alloc(64, (size + 63) & ~(size_t) 63);
	assert_non_null(panels);
	memset(panels, 0xff, size); /* not a number where nothing is written */
	pack_weight(dtype, LAYOUT_PANELS, w, n, k, panels);
	return panels;
}

/* What a row of weights is once it is kept in a type. */
static void
keep_row(tfm_dtype dtype, const float *w, int64_t k, float *kept)
{
	float most = 0.0f;

	for (int64_t i = 0; i < k; i++)
		most = fmaxf(most, fabsf(w[i]));
	for (int64_t i = 0; i < k; i++)
		kept[i] = dtype == DTYPE_F16	? f16_to_f32(f32_to_f16(w[i]))
				  : dtype == DTYPE_BF16 ? bf16_to_f32(f32_to_bf16(w[i]))
				  : dtype == DTYPE_I8	? rintf(w[i] / (most / 127.0f)) * (most / 127.0f)
										: w[i];
}

/* A row of x as the product takes it: what its bytes stand for, or rounded to bf16, or as it is. */
static void
round_row(const kernels *table, tfm_compute compute, const float *x, int64_t k, float *rounded)
{
	uint8_t bytes[2048];
	float scale;
	int32_t zero;

	if (compute == COMPUTE_INT8)
		table->quantize(x, k, bytes, &scale, &zero);
	for (int64_t i = 0; i < k; i++)
		rounded[i] = compute == COMPUTE_INT8   ? (float) (bytes[i] - zero) * scale
					 : compute == COMPUTE_BF16 ? bf16_to_f32(f32_to_bf16(x[i]))
											   : x[i];
}

/*
 * Against a sum in double of what the product takes.  A sum of k products in f32, fused or not, is
 * off by at most about k eps sum |x w|; the exact sum of bytes is less so.
 */
static void
check_product(int set, mode how, int64_t rows, int64_t n, int64_t k)
{
	tfm_context context = open_context(set, 1, 0);
	float *x = numbers(rows * k, 1), *w = numbers(n * k, 2), *y = numbers(rows * n, 3);
	float *bias = numbers(n, 4), *rounded = numbers(k, 5), *kept = numbers(n * k, 6);
	const void *panels = pack(how.dtype, w, n, k);

	assert_true(op_linear(&context, &(op_linear_options) {
										.x = x,
										.rows = rows,
										.k = k,
										.compute = how.compute,
										.parts = {{panels, how.dtype, n, bias, y, 0}},
									}));
	for (int64_t j = 0; j < n; j++)
	{
		keep_row(how.dtype, w + j * k, k, kept + j * k);
		if (how.compute == COMPUTE_BF16)
			keep_row(DTYPE_BF16, kept + j * k, k, kept + j * k);
	}
	for (int64_t r = 0; r < rows; r++)
	{
		round_row(cpu_kernels(&context), how.compute, x + r * k, k, rounded);
		for (int64_t j = 0; j < n; j++)
		{
			double sum = bias[j], size = fabs(sum);

			for (int64_t i = 0; i < k; i++)
			{
				double product = (double) rounded[i] * kept[j * k + i];

				sum += product;
				size += fabs(product);
			}
			assert_true(fabs(y[r * n + j] - sum) <= (double) (k + 2) * FLT_EPSILON * size);
		}
	}
	free(x);
	free(w);
	free(y);
	free(bias);
	free(rounded);
	free(kept);
	free((void *) panels);
	close_context(&context);
}

/* Bytes are off by half a step at most, 0 is met, and every set gives the same ones. */
static void
test_quantize(void **state)
{
	enum
	{
		K = 77
	};
	float *x = numbers(K, 9);

	(void) state;
	for (int kind = 0; kind < 4; kind++)
		FOR_EACH_ISA(set)
		{
			tfm_context context = open_context(set, 1, 0);
			uint8_t bytes[K + 3];
			float scale;
			int32_t zero;

			/* both signs, one sign, the other, none */
			for (int i = 0; i < K; i++)
				x[i] = kind == 0 ? x[i] : kind == 1 ? fabsf(x[i]) : kind == 2 ? -fabsf(x[i]) : 0.0f;
			x[K - 1] = kind == 3 ? 0.0f : 0.5f * x[0];
			memset(bytes, 0xff, sizeof(bytes));
			cpu_kernels(&context)->quantize(x, K, bytes, &scale, &zero);
			assert_in_range(zero, 0, 255);
			for (int i = 0; i < K; i++)
				assert_true(fabsf((float) (bytes[i] - zero) * scale - x[i]) <= 0.501f * scale);
			close_context(&context);
		}
	free(x);
}

static void
test_product(void **state)
{
	static const int64_t sizes[][3] = {
		{1, 1, 1},	  {1, 5, 36},	 {2, 31, 3},	{3, 32, 7},	  {5, 33, 64},
		{13, 64, 33}, {14, 65, 5},	 {15, 100, 9},	{29, 96, 17}, {57, 40, 31},
		{113, 8, 2},  {4, 70, 1024}, {3, 33, 1541},
	};

	(void) state;
	FOR_EACH_ISA(set)
	for (int m = 0; m < MODES; m++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			check_product(set, modes[m], sizes[i][0], sizes[i][1], sizes[i][2]);
}

/*
 * Every row by itself, with its own activation, residual and norm, against all rows on some threads.
 */
static void
check_company(int set, mode how, int threads, int64_t rows, int64_t n, int64_t k)
{
	tfm_context alone = open_context(set, 1, 0), context = open_context(set, threads, 0);
	float *x = numbers(rows * k, 1), *w = numbers(n * k, 2), *bias = numbers(n, 3);
	float *residual = numbers(rows * n, 4), *y = numbers(rows * n, 5), *row = numbers(n, 6);
	op_linear_options o = {
		.k = k,
		.compute = how.compute,
		.activation = ACTIVATION_GELU,
		.parts = {{pack(how.dtype, w, n, k), how.dtype, n, bias, y, 0}},
		.norm_weight = bias,
		.norm_bias = bias,
		.norm_eps = 1e-5f,
	};

	o.x = x, o.rows = rows, o.residual = residual;
	assert_true(op_linear(&context, &o));
	o.parts[0].y = row, o.rows = 1;
	for (int64_t r = 0; r < rows; r++)
	{
		o.x = x + r * k, o.residual = residual + r * n;
		assert_true(op_linear(&alone, &o));
		assert_same_bits(row, y + r * n, n);
	}
	assert_int_equal(arena_used(context.arena), 0);
	free(x);
	free(w);
	free(bias);
	free(residual);
	free(y);
	free(row);
	free((void *) o.parts[0].panels);
	close_context(&alone);
	close_context(&context);
}

static void
test_company(void **state)
{
	(void) state;
	FOR_EACH_ISA(set)
	for (int m = 0; m < MODES; m++)
		for (int threads = 1; threads <= 3; threads++)
		{
			check_company(set, modes[m], threads, 61, 77, 36);
			check_company(set, modes[m], threads, 30, 96, 385);
			check_company(set, modes[m], threads, 17, 40, 1024); /* rows that collide are copied */
		}
}

/*
 * Parts, activation, residual and norm in one call against one after the other: the parts of one x,
 * and what is done to the sum.
 */
static void
test_parts(void **state)
{
	enum
	{
		ROWS = 70,
		N = 45,
		M = 32,
		K = 50
	};
	float *x = numbers(ROWS * K, 1), *w = numbers((N + M) * K, 2), *residual = numbers(ROWS * N, 3);
	float *both[2] = {numbers(ROWS * N, 4), numbers(ROWS * M, 5)};
	float *one = numbers(ROWS * N, 6), *bias = numbers(N, 7);

	(void) state;
	FOR_EACH_ISA(set)
	for (int m = 0; m < MODES; m++)
	{
		tfm_context context = open_context(set, 2, 0);
		tfm_dtype dtype = modes[m].dtype;
		const void *panels[2] = {pack(dtype, w, N, K), pack(dtype, w + N * K, M, K)};
		op_linear_options o = {.x = x, .rows = ROWS, .k = K, .compute = modes[m].compute};

		o.parts[0] = (op_linear_part) {panels[0], dtype, N, bias, both[0], 0};
		o.parts[1] = (op_linear_part) {panels[1], dtype, M, NULL, both[1], 0};
		assert_true(op_linear(&context, &o));
		o.parts[0].y = one, o.parts[1].panels = NULL;
		assert_true(op_linear(&context, &o));
		assert_same_bits(one, both[0], ROWS * N);
		o.parts[0] = (op_linear_part) {panels[1], dtype, M, NULL, one, 0};
		assert_true(op_linear(&context, &o));
		assert_same_bits(one, both[1], ROWS * M);

		o.parts[0] = (op_linear_part) {panels[0], dtype, N, bias, one, 0};
		o.residual = residual, o.norm_weight = bias, o.norm_bias = residual, o.norm_eps = 1e-5f;
		assert_true(op_linear(&context, &o));
		assert_true(op_layer_norm(&context, &(op_norm_options) {.x = both[0],
																.residual = residual,
																.rows = ROWS,
																.n = N,
																.weight = bias,
																.bias = residual,
																.eps = 1e-5f,
																.y = both[0]}));
		assert_same_bits(one, both[0], ROWS * N);
		/* a residual or a norm of several parts has no meaning */
		o.parts[1] = (op_linear_part) {panels[1], dtype, M, NULL, both[1], 0};
		assert_false(op_linear(&context, &o));
		assert_int_equal(context.error.kind, TFM_INTERNAL);
		free((void *) panels[0]);
		free((void *) panels[1]);
		close_context(&context);
	}
	free(x);
	free(w);
	free(residual);
	free(both[0]);
	free(both[1]);
	free(one);
	free(bias);
}

/* Strides, and a residual that is the result, change nothing. */
static void
test_places(void **state)
{
	enum
	{
		ROWS = 20,
		N = 45,
		K = 50
	};
	float *x = numbers(ROWS * K, 1), *w = numbers(N * K, 2), *residual = numbers(ROWS * N, 3);
	float *y = numbers(ROWS * N, 4), *wide_x = numbers(ROWS * 1024, 5), *wide_y;
	op_linear_options o = {
		.rows = ROWS, .k = K, .parts = {{pack(DTYPE_F32, w, N, K), 0, N, NULL, NULL, 0}}};

	(void) state;
	wide_y = numbers(ROWS * 64, 6);
	FOR_EACH_ISA(set)
	{
		tfm_context context = open_context(set, 1, 0);

		o.x = x, o.x_stride = 0, o.residual = residual, o.residual_stride = 0;
		o.parts[0].y = y, o.parts[0].y_stride = 0;
		assert_true(op_linear(&context, &o));
		for (int r = 0; r < ROWS; r++)
		{
			memcpy(wide_x + r * 1024, x + r * K, K * sizeof(float));
			memcpy(wide_y + r * 64, residual + r * N, N * sizeof(float));
			wide_y[r * 64 + N] = 7.0f;
		}
		o.x = wide_x, o.x_stride = 1024, o.residual = o.parts[0].y = wide_y;
		o.residual_stride = o.parts[0].y_stride = 64;
		assert_true(op_linear(&context, &o));
		for (int r = 0; r < ROWS; r++)
		{
			assert_same_bits(y + r * N, wide_y + r * 64, N);
			assert_true(wide_y[r * 64 + N] == 7.0f);
		}
		close_context(&context);
	}
	free(x);
	free(w);
	free(residual);
	free(y);
	free(wide_x);
	free(wide_y);
	free((void *) o.parts[0].panels);
}

/* Not-a-number and infinity stay in their row. */
static void
test_not_finite(void **state)
{
	enum
	{
		ROWS = 15,
		N = 33,
		K = 40
	};
	float *x = numbers(ROWS * K, 1), *w = numbers(N * K, 2), *y = numbers(ROWS * N, 3);
	const void *panels = pack(DTYPE_F32, w, N, K);

	(void) state;
	x[3 * K + 5] = NAN;
	x[7 * K + 39] = INFINITY;
	FOR_EACH_ISA(set)
	{
		tfm_context context = open_context(set, 1, 0);

		assert_true(op_linear(
			&context, &(op_linear_options) {
						  .x = x, .rows = ROWS, .k = K, .parts = {{panels, 0, N, NULL, y, 0}}}));
		for (int r = 0; r < ROWS; r++)
			for (int j = 0; j < N; j++)
				assert_int_equal(isfinite(y[r * N + j]) != 0, r != 3 && r != 7);
		assert_true(isnan(y[3 * N]) && isinf(y[7 * N]));
		close_context(&context);
	}
	free(x);
	free(w);
	free(y);
	free((void *) panels);
}

static void
test_errors(void **state)
{
	static const int64_t vast[][2] = {{INT64_MAX, 8}, {1LL << 40, 1LL << 30}};
	float *x = numbers(20 * 1024, 1), *y = numbers(20 * 64, 2), *panels = numbers(64 * 1024, 3);
	op_linear_options o = {.x = x, .rows = 20, .k = 1024, .parts = {{panels, 0, 64, NULL, y, 0}}};
	tfm_context context = open_context(ISA_BEST, 1, 4096);
	int calls = 1;
	size_t size;

	(void) state;
	assert_false(op_linear(&context, &o));
	assert_int_equal(context.error.kind, TFM_OUT_OF_MEMORY);
	assert_false(op_linear(&context, &o)); /* sticky */
	tfm_clear_error(&context);
	arena_set_limit(context.arena, 0);

	o.rows = 200, o.x_stride = 0, o.k = 100;
	free(x);
	free(y);
	o.x = x = numbers(200 * 100, 1);
	o.parts[0].y = y = numbers(200 * 64, 2);
	context.interrupted = stop_after;
	context.interrupted_argument = &calls;
	assert_false(op_linear(&context, &o));
	assert_int_equal(context.error.kind, TFM_CANCELLED);
	tfm_clear_error(&context);
	context.interrupted = NULL;
	assert_true(op_linear(&context, &o));

	o.parts[0].dtype = DTYPE_F64;
	assert_false(op_linear(&context, &o));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	tfm_clear_error(&context);
	o.parts[0].dtype = 0, o.k = 0;
	assert_false(op_linear(&context, &o));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	for (size_t i = 0; i < 2; i++)
		assert_false(weight_size(DTYPE_F32, LAYOUT_PANELS, 2, vast[i], &size));
	free(x);
	free(y);
	free(panels);
	close_context(&context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantize), cmocka_unit_test(test_product),
		cmocka_unit_test(test_company),	 cmocka_unit_test(test_parts),
		cmocka_unit_test(test_places),	 cmocka_unit_test(test_not_finite),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
