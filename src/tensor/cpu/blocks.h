/*
 * blocks.h
 *	  Inner loops of products with ggml's quantised types; see tensor/pack.h for how a panel lies.
 *
 * A group of 16 or 32 products of bytes is summed in integers, which is exact; a group's sum times
 * the weights' scale is multiplied by the scale of x and added to the element's one chain, then the
 * weights' minimum times the scaled sum of x.  Few rows are multiplied with codes as they come out of
 * the panel, many with codes that were unpacked once for all: the bits are the same.
 *
 * The form of a type is a constant where functions are inlined, so that each type has its own loop.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CPU_BLOCKS_H
#define TFM_TENSOR_CPU_BLOCKS_H

#include "tensor/block_forms.h"
#include "tensor/cpu/products.h"
#include "tensor/kernels.h"

#define FOUR_BYTES (4 * KERNEL_COLUMNS) /* four bytes of each column */

/* Registers: BLOCK_ROWS x TILE_VECTORS sums of floats and as many of integers. */
#if VEC_WIDTH == 16
#define BLOCK_ROWS 6
#else
#define BLOCK_ROWS 2
#endif

/* ---- Signed x times unsigned codes ---- */

/* Products of bytes, four added to each sum; small: codes are below 128. */
#if defined(__AVX512VNNI__)

INLINE vec_bits
add_codes(vec_bits sum, vec_bits codes, vec_bits x, bool small)
{
	(void) small;
	return (vec_bits) _mm512_dpbusd_epi32((__m512i) sum, (__m512i) codes, (__m512i) x);
}

#elif defined(__AVX2__)

/* Pairs of 127 * 127 fit into the words of vpmaddubsw; for others bytes are taken apart. */
INLINE vec_bits
add_codes(vec_bits sum, vec_bits codes, vec_bits x, bool small)
{
	vec_words ones = (vec_words) ((vec_bits) {0} + 0x00010001), even, odd;

	if (small)
		return sum + vec_multiply_pairs(vec_multiply_bytes(codes, x), ones);
	even = (vec_words) x << 8 >> 8;
	odd = (vec_words) x >> 8;
	return sum + vec_multiply_pairs(even, (vec_words) (codes & 0x00ff00ff)) +
		   vec_multiply_pairs(odd, (vec_words) (codes >> 8 & 0x00ff00ff));
}

#else

INLINE vec_bits
add_codes(vec_bits sum, vec_bits codes, vec_bits x, bool small)
{
	(void) small;
	for (int i = 0; i < 4; i++)
		sum += (codes >> (8 * i) & 0xff) * (vec_bits) ((vec_ints) (x << (24 - 8 * i)) >> 24);
	return sum;
}

#endif

/* Whether the codes of a form are below 128 when they are multiplied. */
INLINE bool
has_small_codes(const block_form *form)
{
	return form->lookup ? form->offset < 64 : form->low + form->high < 8;
}

INLINE vec_bits
load_four(const int8_t *x)
{
	uint32_t four;

	memcpy(&four, x, sizeof(four));
	return (vec_bits) {0} + four;
}

/* ---- Codes and scales out of a panel ---- */

/* Byte by byte the value of a code. */
INLINE vec_bits
look_up(const uint8_t *values, vec_bits codes)
{
#if VEC_WIDTH == 16
	__m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *) values));

	return (vec_bits) _mm512_shuffle_epi8(table, (__m512i) codes);
#elif VEC_WIDTH == 8
	__m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *) values));

	return (vec_bits) _mm256_shuffle_epi8(table, (__m256i) codes);
