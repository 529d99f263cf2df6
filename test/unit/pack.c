/*
 * pack.c
 *	  Weights keep their values in every type and layout, and rows of them are found again.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "blocks.h"

#include "tensor/embed.h"
#include "tensor/pack.h"

#define ROWS 77 /* the last panel lacks some */
#define K 512

static void *
allocate(tfm_dtype dtype, weight_layout layout, int64_t rows, int64_t k)
{
	size_t size;
	void *place;

	assert_true(weight_size(dtype, layout, 2, (int64_t[]) {rows, k}, &size));
	place = aligned_alloc(64, (size + 63) & ~(size_t) 63);
	assert_non_null(place);
	memset(place, 0xff, size);
	return place;
}

/* Blocks are the same numbers in panels, in rows and as they were. */
static void
test_blocks(void **state)
{
	float expected[K], found[K];

	(void) state;
	FOR_EACH_BLOCK_TYPE(type)
	for (int layout = LAYOUT_PANELS; layout <= LAYOUT_ROWS; layout++)
	{
		tfm_dtype dtype = (tfm_dtype) type;
		uint8_t *blocks = random_blocks(dtype, ROWS, K, 1);
		void *packed = allocate(dtype, (weight_layout) layout, ROWS, K);

		pack_blocks(dtype, (weight_layout) layout, blocks, ROWS, K, packed);
		for (int64_t row = 0; row < ROWS; row++)
		{
			block_decode(dtype, blocks + (size_t) row * block_row_size(dtype, K), K, expected);
			pack_read_row(dtype, (weight_layout) layout, packed, row, K, found);
			assert_same_bits(found, expected, K);
		}
		free(blocks);
		free(packed);
	}
}

/* Floats become the blocks that block_encode makes of them. */
static void
test_encoded(void **state)
{
	float *w = numbers(ROWS * K, 2), found[K], expected[K];
	uint8_t blocks[K * 2];

	(void) state;
	FOR_EACH_BLOCK_TYPE(type)
	for (int layout = LAYOUT_PANELS; layout <= LAYOUT_ROWS; layout++)
	{
		tfm_dtype dtype = (tfm_dtype) type;
		void *packed;

		if (!block_can_encode(dtype))
			continue;
		packed = allocate(dtype, (weight_layout) layout, ROWS, K);
		pack_weight(dtype, (weight_layout) layout, w, ROWS, K, packed);
		for (int64_t row = 0; row < ROWS; row++)
		{
			block_encode(dtype, w + row * K, K, blocks);
			block_decode(dtype, blocks, K, expected);
			pack_read_row(dtype, (weight_layout) layout, packed, row, K, found);
			assert_same_bits(found, expected, K);
		}
		free(packed);
	}
	free(w);
}

/* Other types: rows are the same numbers in both layouts, near those that were packed. */
static void
test_rows(void **state)
{
	static const tfm_dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_I8};
	float *w = numbers(ROWS * (K - 1), 3), a[K], b[K];

	(void) state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		void *panels = allocate(types[i], LAYOUT_PANELS, ROWS, K - 1);
		void *rows = allocate(types[i], LAYOUT_ROWS, ROWS, K - 1);

		pack_weight(types[i], LAYOUT_PANELS, w, ROWS, K - 1, panels);
		pack_weight(types[i], LAYOUT_ROWS, w, ROWS, K - 1, rows);
		for (int64_t row = 0; row < ROWS; row++)
		{
			pack_read_row(types[i], LAYOUT_PANELS, panels, row, K - 1, a);
			pack_read_row(types[i], LAYOUT_ROWS, rows, row, K - 1, b);
			assert_same_bits(a, b, K - 1);
			for (int j = 0; j < K - 1; j++)
				assert_true(fabsf(a[j] - w[row * (K - 1) + j]) <=
							(types[i] == DTYPE_F32 ? 0.0f : 0.005f));
		}
		free(panels);
		free(rows);
	}
	free(w);
}

/* Memory is near the file's: 3 % and half a percent for the panel's missing columns. */
static void
test_size(void **state)
{
	size_t size;

	(void) state;
	FOR_EACH_BLOCK_TYPE(type)
	{
		double file = 6400.0 * (double) block_row_size((tfm_dtype) type, 1024);

		assert_true(
			weight_size((tfm_dtype) type, LAYOUT_PANELS, 2, (int64_t[]) {6400, 1024}, &size));
		assert_true((double) size <= 1.04 * file);
		assert_false(weight_size((tfm_dtype) type, LAYOUT_PANELS, 2, (int64_t[]) {64, 40}, &size));
		assert_false(weight_size((tfm_dtype) type, LAYOUT_ROWS, 2, (int64_t[]) {64, 40}, &size));
		assert_false(weight_size((tfm_dtype) type, LAYOUT_PLAIN, 1, (int64_t[]) {256}, &size));
	}
}

/* A table is the same to op_embed in rows and in panels. */
static void
test_embed(void **state)
{
	static const int32_t ids[] = {76, 0, 31, 32, 75, 5};
	static const tfm_dtype types[] = {DTYPE_F32, DTYPE_F16,	 DTYPE_BF16,
									  DTYPE_I8,	 DTYPE_Q8_0, DTYPE_Q4_K};
	enum
	{
		TOKENS = sizeof(ids) / sizeof(ids[0])
	};
	float *w = numbers(ROWS * K, 4), y[2][TOKENS * K], expected[K];

	(void) state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		for (int layout = LAYOUT_PANELS; layout <= LAYOUT_ROWS; layout++)
		{
			tfm_context context = open_context(ISA_BEST, 2, 0);
			void *table = allocate(types[i], (weight_layout) layout, ROWS, K);
			float *to = y[layout - LAYOUT_PANELS];
			op_embed_options o = {.tokens = TOKENS, .n = K, .y = to};

			pack_weight(types[i], (weight_layout) layout, w, ROWS, K, table);
			o.tables[0] = (op_embed_table) {.table = table,
											.dtype = types[i],
											.layout = (weight_layout) layout,
											.count = ROWS,
											.ids = ids,
											.scale = 2.0f};
			assert_true(op_embed(&context, &o));
			assert_int_equal(arena_used(context.arena), 0);
			pack_read_row(types[i], (weight_layout) layout, table, ids[4], K, expected);
			for (int j = 0; j < K; j++)
				assert_true(fabsf(to[4 * K + j] - 2.0f * expected[j]) <=
							1e-6f * fabsf(expected[j]));
			if (layout == LAYOUT_ROWS && types[i] != DTYPE_I8)
				assert_same_bits(y[0], y[1], TOKENS * K);
			free(table);
			close_context(&context);
		}
	free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks), cmocka_unit_test(test_encoded), cmocka_unit_test(test_rows),
		cmocka_unit_test(test_size),   cmocka_unit_test(test_embed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
