/*
 * kernels.c
 *	  The inner loops of the ops for the CPU, compiled once for each instruction set.
 *
 * The Makefile gives KERNELS, the name of the table, and the flags of the set; vector.h turns these
 * into vectors.  Sums run in an order that depends on the length of what is summed alone: rows of a
 * tile do not touch each other, and parts of a vector are treated as whole ones.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/kernels.h"

#include <math.h>

#include "tensor/cpu/functions.h"

/* Registers: TILE_ROWS x TILE_VECTORS sums, TILE_VECTORS of the panel, one element of a. */
#define TILE_VECTORS 2
#if VEC_WIDTH == 16
#define KERNELS_ISA ISA_AVX512
#define TILE_ROWS 14
#elif VEC_WIDTH == 8
#define KERNELS_ISA ISA_AVX2
#define TILE_ROWS 6
#else
#define KERNELS_ISA ISA_PORTABLE
#define TILE_ROWS 4
#endif

/* As many columns of a panel as fit into registers; rows is a constant where this is inlined. */
INLINE void
multiply_columns(const int rows, int64_t k, const float *a, int64_t a_stride, const float *panel,
				 bool add, float *c, int64_t c_stride)
{
	vec sum[TILE_ROWS][TILE_VECTORS];

	UNROLL
	for (int r = 0; r < rows; r++)
		sum[r][0] = sum[r][1] = vec_set1(0.0f);
	for (int64_t i = 0; i < k; i++)
	{
		vec b0 = vec_load(panel + i * KERNEL_COLUMNS);
		vec b1 = vec_load(panel + i * KERNEL_COLUMNS + VEC_WIDTH);

		UNROLL
		for (int r = 0; r < rows; r++)
		{
			vec x = vec_set1(a[r * a_stride + i]);

			sum[r][0] = vec_fma(x, b0, sum[r][0]);
			sum[r][1] = vec_fma(x, b1, sum[r][1]);
		}
	}
	UNROLL
	for (int r = 0; r < rows; r++)
	{
		float *to = c + r * c_stride;

		if (add)
		{
			sum[r][0] += vec_load(to);
			sum[r][1] += vec_load(to + VEC_WIDTH);
		}
		vec_store(to, sum[r][0]);
		vec_store(to + VEC_WIDTH, sum[r][1]);
	}
}

INLINE void
multiply_rows(const int rows, int64_t k, const float *a, int64_t a_stride, const float *panel,
			  bool add, float *c, int64_t c_stride)
{
	for (int j = 0; j < KERNEL_COLUMNS; j += TILE_VECTORS * VEC_WIDTH)
		multiply_columns(rows, k, a, a_stride, panel + j, add, c + j, c_stride);
}

static void
multiply(int rows, int64_t k, const float *a, int64_t a_stride, const float *panel, bool add,
		 float *c, int64_t c_stride)
{
#define ROWS(count)                                                                                \
	case count:                                                                                    \
		multiply_rows(count, k, a, a_stride, panel, add, c, c_stride);                             \
		break
	switch (rows)
	{
		ROWS(1);
		ROWS(2);
		ROWS(3);
		ROWS(4);
#if TILE_ROWS > 4
		ROWS(5);
		ROWS(6);
#endif
#if TILE_ROWS > 6
		ROWS(7);
		ROWS(8);
		ROWS(9);
		ROWS(10);
		ROWS(11);
		ROWS(12);
		ROWS(13);
		ROWS(14);
#endif
	}
#undef ROWS
}

typedef float unaligned_four __attribute__((vector_size(16), aligned(4), may_alias));

/* Four rows of four floats, stride apart, become columns KERNEL_COLUMNS apart. */
INLINE void
transpose_four(const float *from, int64_t stride, float *to)
{
	vec_four a = *(const unaligned_four *) from;
	vec_four b = *(const unaligned_four *) (from + stride);
	vec_four c = *(const unaligned_four *) (from + 2 * stride);
	vec_four d = *(const unaligned_four *) (from + 3 * stride);
	vec_four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
	vec_four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);

	*(unaligned_four *) to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
	*(unaligned_four *) (to + KERNEL_COLUMNS) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
	ab = __builtin_shufflevector(a, b, 2, 6, 3, 7);
	cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
	*(unaligned_four *) (to + 2 * KERNEL_COLUMNS) = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
	*(unaligned_four *) (to + 3 * KERNEL_COLUMNS) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