#else
	uint8_t bytes[sizeof(codes)];

	memcpy(bytes, &codes, sizeof(codes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = values[bytes[i] & 15];
	memcpy(&codes, bytes, sizeof(codes));
	return codes;
#endif
}

/* The bits of a plane for the four-th fours of a step, in place at of the byte; from column j on. */
INLINE vec_bits
load_plane(const uint8_t *plane, const int bits, const int at, const int four, int j)
{
	const int stretches = 8 / bits, shift = four % stretches * bits - at;
	vec_bits v = vec_load_bits(plane + four / stretches * FOUR_BYTES + 4 * j);
	uint32_t mask = ((1u << bits) - 1) << at;

	if (bits == 8)
		return v;
	v = shift >= 0 ? v >> (unsigned) shift : v << (unsigned) -shift;
	return v & (mask | mask << 8 | mask << 16 | mask << 24);
}

/* Codes of a step: four of each of a vector's columns, ready to be multiplied. */
INLINE vec_bits
load_codes(const block_form *form, const uint8_t *step, const int four, int j)
{
	const uint8_t *high = step + BLOCK_STEP * form->low / 8 * KERNEL_COLUMNS;
	vec_bits codes = load_plane(step, form->low, 0, four, j);

	if (form->high > 0)
		codes |= load_plane(high, form->high, form->low, four, j);
	return form->lookup ? look_up(form->values, codes) : codes;
}

/* What a vector's columns of a span are multiplied by. */
INLINE vec
load_span_scale(const block_form *form, const uint8_t *span, int j)
{
	vec_bits exponent, least;
	vec v;

	if (form->scale != BLOCK_SCALE_POWER)
		return vec_load_f16((const uint16_t *) span + j);
	exponent = vec_load_u8(span + j);
	least = (vec_bits) (exponent < 2);
	exponent =
		(least & ((vec_bits) {0} + 0x00200000) << (exponent & 1)) | (~least & (exponent - 1) << 23);
	memcpy(&v, &exponent, sizeof(v));
	return v;
}

/* The scale of a group of a span, and its minimum, where whole is those of the span. */
INLINE vec
load_group_scale(const block_form *form, const uint8_t *span, int group, int j, vec whole)
{
	const uint8_t *scales = span + block_span_of(form, KERNEL_COLUMNS).group_scales;
	vec_bits bytes;

	if (!block_has_group_scales(form))
		return whole;
	bytes = vec_load_u8(scales + group * KERNEL_COLUMNS + j);
	if (form->scale == BLOCK_SCALE_NIBBLES)
		bytes &= 15;
	else
		bytes = (vec_bits) ((vec_ints) (bytes << 24) >> 24);
	return whole * __builtin_convertvector((vec_ints) bytes, vec);
}

INLINE vec
load_group_minimum(const block_form *form, const uint8_t *span, int group, int j, vec whole)
{
	const block_span at = block_span_of(form, KERNEL_COLUMNS);
	vec_bits bytes;

	if (form->scale == BLOCK_SCALE_NIBBLES)
		bytes = vec_load_u8(span + at.group_scales + group * KERNEL_COLUMNS + j) >> 4;
	else if (form->scale == BLOCK_SCALE_BYTES)
		bytes = vec_load_u8(span + at.group_minima + group * KERNEL_COLUMNS + j);
	else
		return whole;
	return -(whole * __builtin_convertvector((vec_ints) bytes, vec));
}

INLINE vec
load_span_minimum(const block_form *form, const uint8_t *span, int j)
{
	const uint8_t *minima = span + block_span_of(form, KERNEL_COLUMNS).minima;

	return form->minimum ? vec_load_f16((const uint16_t *) minima + j) : vec_set1(0.0f);
}

/* ---- Rows of x ---- */

/* The greatest number of 16 bits: its high byte is 127, its low one 0. */
#define GROUP_MOST (127.0f * 256.0f)

/* The greatest magnitude of a step of a row. */
INLINE float
greatest_of_step(const float *x)
{
	vec most = vec_set1(0.0f);

	for (int i = 0; i < BLOCK_STEP; i += VEC_WIDTH)
		most = vec_max(vec_abs(vec_load(x + i)), most);
	return vec_greatest(most);
}

/*
 * Half a step times factor as numbers; their sum.  What is not a number becomes the least.  Half a
 * unit more keeps the high byte off ties, and so the low one within a byte.
 */
INLINE int32_t
quantize_half(const float *x, float factor, int8_t *high, int8_t *low)
{
	const vec most = vec_set1(low == NULL ? 127.0f : GROUP_MOST), magic = vec_set1(12582912.0f);
	vec sum = vec_set1(0.0f);

	for (int i = 0; i < BLOCK_STEP / 2; i += VEC_WIDTH)
	{
		vec v = vec_min(vec_max(vec_load(x + i) * vec_set1(factor), -most), most), h;

		v = (v + magic) - magic; /* rounded */
		sum += v;
		if (low != NULL)
		{
			h = ((v + vec_set1(0.5f)) * vec_set1(1.0f / 256.0f) + magic) - magic;
			vec_store_signed_bytes(low + i, v - h * vec_set1(256.0f));
		}
		else
			h = v;
		vec_store_signed_bytes(high + i, h);
	}
	return (int32_t) vec_sum(sum);
}

/* A group's numbers are x / scale, rounded, with max |x| as the greatest of them. */
INLINE void
quantize_group(const float *x, int64_t g, const grouped_rows *to, const bool wide)
{
	const float most = wide ? GROUP_MOST : 127.0f;
	float greatest = greatest_of_step(x), scale = greatest * (1.0f / most);
	float factor = greatest > 0.0f ? most / greatest : 0.0f;
	int32_t sums[2];

	UNROLL
	for (int half = 0; half < 2; half++)
	{
		int from = half * BLOCK_STEP / 2;
		int64_t at = g * BLOCK_STEP + from;

		sums[half] = quantize_half(x + from, factor, to->high + at, wide ? to->low + at : NULL);
		to->half_sums[2 * g + half] = sums[half];
		to->scaled_half_sums[2 * g + half] = scale * (float) sums[half];
	}
	to->scales[g] = scale;
	to->sums[g] = sums[0] + sums[1];
	to->scaled_sums[g] = scale * (float) (sums[0] + sums[1]);
}

static void
quantize_groups(const float *x, int64_t k, const grouped_rows *to)
{
	for (int64_t g = 0; g < k / BLOCK_STEP; g++, x += BLOCK_STEP)
		if (to->low != NULL)
			quantize_group(x, g, to, true);
		else
			quantize_group(x, g, to, false);
}

/* ---- One row and a panel as it is ---- */

/* A group's sum of integers goes onto the chain. */
INLINE vec
add_group(vec sum, vec_bits integers, vec scale, float x_scale)
{
	vec v = __builtin_convertvector((vec_ints) integers, vec) * scale;

	return vec_fma(v, vec_set1(x_scale), sum);
}

/* A step of a span, which begins at k; half counts its groups where it has two. */
INLINE void
add_panel_group(const block_form *form, const grouped_rows *x, int64_t k, const uint8_t *span,
				int step, const int half, const bool wide, int column, const vec *whole,
				const vec *whole_minimum, vec *sum)
{
	const uint8_t *codes = span + block_span_of(form, KERNEL_COLUMNS).codes +
						   step * (BLOCK_STEP * (form->low + form->high) / 8 * KERNEL_COLUMNS);
	const bool halves = form->group < BLOCK_STEP;
	const int32_t *sums = halves ? x->half_sums : x->sums;
	const float *scaled = halves ? x->scaled_half_sums : x->scaled_sums;
	int group = step * (BLOCK_STEP / form->group) + half;
	int64_t g = k / form->group + half;
	vec_bits low[TILE_VECTORS] = {0}, integers[TILE_VECTORS] = {0};

	UNROLL
	for (int i = 0; i < form->group / 4; i++)
	{
		const int four = half * (form->group / 4) + i;
		vec_bits x_high = load_four(x->high + k + 4 * four);
		vec_bits x_low = load_four(wide ? x->low + k + 4 * four : x->high);

		UNROLL
		for (int v = 0; v < TILE_VECTORS; v++)
		{
			vec_bits w = load_codes(form, codes, four, column + v * VEC_WIDTH);

			integers[v] = add_codes(integers[v], w, x_high, has_small_codes(form));
			if (wide)
				low[v] = add_codes(low[v], w, x_low, has_small_codes(form));
		}
	}
	UNROLL
	for (int v = 0; v < TILE_VECTORS; v++)
	{
		if (wide)
			integers[v] = (integers[v] << 8) + low[v];
		integers[v] += (uint32_t) (-form->offset * sums[g]);
	}
	UNROLL
	for (int v = 0; v < TILE_VECTORS; v++)
	{
		int j = column + v * VEC_WIDTH;

		sum[v] = add_group(sum[v], integers[v], load_group_scale(form, span, group, j, whole[v]),
						   x->scales[k / BLOCK_STEP]);
		if (form->minimum)
			sum[v] = vec_fma(load_group_minimum(form, span, group, j, whole_minimum[v]),
							 vec_set1(scaled[g]), sum[v]);
	}
}

/* Have what comes later in a panel in the cache; see prefetch_panel. */
INLINE void
prefetch_bytes(const uint8_t *from, int size)
{
	for (int i = 0; i < size; i += 64)
		__builtin_prefetch(from + 8192 + i, 0, 2);
}

INLINE void
multiply_panel_of(const block_form *form, const bool wide, int64_t k, const grouped_rows *x,
				  const uint8_t *panel, float *c)
{
	const block_span at = block_span_of(form, KERNEL_COLUMNS);
	const int size = at.size / (form->elements / BLOCK_STEP); /* of a step, nearly */

	for (int j = 0; j < KERNEL_COLUMNS; j += TILE_VECTORS * VEC_WIDTH)
	{
		const uint8_t *span = panel;
		vec sum[TILE_VECTORS], whole[TILE_VECTORS], minimum[TILE_VECTORS];

		for (int v = 0; v < TILE_VECTORS; v++)
			sum[v] = vec_load(c + j + v * VEC_WIDTH);
		for (int64_t first = 0; first < k; first += form->elements, span += at.size)
		{
			for (int v = 0; v < TILE_VECTORS; v++)
			{
				whole[v] = load_span_scale(form, span, j + v * VEC_WIDTH);
				minimum[v] = load_span_minimum(form, span, j + v * VEC_WIDTH);
			}
			for (int step = 0; step < form->elements / BLOCK_STEP; step++)
			{
				int64_t i = first + step * BLOCK_STEP;

				prefetch_bytes(span + step * size, size);
				add_panel_group(form, x, i, span, step, 0, wide, j, whole, minimum, sum);
				if (form->group < BLOCK_STEP)
					add_panel_group(form, x, i, span, step, 1, wide, j, whole, minimum, sum);
			}
		}
		for (int v = 0; v < TILE_VECTORS; v++)
			vec_store(c + j + v * VEC_WIDTH, sum[v]);
	}
}

INLINE void
multiply_panel(const block_form *form, int64_t k, const grouped_rows *x, const uint8_t *panel,
			   float *c)
{
	if (x->low != NULL)
		multiply_panel_of(form, true, k, x, panel, c);
	else
		multiply_panel_of(form, false, k, x, panel, c);
}

/* Call inner(form, ...) with the form of a type as a constant. */
#define WITH_FORM(type, inner, ...)                                                                \
	case type:                                                                                     \
		inner(&block_forms[type], __VA_ARGS__);                                                    \
		break
#define SWITCH_FORM(dtype, inner, ...)                                                             \
	switch (dtype)                                                                                 \
	{                                                                                              \
		WITH_FORM(DTYPE_Q4_0, inner, __VA_ARGS__);                                                 \
		WITH_FORM(DTYPE_Q4_1, inner, __VA_ARGS__);                                                 \
		WITH_FORM(DTYPE_Q5_0, inner, __VA_ARGS__);                                                 \
		WITH_FORM(DTYPE_Q5_1, inner, __VA_ARGS__);                                                 \
		WITH_FORM(DTYPE_Q8_0, inner, __VA_ARGS__);                                                 \
		WITH_FORM(DTYPE_Q2_K, inner, __VA_ARGS__);                                                 \
		WITH_FORM(DTYPE_Q3_K, inner, __VA_ARGS__);                                                 \
		WITH_FORM(DTYPE_Q4_K, inner, __VA_ARGS__);                                                 \
		WITH_FORM(DTYPE_Q5_K, inner, __VA_ARGS__);                                                 \
		WITH_FORM(DTYPE_Q6_K, inner, __VA_ARGS__);                                                 \
		WITH_FORM(DTYPE_IQ4_NL, inner, __VA_ARGS__);                                               \
		WITH_FORM(DTYPE_IQ4_XS, inner, __VA_ARGS__);                                               \
		WITH_FORM(DTYPE_MXFP4, inner, __VA_ARGS__);                                                \
		default:                                                                                   \
			break;                                                                                 \
	}

static void
multiply_blocks(tfm_dtype dtype, int64_t k, const grouped_rows *x, const void *panel, float *c)
{
	SWITCH_FORM(dtype, multiply_panel, k, x, panel, c);
}

/* ---- Unpacking ---- */

/* A group's scales and minima of all columns; minima of types that have none are not touched. */
INLINE void
unpack_group_scales(const block_form *form, const uint8_t *span, int group, float *scales,
					float *minima)
{
	for (int j = 0; j < KERNEL_COLUMNS; j += VEC_WIDTH)
	{
		vec_store(scales + j,
				  load_group_scale(form, span, group, j, load_span_scale(form, span, j)));
		if (form->minimum)
			vec_store(minima + j,
					  load_group_minimum(form, span, group, j, load_span_minimum(form, span, j)));
	}
}

/* Where the step with k = first lies: its span, and in it its planes. */
INLINE const uint8_t *
find_step(const block_form *form, const uint8_t *panel, int64_t first, const uint8_t **span)
{
	const block_span at = block_span_of(form, KERNEL_COLUMNS);
	int64_t step = first % form->elements / BLOCK_STEP;

	*span = panel + first / form->elements * at.size;
	return *span + at.codes + step * BLOCK_STEP * (form->low + form->high) / 8 * KERNEL_COLUMNS;
}

INLINE void
unpack_panel(const block_form *form, const uint8_t *panel, int64_t first, int64_t count,
			 const unpacked_blocks *to)
{
	const int groups = BLOCK_STEP / form->group;

	for (int64_t i = 0; i < count; i += BLOCK_STEP)
	{
		const uint8_t *span, *step = find_step(form, panel, first + i, &span);
		int group = (int) ((first + i) % form->elements / form->group);
		int64_t row = i / form->group * KERNEL_COLUMNS;

		prefetch_bytes(step, BLOCK_STEP * (form->low + form->high) / 8 * KERNEL_COLUMNS);
		UNROLL
		for (int four = 0; four < BLOCK_STEP / 4; four++)
			for (int j = 0; j < KERNEL_COLUMNS; j += VEC_WIDTH)
				vec_store_bits(to->codes + i * KERNEL_COLUMNS + four * FOUR_BYTES + 4 * j,
							   load_codes(form, step, four, j));
		for (int g = 0; g < groups; g++)
			unpack_group_scales(form, span, group + g, to->scales + row + g * KERNEL_COLUMNS,
								to->minima + row + g * KERNEL_COLUMNS);
	}
}

static void
unpack_blocks(tfm_dtype dtype, const void *panel, int64_t first, int64_t count,
			  const unpacked_blocks *to)
{
	SWITCH_FORM(dtype, unpack_panel, panel, first, count, to);
}

/* The elements of four k of a step from bytes, as floats: to[4][32]. */
INLINE void
convert_four(const block_form *form, const uint8_t *codes, const float *scales, const float *minima,
			 float *to)
{
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < KERNEL_COLUMNS; j += VEC_WIDTH)
		{
			vec_bits bytes = vec_load_bits(codes + 4 * j) >> (unsigned) (8 * i) & 0xff;
			vec_ints integers = (vec_ints) bytes - form->offset;
			vec v = __builtin_convertvector(integers, vec) * vec_load(scales + j);

			if (form->minimum)
				v += vec_load(minima + j);
			vec_store(to + i * KERNEL_COLUMNS + j, v);
		}
}

