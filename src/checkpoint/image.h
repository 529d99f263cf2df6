/*
 * image.h
 *	  The compiled image of a model: one file of named sections and weights that every process
 *	  maps read-only.
 *
 * The reader is image.c, the writer image_writer.c, the bytes are described in image_format.h.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_CHECKPOINT_IMAGE_H
#define TFM_CHECKPOINT_IMAGE_H

#include "base/context.h"
#include "tensor/tensor.h"

/*
 * Raise with every change to the file's format, to a weight layout or to what a section means, and
 * with families that a release adds, whose checkpoints had images without weights before: an image of
 * another version is compiled again.
 */
#define IMAGE_VERSION 4

/*
 * Weights lie at multiples of 64 bytes: a cache line and the widest vector load.  More (a page)
 * would gain nothing, as no part of an image is mapped alone, and wastes two KB for each bias.
 */
#define IMAGE_WEIGHT_ALIGNMENT 64
#define IMAGE_MAX_ALIGNMENT 4096

/* ---- Reading ---- */

typedef struct image image;

/*
 * Map an image and check its header and directory; sections are not read.  The image, and all that
 * the functions below return, lives until the context's arena is released.  NULL on error:
 * FILE_NOT_FOUND, CORRUPTED (truncated, damaged, not an image, another version), ...
 */
extern image *image_open(tfm_context *context, const char *path);

/* The same for bytes in memory (aligned to 64), which must outlive the image; path is for messages. */
extern image *image_open_bytes(tfm_context *context, const void *bytes, size_t length,
							   const char *path);

/* A section, zero bytes long or more; NULL if there is none of that name (not an error). */
extern const void *image_section(const image *i, const char *name, size_t *length);

/* The weight of that name in that layout; NULL if there is none (not an error). */
extern const weight *image_find_weight(const image *i, const char *name, weight_layout layout);

/* All weights in the order in which they were written: index is 0..image_weight_count - 1. */
extern size_t image_weight_count(const image *i);
extern const weight *image_weight_at(const image *i, size_t index);

/* Bytes of a weight of this image, as weight_size gives them. */
extern size_t image_weight_length(const image *i, const weight *w);

/* Bytes of the file. */
extern size_t image_length(const image *i);

/* ---- Writing ---- */

typedef struct image_writer image_writer;

/*
 * Start an image that is to appear at path.  It is written to "path.PID.N.tmp" beside it, which is
 * removed if the context's arena is released before image_finish.  The writer records its errors in
 * context, and all functions do nothing once there is one.  NULL on error.
 */
extern image_writer *image_create(tfm_context *context, const char *path);

/*
 * A section: begin, write any number of times, end.  Names are not empty and not used twice;
 * a section starts at a multiple
 * of alignment, a power of two of at most IMAGE_MAX_ALIGNMENT, and of 64 in any case.  Errors: DISK_FULL, CANCELLED, IO;
 * INTERNAL for a wrong order of calls or a name used twice.
 */
extern bool image_begin_section(image_writer *w, const char *name, size_t alignment);
extern bool image_write(image_writer *w, const void *bytes, size_t length);
extern bool image_end_section(image_writer *w);

/* The same for a weight: name, dtype, layout, rank and shape are taken from source, its data is not. */
extern bool image_begin_weight(image_writer *w, const weight *source);
extern bool image_end_weight(image_writer *w);

/* A whole section; a whole weight with its length bytes at source->data. */
extern bool image_add_section(image_writer *w, const char *name, const void *bytes, size_t length);
extern bool image_add_weight(image_writer *w, const weight *source, size_t length);

/*
 * Write directory and header, make the file durable and give it its name, replacing one that is
 * there.  The image at path is whole at every moment; the writer is of no more use.
 */
extern bool image_finish(image_writer *w);

/*
 * Remove temporary files, and folders named like them ("NAME.PID.N.tmp"), that writers which no longer
 * live have left in a directory.  What cannot be removed stays, without an error.
 */
extern bool image_remove_leftovers(tfm_context *context, const char *directory);

/*
 * Remove a folder with the files of a checkpoint, and the folders of its modules.  Symbolic links are
 * not followed; whether it is gone.
 */
extern bool image_remove_folder(const char *path);

#endif
