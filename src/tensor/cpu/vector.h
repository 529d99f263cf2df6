/*
 * vector.h
 *	  Vectors of floats, as wide as the instruction set that is compiled for has them.
 *
 * Whether a product and a sum are fused is said by vec_fma alone: cpu/kernels.c is compiled with
 * -ffp-contract=off, so that an element gets the same bits in every loop that treats it.
 *
 * Comparisons: vec_max and vec_min give b, and vec_pick_greater y, where one is not a number.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CPU_VECTOR_H
#define TFM_TENSOR_CPU_VECTOR_H

#include <stdint.h>
#include <string.h>

#include "tensor/float16.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

/* Before a loop whose counter must be a constant in every turn, so that an array stays in registers. */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define INLINE static inline __attribute__((always_inline, unused))

#if defined(__AVX512F__)

#define VEC_WIDTH 16
typedef __m512 vec;

INLINE vec
vec_set1(float x)
{
	return _mm512_set1_ps(x);
}

INLINE vec
vec_fma(vec a, vec b, vec c)
{
	return _mm512_fmadd_ps(a, b, c);
}

INLINE vec
vec_max(vec a, vec b)
{
	return _mm512_max_ps(a, b);
}

INLINE vec
vec_min(vec a, vec b)
{
	return _mm512_min_ps(a, b);
}

/* a > b ? x : y */
INLINE vec
vec_pick_greater(vec a, vec b, vec x, vec y)
{
	return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y, x);
}

/* The first n of p, 0 <= n < VEC_WIDTH, and zeros. */
INLINE vec
vec_load_part(const float *p, int64_t n)
{
	return _mm512_maskz_loadu_ps((__mmask16) ((1u << n) - 1), p);
}

INLINE void
vec_store_part(float *p, vec v, int64_t n)
{
	_mm512_mask_storeu_ps(p, (__mmask16) ((1u << n) - 1), v);
}

#elif defined(__AVX2__)

#define VEC_WIDTH 8
typedef __m256 vec;

INLINE vec
vec_set1(float x)
{
	return _mm256_set1_ps(x);
}

INLINE vec
vec_fma(vec a, vec b, vec c)
{
	return _mm256_fmadd_ps(a, b, c);
}

INLINE vec
vec_max(vec a, vec b)
{
	return _mm256_max_ps(a, b);
}

INLINE vec
vec_min(vec a, vec b)
{
	return _mm256_min_ps(a, b);
}

INLINE vec
vec_pick_greater(vec a, vec b, vec x, vec y)
{
	return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}

INLINE __m256i
vec_first(int64_t n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int) n),
							  _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE vec
vec_load_part(const float *p, int64_t n)
{
	return _mm256_maskload_ps(p, vec_first(n));
}

INLINE void
vec_store_part(float *p, vec v, int64_t n)
{
	_mm256_maskstore_ps(p, vec_first(n), v);
}

#else

#define VEC_WIDTH 4
typedef float vec __attribute__((vector_size(16)));
typedef int32_t vec_mask __attribute__((vector_size(16)));

INLINE vec
vec_set1(float x)
{
	return (vec) {x, x, x, x};
}

INLINE vec
vec_fma(vec a, vec b, vec c)
{
	return a * b + c;
}

INLINE vec
vec_pick_greater(vec a, vec b, vec x, vec y)
{
	vec_mask mask = a > b;

	return (vec) ((mask & (vec_mask) x) | (~mask & (vec_mask) y));
}

INLINE vec
vec_max(vec a, vec b)
{
	return vec_pick_greater(a, b, a, b);
}

INLINE vec
vec_min(vec a, vec b)
{
	return vec_pick_greater(b, a, a, b);
}

INLINE vec
vec_load_part(const float *p, int64_t n)
{
	float lanes[VEC_WIDTH] = {0};
	vec v;

	for (int64_t i = 0; i < n; i++)
		lanes[i] = p[i];
	memcpy(&v, lanes, sizeof(v));
	return v;
}

INLINE void
vec_store_part(float *p, vec v, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		p[i] = v[i];
}

#endif

typedef uint32_t vec_bits __attribute__((vector_size(VEC_WIDTH * 4)));
typedef int32_t vec_ints __attribute__((vector_size(VEC_WIDTH * 4)));
typedef int16_t vec_words __attribute__((vector_size(VEC_WIDTH * 4)));
typedef uint32_t vec_bits_unaligned
	__attribute__((vector_size(VEC_WIDTH * 4), aligned(1), may_alias));
typedef float vec_unaligned __attribute__((vector_size(VEC_WIDTH * 4), aligned(4), may_alias));

INLINE vec
vec_load(const float *p)
{
	return *(const vec_unaligned *) p;
}

INLINE void
vec_store(float *p, vec v)
{
	*(vec_unaligned *) p = v;
}

INLINE vec_bits
vec_load_bits(const void *p)
{
	return *(const vec_bits_unaligned *) p;
}

