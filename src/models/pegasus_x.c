/*
 * pegasus_x.c
 *	  PEGASUS-X (Phang et al. 2022): PEGASUS whose encoder's tokens see their block, which in every
 *	  other layer begins half a block earlier, and global tokens that are no words and see all.
 *	  Follows transformers/models/pegasus_x/modeling_pegasus_x.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "nn/bart.h"
#include "nn/sparse.h"

#define NORM_EPS 1e-5
#define MAX_GLOBALS 65536

typedef struct pegasus_x_config
{
	bart_config bart;
	int64_t globals; /* of each sequence: rows after those of all tokens */
	int64_t block_size;
	bool stagger;
} pegasus_x_config;

/* What a layer's attention looks at. */
typedef struct block_look
{
	const nn_batch *batch;
	const pegasus_x_config *c;
	int64_t shift;
} block_look;

static tensor encode_batch(nn_model *m, const void *config);

static void
read_config(tfm_context *context, json file, void *config)
{
	pegasus_x_config *c = config;
	bart_config *b = &c->bart;

	*b = bart_large;
	b->seq2seq.common.vocab_size = 96103;
	b->seq2seq.common.max_positions = 16384;
	b->seq2seq.common.any_position = true;
	b->seq2seq.common.pad_token_id = 0;
	b->seq2seq.eos_token_id = 1;
	b->seq2seq.decoder_start_token_id = 0;
	b->encoder.layers = b->decoder.layers = 16;
	b->scale_embedding = true;
	b->positions = BART_FAIRSEQ_FROM_ZERO;
	b->pre_norm = true;
	bart_read_config(context, file, "gelu", b);
	b->seq2seq.encode = encode_batch;
	c->globals = json_int(context, file, "num_global_tokens", 32, 0, MAX_GLOBALS);
	c->block_size = json_int(context, file, "block_size", 512, 1, NN_MAX_SIZE);
	c->stagger = json_bool(context, file, "stagger_local_blocks", true);
}

/* ---- Rows ---- */

static tensor
copy_rows(nn_model *m, tensor x, int64_t rows)
{
	tensor y = nn_matrix(m, rows, x.shape[1]);

	if (nn_live(m))
		memcpy(y.data, x.data, (size_t) (x.shape[0] * x.shape[1]) * sizeof(float));
	return y;
}

/* The tokens' rows, and behind them each sequence's global tokens, which begin alike. */
static tensor
add_globals(nn_model *m, tensor x, const pegasus_x_config *c)
{
	int64_t sequences = m->batch->sequences, hidden = x.shape[1];
	const weight *w = nn_weight(m, "encoder.embed_global.weight", LAYOUT_PLAIN, c->globals, hidden);
	tensor all = copy_rows(m, x, x.shape[0] + sequences * c->globals);

	for (int64_t i = 0; w != NULL && nn_live(m) && i < sequences; i++)
		memcpy((float *) all.data + (x.shape[0] + i * c->globals) * hidden, w->data,
			   (size_t) (c->globals * hidden) * sizeof(float));
	return all;
}

/* ---- Attention ---- */

/* All tokens for a global one; for others those of their block. */
static void
look(const void *config, const sparse_tile *tile, int head, sparse_view *view)
{
	const block_look *l = config;
	const nn_batch *batch = l->batch;
	int64_t start = batch->offsets[tile->sequence], end = batch->offsets[tile->sequence + 1];
	int64_t global = batch->tokens + tile->sequence * l->c->globals;

	(void) head;
	sparse_see(view, NULL, global, global + l->c->globals);
	if (tile->first < batch->tokens)
	{
		int64_t block = (batch->columns[tile->first] + l->shift) / l->c->block_size;

		while (start < end && (batch->columns[start] + l->shift) / l->c->block_size < block)
			start++;
		while (start < end && (batch->columns[end - 1] + l->shift) / l->c->block_size > block)
			end--;
	}
	sparse_see(view, batch->hidden, start, end);
}

