/*
 * longt5.c
 *	  LongT5 (Guo et al. 2022): T5 whose encoder's tokens see those near them, and, where attention is
 *	  transient-global, a sum of the tokens of each block, which is made anew in each layer.
 *	  Follows transformers/models/longt5/modeling_longt5.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/position_bias.h"
#include "nn/sparse.h"
#include "nn/t5.h"

typedef struct longt5_config
{
	t5_config t5;
	int64_t radius;		  /* of what a token sees */
	bool global;		  /* and blocks' sums */
	int64_t global_block; /* tokens */
} longt5_config;

/* What layers look at; sums are rows after those of all tokens. */
typedef struct longt5_look
{
	const nn_batch *batch;
	const longt5_config *c;
	tensor bias, global_bias; /* by distance in tokens, and in blocks */
	int32_t *blocks;		  /* [tokens] whose sum the token is of; -1: none */
	int32_t *starts;		  /* [sequences + 1] of the sequences' sums */
} longt5_look;

static tensor encode_batch(nn_model *m, const void *config);

static void
read_config(tfm_context *context, json file, void *config)
{
	longt5_config *c = config;
	const char *type = json_string(context, file, "encoder_attention_type", "local");
	bool tied = json_bool(context, file, "tie_word_embeddings", true);

	*c = (longt5_config) {
		.t5 = {.seq2seq = {.common = {.vocab_size = 32128, .hidden_size = 512},
						   .eos_token_id = 1,
						   .decoder_start_token_id = 0},
			   .layers = 6,
			   .heads = 8,
			   .intermediate_size = 2048,
			   .scale_outputs = json_bool(context, file, "scale_decoder_outputs", tied),
			   .feed_forward = "DenseReluDense"},
	};
	t5_read_config(context, file, "relu", &c->t5);
	c->t5.seq2seq.encode = encode_batch;
	c->radius = json_int(context, file, "local_radius", 127, 1, NN_MAX_SIZE);
	c->global_block = json_int(context, file, "global_block_size", 16, 1, NN_MAX_SIZE);
	c->global = type != NULL && strcmp(type, "transient-global") == 0;
	if (type != NULL && !c->global && strcmp(type, "local") != 0)
		tfm_fail(context, TFM_UNSUPPORTED, "\"encoder_attention_type\" \"%s\" is not supported",
				 type);
}

/* ---- Blocks ---- */

/* Number of the block of a column, as Transformers counts them, in float. */
static int32_t
block_of(const longt5_config *c, int64_t column)
{
	float share = 1.0f / (float) c->global_block;
	float before = (float) ((double) (column + 1) * (double) share) - share;

	return (int32_t) floorf(1.0f + before - 1.0f);
}

/*
 * Blocks of a sequence's tokens.  There are as many as have their last token; those after them are of
 * the last one.
 */
static void
number_blocks(longt5_look *l, int64_t sequence)
{
	const nn_batch *batch = l->batch;
	int64_t size = l->c->global_block;
	int32_t last = -1, most = -1;

	for (int64_t t = batch->offsets[sequence]; t < batch->offsets[sequence + 1]; t++)
	{
		bool hidden = batch->hidden != NULL && batch->hidden[t] != 0;

		l->blocks[t] = hidden ? -1 : block_of(l->c, batch->columns[t]);
		last += l->blocks[t] >= 0 && batch->columns[t] % size == size - 1;
	}
	for (int64_t t = batch->offsets[sequence]; t < batch->offsets[sequence + 1]; t++)
	{
		l->blocks[t] = l->blocks[t] < last ? l->blocks[t] : last;
		most = l->blocks[t] > most ? l->blocks[t] : most;
	}
	l->starts[sequence + 1] = l->starts[sequence] + most + 1;
}

/* In a dry run there is one block. */
static int64_t
count_sums(const nn_model *m, const longt5_look *l)
{
	if (!l->c->global)
		return 0;
	return nn_live(m) ? l->starts[l->batch->sequences] : 1;
}

static void
find_blocks(nn_model *m, longt5_look *l)
{
	const nn_batch *batch = l->batch;

	if (!nn_live(m))
		return;
	l->blocks = tfm_alloc_array(m->context, (size_t) batch->tokens, sizeof(int32_t));
	l->starts = tfm_alloc_zero(m->context, ((size_t) batch->sequences + 1) * sizeof(int32_t));
	for (int64_t i = 0; l->c->global && !tfm_failed(m->context) && i < batch->sequences; i++)
		number_blocks(l, i);
}

/* The tokens of h [tokens, hidden] and, normed, the sums of blocks, in one matrix. */
static tensor
add_sums(nn_model *m, tensor h, const longt5_look *l)
{
	const nn_batch *batch = l->batch;
	int64_t tokens = h.shape[0], n = h.shape[1], sums = count_sums(m, l);
	tensor all = nn_matrix(m, tokens + sums, n), part = all;

	part.shape[0] = sums;
	if (nn_live(m))
	{
		part.data = (float *) all.data + tokens * n;
		memcpy(all.data, h.data, (size_t) (tokens * n) * sizeof(float));
		memset(part.data, 0, (size_t) (sums * n) * sizeof(float));
	}
	for (int64_t i = 0; nn_live(m) && i < batch->sequences; i++)
		for (int64_t t = batch->offsets[i]; t < batch->offsets[i + 1]; t++)
			for (int64_t j = 0; l->blocks[t] >= 0 && j < n; j++)
				((float *) part.data)[(l->starts[i] + l->blocks[t]) * n + j] +=
					((const float *) h.data)[t * n + j];
	normalize_in_place(m, part, "TransientGlobalSelfAttention.global_input_layer_norm",
					   &(normalization) {.rms = true, .eps = l->c->t5.norm_eps});
	return all;
}

