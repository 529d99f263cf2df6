/*
 * attend.c
 *	  Attention against its definition in double, and the same bits in any company.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor.h"

#include <float.h>

#include "tensor/attend.h"
#include "tensor/float16.h"

static const int32_t lengths[] = {1, 0, 13, 33, 129, 300, 128, 16, 127};

#define BATCH ((int64_t) (sizeof(lengths) / sizeof(lengths[0])))

/* What a case is made of. */
typedef struct fixture
{
	op_attend_options o;
	int32_t offsets[sizeof(lengths) / sizeof(lengths[0]) + 1];
	int32_t tokens;
	float *qkv, *bias, *y;
	int32_t *positions;
	uint8_t *hidden;
	bool rounds; /* what is multiplied is rounded to bf16 */
} fixture;

#define FOR_EACH_COMPUTE(compute)                                                                  \
	for (tfm_compute compute = COMPUTE_F32; compute <= COMPUTE_INT8; compute++)

/* q, k and v of all heads lie in one row, as of a fused projection. */
static fixture
make(int heads, int kv_heads, int head_dim)
{
	fixture f = {.o = {.heads = heads, .kv_heads = kv_heads, .head_dim = head_dim}};
	int64_t row = (int64_t) (heads + 2 * kv_heads) * head_dim;

	for (int64_t i = 0; i < BATCH; i++)
		f.offsets[i + 1] = f.offsets[i] + lengths[i];
	f.tokens = f.offsets[BATCH];
	f.qkv = numbers(f.tokens * row, 1);
	f.y = numbers((int64_t) f.tokens * heads * head_dim, 2);
	f.bias = numbers(heads * 399, 3);
	f.positions = calloc((size_t) f.tokens, sizeof(int32_t));
	f.hidden = calloc((size_t) f.tokens, 1);
	f.o.q = f.qkv;
	f.o.k = f.qkv + heads * head_dim;
	f.o.v = f.qkv + (heads + kv_heads) * head_dim;
	f.o.q_stride = f.o.k_stride = f.o.v_stride = row;
	f.o.y = f.y;
	f.o.batch = BATCH;
	return f;
}

static void
discard(fixture *f)
{
	free(f->qkv);
	free(f->y);
	free(f->bias);
	free(f->positions);
	free(f->hidden);
}

static bool
sees(const op_attend_options *o, int64_t start, int64_t query, int64_t key)
{
	return (!o->causal || key <= query) && (o->hidden == NULL || o->hidden[start + key] == 0);
}

/* An element as it is multiplied. */
static double
taken(const fixture *f, float x)
{
	return f->rounds ? bf16_to_f32(f32_to_bf16(x)) : x;
}

/* Of base 2. */
static double
score(const fixture *f, int64_t start, int64_t query, int64_t key, int head)
{
	const op_attend_options *o = &f->o;
	const float *q = o->q + (start + query) * o->q_stride + head * o->head_dim;
	const float *k = o->k + (start + key) * o->k_stride +
					 head / (o->heads / o->kv_heads) * (int64_t) o->head_dim;
	float factor =
		(o->scale == 0.0f ? 1.0f / sqrtf((float) o->head_dim) : o->scale) * (float) M_LOG2E;
	double sum = 0.0;

	for (int i = 0; i < o->head_dim; i++)
		sum += (f->rounds ? taken(f, q[i] * factor) : (double) q[i] * factor) * taken(f, k[i]);
	if (o->bias != NULL)
	{
		int64_t d = key - query, most = o->span - 1;

		if (o->positions != NULL)
			d = (int64_t) o->positions[start + key] - o->positions[start + query];
		d = d < -most ? -most : d > most ? most : d;
		sum += o->bias[head * (2 * most + 1) + d + most] * M_LOG2E;
	}
	if (o->scores != NULL)
	{
		float own[ATTEND_QUERIES];

		o->scores(o->scores_argument, head, start + query, 1, start + key, 1, own);
		sum += own[0] * M_LOG2E;
	}
	return sum;
}

/*
 * Values are within 1 and scores within a few units, so that an error of a score is at most some 80
 * eps, and that of the mean of values, with weights that sum to 1, a small multiple of it.  A weight
 * in bf16 is off by 2^-8 of itself and 1e-4 for the exponential, and moves the mean by so much of
 * its value's distance from it, which is at most 2.
 */
