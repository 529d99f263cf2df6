/*
 * gguf.c
 *	  Reading GGUF files: good ones, and all the ways in which one can lie.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/gguf.h"

#include "base/buffer.h"
#include "oom.h"
#include "scratch.h"

/* ---- Writing ---- */

typedef struct writer
{
	tfm_context *context;
	buffer *out;
} writer;

static void
put(writer *w, uint64_t number, size_t size)
{
	assert_true(buffer_append(w->context, w->out, &number, size));
}

static void
put_string(writer *w, const char *text)
{
	put(w, strlen(text), 8);
	assert_true(buffer_append(w->context, w->out, text, strlen(text)));
}

static void
put_header(writer *w, uint32_t version, uint64_t tensors, uint64_t entries)
{
	w->out->length = 0;
	assert_true(buffer_append(w->context, w->out, "GGUF", 4));
	put(w, version, 4);
	put(w, tensors, 8);
	put(w, entries, 8);
}

static void
put_key(writer *w, const char *key, uint32_t type)
{
	put_string(w, key);
	put(w, type, 4);
}

static void
put_array(writer *w, const char *key, uint32_t type, uint64_t count)
{
	put_key(w, key, GGUF_ARRAY);
	put(w, type, 4);
	put(w, count, 8);
}

static void
put_tensor(writer *w, const char *name, uint32_t type, uint64_t offset, uint64_t width,
		   uint64_t height)
{
	put_string(w, name);
	put(w, 2, 4);
	put(w, width, 8);
	put(w, height, 8);
	put(w, type, 4);
	put(w, offset, 8);
}

/* A file with a value of every type and two tensors. */
static void
put_all(writer *w)
{
	float single = 1.5f;
	double number = -2.25;
	uint32_t bits;
	uint64_t wide;

	memcpy(&bits, &single, sizeof(bits));
	memcpy(&wide, &number, sizeof(wide));
	put_header(w, 3, 2, 17);
	put_key(w, "uint8", GGUF_UINT8), put(w, 200, 1);
	put_key(w, "int8", GGUF_INT8), put(w, (uint64_t) -3, 1);
	put_key(w, "uint16", GGUF_UINT16), put(w, 65535, 2);
	put_key(w, "int16", GGUF_INT16), put(w, (uint64_t) -300, 2);
	put_key(w, "uint32", GGUF_UINT32), put(w, UINT32_MAX, 4);
	put_key(w, "int32", GGUF_INT32), put(w, (uint64_t) -70000, 4);
	put_key(w, "uint64", GGUF_UINT64), put(w, UINT64_MAX, 8);
	put_key(w, "int64", GGUF_INT64), put(w, (uint64_t) INT64_MIN, 8);
	put_key(w, "float32", GGUF_FLOAT32), put(w, bits, 4);
	put_key(w, "float64", GGUF_FLOAT64), put(w, wide, 8);
	put_key(w, "bool", GGUF_BOOL), put(w, 1, 1);
	put_key(w, "string", GGUF_STRING), put_string(w, "text é");
	put_key(w, "general.alignment", GGUF_UINT32), put(w, 64, 4);
	put_array(w, "strings", GGUF_STRING, 3);
	put_string(w, "a"), put_string(w, ""), put_string(w, "bc");
	put_array(w, "ints", GGUF_INT16, 2), put(w, 7, 2), put(w, (uint64_t) -8, 2);
	put_array(w, "floats", GGUF_FLOAT32, 2), put(w, bits, 4), put(w, 0, 4);
	put_array(w, "nested", GGUF_ARRAY, 2);
	put(w, GGUF_UINT8, 4), put(w, 2, 8), put(w, 5, 1), put(w, 6, 1);
	put(w, GGUF_STRING, 4), put(w, 1, 8), put_string(w, "deep");
	put_tensor(w, "b", GGML_Q4_0, 0, 64, 2);
	put_tensor(w, "a", GGML_F32, 128, 4, 4);
	while (w->out->length % 64 != 0)
		put(w, 0, 1);
	for (int i = 0; i < 192; i++)
		put(w, (uint64_t) i, 1);
}

static ckpt_gguf *
open_written(scratch *s, writer *w)
{
	return ckpt_open_gguf(&s->context, scratch_write(s, "x.gguf", w->out->data, w->out->length));
}

