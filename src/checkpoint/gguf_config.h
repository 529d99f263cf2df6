/*
 * gguf_config.h
 *	  What a GGUF file says of its model, as the files that Transformers reads.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_CHECKPOINT_GGUF_CONFIG_H
#define TFM_CHECKPOINT_GGUF_CONFIG_H

#include "checkpoint/gguf_parts.h"

/*
 * The config.json of the model that the file was made of, *length bytes in the arena: the keys that
 * Transformers' loader of GGUF files sets, and those that it leaves to defaults though the file has
 * them (scaling of rotary positions, sizes of heads, soft caps).  What only tensors tell is taken from
 * them.  NULL on error: UNSUPPORTED for an architecture that is not here, or one that differs from
 * layer to layer; CORRUPTED for a key of the wrong type.
 */
extern const char *ckpt_gguf_config(tfm_context *context, const ckpt_gguf_parts *gguf,
									size_t *length);

/* The generation_config.json: special ids; at the end of a turn a text ends, too. */
extern const char *ckpt_gguf_generation_config(tfm_context *context, const ckpt_gguf_parts *gguf,
											   size_t *length);

#endif
