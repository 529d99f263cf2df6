/*
 * block_sparse.h
 *	  BigBird's attention (Zaheer et al. 2020): a block of tokens sees its neighbours, the first and
 *	  the last block; these two see all.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef TFM_NN_BLOCK_SPARSE_H
#define TFM_NN_BLOCK_SPARSE_H

#include "nn/family.h"
#include "nn/layers.h"
#include "nn/sparse.h"

typedef struct block_sparse
{
	bool full;			   /* all tokens see all */
	int64_t block_size;	   /* tokens */
	int64_t random_blocks; /* that a block sees beside: out of training all are the first one */
} block_sparse;

/* Read attention_type, block_size and num_random_blocks. */
extern void read_block_sparse(tfm_context *context, json file, block_sparse *b);

/*
 * As attend, in its place in a family; blocks is a block_sparse.  Sequences too short for blocks are seen whole.  Blocks are of the row as it was given:
 * its masked tokens must be in the batch (nn_family.keeps_masked).
 */
extern tensor attend_in_blocks(nn_model *m, const void *blocks, const attention *how, tensor x,
							   const tensor qkv[3]);

#endif
