/*
 * safetensors.c
 *	  Reading checkpoints: good ones, and all the ways in which one can lie.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/safetensors.h"

#include "oom.h"
#include "scratch.h"

/* Write a file with this header, padded as the format's own writer does, and data. */
static char *
write_safetensors(scratch *s, const char *name, const char *header, const void *data, size_t length)
{
	uint64_t header_length = (strlen(header) + 7) / 8 * 8;
	char *path = scratch_path(s, name);
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	fwrite(&header_length, sizeof(header_length), 1, f);
	fprintf(f, "%-*s", (int) header_length, header);
	fwrite(data, 1, length, f);
	assert_int_equal(fclose(f), 0);
	return path;
}

/* ---- Headers ---- */

#define A(dtype, shape, offsets)                                                                   \
	"{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define TWO(first, second)                                                                         \
	"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" first "},"                          \
	"\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" second "}}"

static const struct
{
	const char *header;
	size_t data_length;
	tfm_error_kind kind;
	const char *says;
} headers[] = {
	{"{}", 0, TFM_OK, ""},
	{"{\"__metadata__\":{\"format\":\"pt\"}}", 0, TFM_OK, ""},
	{A("F32", "[2,3]", "[0,24]"), 24, TFM_OK, ""},
	{A("F32", "[]", "[0,4]"), 4, TFM_OK, ""},
	{A("F32", "[0,7]", "[0,0]"), 0, TFM_OK, ""},
	{A("BOOL", "[3]", "[0,3]"), 3, TFM_OK, ""},
	{A("F4", "[4]", "[0,2]"), 2, TFM_OK, ""},
	{A("X9", "[4]", "[0,7]"), 7, TFM_OK, ""},
	{A("F32", "[1,1,1,1,1,1]", "[0,4]"), 4, TFM_OK, ""},
	{TWO("[0,4]", "[4,8]"), 8, TFM_OK, ""},
	{TWO("[4,8]", "[0,4]"), 8, TFM_OK, ""},

	{"", 0, TFM_CORRUPTED, "not valid JSON"},
	{"[]", 0, TFM_CORRUPTED, "not a JSON object"},
	{"{\"a\":1}", 0, TFM_CORRUPTED, "\"a\" has no dtype"},
	{"{\"a\":{}}", 0, TFM_CORRUPTED, "\"a\" has no dtype"},
	{"{\"a\":{\"dtype\":4,\"shape\":[],\"data_offsets\":[0,0]}}", 0, TFM_CORRUPTED, "no dtype"},
	{"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,0]}}", 0, TFM_CORRUPTED, "no shape"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 0, TFM_CORRUPTED, "data_offsets"},
	{A("F32", "\"2\"", "[0,8]"), 8, TFM_CORRUPTED, "\"a\" has no shape"},
	{A("F32", "[\"2\"]", "[0,8]"), 8, TFM_CORRUPTED, "not a whole number"},
	{A("F32", "[2.5]", "[0,10]"), 10, TFM_CORRUPTED, "not a whole number"},
	{A("F32", "[-2]", "[0,8]"), 8, TFM_CORRUPTED, "not a whole number"},
	{A("F32", "[null]", "[0,4]"), 4, TFM_CORRUPTED, "not a whole number"},
	{A("F32", "[1e300]", "[0,4]"), 4, TFM_CORRUPTED, "not a whole number"},
	{A("F32", "[18446744073709551617]", "[0,4]"), 4, TFM_CORRUPTED, "not a whole number"},
	{A("F32", "[1,1,1,1,1,1,1]", "[0,4]"), 4, TFM_UNSUPPORTED, "more than 6 dimensions"},
	/* 2^32 * 2^32 is 0 in 64 bits; 2^62 elements of 4 bytes are. */
	{A("U8", "[4294967296,4294967296]", "[0,0]"), 0, TFM_CORRUPTED, "too large"},
	{A("F32", "[2147483648,2147483648]", "[0,0]"), 0, TFM_CORRUPTED, "not as long"},
	{A("F32", "[3]", "[0,8]"), 8, TFM_CORRUPTED, "not as long"},
	{A("F32", "[1]", "[0,8]"), 8, TFM_CORRUPTED, "not as long"},
	{A("F4", "[3]", "[0,1]"), 1, TFM_CORRUPTED, "not as long"},
	{A("F32", "[1]", "[]"), 4, TFM_CORRUPTED, "data_offsets"},
	{A("F32", "[1]", "[0]"), 4, TFM_CORRUPTED, "data_offsets"},
	{A("F32", "[1]", "[0,4,8]"), 4, TFM_CORRUPTED, "data_offsets"},
	{A("F32", "[1]", "[-4,0]"), 4, TFM_CORRUPTED, "data_offsets"},
	{A("F32", "[1]", "[0,4.5]"), 4, TFM_CORRUPTED, "data_offsets"},
	{A("F32", "[1]", "{\"x\":0,\"y\":4}"), 4, TFM_CORRUPTED, "data_offsets"},
	{A("F32", "[1]", "[4,0]"), 4, TFM_CORRUPTED, "ends before it begins"},
	{A("F32", "[2]", "[0,8]"), 4, TFM_CORRUPTED, "beyond the end"},
	{A("F32", "[2]", "[9007199254740983,9007199254740991]"), 8, TFM_CORRUPTED, "beyond the end"},
	{A("F32", "[1]", "[0,4]"), 8, TFM_CORRUPTED, "end at byte 4 of 8"},
	{A("F32", "[1]", "[4,8]"), 8, TFM_CORRUPTED, "follows a hole"},
	{TWO("[0,4]", "[0,4]"), 8, TFM_CORRUPTED, "overlaps"},
	{TWO("[0,4]", "[3,7]"), 8, TFM_CORRUPTED, "overlaps"},
	{TWO("[0,4]", "[5,9]"), 9, TFM_CORRUPTED, "follows a hole"},
	{"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
	 "\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
	 8, TFM_CORRUPTED, "\"a\" is there twice"},
};

