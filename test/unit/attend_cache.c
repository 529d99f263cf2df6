/*
 * attend_cache.c
 *	  Attention over a cache: the same bits however sequences are cut into passes, and all that may
 *	  be added to scores against its definition in double.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor.h"

#include "tensor/attend.h"
#include "tensor/float16.h"

enum
{
	BATCH = 3,
	SPAN = 40,
	MAX_LENGTH = 700
};

static const int32_t lengths[BATCH] = {70, 333, 1};

/* Sequences whose tokens all are known; what varies is in o. */
typedef struct fixture
{
	op_attend_options o;
	int64_t tokens;
	int32_t offsets[BATCH + 1];
	float *q, *k, *v, *y;
	float *bias, *slopes, *sinks;
	uint8_t *hidden;
} fixture;

static fixture
make(int heads, int kv_heads, int head_dim, int value_dim)
{
	fixture f = {.o = {.heads = heads,
					   .kv_heads = kv_heads,
					   .head_dim = head_dim,
					   .value_dim = value_dim,
					   .batch = BATCH,
					   .causal = true,
					   .span = SPAN}};

	for (int i = 0; i < BATCH; i++)
		f.offsets[i + 1] = f.offsets[i] + lengths[i];
	f.tokens = f.offsets[BATCH];
	f.q = numbers(f.tokens * heads * head_dim, 1);
	f.k = numbers(f.tokens * kv_heads * head_dim, 2);
	f.v = numbers(f.tokens * kv_heads * value_dim, 3);
	f.y = numbers(f.tokens * heads * value_dim, 4);
	f.bias = numbers(heads * (2 * SPAN - 1), 5);
	f.slopes = numbers(heads, 6);
	f.sinks = numbers(heads, 7);
	f.hidden = calloc((size_t) f.tokens, 1);
	for (int64_t i = 0; i < f.tokens; i++)
		f.hidden[i] = i % 5 == 2;
	f.o.q = f.q, f.o.k = f.k, f.o.v = f.v, f.o.y = f.y;
	return f;
}

static void
discard(fixture *f)
{
	free(f->q);
	free(f->k);
	free(f->v);
	free(f->y);
	free(f->bias);
	free(f->slopes);
	free(f->sinks);
	free(f->hidden);
}

/* What varies, by number. */
#define FEATURES 9

static void
set_feature(fixture *f, int feature)
{
	f->o.window = feature == 1 || feature == 8 ? 37 : feature == 2 ? 1 : 0;
	f->o.soft_cap = feature == 3 || feature == 8 ? 0.6f : 0.0f;
	f->o.slopes = feature == 4 ? f->slopes : NULL;
	f->o.sinks = feature == 5 || feature == 8 ? f->sinks : NULL;
	f->o.bias = feature == 6 ? f->bias : NULL;
	f->o.hidden = feature == 7 || feature == 8 ? f->hidden : NULL;
	f->o.scale = feature == 8 ? 1.3f : 0.0f;
}

static double
score(const op_attend_options *o, int64_t start, int64_t query, int64_t key, int head)
{
	const float *q = o->q + ((start + query) * o->heads + head) * o->head_dim;
	const float *k =
		o->k + ((start + key) * o->kv_heads + head / (o->heads / o->kv_heads)) * o->head_dim;
	double sum = 0.0;

	for (int i = 0; i < o->head_dim; i++)
		sum += (double) q[i] * k[i];
	sum *= o->scale == 0.0f ? 1.0 / sqrt(o->head_dim) : o->scale;
	if (o->soft_cap > 0.0f)
		sum = o->soft_cap * tanh(sum / o->soft_cap);
	if (o->bias != NULL)
		sum += o->bias[head * (2 * SPAN - 1) + (key - query < 1 - SPAN ? 1 - SPAN : key - query) +
					   SPAN - 1];
	if (o->slopes != NULL)
		sum += o->slopes[head] * (double) key;
	return sum;
}

