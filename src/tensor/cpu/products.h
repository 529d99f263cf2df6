/*
 * products.h
 *	  Inner loops of matrix products: panels, products of tiles, what is done to their sums.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CPU_PRODUCTS_H
#define TFM_TENSOR_CPU_PRODUCTS_H

#include "tensor/cpu/functions.h"
#include "tensor/kernels.h"

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

#endif
