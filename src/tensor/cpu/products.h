/*
 * products.h
 *	  Inner loops of matrix products: tiles of sums, packing and rounding of what is multiplied, and
 *	  what is done to the sums.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CPU_PRODUCTS_H
#define TFM_TENSOR_CPU_PRODUCTS_H

#include <math.h>

#include "tensor/cpu/functions.h"
#include "tensor/kernels.h"
#include "tensor/pack.h"

/* Call inner(rows, ...) with rows as a constant, 1 .. TILE_ROWS. */
#define WITH_ROWS(count, inner, ...)                                                               \
	case count:                                                                                    \
		inner(count, __VA_ARGS__);                                                                 \
		break

#if TILE_ROWS == 14
#define MORE_ROWS(inner, ...)                                                                      \
	WITH_ROWS(5, inner, __VA_ARGS__);                                                              \
	WITH_ROWS(6, inner, __VA_ARGS__);                                                              \
	WITH_ROWS(7, inner, __VA_ARGS__);                                                              \
	WITH_ROWS(8, inner, __VA_ARGS__);                                                              \
	WITH_ROWS(9, inner, __VA_ARGS__);                                                              \
	WITH_ROWS(10, inner, __VA_ARGS__);                                                             \
	WITH_ROWS(11, inner, __VA_ARGS__);                                                             \
	WITH_ROWS(12, inner, __VA_ARGS__);                                                             \
	WITH_ROWS(13, inner, __VA_ARGS__);                                                             \
	WITH_ROWS(14, inner, __VA_ARGS__)
#elif TILE_ROWS == 6
#define MORE_ROWS(inner, ...)                                                                      \
	WITH_ROWS(5, inner, __VA_ARGS__);                                                              \
	WITH_ROWS(6, inner, __VA_ARGS__)
#else
#define MORE_ROWS(inner, ...)
#endif

#define SWITCH_ROWS(rows, inner, ...)                                                              \
	switch (rows)                                                                                  \
	{                                                                                              \
		WITH_ROWS(1, inner, __VA_ARGS__);                                                          \
		WITH_ROWS(2, inner, __VA_ARGS__);                                                          \
		WITH_ROWS(3, inner, __VA_ARGS__);                                                          \
		WITH_ROWS(4, inner, __VA_ARGS__);                                                          \
		MORE_ROWS(inner, __VA_ARGS__);                                                             \
	}

/* ---- Products in f32 ---- */

