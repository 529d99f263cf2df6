/*
 * attention_rows.h
 *	  Inner loops of attention where queries are few: they are rows, and keys are lanes.
 *
 * An element gets the bits that it gets in a tile: products are the same chains of sums over columns
 * and over the keys of a block, and so are the sums of exponentials.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_TENSOR_CPU_ATTENTION_ROWS_H
#define TFM_TENSOR_CPU_ATTENTION_ROWS_H

#include "tensor/cpu/attention.h"
#include "tensor/cpu/pages.h"

/* A query times factor in the form of keys; to is written to whole 16. */
static void
pack_attend_row(attend_form form, int64_t n, float factor, const float *from, float *to)
{
	const vec zero = vec_set1(0.0f);
	int64_t i = 0;

#ifdef __AVX512BF16__
	for (; form == ATTEND_PAIRS && i < n; i += 32, to += 16)
	{
		vec a = vec_load_up_to(from + i, n - i) * vec_set1(factor), b = zero;

		if (n - i > 16)
			b = vec_load_up_to(from + i + 16, n - i - 16) * vec_set1(factor);
		vec_store(to, (vec) _mm512_cvtne2ps_pbh(b, a));
	}
#endif
	for (; i < n; i += VEC_WIDTH)
		vec_store(to + i,
				  form_elements(form, vec_load_up_to(from + i, n - i) * vec_set1(factor), zero));
}

static void
multiply_form(attend_form form, const attend_product *p, int64_t rows, int64_t columns)
{
	if (form == ATTEND_PAIRS)
		multiply_pairs(p, rows, columns);
	else
		multiply_floats(p, rows, columns);
}

/* Pages are read where they are if they have the form of what is multiplied. */
INLINE bool
is_in_form(const attend_rows *r)
{
	return (r->form == ATTEND_F32 && r->storage == DTYPE_F32) ||
		   (r->form == ATTEND_PAIRS && r->storage == DTYPE_BF16);
}

static const void *
part_of(const attend_rows *r, int64_t key, size_t at)
{
	return (const char *) r->pages[key / KV_PAGE] + at;
}

static void
multiply_row_keys(const attend_rows *r)
{
	attend_product p = {
		.steps = r->form == ATTEND_PAIRS ? (r->head_dim + 1) / 2 : r->head_dim,
		.a = r->q,
		.a_row = r->q_stride,
		.a_step = 1,
		.b = r->key_page,
		.b_step = KV_PAGE,
		.c_stride = r->scores_stride,
	};

	for (int64_t key = 0; key < r->keys; key += KV_PAGE)
	{
		const void *part = part_of(r, key, r->keys_at);
		const void *next = key + KV_PAGE < r->keys ? part_of(r, key + KV_PAGE, r->keys_at)
												   : part_of(r, 0, r->values_at);

		if (is_in_form(r))
		{
			prefetch_part(next, 0, (size_t) p.steps * KV_PAGE * sizeof(float));
			p.b = part;
		}
		else
			load_page_keys(r->form, r->storage, part, r->head_dim, next, r->key_page);
		p.c = r->scores + key;
		multiply_form(r->form, &p, r->rows, KV_PAGE);
	}
}

static void
multiply_row_values(const attend_rows *r)
{
	const int64_t pair = r->form == ATTEND_PAIRS ? 2 : 1;
	attend_product p = {
		.a_row = r->scores_stride,
		.a_step = 1,
		.b = r->value_page,
		.b_step = r->state.stride,
		.c = r->state.result,
		.c_stride = r->state.stride,
	};

	for (int64_t key = 0; key < r->keys; key += KV_PAGE)
	{
		const void *part = part_of(r, key, r->values_at);
		const void *next =
			key + KV_PAGE < r->keys ? part_of(r, key + KV_PAGE, r->values_at) : r->next;
		int64_t keys = r->keys - key < KV_PAGE ? r->keys - key : KV_PAGE;

		if (is_in_form(r))
		{
			prefetch_part(next, 0, (size_t) (r->state.stride * KV_PAGE / pair) * sizeof(float));
			p.b = part;
		}
		else
			load_page_values(r->form, r->storage, part, keys, r->value_dim, next, r->value_page);
		p.a = r->scores + key / pair;
		p.steps = (keys + pair - 1) / pair;
		p.go_on = key > 0;
		multiply_form(r->form, &p, r->rows, r->state.stride);
	}
}