static void
pack(int64_t k, int columns, const float *from, int64_t stride, float *panel)
{
	int64_t whole_k = k - k % 4;
	int whole = columns - columns % 4;

	for (int64_t i = 0; i < whole_k; i += 4)
		for (int j = 0; j < whole; j += 4)
			transpose_four(from + j * stride + i, stride, panel + i * KERNEL_COLUMNS + j);
	for (int64_t i = 0; i < k; i++)
	{
		float *row = panel + i * KERNEL_COLUMNS;

		for (int j = i < whole_k ? whole : 0; j < columns; j++)
			row[j] = from[j * stride + i];
		for (int j = columns; j < KERNEL_COLUMNS; j++)
			row[j] = 0.0f;
	}
}

INLINE void
activate_vectors(op_activation activation, const float *x, float *y, int64_t count)
{
	for (int64_t i = 0; i < count; i += VEC_WIDTH)
		vec_store_up_to(y + i, vec_activate(activation, vec_load_up_to(x + i, count - i)),
						count - i);
}

static void
activate(op_activation activation, const float *x, float *y, int64_t count)
{
#define ACTIVATE(name)                                                                             \
	case name:                                                                                     \
		activate_vectors(name, x, y, count);                                                       \
		break
	switch (activation)
	{
		ACTIVATE(ACTIVATION_NONE);
		ACTIVATE(ACTIVATION_GELU);
		ACTIVATE(ACTIVATION_GELU_TANH);
		ACTIVATE(ACTIVATION_QUICK_GELU);
		ACTIVATE(ACTIVATION_RELU);
		ACTIVATE(ACTIVATION_RELU2);
		ACTIVATE(ACTIVATION_RELU6);
		ACTIVATE(ACTIVATION_SILU);
		ACTIVATE(ACTIVATION_MISH);
		ACTIVATE(ACTIVATION_TANH);
		ACTIVATE(ACTIVATION_SIGMOID);
	}
#undef ACTIVATE
}

static void
finish_linear(const linear_finish *finish, int rows, int columns, float *tile)
{
	if (finish->bias != NULL)
		for (int j = 0; j < columns; j += VEC_WIDTH)
		{
			vec bias = vec_load_up_to(finish->bias + j, columns - j);

			for (float *t = tile + j; t < tile + rows * KERNEL_COLUMNS; t += KERNEL_COLUMNS)
				vec_store(t, vec_load(t) + bias);
		}
	if (finish->activation != ACTIVATION_NONE)
		activate(finish->activation, tile, tile, (int64_t) rows * KERNEL_COLUMNS);
	for (int r = 0; r < rows; r++)
		for (int j = 0; j < columns; j += VEC_WIDTH)
		{
			vec y = vec_load(tile + r * KERNEL_COLUMNS + j);

			if (finish->residual != NULL)
				y +=
					vec_load_up_to(finish->residual + r * finish->residual_stride + j, columns - j);
			vec_store_up_to(finish->y + r * finish->y_stride + j, y, columns - j);
		}
}

/* y = x + residual; the sum of y. */
INLINE float
add_residual(int64_t n, const float *x, const float *residual, float *y)
{
	vec sum = vec_set1(0.0f);

	for (int64_t i = 0; i < n; i += VEC_WIDTH)
	{
		vec v = vec_load_up_to(x + i, n - i);

		if (residual != NULL)
			v += vec_load_up_to(residual + i, n - i);
		sum += v;
		vec_store_up_to(y + i, v, n - i);
	}
	return vec_sum(sum);
}

/* The sum of (x - mean)^2. */
INLINE float
sum_squares(int64_t n, const float *x, float mean)
{
	vec sum = vec_set1(0.0f), middle = vec_set1(mean);
	int64_t whole = n - n % VEC_WIDTH;

	for (int64_t i = 0; i < whole; i += VEC_WIDTH)
	{
		vec v = vec_load(x + i) - middle;

		sum = vec_fma(v, v, sum);
	}
	if (whole < n)
	{
		vec inside = vec_pick_greater(vec_set1((float) (n - whole)), vec_index(), vec_set1(1.0f),
									  vec_set1(0.0f));
		vec v = (vec_load_part(x + whole, n - whole) - middle) * inside;

		sum = vec_fma(v, v, sum);
	}
	return vec_sum(sum);
}

/* y = (y - mean) * factor * weight + bias */
INLINE void
scale_row(const norm_rows *norm, float mean, float factor, float *y)
{
	vec middle = vec_set1(mean), scale = vec_set1(factor);

	for (int64_t i = 0, n = norm->n; i < n; i += VEC_WIDTH)
	{
		vec v = (vec_load_up_to(y + i, n - i) - middle) * scale;
		vec weight =
			norm->weight != NULL ? vec_load_up_to(norm->weight + i, n - i) : vec_set1(1.0f);
		vec bias = norm->bias != NULL ? vec_load_up_to(norm->bias + i, n - i) : vec_set1(0.0f);

		vec_store_up_to(y + i, vec_fma(v, weight, bias), n - i);
	}
}