/* Sums of a tile, or of its first vectors, to c or onto it. */
INLINE void
store_sums(const int rows, vec sum[TILE_ROWS][TILE_VECTORS], bool add, float *c, int64_t c_stride)
{
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

/*
 * Have what comes later in a panel, or in the next one, in the second level cache.  Processors read
 * ahead by themselves, but stop at the end of each page; a few rows pass a page in less time than
 * memory takes to begin another.
 */
INLINE void
prefetch_panel(const void *panel)
{
	const char *ahead = (const char *) panel + 8192;

	__builtin_prefetch(ahead, 0, 2);
	if (VEC_WIDTH == 16)
		__builtin_prefetch(ahead + 64, 0, 2);
}

INLINE vec
load_start(const float *start)
{
	return start == NULL ? vec_set1(0.0f) : vec_load(start);
}

/* All rows of a tile begin with start. */
INLINE void
begin_sums(const int rows, const float *start, vec sum[TILE_ROWS][TILE_VECTORS])
{
	vec s0 = load_start(start), s1 = load_start(start == NULL ? NULL : start + VEC_WIDTH);

	UNROLL
	for (int r = 0; r < rows; r++)
	{
		sum[r][0] = s0;
		sum[r][1] = s1;
	}
}

/* As many columns of a panel as fit into registers; rows is a constant where this is inlined. */
INLINE void
multiply_columns(const int rows, int64_t k, const float *a, int64_t a_stride, const float *panel,
				 const float *start, bool add, float *c, int64_t c_stride)
{
	vec sum[TILE_ROWS][TILE_VECTORS];

	begin_sums(rows, start, sum);
	for (int64_t i = 0; i < k; i++)
	{
		vec b0 = vec_load(panel + i * KERNEL_COLUMNS);
		vec b1 = vec_load(panel + i * KERNEL_COLUMNS + VEC_WIDTH);

		prefetch_panel(panel + i * KERNEL_COLUMNS);

		UNROLL
		for (int r = 0; r < rows; r++)
		{
			vec x = vec_set1(a[r * a_stride + i]);

			sum[r][0] = vec_fma(x, b0, sum[r][0]);
			sum[r][1] = vec_fma(x, b1, sum[r][1]);
		}
	}
	store_sums(rows, sum, add, c, c_stride);
}

INLINE void
multiply_rows(const int rows, int64_t k, const float *a, int64_t a_stride, const float *panel,
			  const float *start, bool add, float *c, int64_t c_stride)
{
	for (int j = 0; j < KERNEL_COLUMNS; j += TILE_VECTORS * VEC_WIDTH)
		multiply_columns(rows, k, a, a_stride, panel + j, start == NULL ? NULL : start + j, add,
						 c + j, c_stride);
}

static void
multiply(int rows, int64_t k, const float *a, int64_t a_stride, const float *panel,
		 const float *start, bool add, float *c, int64_t c_stride)
{
	SWITCH_ROWS(rows, multiply_rows, k, a, a_stride, panel, start, add, c, c_stride);
}

/* A vector of columns of row i of a panel of F16 or BF16. */
INLINE vec
load_halves(tfm_dtype dtype, const uint16_t *panel, int64_t i, int j)
{
	vec_bits pair;
	vec v;

	if (dtype == DTYPE_F16)
		return vec_load_f16(panel + i * KERNEL_COLUMNS + j);
	pair = vec_load_bits(panel + i / 2 * 2 * KERNEL_COLUMNS + 2 * j);
	pair = i % 2 == 0 ? pair << 16 : pair & 0xffff0000;
	memcpy(&v, &pair, sizeof(v));
	return v;
}

INLINE void
multiply_halves_of(tfm_dtype dtype, int64_t k, const float *a, const uint16_t *panel,
				   const float *start, bool add, float *c)
{
	for (int j = 0; j < KERNEL_COLUMNS; j += TILE_VECTORS * VEC_WIDTH)
	{
		vec sum[TILE_ROWS][TILE_VECTORS];

		begin_sums(1, start == NULL ? NULL : start + j, sum);
		for (int64_t i = 0; i < k; i++)
		{
			vec x = vec_set1(a[i]);

			prefetch_panel(panel + i * KERNEL_COLUMNS);
			sum[0][0] = vec_fma(x, load_halves(dtype, panel, i, j), sum[0][0]);
			sum[0][1] = vec_fma(x, load_halves(dtype, panel, i, j + VEC_WIDTH), sum[0][1]);
		}
		store_sums(1, sum, add, c + j, 0);
	}
}

static void
multiply_halves(tfm_dtype dtype, int64_t k, const float *a, const void *panel, const float *start,
				bool add, float *c)
{
	if (dtype == DTYPE_F16)
		multiply_halves_of(DTYPE_F16, k, a, panel, start, add, c);
	else
		multiply_halves_of(DTYPE_BF16, k, a, panel, start, add, c);
}

/* ---- Products in bf16 ---- */

#ifdef __AVX512BF16__

/* Two elements of a row, in every lane. */
INLINE __m512bh
broadcast_pair(const uint16_t *a)
{
	int pair;

	memcpy(&pair, a, sizeof(pair));
	return (__m512bh) _mm512_set1_epi32(pair);
}

INLINE void
multiply_rows_bf16(const int rows, int64_t k, const uint16_t *a, int64_t a_stride,
				   const uint16_t *panel, const float *start, bool add, float *c, int64_t c_stride)
{
	vec sum[TILE_ROWS][TILE_VECTORS];

	begin_sums(rows, start, sum);
	for (int64_t i = 0; i < k; i += 2)
	{
		__m512bh b0 = (__m512bh) _mm512_loadu_si512(panel + i * KERNEL_COLUMNS);
		__m512bh b1 = (__m512bh) _mm512_loadu_si512(panel + i * KERNEL_COLUMNS + KERNEL_COLUMNS);

		prefetch_panel(panel + i * KERNEL_COLUMNS);

		UNROLL
		for (int r = 0; r < rows; r++)
		{
			__m512bh x = broadcast_pair(a + r * a_stride + i);

			sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, b0);
			sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, b1);
		}
	}
	store_sums(rows, sum, add, c, c_stride);
}