static void
check_row(const fixture *f, int64_t start, int64_t length, int64_t query, int head)
{
	const op_attend_options *o = &f->o;
	const float *y = o->y + (start + query) * o->heads * o->head_dim + head * o->head_dim;
	const float *v =
		o->v + start * o->v_stride + head / (o->heads / o->kv_heads) * (int64_t) o->head_dim;
	double weights[512], greatest = -INFINITY, total = 0.0;
	double tolerance = 5e-6 + (f->rounds ? 2.0 * (ldexp(1.0, -8) + 1e-4) : 0.0);

	for (int64_t j = 0; j < length; j++)
	{
		weights[j] = sees(o, start, query, j) ? score(f, start, query, j, head) : -INFINITY;
		greatest = fmax(greatest, weights[j]);
	}
	for (int64_t j = 0; j < length; j++)
		total += weights[j] = greatest == -INFINITY ? 0.0 : exp2(weights[j] - greatest);
	for (int i = 0; i < o->head_dim; i++)
	{
		double sum = 0.0;

		for (int64_t j = 0; j < length; j++)
			sum += weights[j] * taken(f, v[j * o->v_stride + i]);
		assert_true(fabs(y[i] - (total == 0.0 ? 0.0 : sum / total)) < tolerance);
	}
}

static void
check_compute(fixture *f, int set, tfm_compute compute)
{
	tfm_context context = open_context(set, 1, 0);

	f->o.offsets = f->offsets;
	f->o.compute = compute;
	f->rounds = compute == COMPUTE_BF16 || (compute == COMPUTE_INT8 && set >= ISA_AVX512_BF16);
	assert_true(op_attend(&context, &f->o));
	for (int64_t i = 0; i < BATCH; i++)
		for (int64_t query = 0; query < lengths[i]; query += query % 7 + 1)
			for (int head = 0; head < f->o.heads; head++)
				check_row(f, f->offsets[i], lengths[i], query, head);
	close_context(&context);
}

static void
check_all(fixture *f, int set)
{
	FOR_EACH_COMPUTE(compute)
	check_compute(f, set, compute);
}

static void
test_definition(void **state)
{
	static const int shapes[][3] = {{1, 1, 1},	{4, 2, 17}, {2, 2, 32}, {1, 1, 40},
									{1, 1, 64}, {2, 1, 80}, {1, 1, 129}};

	(void) state;
	FOR_EACH_ISA(set)
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
	{
		fixture f = make(shapes[i][0], shapes[i][1], shapes[i][2]);

		check_all(&f, set);
		f.o.causal = true;
		f.o.scale = 0.7f;
		check_all(&f, set);
		discard(&f);
	}
}

/* Relative bias: by place, beyond its table, by positions in order and out of order. */
static void
test_bias(void **state)
{
	fixture f = make(2, 1, 8);

	(void) state;
	f.o.bias = f.bias;
	FOR_EACH_ISA(set)
	for (int causal = 0; causal < 2; causal++)
	{
		f.o.causal = causal;
		f.o.positions = NULL;
		f.o.span = 200;
		check_all(&f, set);
		f.o.span = 20;
		check_all(&f, set);
		f.o.positions = f.positions;
		for (int32_t i = 0; i < f.tokens; i++)
			f.positions[i] = i + 2;
		check_all(&f, set);
		for (int32_t i = 0; i < f.tokens; i++)
			f.positions[i] = i * 7 % 31;
		f.positions[3] = INT32_MAX;
		f.positions[4] = INT32_MIN;
		check_all(&f, set);
	}
	discard(&f);
}

/* Something of head, query and key, out of a table. */
static void
fill_scores(const void *argument, int head, int64_t query, int queries, int64_t key, int64_t keys,
			float *scores)
{
	const float *table = argument;

	for (int64_t j = 0; j < keys; j++)
		for (int i = 0; i < queries; i++)
			scores[j * ATTEND_QUERIES + i] =
				table[(head * 7 + (query + i) * 31 + (key + j) * 17) % 700];
}

/* What the caller adds to scores, which is no more than one of two. */
static void
test_scores(void **state)
{
	fixture f = make(2, 1, 8);

	(void) state;
	f.o.scores = fill_scores;
	f.o.scores_argument = f.bias;
	FOR_EACH_ISA(set)
	{
		tfm_context context = open_context(set, 1, 0);

		check_all(&f, set);
		f.o.causal = !f.o.causal;
		f.o.bias = f.bias;
		f.o.span = 20;
		assert_false(op_attend(&context, &f.o));
		assert_int_equal(context.error.kind, TFM_INTERNAL);
		f.o.bias = NULL;
		close_context(&context);
	}
	discard(&f);
}

