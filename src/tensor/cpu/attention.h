/*
 * attention.h
 *	  Inner loops of attention: a tile of queries against a block of keys.
 *
 * Scores lie transposed, a row for each key and a lane for each query, so that maxima and sums over
 * keys run from vector to vector and only queries are transposed beforehand.  Both products are one
 * loop over rows of 32-bit elements: keys times queries, then probabilities (read by columns) times
 * values.  In bf16 such an element is a pair: of columns in the first product, of keys in the second.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CPU_ATTENTION_H
#define TFM_TENSOR_CPU_ATTENTION_H

#include <math.h>

#include "tensor/cache_pages.h"
#include "tensor/cpu/functions.h"
#include "tensor/cpu/products.h"
#include "tensor/kernels.h"

/* ---- Products ---- */

/*
 * c[row][column] = sum of a[row][step] b[step][column], where a's rows and steps lie any distance
 * apart.  The sum goes on from c if it is to; it is multiplied by own[row], and before *
 * earlier[row] is added, if there are these; then it is multiplied by factor[row] if there is one.
 */
typedef struct attend_product
{
	int64_t steps;
	const float *a;
	int64_t a_row, a_step;
	const float *b; /* readable to whole vectors */
	int64_t b_step;
	bool go_on; /* c is readable to whole vectors */
	const float *own, *earlier;
	const float *before;
	int64_t before_stride;
	const float *factor;
	float *c;
	int64_t c_stride;
} attend_product;

/* sum + x b, of floats or of pairs */
INLINE vec
add_product(const bool pairs, vec x, vec b, vec sum)
{
#ifdef __AVX512BF16__
	if (pairs)
		return _mm512_dpbf16_ps(sum, (__m512bh) x, (__m512bh) b);
#endif
	(void) pairs;
	return vec_fma(x, b, sum);
}

/* sum = before * earlier[row] + sum * own[row] */
INLINE void
add_before(const int rows, const int vectors, const attend_product *p, int64_t row, int64_t column,
		   vec sum[TILE_ROWS][TILE_VECTORS])
{
	const float *before = p->before + row * p->before_stride + column;

	UNROLL
	for (int r = 0; r < rows; r++)
		for (int v = 0; v < vectors; v++)
			sum[r][v] =
				vec_fma(vec_load(before + r * p->before_stride + v * VEC_WIDTH),
						vec_set1(p->earlier[row + r]), sum[r][v] * vec_set1(p->own[row + r]));
}

INLINE void
begin_rows(const int rows, const int vectors, const attend_product *p, int64_t row, int64_t column,
		   vec sum[TILE_ROWS][TILE_VECTORS])
{
	UNROLL
	for (int r = 0; r < rows; r++)
		sum[r][0] = sum[r][1] = vec_set1(0.0f);
	if (p->go_on)
	{
		UNROLL
		for (int r = 0; r < rows; r++)
			for (int v = 0; v < vectors; v++)
				sum[r][v] = vec_load(p->c + (row + r) * p->c_stride + column + v * VEC_WIDTH);
	}
}

INLINE void
scale_rows(const int rows, const float *factor, vec sum[TILE_ROWS][TILE_VECTORS])
{
	UNROLL
	for (int r = 0; r < rows; r++)
	{
		sum[r][0] *= vec_set1(factor[r]);
		sum[r][1] *= vec_set1(factor[r]);
	}
}

INLINE void
store_rows(const int rows, const int vectors, vec sum[TILE_ROWS][TILE_VECTORS], int64_t columns,
		   float *c, int64_t stride)
{
	if (columns >= vectors * VEC_WIDTH)
	{
		UNROLL
		for (int r = 0; r < rows; r++)
			for (int v = 0; v < vectors; v++)
				vec_store(c + r * stride + v * VEC_WIDTH, sum[r][v]);
		return;
	}
	UNROLL
	for (int r = 0; r < rows; r++)
	{
		if (vectors > 1)
			vec_store(c + r * stride, sum[r][0]);
		vec_store_part(c + r * stride + (vectors - 1) * VEC_WIDTH, sum[r][vectors - 1],
					   columns - (vectors - 1) * VEC_WIDTH);
	}
}

