/*
 * pack.c
 *	  Packing weights, panel by panel and row by row.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor/pack.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "tensor/block_forms.h"
#include "tensor/blocks.h"
#include "tensor/float16.h"
#include "tensor/kernels.h"
#include "tensor/pack_blocks.h"

size_t
pack_panel_size(tfm_dtype dtype, int64_t k)
{
	size_t depth = (size_t) k;

	if (block_is_type(dtype))
		return pack_blocks_panel_size(dtype, k);
	if (dtype == DTYPE_BF16)
		depth = size_round_up(depth, 2);
	if (dtype == DTYPE_I8)
		return PANEL_COLUMNS * (size_round_up(depth, 4) + sizeof(float) + sizeof(int32_t));
	return PANEL_COLUMNS * depth * dtype_size(dtype);
}

size_t
pack_row_size(tfm_dtype dtype, int64_t n)
{
	if (block_is_type(dtype))
		return block_row_size(dtype, n);
	if (dtype == DTYPE_I8)
		return sizeof(float) + size_round_up((size_t) n, sizeof(float));
	return (size_t) n * dtype_size(dtype);
}

/* The scale of a row of I8; that of a row of zeros is 0. */
static float
row_scale(const float *w, int64_t k)
{
	float most = 0.0f;

	for (int64_t i = 0; i < k; i++)
		if (fabsf(w[i]) > most)
			most = fabsf(w[i]);
	return most / I8_MOST;
}

static int8_t
quantize(float w, float scale)
{
	float q = scale == 0.0f ? 0.0f : rintf(w / scale);

	return (int8_t) (q > I8_MOST ? I8_MOST : q < -I8_MOST ? -I8_MOST : q); /* not a number: 127 */
}

static void
pack_panel_f16(const float *w, int columns, int64_t k, uint16_t *panel)
{
	for (int64_t i = 0; i < k; i++)
		for (int j = 0; j < PANEL_COLUMNS; j++)
			panel[i * PANEL_COLUMNS + j] = j < columns ? f32_to_f16(w[j * k + i]) : 0;
}

static void
pack_panel_bf16(const float *w, int columns, int64_t k, uint16_t *panel)
{
	for (int64_t i = 0; i < k + k % 2; i++)
		for (int j = 0; j < PANEL_COLUMNS; j++)
			panel[(i / 2 * PANEL_COLUMNS + j) * 2 + i % 2] =
				j < columns && i < k ? f32_to_bf16(w[j * k + i]) : 0;
}

static void
pack_panel_i8(const float *w, int columns, int64_t k, int8_t *panel)
{
	size_t size = pack_panel_size(DTYPE_I8, k);
	float *scales = (float *) (panel + size) - 2 * PANEL_COLUMNS;
	int32_t *sums = (int32_t *) (scales + PANEL_COLUMNS);

	memset(panel, 0, size);
	for (int j = 0; j < columns; j++)
	{
		const float *row = w + j * k;

		scales[j] = row_scale(row, k);
		for (int64_t i = 0; i < k; i++)
		{
			int8_t q = quantize(row[i], scales[j]);

			panel[(i / 4 * PANEL_COLUMNS + j) * 4 + i % 4] = q;
			sums[j] += q;
		}
	}
}

static void
pack_panel(tfm_dtype dtype, const float *w, int columns, int64_t k, void *panel)
{
	switch (dtype)
	{
		case DTYPE_F16:
			pack_panel_f16(w, columns, k, panel);
			break;
		case DTYPE_BF16:
			pack_panel_bf16(w, columns, k, panel);
			break;
		case DTYPE_I8:
			pack_panel_i8(w, columns, k, panel);
			break;
		case DTYPE_F32:
			kernels_portable.pack(k, columns, w, k, panel);
			break;
		default:
			pack_blocks_panel_f32(dtype, w, columns, k, panel);
	}
}

static void
pack_row(tfm_dtype dtype, const float *w, int64_t n, void *row)
{
	uint16_t *halves = row;
	float *scale = row;
	int8_t *bytes = (int8_t *) (scale + 1);

	switch (dtype)
	{
		case DTYPE_F16:
			for (int64_t i = 0; i < n; i++)
				halves[i] = f32_to_f16(w[i]);
			break;
		case DTYPE_BF16:
			for (int64_t i = 0; i < n; i++)
				halves[i] = f32_to_bf16(w[i]);
			break;
		case DTYPE_I8:
			memset(row, 0, pack_row_size(dtype, n));
			*scale = row_scale(w, n);
			for (int64_t i = 0; i < n; i++)
				bytes[i] = quantize(w[i], *scale);
			break;
		case DTYPE_F32:
			memcpy(row, w, (size_t) n * sizeof(float));
			break;
		default:
			block_encode(dtype, w, n, row);
	}
}

