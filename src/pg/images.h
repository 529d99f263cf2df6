/*
 * images.h
 *	  The compiled images of checkpoints: a folder "tfm" in the data directory.
 *
 *		tfm/<content>[-<dtype>]-<version>.tfm	the image of the checkpoint of that fingerprint, with
 *												weights kept in that type if one is asked for
 *		tfm/sources/<signature>					the fingerprint of files that had that signature
 *		tfm/claims/...							which databases use which images: claims.h
 *
 * All databases of the cluster share it, and nothing in it is precious: what is missing is made
 * again from the checkpoint.  It is no part of the WAL: a standby compiles its own images.
 *
 * The functions record errors in the context; they may also throw PostgreSQL's own.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_IMAGES_H
#define TFM_PG_IMAGES_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "base/sha256.h"
#include "runtime/precision.h"

#define IMAGES_DIRECTORY "tfm"

typedef char image_content[SHA256_HEX_LENGTH + 1];

/* Path of an image, relative to the data directory, and the name of its file; palloc'ed. */
extern char *images_path(const char *content, tfm_dtype dtype);
extern char *images_name(const char *content, tfm_dtype dtype);

/* Whether the image is there. */
extern bool images_exist(const char *content, tfm_dtype dtype);

/*
 * The fingerprint of the checkpoint in a directory.  Remembered by the files' signature; the files
 * are read when that is not known, or when reread is asked for.
 */
extern bool images_fingerprint(tfm_context *context, const char *directory, bool reread,
							   image_content content);

/* Whether a string looks like a fingerprint: so many digits in lower-case hexadecimal. */
extern bool images_is_content(const char *text);

/*
 * Make the image of a checkpoint whose fingerprint is content, unless it is there: of that in
 * directory, or, where directory is NULL, of the one that is stored in this database.  Sessions that
 * want the same one wait for the first.
 */
extern bool images_make(tfm_context *context, const char *directory, const char *content,
						tfm_dtype dtype);

/* Make it even if it is there: it may be damaged in a part that opening does not look at. */
extern bool images_remake(tfm_context *context, const char *directory, const char *content,
						  tfm_dtype dtype);

/*
 * Open the image of content; NULL on error, TFM_FILE_NOT_FOUND if it is not there.  One that is
 * damaged or of another version is removed, and counts as not there.
 */
extern run_model *images_open(tfm_context *context, const char *content, run_precision precision);

/* Bytes of all images, and their number. */
extern int64 images_total(int64 *count);

/*
 * Remove images, and remembered signatures, that were not opened since a time, except the images
 * whose names are in kept (a List of strings), and those that other databases claim.  Bytes freed.
 */
extern int64 images_prune(tfm_context *context, time_t since, List *kept);

/*
 * The paths of what is no more needed when this database uses no images but those whose names are in
 * kept: its claims and their directory, images that no other database claims, signatures of files
 * that have no image.  For a caller that holds the lock on claims exclusively.
 */
extern List *images_list_dropped(List *kept);

#endif