/* The rows first .. of a panel as floats; both are multiples of 4. */
static void
unpack_blocks_f32(tfm_dtype dtype, const void *panel, int64_t first, int64_t count, float *to)
{
	const block_form *form = &block_forms[dtype];
	_Alignas(64) uint8_t codes[BLOCK_STEP * KERNEL_COLUMNS];
	_Alignas(64) float scales[2 * KERNEL_COLUMNS], minima[2 * KERNEL_COLUMNS];
	unpacked_blocks step = {.codes = codes, .scales = scales, .minima = minima};

	for (int64_t i = first; i < first + count; i += 4, to += 4 * KERNEL_COLUMNS)
	{
		int64_t inside = i % BLOCK_STEP, group = inside / form->group * KERNEL_COLUMNS;

		if (i == first || inside == 0)
			unpack_blocks(dtype, panel, i - inside, BLOCK_STEP, &step);
		convert_four(form, codes + inside * KERNEL_COLUMNS, scales + group, minima + group, to);
	}
}

static void
unpack(tfm_dtype dtype, const void *panel, int64_t k, int64_t first, int64_t count, float *to)
{
	const char *trailer = (const char *) panel + pack_panel_size(dtype, k);
	const uint16_t *halves = panel;

	switch (dtype)
	{
		case DTYPE_F16:
			halves += first * KERNEL_COLUMNS;
			for (int64_t i = 0; i < count * KERNEL_COLUMNS; i += VEC_WIDTH)
				vec_store(to + i, vec_load_f16(halves + i));
			break;
		case DTYPE_BF16:
			unpack_bf16(halves + first * KERNEL_COLUMNS, count, to);
			break;
		case DTYPE_I8:
			unpack_i8((const int8_t *) panel + first * KERNEL_COLUMNS,
					  (const float *) trailer - 2 * KERNEL_COLUMNS, count, to);
			break;
		case DTYPE_F32:
			memcpy(to, (const float *) panel + first * KERNEL_COLUMNS,
				   (size_t) count * KERNEL_COLUMNS * sizeof(float));
			break;
		default:
			unpack_blocks_f32(dtype, panel, first, count, to);
	}
}