/* Hidden keys, among them a whole sequence and the first block of another. */
static void
test_hidden(void **state)
{
	fixture f = make(2, 2, 16);

	(void) state;
	for (int32_t i = 0; i < f.tokens; i++)
		f.hidden[i] = i % 3 == 0 || (i >= f.offsets[3] && i < f.offsets[4]) ||
					  (i >= f.offsets[5] && i < f.offsets[5] + 129);
	f.o.hidden = f.hidden;
	FOR_EACH_ISA(set)
	{
		check_all(&f, set);
		f.o.causal = !f.o.causal;
	}
	f.o.causal = false;
	for (int i = 0; i < 2 * 16; i++)
		assert_true(f.y[f.offsets[3] * 2 * 16 + i] == 0.0f);
	discard(&f);
}

/* Each sequence by itself on one thread against all of them on some. */
static void
check_company(int set, tfm_compute compute, int threads, bool causal)
{
	tfm_context alone = open_context(set, 1, 0), context = open_context(set, threads, 0);
	int head_dim = causal ? 36 : 32;
	fixture f = make(3, 1, head_dim);
	int64_t width = 3 * head_dim;
	float *y = numbers(512 * width, 4);
	op_attend_options o;

	f.o.compute = compute;
	f.o.causal = causal;
	f.o.bias = causal ? f.bias : NULL;
	f.o.span = 40;
	f.o.offsets = f.offsets;
	assert_true(op_attend(&context, &f.o));
	o = f.o;
	o.batch = 1, o.y = y;
	for (int64_t i = 0; i < BATCH; i++)
	{
		o.q = f.o.q + f.offsets[i] * f.o.q_stride;
		o.k = f.o.k + f.offsets[i] * f.o.q_stride;
		o.v = f.o.v + f.offsets[i] * f.o.q_stride;
		o.offsets = (const int32_t[]) {0, lengths[i]};
		assert_true(op_attend(&alone, &o));
		assert_same_bits(y, f.y + f.offsets[i] * width, lengths[i] * width);
	}
	assert_int_equal(arena_used(context.arena), 0);
	free(y);
	discard(&f);
	close_context(&alone);
	close_context(&context);
}

static void
test_company(void **state)
{
	(void) state;
	FOR_EACH_ISA(set)
	for (int threads = 1; threads <= 3; threads++)
	{
		check_company(set, COMPUTE_F32, threads, false);
		check_company(set, COMPUTE_F32, threads, true);
		check_company(set, COMPUTE_BF16, threads, false);
		check_company(set, COMPUTE_BF16, threads, true);
	}
}

/* So many sequences that heads are fetched ahead: the last gets the bits that it has alone. */
static void
test_many(void **state)
{
	enum
	{
		LENGTH = 101,
		COUNT = 21,
		WIDTH = 8 * 32
	};
	int32_t offsets[COUNT + 1];
	int64_t last = LENGTH * (COUNT - 1);
	float *x = numbers((int64_t) LENGTH * COUNT * 3 * WIDTH, 1);
	float *y = numbers((int64_t) LENGTH * COUNT * WIDTH, 2), *alone = numbers(LENGTH * WIDTH, 3);
	op_attend_options o = {.q = x, .k = x + WIDTH, .v = x + 2 * WIDTH, .y = y};

	(void) state;
	for (int i = 0; i <= COUNT; i++)
		offsets[i] = i * LENGTH;
	o.q_stride = o.k_stride = o.v_stride = 3 * WIDTH;
	o.heads = 8, o.head_dim = 32, o.offsets = offsets;
	FOR_EACH_ISA(set)
	FOR_EACH_COMPUTE(compute)
	{
		tfm_context context = open_context(set, 2, 0);
		op_attend_options one = o;

		o.compute = one.compute = compute;
		o.batch = COUNT, one.batch = 1;
		one.q += last * 3 * WIDTH, one.k += last * 3 * WIDTH, one.v += last * 3 * WIDTH;
		one.y = alone;
		assert_true(op_attend(&context, &o));
		assert_true(op_attend(&context, &one));
		assert_same_bits(alone, y + last * WIDTH, LENGTH * WIDTH);
		close_context(&context);
	}
	free(x);
	free(y);
	free(alone);
}

/* A sequence in an arena far below the size of its scores: the mean of values where all keys are the same. */
static void
test_long(void **state)
{
	enum
	{
		LENGTH = 2100
	};
	tfm_context context = open_context(ISA_BEST, 1, 256 * 1024);
	float *q = numbers(LENGTH, 1), *k = numbers(LENGTH, 2), *v = numbers(LENGTH, 3), *y;
	double mean = 0.0;

	(void) state;
	y = numbers(LENGTH, 4);
	for (int i = 0; i < LENGTH; i++)
	{
		k[i] = 0.25f;
		mean += (double) v[i] / LENGTH;
	}
	assert_true(op_attend(&context, &(op_attend_options) {.q = q,
														  .k = k,
														  .v = v,
														  .y = y,
														  .offsets = (const int32_t[]) {0, LENGTH},
														  .batch = 1,
														  .heads = 1,
														  .head_dim = 1}));
	for (int i = 0; i < LENGTH; i++)
		assert_true(fabs(y[i] - mean) < 1e-5);
	free(q);
	free(k);
	free(v);
	free(y);
	close_context(&context);
}