static void
check_row(const fixture *f, int64_t start, int64_t length, int64_t query, int head)
{
	const op_attend_options *o = &f->o;
	double weights[MAX_LENGTH], total = 0.0, most = o->sinks == NULL ? -INFINITY : o->sinks[head];

	int64_t keys = query + 1;

	if (!o->causal)
		keys = query + o->window < length ? query + o->window : length;
	for (int64_t j = 0; j < keys; j++)
	{
		bool seen = (o->window == 0 || j > query - o->window) &&
					(o->hidden == NULL || o->hidden[start + j] == 0);

		weights[j] = seen ? score(o, start, query, j, head) : -INFINITY;
		most = fmax(most, weights[j]);
	}
	for (int64_t j = 0; j < keys; j++)
		total += weights[j] = most == -INFINITY ? 0.0 : exp(weights[j] - most);
	if (o->sinks != NULL)
		total += exp(o->sinks[head] - most);
	for (int i = 0; i < o->value_dim; i++)
	{
		const float *v =
			o->v + (start * o->kv_heads + head / (o->heads / o->kv_heads)) * o->value_dim + i;
		double sum = 0.0;

		for (int64_t j = 0; j < keys; j++)
			sum += weights[j] * v[j * o->kv_heads * o->value_dim];
		sum = total == 0.0 ? 0.0 : sum / total;
		assert_true(fabs(f->y[((start + query) * o->heads + head) * o->value_dim + i] - sum) <
					1e-5);
	}
}

static void
test_definition(void **state)
{
	static const int shapes[][4] = {{4, 2, 24, 24}, {2, 1, 16, 40}, {1, 1, 80, 7}};

	(void) state;
	FOR_EACH_ISA(set)
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		for (int feature = 0; feature <= FEATURES; feature++)
		{
			tfm_context context = open_context(set, 1, 0);
			fixture f = make(shapes[s][0], shapes[s][1], shapes[s][2], shapes[s][3]);

			/* the last: all at once, to both sides */
			set_feature(&f, feature < FEATURES ? feature : FEATURES - 1);
			f.o.causal = feature < FEATURES;
			f.o.offsets = f.offsets;
			assert_true(op_attend(&context, &f.o));
			for (int64_t i = 0; i < BATCH; i++)
				for (int64_t query = 0; query < lengths[i]; query += query % 7 + 1)
					for (int head = 0; head < f.o.heads; head++)
						check_row(&f, f.offsets[i], lengths[i], query, head);
			discard(&f);
			close_context(&context);
		}
}

/* A cache with a layer that is not looked at, and sequences that are open. */
static kv_cache *
open_cache(tfm_context *context, const fixture *f, tfm_dtype storage, int32_t *cached)
{
	kv_layer layers[2] = {{1, 8, 8, 0, 0},
						  {f->o.kv_heads, f->o.head_dim, f->o.value_dim, f->o.window, 0}};
	kv_cache *cache = kv_create(context, 2, layers, storage, 0);

	assert_non_null(cache);
	for (int i = 0; i < BATCH; i++)
		cached[i] = kv_open(context, cache);
	return cache;
}

/* The tokens done[i] .. done[i] + counts[i] - 1 of the sequences, those with none left out. */
static void
run_pass(tfm_context *context, const fixture *f, kv_cache *cache, const int32_t *cached,
		 const int32_t *done, const int32_t *counts, float *y)
{
	int64_t q_width = f->o.heads * f->o.head_dim, k_width = f->o.kv_heads * f->o.head_dim;
	int64_t v_width = f->o.kv_heads * f->o.value_dim, y_width = f->o.heads * f->o.value_dim;
	float *q = numbers(f->tokens * q_width, 11), *k = numbers(f->tokens * k_width, 12);
	float *v = numbers(f->tokens * v_width, 13), *result = numbers(f->tokens * y_width, 14);
	uint8_t *hidden = calloc((size_t) f->tokens, 1);
	int32_t offsets[BATCH + 1] = {0}, sequences[BATCH];
	op_attend_options o = f->o;
	int batch = 0;

	for (int i = 0; i < BATCH; i++)
	{
		int64_t from = f->offsets[i] + done[i], to = offsets[batch], count = counts[i];

		if (count == 0)
			continue;
		memcpy(q + to * q_width, f->q + from * q_width, (size_t) (count * q_width) * sizeof(float));
		memcpy(k + to * k_width, f->k + from * k_width, (size_t) (count * k_width) * sizeof(float));
		memcpy(v + to * v_width, f->v + from * v_width, (size_t) (count * v_width) * sizeof(float));
		memcpy(hidden + to, f->hidden + from, (size_t) count);
		sequences[batch] = cached[i];
		offsets[batch + 1] = (int32_t) (to + count);
		batch++;
		assert_true(kv_extend(context, cache, cached[i], count));
	}
	o.q = q, o.k = k, o.v = v, o.y = result, o.batch = batch, o.offsets = offsets;
	o.hidden = f->o.hidden == NULL ? NULL : hidden;
	o.cache = cache, o.layer = 1, o.cached = sequences;
	assert_true(op_attend(context, &o));
	batch = 0;
	for (int i = 0; i < BATCH; i++)
		if (counts[i] > 0)
			memcpy(y + (f->offsets[i] + done[i]) * y_width, result + offsets[batch++] * y_width,
				   (size_t) (counts[i] * y_width) * sizeof(float));
	free(q);
	free(k);
	free(v);
	free(result);
	free(hidden);
}

