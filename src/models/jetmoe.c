/*
 * jetmoe.c
 *	  JetMoE (Shen et al. 2024): experts in the feed-forward part, and experts that project queries
 *	  and results of attention.
 *	  Follows transformers/models/jetmoe/modeling_jetmoe.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "nn/decoder.h"

static const decoder_names names = {
	.layer = "layers.%d",
	.attention_norm = "input_layernorm",
	.mlp_norm = "post_attention_layernorm",
	.final_norm = "norm",
	.lm_head = "lm_head",
};

static const moe_names expert_names[] = {
	{.gate_up = "mlp.input_linear", .down = "mlp.output_linear"},
	{0},
};

/*
 * Heads of each token move between the order of the experts, [ways][heads], and the one in which those
 * that share a key lie together, [heads][ways].
 */
static tensor
reorder_heads(nn_model *m, tensor x, int from, int to, int64_t head_dim)
{
	int64_t rows = m->batch->tokens, width = head_dim * from * to;
	tensor y = nn_matrix(m, rows, width);

	for (int64_t i = 0; nn_live(m) && i < rows * from * to; i++)
	{
		int64_t row = i / (from * to), head = i % (from * to);
		int64_t place = head % to * from + head / to;

		memcpy((float *) y.data + row * width + place * head_dim,
			   (const float *) x.data + row * width + head * head_dim,
			   (size_t) head_dim * sizeof(float));
	}
	return y;
}

/* Rows of the experts, in the order of tokens: x [tokens * ways, n], a new tensor; and back. */
static tensor
gather_places(nn_model *m, tensor x, const moe_route *route)
{
	return take_rows(m, x, route->places, route->tokens * route->ways);
}

static tensor
scatter_places(nn_model *m, tensor x, const moe_route *route)
{
	tensor y = nn_matrix(m, x.shape[0], x.shape[1]);
	size_t size = (size_t) x.shape[1] * sizeof(float);

	for (int64_t i = 0; nn_live(m) && i < x.shape[0]; i++)
		memcpy((float *) y.data + route->places[i] * x.shape[1],
			   (const float *) x.data + i * x.shape[1], size);
	return y;
}

/* x [rows, n] plus "<name>.bias" [n], in place. */
static tensor
add_bias(nn_model *m, tensor x, const char *name)
{
	const weight *bias = nn_weight(m, name, LAYOUT_PLAIN, 0, x.shape[1]);

	for (int64_t i = 0; nn_live(m) && i < x.shape[0] * x.shape[1]; i++)
		((float *) x.data)[i] += ((const float *) bias->data)[i % x.shape[1]];
	return x;
}

/*
 * Each token's queries come from the experts that it goes to: a set of heads from each, and all sets
 * look at the same keys.  What they find goes back through the same experts.
 */
static tensor
attend_by_experts(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	int ways = c->moe.chosen, heads = c->attention.kv_heads;
	int64_t n = (int64_t) heads * c->head_dim, hidden = c->common.hidden_size;
	attention a = decoder_attention(c, layer);
	moe how = c->moe;
	moe_route route;
	tensor q, kv, y;

	how.router = "self_attention.experts.router.layer";
	route = moe_choose(m, x, &how);
	q = moe_linear(m, moe_spread(m, x, &route), &how, &route,
				   &(moe_product) {
					   .count = 1, .names = {"self_attention.experts.input_linear"}, .columns = n});
	kv = linear(m, x, "self_attention.kv_proj", .columns = 2 * n);
	if (tfm_failed(m->context))
		return (tensor) {0};
	q = reorder_heads(m, gather_places(m, q, &route), ways, heads, c->head_dim);
	decoder_rotate(m, c, layer, q, 0, ways * heads);
	decoder_rotate(m, c, layer, take_columns(kv, 0, n), 2 * n, heads);
	a.stride = 2 * n;
	a.q_stride = ways * n;
	y = attend(m, q, take_columns(kv, 0, n), take_columns(kv, n, n), &a);
	y = reorder_heads(m, y, heads, ways, c->head_dim);
	y.shape[0] = route.tokens * ways;
	y.shape[1] = n;
	y = moe_linear(m, scatter_places(m, y, &route), &how, &route,
				   &(moe_product) {.count = 1,
								   .names = {"self_attention.experts.output_linear"},
								   .columns = hidden});
	return add_bias(m, moe_gather(m, y, &route), "self_attention.experts.bias");
}

static tensor
feed_experts(nn_model *m, tensor x, const decoder_config *c, int layer)
{
	(void) layer;
	return add_bias(m, mixture(m, x, &c->moe), "mlp.bias");
}

static const decoder_defaults defaults = {
	.heads_key = "num_key_value_heads",
	.activation_key = "activation_function",
	.vocab_size = 32000,
	.sizes = {.hidden = 2048, .intermediate = 5632, .layers = 12, .heads = 16},
	.max_positions = 4096,
	.norm_eps = 1e-6,
	.pad_token_id = -1,
	.tie_word_embeddings = true,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	int64_t kv_heads = json_int(context, file, "num_key_value_heads", 16, 1, NN_MAX_HEADS);
	int64_t chosen = json_int(context, file, "num_experts_per_tok", 2, 1, NN_MAX_HEADS);
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true},
		.attend = attend_by_experts,
		.feed_forward = feed_experts,
		.moe = {.router = "mlp.router.layer",
				.scoring = MOE_SOFTMAX_OF_BEST,
				.names = expert_names,
				.gated = true},
	};
	if (kv_heads * chosen > NN_MAX_HEADS)
		tfm_fail(context, TFM_CORRUPTED, "%s: %lld heads are too many", file.source,
				 (long long) (kv_heads * chosen));
	decoder_read_config(context, file, &defaults, c);
	c->final_norm_eps = c->norm.eps;
	c->norm.eps = 1e-6; /* JetMoeRMSNorm's own, in the layers */
	c->head_dim = (int) json_int(context, file, "kv_channels", 128, 1, 65536);
	c->attention.kv_heads = (int) kv_heads;
	c->attention.heads = (int) (kv_heads * chosen);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	decoder_read_experts(context, file, "num_local_experts", 8, "num_experts_per_tok", 2, c);
}

static const nn_variant variants[] = {{"jetmoe", "JetMoe", "model"}, {0}};

const nn_family family_jetmoe = {
	.name = "jetmoe",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
