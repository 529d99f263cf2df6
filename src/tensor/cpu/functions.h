/*
 * functions.h
 *	  Exponential, erf and the activations, a vector at a time.
 *
 * An element's result depends on the element alone, not on its lane.  Not-a-number goes through.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CPU_FUNCTIONS_H
#define TFM_TENSOR_CPU_FUNCTIONS_H

#include "tensor/activation.h"
#include "tensor/cpu/vector.h"

/* Polynomial in x, the highest coefficient last (Horner's rule). */
INLINE vec
vec_polynomial(const float *coefficients, int count, vec x)
{
	vec y = vec_set1(coefficients[count - 1]);

	UNROLL
	for (int i = count - 2; i >= 0; i--)
		y = vec_fma(y, x, vec_set1(coefficients[i]));
	return y;
}

/*
 * e^x within 2 units in the last place; 0 below -86.6, where the result would be under 2.5e-38.
 * x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts (Cody and Waite); e^r is a minimax
 * polynomial.  Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
 */
INLINE vec
vec_exp(vec x)
{
	static const float e[] = {0.500000008f, 0.166665165f, 0.0416662689f, 0.00836910844f,
							  0.00139461373f};
	const vec one = vec_set1(1.0f), magic = vec_set1(12582912.0f);
	vec capped = vec_min(vec_set1(89.0f), x);
	vec shifted = vec_fma(capped, vec_set1(1.44269504f), magic);
	vec n = shifted - magic;
	vec r = vec_fma(n, vec_set1(-0.693359375f), capped);
	vec y;
	vec_bits exponent;

	r = vec_fma(n, vec_set1(2.12194440e-4f), r);
	y = vec_polynomial(e, 5, r);
	y = vec_fma(y * r, r, r) + one;
	/* 2^(n - 1), then twice that: 2^128 is not a float, the largest results are */
	memcpy(&exponent, &shifted, sizeof(exponent));
	exponent = (exponent - (0x4b400000 - 126)) << 23;
	memcpy(&n, &exponent, sizeof(n));
	y = y * n;
	return vec_pick_greater(vec_set1(-86.6f), x, vec_set1(0.0f), y + y);
}

INLINE vec
vec_abs(vec x)
{
	vec_bits bits;

	memcpy(&bits, &x, sizeof(bits));
	bits &= 0x7fffffff;
	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* |x| with the sign of sign; x >= 0 */
INLINE vec
vec_with_sign(vec x, vec sign)
{
	vec_bits a, b;

	memcpy(&a, &x, sizeof(a));
	memcpy(&b, &sign, sizeof(b));
	a |= b & 0x80000000u;
	memcpy(&x, &a, sizeof(x));
	return x;
}

INLINE vec
vec_sigmoid(vec x)
{
	const vec one = vec_set1(1.0f);

	return one / (one + vec_exp(-x));
}

/* Near 0 an odd polynomial (Cephes' tanhf), else 1 - 2 / (e^2|x| + 1). */
INLINE vec
vec_tanh(vec x)
{
	static const float e[] = {-3.33332819422e-1f, 1.33314422036e-1f, -5.37397155531e-2f,
							  2.06390887954e-2f, -5.70498872745e-3f};
	const vec one = vec_set1(1.0f);
	vec size = vec_abs(x);
	vec square = x * x;
	vec near = vec_fma(vec_polynomial(e, 5, square) * square, x, x);
	vec far = one - vec_set1(2.0f) / (vec_exp(size + size) + one);

	return vec_pick_greater(size, vec_set1(0.625f), vec_with_sign(far, x), near);
}

/*
 * x Phi(x) = x / 2 (1 + erf(x / sqrt 2)), with an absolute error below 5e-7.  erf(x / sqrt 2) / x is
 * a polynomial in x^2 (Chebyshev fit for |x| <= 5.5, about the middle of the range, where its
 * coefficients are small); beyond, erf is 1.
 */
INLINE vec
vec_gelu(vec x)
{
	static const float e[] = {0.25710386f,	  -0.12834464f,		0.0954747722f,	 -0.0775871351f,
							  0.0641514659f,  -0.0520776846f,	0.0406352282f,	 -0.0300970227f,
							  0.0208494887f,  -0.0133756641f,	0.00835003331f,	 -0.00521263201f,
							  0.00255946117f, -0.000788293313f, 0.000535291736f, -0.000550110883f,
							  0.000191753279f};
	vec half = x * vec_set1(0.5f);
	vec t = vec_fma(x * x, vec_set1(0.0661156997f), vec_set1(-1.0f));
	vec erf = vec_polynomial(e, 17, t) * x;

	erf = vec_pick_greater(vec_abs(x), vec_set1(5.5f), vec_with_sign(vec_set1(1.0f), x), erf);
	return vec_fma(half, erf, half);
}

/*
 * The same with an absolute error below 2e-4.  Phi(x) - 1/2 is x times a polynomial in x^2 (fitted
 * for the least error of the product, and so that it meets 0 and 1 at -4 and 4, beyond which Phi
 * stays there).
 */
INLINE vec
vec_gelu_coarse(vec x)
{
	static const float e[] = {0.397870272f,	  -0.0645544156f, 8.76369327e-3f, -8.1218814e-4f,
							  4.77639658e-5f, -1.5888312e-6f, 2.25882903e-8f};
	vec near = vec_max(vec_set1(-4.0f), vec_min(vec_set1(4.0f), x));

	return x * vec_fma(near, vec_polynomial(e, 7, near * near), vec_set1(0.5f));
}

/* x / 2 (1 + tanh u) = x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3) */
INLINE vec
vec_gelu_tanh(vec x)
{
	vec inner = vec_fma(x * x, vec_set1(0.044715f), vec_set1(1.0f)) * x;

	return x * vec_sigmoid(inner * vec_set1(1.59576912f));
}

/* tanh(log(1 + e)) = (e^2 + 2e) / (e^2 + 2e + 2); 1 from 20 on */
INLINE vec
vec_mish(vec x)
{
	const vec two = vec_set1(2.0f);
	vec e = vec_exp(vec_min(vec_set1(20.0f), x));
	vec part = e * (e + two);

	return x * (part / (part + two));
}

INLINE vec
vec_activate(op_activation activation, vec x)
{
	const vec zero = vec_set1(0.0f);
	vec positive = vec_max(zero, x);

	switch (activation)
	{
		case ACTIVATION_GELU:
			return vec_gelu(x);
		case ACTIVATION_GELU_TANH:
			return vec_gelu_tanh(x);
		case ACTIVATION_QUICK_GELU:
			return x * vec_sigmoid(x * vec_set1(1.702f));
		case ACTIVATION_RELU:
			return positive;
		case ACTIVATION_RELU2:
			return positive * positive;
		case ACTIVATION_RELU6:
			return vec_min(vec_set1(6.0f), positive);
		case ACTIVATION_SILU:
			return x * vec_sigmoid(x);
		case ACTIVATION_MISH:
			return vec_mish(x);
		case ACTIVATION_TANH:
			return vec_tanh(x);
		case ACTIVATION_SIGMOID:
			return vec_sigmoid(x);
		case ACTIVATION_NONE:
			break;
	}
	return x;
}

#endif