/* All sequences in passes of cuts[0], cuts[1], ... tokens, over and over. */
static void
run_passes(tfm_context *context, const fixture *f, kv_cache *cache, const int32_t *cached,
		   const int32_t *cuts, int cut_count, float *y)
{
	int32_t done[BATCH] = {0}, counts[BATCH];
	bool more = true;

	for (int pass = 0; more; pass++)
	{
		more = false;
		for (int i = 0; i < BATCH; i++)
		{
			int32_t cut = cuts[(pass + i) % cut_count];

			counts[i] = lengths[i] - done[i] < cut ? lengths[i] - done[i] : cut;
			more = more || counts[i] > 0;
		}
		if (more)
			run_pass(context, f, cache, cached, done, counts, y);
		for (int i = 0; i < BATCH; i++)
			done[i] += counts[i];
	}
}

static void
check_cuts(int set, int threads, tfm_compute compute, int feature)
{
	static const int32_t cuts[][3] = {{400, 400, 400}, {1, 1, 1}, {31, 2, 1}, {40, 90, 3}};
	fixture f = make(4, 2, 20, 24);
	float *y = numbers(f.tokens * 4 * 24, 9);
	tfm_context plain = open_context(set, 1, 0);

	set_feature(&f, feature);
	f.o.compute = compute;
	f.o.offsets = f.offsets;
	assert_true(op_attend(&plain, &f.o));
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
	{
		tfm_context context = open_context(set, threads, 0);
		int32_t cached[BATCH];
		kv_cache *cache = open_cache(&context, &f, DTYPE_F32, cached);

		run_passes(&context, &f, cache, cached, cuts[i], 3, y);
		assert_same_bits(y, f.y, f.tokens * 4 * 24);
		close_context(&context);
	}
	close_context(&plain);
	free(y);
	discard(&f);
}

static void
test_cuts(void **state)
{
	(void) state;
	FOR_EACH_ISA(set)
	for (int feature = 0; feature < FEATURES; feature++)
	{
		check_cuts(set, 1, COMPUTE_F32, feature);
		check_cuts(set, 1, COMPUTE_BF16, feature);
	}
	check_cuts(ISA_BEST, 3, COMPUTE_F32, 8);
	check_cuts(ISA_BEST, 3, COMPUTE_BF16, 8);
}

/* Queries in rows whose keys are cut into parts, on some threads: the bits of one thread's tile. */
static void
check_parts(int set, tfm_compute compute, int64_t window)
{
	enum
	{
		HEADS = 8,
		DIM = 32,
		LENGTH = 1500,
		WIDTH = HEADS * DIM
	};
	tfm_context one = open_context(set, 1, 0), some = open_context(set, 3, 0);
	kv_layer layer = {2, DIM, DIM, window, 0};
	kv_cache *cache = kv_create(&some, 1, &layer, DTYPE_F32, 0);
	int32_t cached = kv_open(&some, cache);
	float *q = numbers(LENGTH * WIDTH, 1), *kv = numbers(LENGTH * WIDTH / 2, 2);
	float *y = numbers(LENGTH * WIDTH, 3), last[3 * WIDTH];
	op_attend_options o = {.q = q,
						   .k = kv,
						   .v = kv + 2 * DIM,
						   .y = y,
						   .k_stride = 4 * DIM,
						   .v_stride = 4 * DIM,
						   .offsets = (const int32_t[]) {0, LENGTH},
						   .batch = 1,
						   .heads = HEADS,
						   .kv_heads = 2,
						   .head_dim = DIM,
						   .causal = true,
						   .window = window,
						   .compute = compute};

	assert_true(op_attend(&one, &o));
	o.cache = cache, o.cached = &cached, o.offsets = (const int32_t[]) {0, LENGTH - 3};
	assert_true(kv_extend(&some, cache, cached, LENGTH - 3));
	o.y = numbers(LENGTH * WIDTH, 4);
	assert_true(op_attend(&some, &o));
	free(o.y);
	o.q = q + (LENGTH - 3) * WIDTH, o.k += (LENGTH - 3) * 4 * DIM, o.v += (LENGTH - 3) * 4 * DIM;
	o.y = last, o.offsets = (const int32_t[]) {0, 3};
	assert_true(kv_extend(&some, cache, cached, 3));
	assert_true(op_attend(&some, &o));
	assert_same_bits(last, y + (LENGTH - 3) * WIDTH, 3 * WIDTH);
	free(q);
	free(kv);
	free(y);
	close_context(&one);
	close_context(&some);
}

