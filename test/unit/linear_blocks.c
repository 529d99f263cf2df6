/*
 * linear_blocks.c
 *	  Linear layers of quantised blocks: right within the bound of their sums, the same bits in any
 *	  company, in any cut.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "blocks.h"

#include <float.h>

#include "tensor/linear.h"
#include "tensor/pack.h"

static const tfm_compute computes[] = {COMPUTE_INT8, COMPUTE_F32, COMPUTE_BF16};

#define COMPUTES ((int) (sizeof(computes) / sizeof(computes[0])))

/* Weights as they were and in panels. */
typedef struct matrix
{
	tfm_dtype dtype;
	int64_t n, k;
	uint8_t *blocks;
	void *panels;
} matrix;

static matrix
make_matrix(tfm_dtype dtype, int64_t n, int64_t k, uint32_t seed)
{
	matrix w = {.dtype = dtype, .n = n, .k = k, .blocks = random_blocks(dtype, n, k, seed)};
	size_t size;

	assert_true(weight_size(dtype, LAYOUT_PANELS, 2, (int64_t[]) {n, k}, &size));
	w.panels = aligned_alloc(64, (size + 63) & ~(size_t) 63);
	assert_non_null(w.panels);
	pack_blocks(dtype, LAYOUT_PANELS, w.blocks, n, k, w.panels);
	return w;
}

static void
free_matrix(matrix *w)
{
	free(w->blocks);
	free(w->panels);
}

static int64_t
whole_blocks(tfm_dtype dtype, int64_t k)
{
	int64_t elements = block_forms[dtype].elements;

	return (k + elements - 1) / elements * elements;
}

/* A row of x as the product takes it. */
static void
round_row(const kernels *table, tfm_compute compute, const float *x, int64_t k, float *rounded)
{
	int8_t high[2048], low[2048];
	float scales[64], scaled[64], scaled_halves[128];
	int32_t sums[64], halves[128];
	grouped_rows to = {high, low, scales, sums, halves, scaled, scaled_halves, 0};

	if (compute == COMPUTE_INT8)
		table->quantize_groups(x, k, &to);
	for (int64_t i = 0; i < k; i++)
		rounded[i] = compute == COMPUTE_INT8   ? (float) (256 * high[i] + low[i]) * scales[i / 32]
					 : compute == COMPUTE_BF16 ? bf16_to_f32(f32_to_bf16(x[i]))
											   : x[i];
}

/* A row of weights as the product takes it; its greatest magnitude. */
static double
keep_row(const matrix *w, int64_t row, tfm_compute compute, float *kept)
{
	double most = 0.0;

	block_decode(w->dtype, w->blocks + (size_t) row * block_row_size(w->dtype, w->k), w->k, kept);
	for (int64_t i = 0; i < w->k; i++)
	{
		most = fmax(most, fabs(kept[i]));
		if (compute == COMPUTE_BF16)
			kept[i] = bf16_to_f32(f32_to_bf16(kept[i]));
	}
	return most;
}

/*
 * Against a sum in double.  Codes and minima are summed apart, so that terms are as large as the
 * row's greatest weight where they cancel each other.
 */
static void
check_product(int set, tfm_dtype dtype, tfm_compute compute, int64_t rows, int64_t n, int64_t k)
{
	tfm_context context = open_context(set, 1, 0);
	matrix w = make_matrix(dtype, n, k, 2);
	float *x = numbers(rows * k, 1), *y = numbers(rows * n, 3), *bias = numbers(n, 4);
	float *rounded = numbers(k, 5), *kept = numbers(k, 6);

	assert_true(op_linear(&context, &(op_linear_options) {
										.x = x,
										.rows = rows,
										.k = k,
										.compute = compute,
										.parts = {{w.panels, dtype, n, bias, y, 0}},
									}));
	for (int64_t j = 0; j < n; j++)
	{
		double most = 2.0 * keep_row(&w, j, compute, kept);

		for (int64_t r = 0; r < rows; r++)
		{
			double sum = bias[j], size = fabs(sum);

			round_row(cpu_kernels(&context), compute, x + r * k, k, rounded);
			for (int64_t i = 0; i < k; i++)
			{
				sum += (double) rounded[i] * kept[i];
				size += fabs(rounded[i]) * most;
			}
			assert_true(fabs(y[r * n + j] - sum) <= (double) (k + 2) * FLT_EPSILON * size);
		}
	}
	assert_int_equal(arena_used(context.arena), 0);
	free(x);
	free(y);
	free(bias);
	free(rounded);
	free(kept);
	free_matrix(&w);
	close_context(&context);
}

