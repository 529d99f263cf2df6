/*
 * pages.h
 *	  Keys and values into the pages of a cache and out of them, in the forms that attention
 *	  multiplies.  How they lie is told in cache_pages.h.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CPU_PAGES_H
#define TFM_TENSOR_CPU_PAGES_H

#include "tensor/cache_pages.h"
#include "tensor/cpu/attention.h"
#include "tensor/cpu/functions.h"
#include "tensor/cpu/products.h"
#include "tensor/kernels.h"

/* ---- Loading ---- */

INLINE vec
vec_load_i8(const int8_t *p)
{
#if VEC_WIDTH == 16
	return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *) p)));
#elif VEC_WIDTH == 8
	return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *) p)));
#else
	return (vec) {p[0], p[1], p[2], p[3]};
#endif
}

/* What a part of a page is read with: keys are [columns][KV_PAGE], values [KV_PAGE][columns]. */
typedef struct page_part
{
	tfm_dtype storage;
	const void *elements;
	const uint16_t *scales; /* of keys [blocks][KV_PAGE], of values [KV_PAGE][blocks] */
	int64_t blocks;
} page_part;

INLINE size_t
element_size(const tfm_dtype storage)
{
	return storage == DTYPE_F32 ? sizeof(float) : storage == DTYPE_Q8_0 ? 1 : sizeof(uint16_t);
}

INLINE page_part
open_part(tfm_dtype storage, const void *part, int64_t columns)
{
	page_part p = {.storage = storage, .elements = part};

	if (storage == DTYPE_Q8_0)
	{
		p.blocks = (columns + KV_BLOCK - 1) / KV_BLOCK;
		p.scales = part;
		p.elements = (const uint16_t *) part + p.blocks * KV_PAGE;
	}
	return p;
}

