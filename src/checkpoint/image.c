/*
 * image.c
 *	  Opening a model image and finding what is in it.
 *
 * Opening reads the header and the directory only, and makes one array: the
 * weights as the models see them.  Nothing in the file is trusted, though only
 * we write it: a damaged disk must not become a crash.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/image.h"

#include <string.h>

#include "base/file.h"
#include "checkpoint/image_format.h"

struct image
{
	const char *path;
	const char *bytes;
	size_t length;
	const image_header *header;
	const image_section_row *sections;
	const image_weight_row *rows;
	const image_slot *slots;
	const char *names;
	weight *weights; /* [weight_count], in the order of the rows */
};

static bool
fail_damaged(tfm_context *context, const char *path, const char *what)
{
	tfm_fail(context, TFM_CORRUPTED, "model image \"%s\" is damaged: %s", path, what);
	return tfm_hint(context, "Load the model again to compile a new image.");
}

/* What can be told before the directory is known. */
static bool
check_header(tfm_context *context, const image *i)
{
	const image_header *header = i->header;

	if (i->length < sizeof(image_header))
		return fail_damaged(context, i->path, "it is too short");
	if (memcmp(header->magic, IMAGE_MAGIC, IMAGE_MAGIC_LENGTH) != 0)
		return fail_damaged(context, i->path, "it does not begin as an image does");
	if (header->byte_order != IMAGE_BYTE_ORDER || header->version != IMAGE_VERSION)
	{
		tfm_fail(context, TFM_CORRUPTED, "model image \"%s\" was made by another version", i->path);
		tfm_detail(context, "It has version %u; this is version %u.", header->version,
				   IMAGE_VERSION);
		return tfm_hint(context, "Load the model again to compile a new image.");
	}
	if (header->file_size != i->length)
		return fail_damaged(context, i->path, "its length is not what its header says");
	return true;
}

/* Find the parts of the directory, which must fill the file's end exactly. */
static bool
find_directory(tfm_context *context, image *i)
{
	const image_header *header = i->header;
	size_t offset = header->directory_offset;
	/* No overflow: counts have 32 bits, and rows less than 100 bytes. */
	size_t sections = (size_t) header->section_count * sizeof(image_section_row);
	size_t rows = (size_t) header->weight_count * sizeof(image_weight_row);
	size_t slots = (size_t) header->slot_count * sizeof(image_slot);

	if (offset < sizeof(image_header) || offset > i->length ||
		offset % IMAGE_WEIGHT_ALIGNMENT != 0 ||
		i->length - offset != sections + rows + slots + header->names_length)
		return fail_damaged(context, i->path, "its directory is not at its end");
	if (header->slot_count <= header->weight_count ||
		(header->slot_count & (header->slot_count - 1)) != 0)
		return fail_damaged(context, i->path, "its table of weights has a wrong size");
	i->sections = (const image_section_row *) (i->bytes + offset);
	i->rows = (const image_weight_row *) (i->bytes + offset + sections);
	i->slots = (const image_slot *) (i->bytes + offset + sections + rows);
	i->names = i->bytes + offset + sections + rows + slots;
	if (header->names_length > 0 && i->names[header->names_length - 1] != '\0')
		return fail_damaged(context, i->path, "its last name does not end");
	return true;
}

static bool
check_digest(tfm_context *context, const image *i)
{
	size_t offset = i->header->directory_offset;
	char digest[SHA256_HEX_LENGTH + 1];

	if (!image_digest(context, i->header, i->bytes + offset, i->length - offset, digest))
		return false;
	if (memcmp(digest, i->header->digest, SHA256_HEX_LENGTH) != 0)
		return fail_damaged(context, i->path, "its directory does not match its checksum");
	return true;
}

/* Whether bytes lie between header and directory. */
static bool
is_in_data(const image *i, uint64_t offset, uint64_t length)
{
	return offset >= sizeof(image_header) && offset <= i->header->directory_offset &&
		   length <= i->header->directory_offset - offset;
}

static bool
check_sections(tfm_context *context, const image *i)
{
	for (uint32_t n = 0; n < i->header->section_count; n++)
		if (i->sections[n].name >= i->header->names_length ||
			!is_in_data(i, i->sections[n].offset, i->sections[n].length))
			return fail_damaged(context, i->path, "a section lies outside of it");
	return true;
}

static bool
check_weight(const image *i, const image_weight_row *row)
{
	return row->name < i->header->names_length && is_in_data(i, row->offset, row->length) &&
		   row->offset % IMAGE_WEIGHT_ALIGNMENT == 0 && image_length_fits(row, row->length);
}

/* Make the weights as models see them. */
static bool
build_weights(tfm_context *context, image *i)
{
	uint32_t count = i->header->weight_count;

	i->weights = tfm_alloc_array(context, count, sizeof(weight));
	if (i->weights == NULL)
		return false;
	for (uint32_t n = 0; n < count; n++)
	{
		const image_weight_row *row = &i->rows[n];

		if (!check_weight(i, row))
			return fail_damaged(context, i->path, "a weight's place or shape is wrong");
		i->weights[n] = (weight) {
			.name = i->names + row->name,
			.dtype = (tfm_dtype) row->dtype,
			.layout = (weight_layout) row->layout,
			.rank = (int) row->rank,
			.data = i->bytes + row->offset,
		};
		memcpy(i->weights[n].shape, row->shape, sizeof(row->shape));
	}
	for (uint32_t n = 0; n < i->header->slot_count; n++)
		if (i->slots[n] > count)
			return fail_damaged(context, i->path,
								"its table of weights names one that is not there");
	return true;
}

image *
image_open_bytes(tfm_context *context, const void *bytes, size_t length, const char *path)
{
	image *i = tfm_alloc_zero(context, sizeof(image));

	if (i == NULL || (i->path = tfm_strdup(context, path)) == NULL)
		return NULL;
	i->bytes = bytes;
	i->length = length;
	i->header = bytes;
	if (!check_header(context, i) || !find_directory(context, i) || !check_digest(context, i) ||
		!check_sections(context, i) || !build_weights(context, i))
		return NULL;
	return i;
}

image *
image_open(tfm_context *context, const char *path)
{
	size_t length;
	const void *bytes = file_map(context, path, &length);

	return bytes == NULL ? NULL : image_open_bytes(context, bytes, length, path);
}

const void *
image_section(const image *i, const char *name, size_t *length)
{
	for (uint32_t n = 0; n < i->header->section_count; n++)
		if (strcmp(i->names + i->sections[n].name, name) == 0)
		{
			*length = i->sections[n].length;
			return i->bytes + i->sections[n].offset;
		}
	return NULL;
}

const weight *
image_find_weight(const image *i, const char *name, weight_layout layout)
{
	uint32_t mask = i->header->slot_count - 1;
	uint32_t slot = (uint32_t) image_hash(name, layout) & mask;

	/* Some slot is free, but for a damaged table: look at each once at most. */
	for (uint32_t tries = 0; tries <= mask && i->slots[slot] != 0; tries++)
	{
		const weight *w = &i->weights[i->slots[slot] - 1];

		if (w->layout == layout && strcmp(w->name, name) == 0)
			return w;
		slot = (slot + 1) & mask;
	}
	return NULL;
}

size_t
image_weight_count(const image *i)
{
	return i->header->weight_count;
}

const weight *
image_weight_at(const image *i, size_t index)
{
	return &i->weights[index];
}

size_t
image_weight_length(const image *i, const weight *w)
{
	return i->rows[w - i->weights].length;
}

size_t
image_length(const image *i)
{
	return i->length;
}
