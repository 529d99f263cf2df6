/*
 * qwen2_moe.c
 *	  Qwen2-MoE (Yang et al. 2024): Qwen2 with experts, and one that all tokens pass.
 *	  Follows transformers/models/qwen2_moe/modeling_qwen2_moe.py.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "nn/decoder.h"

static const decoder_names shared_names = {
	.gate = "mlp.shared_expert.gate_proj",
	.up = "mlp.shared_expert.up_proj",
	.down = "mlp.shared_expert.down_proj",
};

/* Every other of the first max_window_layers. */
static bool
is_sliding(tfm_context *context, json file, int layer)
{
	return layer % 2 == 0 && layer < json_int(context, file, "max_window_layers", 28, 0, INT32_MAX);
}

static void
read_config(tfm_context *context, json file, void *config)
{
	decoder_config *c = config;

	*c = (decoder_config) {
		.names = &decoder_llama_names,
		.embedding = {.words = "embed_tokens"},
		.norm = {.rms = true},
		.moe = {.router = "mlp.gate",
				.scoring = MOE_SOFTMAX,
				.names = moe_llama_names,
				.gated = true},
		.shared_expert = &shared_names,
		.shared_expert_gate = "mlp.shared_expert_gate",
	};
	decoder_read_config(context, file,
						&(decoder_defaults) {.vocab_size = 151936,
											 .hidden_size = 2048,
											 .intermediate_size = 5632,
											 .layers = 24,
											 .heads = 16,
											 .kv_heads = 16,
											 .max_positions = 32768,
											 .activation = "silu",
											 .norm_eps = 1e-6,
											 .pad_token_id = -1},
						c);
	decoder_read_rope(context, file, &(rope_defaults) {0}, c);
	if (json_bool(context, file, "use_sliding_window", false))
		decoder_read_layer_types(context, file, 4096, is_sliding, c);
	c->shared_intermediate_size =
		json_int(context, file, "shared_expert_intermediate_size", 5632, 1, NN_MAX_SIZE);
	c->moe.intermediate_size =
		json_int(context, file, "moe_intermediate_size", 1408, 1, NN_MAX_SIZE);
	c->moe.norm_power = json_bool(context, file, "norm_topk_prob", false);
	decoder_read_experts(context, file, "num_experts", 60, "num_experts_per_tok", 4, c);
	decoder_read_dense_layers(context, file, c);
}

static const nn_variant variants[] = {{"qwen2_moe", "Qwen2Moe", "model"}, {0}};

const nn_family family_qwen2_moe = {
	.name = "qwen2_moe",
	.variants = variants,
	.heads = decoder_heads,
	.config_size = sizeof(decoder_config),
	.read_config = read_config,
	.cache_layers = decoder_cache_layers,
	.hidden_states = decoder_hidden_states,
};
