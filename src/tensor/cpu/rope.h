/*
 * rope.h
 *	  Angles of rotary positions, and the turn.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CPU_ROPE_H
#define TFM_TENSOR_CPU_ROPE_H

#include "tensor/cpu/vector.h"
#include "tensor/kernels.h"

/*
 * The angle, exact in double, less the nearest multiple of pi / 2 (in two parts, Cody and Waite), is
 * within pi / 4: there sine and cosine are polynomials (Cephes' sinf and cosf).  Adding 1.5 * 2^52
 * rounds to an integer and leaves it in the low bits.
 */
static void
rope_angles(int pairs, float position, const float *frequencies, float factor, float *cosines,
			float *sines)
{
	const double magic = 6755399441055744.0;

	for (int i = 0; i < pairs; i++)
	{
		double angle = (double) (position * frequencies[i]);
		double shifted = angle * 0.63661977236758134308 + magic, n = shifted - magic;
		float r = (float) ((angle - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11);
		float square = r * r;
		float s = ((-1.9515295891e-4f * square + 8.3321608736e-3f) * square - 1.6666654611e-1f) *
					  square * r +
				  r;
		float c = ((2.443315711809948e-5f * square - 1.388731625493765e-3f) * square +
				   4.166664568298827e-2f) *
					  square * square -
				  0.5f * square + 1.0f;
		uint64_t bits;
		bool odd;

		memcpy(&bits, &shifted, sizeof(bits));
		odd = (bits & 1) != 0;
		cosines[i] = factor * ((bits + 1) & 2 ? -1.0f : 1.0f) * (odd ? s : c);
		sines[i] = factor * (bits & 2 ? -1.0f : 1.0f) * (odd ? c : s);
	}
}

static void
turn_halves(const rope_turn *turn, float *x)
{
	for (int64_t i = 0; i < turn->pairs; i += VEC_WIDTH)
	{
		int64_t left = turn->pairs - i;
		vec c = vec_load_up_to(turn->cosines + i, left), s = vec_load_up_to(turn->sines + i, left);

		for (int h = 0; h < turn->heads; h++)
		{
			float *first = x + h * turn->head_dim + i, *second = first + turn->pairs;
			vec a = vec_load_up_to(first, left), b = vec_load_up_to(second, left);

			vec_store_up_to(first, a * c - b * s, left);
			vec_store_up_to(second, b * c + a * s, left);
		}
	}
}

static void
turn_neighbours(const rope_turn *turn, float *x)
{
	for (int h = 0; h < turn->heads; h++)
	{
		float *p = x + h * turn->head_dim;

		for (int64_t i = 0; i < turn->pairs; i++)
		{
			float a = p[2 * i], b = p[2 * i + 1];

			p[2 * i] = a * turn->cosines[i] - b * turn->sines[i];
			p[2 * i + 1] = b * turn->cosines[i] + a * turn->sines[i];
		}
	}
}

static void
turn_heads(const rope_turn *turn, float *x)
{
	if (turn->interleaved)
		turn_neighbours(turn, x);
	else
		turn_halves(turn, x);
}

#endif