/* The tokens' tiles, and those of the global tokens. */
static const sparse_tile *
cut_all(nn_model *m, const block_look *l, int64_t *count)
{
	const nn_batch *batch = m->batch;
	int64_t globals = l->c->globals, tokens = 0;
	const sparse_tile *tiles = cut_tiles(m, l->c->block_size, l->shift, &tokens);
	int64_t most = tokens + batch->sequences * (globals / SPARSE_QUERIES + 1);
	sparse_tile *all;

	*count = tokens;
	if (!nn_live(m))
		return NULL;
	all = tfm_alloc_array(m->context, (size_t) most, sizeof(sparse_tile));
	if (all == NULL)
		return NULL;
	memcpy(all, tiles, (size_t) tokens * sizeof(sparse_tile));
	for (int64_t i = 0; i < batch->sequences; i++)
		for (int64_t first = 0; first < globals; first += SPARSE_QUERIES)
			all[(*count)++] = (sparse_tile) {
				.sequence = i,
				.first = batch->tokens + i * globals + first,
				.queries =
					(int) (globals - first < SPARSE_QUERIES ? globals - first : SPARSE_QUERIES),
			};
	return all;
}

static tensor
attend_to_blocks(nn_model *m, tensor x, const pegasus_x_config *c, int layer)
{
	static const char *const projections[] = {"self_attn.q_proj", "self_attn.k_proj",
											  "self_attn.v_proj"};
	int64_t tokens = m->batch->tokens;
	block_look l = {.batch = m->batch, .c = c};
	sparse_attention a = {.heads = c->bart.encoder.heads, .config = &l, .look = look};
	tensor h = copy_rows(m, x, x.shape[0]), qkv[3];
	const normalization how = {.eps = NORM_EPS};

	l.shift = c->stagger && layer % 2 == 1 ? c->block_size / 2 : 0;
	normalize_in_place(m, some_rows(h, 0, tokens), "self_attn_layer_norm", &how);
	normalize_in_place(m, some_rows(h, tokens, x.shape[0] - tokens), "global_self_attn_layer_norm",
					   &how);
	linear_parts(m, h, 3, projections, qkv);
	a.q = qkv[0];
	a.k = qkv[1];
	a.v = qkv[2];
	a.tiles = cut_all(m, &l, &a.tile_count);
	if (nn_live(m))
		a.most_keys = sparse_longest(m->batch) + c->globals;
	return linear(m, attend_sparsely(m, &a), "self_attn.out_proj", .residual = x, .replace = true);
}

/* ---- Encoder ---- */

static tensor
feed_forward(nn_model *m, tensor x, const pegasus_x_config *c)
{
	tensor h = layer_norm(m, x, "final_layer_norm", NORM_EPS);

	h = linear(m, h, "fc1", .columns = c->bart.encoder.intermediate_size,
			   .activation = c->bart.activation);
	return linear(m, h, "fc2", .columns = x.shape[1], .residual = x, .replace = true);
}

static tensor
encode_batch(nn_model *m, const void *config)
{
	static const char *const words[] = {"encoder.embed_tokens", "shared", "decoder.embed_tokens",
										NULL};
	const pegasus_x_config *c = config;
	tensor x = bart_embed(m, &c->bart, "encoder", words, c->bart.seq2seq.common.vocab_size);
	int64_t tokens = x.shape[0];

	x = add_globals(m, x, c);
	for (int i = 0; i < c->bart.encoder.layers && !tfm_failed(m->context); i++)
	{
		nn_scope layer, part;

		nn_emit_hidden_state(m, i, some_rows(x, 0, tokens));
		layer = nn_enter(m, "encoder.layers.%d", i);
		part = nn_begin(m);
		x = nn_leave(m, part, x, attend_to_blocks(m, x, c, i));
		x = nn_leave(m, layer, x, feed_forward(m, x, c));
	}
	x = layer_norm(m, some_rows(x, 0, tokens), "encoder.layer_norm", NORM_EPS);
	nn_emit_hidden_state(m, c->bart.encoder.layers, x);
	return x;
}

static const nn_variant variants[] = {{"pegasus_x", "PegasusX", "model"}, {0}};

const nn_family family_pegasus_x = {
	.name = "pegasus_x",
	.variants = variants,
	.heads = seq2seq_heads,
	.config_size = sizeof(pegasus_x_config),
	.read_config = read_config,
	BART_FUNCTIONS,
};
