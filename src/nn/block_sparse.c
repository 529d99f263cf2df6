/*
 * block_sparse.c
 *	  BigBird's attention.
 *	  Follows BigBirdBlockSparseAttention of transformers/models/big_bird/modeling_big_bird.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/block_sparse.h"

#include <string.h>

#define MAX_RANDOM_BLOCKS 4096

typedef struct block_look
{
	const nn_batch *batch;
	const block_sparse *b;
} block_look;

void
read_block_sparse(tfm_context *context, json file, block_sparse *b)
{
	const char *type = json_string(context, file, "attention_type", "block_sparse");

	b->block_size = json_int(context, file, "block_size", 64, 1, NN_MAX_SIZE);
	b->random_blocks = json_int(context, file, "num_random_blocks", 3, 0, MAX_RANDOM_BLOCKS);
	b->full = type != NULL && strcmp(type, "original_full") == 0;
	if (type != NULL && !b->full && strcmp(type, "block_sparse") != 0)
		tfm_fail(context, TFM_UNSUPPORTED, "\"attention_type\" \"%s\" is not supported", type);
}

/* Keys of the blocks first .. end - 1, as far as there are tokens. */
static void
see_blocks(const block_look *l, const sparse_tile *tile, sparse_view *view, int64_t first,
		   int64_t end)
{
	int64_t start = l->batch->offsets[tile->sequence];
	int64_t stop = l->batch->offsets[tile->sequence + 1], size = l->b->block_size;
	int64_t to = start + end * size;

	sparse_see(view, l->batch->hidden, start + first * size, to < stop ? to : stop);
}

/*
 * In Transformers a block's random blocks are zeros unless it is in training: it sees the first block
 * once more for each of them.
 */
static void
look(const void *config, const sparse_tile *tile, int head, sparse_view *view)
{
	const block_look *l = config;
	const int32_t *offsets = l->batch->offsets;
	int64_t size = l->b->block_size;
	int64_t tokens = offsets[tile->sequence + 1] - offsets[tile->sequence];
	int64_t blocks = (tokens + size - 1) / size;
	int64_t block = (tile->first - offsets[tile->sequence]) / size;
	int64_t first = block < 2 ? 1 : block - 1, end = block + 2;

	(void) head;
	if (tokens <= (5 + 2 * l->b->random_blocks) * size || block == 0 || block == blocks - 1)
	{
		see_blocks(l, tile, view, 0, blocks);
		return;
	}
	see_blocks(l, tile, view, 0, 1);
	see_blocks(l, tile, view, first, end);
	for (int64_t i = 0; i < l->b->random_blocks; i++)
		see_blocks(l, tile, view, 0, 1);
	if (end < blocks)
		see_blocks(l, tile, view, blocks - 1, blocks);
}

tensor
attend_in_blocks(nn_model *m, const void *blocks, const attention *how, tensor x,
				 const tensor qkv[3])
{
	const block_sparse *b = blocks;
	block_look l = {.batch = m->batch, .b = b};
	sparse_attention a = {
		.heads = how->heads, .q = qkv[0], .k = qkv[1], .v = qkv[2], .config = &l, .look = look};

	(void) x;
	if (b->full || how->causal)
		return attend(m, qkv[0], qkv[1], qkv[2], how);
	a.tiles = cut_tiles(m, b->block_size, 0, &a.tile_count);
	if (nn_live(m))
		a.most_keys = sparse_longest(m->batch); /* who sees more is too short for blocks */
	return attend_sparsely(m, &a);
}