/* ---- Some rows and codes that were unpacked ---- */

INLINE void
fetch_ahead(unpacked_blocks *w)
{
	const char *end = w->ahead + w->ahead_step;

	for (; w->ahead < end && w->ahead < w->ahead_end; w->ahead += 64)
		__builtin_prefetch(w->ahead, 0, 2);
}

/* The products of a group's codes with one of the bytes of each row. */
INLINE void
add_unpacked(const int rows, const int group, bool small, const int8_t *x, int64_t stride,
			 const uint8_t *codes, vec_bits integers[BLOCK_ROWS][TILE_VECTORS])
{
	UNROLL
	for (int four = 0; four < group / 4; four++)
	{
		vec_bits w0 = vec_load_bits(codes + four * FOUR_BYTES);
		vec_bits w1 = vec_load_bits(codes + four * FOUR_BYTES + 4 * VEC_WIDTH);

		UNROLL
		for (int r = 0; r < rows; r++)
		{
			vec_bits bytes = load_four(x + r * stride + 4 * four);

			integers[r][0] = add_codes(integers[r][0], w0, bytes, small);
			integers[r][1] = add_codes(integers[r][1], w1, bytes, small);
		}
	}
}

/* As many columns as fit into registers; rows, group and minimum are constants. */
INLINE void
multiply_unpacked_columns(const int rows, const int group, const bool minimum, bool small,
						  int64_t k, const grouped_rows *x, unpacked_blocks *w, int offset, int j,
						  float *c, int64_t c_stride)
{
	const int32_t *sums = group < BLOCK_STEP ? x->half_sums : x->sums;
	const float *scaled = group < BLOCK_STEP ? x->scaled_half_sums : x->scaled_sums;
	int64_t words = x->stride / (int64_t) sizeof(float);
	vec sum[BLOCK_ROWS][TILE_VECTORS];

	UNROLL
	for (int r = 0; r < rows; r++)
		for (int v = 0; v < TILE_VECTORS; v++)
			sum[r][v] = vec_load(c + r * c_stride + j + v * VEC_WIDTH);
	for (int64_t i = 0; i < k; i += group)
	{
		const uint8_t *codes = w->codes + i * KERNEL_COLUMNS + 4 * j;
		int64_t g = i / group, row = g * KERNEL_COLUMNS + j;
		vec_bits integers[BLOCK_ROWS][TILE_VECTORS];

		fetch_ahead(w);

		UNROLL
		for (int r = 0; r < rows; r++)
			integers[r][0] = integers[r][1] = (vec_bits) {0};
		add_unpacked(rows, group, small, x->high + i, x->stride, codes, integers);
		if (x->low != NULL)
		{
			UNROLL
			for (int r = 0; r < rows; r++)
				for (int v = 0; v < TILE_VECTORS; v++)
					integers[r][v] <<= 8;
			add_unpacked(rows, group, small, x->low + i, x->stride, codes, integers);
		}
		if (offset != 0)
		{
			UNROLL
			for (int r = 0; r < rows; r++)
				for (int v = 0; v < TILE_VECTORS; v++)
					integers[r][v] += (uint32_t) (-offset * sums[r * words + g]);
		}
		UNROLL
		for (int r = 0; r < rows; r++)
			for (int v = 0; v < TILE_VECTORS; v++)
			{
				sum[r][v] =
					add_group(sum[r][v], integers[r][v], vec_load(w->scales + row + v * VEC_WIDTH),
							  x->scales[r * words + i / BLOCK_STEP]);
				if (minimum)
					sum[r][v] = vec_fma(vec_load(w->minima + row + v * VEC_WIDTH),
										vec_set1(scaled[r * words + g]), sum[r][v]);
			}
	}
	UNROLL
	for (int r = 0; r < rows; r++)
		for (int v = 0; v < TILE_VECTORS; v++)
			vec_store(c + r * c_stride + j + v * VEC_WIDTH, sum[r][v]);
}

