/*
 * gguf_parts.h
 *	  A GGUF checkpoint: one file, or the parts of a split one, "name-00001-of-00003.gguf".
 *
 * The first part has the metadata, each has some of the tensors.  Any of them stands for all.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_CHECKPOINT_GGUF_PARTS_H
#define TFM_CHECKPOINT_GGUF_PARTS_H

#include "checkpoint/gguf.h"

#define GGUF_MAX_PARTS 1000 /* each takes a file descriptor */

/* Parts that the name of a file tells of; 1 for any other name. */
extern int ckpt_gguf_count_parts(const char *path);

/* The path of the part number part, 1 for the first, beside path; a name of another kind is itself. */
extern const char *ckpt_gguf_part_path(tfm_context *context, const char *path, int part);

/* All parts, opened; in the arena of the context that opened them. */
typedef struct ckpt_gguf_parts
{
	const ckpt_gguf *first;	 /* has the metadata */
	const ckpt_gguf **parts; /* [count] */
	int count;
} ckpt_gguf_parts;

/*
 * Open a file, or all parts of a split one, whichever of them path names.  NULL on error: those of
 * ckpt_open_gguf; FILE_NOT_FOUND for a part that is missing; CORRUPTED for parts that are not of one
 * model; LIMIT_EXCEEDED for more than GGUF_MAX_PARTS.
 */
extern ckpt_gguf_parts *ckpt_open_gguf_parts(tfm_context *context, const char *path);

/* The tensor of that name in any part; NULL if there is none (not an error). */
extern const ckpt_gguf_tensor *ckpt_gguf_parts_find(const ckpt_gguf_parts *parts, const char *name);

#endif
