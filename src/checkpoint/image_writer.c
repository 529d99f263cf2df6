/*
 * image_writer.c
 *	  Writing a model image, so that it appears whole or not at all.
 *
 * The bytes go to a temporary file beside the image.  Rows and names are kept in
 * memory and written when the data is complete; the header comes last, then
 * fsync, rename, and fsync of the directory.  Two writers of the same image do
 * not meet: each has a temporary file of its own, and the later rename wins.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "checkpoint/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "checkpoint/image_format.h"

#define PIECE_SIZE ((size_t) 1024 * 1024)
#define MAX_TEMPORARIES 1000 /* names tried before giving up */

typedef enum part_kind
{
	PART_NONE,
	PART_SECTION,
	PART_WEIGHT
} part_kind;

struct image_writer
{
	tfm_context *context;
	const char *path;
	char *temporary; /* its name; NULL once it is renamed or removed */
	int descriptor;	 /* -1: closed */
	part_kind part;	 /* what has begun and not ended */
	image_section_row section;
	image_weight_row weight;
	size_t offset; /* bytes of the file so far, those in piece included */
	char *piece;   /* [PIECE_SIZE], bytes not yet written */
	size_t piece_used;
	buffer *sections; /* image_section_row, in order */
	buffer *weights;  /* image_weight_row, in order */
	buffer *names;
};

/* Close and remove the temporary file. */
static void
discard_file(void *argument)
{
	image_writer *w = argument;

	if (w->descriptor >= 0)
		close(w->descriptor);
	w->descriptor = -1;
	if (w->temporary != NULL)
		unlink(w->temporary);
	w->temporary = NULL;
}

/* Record errno about the temporary file, which is of no more use. */
static bool
fail_file(image_writer *w, const char *action)
{
	file_fail(w->context, errno, action, w->temporary);
	discard_file(w);
	return false;
}

static bool
fail_order(image_writer *w, const char *what)
{
	return tfm_fail(w->context, TFM_INTERNAL, "model image \"%s\": %s", w->path, what);
}

static bool
is_usable(const image_writer *w)
{
	return w != NULL && !tfm_failed(w->context) && w->descriptor >= 0;
}

/* ---- Bytes ---- */

static bool
write_bytes(image_writer *w, const char *bytes, size_t length)
{
	while (length > 0)
	{
		size_t n = length < PIECE_SIZE ? length : PIECE_SIZE;
		ssize_t written;

		if (tfm_stopped(w->context))
			return false;
		written = write(w->descriptor, bytes, n);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return fail_file(w, "write");
		bytes += written;
		length -= (size_t) written;
	}
	return true;
}

static bool
flush_piece(image_writer *w)
{
	size_t n = w->piece_used;

	w->piece_used = 0;
	return write_bytes(w, w->piece, n);
}

/* Append to the file; short writes are collected. */
static bool
put_bytes(image_writer *w, const void *bytes, size_t length)
{
	if (length > PIECE_SIZE - w->piece_used && !flush_piece(w))
		return false;
	if (length > PIECE_SIZE)
	{
		if (!write_bytes(w, bytes, length))
			return false;
	}
	else if (length > 0)
	{
		memcpy(w->piece + w->piece_used, bytes, length);
		w->piece_used += length;
	}
	w->offset += length;
	return true;
}

static bool
align_to(image_writer *w, size_t alignment)
{
	static const char zeros[IMAGE_MAX_ALIGNMENT];

	return put_bytes(w, zeros, size_round_up(w->offset, alignment) - w->offset);
}

/* ---- Begin ---- */

static bool
open_temporary(image_writer *w)
{
	for (int n = 0; n < MAX_TEMPORARIES; n++)
	{
		w->temporary = tfm_sprintf(w->context, "%s.%ld.%d.tmp", w->path, (long) getpid(), n);
		if (w->temporary == NULL)
			return tfm_fail(w->context, TFM_OUT_OF_MEMORY, "out of memory");
		w->descriptor = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (w->descriptor >= 0)
			return true;
		if (errno != EEXIST)
			break;
	}
	file_fail(w->context, errno, "create", w->temporary);
	w->temporary = NULL; /* not ours to remove */
	return false;
}

image_writer *
image_create(tfm_context *context, const char *path)
{
	image_writer *w = tfm_alloc_zero(context, sizeof(image_writer));
	image_header unfinished = {0};

	if (w == NULL)
		return NULL;
	w->context = context;
	w->descriptor = -1;
	w->path = tfm_strdup(context, path);
	w->piece = tfm_alloc(context, PIECE_SIZE);
	w->sections = buffer_create(context);
	w->weights = buffer_create(context);
	w->names = buffer_create(context);
	if (!arena_on_release(context->arena, discard_file, w))
		tfm_fail(context, TFM_OUT_OF_MEMORY, "out of memory");
	if (tfm_failed(context) || !open_temporary(w) || !put_bytes(w, &unfinished, sizeof(unfinished)))
		return NULL;
	return w;
}