static void
test_parts(void **state)
{
	(void) state;
	FOR_EACH_ISA(set)
	for (int window = 0; window < 1000; window += 700)
	{
		check_parts(set, COMPUTE_F32, window);
		check_parts(set, COMPUTE_BF16, window);
	}
}

/* The other storages: within what their rounding moves scores and values by, and the same bits for any cut. */
static void
test_storage(void **state)
{
	static const int32_t cuts[][3] = {{400, 400, 400}, {37, 1, 100}};
	static const tfm_dtype storages[] = {DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0};
	static const float tolerances[] = {1e-3f, 5e-3f, 1e-2f};

	(void) state;
	FOR_EACH_ISA(set)
	for (int s = 0; s < 3; s++)
	{
		fixture f = make(3, 1, 40, 40);
		float *y[2] = {numbers(f.tokens * 120, 9), numbers(f.tokens * 120, 10)};

		for (int i = 0; i < 2; i++)
		{
			tfm_context context = open_context(set, 1, 0);
			int32_t cached[BATCH];
			kv_cache *cache = open_cache(&context, &f, storages[s], cached);

			f.o.offsets = f.offsets;
			assert_true(op_attend(&context, &f.o));
			run_passes(&context, &f, cache, cached, cuts[i], 3, y[i]);
			close_context(&context);
		}
		assert_same_bits(y[0], y[1], f.tokens * 120);
		for (int64_t i = 0; i < f.tokens * 120; i++)
			assert_true(fabsf(y[0][i] - f.y[i]) < tolerances[s]);
		assert_false(same_bits(y[0], f.y, f.tokens * 120));
		free(y[0]);
		free(y[1]);
		discard(&f);
	}
}

/* What is multiplied in bf16 may be kept so: the same bits as without a cache, odd sizes among them. */
static void
test_pairs(void **state)
{
	static const int32_t cuts[][3] = {{400, 400, 400}, {1, 1, 1}, {37, 3, 100}};

	(void) state;
	FOR_EACH_ISA(set)
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++)
	{
		fixture f = make(3, 1, 41, 23);
		float *y = numbers(f.tokens * 69, 9);
		tfm_context context = open_context(set, 1, 0);
		int32_t cached[BATCH];
		kv_cache *cache = open_cache(&context, &f, DTYPE_BF16, cached);

		f.o.offsets = f.offsets;
		f.o.compute = COMPUTE_BF16;
		assert_true(op_attend(&context, &f.o));
		run_passes(&context, &f, cache, cached, cuts[i], 3, y);
		assert_same_bits(y, f.y, f.tokens * 69);
		close_context(&context);
		free(y);
		discard(&f);
	}
}

