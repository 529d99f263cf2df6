/*
 * precision.c
 *	  Weights are kept in the type that is asked for, multiplied in the arithmetic that suits them, and
 *	  refused where the type cannot hold them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "runtime/precision.h"

#include <fcntl.h>
#include <math.h>

#include "checkpoint/image.h"
#include "checkpoint/safetensors.h"
#include "runtime/weights.h"
#include "scratch.h"
#include "tensor/kernels.h"
#include "tensor/pack.h"

#define QUERY "encoder.layer.0.attention.self.query.weight"

static const char *
golden_checkpoint(scratch *s, const char *name)
{
	const char *golden = getenv("TFM_GOLDEN");

	return file_join(&s->context, golden == NULL ? "test/golden" : golden, name);
}

static bool
compile_as(scratch *s, const char *directory, tfm_dtype dtype)
{
	return run_compile(&s->context, directory, scratch_path(s, "image"),
					   &(run_compile_options) {.dtype = dtype});
}

static const run_model_info *
open_as(scratch *s, tfm_compute compute)
{
	run_model *model = run_model_open(&s->context, scratch_path(s, "image"), compute);

	return model == NULL ? NULL : run_model_describe(model);
}

static const tfm_dtype dtypes[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_I8};

#define EACH_DTYPE(i) (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++)

/* The bytes of a weight are its tensor's, packed; whether the checkpoint's first file has it. */
static bool
compare_weight(scratch *s, const ckpt_weights *checkpoint, const image *i, const weight *w)
{
	const ckpt_tensor *t = ckpt_find(checkpoint, w->name);
	int64_t k = w->layout == LAYOUT_PLAIN ? 1 : w->shape[1];
	size_t count, size;
	float *values;
	void *packed;

	if (t == NULL)
		return false;
	count = t->length / dtype_size(t->dtype);
	values = tfm_alloc_array(&s->context, count, sizeof(float));
	assert_true(weight_size(w->dtype, w->layout, w->rank, w->shape, &size));
	packed = tfm_alloc(&s->context, size);
	assert_true(ckpt_read_f32(&s->context, t, values));
	pack_weight(w->dtype, w->layout, values, (int64_t) count / k, k, packed);
	assert_int_equal(image_weight_length(i, w), size);
	assert_memory_equal(w->data, packed, size);
	return true;
}

static void
weights_are_kept_as_asked(void **state)
{
	scratch *s = *state;
	const char *directory = golden_checkpoint(s, "sentence/dense");
	const ckpt_weights *checkpoint = ckpt_open_weights(&s->context, directory);

	for
		EACH_DTYPE(d)
		{
			int found[LAYOUT_ROWS + 1] = {0};
			const image *i;

			assert_true(compile_as(s, directory, dtypes[d]));
			i = image_open(&s->context, scratch_path(s, "image"));
			assert_non_null(i);
			for (size_t n = 0; n < image_weight_count(i); n++)
			{
				const weight *w = image_weight_at(i, n);

				assert_int_equal(w->dtype, w->layout == LAYOUT_PLAIN ? DTYPE_F32 : dtypes[d]);
				found[w->layout] += compare_weight(s, checkpoint, i, w);
			}
			assert_true(found[LAYOUT_PLAIN] > 0 && found[LAYOUT_PANELS] > 0 &&
						found[LAYOUT_ROWS] > 0);
		}
}

