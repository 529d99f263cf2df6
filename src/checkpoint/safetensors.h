/*
 * safetensors.h
 *	  The weights of a Hugging Face checkpoint: one safetensors file, or a sharded set.
 *
 * Files are read with pread and never mapped: whoever owns the checkpoint may truncate it while we
 * read.  Everything that a header or an index says is checked when it is opened.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_CHECKPOINT_SAFETENSORS_H
#define TFM_CHECKPOINT_SAFETENSORS_H

#include "checkpoint/safetensors_header.h"

/* The tensors of a checkpoint; lives, with its open files, in the arena of who opened it. */
typedef struct ckpt_weights ckpt_weights;

/*
 * Open the weights of a directory: model.safetensors or, where there is none, the shards named by
 * model.safetensors.index.json.  Of a shard only the tensors that the index maps to it are seen; a
 * mapped tensor that its shard lacks is CORRUPTED.  NULL on error; FILE_NOT_FOUND if there are no
 * weights, with a hint where they are only in PyTorch's own format.
 */
extern ckpt_weights *ckpt_open_weights(tfm_context *context, const char *directory);

/* Whether there are any to open (or no memory to look for them). */
extern bool ckpt_has_weights(tfm_context *context, const char *directory);

/* Open a single safetensors file. */
extern ckpt_weights *ckpt_open_file(tfm_context *context, const char *path);

/* Tensors from anywhere, sorted (ckpt_sort_header), as a checkpoint's; source is for messages. */
extern ckpt_weights *ckpt_make_weights(tfm_context *context, const char *source,
									   const ckpt_header *all);

/* The tensor of that name; NULL if there is none (not an error). */
extern const ckpt_tensor *ckpt_find(const ckpt_weights *weights, const char *name);

/* All tensors in the order of their names: index is 0..ckpt_count - 1. */
extern size_t ckpt_count(const ckpt_weights *weights);
extern const ckpt_tensor *ckpt_at(const ckpt_weights *weights, size_t index);

/* The file (or index) that was opened, for messages. */
extern const char *ckpt_source(const ckpt_weights *weights);

/* Elements of a tensor. */
extern int64_t ckpt_count_elements(const ckpt_tensor *t);

/* Of these the smallest number that can be read: see ckpt_read_part. */
extern int64_t ckpt_unit_elements(const ckpt_tensor *t);

/* Whether a type is one of real numbers: elements or blocks of them. */
extern bool ckpt_is_float(tfm_dtype dtype);

/*
 * Read all of a tensor as it is stored into bytes[t->length], polling for interrupts; its rows in the
 * tensor's order.  A type that we do not know is UNSUPPORTED, a file that has become shorter CORRUPTED.
 */
extern bool ckpt_read(tfm_context *context, const ckpt_tensor *t, void *bytes);

/*
 * Read all of a tensor of real numbers as float; exact but for F64, which is rounded to the nearest,
 * and what was added to all elements is taken off.  Any other type is UNSUPPORTED.
 */
extern bool ckpt_read_f32(tfm_context *context, const ckpt_tensor *t, float *values);

/*
 * As above, but count elements from element first on (in row-major order), so that a large tensor
 * can be read in pieces; whole rows of one of blocks, or whose rows are not in order (of a list of
 * blocks: all of it).  A range that is not within the tensor is INTERNAL.
 */
extern bool ckpt_read_part(tfm_context *context, const ckpt_tensor *t, int64_t first, int64_t count,
						   void *bytes);
extern bool ckpt_read_part_f32(tfm_context *context, const ckpt_tensor *t, int64_t first,
							   int64_t count, float *values);

#endif