static void
headers_are_checked(void **state)
{
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
	{
		const char *text = headers[i].header;
		ckpt_header header;
		bool good = ckpt_parse_header(&s->context, text, strlen(text), "x.safetensors", 100,
									  headers[i].data_length, &header);

		assert_int_equal(good, headers[i].kind == TFM_OK);
		if (good)
			assert_good(&s->context);
		else
			assert_failed(&s->context, headers[i].kind, headers[i].says);
	}
}

static void
deep_nesting_is_refused(void **state)
{
	scratch *s = *state;
	char text[4000];
	ckpt_header header;

	memset(text, '[', sizeof(text));
	memcpy(text, "{\"a\":", 5);
	assert_false(ckpt_parse_header(&s->context, text, sizeof(text), "x", 0, 0, &header));
	assert_failed(&s->context, TFM_CORRUPTED, "too many levels");
}

/* ---- Files ---- */

static const float floats[] = {0, -1.5f, 3e30f, 0x1p-140f};
static const uint16_t halves[] = {0x3C00, 0xC000, 0x0001, 0x7BFF};
static const uint16_t bfloats[] = {0x3F80, 0xC000, 0x0001, 0x7F7F};
static const double doubles[] = {1, -0.1};

/* Sixty-four bytes that hold the arrays above and two integers. */
#define TYPED_HEADER                                                                               \
	"{\"__metadata__\":{\"format\":\"pt\"},"                                                       \
	"\"x.f32\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"                       \
	"\"x.f16\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[16,24]},"                        \
	"\"x.bf16\":{\"dtype\":\"BF16\",\"shape\":[4,1],\"data_offsets\":[24,32]},"                    \
	"\"x.f64\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[32,48]},"                        \
	"\"x.i64\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[48,56]},"                        \
	"\"x.f8\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[56,64]}}"