/* Add to a row's scores and hide keys; returns the greatest. */
INLINE float
finish_row(const attend_rows *r, int row, int64_t keys)
{
	const vec none = vec_set1(-INFINITY);
	const vec before = vec_set1((float) r->first[row] - 0.5f);
	const vec last = vec_set1((float) r->end[row] - 0.5f);
	float *scores = r->scores + row * r->scores_stride;
	vec greatest = none;

	for (int64_t j = 0; j < keys; j += VEC_WIDTH)
	{
		vec key = vec_index() + vec_set1((float) j), s = vec_load(scores + j);

		if (r->soft_cap > 0.0f)
			s = vec_cap(r->soft_cap, s);
		if (r->bias != NULL)
			s += vec_load(r->bias + row * r->scores_stride + j);
		if (r->slopes != NULL)
			s = vec_fma(vec_set1(r->slopes[row]), key + vec_set1(r->distances[row]), s);
		s = vec_pick_greater(key, before, vec_pick_greater(last, key, s, none), none);
		if (r->hidden != NULL)
		{
			vec_store(scores + j, s);
			for (int i = 0; i < VEC_WIDTH; i++)
				if (j + i < r->keys && r->hidden[j + i] != 0)
					scores[j + i] = -INFINITY;
			s = vec_load(scores + j);
		}
		vec_store(scores + j, s);
		greatest = vec_max(s, greatest);
	}
	return vec_greatest(greatest);
}

/* Scores of a row become exponentials, in place; their sum. */
INLINE float
exponentials_of_row(const attend_form form, float *scores, int64_t keys, float greatest)
{
	const vec base = softmax_base(vec_set1(greatest));
	vec sum = vec_set1(0.0f);

#ifdef __AVX512BF16__
	if (form == ATTEND_PAIRS)
	{
		for (int64_t j = 0; j < keys; j += 32)
		{
			vec a = vec_exp2(true, vec_load(scores + j) - base);
			vec b = vec_exp2(true, vec_load(scores + j + 16) - base);
			vec e = (vec) _mm512_cvtne2ps_pbh(b, a);

			sum = add_exponential(form, sum, e);
			vec_store(scores + j / 2, e);
		}
		return vec_sum(sum);
	}
#endif
	for (int64_t j = 0; j < keys; j += VEC_WIDTH)
	{
		vec e = exponential(form, vec_load(scores + j), base);

		sum = add_exponential(form, sum, e);
		vec_store(scores + j, e);
	}
	return vec_sum(sum);
}

INLINE void
softmax_rows(const attend_form form, const attend_rows *r)
{
	int64_t keys = (r->keys + KV_PAGE - 1) / KV_PAGE * KV_PAGE;

	for (int row = 0; row < r->rows; row++)
	{
		float greatest = finish_row(r, row, keys);

		r->state.maximum[row] = greatest;
		r->state.sum[row] =
			exponentials_of_row(form, r->scores + row * r->scores_stride, keys, greatest);
	}
}

static void
run_attend_rows(const attend_rows *r)
{
	multiply_row_keys(r);
	if (r->form == ATTEND_F32)
		softmax_rows(ATTEND_F32, r);
	else if (r->form == ATTEND_ROUNDED)
		softmax_rows(ATTEND_ROUNDED, r);
	else
		softmax_rows(ATTEND_PAIRS, r);
	multiply_row_values(r);
}

static void
merge_rows(int rows, const attend_state *before, const attend_state *own)
{
	float earlier[KERNEL_COLUMNS], factor[KERNEL_COLUMNS];

	for (int lane = 0; lane < rows; lane += VEC_WIDTH)
	{
		vec a, b;
		vec greatest =
			merge_maxima(vec_load(before->maximum + lane), vec_load(own->maximum + lane), &a, &b);

		vec_store(earlier + lane, a);
		vec_store(factor + lane, b);
		vec_store(before->maximum + lane, greatest);
		vec_store(before->sum + lane,
				  vec_fma(vec_load(before->sum + lane), a, vec_load(own->sum + lane) * b));
	}
	for (int row = 0; row < rows; row++)
		for (int64_t i = 0; i < before->stride; i += VEC_WIDTH)
		{
			float *to = before->result + row * before->stride + i;
			vec sum = vec_load(own->result + row * own->stride + i) * vec_set1(factor[row]);

			vec_store(to, vec_fma(vec_load(to), vec_set1(earlier[row]), sum));
		}
}

static void
finish_rows(int rows, int64_t value_dim, const attend_state *state, const float *sinks,
			float *const *y)
{
	float factor[KERNEL_COLUMNS];

	for (int lane = 0; lane < rows; lane += VEC_WIDTH)
		vec_store(factor + lane, final_factor(vec_load(state->maximum + lane),
											  vec_load(state->sum + lane), vec_load(sinks + lane)));
	for (int row = 0; row < rows; row++)
		for (int64_t i = 0; i < value_dim; i += VEC_WIDTH)
			vec_store_up_to(y[row] + i,
							vec_load(state->result + row * state->stride + i) *
								vec_set1(factor[row]),
							value_dim - i);
}

#endif