static writer
begin(scratch *s)
{
	return (writer) {.context = &s->context, .out = buffer_create(&s->context)};
}

/* ---- Good files ---- */

static void
values_are_read(void **state)
{
	scratch *s = *state;
	tfm_context *context = &s->context;
	writer w = begin(s);
	ckpt_gguf *g;
	tfm_text text;

	put_all(&w);
	g = open_written(s, &w);
	assert_good(context);
	assert_int_equal(ckpt_gguf_int(context, g, "uint8", 0, 0, 255), 200);
	assert_int_equal(ckpt_gguf_int(context, g, "int8", 0, -5, 5), -3);
	assert_int_equal(ckpt_gguf_int(context, g, "uint16", 0, 0, 65535), 65535);
	assert_int_equal(ckpt_gguf_int(context, g, "int16", 0, -300, 0), -300);
	assert_int_equal(ckpt_gguf_int(context, g, "uint32", 0, 0, UINT32_MAX), UINT32_MAX);
	assert_int_equal(ckpt_gguf_int(context, g, "int32", 0, -70000, 0), -70000);
	assert_int_equal(ckpt_gguf_int(context, g, "uint64", 0, 0, INT64_MAX), INT64_MAX);
	assert_int_equal(ckpt_gguf_int(context, g, "int64", 0, INT64_MIN, 0), INT64_MIN);
	assert_true(ckpt_gguf_double(context, g, "float32", 0) == 1.5);
	assert_true(ckpt_gguf_double(context, g, "float64", 0) == -2.25);
	assert_true(ckpt_gguf_double(context, g, "int8", 0) == -3);
	assert_true(ckpt_gguf_bool(context, g, "bool", false));
	text = ckpt_gguf_string(context, g, "string", "");
	assert_int_equal(text.length, 7);
	assert_memory_equal(text.data, "text é", 7);
	assert_int_equal(ckpt_gguf_int(context, g, "absent", 9, 0, 0), 9);
	assert_null(ckpt_gguf_string(context, g, "absent", NULL).data);
	assert_good(context);
	ckpt_gguf_int(context, g, "uint8", 0, 0, 100);
	assert_failed(context, TFM_CORRUPTED, "\"uint8\" must be a whole number from 0 to 100");
	ckpt_gguf_int(context, g, "float32", 0, 0, 100);
	assert_failed(context, TFM_CORRUPTED, "\"float32\" must be a whole number");
	ckpt_gguf_bool(context, g, "string", false);
	assert_failed(context, TFM_CORRUPTED, "\"string\" must be true or false");
	ckpt_gguf_string(context, g, "bool", "");
	assert_failed(context, TFM_CORRUPTED, "\"bool\" must be a string");
	ckpt_gguf_double(context, g, "strings", 0);
	assert_failed(context, TFM_CORRUPTED, "\"strings\" must be a number");
}

static void
arrays_are_read(void **state)
{
	scratch *s = *state;
	tfm_context *context = &s->context;
	writer w = begin(s);
	ckpt_gguf *g;
	tfm_text *texts;
	int32_t *ints;
	float *floats;
	size_t count, position = 0, inner = 0;
	ckpt_gguf_value item, deep;

	put_all(&w);
	g = open_written(s, &w);
	texts = ckpt_gguf_strings(context, g, "strings", &count);
	assert_int_equal(count, 3);
	assert_true(texts[0].length == 1 && texts[1].length == 0 && texts[2].length == 2);
	assert_memory_equal(texts[2].data, "bc", 2);
	ints = ckpt_gguf_ints(context, g, "ints", &count);
	assert_true(count == 2 && ints[0] == 7 && ints[1] == -8);
	floats = ckpt_gguf_floats(context, g, "floats", &count);
	assert_true(count == 2 && floats[0] == 1.5f && floats[1] == 0);
	assert_null(ckpt_gguf_ints(context, g, "absent", &count));
	assert_int_equal(count, 0);
	assert_good(context);
	assert_true(ckpt_gguf_next(ckpt_gguf_find(g, "nested"), &position, &item));
	assert_true(item.count == 2 && item.length == 2);
	assert_true(ckpt_gguf_next(&item, &inner, &deep) && ckpt_gguf_as_int(&deep) == 5);
	assert_true(ckpt_gguf_next(ckpt_gguf_find(g, "nested"), &position, &item));
	inner = 0;
	assert_true(ckpt_gguf_next(&item, &inner, &deep) && deep.length == 4);
	assert_false(ckpt_gguf_next(&item, &inner, &deep));
	assert_false(ckpt_gguf_next(ckpt_gguf_find(g, "nested"), &position, &item));
	assert_null(ckpt_gguf_strings(context, g, "ints", &count));
	assert_failed(context, TFM_CORRUPTED, "\"ints\" must be an array of strings");
	assert_null(ckpt_gguf_ints(context, g, "strings", &count));
	assert_failed(context, TFM_CORRUPTED, "\"strings\" must be an array of numbers");
}

