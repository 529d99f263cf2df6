/*
 * image_format.h
 *	  The bytes of a model image, shared by its reader and its writer only.
 *
 * header | sections and weights, each at its alignment | directory
 *
 * The directory holds, without gaps: the rows of the sections, the rows of the weights, the slots
 * of a hash table over the weights, and the names.  It is written after the data, and the header
 * last of all, so that a file without a header is all that a crash can leave.
 *
 * All numbers are in the byte order of the machine, which the header tells: an image is made where
 * it is used, and never leaves.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_CHECKPOINT_IMAGE_FORMAT_H
#define TFM_CHECKPOINT_IMAGE_FORMAT_H

#include "base/sha256.h"
#include "base/size.h"
#include "checkpoint/image.h"

#define IMAGE_MAGIC "tfmimage"
#define IMAGE_MAGIC_LENGTH 8
#define IMAGE_BYTE_ORDER UINT32_C(0x01020304)

typedef struct image_header
{
	char magic[IMAGE_MAGIC_LENGTH];
	uint32_t byte_order;
	uint32_t version;
	uint64_t file_size;
	uint64_t directory_offset; /* the directory is the end of the file */
	uint32_t section_count;
	uint32_t weight_count;
	uint32_t slot_count;			/* a power of two above weight_count */
	uint32_t names_length;			/* bytes of the names, each with its zero */
	uint64_t unused[2];				/* zero */
	char digest[SHA256_HEX_LENGTH]; /* of the header before it, then of the directory */
} image_header;

_Static_assert(sizeof(image_header) == 128, "an image's header has no holes");

typedef struct image_section_row
{
	uint64_t offset; /* from the start of the file */
	uint64_t length;
	uint64_t name; /* offset in the names */
} image_section_row;

typedef struct image_weight_row
{
	uint64_t offset;
	uint64_t length;
	int64_t shape[TENSOR_MAX_RANK]; /* zero beyond the rank */
	uint32_t name;
	uint32_t dtype;
	uint32_t layout;
	uint32_t rank;
} image_weight_row;

/* A slot is a weight's index plus one, 0 where it is free; collisions take the next slot. */
typedef uint32_t image_slot;

/* FNV-1a over the name, then the layout: a weight may be there in more than one. */
static inline uint64_t
image_hash(const char *name, uint32_t layout)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char) *name) * UINT64_C(0x100000001b3);
	return (hash ^ layout) * UINT64_C(0x100000001b3);
}

/* Whether length bytes are what the weight of a row takes. */
static inline bool
image_length_fits(const image_weight_row *row, size_t length)
{
	size_t size;

	return row->rank <= TENSOR_MAX_RANK &&
		   weight_size((tfm_dtype) row->dtype, (weight_layout) row->layout, (int) row->rank,
					   row->shape, &size) &&
		   size == length;
}

/* The digest that the header must hold, over it and its directory. */
static inline bool
image_digest(tfm_context *context, const image_header *header, const void *directory,
			 size_t directory_length, char hex[SHA256_HEX_LENGTH + 1])
{
	sha256 *hash = sha256_create(context);

	return hash != NULL && sha256_update(context, hash, header, offsetof(image_header, digest)) &&
		   sha256_update(context, hash, directory, directory_length) &&
		   sha256_finish(context, hash, hex);
}

#endif