static void
test_product(void **state)
{
	static const int64_t sizes[][3] = {{1, 33, 32}, {7, 40, 96}, {13, 5, 1056}};

	(void) state;
	FOR_EACH_ISA(set)
	FOR_EACH_BLOCK_TYPE(type)
	for (int c = 0; c < COMPUTES; c++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			check_product(set, (tfm_dtype) type, computes[c], sizes[i][0], sizes[i][1],
						  whole_blocks((tfm_dtype) type, sizes[i][2]));
}

/* Numbers are off by half a step at most, sums are theirs, and what is not finite does no harm. */
static void
test_rounding(void **state)
{
	enum
	{
		K = 128
	};
	float *x = numbers(K, 9);

	(void) state;
	memset(x + 32, 0, 32 * sizeof(float));
	FOR_EACH_ISA(set)
	{
		tfm_context context = open_context(set, 1, 0);
		int8_t high[K], low[K];
		float scales[K / 32], scaled[K / 32], scaled_halves[K / 16];
		int32_t sums[K / 32], halves[K / 16];
		grouped_rows to = {high, low, scales, sums, halves, scaled, scaled_halves, 0};

		cpu_kernels(&context)->quantize_groups(x, K, &to);
		for (int g = 0; g < K / 32; g++)
		{
			int32_t sum[2] = {0, 0};

			for (int i = 32 * g; i < 32 * g + 32; i++)
			{
				int32_t number = 256 * high[i] + low[i];

				assert_true(fabsf((float) number * scales[g] - x[i]) <= 0.51f * scales[g]);
				sum[i % 32 / 16] += number;
			}
			assert_int_equal(halves[2 * g], sum[0]);
			assert_int_equal(halves[2 * g + 1], sum[1]);
			assert_int_equal(sums[g], sum[0] + sum[1]);
			assert_true(scaled[g] == scales[g] * (float) sums[g]);
			assert_true(scaled_halves[2 * g] == scales[g] * (float) sum[0]);
		}
		x[100] = NAN, x[101] = INFINITY, x[3] = 1e-42f;
		cpu_kernels(&context)->quantize_groups(x, K, &to);
		x[100] = x[101] = x[3] = 0.5f;
		close_context(&context);
	}
	free(x);
}

/* Every row by itself against all rows on some threads, with an activation and a residual. */
static void
check_company(int set, tfm_dtype dtype, int threads, int64_t rows, int64_t n, int64_t k)
{
	tfm_context alone = open_context(set, 1, 0), context = open_context(set, threads, 0);
	matrix w = make_matrix(dtype, n, k, 2);
	float *x = numbers(rows * k, 1), *residual = numbers(rows * n, 4), *bias = numbers(n, 3);
	float *y = numbers(rows * n, 5), *row = numbers(n, 6);
	op_linear_options o = {
		.k = k,
		.compute = COMPUTE_INT8,
		.activation = ACTIVATION_GELU,
		.parts = {{w.panels, dtype, n, bias, y, 0}},
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
	free(x);
	free(residual);
	free(bias);
	free(y);
	free(row);
	free_matrix(&w);
	close_context(&alone);
	close_context(&context);
}

static void
test_company(void **state)
{
	(void) state;
	FOR_EACH_ISA(set)
	FOR_EACH_BLOCK_TYPE(type)
	{
		check_company(set, (tfm_dtype) type, 1, 3, 40, 1024);
		check_company(set, (tfm_dtype) type, 3, 61, 77, whole_blocks((tfm_dtype) type, 1056));
	}
	check_company(ISA_BEST, DTYPE_Q8_0, 2, 600, 40, 64); /* more than are rounded at a time */
	check_company(ISA_BEST, DTYPE_Q4_K, 16, 200, 33, 256);
}

/* Parts of different types, of blocks and others, against each by itself; a norm, too. */
static void
test_parts(void **state)
{
	enum
	{
		ROWS = 9,
		N = 45,
		K = 256
	};
	static const tfm_dtype types[] = {DTYPE_Q4_K, DTYPE_F32, DTYPE_Q6_K, DTYPE_I8};
	float *x = numbers(ROWS * K, 1), *w = numbers(N * K, 2), *bias = numbers(N, 3);
	float *y = numbers(4 * ROWS * N, 4), *one = numbers(ROWS * N, 5);

	(void) state;
	for (int c = 0; c < COMPUTES; c++)
	{
		tfm_context context = open_context(ISA_BEST, 2, 0);
		op_linear_options o = {.x = x, .rows = ROWS, .k = K, .compute = computes[c]}, single = o;
		matrix blocks[2] = {make_matrix(types[0], N, K, 7), make_matrix(types[2], N, K, 8)};
		size_t size;
		void *others[2];

		for (int i = 0; i < 2; i++)
		{
			assert_true(weight_size(types[2 * i + 1], LAYOUT_PANELS, 2, (int64_t[]) {N, K}, &size));
			others[i] = aligned_alloc(64, (size + 63) & ~(size_t) 63);
			pack_weight(types[2 * i + 1], LAYOUT_PANELS, w, N, K, others[i]);
		}
		for (int i = 0; i < 4; i++)
			o.parts[i] = (op_linear_part) {i % 2 == 0 ? blocks[i / 2].panels : others[i / 2],
										   types[i],
										   N,
										   bias,
										   y + i * ROWS * N,
										   0};
		assert_true(op_linear(&context, &o));
		for (int i = 0; i < 4; i++)
		{
			single.parts[0] = o.parts[i];
			single.parts[0].y = one;
			assert_true(op_linear(&context, &single));
			assert_same_bits(one, y + i * ROWS * N, ROWS * N);
		}
		single.parts[0] = o.parts[0];
		single.parts[0].y = one;
		single.norm_weight = bias, single.norm_eps = 1e-5f;
		assert_true(op_linear(&context, &single));
		for (int r = 0; r < ROWS; r++)
		{
			norm_rows norm = {.n = N, .weight = bias, .eps = 1e-5f};

			cpu_kernels(&context)->layer_norm(&norm, y + r * N, NULL, y + r * N);
		}
		assert_same_bits(one, y, ROWS * N);
		assert_int_equal(arena_used(context.arena), 0);
		for (int i = 0; i < 2; i++)
		{
			free_matrix(&blocks[i]);
			free(others[i]);
		}
		close_context(&context);
	}
	free(x);
	free(w);
	free(bias);
	free(y);
	free(one);
}

/* A gate against its two products: of blocks, where it is made of sums, and of others. */
static void
check_gate(int set, tfm_dtype first, tfm_dtype second, tfm_compute compute, int64_t rows)
{
	enum
	{
		N = 70,
		K = 256
	};
	tfm_context context = open_context(set, 2, 0);
	matrix w[2] = {make_matrix(first, N, K, 1), make_matrix(second, N, K, 2)};
	float *x = numbers(rows * K, 3), *bias = numbers(N, 4), *up = numbers(rows * N, 5);
	float *y = numbers(rows * N, 6), *gated = numbers(rows * N, 7);
	op_linear_options o = {.x = x, .rows = rows, .k = K, .compute = compute};

	o.parts[0] = (op_linear_part) {w[0].panels, first, N, bias, y, 0};
	o.activation = ACTIVATION_SILU;
	assert_true(op_linear(&context, &o));
	o.parts[0] = (op_linear_part) {w[1].panels, second, N, NULL, up, 0};
	o.activation = ACTIVATION_NONE;
	assert_true(op_linear(&context, &o));
	o.parts[1] = o.parts[0];
	o.parts[0] = (op_linear_part) {w[0].panels, first, N, bias, gated, 0};
	o.parts[1].y = NULL;
	o.activation = ACTIVATION_SILU, o.gate = true;
	assert_true(op_linear(&context, &o));
	for (int64_t i = 0; i < rows * N; i++)
		assert_true(gated[i] == y[i] * up[i]);
	assert_int_equal(arena_used(context.arena), 0);
	o.residual = y;
	assert_false(op_linear(&context, &o));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	free(x);
	free(bias);
	free(up);
	free(y);
	free(gated);
	free_matrix(&w[0]);
	free_matrix(&w[1]);
	close_context(&context);
}

static void
test_gate(void **state)
{
	(void) state;
	FOR_EACH_ISA(set)
	for (int c = 0; c < COMPUTES; c++)
	{
		check_gate(set, DTYPE_Q4_K, DTYPE_Q4_K, computes[c], 1);
		check_gate(set, DTYPE_Q4_0, DTYPE_Q6_K, computes[c], 30);
	}
}

static void
test_errors(void **state)
{
	matrix w = make_matrix(DTYPE_Q8_0, 64, 1024, 1);
	float *x = numbers(200 * 1024, 1), *y = numbers(200 * 64, 2);
	op_linear_options o = {.x = x,
						   .rows = 200,
						   .k = 1024,
						   .compute = COMPUTE_INT8,
						   .parts = {{w.panels, DTYPE_Q8_0, 64, NULL, y, 0}}};
	tfm_context context = open_context(ISA_BEST, 1, 4096);
	int calls = 1;

	(void) state;
	assert_false(op_linear(&context, &o));
	assert_int_equal(context.error.kind, TFM_OUT_OF_MEMORY);
	tfm_clear_error(&context);
	arena_set_limit(context.arena, 0);
	context.interrupted = stop_after;
	context.interrupted_argument = &calls;
	assert_false(op_linear(&context, &o));
	assert_int_equal(context.error.kind, TFM_CANCELLED);
	tfm_clear_error(&context);
	context.interrupted = NULL;
	assert_true(op_linear(&context, &o));
	o.rows = 0;
	assert_true(op_linear(&context, &o));
	o.rows = 1, o.k = 1000; /* no whole blocks */
	assert_false(op_linear(&context, &o));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	free(x);
	free(y);
	free_matrix(&w);
	close_context(&context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_product), cmocka_unit_test(test_rounding),
		cmocka_unit_test(test_company), cmocka_unit_test(test_parts),
		cmocka_unit_test(test_gate),	cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