/* ---- Attention ---- */

/* Entry of a head's biases for a distance; beyond the table its end. */
static float
bias_at(tensor bias, int head, int64_t distance)
{
	int64_t most = (bias.shape[1] - 1) / 2;

	distance = distance > most ? most : distance < -most ? -most : distance;
	return ((const float *) bias.data)[head * bias.shape[1] + distance + most];
}

/* The tokens that some query of the tile sees. */
static void
see_near(const longt5_look *l, const sparse_tile *tile, int head, sparse_view *view)
{
	const nn_batch *batch = l->batch;
	const int32_t *columns = batch->columns;
	int64_t low = columns[tile->first] - l->c->radius;
	int64_t high = columns[tile->first + tile->queries - 1] + l->c->radius;
	int64_t first = tile->first, end = tile->first;

	while (first > batch->offsets[tile->sequence] && columns[first - 1] >= low)
		first--;
	while (end < batch->offsets[tile->sequence + 1] && columns[end] <= high)
		end++;
	sparse_see(view, batch->hidden, first, end);
	for (int64_t k = 0; k < view->count; k++)
		for (int i = 0; i < tile->queries; i++)
		{
			int64_t distance = (int64_t) columns[view->keys[k]] - columns[tile->first + i];

			view->bias[k * SPARSE_QUERIES + i] =
				llabs(distance) <= l->c->radius ? bias_at(l->bias, head, distance) : SPARSE_HIDDEN;
		}
}

static void
look(const void *config, const sparse_tile *tile, int head, sparse_view *view)
{
	const longt5_look *l = config;

	see_near(l, tile, head, view);
	for (int32_t sum = l->starts[tile->sequence]; sum < l->starts[tile->sequence + 1]; sum++)
	{
		float *bias = view->bias + view->count * SPARSE_QUERIES;

		view->keys[view->count++] = (int32_t) l->batch->tokens + sum;
		for (int i = 0; i < tile->queries; i++)
			bias[i] = bias_at(l->global_bias, head,
							  sum - l->starts[tile->sequence] - l->blocks[tile->first + i]);
	}
}

/* A weight of the encoder's attention: "LocalSelfAttention.q". */
static const char *
name_part(char text[NN_NAME_MAX], const longt5_config *c, const char *part)
{
	snprintf(text, NN_NAME_MAX, "%sSelfAttention.%s", c->global ? "TransientGlobal" : "Local",
			 part);
	return text;
}

static tensor
attend_near(nn_model *m, tensor x, const longt5_look *l)
{
	const longt5_config *c = l->c;
	int64_t width = c->t5.heads * c->t5.head_size;
	tensor h = t5_norm(m, x, &c->t5, "layer_norm");
	tensor all = c->global ? add_sums(m, h, l) : h;
	char name[NN_NAME_MAX];
	sparse_attention a = {.heads = c->t5.heads,
						  .scale = 1.0,
						  .config = l,
						  .look = look,
						  .biased = true,
						  .by_head = true};

	a.q = linear(m, h, name_part(name, c, "q"), .columns = width);
	a.k = linear(m, all, name_part(name, c, "k"), .columns = width);
	a.v = linear(m, all, name_part(name, c, "v"), .columns = width);
	a.tiles = cut_tiles(m, 0, 0, &a.tile_count);
	if (nn_live(m))
		a.most_keys = sparse_longest(l->batch) + count_sums(m, l);
	return linear(m, attend_sparsely(m, &a), name_part(name, c, "o"), .columns = x.shape[1],
				  .residual = x, .replace = true);
}

/* ---- Encoder ---- */

/* The first layer's biases are those of all. */
static tensor
find_bias(nn_model *m, const longt5_config *c, const char *part)
{
	char own[NN_NAME_MAX], name[NN_NAME_MAX + 32];

	snprintf(name, sizeof(name), "encoder.block.0.layer.0.%s", name_part(own, c, part));
	return position_bias(m, name,
						 &(position_buckets) {.heads = c->t5.heads,
											  .buckets = c->t5.buckets,
											  .max_distance = c->t5.max_distance,
											  .bidirectional = true});
}

static tensor
encode_batch(nn_model *m, const void *config)
{
	const longt5_config *c = config;
	longt5_look l = {.batch = m->batch, .c = c};
	tensor x = t5_embed(m, &c->t5, "encoder");

	find_blocks(m, &l);
	l.bias = find_bias(m, c, "relative_attention_bias");
	if (c->global)
		l.global_bias = find_bias(m, c, "global_relative_attention_bias");
	for (int i = 0; i < c->t5.layers && !tfm_failed(m->context); i++)
	{
		nn_scope part;

		nn_emit_hidden_state(m, i, x);
		part = nn_enter(m, "encoder.block.%d.layer.0", i);
		x = nn_leave(m, part, x, attend_near(m, x, &l));
		part = nn_enter(m, "encoder.block.%d.layer.1", i);
		x = nn_leave(m, part, x, t5_feed_forward(m, x, &c->t5, i, 0));
	}
	x = t5_norm(m, x, &c->t5, "encoder.final_layer_norm");
	nn_emit_hidden_state(m, c->t5.layers, x);
	return x;
}

static const nn_variant variants[] = {{"longt5", "LongT5", "transformer"}, {0}};

const nn_family family_longt5 = {
	.name = "longt5",
	.variants = variants,
	.heads = t5_heads,
	.config_size = sizeof(longt5_config),
	.read_config = read_config,
	T5_FUNCTIONS,
};