/* ---- Sections and weights ---- */

/* Begin a part: its name is kept, its data starts at the alignment. */
static bool
begin_part(image_writer *w, part_kind part, const char *name, size_t alignment)
{
	if (!is_usable(w))
		return false;
	if (w->part != PART_NONE)
		return fail_order(w, "a section begins before the last one ended");
	if (name[0] == '\0' || (alignment & (alignment - 1)) != 0 || alignment > IMAGE_MAX_ALIGNMENT)
		return fail_order(w, "a section has no name or a wrong alignment");
	if (w->names->length > UINT32_MAX / 2 || strlen(name) > UINT32_MAX / 4)
		return tfm_fail(w->context, TFM_LIMIT_EXCEEDED, "model image \"%s\" has too many names",
						w->path);
	if (!align_to(w, alignment > IMAGE_WEIGHT_ALIGNMENT ? alignment : IMAGE_WEIGHT_ALIGNMENT) ||
		!buffer_append(w->context, w->names, name, strlen(name) + 1))
		return false;
	w->part = part;
	return true;
}

static bool
has_section(const image_writer *w, const char *name)
{
	const image_section_row *rows = (const image_section_row *) w->sections->data;
	size_t count = w->sections->length / sizeof(image_section_row);

	for (size_t n = 0; n < count; n++)
		if (strcmp(w->names->data + rows[n].name, name) == 0)
			return true;
	return false;
}

bool
image_begin_section(image_writer *w, const char *name, size_t alignment)
{
	if (!is_usable(w))
		return false;
	if (has_section(w, name))
		return fail_order(w, "a section's name is used twice");
	w->section.name = w->names->length;
	if (!begin_part(w, PART_SECTION, name, alignment))
		return false;
	w->section.offset = w->offset;
	return true;
}

bool
image_begin_weight(image_writer *w, const weight *source)
{
	image_weight_row row = {
		.dtype = source->dtype,
		.layout = source->layout,
		.rank = (uint32_t) source->rank,
	};

	if (!is_usable(w))
		return false;
	if (source->rank < 0 || source->rank > TENSOR_MAX_RANK)
		return fail_order(w, "a weight has too many dimensions");
	memcpy(row.shape, source->shape, (size_t) source->rank * sizeof(row.shape[0]));
	row.name = (uint32_t) w->names->length;
	if (!begin_part(w, PART_WEIGHT, source->name, IMAGE_WEIGHT_ALIGNMENT))
		return false;
	row.offset = w->offset;
	w->weight = row;
	return true;
}

bool
image_write(image_writer *w, const void *bytes, size_t length)
{
	if (!is_usable(w))
		return false;
	if (w->part == PART_NONE)
		return fail_order(w, "bytes are written outside of a section");
	return put_bytes(w, bytes, length);
}

bool
image_end_section(image_writer *w)
{
	if (!is_usable(w))
		return false;
	if (w->part != PART_SECTION)
		return fail_order(w, "a section ends that has not begun");
	w->part = PART_NONE;
	w->section.length = w->offset - w->section.offset;
	return buffer_append(w->context, w->sections, &w->section, sizeof(w->section));
}

bool
image_end_weight(image_writer *w)
{
	if (!is_usable(w))
		return false;
	if (w->part != PART_WEIGHT)
		return fail_order(w, "a weight ends that has not begun");
	w->part = PART_NONE;
	w->weight.length = w->offset - w->weight.offset;
	if (!image_length_fits(&w->weight, w->weight.length))
		return tfm_fail(w->context, TFM_INTERNAL,
						"model image \"%s\": weight \"%s\" was written with %llu bytes", w->path,
						w->names->data + w->weight.name, (unsigned long long) w->weight.length);
	return buffer_append(w->context, w->weights, &w->weight, sizeof(w->weight));
}

bool
image_add_section(image_writer *w, const char *name, const void *bytes, size_t length)
{
	return image_begin_section(w, name, IMAGE_WEIGHT_ALIGNMENT) && image_write(w, bytes, length) &&
		   image_end_section(w);
}

bool
image_add_weight(image_writer *w, const weight *source, size_t length)
{
	return image_begin_weight(w, source) && image_write(w, source->data, length) &&
		   image_end_weight(w);
}

/* ---- Finish ---- */