static void
layer_norm(const norm_rows *norm, const float *x, const float *residual, float *y)
{
	float n = (float) norm->n;
	float mean = add_residual(norm->n, x, residual, y) / n;
	float variance = sum_squares(norm->n, y, mean) / n;

	scale_row(norm, mean, 1.0f / sqrtf(variance + norm->eps), y);
}

static void
rms_norm(const norm_rows *norm, const float *x, const float *residual, float *y)
{
	float mean_square;

	add_residual(norm->n, x, residual, y);
	mean_square = sum_squares(norm->n, y, 0.0f) / (float) norm->n;
	scale_row(norm, 0.0f, 1.0f / sqrtf(mean_square + norm->eps), y);
}

/* Scores of row r, scaled, biased and masked, in place; their maximum. */
INLINE float
finish_scores(const softmax_block *b, int r)
{
	const vec none = vec_set1(-INFINITY), scale = vec_set1(b->scale);
	const vec limit = vec_set1((float) (b->limit + r * b->limit_step));
	float *row = b->scores + r * b->stride;
	vec greatest = none;

	for (int64_t j = 0; j < b->columns; j += VEC_WIDTH)
	{
		vec s = vec_load(row + j) * scale;

		if (b->bias != NULL)
			s += vec_load(b->bias + r * b->bias_stride + j);
		if (b->seen != NULL)
			s = vec_pick_greater(vec_load(b->seen + j), vec_set1(0.0f), s, none);
		s = vec_pick_greater(limit, vec_index() + vec_set1((float) j), s, none);
		greatest = vec_max(greatest, s);
		vec_store(row + j, s);
	}
	return vec_greatest(greatest);
}

/* x[i] = e^(x[i] - base); their sum.  Of whole vectors. */
INLINE float
exponentials(int64_t count, float base, float *x)
{
	vec sum = vec_set1(0.0f), from = vec_set1(base);

	for (int64_t i = 0; i < count; i += VEC_WIDTH)
	{
		vec e = vec_exp(vec_load(x + i) - from);

		sum += e;
		vec_store(x + i, e);
	}
	return vec_sum(sum);
}

/* Milakov and Gimelshein 2018, "Online normalizer calculation for softmax", a block at a time. */
static void
softmax(const softmax_block *b)
{
	float base[KERNEL_MAX_ROWS], correction[KERNEL_MAX_ROWS] = {0};

	for (int r = 0; r < b->rows; r++)
	{
		float before = b->maximum[r], greatest = finish_scores(b, r);

		if (!(greatest > before))
			greatest = before;
		b->maximum[r] = greatest;
		/* a row that has seen nothing yet has no maximum to subtract */
		base[r] = greatest == -INFINITY ? 0.0f : greatest;
		correction[r] = before - base[r];
	}
	exponentials(KERNEL_MAX_ROWS, 0.0f, correction);
	for (int r = 0; r < b->rows; r++)
	{
		float sum = exponentials(b->columns, base[r], b->scores + r * b->stride);

		b->correction[r] = correction[r];
		b->sum[r] = b->sum[r] * correction[r] + sum;
	}
}

static void
accumulate(int rows, const float *correction, const float *c, int64_t c_stride, float *o,
		   int64_t o_stride)
{
	for (int r = 0; r < rows; r++)
	{
		vec factor = vec_set1(correction[r]);

		for (int j = 0; j < KERNEL_COLUMNS; j += VEC_WIDTH)
		{
			float *to = o + r * o_stride + j;

			vec_store(to, vec_fma(vec_load(to), factor, vec_load(c + r * c_stride + j)));
		}
	}
}

static void
scale(float factor, const float *x, float *y, int64_t count)
{
	for (int64_t i = 0; i < count; i += VEC_WIDTH)
		vec_store_up_to(y + i, vec_load_up_to(x + i, count - i) * vec_set1(factor), count - i);
}

const kernels KERNELS = {
	.set = KERNELS_ISA,
	.rows = TILE_ROWS,
	.multiply = multiply,
	.pack = pack,
	.finish_linear = finish_linear,
	.activate = activate,
	.layer_norm = layer_norm,
	.rms_norm = rms_norm,
	.softmax = softmax,
	.accumulate = accumulate,
	.scale = scale,
};
