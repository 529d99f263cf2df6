/*
 * rope.c
 *	  Rotary positions against their definition in double.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor.h"

#include "tensor/rope.h"

enum
{
	TOKENS = 37,
	MAX_PAIRS = 64
};

static const int32_t far[] = {0, 1, 17, 4095, 99999, 100000, 131071};

typedef struct fixture
{
	op_rope_options o;
	float frequencies[MAX_PAIRS];
	int32_t positions[TOKENS];
	float *x, *before;
	int64_t count;
} fixture;

/* Rows of x have five columns more than the heads take. */
static void
make(fixture *f, int heads, int head_dim, int rotary_dim)
{
	*f = (fixture) {.o = {.tokens = TOKENS,
						  .heads = heads,
						  .head_dim = head_dim,
						  .rotary_dim = rotary_dim,
						  .x_stride = heads * head_dim + 5}};
	for (int i = 0; i < rotary_dim / 2; i++)
		f->frequencies[i] = (float) (1.0 / pow(10000.0, 2.0 * i / rotary_dim));
	for (int i = 0; i < TOKENS; i++)
		f->positions[i] = i < 7 ? far[i] : i * i % 1000;
	f->count = TOKENS * f->o.x_stride;
	f->x = numbers(f->count, 1);
	f->before = numbers(f->count, 1);
	f->o.x = f->x;
}

static void
check(const fixture *f)
{
	const op_rope_options *o = &f->o;
	double factor = o->factor == 0.0f ? 1.0 : o->factor;

	for (int64_t at = 0; at < f->count; at++)
	{
		int64_t column = at % o->x_stride, i = column % o->head_dim, half = o->rotary_dim / 2;
		int64_t pair = o->interleaved ? i / 2 : i % half;
		bool second = o->interleaved ? i % 2 != 0 : i >= half;
		int64_t other = o->interleaved ? (second ? -1 : 1) : second ? -half : half;
		float angle;
		double turned;

		if (column >= o->heads * o->head_dim || i >= o->rotary_dim)
		{
			assert_true(f->x[at] == f->before[at]);
			continue;
		}
		angle = (float) f->positions[at / o->x_stride] * f->frequencies[pair];
		turned = cos(angle) * f->before[at];
		turned += (second ? 1.0 : -1.0) * sin(angle) * f->before[at + other];
		assert_true(fabs(f->x[at] - factor * turned) < 1e-6 * factor);
	}
}

static void
test_definition(void **state)
{
	static const int shapes[][3] = {{1, 2, 2}, {3, 64, 64}, {2, 24, 20}, {1, 80, 32}, {2, 10, 6}};

	(void) state;
	FOR_EACH_ISA(set)
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		for (int way = 0; way < 4; way++)
		{
			tfm_context context = open_context(set, 1, 0);
			fixture f;

			make(&f, shapes[s][0], shapes[s][1], shapes[s][2]);
			f.o.positions = f.positions;
			f.o.frequencies = f.frequencies;
			f.o.interleaved = way % 2 != 0;
			f.o.factor = way / 2 * 1.5f;
			assert_true(op_rope(&context, &f.o));
			check(&f);
			assert_int_equal(arena_used(context.arena), 0);
			free(f.x);
			free(f.before);
			close_context(&context);
		}
}

/* A token's bits are its own, whether threads turn many or it is alone. */
static void
test_company(void **state)
{
	enum
	{
		HEADS = 16,
		COUNT = 97,
		WIDTH = HEADS * 64
	};
	float frequencies[32];
	int32_t positions[COUNT];
	float *x = numbers(COUNT * WIDTH, 1), *y = numbers(COUNT * WIDTH, 1);
	op_rope_options o = {.heads = HEADS, .head_dim = 64, .rotary_dim = 64};

	(void) state;
	for (int i = 0; i < 32; i++)
		frequencies[i] = 1.0f / (float) (i + 1);
	for (int i = 0; i < COUNT; i++)
		positions[i] = i * 31;
	o.frequencies = frequencies;
	FOR_EACH_ISA(set)
	{
		tfm_context context = open_context(set, 3, 0);

		o.x = x, o.tokens = COUNT, o.positions = positions;
		assert_true(op_rope(&context, &o));
		for (int i = 0; i < COUNT; i++)
		{
			o.x = y + i * WIDTH, o.tokens = 1, o.positions = positions + i;
			assert_true(op_rope(&context, &o));
		}
		assert_same_bits(x, y, COUNT * WIDTH);
		close_context(&context);
	}
	free(x);
	free(y);
}

static void
test_errors(void **state)
{
	tfm_context context = open_context(ISA_BEST, 1, 64);
	fixture f;

	(void) state;
	make(&f, 2, 64, 64);
	f.o.positions = f.positions;
	f.o.frequencies = f.frequencies;
	assert_false(op_rope(&context, &f.o));
	assert_int_equal(context.error.kind, TFM_OUT_OF_MEMORY);
	tfm_clear_error(&context);
	f.o.rotary_dim = 66;
	assert_false(op_rope(&context, &f.o));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	tfm_clear_error(&context);
	f.o.rotary_dim = 3;
	assert_false(op_rope(&context, &f.o));
	assert_int_equal(context.error.kind, TFM_INTERNAL);
	free(f.x);
	free(f.before);
	close_context(&context);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_definition),
		cmocka_unit_test(test_company),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
