/*
 * qwen3_moe.c
 *	  Qwen3-MoE (Yang et al. 2025): Qwen3 with experts.
 *	  Follows transformers/models/qwen3_moe/modeling_qwen3_moe.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const decoder_names names = {
	.layer = "layers.%d",
	.attention_norm = "input_layernorm",
	.query = "self_attn.q_proj",
	.key = "self_attn.k_proj",
	.value = "self_attn.v_proj",
	.query_norm = "self_attn.q_norm",
	.key_norm = "self_attn.k_norm",
	.attention_output = "self_attn.o_proj",
	.mlp_norm = "post_attention_layernorm",
	.gate = "mlp.gate_proj",
	.up = "mlp.up_proj",
	.down = "mlp.down_proj",
	.final_norm = "norm",
	.lm_head = "lm_head",
};

static const moe_names expert_names[] = {
	{.gate = "mlp.experts.%.gate_proj",
	 .up = "mlp.experts.%.up_proj",
	 .down = "mlp.experts.%.down_proj"},
	{.gate_up = "mlp.experts.gate_up_proj", .down = "mlp.experts.down_proj"},
	{0},
};

/* Which layers have a feed-forward part instead. */
static void
read_dense_layers(tfm_context *context, json file, decoder_config *c)
{
	int64_t step = json_int(context, file, "decoder_sparse_step", 1, 1, NN_MAX_LAYERS);
	decoder_layer *each = (decoder_layer *) c->each;
	json dense = json_member(file, "mlp_only_layers");
	int64_t layer;

	for (int i = 0; each != NULL && i < c->layers; i++)
		each[i].mixture = (i + 1) % step == 0;
	for (json e = json_first(dense); each != NULL && json_present(e); e = json_next(e))
		if (json_to_int(e, 0, c->layers - 1, &layer))
			each[layer].mixture = false;
}

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true},
		.head_norm = {.rms = true},
		.moe = {.router = "mlp.gate", .scoring = MOE_SOFTMAX, .names = expert_names, .gated = true},
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.vocab_size = 151936,
											 .hidden_size = 2048,
											 .intermediate_size = 6144,
											 .layers = 24,
											 .heads = 32,
											 .kv_heads = 4,
											 .max_positions = 32768,
											 .activation = "silu",
											 .norm_eps = 1e-6,
											 .pad_token_id = -1},
						c);
	c->head_norm.eps = c->norm.eps;
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	if (json_bool(context, file, "use_sliding_window", false))
		decoder_read_window(context, file, 4096, c);
	c->moe.intermediate_size =
		json_int(context, file, "moe_intermediate_size", 768, 1, NN_MAX_SIZE);
	c->moe.norm_power = json_bool(context, file, "norm_topk_prob", false);
	decoder_read_experts(context, file, "num_experts", 128, "num_experts_per_tok", 8, c);
	read_dense_layers(context, file, c);
}

static const nn_variant variants[] = {{"qwen3_moe", "Qwen3Moe", "model"}, {0}};

const nn_family family_qwen3_moe = {
	.name = "qwen3_moe",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