static void
types_and_arithmetic_are_told(void **state)
{
	static const struct
	{
		const char *checkpoint;
		tfm_dtype dtype;
		tfm_compute compute;
		int isa;
		const char *says_dtype, *says_compute;
	} cases[] = {
		{"sentence/mean", 0, COMPUTE_AUTO, ISA_BEST, "float32", "f32"},
		{"bert/BertModel-float16", 0, COMPUTE_AUTO, ISA_BEST, "float16", "f32"},
		{"bert/BertModel-bfloat16", 0, COMPUTE_AUTO, ISA_BEST, "bfloat16", "f32"},
		{"bert/BertModel-bfloat16", DTYPE_F32, COMPUTE_AUTO, ISA_BEST, "float32", "f32"},
		{"bert/BertModel-bfloat16", DTYPE_BF16, COMPUTE_AUTO, ISA_PORTABLE, "bfloat16", "f32"},
		{"sentence/mean", DTYPE_F16, COMPUTE_AUTO, ISA_BEST, "float16", "f32"},
		{"sentence/mean", DTYPE_BF16, COMPUTE_BF16, ISA_PORTABLE, "bfloat16", "bf16"},
		{"sentence/mean", DTYPE_BF16, COMPUTE_F32, ISA_BEST, "bfloat16", "f32"},
		{"sentence/mean", DTYPE_F32, COMPUTE_BF16, ISA_BEST, "float32", "bf16"},
		{"sentence/mean", DTYPE_I8, COMPUTE_AUTO, ISA_PORTABLE, "int8", "int8"},
		{"sentence/mean", DTYPE_I8, COMPUTE_INT8, ISA_BEST, "int8", "int8"},
		{"sentence/mean", DTYPE_I8, COMPUTE_F32, ISA_BEST, "int8", "f32"},
	};
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const run_model_info *info;

		s->context.isa = cases[i].isa;
		assert_true(compile_as(s, golden_checkpoint(s, cases[i].checkpoint), cases[i].dtype));
		info = open_as(s, cases[i].compute);
		assert_non_null(info);
		assert_int_equal(info->asked_dtype, cases[i].dtype);
		assert_string_equal(info->dtype, cases[i].says_dtype);
		assert_string_equal(info->compute, cases[i].says_compute);
	}
}

/* Of weights in bf16 that were asked for, where the processor has its products. */
static void
bf16_is_chosen_where_it_is_fast(void **state)
{
	scratch *s = *state;

	assert_true(compile_as(s, golden_checkpoint(s, "sentence/mean"), DTYPE_BF16));
	for (int set = ISA_BEST; set <= ISA_LAST; set++)
	{
		tfm_context context = {.isa = set};
		bool fast = cpu_kernels(&context)->set == ISA_AVX512_BF16;

		s->context.isa = set;
		assert_string_equal(open_as(s, COMPUTE_AUTO)->compute, fast ? "bf16" : "f32");
	}
}

static void
int8_arithmetic_needs_int8_weights(void **state)
{
	scratch *s = *state;
	const char *directory = golden_checkpoint(s, "sentence/mean");

	for
		EACH_DTYPE(d)
		{
			if (dtypes[d] == DTYPE_I8)
				continue;
			assert_true(compile_as(s, directory, dtypes[d]));
			assert_null(open_as(s, COMPUTE_INT8));
			assert_string_equal(s->context.error.hint, "Add dtype => 'int8'.");
			assert_failed(&s->context, TFM_INVALID_ARGUMENT, run_dtype_name(dtypes[d]));
		}
	assert_false(compile_as(s, directory, DTYPE_I64));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "int64");
}

static void
names_lead_there_and_back(void **state)
{
	tfm_compute compute;
	tfm_dtype dtype;

	(void) state;
	for
		EACH_DTYPE(d)
		{
			assert_true(run_dtype_from_name(run_dtype_name(dtypes[d]), &dtype));
			assert_int_equal(dtype, dtypes[d]);
			assert_non_null(strstr(RUN_DTYPE_NAMES, run_dtype_name(dtypes[d])));
		}
	assert_true(run_dtype_from_name("auto", &dtype));
	assert_int_equal(dtype, 0);
	assert_false(run_dtype_from_name("", &dtype));
	assert_null(run_dtype_name(DTYPE_F64));
	assert_null(run_dtype_name((tfm_dtype) 99));
	for (int c = COMPUTE_AUTO; c <= COMPUTE_INT8; c++)
	{
		assert_true(run_compute_from_name(run_compute_name((tfm_compute) c), &compute));
		assert_int_equal(compute, c);
		assert_non_null(strstr(RUN_COMPUTE_NAMES, run_compute_name((tfm_compute) c)));
	}
	assert_false(run_compute_from_name("f16", &compute));
	assert_null(run_compute_name((tfm_compute) 9));
	assert_string_equal(run_isa_name(0), "auto");
	assert_string_equal(run_isa_name(ISA_LAST), isa_name(ISA_LAST));
	assert_null(run_isa_name(ISA_LAST + 1));
	assert_null(run_isa_name(-1));
	assert_true(run_has_isa(0) && run_has_isa(ISA_PORTABLE));
	assert_false(run_has_isa(ISA_LAST + 1) || run_has_isa(-1));
}

