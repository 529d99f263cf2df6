/*
 * safetensors.c
 *	  Any bytes as a safetensors file: it is refused, or all its tensors can be read.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checkpoint/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void
read_tensors(tfm_context *context, const ckpt_header *header, size_t file_size)
{
	for (size_t i = 0; i < header->count; i++)
	{
		const ckpt_tensor *t = &header->tensors[i];
		/* A half of two bytes becomes a float of four; nothing grows more. */
		void *values = tfm_alloc(context, 2 * t->length);

		if (t->offset > file_size || t->length > file_size - t->offset ||
			ckpt_search_header(header, t->name) != t)
			abort();
		ckpt_read_f32(context, t, values);
		if (tfm_failed(context) && context->error.kind != TFM_UNSUPPORTED)
			abort();
		tfm_clear_error(context);
		if (!ckpt_read(context, t, values) && t->dtype != 0)
			abort();
		tfm_clear_error(context);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	tfm_context context = {.arena = arena_create(0)};
	file f = {.descriptor = memfd_create("input", MFD_CLOEXEC), .size = length, .path = "input"};
	ckpt_header header;

	if (f.descriptor < 0 || write(f.descriptor, bytes, length) != (ssize_t) length)
		abort();
	if (ckpt_read_header(&context, &f, &header))
		read_tensors(&context, &header, length);
	else if (context.error.kind != TFM_CORRUPTED && context.error.kind != TFM_UNSUPPORTED)
		abort();
	arena_destroy(context.arena);
	close(f.descriptor);
	return 0;
}