void
pack_weight(tfm_dtype dtype, weight_layout layout, const float *w, int64_t rows, int64_t k,
			void *to)
{
	char *place = to;

	if (layout == LAYOUT_PANELS)
		for (int64_t row = 0; row < rows; row += PANEL_COLUMNS, place += pack_panel_size(dtype, k))
			pack_panel(dtype, w + row * k,
					   rows - row < PANEL_COLUMNS ? (int) (rows - row) : PANEL_COLUMNS, k, place);
	else
		for (int64_t row = 0; row < rows; row++, place += pack_row_size(dtype, k))
			pack_row(dtype, w + row * k, k, place);
}

void
pack_blocks(tfm_dtype dtype, weight_layout layout, const void *w, int64_t rows, int64_t k, void *to)
{
	size_t row_size = block_row_size(dtype, k);
	const char *from = w;
	char *place = to;

	if (layout != LAYOUT_PANELS)
	{
		memcpy(to, w, (size_t) rows * row_size);
		return;
	}
	for (int64_t row = 0; row < rows; row += PANEL_COLUMNS)
	{
		int columns = rows - row < PANEL_COLUMNS ? (int) (rows - row) : PANEL_COLUMNS;

		pack_blocks_panel(dtype, from + (size_t) row * row_size, columns, k, place);
		place += pack_panel_size(dtype, k);
	}
}

/* ---- Reading ---- */

static void
read_packed_row(tfm_dtype dtype, const char *row, int64_t k, float *to)
{
	float scale;

	if (dtype == DTYPE_I8)
		memcpy(&scale, row, sizeof(scale));
	for (int64_t i = 0; i < k; i++)
		switch (dtype)
		{
			case DTYPE_F16:
				to[i] = f16_to_f32(((const uint16_t *) row)[i]);
				break;
			case DTYPE_BF16:
				to[i] = bf16_to_f32(((const uint16_t *) row)[i]);
				break;
			case DTYPE_I8:
				to[i] = ((const int8_t *) row + sizeof(scale))[i] * scale;
				break;
			default:
				to[i] = ((const float *) row)[i];
		}
}

static void
read_panel_column(tfm_dtype dtype, const char *panel, int column, int64_t k, float *to)
{
	const uint16_t *halves = (const uint16_t *) panel;
	const float *scales = (const float *) (panel + pack_panel_size(dtype, k)) - 2 * PANEL_COLUMNS;

	for (int64_t i = 0; i < k; i++)
		switch (dtype)
		{
			case DTYPE_F16:
				to[i] = f16_to_f32(halves[i * PANEL_COLUMNS + column]);
				break;
			case DTYPE_BF16:
				to[i] = bf16_to_f32(halves[(i / 2 * PANEL_COLUMNS + column) * 2 + i % 2]);
				break;
			case DTYPE_I8:
				to[i] = ((const int8_t *) panel)[(i / 4 * PANEL_COLUMNS + column) * 4 + i % 4] *
						scales[column];
				break;
			default:
				to[i] = ((const float *) panel)[i * PANEL_COLUMNS + column];
		}
}

void
pack_read_row(tfm_dtype dtype, weight_layout layout, const void *w, int64_t row, int64_t k,
			  float *to)
{
	const char *from = w;

	if (layout == LAYOUT_PANELS)
	{
		int column = (int) (row % PANEL_COLUMNS);

		from += (size_t) (row / PANEL_COLUMNS) * pack_panel_size(dtype, k);
		if (block_is_type(dtype))
			pack_blocks_column(dtype, from, column, k, to);
		else
			read_panel_column(dtype, from, column, k, to);
		return;
	}
	from += (size_t) row * pack_row_size(dtype, k);
	if (block_is_type(dtype))
		block_decode(dtype, from, k, to);
	else
		read_packed_row(dtype, from, k, to);
}

/* ---- Sizes ---- */

/* Types that panels and rows of k elements may have. */
static bool
is_packable(tfm_dtype dtype, int64_t k)
{
	if (block_is_type(dtype))
		return block_row_size(dtype, k) > 0;
	return dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_BF16 || dtype == DTYPE_I8;
}

bool
weight_size(tfm_dtype dtype, weight_layout layout, int rank, const int64_t *shape, size_t *size)
{
	size_t count = 1;

	if (rank < 0 || rank > TENSOR_MAX_RANK)
		return false;
	for (int i = 0; i < rank; i++)
		if (shape[i] < 0 || !size_multiply(count, (size_t) shape[i], &count))
			return false;
	/* far from the end, so that padding does not overflow */
	if (count > INT64_MAX / 64)
		return false;
	if (layout == LAYOUT_PLAIN)
	{
		*size = count * sizeof(float);
		return dtype == DTYPE_F32;
	}
	if (rank != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > INT64_MAX / 64 / 64 ||
		!is_packable(dtype, shape[1]))
		return false;
	if (layout == LAYOUT_ROWS)
		return size_multiply((size_t) shape[0], pack_row_size(dtype, shape[1]), size);
	return layout == LAYOUT_PANELS && (dtype != DTYPE_I8 || shape[1] <= PACK_I8_MAX_K) &&
		   size_multiply(size_round_up((size_t) shape[0], PANEL_COLUMNS) / PANEL_COLUMNS,
						 pack_panel_size(dtype, shape[1]), size) &&
		   *size <= INT64_MAX;
}
