/*
 * cache.c
 *	  Pages of keys and values: what is taken, shared, given back, and what happens when there is no
 *	  more.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor.h"

#include <stdio.h>

#include "oom.h"
#include "tensor/cache.h"
#include "tensor/cache_pages.h"

/* Two kinds of layers: all tokens, and a window of 40. */
static const kv_layer layers[] = {{2, 16, 16, 0, 0}, {1, 32, 16, 40, 0}, {2, 16, 16, 0, 0}};

#define COUNT ((int) (sizeof(layers) / sizeof(layers[0])))

static void
test_growth(void **state)
{
	static const tfm_dtype storages[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0};
	tfm_context context = open_context(ISA_BEST, 1, 0);

	(void) state;
	for (int s = 0; s < 4; s++)
	{
		kv_cache *cache = kv_create(&context, COUNT, layers, storages[s], 0);
		int32_t a = kv_open(&context, cache), b = kv_open(&context, cache);

		assert_true(cache != NULL && a >= 0 && b >= 0 && a != b);
		for (int64_t i = 1; i <= 300; i++)
		{
			assert_true(kv_extend(&context, cache, a, 1));
			assert_int_equal(kv_length(cache, a), i);
			assert_true(kv_used(cache) <= kv_bytes(COUNT, layers, storages[s], i));
		}
		assert_true(kv_used(cache) > kv_bytes(COUNT, layers, storages[s], 250));
		assert_int_equal(kv_length(cache, b), 0);
		assert_true(kv_held(cache) >= kv_used(cache));
		kv_close(cache, a);
		assert_int_equal(kv_used(cache), 0);
		assert_true(kv_held(cache) > 0);
		kv_trim(cache);
		assert_int_equal(kv_held(cache), 0);
		assert_int_equal(kv_open(&context, cache), a);
	}
	close_context(&context);
}

static void
test_storage_sizes(void **state)
{
	const kv_layer layer = {2, 64, 64, 0, 0};
	size_t f32 = kv_bytes(1, &layer, DTYPE_F32, 1000);

	(void) state;
	assert_true(f32 >= 2 * 2 * 64 * 4 * 1000 && f32 < 2 * 2 * 64 * 4 * 1100);
	assert_true(kv_bytes(1, &layer, DTYPE_F16, 1000) < f32 * 0.51);
	assert_true(kv_bytes(1, &layer, DTYPE_Q8_0, 1000) < f32 * 0.28);
}

static void
test_windows(void **state)
{
	tfm_context context = open_context(ISA_BEST, 1, 0);
	kv_cache *cache = kv_create(&context, COUNT, layers, DTYPE_F32, 0);
	int32_t a = kv_open(&context, cache);
	kv_view view;

	(void) state;
	assert_true(kv_extend(&context, cache, a, 500));
	assert_true(kv_look(cache, a, 1, &view));
	assert_int_equal(view.first, 0);
	assert_true(kv_extend(&context, cache, a, 100));
	assert_true(kv_look(cache, a, 1, &view));
	assert_int_equal(view.first, 448); /* of 461, what the first new token sees */
	assert_true(kv_look(cache, a, 0, &view));
	assert_int_equal(view.first, 0);

	/* Back to where the window begins, and farther. */
	assert_int_equal(kv_truncate(cache, a, 487), 487);
	assert_int_equal(kv_length(cache, a), 487);
	assert_int_equal(kv_truncate(cache, a, 1000), 487);
	assert_int_equal(kv_truncate(cache, a, 486), 0);
	assert_int_equal(kv_length(cache, a), 0);
	assert_int_equal(kv_used(cache), 0);
	assert_true(kv_extend(&context, cache, a, 10));
	assert_true(kv_look(cache, a, 1, &view));
	assert_int_equal(view.first, 0);
	close_context(&context);
}

static void
test_sharing(void **state)
{
	tfm_context context = open_context(ISA_BEST, 1, 0);
	kv_cache *cache = kv_create(&context, COUNT, layers, DTYPE_F32, 0);
	int32_t a = kv_open(&context, cache), b, c;
	size_t used, each;

	(void) state;
	assert_true(kv_extend(&context, cache, a, 40));
	used = kv_used(cache);
	each = used / 2;
	b = kv_fork(&context, cache, a);
	c = kv_fork(&context, cache, b);
	assert_true(b >= 0 && c >= 0 && b != a && c != a && c != b);
	assert_int_equal(kv_length(cache, c), 40);
	assert_int_equal(kv_used(cache), used);
	assert_false(kv_may_write(cache, a, 1));

	/* Who writes first gets pages of its own, the last one has them already. */
	assert_true(kv_extend(&context, cache, b, 1));
	assert_int_equal(kv_used(cache), used + each);
	assert_true(kv_may_write(cache, b, 1));
	assert_true(kv_extend(&context, cache, a, 1));
	assert_int_equal(kv_used(cache), used + 2 * each);
	assert_true(kv_extend(&context, cache, c, 1));
	assert_int_equal(kv_used(cache), used + 2 * each);
	kv_close(cache, a);
	kv_close(cache, b);
	assert_int_equal(kv_used(cache), used);
	kv_close(cache, c);
	kv_close(cache, c);
	assert_int_equal(kv_used(cache), 0);
	assert_int_equal(kv_length(cache, c), 0);
	assert_true(kv_fork(&context, cache, c) < 0);
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	close_context(&context);
}