static char *
write_typed(scratch *s, const char *name)
{
	char data[64];
	int64_t integer = -7;

	memcpy(data, floats, 16);
	memcpy(data + 16, halves, 8);
	memcpy(data + 24, bfloats, 8);
	memcpy(data + 32, doubles, 16);
	memcpy(data + 48, &integer, 8);
	memset(data + 56, 0x40, 8);
	return write_safetensors(s, name, TYPED_HEADER, data, sizeof(data));
}

static void
assert_floats(tfm_context *context, const ckpt_weights *w, const char *name, const float *expected,
			  int64_t count)
{
	const ckpt_tensor *t = ckpt_find(w, name);
	float values[4];

	assert_non_null(t);
	assert_true(ckpt_read_f32(context, t, values));
	assert_memory_equal(values, expected, (size_t) count * sizeof(float));
	for (int64_t i = 0; i < count; i++)
	{
		assert_true(ckpt_read_part_f32(context, t, i, 1, values));
		assert_memory_equal(values, expected + i, sizeof(float));
	}
}

static void
types_are_read(void **state)
{
	scratch *s = *state;
	ckpt_weights *w = ckpt_open_file(&s->context, write_typed(s, "typed.safetensors"));
	float out[4];
	int64_t integer;
	char bytes[8];

	assert_non_null(w);
	assert_int_equal(ckpt_count(w), 6);
	assert_string_equal(ckpt_at(w, 0)->name, "x.bf16");
	assert_string_equal(ckpt_at(w, 5)->name, "x.i64");
	assert_null(ckpt_find(w, "x"));
	assert_null(ckpt_find(w, "__metadata__"));
	assert_int_equal(ckpt_find(w, "x.f32")->rank, 2);
	assert_int_equal(ckpt_find(w, "x.bf16")->shape[0], 4);
	assert_floats(&s->context, w, "x.f32", floats, 4);
	assert_floats(&s->context, w, "x.f16", (float[]) {1, -2, 0x1p-24f, 65504}, 4);
	assert_floats(&s->context, w, "x.bf16", (float[]) {1, -2, 0x1p-133f, 0x1.fep127f}, 4);
	assert_floats(&s->context, w, "x.f64", (float[]) {1, -0.1f}, 2);
	assert_true(ckpt_read(&s->context, ckpt_find(w, "x.i64"), &integer));
	assert_int_equal(integer, -7);

	assert_false(ckpt_read_f32(&s->context, ckpt_find(w, "x.i64"), out));
	assert_failed(&s->context, TFM_UNSUPPORTED, "I64");
	assert_false(ckpt_read(&s->context, ckpt_find(w, "x.f8"), bytes));
	assert_failed(&s->context, TFM_UNSUPPORTED, "\"x.f8\" is of type F8_E4M3");
	assert_false(ckpt_read_part_f32(&s->context, ckpt_find(w, "x.f16"), 2, 3, out));
	assert_failed(&s->context, TFM_INTERNAL, "x.f16");
	assert_false(ckpt_read_part_f32(&s->context, ckpt_find(w, "x.f16"), -1, 1, out));
	assert_failed(&s->context, TFM_INTERNAL, "x.f16");
}

/* A conversion that takes several pieces. */
static void
large_tensors_are_read(void **state)
{
	enum
	{
		COUNT = 100001
	};
	scratch *s = *state;
	uint16_t *stored = calloc(COUNT, sizeof(uint16_t));
	float *values = calloc(COUNT, sizeof(float));
	ckpt_weights *w;

	assert_true(stored != NULL && values != NULL);
	for (int i = 0; i < COUNT; i++)
		stored[i] = (uint16_t) (i % 0x7F80);
	w = ckpt_open_file(&s->context, write_safetensors(s, "large.safetensors",
													  A("BF16", "[100001]", "[0,200002]"), stored,
													  COUNT * sizeof(uint16_t)));
	assert_non_null(w);
	assert_true(ckpt_read_f32(&s->context, ckpt_at(w, 0), values));
	for (uint32_t i = 0; i < COUNT; i++)
	{
		uint32_t bits = (i % 0x7F80) << 16;

		assert_memory_equal(&values[i], &bits, sizeof(bits));
	}
	free(stored);
	free(values);
}

