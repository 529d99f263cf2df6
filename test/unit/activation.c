/*
 * activation.c
 *	  The activations against their definitions in double, over the whole range of floats.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "tensor.h"

#include <float.h>

#define COUNT 40003

static double
define(op_activation activation, double x)
{
	switch (activation)
	{
		case ACTIVATION_GELU:
			return x / 2.0 * erfc(-x / sqrt(2.0));
		case ACTIVATION_GELU_TANH:
			return x / 2.0 * (1.0 + tanh(sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
		case ACTIVATION_QUICK_GELU:
			return x / (1.0 + exp(-1.702 * x));
		case ACTIVATION_RELU:
			return fmax(x, 0.0);
		case ACTIVATION_RELU2:
			return fmax(x, 0.0) * fmax(x, 0.0);
		case ACTIVATION_RELU6:
			return fmin(fmax(x, 0.0), 6.0);
		case ACTIVATION_SILU:
			return x / (1.0 + exp(-x));
		case ACTIVATION_MISH:
			return x * tanh(log1p(exp(x)));
		case ACTIVATION_TANH:
			return tanh(x);
		case ACTIVATION_SIGMOID:
			return 1.0 / (1.0 + exp(-x));
		case ACTIVATION_NONE:
			break;
	}
	return x;
}

/* Dense about 0, thinner to 30, then a few up to the largest float that its square allows. */
static float *
samples(void)
{
	float *x = numbers(COUNT, 1);

	for (int i = 0; i < COUNT; i++)
	{
		if (i % 4 == 1)
			x[i] *= 6.0f;
		else if (i % 4 == 2)
			x[i] *= 30.0f;
		else if (i % 100 == 3)
			x[i] = copysignf(expf(40.0f * fabsf(x[i])), x[i]);
		else if (i % 100 == 7)
			x[i] *= 1e-30f;
	}
	return x;
}

/*
 * The absolute error is below 5e-7 near 0, and the relative one a few eps where the value grows; the
 * argument of an exponential loses eps for each unit, hence the size of x counts.
 */
static void
test_definition(void **state)
{
	float *x = samples(), *y = numbers(COUNT, 2);

	(void) state;
	FOR_EACH_ISA(set)
	for (int activation = ACTIVATION_NONE; activation <= ACTIVATION_SIGMOID; activation++)
	{
		tfm_context context = open_context(set, 1, 0);

		assert_true(op_activate(&context, (op_activation) activation, x, y, COUNT));
		for (int i = 0; i < COUNT; i++)
		{
			double right = define((op_activation) activation, x[i]);

			assert_true(fabs(y[i] - right) <= 5e-7 + 4 * FLT_EPSILON * fabs(right));
		}
		close_context(&context);
	}
	free(x);
	free(y);
}

/* An element's bits depend on its value alone: not on its place, nor on the threads. */
static void
test_company(void **state)
{
	float *x = samples(), *y = numbers(COUNT, 2), one;

	(void) state;
	FOR_EACH_ISA(set)
	for (int activation = ACTIVATION_NONE; activation <= ACTIVATION_SIGMOID; activation++)
	{
		tfm_context context = open_context(set, 1 + activation % 3, 0);

		assert_true(op_activate(&context, (op_activation) activation, x, y, COUNT));
		for (int i = COUNT - 1; i >= 0; i -= 1 + i % 61)
		{
			assert_true(op_activate(&context, (op_activation) activation, x + i, &one, 1));
			assert_same_bits(&one, y + i, 1);
		}
		close_context(&context);
	}
	free(x);
	free(y);
}

static void
test_not_finite(void **state)
{
	float x[] = {NAN, INFINITY, -INFINITY, FLT_MAX, -FLT_MAX}, y[5];

	(void) state;
	FOR_EACH_ISA(set)
	for (int activation = ACTIVATION_NONE; activation <= ACTIVATION_SIGMOID; activation++)
	{
		tfm_context context = open_context(set, 1, 0);
		bool bounded = activation == ACTIVATION_TANH || activation == ACTIVATION_SIGMOID;

		assert_true(op_activate(&context, (op_activation) activation, x, y, 5));
		assert_true(isnan(y[0]));
		if (activation == ACTIVATION_RELU6)
			assert_true(y[1] == 6.0f);
		else
			assert_true(bounded ? y[1] == 1.0f : isinf(y[1]));
		close_context(&context);
	}
}

static void
test_names(void **state)
{
	op_activation activation;

	(void) state;
	assert_true(op_activation_from_name("gelu", &activation));
	assert_int_equal(activation, ACTIVATION_GELU);
	assert_true(op_activation_from_name("gelu_new", &activation));
	assert_int_equal(activation, ACTIVATION_GELU_TANH);
	assert_true(op_activation_from_name("swish", &activation));
	assert_int_equal(activation, ACTIVATION_SILU);
	assert_false(op_activation_from_name("GELU", &activation));
	assert_false(op_activation_from_name("", &activation));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_definition),
		cmocka_unit_test(test_company),
		cmocka_unit_test(test_not_finite),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
