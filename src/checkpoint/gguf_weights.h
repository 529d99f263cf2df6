/*
 * gguf_weights.h
 *	  The tensors of a GGUF checkpoint, under the names and in the shapes of the one that it was made
 *	  of.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_CHECKPOINT_GGUF_WEIGHTS_H
#define TFM_CHECKPOINT_GGUF_WEIGHTS_H

#include "checkpoint/gguf_parts.h"
#include "checkpoint/safetensors.h"

/*
 * The tensors of all parts, which must live as long.  What a converter did to them is undone when
 * they are read (ckpt_row_order, added), so that blocks stay as they are; one tensor of many experts
 * becomes one for each.  Tensors of types that we do not read have dtype 0, those of unknown names
 * their own.  NULL on error: CORRUPTED for tensors that do not fit the keys, or two of one name.
 */
extern ckpt_weights *ckpt_open_gguf_weights(tfm_context *context, const ckpt_gguf_parts *gguf);

#endif