/* A fork and its origin go on with other tokens: each as if it were alone. */
static void
test_forks(void **state)
{
	(void) state;
	FOR_EACH_ISA(set)
	{
		fixture f = make(2, 1, 16, 16);
		tfm_context context = open_context(set, 1, 0);
		int32_t cached[BATCH], forked[BATCH], counts[BATCH] = {0, 50, 0}, done[BATCH] = {0};
		kv_cache *cache = open_cache(&context, &f, DTYPE_F32, cached);
		float *y = numbers(f.tokens * 32, 9), *other = numbers(f.tokens * 32, 10);
		size_t used;

		set_feature(&f, 5);
		f.o.offsets = f.offsets;
		assert_true(op_attend(&context, &f.o));
		run_pass(&context, &f, cache, cached, done, counts, y);
		used = kv_used(cache);
		memcpy(forked, cached, sizeof(forked));
		forked[1] = kv_fork(&context, cache, cached[1]);
		assert_int_equal(kv_used(cache), used);
		done[1] = 50, counts[1] = 20;
		for (int64_t i = 60 * 16; i < 70 * 16; i++)
			f.v[f.offsets[1] * 16 + i] += 1.0f;
		run_pass(&context, &f, cache, forked, done, counts, other);
		for (int64_t i = 60 * 16; i < 70 * 16; i++)
			f.v[f.offsets[1] * 16 + i] -= 1.0f;
		run_pass(&context, &f, cache, cached, done, counts, y);
		assert_same_bits(y + f.offsets[1] * 32, f.y + f.offsets[1] * 32, 70 * 32);
		assert_same_bits(other + (f.offsets[1] + 50) * 32, f.y + (f.offsets[1] + 50) * 32, 10 * 32);
		assert_false(
			same_bits(other + (f.offsets[1] + 60) * 32, f.y + (f.offsets[1] + 60) * 32, 32));

		/* Tokens that are taken back and given again. */
		assert_int_equal(kv_truncate(cache, cached[1], 41), 41);
		done[1] = 41, counts[1] = 29;
		memset(y, 0, (size_t) (f.tokens * 32) * sizeof(float));
		run_pass(&context, &f, cache, cached, done, counts, y);
		assert_same_bits(y + (f.offsets[1] + 41) * 32, f.y + (f.offsets[1] + 41) * 32, 29 * 32);
		kv_close(cache, forked[1]);
		close_context(&context);
		free(y);
		free(other);
		discard(&f);
	}
}

/* Two queries look at another sequence's keys: at once, through a cache, and at what is in it. */
static void
test_cross(void **state)
{
	static const int32_t offsets[BATCH + 1] = {0, 2, 4, 6};

	(void) state;
	FOR_EACH_ISA(set)
	{
		fixture f = make(2, 2, 16, 24);
		tfm_context context = open_context(set, 2, 0);
		int32_t cached[BATCH];
		kv_cache *cache = open_cache(&context, &f, DTYPE_F32, cached);
		float *y = numbers(6 * 48, 9);

		f.o.causal = false;
		f.o.hidden = f.hidden;
		f.o.offsets = offsets;
		f.o.key_offsets = f.offsets;
		assert_true(op_attend(&context, &f.o));
		for (int i = 0; i < BATCH; i++)
			assert_true(kv_extend(&context, cache, cached[i], lengths[i]));
		memcpy(y, f.y, 6 * 48 * sizeof(float));
		f.o.cache = cache, f.o.cached = cached, f.o.layer = 1;
		assert_true(op_attend(&context, &f.o));
		assert_same_bits(y, f.y, 6 * 48);
		f.o.k = f.o.v = NULL;
		f.o.hidden = NULL;
		memset(f.y, 0, 6 * 48 * sizeof(float));
		assert_true(op_attend(&context, &f.o));
		assert_same_bits(y, f.y, 6 * 48);

		/* The last sequence's only key, seen by all. */
		for (int i = 0; i < 48; i++)
			assert_true(y[4 * 48 + i] == f.v[f.offsets[2] * 48 + i]);
		close_context(&context);
		free(y);
		discard(&f);
	}
}

static void
test_errors(void **state)
{
	fixture f = make(2, 1, 16, 16);
	tfm_context context = open_context(ISA_BEST, 1, 0);
	int32_t cached[BATCH];
	kv_cache *cache = open_cache(&context, &f, DTYPE_F32, cached);
	op_attend_options o = f.o;

	(void) state;
	o.offsets = f.offsets, o.cache = cache, o.cached = cached, o.layer = 1;
	assert_false(op_attend(&context, &o)); /* no room was made */
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	tfm_clear_error(&context);
	for (int i = 0; i < BATCH; i++)
		assert_true(kv_extend(&context, cache, cached[i], lengths[i]));
	assert_true(op_attend(&context, &o));
	assert_true(kv_fork(&context, cache, cached[0]) >= 0); /* its pages are not to be written */
	assert_false(op_attend(&context, &o));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	tfm_clear_error(&context);
	o.k = o.v = NULL;
	assert_true(op_attend(&context, &o));
	o.layer = 0; /* of other sizes */
	assert_false(op_attend(&context, &o));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	tfm_clear_error(&context);
	o.layer = 2;
	assert_false(op_attend(&context, &o));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	close_context(&context);
	discard(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_definition), cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_parts),	   cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_storage),	   cmocka_unit_test(test_forks),
		cmocka_unit_test(test_cross),	   cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
