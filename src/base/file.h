/*
 * file.h
 *	  Files, with errors that name them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_BASE_FILE_H
#define TFM_BASE_FILE_H

#include "base/context.h"

/*
 * Record the operating system's error number about a file: TFM_FILE_NOT_FOUND,
 * TFM_PERMISSION_DENIED, TFM_DISK_FULL (also for a file larger than this process may write),
 * TFM_OUT_OF_MEMORY or TFM_IO, "could not <action> file "path": reason".
 */
extern bool file_fail(tfm_context *context, int error_number, const char *action, const char *path);

/* directory/name in the context's arena; NULL if memory is out. */
extern char *file_join(tfm_context *context, const char *directory, const char *name);

/* Whether a name is that of an entry of a directory: not empty, no path, not "." or "..". */
extern bool file_name_is_plain(const char *name);

/* Whether there is something at path (that can be seen). */
extern bool file_exists(const char *path);

/*
 * The whole of a regular file of at most limit bytes, zero-terminated beyond *length, in the
 * context's arena.  NULL on error; TFM_LIMIT_EXCEEDED if the file is larger.
 */
extern char *file_read(tfm_context *context, const char *path, size_t limit, size_t *length);

/* As file_read, but a file that is not there is NULL without an error. */
extern char *file_read_optional(tfm_context *context, const char *path, size_t limit,
								size_t *length);

/* A file open for reading at any place; closed with the context's arena. */
typedef struct file
{
	int descriptor;
	size_t size; /* bytes when it was opened */
	const char *path;
} file;

/*
 * Open a regular file; NULL on error.  TFM_CORRUPTED if it does not lie in the context's root, where
 * that is set.
 */
extern file *file_open(tfm_context *context, const char *path);

/*
 * Read exactly length bytes at offset.  A file that has become shorter is TFM_CORRUPTED: what
 * others may change is read, never mapped, so that it cannot take the process down.
 */
extern bool file_read_at(tfm_context *context, const file *f, size_t offset, void *bytes,
						 size_t length);

/*
 * Map a file that only we write, read-only and shared; unmapped with the context's arena.
 * NULL on error; an empty file is an error.
 */
extern const void *file_map(tfm_context *context, const char *path, size_t *length);

#endif