/* Rows row .. row + rows - 1 and one or two vectors of columns; constants but for the places. */
INLINE void
multiply_part(const int rows, const int vectors, const bool pairs, const attend_product *p,
			  int64_t row, int64_t column, int64_t columns)
{
	const float *a = p->a + row * p->a_row, *b = p->b + column;
	int64_t a_row = p->a_row, a_step = p->a_step, b_step = p->b_step;
	vec sum[TILE_ROWS][TILE_VECTORS];

	begin_rows(rows, vectors, p, row, column, sum);
	for (int64_t i = p->steps; i > 0; i--, a += a_step, b += b_step)
	{
		vec b0 = vec_load(b), b1 = vectors > 1 ? vec_load(b + VEC_WIDTH) : b0;

		UNROLL
		for (int r = 0; r < rows; r++)
		{
			vec x = vec_set1(a[r * a_row]);

			sum[r][0] = add_product(pairs, x, b0, sum[r][0]);
			if (vectors > 1)
				sum[r][1] = add_product(pairs, x, b1, sum[r][1]);
		}
	}
	if (p->earlier != NULL)
		add_before(rows, vectors, p, row, column, sum);
	if (p->factor != NULL)
		scale_rows(rows, p->factor + row, sum);
	store_rows(rows, vectors, sum, columns - column, p->c + row * p->c_stride + column,
			   p->c_stride);
}

INLINE void
multiply_all(const bool pairs, const attend_product *p, int64_t rows, int64_t columns)
{
	int64_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;

	for (int64_t j = 0; j < columns; j += TILE_VECTORS * VEC_WIDTH)
		for (int64_t i = 0; i < tiles; i++)
		{
			int64_t row = rows * i / tiles;
			int count = (int) (rows * (i + 1) / tiles - row);

			if (columns - j > VEC_WIDTH)
				SWITCH_ROWS(count, multiply_part, 2, pairs, p, row, j, columns)
			else
				SWITCH_ROWS(count, multiply_part, 1, pairs, p, row, j, columns)
		}
}

static void
multiply_floats(const attend_product *p, int64_t rows, int64_t columns)
{
	multiply_all(false, p, rows, columns);
}

#ifdef __AVX512BF16__
static void
multiply_pairs(const attend_product *p, int64_t rows, int64_t columns)
{
	multiply_all(true, p, rows, columns);
}
#else
#define multiply_pairs multiply_floats
#endif

/* ---- Softmax ---- */

/*
 * 2^x for x <= 1: within 2 units in the last place, or coarse within 1.1e-4 of itself; 1 at 0, 0
 * below -126.5.  x = n + r with |r| <= 1/2; 2^r is a minimax polynomial.  Adding 1.5 * 2^23 rounds
 * to an integer and leaves it in the low bits.
 */
INLINE vec
vec_exp2(const bool coarse, vec x)
{
	static const float fine[] = {0.693147004f, 0.240222424f, 0.0555073358f, 0.00967151299f,
								 0.00132647273f};
	static const float rough[] = {0.693282902f, 0.242210969f, 0.0550089329f};
	const vec magic = vec_set1(12582912.0f);
	vec capped = vec_max(vec_set1(-127.0f), x);
	vec shifted = capped + magic;
	vec r = capped - (shifted - magic);
	vec y = coarse ? vec_polynomial(rough, 3, r) : vec_polynomial(fine, 5, r);
	vec power;
	vec_bits exponent;

	y = vec_fma(y, r, vec_set1(1.0f));
	memcpy(&exponent, &shifted, sizeof(exponent));
	exponent = (exponent - (0x4b400000 - 127)) << 23;
	memcpy(&power, &exponent, sizeof(power));
	return y * power;
}

/* cap tanh(x / cap) */
INLINE vec
vec_cap(float cap, vec x)
{
	return vec_tanh(x * vec_set1(1.0f / cap)) * vec_set1(cap);
}

/* Add to a vector of queries' scores, and hide keys. */
INLINE void
finish_scores(const attend_tile *t, int lane)
{
	const vec none = vec_set1(-INFINITY);
	const vec place = vec_index() + vec_set1((float) (lane + t->diagonal));
	const vec last = place + vec_set1((float) t->after + 0.5f);
	const vec before = place - vec_set1((float) t->window - 0.5f);

	for (int64_t j = 0; j < t->keys; j++)
	{
		float *to = t->scores + j * KERNEL_COLUMNS + lane;
		vec s = vec_load(to), key = vec_set1((float) j);

		if (t->soft_cap > 0.0f)
			s = vec_cap(t->soft_cap, s);
		if (t->bias != NULL)
			s += vec_load(t->bias + j * t->bias_stride + lane);
		if (t->slope != 0.0f)
			s = vec_fma(vec_set1(t->slope), key - place, s);
		if (t->causal)
			s = vec_pick_greater(last, key, s, none);
		if (t->window > 0)
			s = vec_pick_greater(key, before, s, none);
		vec_store(to, t->hidden != NULL && t->hidden[j] != 0 ? none : s);
	}
}

