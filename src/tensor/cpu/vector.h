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

/* Sum and maximum of the lanes: halves onto halves. */
INLINE float
vec_sum(vec v)
{
	float lanes[VEC_WIDTH];

	vec_store(lanes, v);
	for (int half = VEC_WIDTH / 2; half > 0; half /= 2)
		for (int i = 0; i < half; i++)
			lanes[i] += lanes[i + half];
	return lanes[0];
}

INLINE float
vec_greatest(vec v)
{
	float lanes[VEC_WIDTH];

	vec_store(lanes, v);
	for (int half = VEC_WIDTH / 2; half > 0; half /= 2)
		for (int i = 0; i < half; i++)
			lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
	return lanes[0];
}

#endif