INLINE void
multiply_unpacked_rows(const int rows, const int group, const bool minimum, bool small, int64_t k,
					   const grouped_rows *x, unpacked_blocks *w, int offset, float *c,
					   int64_t c_stride)
{
	for (int j = 0; j < KERNEL_COLUMNS; j += TILE_VECTORS * VEC_WIDTH)
		multiply_unpacked_columns(rows, group, minimum, small, k, x, w, offset, j, c, c_stride);
}

INLINE void
multiply_unpacked_groups(const int rows, tfm_dtype dtype, int64_t k, const grouped_rows *x,
						 unpacked_blocks *w, float *c, int64_t c_stride)
{
	const block_form *form = &block_forms[dtype];
	bool small = has_small_codes(form);

	if (form->group == BLOCK_STEP && form->minimum)
		multiply_unpacked_rows(rows, 32, true, true, k, x, w, 0, c, c_stride);
	else if (form->group == BLOCK_STEP && small)
		multiply_unpacked_rows(rows, 32, false, true, k, x, w, form->offset, c, c_stride);
	else if (form->group == BLOCK_STEP)
		multiply_unpacked_rows(rows, 32, false, false, k, x, w, form->offset, c, c_stride);
	else if (form->minimum)
		multiply_unpacked_rows(rows, 16, true, true, k, x, w, 0, c, c_stride);
	else
		multiply_unpacked_rows(rows, 16, false, true, k, x, w, form->offset, c, c_stride);
}

static void
multiply_unpacked(int rows, tfm_dtype dtype, int64_t k, const grouped_rows *x, unpacked_blocks *w,
				  float *c, int64_t c_stride)
{
	switch (rows)
	{
		WITH_ROWS(1, multiply_unpacked_groups, dtype, k, x, w, c, c_stride);
		WITH_ROWS(2, multiply_unpacked_groups, dtype, k, x, w, c, c_stride);
#if BLOCK_ROWS == 6
		WITH_ROWS(3, multiply_unpacked_groups, dtype, k, x, w, c, c_stride);
		WITH_ROWS(4, multiply_unpacked_groups, dtype, k, x, w, c, c_stride);
		WITH_ROWS(5, multiply_unpacked_groups, dtype, k, x, w, c, c_stride);
		WITH_ROWS(6, multiply_unpacked_groups, dtype, k, x, w, c, c_stride);
#endif
	}
}

#endif