static void
multiply_bf16(int rows, int64_t k, const uint16_t *a, int64_t a_stride, const uint16_t *panel,
			  const float *start, bool add, float *c, int64_t c_stride)
{
	SWITCH_ROWS(rows, multiply_rows_bf16, k, a, a_stride, panel, start, add, c, c_stride);
}

#endif

/* ---- Products of bytes ---- */

/*
 * Four elements of a row, in every lane, and what they are multiplied with.  Without an instruction
 * for it, bytes are taken apart to even and odd ones of 16 bits, of which products of pairs are
 * exact; the sum of a pair of products of bytes would not fit into the 16 bits of vpmaddubsw.
 */
#if defined(__AVX512VNNI__)

typedef __m512i byte_fours;

INLINE byte_fours
split_weights(vec_bits w)
{
	return (__m512i) w;
}

INLINE byte_fours
broadcast_four(uint32_t four)
{
	return _mm512_set1_epi32((int) four);
}

INLINE vec_bits
add_products(vec_bits sum, byte_fours x, byte_fours w)
{
	return (vec_bits) _mm512_dpbusd_epi32((__m512i) sum, x, w);
}

#elif defined(__AVX2__)

typedef struct byte_fours
{
	vec_words even, odd;
} byte_fours;

INLINE byte_fours
split_weights(vec_bits w)
{
	vec_words words = (vec_words) w;

	return (byte_fours) {.even = words << 8 >> 8, .odd = words >> 8};
}

INLINE byte_fours
broadcast_four(uint32_t four)
{
	vec_bits all = (vec_bits) {0} + four;

	return (byte_fours) {.even = (vec_words) (all & 0x00ff00ff),
						 .odd = (vec_words) (all >> 8 & 0x00ff00ff)};
}

INLINE vec_bits
add_products(vec_bits sum, byte_fours x, byte_fours w)
{
	return sum + vec_multiply_pairs(x.even, w.even) + vec_multiply_pairs(x.odd, w.odd);
}

#else

typedef vec_bits byte_fours;

INLINE byte_fours
split_weights(vec_bits w)
{
	return w;
}

INLINE byte_fours
broadcast_four(uint32_t four)
{
	return (vec_bits) {0} + four;
}

INLINE vec_bits
add_products(vec_bits sum, byte_fours x, byte_fours w)
{
	for (int i = 0; i < 4; i++)
		sum += (x >> (8 * i) & 0xff) * (vec_bits) ((vec_ints) (w << (24 - 8 * i)) >> 24);
	return sum;
}

#endif

