/*
 * gguf.c
 *	  Any bytes as a GGUF file: it is refused, or all its values and tensors can be read, and the
 *	  configuration and the weights that are made of them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE
#include "checkpoint/gguf_config.h"
#include "checkpoint/gguf_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_LIMIT ((size_t) 256 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void
expect(bool holds)
{
	if (!holds)
		abort();
}

/* Touch everything that a value says it has; returns a sum, so that nothing is left out. */
static uint64_t
read_value(const ckpt_gguf_value *value)
{
	uint64_t sum = (uint64_t) ckpt_gguf_as_int(value) + (ckpt_gguf_as_double(value) > 0);
	size_t position = 0;
	uint64_t items = 0;
	ckpt_gguf_value item;

	for (size_t i = 0; i < value->length; i++)
		sum += (unsigned char) value->bytes[i];
	for (; ckpt_gguf_next(value, &position, &item); items++)
		sum += read_value(&item);
	expect(value->type != GGUF_ARRAY || (items == value->count && position == value->length));
	return sum;
}

static void
read_entry(tfm_context *context, const ckpt_gguf *gguf, const ckpt_gguf_entry *entry)
{
	char *key = tfm_strndup(context, entry->key.data, entry->key.length);
	size_t count;

	expect(ckpt_gguf_find(gguf, key) == &entry->value);
	read_value(&entry->value);
	ckpt_gguf_int(context, gguf, key, 0, INT64_MIN, INT64_MAX);
	ckpt_gguf_double(context, gguf, key, 0);
	ckpt_gguf_bool(context, gguf, key, false);
	tfm_clear_error(context);
	ckpt_gguf_string(context, gguf, key, "");
	tfm_clear_error(context);
	ckpt_gguf_strings(context, gguf, key, &count);
	tfm_clear_error(context);
	ckpt_gguf_ints(context, gguf, key, &count);
	tfm_clear_error(context);
	ckpt_gguf_floats(context, gguf, key, &count);
	tfm_clear_error(context);
}

static void
read_tensor(tfm_context *context, const ckpt_gguf *gguf, const ckpt_gguf_tensor *t, size_t size)
{
	char *name = tfm_strndup(context, t->name.data, t->name.length);

	expect(ckpt_gguf_find_tensor(gguf, name) == t);
	expect(t->offset <= size && t->length <= size - t->offset);
	expect(t->length > 0 || ckpt_ggml_layout_of(t->type) == NULL || t->shape[0] == 0 ||
		   t->shape[1] == 0 || t->shape[2] == 0 || t->shape[3] == 0);
}

/* What there is not is an error of the file, or of memory that it asks for. */
static void
expect_refusal(tfm_context *context)
{
	expect(context->error.kind != TFM_INTERNAL);
	tfm_clear_error(context);
}

static void
read_checkpoint(tfm_context *context, const char *path)
{
	const ckpt_gguf_parts *gguf = ckpt_open_gguf_parts(context, path);
	const ckpt_weights *weights;
	size_t length;

	if (gguf == NULL)
	{
		expect_refusal(context);
		return;
	}
	ckpt_gguf_config(context, gguf, &length);
	expect_refusal(context);
	ckpt_gguf_generation_config(context, gguf, &length);
	expect_refusal(context);
	weights = ckpt_open_gguf_weights(context, gguf);
	for (size_t i = 0; weights != NULL && i < ckpt_count(weights); i++)
	{
		const ckpt_tensor *t = ckpt_at(weights, i);
		arena_mark mark = arena_save(context->arena);
		float *values =
			ckpt_is_float(t->dtype)
				? tfm_alloc_array(context, (size_t) ckpt_count_elements(t), sizeof(float))
				: NULL;

		expect(ckpt_find(weights, t->name) == t);
		expect(values == NULL || ckpt_read_f32(context, t, values));
		expect_refusal(context);
		arena_restore(context->arena, mark);
	}
	expect_refusal(context);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	tfm_context context = {.arena = arena_create(MEMORY_LIMIT)};
	int descriptor = memfd_create("input", MFD_CLOEXEC);
	char path[64];
	ckpt_gguf *gguf;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
	expect(descriptor >= 0 && write(descriptor, bytes, length) == (ssize_t) length);
	gguf = ckpt_open_gguf(&context, path);
	for (size_t i = 0; gguf != NULL && i < gguf->entry_count; i++)
		read_entry(&context, gguf, &gguf->entries[i]);
	for (size_t i = 0; gguf != NULL && i < gguf->tensor_count; i++)
		read_tensor(&context, gguf, &gguf->tensors[i], length);
	expect(gguf != NULL || context.error.kind == TFM_CORRUPTED ||
		   context.error.kind == TFM_UNSUPPORTED || context.error.kind == TFM_OUT_OF_MEMORY);
	tfm_clear_error(&context);
	read_checkpoint(&context, path);
	arena_destroy(context.arena);
	close(descriptor);
	return 0;
}
