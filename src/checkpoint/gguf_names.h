/*
 * gguf_names.h
 *	  Names of tensors in GGUF files, and those of the checkpoints that they were made of.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_CHECKPOINT_GGUF_NAMES_H
#define TFM_CHECKPOINT_GGUF_NAMES_H

#include "base/context.h"

/* What the converter made of a tensor, and how it becomes the checkpoint's again. */
typedef enum ckpt_gguf_change
{
	GGUF_SAME,
	GGUF_ROPE_Q,	 /* rows of each head interleaved for another way of rotating; of queries */
	GGUF_ROPE_K,	 /* the same, of keys */
	GGUF_QKV,		 /* rows of queries, keys and values apart; they were by heads */
	GGUF_SPLIT_QKV,	 /* one tensor of what were three: names take "q", "k", "v" */
	GGUF_TRANSPOSED, /* rows were columns */
	GGUF_EXPERTS,	 /* one tensor of what was one for each expert: names take a number */
	GGUF_ROW,		 /* a list of what was a matrix of one row */
} ckpt_gguf_change;

/* A name that was translated. */
typedef struct ckpt_gguf_name
{
	char text[192]; /* with %d, or %c, where change says so */
	ckpt_gguf_change change;
	bool plus_one; /* one was added to all elements */
} ckpt_gguf_name;

/*
 * Translate a tensor's name, "blk.0.attn_q.weight", into "model.layers.0.self_attn.q_proj.weight".
 * False if the architecture has no such tensor, or none that a model needs.
 */
extern bool ckpt_gguf_translate(tfm_text architecture, tfm_text tensor, ckpt_gguf_name *name);

#endif