/*
 * The exponential of scores of -130 .. 0, of base 2, seen in a tile whose greatest score is 0: two
 * units in the last place, or 1.1e-4; 1 at 0; it never falls where the score rises.
 */
static void
test_exponential(void **state)
{
	float k[128], v[128 * 16] = {0}, q[32] = {1.0f}, scores[128 * 32], maximum[32], sum[32];
	float result[16];

	(void) state;
	FOR_EACH_ISA(set)
	for (int coarse = 0; coarse < 2; coarse++)
		for (int i = 0; i < 65000; i += 127)
		{
			tfm_context context = {.isa = set};
			attend_tile tile = {.queries = 1, .keys = 128, .head_dim = 1, .k_row = 1};

			tile.form = coarse ? ATTEND_ROUNDED : ATTEND_F32;
			tile.q = q, tile.k = k, tile.v = v, tile.v_stride = 16, tile.k_step = 1,
			tile.value_dim = 16, tile.sink = -INFINITY, tile.scores = scores;
			tile.first = true, tile.maximum = maximum, tile.sum = sum;
			tile.result = result, tile.result_stride = 16;
			k[0] = 0.0f;
			for (int j = 0; j < 127; j++)
				k[j + 1] = (float) (i + j) * -0.002f;
			cpu_kernels(&context)->attend(&tile);
			assert_true(scores[0] == 1.0f);
			for (int j = 1; j < 128; j++)
			{
				double error = scores[j * 32] / exp2(k[j]) - 1.0;

				assert_true(scores[j * 32] <= scores[(j > 1 ? j - 1 : 0) * 32]);
				if (k[j] < -126.5f)
					assert_true(scores[j * 32] == 0.0f);
				else if (k[j] > -125.5f)
					assert_true(fabs(error) < (coarse ? ldexp(1.0, -8) + 1.1e-4 : 2 * FLT_EPSILON));
			}
		}
}

/* Scores that are large, infinite or not numbers spoil no other sequence. */
static void
test_not_finite(void **state)
{
	fixture f = make(1, 1, 4);

	(void) state;
	f.o.offsets = f.offsets;
	f.qkv[(f.offsets[2] + 1) * 12] = NAN;
	f.qkv[(f.offsets[3] + 1) * 12 + 4] = INFINITY;
	f.qkv[(f.offsets[4] + 1) * 12 + 4] = 3e38f;
	f.qkv[(f.offsets[5] + 1) * 12 + 4] = -3e38f;
	FOR_EACH_ISA(set)
	FOR_EACH_COMPUTE(compute)
	{
		tfm_context context = open_context(set, 1, 0);

		f.o.compute = compute;
		assert_true(op_attend(&context, &f.o));
		assert_true(isnan(f.y[(f.offsets[2] + 1) * 4]) && !isnan(f.y[f.offsets[2] * 4]));
		for (int32_t i = f.offsets[4]; i < f.tokens; i++)
			assert_true(isfinite(f.y[i * 4]));
		close_context(&context);
	}
	discard(&f);
}

static void
test_errors(void **state)
{
	fixture f = make(2, 2, 16);
	tfm_context context = open_context(ISA_BEST, 1, 2048);
	int calls = 3;

	(void) state;
	f.o.offsets = f.offsets;
	assert_false(op_attend(&context, &f.o));
	assert_int_equal(context.error.kind, TFM_OUT_OF_MEMORY);
	assert_int_equal(arena_used(context.arena), 0);
	tfm_clear_error(&context);
	arena_set_limit(context.arena, 0);
	context.interrupted = stop_after;
	context.interrupted_argument = &calls;
	assert_false(op_attend(&context, &f.o));
	assert_int_equal(context.error.kind, TFM_CANCELLED);
	tfm_clear_error(&context);
	context.interrupted = NULL;
	f.o.kv_heads = 3;
	assert_false(op_attend(&context, &f.o));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	tfm_clear_error(&context);
	f.o.kv_heads = 2;
	f.offsets[2] = 0;
	assert_false(op_attend(&context, &f.o));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	close_context(&context);
	discard(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_definition), cmocka_unit_test(test_bias),
		cmocka_unit_test(test_scores),	   cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_company),	   cmocka_unit_test(test_many),
		cmocka_unit_test(test_long),	   cmocka_unit_test(test_exponential),
		cmocka_unit_test(test_not_finite), cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
