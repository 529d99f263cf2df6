/*
 * image.c
 *	  Any bytes as a model image, as they are and with what guards an image put right.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/image.h"

#include <stdlib.h>
#include <string.h>

#include "checkpoint/image_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Make magic, version, size and digest what they must be, so that the rest is looked at. */
static void
put_right(tfm_context *context, char *bytes, size_t length)
{
	image_header *header = (image_header *) bytes;
	char digest[SHA256_HEX_LENGTH + 1];

	if (length < sizeof(image_header))
		return;
	memcpy(header->magic, IMAGE_MAGIC, IMAGE_MAGIC_LENGTH);
	header->byte_order = IMAGE_BYTE_ORDER;
	header->version = IMAGE_VERSION;
	header->file_size = length;
	if (header->directory_offset > length)
		return;
	if (!image_digest(context, header, bytes + header->directory_offset,
					  length - header->directory_offset, digest))
		abort();
	memcpy(header->digest, digest, SHA256_HEX_LENGTH);
}

static unsigned
sum_bytes(const void *bytes, size_t length)
{
	unsigned sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += ((const unsigned char *) bytes)[i];
	return sum;
}

static void
open_image(tfm_context *context, const char *bytes, size_t length)
{
	image *i = image_open_bytes(context, bytes, length, "input");
	unsigned sum = 0;
	size_t n;

	if (i == NULL && context->error.kind != TFM_CORRUPTED)
		abort();
	tfm_clear_error(context);
	for (size_t k = 0; i != NULL && k < image_weight_count(i); k++)
	{
		const weight *w = image_weight_at(i, k);
		const weight *found = image_find_weight(i, w->name, w->layout);
		const void *section = image_section(i, w->name, &n);

		sum += sum_bytes(w->data, image_weight_length(i, w));
		sum += section == NULL ? 0 : sum_bytes(section, n);
		if (found != NULL && strcmp(found->name, w->name) != 0)
			abort();
	}
	if (i != NULL && image_section(i, "config.json", &n) != NULL)
		sum += sum_bytes(image_section(i, "config.json", &n), n);
	__asm__ volatile("" : : "r"(sum)); /* the bytes are read though nobody wants the sum */
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	tfm_context context = {.arena = arena_create(0)};
	char *copy = NULL;

	/* The end of the image is the end of what was allocated. */
	if (posix_memalign((void **) &copy, 64, length > 0 ? length : 1) != 0)
		abort();
	if (length > 0)
		memcpy(copy, bytes, length);
	open_image(&context, copy, length);
	put_right(&context, copy, length);
	open_image(&context, copy, length);
	arena_destroy(context.arena);
	free(copy);
	return 0;
}