/* Every prefix of a file is refused. */
static void
truncated_files_are_refused(void **state)
{
	scratch *s = *state;
	size_t length;
	char *bytes = file_read(&s->context, write_typed(s, "whole.safetensors"), 10000, &length);

	assert_non_null(bytes);
	for (size_t n = 0; n < length; n++)
	{
		arena_mark mark = arena_save(s->context.arena);

		assert_null(ckpt_open_file(&s->context, scratch_write(s, "cut.safetensors", bytes, n)));
		assert_failed(&s->context, TFM_CORRUPTED, "cut.safetensors");
		arena_restore(s->context.arena, mark);
	}
}

static void
header_length_is_checked(void **state)
{
	static const uint64_t lengths[] = {0,		  1,		  10000,		  100000001,
									   INT64_MAX, UINT64_MAX, UINT64_MAX - 7, UINT32_MAX};
	scratch *s = *state;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		char bytes[200] = {0};

		memcpy(bytes, &lengths[i], 8);
		memcpy(bytes + 8, "{}", 2);
		assert_null(ckpt_open_file(&s->context, scratch_write(s, "lie", bytes, sizeof(bytes))));
		assert_failed(&s->context, TFM_CORRUPTED,
					  lengths[i] < 2 ? "not valid JSON" : "is truncated");
	}
}

/* The owner of a checkpoint may cut it while we have it open. */
static void
shrinking_file_is_an_error(void **state)
{
	scratch *s = *state;
	char *path = write_typed(s, "typed.safetensors");
	ckpt_weights *w = ckpt_open_file(&s->context, path);
	float values[4];

	assert_non_null(w);
	assert_int_equal(truncate(path, (off_t) ckpt_find(w, "x.f64")->offset + 15), 0);
	assert_false(ckpt_read_f32(&s->context, ckpt_find(w, "x.f64"), values));
	assert_failed(&s->context, TFM_CORRUPTED, "ends at byte");
}

static bool
always(void *argument)
{
	(void) argument;
	return true;
}

static void
reading_can_be_cancelled(void **state)
{
	scratch *s = *state;
	ckpt_weights *w = ckpt_open_file(&s->context, write_typed(s, "typed.safetensors"));
	float values[4];

	assert_non_null(w);
	s->context.interrupted = always;
	assert_false(ckpt_read_f32(&s->context, ckpt_find(w, "x.f16"), values));
	assert_failed(&s->context, TFM_CANCELLED, "");
}

/* ---- Directories ---- */

#define INDEX(map) "{\"metadata\":{\"total_size\":8},\"weight_map\":" map "}"

static void
write_shards(scratch *s)
{
	write_safetensors(s, "s1.safetensors", TWO("[0,4]", "[4,8]"), "aaaabbbb", 8);
	write_safetensors(s, "s2.safetensors",
					  "{\"c\":{\"dtype\":\"U8\",\"shape\":[1],"
					  "\"data_offsets\":[0,1]}}",
					  "c", 1);
}

static void
shards_are_joined(void **state)
{
	scratch *s = *state;
	ckpt_weights *w;
	char bytes[4];

	write_shards(s);
	scratch_write_text(s, "model.safetensors.index.json",
					   INDEX("{\"c\":\"s2.safetensors\",\"a\":\"s1.safetensors\"}"));
	w = ckpt_open_weights(&s->context, s->directory);
	assert_good(&s->context);
	assert_int_equal(ckpt_count(w), 2); /* b is not in the index */
	assert_null(ckpt_find(w, "b"));
	assert_true(ckpt_read(&s->context, ckpt_find(w, "a"), bytes));
	assert_memory_equal(bytes, "aaaa", 4);
	assert_true(ckpt_read(&s->context, ckpt_find(w, "c"), bytes));
	assert_int_equal(bytes[0], 'c');
	assert_non_null(strstr(ckpt_source(w), "index.json"));

	/* As in Transformers, a single file goes before an index. */
	write_typed(s, "model.safetensors");
	w = ckpt_open_weights(&s->context, s->directory);
	assert_non_null(w);
	assert_int_equal(ckpt_count(w), 6);
}