/* As multiply_columns. */
INLINE void
multiply_columns_i8(const int rows, int64_t k, const uint8_t *a, int64_t a_stride,
					const int8_t *panel, int32_t *c, int64_t c_stride)
{
	vec_bits sum[TILE_ROWS][TILE_VECTORS];

	UNROLL
	for (int r = 0; r < rows; r++)
		sum[r][0] = sum[r][1] = (vec_bits) {0};
	for (int64_t i = 0; i < k; i += 4)
	{
		byte_fours b0 = split_weights(vec_load_bits(panel + i * KERNEL_COLUMNS));
		byte_fours b1 = split_weights(vec_load_bits(panel + i * KERNEL_COLUMNS + 4 * VEC_WIDTH));

		prefetch_panel(panel + i * KERNEL_COLUMNS);

		UNROLL
		for (int r = 0; r < rows; r++)
		{
			byte_fours x;
			uint32_t four;

			memcpy(&four, a + r * a_stride + i, sizeof(four));
			x = broadcast_four(four);
			sum[r][0] = add_products(sum[r][0], x, b0);
			sum[r][1] = add_products(sum[r][1], x, b1);
		}
	}
	UNROLL
	for (int r = 0; r < rows; r++)
	{
		vec_store_bits(c + r * c_stride, sum[r][0]);
		vec_store_bits(c + r * c_stride + VEC_WIDTH, sum[r][1]);
	}
}

INLINE void
multiply_rows_i8(const int rows, int64_t k, const uint8_t *a, int64_t a_stride, const int8_t *panel,
				 int32_t *c, int64_t c_stride)
{
	for (int j = 0; j < KERNEL_COLUMNS; j += TILE_VECTORS * VEC_WIDTH)
		multiply_columns_i8(rows, k, a, a_stride, panel + 4 * j, c + j, c_stride);
}

static void
multiply_i8(int rows, int64_t k, const uint8_t *a, int64_t a_stride, const int8_t *panel,
			int32_t *c, int64_t c_stride)
{
	SWITCH_ROWS(rows, multiply_rows_i8, k, a, a_stride, panel, c, c_stride);
}

/* ---- Packing and rounding ---- */

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

/* The bits of x rounded to bf16, ties to even, the lower halves zero; see float16.h. */
INLINE vec_bits
vec_round_bf16(vec x)
{
	vec_bits bits, magnitude;

	memcpy(&bits, &x, sizeof(bits));
	magnitude = bits & 0x7fffffff;
	/* what is not a number stays so, its payload may lie in the lower half alone */
	bits = ((bits + 0x7fff + (bits >> 16 & 1)) & ~(vec_bits) (magnitude > 0x7f800000)) |
		   ((bits | 0x00400000) & (vec_bits) (magnitude > 0x7f800000));
	return bits & 0xffff0000;
}

static void
pack_bf16(int64_t count, const float *from, uint16_t *panel)
{
	for (int64_t i = 0; i < count; i += 2, from += 2 * KERNEL_COLUMNS, panel += 2 * KERNEL_COLUMNS)
		for (int j = 0; j < KERNEL_COLUMNS; j += VEC_WIDTH)
			vec_store_bits(panel + 2 * j, vec_round_bf16(vec_load(from + j)) >> 16 |
											  vec_round_bf16(vec_load(from + KERNEL_COLUMNS + j)));
}

static void
to_bf16(const float *x, uint16_t *y, int64_t count)
{
	int64_t i = 0;

#ifdef __AVX512BF16__
	for (; i + 32 <= count; i += 32)
		_mm512_storeu_si512(y + i,
							(__m512i) _mm512_cvtne2ps_pbh(vec_load(x + i + 16), vec_load(x + i)));
#endif
	for (; i < count; i++)
		y[i] = f32_to_bf16(x[i]);
}

static void
round_bf16(const float *x, float *y, int64_t count)
{
	for (int64_t i = 0; i < count; i += VEC_WIDTH)
	{
		vec_bits bits = vec_round_bf16(vec_load_up_to(x + i, count - i));
		vec v;

		memcpy(&v, &bits, sizeof(v));
		vec_store_up_to(y + i, v, count - i);
	}
}

INLINE void
unpack_bf16(const uint16_t *from, int64_t count, float *to)
{
	for (int64_t i = 0; i < count; i++, to += KERNEL_COLUMNS)
		for (int j = 0; j < KERNEL_COLUMNS; j += VEC_WIDTH)
		{
			vec_bits pair = vec_load_bits(from + i / 2 * 2 * KERNEL_COLUMNS + 2 * j);

			vec_store_bits(to + j, i % 2 == 0 ? pair << 16 : pair & 0xffff0000);
		}
}