/* ---- Values that a type cannot hold ---- */

/* A copy of the checkpoint whose QUERY has value as its last element. */
static char *
checkpoint_with(scratch *s, float value)
{
	char *copy = scratch_path(s, "copy");
	char *command = tfm_sprintf(&s->context, "rm -rf '%s' && cp -rL '%s' '%s' && chmod -R u+w '%s'",
								copy, golden_checkpoint(s, "sentence/mean"), copy, copy);
	const ckpt_tensor *t;
	int descriptor;

	assert_int_equal(system(command), 0);
	t = ckpt_find(ckpt_open_weights(&s->context, copy), QUERY);
	assert_non_null(t);
	assert_int_equal(t->dtype, DTYPE_F32);
	descriptor = open(scratch_path(s, "copy/model.safetensors"), O_WRONLY);
	assert_true(descriptor >= 0);
	assert_int_equal(
		pwrite(descriptor, &value, sizeof(value), (off_t) (t->offset + t->length - sizeof(value))),
		sizeof(value));
	close(descriptor);
	return copy;
}

static void
values_must_fit_their_type(void **state)
{
	/* From 65520 and 0x1.ffp127 on the nearest is infinity; what is infinite stays it. */
	static const struct
	{
		float value;
		bool fits[4]; /* as dtypes */
	} cases[] = {
		{65519.0f, {true, true, true, true}},		{65520.0f, {true, false, true, true}},
		{-70000.0f, {true, false, true, true}},		{0x1.fep127f, {true, false, true, true}},
		{-0x1.ffp127f, {true, false, false, true}}, {INFINITY, {true, true, true, false}},
		{NAN, {true, true, true, false}},
	};
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		const char *directory = checkpoint_with(s, cases[i].value);

		for
			EACH_DTYPE(d)
			{
				remove(scratch_path(s, "image"));
				assert_int_equal(compile_as(s, directory, dtypes[d]), cases[i].fits[d]);
				assert_int_equal(file_exists(scratch_path(s, "image")), cases[i].fits[d]);
				if (cases[i].fits[d])
					continue;
				assert_non_null(strstr(s->context.error.hint, "f32"));
				assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "\"" QUERY "\"");
			}
	}
}

static void
rows_of_int8_have_a_longest(void **state)
{
	scratch *s = *state;
	ckpt_tensor t = {.name = "long", .dtype = DTYPE_F32, .rank = 2};
	weight w = {.name = "long",
				.dtype = DTYPE_I8,
				.layout = LAYOUT_PANELS,
				.rank = 2,
				.shape = {2, PACK_I8_MAX_K + 1}};
	image_writer *writer = image_create(&s->context, scratch_path(s, "image"));

	assert_false(run_write_weight(&s->context, writer, &t, &w, false));
	assert_non_null(strstr(s->context.error.hint, "bf16"));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "\"long\" has rows of 65537 elements");
	w.shape[0] = INT64_MAX;
	w.dtype = DTYPE_F32;
	assert_false(run_write_weight(&s->context, writer, &t, &w, false));
	assert_failed(&s->context, TFM_LIMIT_EXCEEDED, "\"long\" is too large");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(weights_are_kept_as_asked),	   TEST(types_and_arithmetic_are_told),
		TEST(bf16_is_chosen_where_it_is_fast), TEST(int8_arithmetic_needs_int8_weights),
		TEST(names_lead_there_and_back),	   TEST(values_must_fit_their_type),
		TEST(rows_of_int8_have_a_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