static const struct
{
	const char *text;
	tfm_error_kind kind;
	const char *says;
} indexes[] = {
	{"[]", TFM_CORRUPTED, "weight_map"},
	{"{", TFM_CORRUPTED, "index.json"},
	{INDEX("null"), TFM_CORRUPTED, "weight_map"},
	{INDEX("[\"s1.safetensors\"]"), TFM_CORRUPTED, "weight_map"},
	{INDEX("{\"a\":1}"), TFM_CORRUPTED, "tensor \"a\""},
	{INDEX("{\"a\":\"\"}"), TFM_CORRUPTED, "tensor \"a\""},
	{INDEX("{\"a\":\"..\"}"), TFM_CORRUPTED, "plain name"},
	{INDEX("{\"a\":\"../s1.safetensors\"}"), TFM_CORRUPTED, "plain name"},
	{INDEX("{\"a\":\"/etc/passwd\"}"), TFM_CORRUPTED, "plain name"},
	{INDEX("{\"a\":\"s3.safetensors\"}"), TFM_FILE_NOT_FOUND, "s3.safetensors"},
	{INDEX("{\"d\":\"s1.safetensors\"}"), TFM_CORRUPTED, "lacks tensor \"d\""},
	{INDEX("{\"a\":\"s1.safetensors\",\"a\":\"s1.safetensors\"}"), TFM_CORRUPTED, "twice"},
	{INDEX("{\"a\":\"model.safetensors.index.json\"}"), TFM_CORRUPTED, "index.json"},
};

static void
indexes_are_checked(void **state)
{
	scratch *s = *state;

	write_shards(s);
	for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++)
	{
		scratch_write_text(s, "model.safetensors.index.json", indexes[i].text);
		assert_null(ckpt_open_weights(&s->context, s->directory));
		assert_failed(&s->context, indexes[i].kind, indexes[i].says);
	}
}

static void
missing_weights_are_explained(void **state)
{
	scratch *s = *state;

	assert_null(ckpt_open_weights(&s->context, s->directory));
	assert_string_equal(s->context.error.hint, "");
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "has no model.safetensors");
	scratch_write_text(s, "pytorch_model.bin", "x");
	assert_null(ckpt_open_weights(&s->context, s->directory));
	assert_non_null(strstr(s->context.error.hint, "save_pretrained"));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "has no model.safetensors");
	assert_null(ckpt_open_weights(&s->context, "/nonexistent/x"));
	assert_failed(&s->context, TFM_FILE_NOT_FOUND, "/nonexistent/x");
	mkdir(scratch_path(s, "model.safetensors"), 0700);
	assert_null(ckpt_open_weights(&s->context, s->directory));
	assert_failed(&s->context, TFM_INVALID_ARGUMENT, "not a regular file");
}

/* ---- Lack of memory ---- */

static bool
open_and_read(tfm_context *context, void *directory)
{
	ckpt_weights *w = ckpt_open_weights(context, directory);
	const ckpt_tensor *t = w == NULL ? NULL : ckpt_find(w, "x.f16");
	float values[4];

	return t != NULL && ckpt_read_f32(context, t, values);
}

static void
memory_may_run_out(void **state)
{
	scratch *s = *state;

	write_typed(s, "typed.safetensors");
	scratch_write_text(s, "model.safetensors.index.json",
					   INDEX("{\"x.f16\":\"typed.safetensors\"}"));
	assert_int_equal(oom_run_all(open_and_read, s->directory), TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(headers_are_checked),
		scratch_test(deep_nesting_is_refused),
		scratch_test(types_are_read),
		scratch_test(large_tensors_are_read),
		scratch_test(truncated_files_are_refused),
		scratch_test(header_length_is_checked),
		scratch_test(shrinking_file_is_an_error),
		scratch_test(reading_can_be_cancelled),
		scratch_test(shards_are_joined),
		scratch_test(indexes_are_checked),
		scratch_test(missing_weights_are_explained),
		scratch_test(memory_may_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