/* Not a number is passed over: its exponential will not be a number either. */
INLINE vec
greatest_scores(const attend_tile *t, int lane)
{
	const float *s = t->scores + lane;
	vec even = vec_set1(-INFINITY), odd = even;
	int64_t j = 0;

	for (; j + 1 < t->keys; j += 2, s += 2 * KERNEL_COLUMNS)
	{
		even = vec_max(vec_load(s), even);
		odd = vec_max(vec_load(s + KERNEL_COLUMNS), odd);
	}
	if (j < t->keys)
		even = vec_max(vec_load(s), even);
	return vec_max(even, odd);
}

#ifdef __AVX512BF16__

/* a and b rounded: lane by lane a pair. */
INLINE vec
vec_pair(vec a, vec b)
{
	static const uint16_t order[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
									   21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
									   11, 27, 12, 28, 13, 29, 14, 30, 15, 31};

	return (vec) _mm512_permutexvar_epi16(_mm512_loadu_si512(order),
										  (__m512i) _mm512_cvtne2ps_pbh(b, a));
}

/* exponentials() of pairs of keys. */
INLINE void
exponentials_of_pairs(const attend_tile *t, int lane, vec base)
{
	for (int64_t j = 0; j < t->keys; j += 2)
	{
		const float *s = t->scores + j * KERNEL_COLUMNS + lane;
		vec a = vec_exp2(true, vec_load(s) - base), b = vec_set1(0.0f);

		if (j + 1 < t->keys)
			b = vec_exp2(true, vec_load(s + KERNEL_COLUMNS) - base);
		vec_store(t->scores + j / 2 * KERNEL_COLUMNS + lane, vec_pair(a, b));
	}
}

#endif

/* 2^(score - base) in the form that values are multiplied in, but for pairs. */
INLINE vec
exponential(const attend_form form, vec score, vec base)
{
	vec e = vec_exp2(form != ATTEND_F32, score - base);

	if (form == ATTEND_ROUNDED)
	{
		vec_bits bits = vec_round_bf16(e);

		memcpy(&e, &bits, sizeof(e));
	}
	return e;
}

/* Scores become exponentials. */
INLINE void
exponentials(const attend_form form, const attend_tile *t, int lane, vec base)
{
#ifdef __AVX512BF16__
	if (form == ATTEND_PAIRS)
	{
		exponentials_of_pairs(t, lane, base);
		return;
	}
#endif
	for (int64_t j = 0; j < t->keys; j++)
	{
		float *s = t->scores + j * KERNEL_COLUMNS + lane;

		vec_store(s, exponential(form, vec_load(s), base));
	}
}

/* sum + e, of floats or of both of a pair, as they are multiplied */
INLINE vec
add_exponential(const attend_form form, vec sum, vec e)
{
#ifdef __AVX512BF16__
	if (form == ATTEND_PAIRS)
		return _mm512_dpbf16_ps(sum, (__m512bh) e, (__m512bh) _mm512_set1_epi16(0x3f80));
#endif
	(void) form;
	return sum + e;
}

/*
 * The sums of exponentials: of each VEC_WIDTH-th by itself, then halves onto halves, as if keys were
 * lanes.
 */
