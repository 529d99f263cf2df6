/*
 * weights.h
 *	  Tensors of a checkpoint as weights of an image.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_RUNTIME_WEIGHTS_H
#define TFM_RUNTIME_WEIGHTS_H

#include "checkpoint/image.h"
#include "checkpoint/safetensors.h"

/*
 * Write the tensor from, of real numbers, in the type and layout of w, which has its shape, or if
 * transposed the shape of its transpose.
 * Errors: LIMIT_EXCEEDED for rows that are too long for I8 and for values that the type cannot hold:
 * finite ones that would become infinity, and in I8 and blocks whatever is not finite; those of reading and
 * writing.
 */
extern bool run_write_weight(tfm_context *context, image_writer *writer, const ckpt_tensor *from,
							 const weight *w, bool transposed);

#endif
