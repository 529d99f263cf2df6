/*
 * locate.h
 *	  Where on disk a checkpoint is.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_PG_LOCATE_H
#define TFM_PG_LOCATE_H

#include "postgres.h"

/*
 * The directory of a checkpoint, palloc'ed: of an absolute path itself; of an id, looked up under
 * the directories of tfm.model_path as "org/name" and as "models--org--name" of a Hugging Face
 * cache.  Where the directory is that of a model in such a cache, it is the snapshot that refs/main
 * names, or the only one.  NULL if there is no such id.
 */
extern char *locate_checkpoint(const char *path);

/* Whether a name is an absolute path, or could be an id: parts that are neither empty nor hidden. */
extern bool locate_is_absolute(const char *name);
extern bool locate_is_id(const char *name);

#endif