static void
tensors_are_found(void **state)
{
	scratch *s = *state;
	writer w = begin(s);
	ckpt_gguf *g;
	const ckpt_gguf_tensor *a, *b;
	unsigned char byte;

	put_all(&w);
	g = open_written(s, &w);
	assert_int_equal(g->tensor_count, 2);
	a = ckpt_gguf_find_tensor(g, "a");
	b = ckpt_gguf_find_tensor(g, "b");
	assert_null(ckpt_gguf_find_tensor(g, "c"));
	assert_true(b->type == GGML_Q4_0 && b->rank == 2 && b->shape[0] == 64 && b->length == 72);
	assert_int_equal(a->length, 64);
	assert_int_equal(a->offset, b->offset + 128);
	assert_true(file_read_at(&s->context, g->file, a->offset, &byte, 1));
	assert_int_equal(byte, 128);
	assert_string_equal(ckpt_ggml_layout_of(GGML_Q6_K)->name, "Q6_K");
	assert_null(ckpt_ggml_layout_of(5));
	assert_null(ckpt_ggml_layout_of(UINT32_MAX));
}

/* ---- Bad ones ---- */

/* Every file that ends too soon is refused. */
static void
short_files_are_refused(void **state)
{
	scratch *s = *state;
	writer w = begin(s);
	size_t length;

	put_all(&w);
	length = w.out->length;
	for (w.out->length = 0; w.out->length < length; w.out->length++)
	{
		arena_mark mark = arena_save(s->context.arena);

		assert_null(open_written(s, &w));
		assert_failed(&s->context, TFM_CORRUPTED, "x.gguf\"");
		arena_restore(s->context.arena, mark);
	}
}

static void
refuse(scratch *s, writer *w, tfm_error_kind kind, const char *says)
{
	while (w->out->length < 256)
		put(w, 0, 1);
	assert_null(open_written(s, w));
	assert_failed(&s->context, kind, says);
}

static void
wrong_headers_are_refused(void **state)
{
	scratch *s = *state;
	writer w = begin(s);

	put_header(&w, 1, 0, 0);
	refuse(s, &w, TFM_UNSUPPORTED, "version 1");
	put_header(&w, 4, 0, 0);
	refuse(s, &w, TFM_UNSUPPORTED, "version 4");
	put_header(&w, 3u << 24, 0, 0);
	refuse(s, &w, TFM_UNSUPPORTED, "big-endian");
	put_header(&w, 3, 0, UINT64_MAX);
	refuse(s, &w, TFM_CORRUPTED, "ends within its metadata");
	put_header(&w, 3, UINT64_MAX, 0);
	refuse(s, &w, TFM_CORRUPTED, "ends within its metadata");
	put_header(&w, 3, 0, 0);
	w.out->data[0] = 'g';
	refuse(s, &w, TFM_CORRUPTED, "not a GGUF file");
}

