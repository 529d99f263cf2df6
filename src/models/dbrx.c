/*
 * dbrx.c
 *	  DBRX (Databricks 2024): a mixture of experts with fused, limited projections.
 *	  Follows transformers/models/dbrx/modeling_dbrx.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const decoder_names names = {
	.layer = "blocks.%d",
	.attention_norm = "norm_attn_norm.norm_1",
	.qkv = "norm_attn_norm.attn.Wqkv",
	.attention_output = "norm_attn_norm.attn.out_proj",
	.mlp_norm = "norm_attn_norm.norm_2",
	.final_norm = "norm_f",
	.lm_head = "lm_head",
};

static const moe_names expert_names[] = {
	{.gate = "ffn.experts.mlp.w1",
	 .up = "ffn.experts.mlp.v1",
	 .down = "ffn.experts.mlp.w2",
	 .down_transposed = true},
	{0},
};

static const decoder_defaults defaults = {
	.hidden_size_key = "d_model",
	.layers_key = "n_layers",
	.heads_key = "n_heads",
	.max_positions_key = "max_seq_len",
	.vocab_size = 32000,
	.sizes = {.hidden = 2048, .layers = 24, .heads = 16},
	.max_positions = 2048,
	.norm_eps = 1e-6,
	.pad_token_id = -1,
};

static void
read_config(tfm_context *context, json file, void *config)
{
	json heads = json_member(file, "attn_config"), experts = json_member(file, "ffn_config");
	decoder_defaults own = defaults;
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "wte"},
		.norm = {.no_bias = true},
		.moe = {.router = "ffn.router.layer",
				.scoring = MOE_SOFTMAX,
				.names = expert_names,
				.gated = true},
	};
	own.sizes.kv_heads = (int) json_int(context, heads, "kv_n_heads", 1, 1, NN_MAX_HEADS);
	decoder_read_config(context, file, &own, c);
	c->norm.eps = 1e-5; /* LayerNorm's own */
	c->clip_qkv = json_double(context, heads, "clip_qkv", 0);
	c->activation = nn_activation(
		context, json_string(context, json_member(experts, "ffn_act_fn"), "name", "silu"));
	c->moe.intermediate_size = json_int(context, experts, "ffn_hidden_size", 3584, 1, NN_MAX_SIZE);
	c->moe.norm_power = nn_is_null(experts, "moe_normalize_expert_weights")
							? 0
							: json_double(context, experts, "moe_normalize_expert_weights", 1);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	decoder_read_experts(context, experts, "moe_num_experts", 4, "moe_top_k", 1, c);
}

static const nn_variant variants[] = {{"dbrx", "Dbrx", "transformer"}, {0}};

const nn_family family_dbrx = {
	.name = "dbrx",
	.variants = variants,
	.heads = decoder_heads,
	.read_config = read_config,
	DECODER_FAMILY,
};