INLINE vec
sum_exponentials(const attend_form form, const attend_tile *t, int lane)
{
	int64_t steps = form == ATTEND_PAIRS ? (t->keys + 1) / 2 : t->keys, j = 0;
	const float *e = t->scores + lane;
	vec sum[VEC_WIDTH];

	UNROLL
	for (int i = 0; i < VEC_WIDTH; i++)
		sum[i] = vec_set1(0.0f);
	for (; j + VEC_WIDTH <= steps; j += VEC_WIDTH, e += VEC_WIDTH * KERNEL_COLUMNS)
	{
		UNROLL
		for (int i = 0; i < VEC_WIDTH; i++)
			sum[i] = add_exponential(form, sum[i], vec_load(e + i * KERNEL_COLUMNS));
	}
	UNROLL
	for (int i = 0; i < VEC_WIDTH; i++)
		if (j + i < steps)
			sum[i] = add_exponential(form, sum[i], vec_load(e + i * KERNEL_COLUMNS));
	for (int i = 0; i < 8 && VEC_WIDTH > 8; i++)
		sum[i] += sum[i + 8 < VEC_WIDTH ? i + 8 : 0];
	for (int i = 0; i < 4 && VEC_WIDTH > 4; i++)
		sum[i] += sum[i + 4 < VEC_WIDTH ? i + 4 : 0];
	return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

/* A maximum, or 0 where nothing has been seen. */
INLINE vec
softmax_base(vec greatest)
{
	return vec_pick_greater(greatest, vec_set1(-INFINITY), greatest, vec_set1(0.0f));
}

/*
 * Two maxima meet: what sums under each of them are multiplied by.  Milakov and Gimelshein 2018,
 * "Online normalizer calculation for softmax", a block at a time.
 */
INLINE vec
merge_maxima(vec before, vec own, vec *earlier, vec *factor)
{
	vec greatest = vec_max(own, before), base = softmax_base(greatest);

	*earlier = vec_exp2(false, before - base);
	*factor = vec_exp2(false, own - base);
	return greatest;
}

/* What the sums of queries that are done are multiplied by. */
INLINE vec
final_factor(vec maximum, vec sum, vec sink)
{
	const vec zero = vec_set1(0.0f);
	vec earlier, taken;

	merge_maxima(maximum, sink, &earlier, &taken);
	sum = vec_fma(sum, earlier, taken);
	return vec_pick_greater(sum, zero, earlier / sum, zero);
}

/* own, earlier[query]: what the block's sums and those before it are multiplied by. */
INLINE void
softmax_lanes(const attend_form form, const attend_tile *t, float *own, float *earlier)
{
	bool finish = t->bias != NULL || t->hidden != NULL || t->causal || t->window > 0 ||
				  t->soft_cap > 0.0f || t->slope != 0.0f;

	for (int lane = 0; lane < t->queries; lane += VEC_WIDTH)
	{
		vec greatest, sum;

		if (finish)
			finish_scores(t, lane);
		greatest = greatest_scores(t, lane);
		exponentials(form, t, lane, softmax_base(greatest));
		sum = sum_exponentials(form, t, lane);
		if (!t->first)
		{
			vec before, factor;

			greatest = merge_maxima(vec_load(t->maximum + lane), greatest, &before, &factor);
			vec_store(own + lane, factor);
			vec_store(earlier + lane, before);
			sum = vec_fma(vec_load(t->sum + lane), before, sum * factor);
		}
		vec_store(t->maximum + lane, greatest);
		vec_store(t->sum + lane, sum);
	}
}

/* ---- Tiles ---- */

#define AHEAD_KEYS TILE_ROWS /* of a part of the product between which rows are prefetched */

static void
multiply_values(const attend_tile *t, const float *own, const float *earlier)
{
	float factor[KERNEL_COLUMNS];
	bool pairs = t->form == ATTEND_PAIRS, last = t->y != NULL;
	attend_product p = {
		.steps = pairs ? (t->keys + 1) / 2 : t->keys,
		.a = t->scores,
		.a_row = 1,
		.a_step = KERNEL_COLUMNS,
		.b = t->v,
		.b_step = t->v_stride,
		.own = own,
		.earlier = t->first ? NULL : earlier,
		.before = t->result,
		.before_stride = t->result_stride,
		.factor = last ? factor : NULL,
		.c = last ? t->y : t->result,
		.c_stride = last ? t->y_stride : t->result_stride,
	};

	if (last)
		for (int lane = 0; lane < t->queries; lane += VEC_WIDTH)
			vec_store(factor + lane, final_factor(vec_load(t->maximum + lane),
												  vec_load(t->sum + lane), vec_set1(t->sink)));
	if (pairs)
		multiply_pairs(&p, t->queries, last ? t->value_dim : t->result_stride);
	else
		multiply_floats(&p, t->queries, last ? t->value_dim : t->result_stride);
}

/*
 * Rows of a head lie apart, in an order that the processor does not foresee.  Inline, because GCC
 * takes a function that only prefetches for one without effect, and leaves out its calls.
 */
INLINE void
prefetch_ahead(const attend_tile *t, int64_t first, int64_t count)
{
	int64_t end = first + count < t->ahead_rows ? first + count : t->ahead_rows;

	for (int i = 0; i < 3; i++)
	{
		const float *from = t->ahead[i] + first * t->ahead_stride[i];

		for (int64_t r = first; r < end; r++, from += t->ahead_stride[i])
			for (int64_t j = 0; j < t->head_dim; j += 16)
				__builtin_prefetch(from + j, 0, 2);
	}
}

/*
 * Queries times keys.  What is read ahead comes in parts between parts of the product; keys of a
 * cache lie in pages, that is parts, too.
 */
static void
multiply_keys(const attend_tile *t)
{
	int64_t lanes = (t->queries + VEC_WIDTH - 1) / VEC_WIDTH * VEC_WIDTH;
	int64_t part = t->k_page != 0 ? KV_PAGE : t->ahead_rows > 0 ? AHEAD_KEYS : t->keys;
	int64_t parts = (t->keys + part - 1) / part, rows = (t->ahead_rows + parts - 1) / parts;
	bool pairs = t->form == ATTEND_PAIRS;
	attend_product p = {
		.steps = pairs ? (t->head_dim + 1) / 2 : t->head_dim,
		.a_row = t->k_row,
		.a_step = t->k_step,
		.b = t->q,
		.b_step = KERNEL_COLUMNS,
		.c_stride = KERNEL_COLUMNS,
	};

	for (int64_t i = 0; i < parts; i++)
	{
		int64_t key = i * part, keys = t->keys - key < part ? t->keys - key : part;

		p.a = t->k + (t->k_page != 0 ? i * t->k_page : key * t->k_row);
		p.c = t->scores + key * KERNEL_COLUMNS;
		prefetch_ahead(t, i * rows, rows);
		if (pairs)
			multiply_pairs(&p, keys, lanes);
		else
			multiply_floats(&p, keys, lanes);
	}
}

static void
run_attend_tile(const attend_tile *t)
{
	float own[KERNEL_COLUMNS], earlier[KERNEL_COLUMNS];

	multiply_keys(t);
	if (t->form == ATTEND_F32)
		softmax_lanes(ATTEND_F32, t, own, earlier);
	else if (t->form == ATTEND_ROUNDED)
		softmax_lanes(ATTEND_ROUNDED, t, own, earlier);
	else
		softmax_lanes(ATTEND_PAIRS, t, own, earlier);
	multiply_values(t, own, earlier);
}

/* ---- Packing ---- */

static void
pack_attend_keys(attend_form form, int64_t keys, int64_t n, const float *from, int64_t stride,
				 float *to, int64_t to_stride)
{
	for (int64_t j = 0; j < keys; j++, from += stride, to += to_stride)
	{
		if (form == ATTEND_F32)
			memcpy(to, from, (size_t) n * sizeof(float));
		else if (form == ATTEND_ROUNDED)
			round_bf16(from, to, n);
		else
		{
			to_bf16(from, (uint16_t *) to, n);
			if (n % 2 != 0)
				((uint16_t *) to)[n] = 0;
		}
	}
}

static void
pack_attend_values(attend_form form, int64_t keys, int64_t n, const float *from, int64_t stride,
				   float *to, int64_t to_stride)
{
#ifdef __AVX512BF16__
	if (form == ATTEND_PAIRS)
	{
		for (int64_t j = 0; j < keys; j += 2, from += 2 * stride, to += to_stride)
			for (int64_t i = 0; i < n; i += VEC_WIDTH)
			{
				vec a = vec_load_up_to(from + i, n - i), b = vec_set1(0.0f);

				if (j + 1 < keys)
					b = vec_load_up_to(from + stride + i, n - i);
				vec_store(to + i, vec_pair(a, b));
			}
		return;
	}
#endif
	for (int64_t j = 0; j < keys; j++, from += stride, to += to_stride)
	{
		if (form == ATTEND_ROUNDED)
			round_bf16(from, to, n);
		else
			memcpy(to, from, (size_t) n * sizeof(float));
		if (n < to_stride)
			memset(to + n, 0, (size_t) (to_stride - n) * sizeof(float));
	}
}

#if VEC_WIDTH == 16

/* Rows become columns. */
INLINE void
transpose_vectors(vec x[16])
{
	vec y[16];

	UNROLL
	for (int i = 0; i < 16; i += 2)
	{
		y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
		y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
	}
	UNROLL
	for (int i = 0; i < 16; i += 4)
		for (int j = 0; j < 2; j++)
		{
			__m512d a = (__m512d) y[i + j], b = (__m512d) y[i + j + 2];

			x[i + 2 * j] = (vec) _mm512_unpacklo_pd(a, b);
			x[i + 2 * j + 1] = (vec) _mm512_unpackhi_pd(a, b);
		}
	/* x[i + j] has column j of each quarter, of the rows i .. i + 3 */
	UNROLL
	for (int j = 0; j < 4; j++)
	{
		y[j] = _mm512_shuffle_f32x4(x[j], x[j + 4], 0x88);
		y[j + 4] = _mm512_shuffle_f32x4(x[j], x[j + 4], 0xdd);
		y[j + 8] = _mm512_shuffle_f32x4(x[j + 8], x[j + 12], 0x88);
		y[j + 12] = _mm512_shuffle_f32x4(x[j + 8], x[j + 12], 0xdd);
	}
	UNROLL
	for (int j = 0; j < 4; j++)
	{
		x[j] = _mm512_shuffle_f32x4(y[j], y[j + 8], 0x88);
		x[j + 4] = _mm512_shuffle_f32x4(y[j + 4], y[j + 12], 0x88);
		x[j + 8] = _mm512_shuffle_f32x4(y[j], y[j + 8], 0xdd);
		x[j + 12] = _mm512_shuffle_f32x4(y[j + 4], y[j + 12], 0xdd);
	}
}

/* Up to 16 elements of a query in the form that keys are multiplied in. */
INLINE vec
load_query(const attend_form form, const float *from, int64_t left, vec factor)
{
	vec x = vec_load_up_to(from, left) * factor;

#ifdef __AVX512BF16__
	if (form == ATTEND_PAIRS)
	{
		vec y = vec_set1(0.0f);

		if (left > 16)
			y = vec_load_up_to(from + 16, left - 16) * factor;
		return (vec) _mm512_cvtne2ps_pbh(y, x);
	}
#endif
	if (form == ATTEND_ROUNDED)
	{
		vec_bits bits = vec_round_bf16(x);

		memcpy(&x, &bits, sizeof(x));
	}
	return x;
}

/* 16 queries or, where not all of 16 rows and columns are there, fewer. */
INLINE void
pack_square(const attend_form form, const bool whole, int64_t rows, int64_t columns, float factor,
			const float *from, int64_t stride, float *to)
{
	int64_t steps = form == ATTEND_PAIRS ? (columns + 1) / 2 : columns;
	vec x[16];

	UNROLL
	for (int r = 0; r < 16; r++)
	{
		x[r] = vec_set1(0.0f);
		if (whole || r < rows)
			x[r] = load_query(form, from + r * stride, whole ? 32 : columns, vec_set1(factor));
	}
	transpose_vectors(x);
	UNROLL
	for (int j = 0; j < 16; j++)
		if (whole || j < steps)
			vec_store(to + j * KERNEL_COLUMNS, x[j]);
}

INLINE void
pack_queries_of(const attend_form form, int queries, int64_t n, float factor, const float *from,
				int64_t stride, float *panel)
{
	int64_t width = form == ATTEND_PAIRS ? 32 : 16;

	for (int lane = 0; lane < queries; lane += 16, from += 16 * stride, panel += 16)
		for (int64_t i = 0; i < n; i += width)
		{
			float *to = panel + i / width * 16 * KERNEL_COLUMNS;

			if (queries - lane >= 16 && n - i >= width)
				pack_square(form, true, 16, width, factor, from + i, stride, to);
			else
				pack_square(form, false, queries - lane, n - i, factor, from + i, stride, to);
		}
}

#endif

static void
pack_attend_queries(attend_form form, int queries, int64_t n, float factor, const float *from,
					int64_t stride, float *panel)
{
#if VEC_WIDTH == 16
	if (form == ATTEND_F32)
		pack_queries_of(ATTEND_F32, queries, n, factor, from, stride, panel);
	else if (form == ATTEND_ROUNDED)
		pack_queries_of(ATTEND_ROUNDED, queries, n, factor, from, stride, panel);
	else
		pack_queries_of(ATTEND_PAIRS, queries, n, factor, from, stride, panel);
#else
	pack(n, queries, from, stride, panel);
	for (int64_t i = 0; i < n * KERNEL_COLUMNS; i += VEC_WIDTH)
		vec_store(panel + i, vec_load(panel + i) * vec_set1(factor));
	if (form != ATTEND_F32)
		round_bf16(panel, panel, n * KERNEL_COLUMNS);
#endif
}

#endif