INLINE void
unpack_i8(const int8_t *from, const float *scales, int64_t count, float *to)
{
	for (int64_t i = 0; i < count; i++, to += KERNEL_COLUMNS)
		for (int j = 0; j < KERNEL_COLUMNS; j += VEC_WIDTH)
		{
			vec_bits four = vec_load_bits(from + (i / 4 * KERNEL_COLUMNS + j) * 4);
			vec_ints w = (vec_ints) (four << (unsigned) (24 - i % 4 * 8)) >> 24;

			vec_store(to + j, __builtin_convertvector(w, vec) * vec_load(scales + j));
		}
}

static void
quantize(const float *x, int64_t count, uint8_t *y, float *scale, int32_t *zero)
{
	vec least = vec_set1(0.0f), most = least;
	float low, high, factor;
	vec shift;
	int64_t i;

	for (i = 0; i < count; i += VEC_WIDTH)
	{
		vec v = vec_load_up_to(x + i, count - i);

		least = vec_min(v, least);
		most = vec_max(v, most);
	}
	low = -vec_greatest(-least);
	high = vec_greatest(most);
	factor = high - low > 0.0f ? 255.0f / (high - low) : 0.0f;
	*scale = (high - low) / 255.0f;
	*zero = (int32_t) rintf(fminf(fmaxf(-low * factor, 0.0f), 255.0f));
	shift = vec_set1((float) *zero);
	for (i = 0; i < count; i += VEC_WIDTH)
	{
		vec v = vec_fma(vec_load_up_to(x + i, count - i), vec_set1(factor), shift);

		v = vec_min(vec_set1(255.0f), vec_max(vec_set1(0.0f), v));
		if (count - i >= VEC_WIDTH)
			vec_store_bytes(y + i, v);
		else
		{
			uint8_t part[VEC_WIDTH];

			vec_store_bytes(part, v);
			memcpy(y + i, part, (size_t) (count - i + 3) / 4 * 4);
		}
	}
}

/* ---- What is done to the sums ---- */

/* Activations of which there is a version for results that are rounded coarsely anyway. */
INLINE vec
activate_sum(op_activation activation, bool coarse, vec v)
{
	if (coarse && activation == ACTIVATION_GELU)
		return vec_gelu_coarse(v);
	return vec_activate(activation, v);
}

/* y = activation(sum) + residual of one vector; j is its first column. */
INLINE void
finish_vector(const linear_finish *finish, op_activation activation, bool coarse, int r, int j,
			  int columns, vec sum)
{
	vec y = activate_sum(activation, coarse, sum);

	if (finish->residual != NULL)
		y += vec_load_up_to(finish->residual + r * finish->residual_stride + j, columns - j);
	vec_store_up_to(finish->y + r * finish->y_stride + j, y, columns - j);
}

INLINE void
finish_f32(op_activation activation, bool coarse, const linear_finish *finish, int rows,
		   int columns, const float *tile)
{
	for (int j = 0; j < columns; j += VEC_WIDTH)
		for (int r = 0; r < rows; r++)
			finish_vector(finish, activation, coarse, r, j, columns,
						  vec_load(tile + r * KERNEL_COLUMNS + j));
}

/* The difference of two products may wrap on the way; it is itself within int32. */
INLINE void
finish_i8(op_activation activation, bool coarse, const linear_finish *finish, int rows, int columns,
		  const quantized_rows *x, const quantized_columns *w, const float *start,
		  const int32_t *tile)
{
	for (int j = 0; j < columns; j += VEC_WIDTH)
	{
		vec bias = load_start(start == NULL ? NULL : start + j), scale = vec_load(w->scales + j);
		vec_bits sums = vec_load_bits(w->sums + j);

		for (int r = 0; r < rows; r++)
		{
			vec_bits product =
				vec_load_bits(tile + r * KERNEL_COLUMNS + j) - sums * (uint32_t) x->zeros[r];
			vec v = __builtin_convertvector((vec_ints) product, vec);

			finish_vector(finish, activation, coarse, r, j, columns,
						  vec_fma(v, scale * vec_set1(x->scales[r]), bias));
		}
	}
}