static void
test_limit(void **state)
{
	tfm_context context = open_context(ISA_BEST, 1, 0);
	size_t limit = kv_bytes(COUNT, layers, DTYPE_F16, 320), used;
	kv_cache *cache = kv_create(&context, COUNT, layers, DTYPE_F16, limit);
	int32_t a = kv_open(&context, cache), b = kv_open(&context, cache);
	char text[32];

	(void) state;
	for (int i = 0; i < 300; i++)
		assert_true(kv_extend(&context, cache, a, 1));
	used = kv_used(cache);
	assert_false(kv_extend(&context, cache, b, 33));
	assert_int_equal(context.error.kind, TFM_LIMIT_EXCEEDED);
	snprintf(text, sizeof(text), "%zu", limit);
	assert_non_null(strstr(context.error.message, text));
	tfm_clear_error(&context);
	assert_int_equal(kv_used(cache), used);
	assert_int_equal(kv_length(cache, b), 0);

	/* At the limit a window moves on: the page that it drops is the one that it takes. */
	for (int i = 0; i < 20; i++)
		assert_true(kv_extend(&context, cache, a, 1));
	assert_false(kv_extend(&context, cache, a, 1));
	tfm_clear_error(&context);
	kv_close(cache, a);
	assert_true(kv_extend(&context, cache, b, 33));
	assert_true(kv_held(cache) <= limit);
	assert_false(kv_extend(&context, cache, b, INT64_MAX - 50));
	assert_int_equal(context.error.kind, TFM_LIMIT_EXCEEDED);
	close_context(&context);
}

static bool
use_cache(tfm_context *context, void *argument)
{
	kv_cache *cache = kv_create(context, COUNT, layers, DTYPE_F16, 0);
	int32_t a, b;
	size_t used;

	(void) argument;
	if (cache == NULL)
		return false;
	a = kv_open(context, cache);
	if (a < 0)
		return false;
	for (int64_t i = 0; i < 20; i++)
	{
		used = kv_used(cache);
		if (!kv_extend(context, cache, a, 33))
		{
			assert_int_equal(kv_length(cache, a), i * 33);
			assert_int_equal(kv_used(cache), used);
			return false;
		}
	}
	used = kv_used(cache);
	b = kv_fork(context, cache, a);
	if (b < 0 || !kv_extend(context, cache, b, 1))
	{
		assert_int_equal(kv_used(cache), used);
		return false;
	}
	for (int i = 0; i < 8; i++)
		if (kv_open(context, cache) < 0)
			return false;
	kv_close(cache, a);
	return true;
}

static void
test_out_of_memory(void **state)
{
	(void) state;
	assert_int_equal(oom_run_all(use_cache, NULL), TFM_OK);
}

/* States are zeros at first, a fork's are its own once it grows, and there is no way back. */
static void
test_states(void **state)
{
	static const kv_layer mixed[] = {{.state = 100}, {2, 16, 16, 0, 0}, {.state = 7}};
	tfm_context context = open_context(ISA_BEST, 1, 0);
	kv_cache *cache = kv_create(&context, 3, mixed, DTYPE_BF16, 0);
	int32_t a = kv_open(&context, cache), b;
	float *first, *last;

	(void) state;
	assert_true(kv_has_states(cache));
	assert_null(kv_state(cache, a, 0));
	assert_true(kv_extend(&context, cache, a, 3));
	first = kv_state(cache, a, 0);
	last = kv_state(cache, a, 2);
	assert_null(kv_state(cache, a, 1));
	for (int i = 0; i < 100; i++)
		assert_true(first[i] == 0);
	first[99] = 1;
	last[6] = 2;
	assert_true(kv_extend(&context, cache, a, 50));
	assert_ptr_equal(kv_state(cache, a, 0), first);
	b = kv_fork(&context, cache, a);
	assert_ptr_equal(kv_state(cache, b, 2), last);
	assert_false(kv_may_write(cache, b, 1));
	assert_true(kv_extend(&context, cache, b, 1));
	assert_true(kv_may_write(cache, b, 1));
	assert_ptr_not_equal(kv_state(cache, b, 2), last);
	assert_true(kv_state(cache, b, 0)[99] == 1 && kv_state(cache, b, 2)[6] == 2);
	kv_state(cache, b, 2)[6] = 3;
	assert_true(last[6] == 2);
	assert_int_equal(kv_truncate(cache, b, kv_length(cache, b)), 54);
	/* What no state has seen yet can be taken back. */
	assert_true(kv_extend(&context, cache, b, 40));
	assert_true(kv_may_truncate(cache, b, 54));
	assert_int_equal(kv_truncate(cache, b, 54), 54);
	assert_true(kv_state(cache, b, 0)[99] == 1);
	assert_false(kv_may_truncate(cache, b, 53));
	assert_true(kv_may_truncate(cache, b, 0));
	assert_int_equal(kv_truncate(cache, b, 53), 0);
	assert_null(kv_state(cache, b, 0));
	assert_true(kv_extend(&context, cache, b, 1));
	assert_true(kv_state(cache, b, 0)[99] == 0);
	assert_true(kv_used(cache) <= 2 * kv_bytes(3, mixed, DTYPE_BF16, 54));
	kv_close(cache, a);
	kv_close(cache, b);
	assert_int_equal(kv_used(cache), 0);
	close_context(&context);
}

static void
test_errors(void **state)
{
	tfm_context context = open_context(ISA_BEST, 1, 0);
	kv_layer wrong[] = {{1, 16, 16, 0, 0}, {0, 16, 16, 0, 0}};

	(void) state;
	assert_null(kv_create(&context, 2, wrong, DTYPE_F32, 0));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	tfm_clear_error(&context);
	assert_null(kv_create(&context, 1, wrong, DTYPE_Q4_0, 0));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	close_context(&context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),	cmocka_unit_test(test_storage_sizes),
		cmocka_unit_test(test_windows), cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_limit),	cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_errors),	cmocka_unit_test(test_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