/* Fill the hash table; false, with an error, if a weight is there twice. */
static bool
fill_slots(image_writer *w, image_slot *slots, uint32_t slot_count)
{
	const image_weight_row *rows = (const image_weight_row *) w->weights->data;
	uint32_t count = (uint32_t) (w->weights->length / sizeof(image_weight_row));

	for (uint32_t n = 0; n < count; n++)
	{
		const char *name = w->names->data + rows[n].name;
		uint32_t slot = (uint32_t) image_hash(name, rows[n].layout) & (slot_count - 1);

		for (; slots[slot] != 0; slot = (slot + 1) & (slot_count - 1))
		{
			const image_weight_row *other = &rows[slots[slot] - 1];

			if (other->layout == rows[n].layout && strcmp(w->names->data + other->name, name) == 0)
				return tfm_fail(w->context, TFM_INTERNAL,
								"model image \"%s\": weight \"%s\" was written twice", w->path,
								name);
		}
		slots[slot] = n + 1;
	}
	return true;
}

/* The directory in memory; the header's counts are set. */
static buffer *
build_directory(image_writer *w, image_header *header)
{
	size_t count = w->weights->length / sizeof(image_weight_row);
	size_t slot_count = 1;
	buffer *directory = buffer_create(w->context);
	image_slot *slots;

	if (directory == NULL)
		return NULL;
	/* Half empty, so that a search looks at two slots in the mean. */
	while (slot_count <= 2 * count)
		slot_count *= 2;
	slots = tfm_alloc_zero(w->context, slot_count * sizeof(image_slot));
	if (slots == NULL || !fill_slots(w, slots, (uint32_t) slot_count))
		return NULL;
	header->section_count = (uint32_t) (w->sections->length / sizeof(image_section_row));
	header->weight_count = (uint32_t) count;
	header->slot_count = (uint32_t) slot_count;
	header->names_length = (uint32_t) w->names->length;
	if (!buffer_append(w->context, directory, w->sections->data, w->sections->length) ||
		!buffer_append(w->context, directory, w->weights->data, w->weights->length) ||
		!buffer_append(w->context, directory, slots, slot_count * sizeof(image_slot)) ||
		!buffer_append(w->context, directory, w->names->data, w->names->length))
		return NULL;
	return directory;
}

static bool
write_directory(image_writer *w, image_header *header)
{
	char digest[SHA256_HEX_LENGTH + 1];
	buffer *directory;

	memcpy(header->magic, IMAGE_MAGIC, IMAGE_MAGIC_LENGTH);
	header->byte_order = IMAGE_BYTE_ORDER;
	header->version = IMAGE_VERSION;
	if (!align_to(w, IMAGE_WEIGHT_ALIGNMENT))
		return false;
	header->directory_offset = w->offset;
	directory = build_directory(w, header);
	if (directory == NULL || !put_bytes(w, directory->data, directory->length) || !flush_piece(w))
		return false;
	header->file_size = w->offset;
	if (!image_digest(w->context, header, directory->data, directory->length, digest))
		return false;
	memcpy(header->digest, digest, SHA256_HEX_LENGTH);
	return true;
}

/* Make a rename in the image's directory durable. */
static bool
sync_directory(tfm_context *context, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t) (slash - path);
	char *directory = slash == NULL ? tfm_strdup(context, ".") : tfm_strndup(context, path, length);
	int descriptor, error_number = 0;

	if (directory == NULL)
		return false;
	descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (descriptor < 0)
		return file_fail(context, errno, "open", directory);
	/* Some file systems do not know fsync of a directory, and do without. */
	if (fsync(descriptor) != 0 && errno != EINVAL && errno != EBADF)
		error_number = errno;
	close(descriptor);
	return error_number == 0 || file_fail(context, error_number, "fsync", directory);
}

static bool
rename_file(image_writer *w)
{
	int descriptor = w->descriptor;

	if (fsync(descriptor) != 0)
		return fail_file(w, "fsync");
	w->descriptor = -1;
	if (close(descriptor) != 0)
		return fail_file(w, "close");
	if (rename(w->temporary, w->path) != 0)
		return fail_file(w, "rename");
	w->temporary = NULL;
	return sync_directory(w->context, w->path);
}

bool
image_finish(image_writer *w)
{
	image_header header = {0};
	ssize_t written;

	if (!is_usable(w))
		return false;
	if (w->part != PART_NONE)
		return fail_order(w, "it is finished before its last section ended");
	if (!write_directory(w, &header))
		return false;
	written = pwrite(w->descriptor, &header, sizeof(header), 0);
	if (written >= 0 && written < (ssize_t) sizeof(header))
		errno = ENOSPC;
	if (written != (ssize_t) sizeof(header))
		return fail_file(w, "write");
	return rename_file(w);
}