static void
wrong_values_are_refused(void **state)
{
	scratch *s = *state;
	writer w = begin(s);

	put_header(&w, 3, 0, 1);
	put_key(&w, "k", 13);
	refuse(s, &w, TFM_CORRUPTED, "\"k\" is of the unknown type 13");
	put_header(&w, 3, 0, 1);
	put_key(&w, "", GGUF_UINT8);
	refuse(s, &w, TFM_CORRUPTED, "name of a key");
	put_header(&w, 3, 0, 1);
	put_key(&w, "\xff", GGUF_UINT8);
	refuse(s, &w, TFM_CORRUPTED, "name of a key");
	put_header(&w, 3, 0, 1);
	put_key(&w, "k", GGUF_STRING), put(&w, UINT64_MAX, 8);
	refuse(s, &w, TFM_CORRUPTED, "ends within");
	put_header(&w, 3, 0, 1);
	put_array(&w, "k", GGUF_UINT64, (uint64_t) 1 << 61);
	refuse(s, &w, TFM_CORRUPTED, "ends within");
	put_header(&w, 3, 0, 1);
	put_array(&w, "k", 77, 0);
	refuse(s, &w, TFM_CORRUPTED, "array of an unknown type");
	put_header(&w, 3, 0, 1);
	put_array(&w, "k", GGUF_ARRAY, 1);
	for (int i = 0; i < 9; i++)
		put(&w, GGUF_ARRAY, 4), put(&w, 1, 8);
	refuse(s, &w, TFM_CORRUPTED, "nested too deeply");
	put_header(&w, 3, 0, 2);
	put_key(&w, "k", GGUF_UINT8), put(&w, 1, 1);
	put_key(&w, "k", GGUF_UINT8), put(&w, 1, 1);
	refuse(s, &w, TFM_CORRUPTED, "\"k\" is there twice");
	put_header(&w, 3, 0, 1);
	put_key(&w, "general.alignment", GGUF_UINT32), put(&w, 48, 4);
	refuse(s, &w, TFM_CORRUPTED, "power of two");
	put_header(&w, 3, 0, 1);
	put_key(&w, "general.alignment", GGUF_UINT32), put(&w, 0, 4);
	refuse(s, &w, TFM_CORRUPTED, "\"general.alignment\"");
}

static void
wrong_tensors_are_refused(void **state)
{
	static const struct
	{
		uint32_t type;
		uint64_t offset, width, height;
		const char *says;
	} tensors[] = {
		{GGML_F32, 0, 64, 1000, "\"t\" lies beyond the end"},
		{GGML_F32, 1 << 20, 1, 1, "\"t\" lies beyond the end"},
		{GGML_F32, 16, 1, 1, "\"t\" is not aligned"},
		{GGML_Q8_0, 0, 33, 1, "\"t\" does not consist of whole blocks"},
		{GGML_F32, 0, (uint64_t) 1 << 40, (uint64_t) 1 << 40, "\"t\" is too large"},
		{GGML_F64, 0, (uint64_t) 1 << 62, 1, "\"t\" is too large"},
		{GGML_F32, 0, UINT64_MAX, 0, "\"t\" is too large"},
	};
	scratch *s = *state;
	writer w = begin(s);

	for (size_t i = 0; i < sizeof(tensors) / sizeof(tensors[0]); i++)
	{
		put_header(&w, 2, 1, 0);
		put_tensor(&w, "t", tensors[i].type, tensors[i].offset, tensors[i].width,
				   tensors[i].height);
		refuse(s, &w, TFM_CORRUPTED, tensors[i].says);
	}
	put_header(&w, 2, 1, 0);
	put_string(&w, "t"), put(&w, 5, 4);
	refuse(s, &w, TFM_UNSUPPORTED, "\"t\" has more than 4 dimensions");
	put_header(&w, 2, 2, 0);
	put_tensor(&w, "t", GGML_I8, 0, 1, 1);
	put_tensor(&w, "t", GGML_I8, 0, 1, 1);
	refuse(s, &w, TFM_CORRUPTED, "\"t\" is there twice");
	put_header(&w, 2, 1, 0);
	put_tensor(&w, "t", 99, 0, 7, 1);
	while (w.out->length < 256)
		put(&w, 0, 1);
	assert_int_equal(open_written(s, &w)->tensors[0].length, 0);
}

static bool
open_path(tfm_context *context, void *path)
{
	size_t count;
	ckpt_gguf *g = ckpt_open_gguf(context, path);

	return g != NULL && ckpt_gguf_strings(context, g, "strings", &count) != NULL &&
		   ckpt_gguf_floats(context, g, "floats", &count) != NULL;
}

static void
lack_of_memory_is_an_error(void **state)
{
	scratch *s = *state;
	writer w = begin(s);

	put_all(&w);
	assert_int_equal(oom_run_all(open_path, scratch_write(s, "x.gguf", w.out->data, w.out->length)),
					 TFM_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(values_are_read),			 scratch_test(arrays_are_read),
		scratch_test(tensors_are_found),		 scratch_test(short_files_are_refused),
		scratch_test(wrong_headers_are_refused), scratch_test(wrong_values_are_refused),
		scratch_test(wrong_tensors_are_refused), scratch_test(lack_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