INLINE void
vec_store_bits(void *p, vec_bits v)
{
	*(vec_bits_unaligned *) p = v;
}

INLINE vec
vec_load_f16(const uint16_t *p)
{
#if VEC_WIDTH == 16
	return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) p));
#elif VEC_WIDTH == 8
	return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) p));
#else
	return (vec) {f16_to_f32(p[0]), f16_to_f32(p[1]), f16_to_f32(p[2]), f16_to_f32(p[3])};
#endif
}

INLINE vec_bits
vec_load_u8(const uint8_t *p)
{
#if VEC_WIDTH == 16
	return (vec_bits) _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *) p));
#elif VEC_WIDTH == 8
	return (vec_bits) _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *) p));
#else
	return (vec_bits) {p[0], p[1], p[2], p[3]};
#endif
}

/* p = v, of 0 .. 255, rounded to the nearest, ties to even; what is not a number gives any. */
INLINE void
vec_store_bytes(uint8_t *p, vec v)
{
#if VEC_WIDTH == 16
	_mm_storeu_si128((__m128i *) p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
#elif VEC_WIDTH == 8
	__m256i ints = _mm256_cvtps_epi32(v);
	__m128i words =
		_mm_packs_epi32(_mm256_castsi256_si128(ints), _mm256_extracti128_si256(ints, 1));

	_mm_storel_epi64((__m128i *) p, _mm_packus_epi16(words, words));
#else
	/* the sum has the integer in its low bits */
	vec_bits bits;

	v += 12582912.0f;
	memcpy(&bits, &v, sizeof(bits));
	for (int i = 0; i < VEC_WIDTH; i++)
		p[i] = (uint8_t) bits[i];
#endif
}

/* The same of v of -128 .. 127, as signed bytes. */
INLINE void
vec_store_signed_bytes(int8_t *p, vec v)
{
#if VEC_WIDTH == 8
	__m256i ints = _mm256_cvtps_epi32(v);
	__m128i words =
		_mm_packs_epi32(_mm256_castsi256_si128(ints), _mm256_extracti128_si256(ints, 1));

	_mm_storel_epi64((__m128i *) p, _mm_packs_epi16(words, words));
#else
	/* the lowest byte is kept, whatever the sign */
	vec_store_bytes((uint8_t *) p, v);
#endif
}

#ifdef __AVX2__
/* a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1] */
INLINE vec_bits
vec_multiply_pairs(vec_words a, vec_words b)
{
#if VEC_WIDTH == 16
	return (vec_bits) _mm512_madd_epi16((__m512i) a, (__m512i) b);
#else
	return (vec_bits) _mm256_madd_epi16((__m256i) a, (__m256i) b);
#endif
}

/* The same of unsigned bytes a and signed b; a sum beyond 16 bits is cut off. */
INLINE vec_words
vec_multiply_bytes(vec_bits a, vec_bits b)
{
#if VEC_WIDTH == 16
	return (vec_words) _mm512_maddubs_epi16((__m512i) a, (__m512i) b);
#else
	return (vec_words) _mm256_maddubs_epi16((__m256i) a, (__m256i) b);
#endif
}
#endif

/* The first n of p and zeros, for any n >= 1; whole vectors the fast way. */
INLINE vec
vec_load_up_to(const float *p, int64_t n)
{
	return n >= VEC_WIDTH ? vec_load(p) : vec_load_part(p, n);
}

INLINE void
vec_store_up_to(float *p, vec v, int64_t n)
{
	if (n >= VEC_WIDTH)
		vec_store(p, v);
	else
		vec_store_part(p, v, n);
}

/* 0, 1, 2, ... */
INLINE vec
vec_index(void)
{
	static const float index[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

	return vec_load(index);
}

typedef float vec_four __attribute__((vector_size(16)));

/*
 * Sum and maximum of the lanes: halves onto halves.  The maximum of lanes that are not all numbers is
 * any of them.
 */
INLINE float
vec_sum(vec v)
{
#if VEC_WIDTH == 16
	__m256 eight = _mm512_castps512_ps256(v) + _mm512_extractf32x8_ps(v, 1);
	vec_four x = _mm256_castps256_ps128(eight) + _mm256_extractf128_ps(eight, 1);
#elif VEC_WIDTH == 8
	vec_four x = _mm256_castps256_ps128(v) + _mm256_extractf128_ps(v, 1);
#else
	vec_four x = v;
#endif

	x += __builtin_shufflevector(x, x, 2, 3, 2, 3);
	return x[0] + x[1];
}

INLINE float
vec_greatest(vec v)
{
	float a, b;
#if VEC_WIDTH == 16
	__m256 eight = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
	vec_four x = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
#elif VEC_WIDTH == 8
	vec_four x = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
#else
	vec_four x = v;
#endif

	a = x[0] > x[1] ? x[0] : x[1];
	b = x[2] > x[3] ? x[2] : x[3];
	return a > b ? a : b;
}

#endif