/* The first or the second of pairs. */
INLINE vec
load_half_pairs(const float *pairs, bool second)
{
	vec_bits bits = vec_load_bits(pairs);
	vec x;

	bits = second ? bits & 0xffff0000 : bits << 16;
	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* Some tokens of a column of keys. */
INLINE vec
load_key(const tfm_dtype storage, const page_part *p, int64_t column, int64_t token)
{
	int64_t at = column * KV_PAGE + token;

	if (storage == DTYPE_BF16)
		return load_half_pairs((const float *) p->elements + column / 2 * KV_PAGE + token,
							   column % 2 != 0);
	if (storage == DTYPE_F32)
		return vec_load((const float *) p->elements + at);
	if (storage == DTYPE_F16)
		return vec_load_f16((const uint16_t *) p->elements + at);
	return vec_load_i8((const int8_t *) p->elements + at) *
		   vec_load_f16(p->scales + column / KV_BLOCK * KV_PAGE + token);
}

/* Some columns of a token's values; a row has width of them. */
INLINE vec
load_value(const tfm_dtype storage, const page_part *p, int64_t width, int64_t token,
		   int64_t column)
{
	int64_t at = token * width + column;

	if (storage == DTYPE_BF16)
		return load_half_pairs((const float *) p->elements + token / 2 * width + column,
							   token % 2 != 0);
	if (storage == DTYPE_F32)
		return vec_load((const float *) p->elements + at);
	if (storage == DTYPE_F16)
		return vec_load_f16((const uint16_t *) p->elements + at);
	return vec_load_i8((const int8_t *) p->elements + at) *
		   vec_set1(f16_to_f32(p->scales[token * p->blocks + column / KV_BLOCK]));
}

/* Some bytes of what is loaded next: pages lie apart, which the processor does not foresee. */
INLINE void
prefetch_part(const void *next, size_t first, size_t bytes)
{
	const char *from = (const char *) next + first;

	if (next != NULL)
		for (size_t i = 0; i < bytes; i += 64)
			__builtin_prefetch(from + i, 0, 2);
}

/* An element, or a pair of them, as it is multiplied. */
INLINE vec
form_elements(const attend_form form, vec a, vec b)
{
	vec_bits bits;

#ifdef __AVX512BF16__
	if (form == ATTEND_PAIRS)
		return vec_pair(a, b);
#endif
	(void) b;
	if (form != ATTEND_ROUNDED)
		return a;
	bits = vec_round_bf16(a);
	memcpy(&a, &bits, sizeof(a));
	return a;
}

INLINE void
load_keys_of(const attend_form form, const tfm_dtype storage, const void *part, int64_t columns,
			 const void *next, float *to)
{
	const page_part p = open_part(storage, part, columns);
	const int64_t step = form == ATTEND_PAIRS ? 2 : 1;
	const size_t bytes = (size_t) step * KV_PAGE * element_size(storage);

	for (int64_t i = 0; i < columns; i += step, to += KV_PAGE)
	{
		prefetch_part(next, (size_t) (i / step) * bytes, bytes);
		for (int64_t t = 0; t < KV_PAGE; t += VEC_WIDTH)
		{
			vec a = load_key(storage, &p, i, t), b = vec_set1(0.0f);

			if (form == ATTEND_PAIRS && i + 1 < columns)
				b = load_key(storage, &p, i + 1, t);
			vec_store(to + t, form_elements(form, a, b));
		}
	}
}

INLINE void
load_values_of(const attend_form form, const tfm_dtype storage, const void *part, int64_t tokens,
			   int64_t columns, const void *next, float *to)
{
	const page_part p = open_part(storage, part, columns);
	const int64_t step = form == ATTEND_PAIRS ? 2 : 1;
	int64_t padded = (columns + 15) / 16 * 16;
	int64_t width = storage == DTYPE_Q8_0 ? p.blocks * KV_BLOCK : padded;
	size_t bytes = (size_t) (step * width) * element_size(storage);

	for (int64_t t = 0; t < tokens; t += step, to += padded)
	{
		prefetch_part(next, (size_t) (t / step) * bytes, bytes);
		for (int64_t i = 0; i < padded; i += VEC_WIDTH)
		{
			vec a = load_value(storage, &p, width, t, i), b = vec_set1(0.0f);

			if (form == ATTEND_PAIRS && t + 1 < tokens)
				b = load_value(storage, &p, width, t + 1, i);
			vec_store(to + i, form_elements(form, a, b));
		}
	}
}

/* The inner function with a form and a storage that are constants. */
#define SWITCH_PAGE_FORM(storage, form, inner, ...)                                                \
	if ((form) == ATTEND_F32)                                                                      \
		inner(ATTEND_F32, storage, __VA_ARGS__);                                                   \
	else if ((form) == ATTEND_ROUNDED)                                                             \
		inner(ATTEND_ROUNDED, storage, __VA_ARGS__);                                               \
	else                                                                                           \
		inner(ATTEND_PAIRS, storage, __VA_ARGS__)

#define SWITCH_PAGE(form, storage, inner, ...)                                                     \
	if ((storage) == DTYPE_F32)                                                                    \
		SWITCH_PAGE_FORM(DTYPE_F32, form, inner, __VA_ARGS__);                                     \
	else if ((storage) == DTYPE_F16)                                                               \
		SWITCH_PAGE_FORM(DTYPE_F16, form, inner, __VA_ARGS__);                                     \
	else if ((storage) == DTYPE_BF16)                                                              \
		SWITCH_PAGE_FORM(DTYPE_BF16, form, inner, __VA_ARGS__);                                    \
	else                                                                                           \
		SWITCH_PAGE_FORM(DTYPE_Q8_0, form, inner, __VA_ARGS__)

static void
load_page_keys(attend_form form, tfm_dtype storage, const void *part, int64_t columns,
			   const void *next, float *to)
{
	SWITCH_PAGE(form, storage, load_keys_of, part, columns, next, to);
}

static void
load_page_values(attend_form form, tfm_dtype storage, const void *part, int64_t tokens,
				 int64_t columns, const void *next, float *to)
{
	SWITCH_PAGE(form, storage, load_values_of, part, tokens, columns, next, to);
}

/* ---- Storing ---- */

/* What is too large for a half becomes the largest of them, so that sums stay numbers. */
INLINE vec
vec_limit_f16(vec x)
{
	return vec_max(vec_set1(-65504.0f), vec_min(vec_set1(65504.0f), x));
}

INLINE void
vec_store_f16(uint16_t *p, vec x)
{
#if VEC_WIDTH == 16
	_mm256_storeu_si256((__m256i *) p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
#elif VEC_WIDTH == 8
	_mm_storeu_si128((__m128i *) p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
#else
	for (int i = 0; i < VEC_WIDTH; i++)
		p[i] = f32_to_f16(x[i]);
#endif
}

/* x[n] in halves, then zeros to whole 16 */
INLINE void
store_halves(const float *x, int64_t n, uint16_t *to)
{
	for (int64_t i = 0; i < (n + 15) / 16 * 16; i += VEC_WIDTH)
		vec_store_f16(to + i, i < n ? vec_limit_f16(vec_load_up_to(x + i, n - i)) : vec_set1(0.0f));
}

/* A block of Q8_0, as ggml rounds but for ties: bytes and their scale. */
INLINE uint16_t
round_block(const float *x, int64_t n, int8_t *bytes)
{
	float most = 0.0f, inverse;

	for (int64_t i = 0; i < n; i++)
		most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
	inverse = most > 0.0f ? 127.0f / most : 0.0f;
	/* adding 1.5 * 2^23 leaves the integer in the low bits, whatever x is */
	for (int64_t i = 0; i < n; i++)
		bytes[i] = (int8_t) f32_bits(x[i] * inverse + 12582912.0f);
	for (int64_t i = n; i < KV_BLOCK; i++)
		bytes[i] = 0;
	return f32_to_f16(most / 127.0f);
}

static void
store_key_bytes(int slot, int count, int64_t n, const float *from, int64_t stride, uint16_t *scales)
{
	int64_t blocks = (n + KV_BLOCK - 1) / KV_BLOCK;
	int8_t *elements = (int8_t *) (scales + blocks * KV_PAGE), bytes[KV_BLOCK];

	for (int t = slot; t < slot + count; t++, from += stride)
		for (int64_t b = 0; b < blocks; b++)
		{
			int64_t left = n - b * KV_BLOCK;

			scales[b * KV_PAGE + t] =
				round_block(from + b * KV_BLOCK, left < KV_BLOCK ? left : KV_BLOCK, bytes);
			for (int i = 0; i < KV_BLOCK; i++)
				elements[(b * KV_BLOCK + i) * KV_PAGE + t] = bytes[i];
		}
}

/* An element of a pair, at the place of all pairs' first elements. */
static inline void
store_in_pair(float *pair, int second, float x)
{
	uint16_t *halves = (uint16_t *) pair;

	halves[second] = f32_to_bf16(x);
}

static void
store_key_pairs(int slot, int count, int64_t n, const float *from, int64_t stride, float *part)
{
	float columns[32 * KV_PAGE];

	for (int64_t i = 0; count == KV_PAGE && i < n; i += 32, part += 16 * KV_PAGE)
	{
		int64_t left = n - i < 32 ? n - i : 32;

		pack(left, KV_PAGE, from + i, stride, columns);
		if (left % 2 != 0)
			memset(columns + left * KV_PAGE, 0, KV_PAGE * sizeof(float));
		pack_bf16((left + 1) / 2 * 2, columns, (uint16_t *) part);
	}
	for (int t = slot; count < KV_PAGE && t < slot + count; t++, from += stride)
		for (int64_t i = 0; i < (n + 1) / 2 * 2; i++)
			store_in_pair(part + i / 2 * KV_PAGE + t, i % 2, i < n ? from[i] : 0.0f);
}

/* A token that begins a pair leaves nothing of what was there beside it. */
static void
store_value_pairs(int slot, int count, int64_t n, const float *from, int64_t stride, float *part)
{
	int64_t width = (n + 15) / 16 * 16;

	for (int t = slot; t < slot + count; t++, from += stride)
	{
		float *row = part + t / 2 * width;

		if (t % 2 == 0)
			memset(row, 0, (size_t) width * sizeof(float));
		for (int64_t i = 0; i < n; i++)
			store_in_pair(row + i, t % 2, from[i]);
	}
}

/* A page of keys, some columns at a time. */
static void
store_all_keys(tfm_dtype storage, int64_t n, const float *from, int64_t stride, void *part)
{
	float columns[32 * KV_PAGE];

	if (storage == DTYPE_F32)
	{
		pack(n, KV_PAGE, from, stride, part);
		return;
	}
	for (int64_t i = 0; i < n; i += 32)
	{
		int64_t count = n - i < 32 ? n - i : 32;

		pack(count, KV_PAGE, from + i, stride, columns);
		store_halves(columns, count * KV_PAGE, (uint16_t *) part + i * KV_PAGE);
	}
}

/* Keys of count tokens, the first of which is number slot of the page. */
static void
store_page_keys(tfm_dtype storage, int slot, int count, int64_t n, const float *from,
				int64_t stride, void *part)
{
	if (storage == DTYPE_Q8_0)
		store_key_bytes(slot, count, n, from, stride, part);
	else if (storage == DTYPE_BF16)
		store_key_pairs(slot, count, n, from, stride, part);
	else if (count == KV_PAGE)
		store_all_keys(storage, n, from, stride, part);
	else
		for (int t = slot; t < slot + count; t++, from += stride)
		{
			uint16_t halves[32];

			for (int64_t i = 0; storage == DTYPE_F32 && i < n; i++)
				((float *) part)[i * KV_PAGE + t] = from[i];
			for (int64_t i = 0; storage == DTYPE_F16 && i < n; i += 32)
			{
				int64_t left = n - i < 32 ? n - i : 32;

				store_halves(from + i, left, halves);
				for (int64_t j = 0; j < left; j++)
					((uint16_t *) part)[(i + j) * KV_PAGE + t] = halves[j];
			}
		}
}

static void
store_page_values(tfm_dtype storage, int slot, int count, int64_t n, const float *from,
				  int64_t stride, void *part)
{
	int64_t padded = (n + 15) / 16 * 16, blocks = (n + KV_BLOCK - 1) / KV_BLOCK;
	uint16_t *scales = part;
	int8_t *bytes = (int8_t *) (scales + blocks * KV_PAGE);

	if (storage == DTYPE_BF16)
	{
		store_value_pairs(slot, count, n, from, stride, part);
		return;
	}
	for (int t = slot; t < slot + count; t++, from += stride)
	{
		if (storage == DTYPE_F16)
			store_halves(from, n, (uint16_t *) part + t * padded);
		else if (storage == DTYPE_F32)
			for (int64_t i = 0; i < padded; i += VEC_WIDTH)
				vec_store((float *) part + t * padded + i,
						  i < n ? vec_load_up_to(from + i, n - i) : vec_set1(0.0f));
		else
			for (int64_t b = 0; b < blocks; b++)
			{
				int64_t left = n - b * KV_BLOCK;

				scales[t * blocks + b] =
					round_block(from + b * KV_BLOCK, left < KV_BLOCK ? left : KV_BLOCK,
								bytes + (t * blocks + b) * KV_BLOCK);
			}
	}
}

#endif