/* Call inner(activation, coarse, ...) with both as constants. */
#define WITH_ACTIVATION(name, inner, ...)                                                          \
	case name:                                                                                     \
		inner(name, false, __VA_ARGS__);                                                           \
		break
#define SWITCH_ACTIVATION(activation, coarse, inner, ...)                                          \
	switch (activation)                                                                            \
	{                                                                                              \
		case ACTIVATION_GELU:                                                                      \
			if (coarse)                                                                            \
				inner(ACTIVATION_GELU, true, __VA_ARGS__);                                         \
			else                                                                                   \
				inner(ACTIVATION_GELU, false, __VA_ARGS__);                                        \
			break;                                                                                 \
			WITH_ACTIVATION(ACTIVATION_NONE, inner, __VA_ARGS__);                                  \
			WITH_ACTIVATION(ACTIVATION_GELU_TANH, inner, __VA_ARGS__);                             \
			WITH_ACTIVATION(ACTIVATION_QUICK_GELU, inner, __VA_ARGS__);                            \
			WITH_ACTIVATION(ACTIVATION_RELU, inner, __VA_ARGS__);                                  \
			WITH_ACTIVATION(ACTIVATION_RELU2, inner, __VA_ARGS__);                                 \
			WITH_ACTIVATION(ACTIVATION_RELU6, inner, __VA_ARGS__);                                 \
			WITH_ACTIVATION(ACTIVATION_SILU, inner, __VA_ARGS__);                                  \
			WITH_ACTIVATION(ACTIVATION_MISH, inner, __VA_ARGS__);                                  \
			WITH_ACTIVATION(ACTIVATION_TANH, inner, __VA_ARGS__);                                  \
			WITH_ACTIVATION(ACTIVATION_SIGMOID, inner, __VA_ARGS__);                               \
	}

static void
finish_linear(const linear_finish *finish, int rows, int columns, const float *tile)
{
	SWITCH_ACTIVATION(finish->activation, finish->coarse, finish_f32, finish, rows, columns, tile);
}

static void
finish_linear_i8(const linear_finish *finish, int rows, int columns, const quantized_rows *x,
				 const quantized_columns *w, const float *start, const int32_t *tile)
{
	SWITCH_ACTIVATION(finish->activation, finish->coarse, finish_i8, finish, rows, columns, x, w,
					  start, tile);
}

INLINE void
activate_vectors(op_activation activation, bool coarse, const float *x, float *y, int64_t count)
{
	for (int64_t i = 0; i < count; i += VEC_WIDTH)
		vec_store_up_to(y + i, activate_sum(activation, coarse, vec_load_up_to(x + i, count - i)),
						count - i);
}

static void
activate(op_activation activation, const float *x, float *y, int64_t count)
{
	SWITCH_ACTIVATION(activation, false, activate_vectors, x, y, count);
}

INLINE void
gate_vectors(op_activation activation, bool coarse, const float *x, const float *up, float *y,
			 int64_t count)
{
	for (int64_t i = 0; i < count; i += VEC_WIDTH)
		vec_store_up_to(y + i,
						activate_sum(activation, coarse, vec_load_up_to(x + i, count - i)) *
							vec_load_up_to(up + i, count - i),
						count - i);
}

static void
gate(op_activation activation, bool coarse, const float *x, const float *up, float *y,
	 int64_t count)
{
	SWITCH_ACTIVATION(activation, coarse, gate_vectors, x, up, y, count);
}

#endif
